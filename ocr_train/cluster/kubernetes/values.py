"""What a training on Kubernetes is asked to be, and whether its names and sizes are what Kubernetes takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from ocr_train.config.auto_values import several_machines_problems
from ocr_train.config.data_sources import parse_sources
from ocr_train.config.fine_tune import NONE, is_of_a_run
from ocr_train.config.parameters import Launch
from ocr_train.errors import ConfigError
from ocr_train.redaction.redactor import redactor

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""A DNS label (RFC 1123): names of jobs, services, namespaces, volumes."""
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._:/-]*[A-Za-z0-9._-]*(@sha256:[0-9a-f]{64})?")
NAME_LIMIT = 52
"""The name of a pod is that of its job, the index and five characters more, and must fit into 63."""
SECRETS = re.compile(r"SECRET|PASSWORD|TOKEN|ACCESS_KEY|CREDENTIAL", re.IGNORECASE)
OURS = ("nodes", "node_rank", "output", "gpus", "resume_mode")
"""Parameters of `train` that the job decides itself."""
DATA_FOLDER = PurePosixPath("/data")
OUTPUT_FOLDER = PurePosixPath("/output")


@dataclass(frozen=True, kw_only=True)
class KubernetesJob:
    """A training as a Job: `launch` has the parameters of `train`, `nodes` is how many pods train together.

    `gpus` is GPUs a pod, 0 for the CPU; `pvc` a claim for data and outputs, empty where everything is in S3; `secrets`
    are names of Secrets whose keys become variables of the environment; `env` are plain variables; `cpu`, `memory` and
    `disk` are Kubernetes quantities, `shm_gb` is the size of /dev/shm; `retries` is how often a failed pod is started
    again.
    """

    name: str
    image: str
    launch: Launch
    namespace: str = ""
    nodes: int = 1
    gpus: int = 0
    pvc: str = ""
    secrets: Sequence[str] = ()
    service_account: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    cpu: str = "4"
    memory: str = "16Gi"
    disk: str = "50Gi"
    shm_gb: float = 4.0
    retries: int = 6
    node_selector: Mapping[str, str] = field(default_factory=dict)
    gpu_resource: str = "nvidia.com/gpu"


def checked_job(job: KubernetesJob, *, also: Sequence[str] = ()) -> KubernetesJob:
    """The job, with what is left out filled in; raises `ConfigError` with everything that is wrong in it, and with what
    is known to be wrong `also`."""
    problems = [
        *also,
        *_name_problems(job),
        *_size_problems(job),
        *_environment_problems(job),
        *_parameter_problems(job),
    ]
    if problems:
        raise ConfigError(
            f"{len(problems)} problem(s) in the job for Kubernetes:\n"
            + "\n".join(f"  - {line}" for line in problems),
            hint="Nothing was written. `python -m ocr_train kubernetes render --help` lists all options.",
        )
    # A pod that was evicted is started again with the same command.
    auto = not job.launch.resume and not is_of_a_run(job.launch.pretrained)
    return replace(job, launch=replace(job.launch, resume="auto")) if auto else job


def restart_note(job: KubernetesJob) -> str:
    """A sentence where a pod that is started again does not go on from its last checkpoint; empty where it does."""
    if job.launch.resume == "auto":
        return ""
    start = f"resume={job.launch.resume}" if job.launch.resume else f"pretrained={job.launch.pretrained}"
    return f"note: a pod that is started again begins with {start} again, in a run of its own; resume=auto goes on from its last checkpoint"


def _name_problems(job: KubernetesJob) -> list[str]:
    problems = [
        f"{option} {text!r} is not a DNS label: small letters, digits and - (RFC 1123), {limit} characters at most"
        for option, text, limit in (
            ("--name", job.name, NAME_LIMIT),
            *([("--namespace", job.namespace, 63)] if job.namespace else []),
        )
        if not _LABEL.fullmatch(text) or len(text) > limit
    ]
    problems += [
        f"{option} {text!r} is not a name that Kubernetes takes: small letters, digits, - and ."
        for option, text in (
            *((("--pvc", job.pvc),) if job.pvc else ()),
            *(("--secret", name) for name in job.secrets),
            *((("--service-account", job.service_account),) if job.service_account else ()),
        )
        if not _SUBDOMAIN.fullmatch(text) or len(text) > 253
    ]
    if not _IMAGE.fullmatch(job.image):
        problems.append(f"--image {job.image!r} is not the name of an image, such as team/ocr-train:1.0-gpu")
    for option, text in (
        ("--gpu-resource", job.gpu_resource),
        *(("--node-selector", k) for k in job.node_selector),
    ):
        if not _KEY.fullmatch(text):
            problems.append(f"{option} {text!r} is not a name such as nvidia.com/gpu")
    return problems


def _size_problems(job: KubernetesJob) -> list[str]:
    problems = [
        f"{option} {text!r} is not a quantity, such as {example}"
        for option, text, example in (
            ("--cpu", job.cpu, "4 or 500m"),
            ("--memory", job.memory, "16Gi"),
            ("--disk", job.disk, "50Gi"),
        )
        if not _QUANTITY.fullmatch(text) or float(re.sub(r"[A-Za-z]+$", "", text) or 0) == 0
    ]
    if job.shm_gb <= 0:
        problems.append(f"--shm-gb {job.shm_gb:g} is too small: data loading processes need /dev/shm")
    return problems


def _environment_problems(job: KubernetesJob) -> list[str]:
    problems = [
        f"--env {name!r} is not a name of a variable" for name in job.env if not _ENV_NAME.fullmatch(name)
    ]
    problems += [
        f"--env {name}=...: its value has a password: put it into a Secret and name that with --secret"
        for name, value in job.env.items()
        if redactor().value(name, value) != value and not SECRETS.search(name)
    ]
    problems += [
        f"--env {name}=...: a secret does not belong into the YAML: put it into a Secret and name that with --secret"
        for name in job.env
        if SECRETS.search(name)
    ]
    return problems


def _parameter_problems(job: KubernetesJob) -> list[str]:
    launch = job.launch
    problems = [
        f"{name}={getattr(launch, name)}: the job decides it; leave it out"
        for name in OURS
        if getattr(launch, name) != getattr(Launch(), name)
    ]
    if job.nodes > 1:
        problems += several_machines_problems(launch)
    if launch.cpus and job.gpus:
        problems.append(f"cpus={launch.cpus} and --gpus-per-node {job.gpus}: give one of them")
    # What exists here says nothing about the pod's disk.
    sources = parse_sources(launch.data, problems, is_there=lambda _: False)
    places = [("data", one.address) for one in sources if not one.is_s3]
    if launch.keep not in ("", NONE) and not launch.keep.lower().startswith("s3://"):
        places.append(("keep", launch.keep))
    problems += [found for name, path in places if (found := _place_problem(name, path, job.pvc))]
    if launch.offline.lower() in ("true", "yes", "1"):
        problems.append(
            "offline=true: a pod that is started again finds its run on an MLflow server; leave it out"
        )
    elif not (job.env.get("MLFLOW_TRACKING_URI") or job.secrets):
        problems.append(
            "no MLflow server: give --env MLFLOW_TRACKING_URI=http://..., or a --secret that has MLFLOW_TRACKING_URI"
        )
    return problems


def _place_problem(name: str, path: str, pvc: str) -> str:
    """What is wrong with the folder `path`, a value of the parameter `name`, for a pod that has the claim `pvc`."""
    if not pvc:
        return f"{name}={path} is a folder: name the claim that has it with --pvc, or give s3://..."
    if not PurePosixPath(path).is_relative_to(DATA_FOLDER):
        return f"{name}={path}: the claim is at {DATA_FOLDER} in the pod, so give {DATA_FOLDER}/..."
    return ""
