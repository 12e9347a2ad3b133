"""IAM policies allow what a job needs in the places that it needs it, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_train.cluster.sagemaker.policies import Access, policies
from ocr_train.errors import ConfigError
from tests.cluster.sagemaker.jobs import GPU_IMAGE, ROLE

ACCESS = Access(
    role=ROLE,
    image=GPU_IMAGE,
    data=("s3://wires/rec/",),
    output="s3://wires/sagemaker",
    artifacts="s3://mlflow",
)


def statements(name: str, access: Access = ACCESS) -> dict[str, dict[str, Any]]:
    """The statements of a document by their names."""
    return {one["Sid"]: one for one in policies(access)[name]["Statement"]}


def test_data_are_read_and_results_written_below_their_prefixes_only() -> None:
    """Nobody writes into the data, and no other prefix is listed."""
    found = statements("execution-role-policy.json")
    assert found["ReadData"]["Action"] == ["s3:GetObject"]
    assert found["ReadData"]["Resource"] == ["arn:aws:s3:::wires/rec/*"]
    assert found["ReadAndWriteResults"]["Resource"] == [
        "arn:aws:s3:::wires/sagemaker/*",
        "arn:aws:s3:::mlflow/*",
    ]
    assert found["List1"]["Condition"] == {
        "StringLike": {"s3:prefix": ["rec", "rec/*", "sagemaker", "sagemaker/*"]}
    }
    assert found["List2"]["Resource"] == ["arn:aws:s3:::mlflow"]
    assert "Condition" not in found["List2"]
    assert found["PullTheImage"]["Resource"] == [
        "arn:aws:ecr:ap-southeast-1:123456789012:repository/ocr-train"
    ]


def test_only_what_has_no_resource_is_allowed_everywhere() -> None:
    """AWS knows no narrower resource for these; metrics are narrowed by their namespace."""
    for name in ("execution-role-policy.json", "submitter-policy.json"):
        everywhere = {sid for sid, one in statements(name).items() if "*" in one["Resource"]}
        assert everywhere <= {"SignInToECR", "WriteMetrics", "ListJobs"}
    assert "Condition" in statements("execution-role-policy.json")["WriteMetrics"]


def test_the_submitter_hands_over_this_role_to_sagemaker_only() -> None:
    """And submits, sees and stops jobs with our names."""
    found = statements("submitter-policy.json")
    assert found["HandOverTheRole"]["Resource"] == [ROLE]
    assert found["HandOverTheRole"]["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }
    assert found["SubmitAndWatchJobs"]["Resource"] == [
        "arn:aws:sagemaker:ap-southeast-1:123456789012:training-job/ocr-*"
    ]
    trust = statements("execution-role-trust.json")["SageMakerUsesThisRole"]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_a_vpc_a_key_and_a_managed_server_are_added_where_they_are_named() -> None:
    """They are not in the plain policies."""
    key = "arn:aws:kms:ap-southeast-1:123456789012:key/1a"
    arn = "arn:aws:sagemaker:ap-southeast-1:123456789012:mlflow-tracking-server/ocr"
    more = Access(**{**vars(ACCESS), "vpc": True, "kms_key": key, "mlflow_arn": arn})
    added = (
        statements("execution-role-policy.json", more).keys()
        - statements("execution-role-policy.json").keys()
    )
    assert added == {"TrainInAVpc", "UseTheKey", "WriteToManagedMlflow"}


def test_every_wrong_value_is_named_at_once() -> None:
    """Also what IAM would read as a pattern."""
    wrong = Access(
        role="ocr",
        image="x",
        data=("s3://wires/*",),
        output="/data",
        region="here",
        mlflow_arn="m",
        job_prefix="*",
    )
    with pytest.raises(ConfigError) as caught:
        policies(wrong)
    for said in (
        "--role",
        "--image",
        "as patterns",
        "'/data' is not",
        "--region",
        "--mlflow-arn",
        "--job-prefix",
    ):
        assert said in caught.value.problem
