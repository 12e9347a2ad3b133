"""The least that IAM must allow: to the job (its execution role) and to who submits it.

Actions: Amazon SageMaker Developer Guide, "How to use SageMaker AI execution roles" (CreateTrainingJob), and "Actions,
resources, and condition keys for Amazon SageMaker" in the Service Authorization Reference.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocr_train.cluster.sagemaker.instances import ecr_place
from ocr_train.config.parameter_values import address
from ocr_train.errors import ConfigError

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
"""Where SageMaker writes the logs of training jobs."""
_ROLE = re.compile(r"arn:aws[a-z\-]*:iam::(?P<account>\d{12}):role/[\w+=,.@\-/]+", re.ASCII)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_MLFLOW = re.compile(r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:\d{12}:mlflow-[a-zA-Z\-]*/.+")
_KMS = re.compile(r"arn:aws[a-z\-]*:kms:[a-z0-9\-]+:\d{12}:(key|alias)/.+")
_ECR_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")
_MLFLOW_ACTIONS = tuple(
    f"sagemaker-mlflow:{action}"
    for action in (
        *(
            "CreateExperiment",
            "GetExperiment",
            "GetExperimentByName",
            "SearchExperiments",
            "SetExperimentTag",
        ),
        *("CreateRun", "GetRun", "UpdateRun", "SearchRuns", "SetTag", "LogBatch", "LogMetric", "LogParam"),
        *(
            "LogInputs",
            "LogModel",
            "GetMetricHistory",
            "ListArtifacts",
            "CreateLoggedModel",
            "GetLoggedModel",
        ),
        *("FinalizeLoggedModel", "SearchLoggedModels", "SetLoggedModelTags", "LogOutputs", "AccessUI"),
    )
)
_VPC_ACTIONS = tuple(
    f"ec2:{action}"
    for action in (
        *("CreateNetworkInterface", "CreateNetworkInterfacePermission", "DeleteNetworkInterface"),
        *("DeleteNetworkInterfacePermission", "DescribeNetworkInterfaces", "DescribeVpcs"),
        *("DescribeDhcpOptions", "DescribeSubnets", "DescribeSecurityGroups"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Access:
    """What the job reads and writes. `data`, `output` and `artifacts` are s3:// addresses: read, written by the job, and
    the place of MLflow's artifacts; the ARNs are "" where there is none."""

    role: str
    image: str
    data: tuple[str, ...]
    output: str
    artifacts: str = ""
    region: str = ""
    job_prefix: str = "ocr-"
    mlflow_arn: str = ""
    kms_key: str = ""
    vpc: bool = False


def policies(access: Access) -> dict[str, dict[str, Any]]:
    """The documents by the name of their file; raises `ConfigError` with every problem."""
    role, place = _ROLE.fullmatch(access.role), ecr_place(access.image)
    problems = _problems(access)
    if role is None or place is None or problems:
        raise ConfigError(
            f"{len(problems)} problem(s):\n" + "\n".join(f"  - {line}" for line in problems),
            hint="`python -m ocr_train sagemaker policies --help` lists all options.",
        )
    partition = access.role.split(":")[1]
    region, account = access.region or place[1], role["account"]
    image = f"arn:{partition}:ecr:{place[1]}:{place[0]}:repository/{place[2]}"
    logs = f"arn:{partition}:logs:{region}:{account}:log-group:{LOG_GROUP}"
    jobs = f"arn:{partition}:sagemaker:{region}:{account}:training-job/{access.job_prefix}*"
    return {
        "execution-role-trust.json": _document([_trust(account)]),
        "execution-role-policy.json": _document(_of_the_job(access, partition, image, logs)),
        "submitter-policy.json": _document(_of_the_submitter(access, jobs, logs)),
    }


def _problems(access: Access) -> list[str]:
    found = []
    if not _ROLE.fullmatch(access.role):
        found.append(f"--role: {access.role!r} is not the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME")
    if ecr_place(access.image) is None:
        found.append(f"--image: {access.image!r} is not ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG")
    if access.region and not _REGION.fullmatch(access.region):
        found.append(f"--region: {access.region!r} is not a region such as ap-southeast-1")
    for uri in (*access.data, access.output, *filter(None, [access.artifacts])):
        bucket, prefix = _place(uri)
        if not _BUCKET.fullmatch(bucket):
            found.append(f"{uri!r} is not s3://bucket/prefix")
        elif set(prefix) & set("*?$"):
            found.append(f"{uri!r}: IAM reads *, ? and $ in a prefix as patterns")
    for name, text, pattern in (
        ("--mlflow-arn", access.mlflow_arn, _MLFLOW),
        ("--kms-key", access.kms_key, _KMS),
    ):
        if text and not pattern.fullmatch(text):
            found.append(f"{name}: {text!r} is not such an ARN")
    if not re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*-?", access.job_prefix):
        found.append(f"--job-prefix: {access.job_prefix!r} cannot begin the name of a job")
    return found


def _place(uri: str) -> tuple[str, str]:
    parts = urllib.parse.urlsplit(address(uri))
    return (parts.netloc, parts.path.strip("/")) if parts.scheme == "s3" else ("", "")


def _document(statements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str], **condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": sorted(actions)}
    statement["Resource"] = list(dict.fromkeys(resources))
    return {**statement, **({"Condition": condition} if condition else {})}


def _trust(account: str) -> dict[str, Any]:
    return {
        "Sid": "SageMakerUsesThisRole",
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
        # Nobody else's SageMaker may be talked into using it.
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }


def _of_the_job(access: Access, partition: str, image: str, logs: str) -> list[dict[str, Any]]:
    written = [access.output, *filter(None, [access.artifacts])]
    statements = [
        *_lists([*access.data, *written], partition),
        _allow("ReadData", ["s3:GetObject"], [_below(uri, partition) for uri in access.data]),
        _allow(
            "ReadAndWriteResults",
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            [_below(uri, partition) for uri in written],
        ),
        _allow(
            "WriteLogs",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [logs, f"{logs}:*"],
        ),
        _allow(
            "WriteMetrics",
            ["cloudwatch:PutMetricData"],
            ["*"],
            StringLike={"cloudwatch:namespace": ["/aws/sagemaker/*", "aws/sagemaker/*"]},
        ),
        _allow("SignInToECR", ["ecr:GetAuthorizationToken"], ["*"]),
        _allow("PullTheImage", _ECR_PULL, [image]),
    ]
    if access.mlflow_arn:
        statements.append(_allow("WriteToManagedMlflow", _MLFLOW_ACTIONS, [access.mlflow_arn]))
    if access.kms_key:
        actions = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant", "kms:DescribeKey"]
        statements.append(_allow("UseTheKey", actions, [access.kms_key]))
    if access.vpc:
        statements.append(_allow("TrainInAVpc", _VPC_ACTIONS, ["*"]))
    return statements


def _of_the_submitter(access: Access, jobs: str, logs: str) -> list[dict[str, Any]]:
    statements = [
        _allow(
            "SubmitAndWatchJobs",
            [
                f"sagemaker:{action}"
                for action in ("CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob", "AddTags")
            ],
            [jobs],
        ),
        _allow("ListJobs", ["sagemaker:ListTrainingJobs"], ["*"]),
        _allow(
            "HandOverTheRole",
            ["iam:PassRole"],
            [access.role],
            StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"},
        ),
        _allow("ReadLogs", ["logs:GetLogEvents", "logs:DescribeLogStreams"], [logs, f"{logs}:*"]),
    ]
    if access.mlflow_arn:
        statements.append(_allow("MakeTheRunInManagedMlflow", _MLFLOW_ACTIONS, [access.mlflow_arn]))
    if access.kms_key:
        statements.append(_allow("UseTheKey", ["kms:CreateGrant", "kms:DescribeKey"], [access.kms_key]))
    return statements


def _lists(uris: Sequence[str], partition: str) -> list[dict[str, Any]]:
    """ListBucket for each bucket, of the prefixes alone."""
    prefixes: dict[str, list[str]] = {}
    for uri in uris:
        bucket, prefix = _place(uri)
        prefixes.setdefault(bucket, []).append(prefix)
    found = []
    for number, (bucket, below) in enumerate(prefixes.items(), 1):
        allowed = list(dict.fromkeys(one for prefix in below for one in (prefix, f"{prefix}/*")))
        condition = {} if "" in below else {"StringLike": {"s3:prefix": allowed}}
        found.append(
            _allow(f"List{number}", ["s3:ListBucket"], [f"arn:{partition}:s3:::{bucket}"], **condition)
        )
    return found


def _below(uri: str, partition: str) -> str:
    bucket, prefix = _place(uri)
    return f"arn:{partition}:s3:::{bucket}/{prefix}/*" if prefix else f"arn:{partition}:s3:::{bucket}/*"
