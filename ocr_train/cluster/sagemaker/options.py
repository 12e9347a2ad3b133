"""What can be chosen of a job besides the training itself: options of `sagemaker submit`, and keys of the JSON file that
`mlflow run -b sagemaker -c FILE` takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ocr_train.config.overrides import nearest
from ocr_train.config.parameter_values import truth


def _text(text: str, default: str = "") -> Any:
    return field(default=default, metadata={"help": text})


def _many(metavar: str, text: str) -> Any:
    return field(default=(), metadata={"help": text, "metavar": metavar})


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """The table of options, and their values as they were given. Texts are read by `request.build`, which says all that
    is wrong with them."""

    instance: str = _text("the instance type, such as ml.g5.xlarge")
    image: str = _text("the training image in Amazon ECR")
    image_kind: str = _text("cpu or gpu: which PaddlePaddle is in the image, where its tag does not say it")
    role: str = _text("the ARN of the execution role: what the job may do (`sagemaker policies` writes it)")
    region: str = _text("the AWS region (default: AWS_REGION or AWS_DEFAULT_REGION, else the image's)")
    job_name: str = _text("the job's name (default: ocr-MODEL-DATE-TIME)")
    spot: bool = field(
        default=False, metadata={"help": "use spot instances: cheaper, and interrupted and restarted"}
    )
    count: str = _text("how many machines (default: 1)", "1")
    max_run_hours: str = _text(
        "end the job after this many hours of training (default: 24, at most 672)", "24"
    )
    max_wait_hours: str = _text(
        "with --spot: end the job after this many hours, waiting included (default: twice --max-run-hours)"
    )
    keep_alive_s: str = _text(
        "keep the machines for this many seconds after the job, for the next one (a warm pool: they are billed)"
    )
    volume_gb: str = _text("size of the disk in GB (default: 100)", "100")
    channel: tuple[str, ...] = _many(
        "train=S3URI", "data that SageMaker brings, in place of --data: the channel `train` is trained on"
    )
    input_mode: str = _text("File: channels are copied before training; FastFile: read when needed", "File")
    output_s3: str = _text(
        "s3://bucket/prefix for the model and the output (default: sagemaker/ in --data's bucket)"
    )
    checkpoint_s3: str = _text(
        "s3://bucket/prefix for checkpoints of a spot job (default: checkpoints/JOB/ in --output-s3)"
    )
    subnet: tuple[str, ...] = _many(
        "ID", "a subnet of a VPC to train in; give it again for more (with --security-group)"
    )
    security_group: tuple[str, ...] = _many("ID", "a security group of that VPC; give it again for more")
    kms_key: str = _text("the KMS key that encrypts the output and the disks")
    tag: tuple[str, ...] = _many("KEY=VALUE", "a tag of the job, as for the bill; give it again for more")
    tracking_uri: str = _text(
        "the MLflow server as the job reaches it: http(s)://... or the ARN of a managed one (default: "
        "MLFLOW_TRACKING_URI)"
    )
    experiment: str = _text("the MLflow experiment (default: MLFLOW_EXPERIMENT_NAME)")
    env: tuple[str, ...] = _many(
        "NAME=VALUE",
        "a variable for the job that begins with OCR_TRAIN_ or MLFLOW_, or AWS_DEFAULT_REGION; no secrets",
    )
    samples: str = _text("for the estimate: how many training samples there are")
    seconds_per_sample: str = _text("for the estimate: what one sample takes on this instance, as measured")


OPTIONS = {each.name: each for each in fields(JobOptions)}
"""The fields by name, in the order of the table."""


def read_options(document: Mapping[str, object], problems: list[str]) -> JobOptions:
    """The options in a JSON document; what is wrong with it is added to `problems`.

    Names are those of the command line, with `-` or `_`; lists may be one text, tags and variables objects.
    """
    values: dict[str, Any] = {}
    for key, value in document.items():
        name = key.replace("-", "_")
        if name not in OPTIONS:
            known = [each.replace("_", "-") for each in OPTIONS]
            problems.append(f"{key}: there is no such option{nearest(key.replace('_', '-'), known)}")
            continue
        default = OPTIONS[name].default
        if isinstance(default, tuple):
            values[name] = _list(value, key, problems)
        elif isinstance(default, bool):
            values[name] = truth(str(value), key, problems)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            values[name] = str(value).strip()
        else:
            problems.append(f"{key}: {value!r} is neither a text nor a number")
    return JobOptions(**values)


def _list(value: object, key: str, problems: list[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Mapping):
        return tuple(f"{name}={one}" for name, one in value.items())
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    problems.append(f"{key}: {value!r} is neither a text nor a list of texts")
    return ()
