"""What would waste money, miss its data or give a secret away in a job; problems are added to a list, to be said at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ocr_train.cluster.sagemaker import instances
from ocr_train.cluster.sagemaker.options import JobOptions
from ocr_train.cluster.sagemaker.plan import OURS
from ocr_train.config.fine_tune import NONE
from ocr_train.config.parameter_values import address, choice
from ocr_train.config.parameters import PARAMETERS, Launch, option_name
from ocr_train.config.requests import DataSource
from ocr_train.redaction.redactor import redactor

CHANNELS = "/opt/ml/input/data/"
"""Where a job has its channels: a parameter may name a folder there."""


def check_device(launch: Launch, options: JobOptions, problems: list[str], notes: list[str]) -> None:
    """A GPU that is paid for must be used, and an image for GPUs needs one."""
    instance, image = options.instance, options.image
    if not instance or not image:
        return
    if instances.has_other_chips(instance):
        problems.append(
            f"--instance: {instance} has accelerators that PaddlePaddle cannot use: take ml.g5 or ml.c5"
        )
        return
    wanted = "gpu" if instances.has_gpu(instance) else "cpu"
    by_name = instances.kind_of_image(image)
    given = choice(options.image_kind, "--image-kind", ("cpu", "gpu"), problems) if options.image_kind else ""
    kind = given or by_name
    if not kind:
        problems.append(
            f"--image: {image} does not say whether it is for CPU or GPU: give --image-kind cpu or --image-kind gpu, "
            "or a tag such as 1.0-gpu"
        )
    elif kind == "cpu" and wanted == "gpu":
        problems.append(
            f"--image: {image} is a CPU image, and {instance} has GPUs: they would be paid for and not used. Take the "
            "GPU image, or an instance such as ml.c5.2xlarge"
        )
    elif kind == "gpu" and wanted == "cpu":
        problems.append(
            f"--image: {image} is a GPU image, and {instance} has no GPU. Take the CPU image, or an instance such as "
            "ml.g5.xlarge"
        )
    if given and by_name and given != by_name:
        notes.append(f"--image-kind {given} was given, and the image's name says {by_name}")
    if wanted == "gpu" and launch.gpus == "cpu":
        problems.append(f"--gpus cpu: {instance} has GPUs, which would be paid for and not used")
    if wanted == "gpu" and launch.cpus:
        problems.append(f"--cpus: {instance} has GPUs, which would be paid for and not used")
    if wanted == "cpu" and launch.gpus not in ("", "auto", "cpu"):
        problems.append(f"--gpus {launch.gpus}: {instance} has no GPU")
    place = instances.ecr_place(image)
    if place is None:
        problems.append(
            f"--image: {image} is not in Amazon ECR (ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG): push it there"
        )
    elif options.region and place[1] != options.region:
        notes.append(f"the image is in {place[1]} and the job in {options.region}: SageMaker may refuse that")


def check_parameters(
    launch: Launch,
    sources: Sequence[DataSource],
    channels: Sequence[Mapping[str, Any]],
    problems: list[str],
) -> None:
    """What the job decides itself, and data that it cannot see."""
    for name in OURS:
        if getattr(launch, name) != getattr(Launch(), name):
            problems.append(f"{option_name(name)}: inside a job, SageMaker and the image decide it")
    keep = address(launch.keep)
    hidden = [("--data", one.address) for one in sources if not one.is_s3]
    if keep not in ("", NONE) and not keep.startswith(("s3://", CHANNELS)):
        hidden.append(("--keep", keep))
    problems += [
        f"{option}: {path!r} is on this machine, which the job does not see: send it with "
        f"`python -m ocr_train push {path} s3://bucket/prefix` and give that address"
        for option, path in hidden
    ]
    if sources and channels:
        problems.append(
            f"--data and --channel {channels[0]['ChannelName']}=...: both name the data: give one of them"
        )


def check_secrets(request: Mapping[str, Any], launch: Launch, problems: list[str]) -> None:
    """Whoever may describe the job reads all of it: no value may be a secret."""
    redact = redactor()
    values = {option_name(name): (name, getattr(launch, name)) for name in PARAMETERS}
    values |= {f"variable {name}": (name, value) for name, value in request["Environment"].items()}
    values |= {f"tag {one['Key']}": (one["Key"], one["Value"]) for one in request.get("Tags", ())}
    others = {
        key: one for key, one in request.items() if key not in ("HyperParameters", "Environment", "Tags")
    }
    values |= {place: ("", text) for place, text in _texts(others, "")}
    for shown, (name, value) in values.items():
        if redact.value(name, value) != value:
            problems.append(
                f"{shown}: its value holds a secret, which everybody who may describe the job would read. Leave it "
                "out: rights on AWS belong to the execution role"
            )


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every text in a request, with its place."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _texts(one, f"{place}[{number}]")
    elif isinstance(value, str):
        yield place, value
