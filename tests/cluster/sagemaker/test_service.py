"""SageMaker and its logs as botocore describes them: its Stubber holds requests and answers against the API's own model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.stub import Stubber

from ocr_train.cluster.sagemaker.bill import bill
from ocr_train.cluster.sagemaker.policies import LOG_GROUP
from ocr_train.cluster.sagemaker.service import Job, NoSuchJob, SageMaker, read_description
from ocr_train.errors import StorageError
from tests.cluster.sagemaker.jobs import NOW, job

NAME = "ocr-rec-1"
DESCRIPTION = {
    "TrainingJobName": NAME,
    "TrainingJobArn": f"arn:aws:sagemaker:ap-southeast-1:123456789012:training-job/{NAME}",
    "ModelArtifacts": {"S3ModelArtifacts": ""},
    "TrainingJobStatus": "InProgress",
    "SecondaryStatus": "Training",
    "AlgorithmSpecification": {"TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 100},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "CreationTime": datetime(2026, 11, 26, tzinfo=timezone.utc),
}
OVER = {"TrainingJobStatus": "Completed", "SecondaryStatus": "Completed"}


class Stubbed:
    """The service with both clients stubbed: `aws` and `logs` say what is expected and answered."""

    def __init__(self, service: SageMaker, pauses: list[float]) -> None:
        self.pauses = pauses
        self.service = service
        self.aws = Stubber(self.service._client)
        self.logs = Stubber(self.service._logs)

    def describes(self, **more: Any) -> None:
        """The next answer about the job."""
        self.aws.add_response("describe_training_job", {**DESCRIPTION, **more}, {"TrainingJobName": NAME})

    def has_streams(self, *names: str) -> None:
        """The next list of streams."""
        self.logs.add_response(
            "describe_log_streams",
            {"logStreams": [{"logStreamName": f"{NAME}/{name}"} for name in names]},
            {"logGroupName": LOG_GROUP, "logStreamNamePrefix": f"{NAME}/"},
        )

    def gives(self, stream: str, lines: list[str], *, token: str, after: str = "") -> None:
        """The next page of a stream."""
        self.logs.add_response(
            "get_log_events",
            {"events": [{"message": line} for line in lines], "nextForwardToken": token},
            {
                "logGroupName": LOG_GROUP,
                "logStreamName": f"{NAME}/{stream}",
                "startFromHead": True,
                **({"nextToken": after} if after else {}),
            },
        )


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[SageMaker, list[float]]]:
    """The service, opened once, and the pauses that it makes."""
    pauses: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "stub")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret-of-anybody")
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        yield SageMaker("ap-southeast-1", sleep=pauses.append), pauses


@pytest.fixture
def stubbed(opened: tuple[SageMaker, list[float]]) -> Iterator[Stubbed]:
    """Nothing that was expected is left over at the end."""
    service, pauses = opened
    pauses.clear()
    found = Stubbed(service, pauses)
    with found.aws, found.logs:
        yield found
    found.aws.assert_no_pending_responses()
    found.logs.assert_no_pending_responses()


def test_a_request_is_sent_as_it_was_shown(stubbed: Stubbed) -> None:
    """What --dry-run prints is what AWS is asked."""
    wanted = job()
    arn = f"arn:aws:sagemaker:ap-southeast-1:123456789012:training-job/{wanted.name}"
    stubbed.aws.add_response("create_training_job", {"TrainingJobArn": arn}, wanted.request)
    assert stubbed.service.submit(wanted) == arn
    assert wanted.name.endswith(f"{NOW:%Y%m%d-%H%M%S}")


def test_a_followed_log_ends_with_the_job_and_misses_no_line(stubbed: Stubbed) -> None:
    """Pages are read to their end, streams that come later are found, and the last lines are read after the job's end."""
    stubbed.describes()
    stubbed.has_streams()
    stubbed.describes()
    stubbed.has_streams("algo-1-17")
    stubbed.gives("algo-1-17", ["a", "b"], token="t1")
    stubbed.gives("algo-1-17", [], token="t1", after="t1")
    stubbed.describes(**OVER)
    stubbed.has_streams("algo-1-17", "algo-2-17")
    stubbed.gives("algo-1-17", ["c"], token="t2", after="t1")
    stubbed.gives("algo-1-17", [], token="t2", after="t2")
    stubbed.gives("algo-2-17", ["z"], token="u1")
    stubbed.gives("algo-2-17", [], token="u1", after="u1")
    lines = list(stubbed.service.log(NAME, follow=True, pause_s=10))
    assert lines == [("algo-1", "a"), ("algo-1", "b"), ("algo-1", "c"), ("algo-2", "z")]
    assert stubbed.pauses == [10, 10]


def test_the_first_job_of_an_account_has_no_log_yet(stubbed: Stubbed) -> None:
    """The log group comes with the first line."""
    stubbed.logs.add_client_error("describe_log_streams", "ResourceNotFoundException", "no such group")
    assert list(stubbed.service.log(NAME)) == []


def test_waiting_looks_again_until_the_job_is_over(stubbed: Stubbed) -> None:
    """And tells how it ended."""
    stubbed.describes()
    stubbed.describes(**OVER)
    assert stubbed.service.wait(NAME, pause_s=30).status == "Completed"
    assert stubbed.pauses == [30]


def test_an_unknown_job_and_an_unreachable_service_are_told_apart(
    stubbed: Stubbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is a name, the other a network."""
    stubbed.aws.add_client_error(
        "describe_training_job", "ValidationException", "Requested resource not found."
    )
    with pytest.raises(NoSuchJob, match=NAME):
        stubbed.service.describe(NAME)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stub")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret-of-anybody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="SageMaker cannot be asked"):
        SageMaker("ap-southeast-1").describe(NAME)


def described(**more: Any) -> Job:
    """The job, as SageMaker describes it."""
    return read_description({**DESCRIPTION, **more})


def test_the_bill_is_of_all_machines_and_of_the_warm_pool() -> None:
    """Billable seconds on each machine; spot saves what was trained and not billed."""
    assert bill(described(), 1.5) is None
    spot = described(
        **OVER, EnableManagedSpotTraining=True, TrainingTimeInSeconds=7200, BillableTimeInSeconds=1800
    )
    found = bill(spot, 1.5)
    assert found is not None
    assert (found.machine_hours, found.usd, found.saving) == (1.0, 1.5, 0.75)
    pool = {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 1800}
    kept = bill(described(**OVER, BillableTimeInSeconds=1800, WarmPoolStatus=pool), None)
    assert kept is not None
    assert (kept.machine_hours, kept.usd, kept.saving) == (2.0, None, None)


def test_machines_of_several_kinds_are_counted_together() -> None:
    """As a job of instance groups has them, which somebody else may have submitted."""
    groups = [
        {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2, "InstanceGroupName": "a"},
        {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "InstanceGroupName": "b"},
    ]
    found = described(ResourceConfig={"InstanceGroups": groups})
    assert (found.machines, found.instance) == (3, "ml.g5.xlarge, ml.c5.xlarge")
