"""`sagemaker ...` against a stand-in for AWS: it answers as SageMaker and CloudWatch do, and checks no right."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli_run import Ran, command
from tests.cluster.sagemaker.jobs import CPU_IMAGE, GPU_IMAGE, MLFLOW, ROLE, StandIn, one_loader, stand_in

Capsys = pytest.CaptureFixture[str]
SUBMIT = (
    *("sagemaker", "submit", "--model", "rec", "--data", "s3://wires/rec", "--epochs", "20"),
    *("--instance", "ml.g5.xlarge", "--image", GPU_IMAGE, "--role", ROLE, "--tracking-uri", MLFLOW),
)
ACCESS = ("sagemaker", "policies", "--bucket", "wires", "--role", ROLE, "--image", GPU_IMAGE)
ENDED = {
    "TrainingJobStatus": "Completed",
    "SecondaryStatus": "Completed",
    "TrainingTimeInSeconds": 7200,
    "BillableTimeInSeconds": 2160,
    "ModelArtifacts": {"S3ModelArtifacts": "s3://wires/sagemaker/j/output/model.tar.gz"},
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The stand-in, where boto3 looks for SageMaker and for logs; no pause between looks."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("botocore.loaders.create_loader", one_loader)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "stand-in",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret-of-anybody",
        "AWS_DEFAULT_REGION": "ap-southeast-1",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with stand_in() as (service, address):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield service


def test_a_dry_run_prints_the_request_alone_and_needs_no_credentials(capsys: Capsys) -> None:
    """JSON on stdout; notes and the estimate on stderr."""
    ran = command(
        capsys,
        *(*SUBMIT, "--spot", "--count", "2", "--dry-run"),
        *("--samples", "8000", "--seconds-per-sample", "0.09", "--hourly-usd", "1.5"),
    )
    assert ran.code == 0, ran.err
    assert ran.json["EnableManagedSpotTraining"] is True
    assert ran.json["ResourceConfig"]["InstanceCount"] == 2
    # 8,000 samples x 20 epochs x 0.09 s on two machines, both of which are paid for.
    assert "estimate: 2.00 hours on 2 x ml.g5.xlarge (360 s an epoch)" in ran.err
    assert "estimate: 6.00 USD for all machines, as without spot" in ran.err


def test_an_estimate_beyond_the_limit_is_a_warning(capsys: Capsys) -> None:
    """The job would be ended before it is finished."""
    ran = command(
        capsys,
        *(*SUBMIT, "--dry-run", "--max-run-hours", "1"),
        *("--samples", "8000", "--seconds-per-sample", "0.09"),
    )
    assert "longer than --max-run-hours 1" in ran.err
    half = command(capsys, *SUBMIT, "--dry-run", "--samples", "8000")
    assert half.code == 2
    assert "--seconds-per-sample: the estimate needs it, too" in half.err


def test_problems_of_the_launch_and_of_the_job_come_together(capsys: Capsys) -> None:
    """Exit 2, and nothing on stdout."""
    ran = command(capsys, *SUBMIT, "--dry-run", "--epochs", "no", "--val", "7", "--image", CPU_IMAGE)
    assert (ran.code, ran.out) == (2, "")
    for said in ("3 problem(s)", "epochs: 'no'", "val: '7'", "is a CPU image"):
        assert said in ran.err
    ran = command(capsys, *SUBMIT, "--dry-run", "--model", "./my.yaml")
    assert "which the image does not have" in ran.err


def test_a_job_is_submitted_watched_and_paid(capsys: Capsys, aws: StandIn) -> None:
    """From submit to the bill."""
    submitted = command(capsys, *SUBMIT, "--spot", "--job-name", "ocr-wires-1")
    assert submitted.code == 0, submitted.err
    assert "sagemaker logs ocr-wires-1 --follow --region ap-southeast-1" in submitted.out
    assert aws.asked[0][1]["HyperParameters"]["epochs"] == "20"

    waiting = command(capsys, "sagemaker", "cost", "ocr-wires-1")
    assert "says what is billed when the job is over" in waiting.out

    aws.lines = {"ocr-wires-1/algo-1-1700000000": ["epoch 1/20  step 5/100  loss 9.8"]}
    aws.descriptions = [{}, {}, ENDED]
    logs = command(capsys, "sagemaker", "logs", "ocr-wires-1", "--follow")
    assert logs.code == 0
    assert logs.out.splitlines() == ["epoch 1/20  step 5/100  loss 9.8", "the job is Completed"]

    status = command(capsys, "sagemaker", "status", "ocr-wires-1", "--json", "-")
    assert status.json["job"]["billable_s"] == 2160
    cost = command(capsys, "sagemaker", "cost", "ocr-wires-1", "--hourly-usd", "1.5")
    assert "0.60 machine hours" in cost.out
    assert "spot instances saved 70% of 7200 s" in cost.out
    assert "cost: 0.90 USD" in cost.out
    assert command(capsys, "sagemaker", "stop", "ocr-wires-1").out == "ocr-wires-1 is over: Completed\n"


def test_a_running_job_is_stopped(capsys: Capsys, aws: StandIn) -> None:
    """And a failed one ends `logs --follow` with its own exit status."""
    command(capsys, *SUBMIT, "--job-name", "ocr-wires-2", "--count", "2")
    assert "is being stopped" in command(capsys, "sagemaker", "stop", "ocr-wires-2").out
    assert aws.asked[-1] == ("StopTrainingJob", {"TrainingJobName": "ocr-wires-2"})
    aws.lines = {f"ocr-wires-2/algo-{number}-17": [f"host {number}"] for number in (1, 2)}
    aws.description |= {"TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: no GPU"}
    logs = command(capsys, "sagemaker", "logs", "ocr-wires-2", "--follow")
    assert logs.code == 6
    assert logs.out.splitlines() == [
        "algo-1| host 1",
        "algo-2| host 2",
        "the job is Failed: AlgorithmError: no GPU",
    ]


@pytest.mark.parametrize(
    ("refusal", "code", "said"),
    [
        (
            ("AccessDeniedException", "User anna is not authorized to perform: sagemaker:CreateTrainingJob"),
            5,
            "sagemaker:CreateTrainingJob, and iam:PassRole",
        ),
        (("ResourceLimitExceeded", "limit is 0 Instances"), 5, "Service Quotas"),
        (("ValidationException", "Requested resource not found."), 2, "there is no training job"),
        (("ValidationException", "No S3 objects found"), 2, "SageMaker refuses CreateTrainingJob"),
        (("ResourceInUse", "already exists"), 2, "Give another --job-name"),
        (("UnrecognizedClientException", "The security token is invalid"), 5, "Renew or correct them"),
    ],
)
def test_what_aws_refuses_says_what_to_do(
    capsys: Capsys, aws: StandIn, refusal: tuple[str, str], code: int, said: str
) -> None:
    """In one paragraph, with the right that is missing."""
    aws.refusal = refusal
    ran = command(capsys, *SUBMIT)
    assert ran.code == code
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_without_credentials_or_region_the_variables_are_named(
    capsys: Capsys, aws: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And nothing is asked."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    ran = command(capsys, "sagemaker", "status", "ocr-1")
    assert ran.code == 5
    assert "AWS_PROFILE" in ran.err
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    ran = command(capsys, "sagemaker", "status", "ocr-1")
    assert ran.code == 5
    assert "Give --region" in ran.err
    assert aws.asked == []


def test_the_policies_are_files(capsys: Capsys, tmp_path: Path) -> None:
    """Or JSON on stdout."""
    ran = command(capsys, *ACCESS, "--prefix", "rec", "--out", tmp_path / "iam")
    assert ran.code == 0, ran.err
    written = {path.name: json.loads(path.read_text()) for path in (tmp_path / "iam").iterdir()}
    assert written == command(capsys, *ACCESS, "--prefix", "rec").json


def _lifecycle(capsys: Capsys, out: Path, repository: str) -> Ran:
    arguments = ("--repository", repository, "--idle-minutes", "90", "--out", out)
    return command(capsys, "sagemaker", "lifecycle", *arguments)


def test_the_scripts_of_a_notebook_instance_are_files_that_bash_can_read(
    capsys: Capsys, tmp_path: Path
) -> None:
    """With the address and the minutes filled in; one with a password is refused."""
    ran = _lifecycle(capsys, tmp_path, "https://git.example.com/team/ocr-train.git")
    assert ran.code == 0, ran.err
    for name in ("on_create.sh", "on_start.sh"):
        subprocess.run(["bash", "-n", str(tmp_path / name)], check=True)
        assert "@" not in (tmp_path / name).read_text()
    assert "IDLE_MINUTES=90" in (tmp_path / "on_start.sh").read_text()
    for wrong in ("https://anna:hunter2@git.example.com/x.git", '"; rm -rf /'):
        refused = _lifecycle(capsys, tmp_path, wrong)
        assert refused.code == 2
        assert "hunter2" not in refused.err


NESTED = ("submit", "status", "logs", "stop", "cost", "policies", "lifecycle", "entry")


@pytest.mark.parametrize("name", NESTED)
def test_every_command_has_a_help_of_its_own(capsys: Capsys, name: str) -> None:
    """With a sentence about the command, and its whole name in the first line."""
    ran = command(capsys, "sagemaker", name, "--help")
    usage, _, rest = ran.out.partition("\n\n")
    assert ran.code == 0
    assert usage.startswith(f"usage: python -m ocr_train sagemaker {name}")
    assert not rest.startswith(("positional arguments", "options"))


def test_a_mistyped_option_or_command_names_the_nearest(capsys: Capsys) -> None:
    """Of this command's."""
    assert "Did you mean '--instance'" in command(capsys, *SUBMIT, "--instnace", "x").err
    assert "Did you mean 'submit'" in command(capsys, "sagemaker", "sumbit").err
