"""What is asked of Amazon SageMaker: a launch and options in, the request of CreateTrainingJob out.

Every problem is said at once, and nothing is asked of AWS. The job's hyperparameters are the names and values of
`train`'s parameters that differ from their defaults; the image's own entry point reads them.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ocr_train.cluster.sagemaker import instances
from ocr_train.cluster.sagemaker.channels import TRAIN
from ocr_train.cluster.sagemaker.job_checks import check_device, check_parameters, check_secrets
from ocr_train.cluster.sagemaker.limits import check_request
from ocr_train.cluster.sagemaker.metrics import METRIC_DEFINITIONS
from ocr_train.cluster.sagemaker.options import JobOptions
from ocr_train.cluster.sagemaker.tracking_address import check_tracking
from ocr_train.config.auto_values import several_machines_problems
from ocr_train.config.data_sources import parse_sources, sources_text
from ocr_train.config.parameter_values import TRUTHS, address, choice, parse_number
from ocr_train.config.parameters import PARAMETERS, Launch
from ocr_train.errors import ConfigError
from ocr_train.redaction.redactor import redactor

CHECKPOINTS = "/opt/ml/checkpoints"
"""Where SageMaker restores checkpoints to and copies them from: Amazon SageMaker API Reference, `CheckpointConfig`."""
_OPTIONS_OF = {
    "TrainingJobName": "--job-name",
    "RoleArn": "--role",
    "TrainingImage": "--image",
    "MaxRuntimeInSeconds:": "--max-run-hours",
    "MaxWaitTimeInSeconds:": "--max-wait-hours",
    "KeepAlivePeriodInSeconds": "--keep-alive-s",
    "InstanceCount": "--count",
    "VolumeSizeInGB": "--volume-gb",
    "S3OutputPath": "--output-s3",
    "CheckpointConfig": "--checkpoint-s3",
    "InputDataConfig": "--channel",
    "KmsKeyId": "--kms-key",
    "Subnets": "--subnet",
    "SecurityGroupIds": "--security-group",
    "Tags": "--tag",
}
"""Where parts of a request come from, by a piece of their names."""
_VARIABLE = re.compile(r"(OCR_TRAIN|MLFLOW)_[A-Z0-9_]+|AWS_DEFAULT_REGION")


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """A job that may be submitted: the `request` of CreateTrainingJob, its `region` ("" where nobody named one) and
    `notes` for who submits it."""

    request: dict[str, Any]
    region: str
    notes: Sequence[str]

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.request["TrainingJobName"])

    @property
    def machines(self) -> int:
        """How many machines are paid for."""
        return int(self.request["ResourceConfig"]["InstanceCount"])

    def with_environment(self, more: Mapping[str, str]) -> JobRequest:
        """The same job with more variables."""
        environment = {**self.request["Environment"], **more}
        return JobRequest(
            request={**self.request, "Environment": environment}, region=self.region, notes=self.notes
        )


def build(
    launch: Launch,
    options: JobOptions,
    environ: Mapping[str, str],
    now: datetime,
    problems: Sequence[str] = (),
) -> JobRequest:
    """The job for `launch`. `environ` are this machine's variables, `now` is for the job's name, `problems` are known
    already. Raises `ConfigError` with every problem."""
    found = [*problems, *_missing(options)]
    notes: list[str] = []
    sources = parse_sources(launch.data, found)
    data = sources_text(sources)
    channels = _channels(options, data, found, notes)
    check_device(launch, options, found, notes)
    check_parameters(launch, sources, channels, found)
    name = options.job_name or _job_name(launch.model, now)
    count = parse_number(options.count, "--count", int, found, least=1)
    if count > 1:
        found += several_machines_problems(launch)
    places = [source.address for source in sources if source.is_s3]
    output = _output(options, places, channels, found, notes)
    request: dict[str, Any] = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": options.image,
            "TrainingInputMode": choice(options.input_mode, "--input-mode", ("File", "FastFile"), found),
            "MetricDefinitions": [dict(one) for one in METRIC_DEFINITIONS],
        },
        "HyperParameters": _hyperparameters(launch, options, data),
        "RoleArn": options.role,
        "InputDataConfig": channels,
        "OutputDataConfig": {"S3OutputPath": output, "KmsKeyId": options.kms_key},
        "ResourceConfig": _resources(options, count, found, notes),
        "VpcConfig": _vpc(options, found),
        "StoppingCondition": _stopping(options, found),
        "EnableManagedSpotTraining": options.spot,
        "CheckpointConfig": _checkpoints(options, output, name, found),
        "Environment": _environment(launch, options, environ, found, notes),
        "Tags": [_tag(text, found) for text in options.tag],
    }
    request = {part: _filled(value) for part, value in request.items() if _filled(value)}
    request.setdefault("Environment", {})
    check_secrets(request, launch, found)
    if options.instance and options.image and options.role:
        found += [_in_our_words(line) for line in check_request(request)]
    if found:
        _raise(found)
    return JobRequest(request=request, region=_region(options, environ), notes=tuple(notes))


def _raise(problems: Sequence[str]) -> None:
    unique = list(dict.fromkeys(redactor().text(line) for line in problems))
    raise ConfigError(
        f"{len(unique)} problem(s) with this job:\n" + "\n".join(f"  - {line}" for line in unique),
        hint="Nothing was submitted. `python -m ocr_train sagemaker submit --help` lists all options.",
    )


def _missing(options: JobOptions) -> list[str]:
    return [
        f"--{name}: it is required" for name in ("instance", "image", "role") if not getattr(options, name)
    ]


def _filled(value: Any) -> Any:
    """`value` without what is empty: the API takes no empty parts."""
    if isinstance(value, dict):
        return {key: one for key, one in value.items() if one not in ("", None, [], {})}
    return value


def _in_our_words(line: str) -> str:
    """A problem with the request, with the option that the part comes from."""
    if line.startswith("ResourceConfig.InstanceType") and "botocore knows" in line:
        return f"--instance: {line.partition(': ')[2]}: correct it, or update boto3 where AWS has it only now"
    option = next((option for part, option in _OPTIONS_OF.items() if part in line), "")
    return f"{option}: {line}" if option else line


def _job_name(model: str, now: datetime) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", model.rpartition("/")[2].rpartition(".")[0].lower() or model.lower())
    return f"ocr-{plain.strip('-')[:30].strip('-') or 'model'}-{now:%Y%m%d-%H%M%S}"


def _region(options: JobOptions, environ: Mapping[str, str]) -> str:
    place = instances.ecr_place(options.image)
    named = options.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    return named or (place[1] if place else "")


def _channels(options: JobOptions, data: str, problems: list[str], notes: list[str]) -> list[dict[str, Any]]:
    found = []
    for text in options.channel:
        name, equals, uri = text.partition("=")
        if not equals or not address(uri).startswith("s3://"):
            problems.append(f"--channel: {text!r} is not NAME=s3://bucket/prefix")
            continue
        uri = address(uri)
        if options.input_mode == "FastFile" and not uri.endswith("/"):
            uri += "/"
            notes.append(f"the channel {name} is {uri}: with FastFile a prefix must end with a slash")
        source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
        found.append({"ChannelName": name, "DataSource": {"S3DataSource": source}})
    if len(found) > 1 and all(one["ChannelName"] not in TRAIN for one in found):
        problems.append("--channel: none is called 'train', which is the one that is trained on")
    if not found and options.input_mode == "FastFile":
        notes.append("--input-mode FastFile is for channels: the job copies --data itself")
    return found


def _hyperparameters(launch: Launch, options: JobOptions, data: str) -> dict[str, str]:
    plain = Launch()
    values = {
        name: getattr(launch, name)
        for name in PARAMETERS
        if name == "model" or getattr(launch, name) != getattr(plain, name)
    }
    if data:
        values["data"] = data
    gpus = instances.gpus_of(options.instance)
    if gpus is not None and launch.gpus in ("", "auto"):
        # A GPU that is named and not there ends the job at once; `auto` would train on the CPU.
        values["gpus"] = ",".join(map(str, range(gpus)))
    return values


def _output(
    options: JobOptions,
    places: Sequence[str],
    channels: Sequence[Mapping[str, Any]],
    problems: list[str],
    notes: list[str],
) -> str:
    if given := address(options.output_s3):
        if not given.startswith("s3://"):
            problems.append(f"--output-s3: {given!r} is not s3://bucket/prefix")
        return given.rstrip("/")
    source = next(iter([*places, *(one["DataSource"]["S3DataSource"]["S3Uri"] for one in channels)]), "")
    bucket = urllib.parse.urlsplit(source).netloc if source.startswith("s3://") else ""
    if not bucket:
        problems.append("--output-s3: without data on S3, say where the model goes: s3://bucket/prefix")
        return "s3://bucket/prefix"
    notes.append(f"--output-s3 is not given: the model goes to s3://{bucket}/sagemaker")
    return f"s3://{bucket}/sagemaker"


def _resources(options: JobOptions, count: int, problems: list[str], notes: list[str]) -> dict[str, Any]:
    size = parse_number(options.volume_gb, "--volume-gb", int, problems, least=1)
    if instances.has_nvme(options.instance):
        key = ", which are not encrypted with --kms-key" if options.kms_key else ""
        notes.append(
            f"{options.instance} has NVMe disks of its own{key}: they are used in place of one of --volume-gb"
        )
    keep: int | None = None
    if options.keep_alive_s:
        keep = parse_number(options.keep_alive_s, "--keep-alive-s", int, problems, least=1)
        notes.append(
            f"the machines are kept, and billed, for up to {keep} s after the job; the quota of warm pools is 0 until AWS "
            "has raised it"
        )
    return {
        "InstanceType": options.instance,
        "InstanceCount": count,
        "VolumeSizeInGB": size,
        "VolumeKmsKeyId": "" if instances.has_nvme(options.instance) else options.kms_key,
        "KeepAlivePeriodInSeconds": keep,
    }


def _vpc(options: JobOptions, problems: list[str]) -> dict[str, Any]:
    if bool(options.subnet) != bool(options.security_group):
        problems.append("--subnet and --security-group: a VPC needs at least one of each")
        return {}
    return {"Subnets": list(options.subnet), "SecurityGroupIds": list(options.security_group)}


def _stopping(options: JobOptions, problems: list[str]) -> dict[str, int]:
    hours = parse_number(options.max_run_hours, "--max-run-hours", float, problems, least=0)
    limits = {"MaxRuntimeInSeconds": max(1, round(hours * 3600))}
    if options.max_wait_hours:
        wait = parse_number(options.max_wait_hours, "--max-wait-hours", float, problems, least=0)
        limits["MaxWaitTimeInSeconds"] = max(1, round(wait * 3600))
    elif options.spot:
        limits["MaxWaitTimeInSeconds"] = 2 * limits["MaxRuntimeInSeconds"]
    return limits


def _checkpoints(options: JobOptions, output: str, name: str, problems: list[str]) -> dict[str, str]:
    given = address(options.checkpoint_s3)
    if given and not given.startswith("s3://"):
        problems.append(f"--checkpoint-s3: {given!r} is not s3://bucket/prefix")
    if not given and not options.spot:
        return {}
    return {"S3Uri": given.rstrip("/") or f"{output}/checkpoints/{name}", "LocalPath": CHECKPOINTS}


def _environment(
    launch: Launch,
    options: JobOptions,
    environ: Mapping[str, str],
    problems: list[str],
    notes: list[str],
) -> dict[str, str]:
    values = {}
    for text in options.env:
        name, equals, value = text.partition("=")
        if not equals or not _VARIABLE.fullmatch(name):
            problems.append(
                f"--env: {text!r} is not OCR_TRAIN_...=VALUE, MLFLOW_...=VALUE or AWS_DEFAULT_REGION=VALUE"
            )
            continue
        values[name] = value
    uri = options.tracking_uri or environ.get("MLFLOW_TRACKING_URI", "")
    if TRUTHS.get(launch.offline.lower(), False):
        return values
    check_tracking(uri, problems, notes)
    experiment = options.experiment or environ.get("MLFLOW_EXPERIMENT_NAME", "")
    return {**values, "MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_NAME": experiment}


def _tag(text: str, problems: list[str]) -> dict[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        problems.append(f"--tag: {text!r} is not KEY=VALUE")
    return {"Key": key or "-", "Value": value}
