"""The command `kubernetes render`: a training as an Indexed Job, printed as YAML."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ocr_train.cli.options import add_parameters, launch_of, whole_number
from ocr_train.cli.output import Commands
from ocr_train.cli.parser import Parser
from ocr_train.cluster.kubernetes.values import OURS, KubernetesJob, checked_job, restart_note
from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.config.parameters import PARAMETERS, Launch
from ocr_train.errors import ConfigError

_GIVEN = tuple(name for name in PARAMETERS if name not in OURS)


def add_commands(commands: Commands) -> None:
    """Add `kubernetes render`."""
    group = commands.add_parser(
        "kubernetes",
        help="training on Kubernetes: the YAML of a Job",
        description="Training on Kubernetes.",
    )
    parts = group.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    parser = parts.add_parser(
        "render",
        command=_render,
        help="print a training as an Indexed Job",
        description="Print the YAML of a training on one or several pods: an Indexed Job and, for several pods, a headless "
        "service. `... render ... | kubectl apply -f -` starts it. Nothing is asked of a cluster.",
    )
    _add_job_options(parser)
    parameters = parser.add_argument_group("parameters of `train`")
    add_parameters(parameters, _GIVEN)


def _add_job_options(parser: argparse.ArgumentParser) -> None:
    plain = KubernetesJob(name="", image="", launch=Launch())
    parser.add_argument("--image", required=True, help="the image, built from docker/Dockerfile")
    parser.add_argument("--name", default="", help="the name of the Job (default: ocr-train-MODEL)")
    parser.add_argument("--namespace", default="", help="the namespace (default: that of kubectl)")
    parser.add_argument(
        "--nodes", type=whole_number(1), default=1, metavar="N", help="pods that train together (default: 1)"
    )
    parser.add_argument(
        "--gpus-per-node",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="GPUs of each pod; 0 trains on the CPU (default: 0)",
    )
    parser.add_argument("--gpu-resource", default=plain.gpu_resource, help="what the cluster calls its GPUs")
    parser.add_argument(
        "--pvc",
        default="",
        metavar="NAME",
        help="a PersistentVolumeClaim, mounted at /data, for data and outputs",
    )
    parser.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="NAME",
        help="a Secret whose keys become variables, such as AWS_ACCESS_KEY_ID or MLFLOW_TRACKING_PASSWORD; may be repeated",
    )
    parser.add_argument(
        "--service-account", default="", metavar="NAME", help="the pods' service account, for S3"
    )
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable that is no secret; may be repeated",
    )
    parser.add_argument(
        "--node-selector",
        action="append",
        default=[],
        metavar="LABEL=VALUE",
        help="nodes to run on; may be repeated",
    )
    _add_sizes(parser)


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    plain = KubernetesJob(name="", image="", launch=Launch())
    parser.add_argument("--cpu", default=plain.cpu, help="CPU of a pod (default: %(default)s)")
    parser.add_argument("--memory", default=plain.memory, help="memory of a pod (default: %(default)s)")
    parser.add_argument(
        "--disk",
        default=plain.disk,
        help="disk of a pod without --pvc, for data and runs (default: %(default)s)",
    )
    parser.add_argument(
        "--shm-gb",
        type=float,
        default=plain.shm_gb,
        metavar="GB",
        help="GiB of /dev/shm, which is part of --memory (default: %(default)g)",
    )
    parser.add_argument(
        "--retries",
        type=whole_number(0),
        default=plain.retries,
        metavar="N",
        help="how often each pod is started again after a failure; it goes on from its last checkpoint (default: %(default)s)",
    )


def _render(arguments: argparse.Namespace) -> int:
    from ocr_train.cluster.kubernetes.render import render_job

    launch = launch_of(arguments, _GIVEN)
    problems: list[str] = []
    job = KubernetesJob(
        name=arguments.name or f"ocr-train-{launch.model.replace('_', '-').lower()}",
        image=arguments.image,
        launch=launch,
        namespace=arguments.namespace,
        nodes=arguments.nodes,
        gpus=arguments.gpus_per_node,
        pvc=arguments.pvc,
        secrets=tuple(arguments.secret),
        service_account=arguments.service_account,
        env=_pairs("--env", arguments.env, problems),
        cpu=arguments.cpu,
        memory=arguments.memory,
        disk=arguments.disk,
        shm_gb=arguments.shm_gb,
        retries=arguments.retries,
        node_selector=_pairs("--node-selector", arguments.node_selector, problems),
        gpu_resource=arguments.gpu_resource,
    )
    try:
        load_experiment(launch, EXPERIMENTS)
    except ConfigError as exc:
        problems += [line.removeprefix("  - ") for line in exc.problem.splitlines()[1:] or [exc.problem]]
    job = checked_job(job, also=problems)
    if note := restart_note(job):
        print(note, file=sys.stderr)
    print(render_job(job), end="")
    return 0


def _pairs(option: str, given: Sequence[str], problems: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            problems.append(f"{option} {text!r} is not NAME=VALUE")
        found[name] = value
    return found
