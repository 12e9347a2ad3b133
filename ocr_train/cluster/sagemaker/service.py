"""Amazon SageMaker itself: submitting a job, looking at it, its log, stopping it. Every error of AWS' becomes ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

from ocr_train.cluster.sagemaker.policies import LOG_GROUP
from ocr_train.cluster.sagemaker.request import JobRequest
from ocr_train.errors import ConfigError, OcrTrainError, SetupError, StorageError
from ocr_train.redaction.addresses import redacted

T = TypeVar("T")

ENDED = frozenset({"Completed", "Failed", "Stopped"})
"""The states from which a job does not go on."""
_ACTIONS = {
    "CreateTrainingJob": "sagemaker:CreateTrainingJob, and iam:PassRole for the role",
    "DescribeTrainingJob": "sagemaker:DescribeTrainingJob",
    "StopTrainingJob": "sagemaker:StopTrainingJob",
    "DescribeLogStreams": "logs:DescribeLogStreams",
    "GetLogEvents": "logs:GetLogEvents",
}
_CREDENTIAL_CODES = frozenset(
    {"UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "ExpiredToken"}
    | {"InvalidClientTokenId", "SignatureDoesNotMatch"}
)


def _pause(seconds: float) -> None:
    time.sleep(seconds)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as SageMaker describes it. Seconds are None where they are not known yet; `retained_s` were billed for a warm
    pool after it; `reason` says why it failed."""

    name: str
    status: str
    secondary: str
    reason: str
    instance: str
    machines: int
    spot: bool
    training_s: int | None
    billable_s: int | None
    retained_s: int
    model: str
    checkpoints: str
    run_id: str

    @property
    def over(self) -> bool:
        """Whether it does not go on."""
        return self.status in ENDED


class SageMaker:
    """One region's SageMaker and its logs, with the usual AWS variables and files. `sleep` waits between looks, in
    seconds. Its methods raise `OcrTrainError`s."""

    def __init__(self, region: str = "", *, sleep: Callable[[float], None] = _pause) -> None:
        import boto3

        self._sleep = sleep
        try:
            self._session = boto3.Session(region_name=region or None)
            # Its description alone takes half a second to read.
            self._client: Any = self._session.client("sagemaker")
        except Exception as exc:
            raise _error("", "", exc) from exc

    @cached_property
    def _logs(self) -> Any:
        return self._session.client("logs")

    def submit(self, job: JobRequest) -> str:
        """Create the job; its ARN."""
        answer = self._ask(
            "CreateTrainingJob", job.name, lambda: self._client.create_training_job(**job.request)
        )
        return str(answer["TrainingJobArn"])

    def describe(self, name: str) -> Job:
        """The job as it is now."""
        return read_description(
            self._ask(
                "DescribeTrainingJob", name, lambda: self._client.describe_training_job(TrainingJobName=name)
            )
        )

    def stop(self, name: str) -> None:
        """Have the job end: its container gets SIGTERM, and 120 seconds."""
        self._ask("StopTrainingJob", name, lambda: self._client.stop_training_job(TrainingJobName=name))

    def log(self, name: str, *, follow: bool = False, pause_s: float = 10.0) -> Iterator[tuple[str, str]]:
        """The lines of the job's log as (machine, line), as far as there are any; `follow`: until the job is over."""
        tokens: dict[str, str] = {}
        while True:
            # Asked first: lines that come before the end are then not missed.
            over = not follow or self.describe(name).over
            for stream in self._streams(name):
                yield from self._lines(name, stream, tokens)
            if over:
                return
            self._sleep(pause_s)

    def wait(self, name: str, *, pause_s: float = 30.0) -> Job:
        """The job when it is over."""
        while not (job := self.describe(name)).over:
            self._sleep(pause_s)
        return job

    def _streams(self, name: str) -> list[str]:
        more: dict[str, str] = {}
        found: list[str] = []
        while True:
            call = {"logGroupName": LOG_GROUP, "logStreamNamePrefix": f"{name}/", **more}
            try:
                page = self._ask("DescribeLogStreams", name, partial(self._logs.describe_log_streams, **call))
            except NoSuchJob:
                # The first job of an account makes the group.
                return found
            found += [stream["logStreamName"] for stream in page["logStreams"]]
            if not (token := page.get("nextToken")):
                return sorted(found)
            more = {"nextToken": token}

    def _lines(self, name: str, stream: str, tokens: dict[str, str]) -> Iterator[tuple[str, str]]:
        machine = stream.removeprefix(f"{name}/").rpartition("-")[0] or stream
        while True:
            call: dict[str, Any] = {
                "logGroupName": LOG_GROUP,
                "logStreamName": stream,
                "startFromHead": True,
            }
            if stream in tokens:
                call["nextToken"] = tokens[stream]
            page = self._ask("GetLogEvents", name, partial(self._logs.get_log_events, **call))
            for event in page["events"]:
                yield machine, str(event["message"]).rstrip("\n")
            token = page["nextForwardToken"]
            if token == tokens.get(stream):
                return
            tokens[stream] = token

    def _ask(self, action: str, name: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except Exception as exc:
            raise _error(action, name, exc) from exc


class NoSuchJob(ConfigError):  # noqa: N818 - it says what there is not
    """There is no job of that name in this region."""


def read_description(answer: Mapping[str, Any]) -> Job:
    """The answer of DescribeTrainingJob as a value."""
    resources = answer.get("ResourceConfig", {})
    groups = resources.get("InstanceGroups") or ()
    machines = sum(one["InstanceCount"] for one in groups) or resources.get("InstanceCount", 1)
    return Job(
        name=answer["TrainingJobName"],
        status=answer["TrainingJobStatus"],
        secondary=answer.get("SecondaryStatus", ""),
        reason=answer.get("FailureReason", ""),
        instance=resources.get("InstanceType") or ", ".join(one["InstanceType"] for one in groups),
        machines=machines,
        spot=bool(answer.get("EnableManagedSpotTraining")),
        training_s=answer.get("TrainingTimeInSeconds"),
        billable_s=answer.get("BillableTimeInSeconds"),
        retained_s=answer.get("WarmPoolStatus", {}).get("ResourceRetainedBillableTimeInSeconds", 0),
        model=answer.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""),
        checkpoints=answer.get("CheckpointConfig", {}).get("S3Uri", ""),
        run_id=answer.get("Environment", {}).get("MLFLOW_RUN_ID", ""),
    )


def _error(action: str, name: str, exc: Exception) -> OcrTrainError:
    """What AWS' error means to a user."""
    response = getattr(exc, "response", None)
    if isinstance(response, Mapping):
        return _of_answer(action, name, response.get("Error", {}))
    kind = type(exc).__name__
    if kind == "NoRegionError":
        return SetupError("No AWS region is known.", hint="Give --region, or set AWS_DEFAULT_REGION.")
    if "Credential" in kind or "Token" in kind or kind == "ProfileNotFound":
        return SetupError(
            f"No usable AWS credentials ({kind}).",
            hint="Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    return StorageError(
        f"SageMaker cannot be asked: {redacted(str(exc))}",
        hint="Check the network, the region and AWS_ENDPOINT_URL_SAGEMAKER.",
    )


def _of_answer(action: str, name: str, error: Mapping[str, Any]) -> OcrTrainError:
    code, text = str(error.get("Code", "")), redacted(str(error.get("Message", "")))
    if code in _CREDENTIAL_CODES:
        return SetupError(f"AWS does not accept the credentials: {text}", hint="Renew or correct them.")
    if "AccessDenied" in code or "not authorized" in text:
        return SetupError(
            f"AWS does not allow {action}: {text}",
            hint=f"Who submits needs {_ACTIONS.get(action, action)}: `python -m ocr_train sagemaker policies` writes the "
            "policy.",
        )
    if code == "ResourceNotFoundException" or "not found" in text.lower():
        return NoSuchJob(
            f"there is no training job {name!r} in this region: {text}", hint="Check the name and --region."
        )
    if code == "ResourceLimitExceeded":
        return SetupError(
            f"the account's quota is used up: {text}",
            hint="Ask for more under Service Quotas, Amazon SageMaker, for training jobs (or spot training jobs) on that "
            "instance type: it is 0 for many in a new account.",
        )
    if code == "ResourceInUse":
        return ConfigError(f"there is already a job {name!r}: {text}", hint="Give another --job-name.")
    return ConfigError(f"SageMaker refuses {action} ({code}): {text}", hint="Nothing was changed.")
