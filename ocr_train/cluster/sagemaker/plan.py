"""From what SageMaker says to one launch of `train`: its parameters, its environment and its folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ocr_train.cluster.sagemaker.channels import data_channels
from ocr_train.cluster.sagemaker.contract import (
    SDK_PREFIX,
    Channel,
    TrainingJob,
    overrides_text,
    parameter_text,
)
from ocr_train.cluster.sagemaker.instances import has_gpu, has_other_chips
from ocr_train.config.overrides import nearest
from ocr_train.config.parameters import PARAMETERS, Launch
from ocr_train.errors import ConfigError

SCRATCH = Path("/tmp/ocr-train")  # noqa: S108 - SageMaker's scratch volume; the container has no other users
"""On the disk of the job (VolumeSizeInGB, or the instance's own), and not packed and sent to S3 at the end."""
PATIENCE_S = "30"
"""SageMaker kills the container 120 s after SIGTERM: the wait for a server that is away must fit into that."""
OURS = ("output", "nodes", "node_rank")
"""Parameters that the job itself decides."""


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """`launch` has the parameters of `train`, but for `data` of `channels`; `output` is the folder for files of runs.

    `copies` is the folder that checkpoints are copied to, None where the job keeps none or this host does not lead.
    `notes` are lines for people.
    """

    launch: Launch
    channels: tuple[Channel, ...]
    output: Path
    copies: Path | None
    env: Mapping[str, str]
    needs_gpu: bool
    notes: tuple[str, ...] = ()


def plan_job(job: TrainingJob, environ: Mapping[str, str], *, scratch: Path = SCRATCH) -> JobPlan:
    """Decide how the job is run; raises `ConfigError` with everything that is wrong in its hyperparameters."""
    problems: list[str] = []
    values = _parameters(job, problems)
    channels = data_channels(job, problems)
    if channels and values.get("data"):
        problems.append(
            f"data={values['data']} and the channel {channels[0].name!r} both name the data: give one"
        )
    if has_other_chips(job.instance_type):
        problems.append(
            f"{job.instance_type}: Paddle cannot use its chips; choose a GPU instance such as ml.g5.xlarge, or a CPU one"
        )
    launch = Launch(**values)
    if has_gpu(job.instance_type) and (launch.gpus == "cpu" or launch.cpus):
        what = "gpus=cpu" if launch.gpus == "cpu" else f"cpus={launch.cpus}"
        problems.append(
            f"{what} on {job.instance_type}: its GPUs would be paid for and not used; choose a CPU instance such as "
            "ml.c5.2xlarge, or leave the parameter out"
        )
    if problems:
        raise ConfigError(
            f"{len(problems)} problem(s) in the training job:\n"
            + "\n".join(f"  - {line}" for line in problems),
            hint="Nothing was started. `python -m ocr_train train --help` lists all parameters.",
        )
    launch, notes = _tracked(launch, environ)
    if len(job.hosts) > 1:
        launch = replace(launch, nodes=",".join(job.hosts), node_rank=str(job.rank))
    offline = launch.offline.lower() in ("true", "yes", "1")
    output = Path(
        environ.get("OCR_TRAIN_OUTPUT") or (job.places.output / "ocr-train" if offline else scratch)
    )
    copies = job.places.checkpoints if job.leads and job.places.checkpoints.is_dir() else None
    if not channels and not launch.data:
        notes = (
            *notes,
            "no channel and no `data`: the built-in demo set is drawn, which only tries things out",
        )
    others = [channel for channel in job.channels if channel not in channels]
    notes += tuple(f"the channel {one.name!r} is in {one.folder}: parameters may name it" for one in others)
    return JobPlan(
        launch=launch,
        channels=channels,
        output=output,
        copies=copies,
        env=_environment(job, environ, output, copies),
        needs_gpu=has_gpu(job.instance_type),
        notes=notes,
    )


def _parameters(job: TrainingJob, problems: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for given, value in sorted(job.hyperparameters.items()):
        if given.startswith(SDK_PREFIX):
            continue
        name = given.replace("-", "_")
        if name not in PARAMETERS:
            problems.append(f"hyperparameter {given!r} is no parameter{nearest(name, list(PARAMETERS))}")
        elif name in OURS:
            problems.append(f"hyperparameter {given!r}: the job decides it; leave it out")
        elif name in values:
            problems.append(f"hyperparameter {name!r} is given twice, with - and with _")
        elif name == "overrides" and isinstance(value, dict):
            values[name] = overrides_text(value)
        elif (text := parameter_text(value)) is None:
            problems.append(f"hyperparameter {given!r} is {value!r}, which is not one value")
        else:
            values[name] = text
    # SDKs and consoles have no way to leave a value out: what is empty is what is not given.
    return {name: text for name, text in values.items() if text}


def _tracked(launch: Launch, environ: Mapping[str, str]) -> tuple[Launch, tuple[str, ...]]:
    """Without a tracking server the run is kept in the job's output, and that is said."""
    if environ.get("MLFLOW_TRACKING_URI") or launch.offline.lower() in ("true", "yes", "1"):
        return launch, ()
    return replace(launch, offline="true"), (
        "WARNING: MLFLOW_TRACKING_URI is not set: nothing is seen of this run while it trains. It is kept in output.tar.gz "
        "of the job; unpack that and run `python -m ocr_train sync FOLDER` to bring it to MLflow. Give the address in the "
        "job's Environment to track it.",
    )


def _environment(
    job: TrainingJob, environ: Mapping[str, str], output: Path, copies: Path | None
) -> dict[str, str]:
    env = {
        **environ,
        "OCR_TRAIN_OUTPUT": str(output),
        "OCR_TRAIN_FAILURE_FILE": str(job.places.failure),
        "OCR_TRAIN_PATIENCE_S": environ.get("OCR_TRAIN_PATIENCE_S") or PATIENCE_S,
        "OCR_TRAIN_CHECKPOINT_COPIES": str(copies or ""),
    }
    if job.interface:
        # What several hosts talk through, for NCCL and gloo.
        env.setdefault("NCCL_SOCKET_IFNAME", job.interface)
        env.setdefault("GLOO_SOCKET_IFNAME", job.interface)
    return env
