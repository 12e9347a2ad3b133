"""What `kubernetes render` writes, against the official schemas of Kubernetes, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ocr_train.config.nodes import parse_nodes
from ocr_train.config.parameters import Launch
from tests.cli_run import command

VERSIONS = ("1.31", "1.37")
BASE = ("kubernetes", "render", "--model", "rec", "--image", "team/ocr-train:1-gpu")
S3 = (*BASE, "--data", "s3://bucket/prefix", "--env", "MLFLOW_TRACKING_URI=http://mlflow:5000")


def rendered(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The objects by their kind, each of them valid."""
    # Its schemas take a moment to load.
    import kubernetes_validate

    ran = command(capsys, *words)
    assert ran.code == 0, ran.err
    documents = list(yaml.safe_load_all(ran.out))
    for document in documents:
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
    return {document["kind"]: document for document in documents}


def pod_of(objects: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The pod, its container, and the parameters of `train` by their names."""
    pod = objects["Job"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    options = dict(word.removeprefix("--").split("=", 1) for word in container["args"])
    return pod, container, options


def test_two_nodes_with_gpus_are_an_indexed_job_with_a_headless_service(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each pod knows all names and its own place; the names are those that the service answers."""
    objects = rendered(
        capsys, *S3, "--nodes", "2", "--gpus-per-node", "2", "--epochs", "5", "--namespace", "ml"
    )
    spec, service = objects["Job"]["spec"], objects["Service"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
    assert spec["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    pod, container, options = pod_of(objects)
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()
    assert pod["subdomain"] == service["metadata"]["name"] == objects["Job"]["metadata"]["name"]
    assert options["nodes"] == "ocr-train-rec-0.ocr-train-rec,ocr-train-rec-1.ocr-train-rec"
    assert options["node-rank"] == "$(JOB_COMPLETION_INDEX)"
    problems: list[str] = []
    nodes = parse_nodes(Launch(nodes=options["nodes"], node_rank="1"), problems)
    assert (nodes is not None and len(nodes.hosts), problems) == (2, [])
    assert (options["gpus"], options["epochs"], options["data"]) == ("0,1", "5", "s3://bucket/prefix")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert container["command"] == ["python", "-m", "ocr_train", "train"]


def test_a_pod_that_is_started_again_goes_on_in_its_own_run(capsys: pytest.CaptureFixture[str]) -> None:
    """One MLflow run; a drained node counts for nothing, and what another try would find as it is ends the job."""
    objects = rendered(capsys, *S3)
    _, container, options = pod_of(objects)
    assert (options["resume"], options["resume-mode"]) == ("auto", "same")
    rules = objects["Job"]["spec"]["podFailurePolicy"]["rules"]
    assert [rule["action"] for rule in rules] == ["Ignore", "FailJob"]
    assert rules[1]["onExitCodes"]["values"] == [2, 3]
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert "Service" not in objects


def test_secrets_are_named_and_never_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Their keys become variables in the pod."""
    _, container, _ = pod_of(rendered(capsys, *S3, "--secret", "aws", "--secret", "mlflow"))
    assert container["envFrom"] == [{"secretRef": {"name": "aws"}}, {"secretRef": {"name": "mlflow"}}]


def test_data_loading_has_its_shared_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """A pod has 64 MB of /dev/shm otherwise, and a data loader dies of that."""
    pod, container, _ = pod_of(rendered(capsys, *S3, "--shm-gb", "1.5"))
    shm = next(volume for volume in pod["volumes"] if volume["name"] == "shm")
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": "1536Mi"}
    assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]  # noqa: S108 - a path in the pod


def test_a_claim_has_data_and_runs_and_each_pod_its_own_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """Two pods would write the same files otherwise."""
    words = (
        *BASE,
        "--data",
        "/data/words",
        "--pvc",
        "words",
        "--env",
        "MLFLOW_TRACKING_URI=http://mlflow:5000",
    )
    pod, container, _ = pod_of(rendered(capsys, *words, "--nodes", "2"))
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert variables["OCR_TRAIN_OUTPUT"] == "/data/ocr-train/ocr-train-rec/$(JOB_COMPLETION_INDEX)"
    # Kubernetes expands what was named before.
    assert next(iter(variables)) == "JOB_COMPLETION_INDEX"
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "words"}} in pod["volumes"]


def test_each_source_of_mixed_data_must_be_in_reach_of_the_pod(capsys: pytest.CaptureFixture[str]) -> None:
    """S3, or below the claim."""
    server = ("--env", "MLFLOW_TRACKING_URI=http://mlflow:5000")
    both = "s3://own/words 1.0, /data/general 0.2"
    _, _, options = pod_of(rendered(capsys, *BASE, "--data", both, "--pvc", "words", *server))
    assert options["data"] == both
    ran = command(capsys, *BASE, "--data", f"{both}, ./more", "--pvc", "words", *server)
    assert ran.code == 2
    assert "data=./more: the claim is at /data in the pod" in ran.err


def test_text_that_looks_like_a_variable_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Kubernetes would put a value in its place."""
    _, _, options = pod_of(rendered(capsys, *S3, "--overrides", "+Global.note=$(HOME)"))
    assert options["overrides"] == "+Global.note=$$(HOME)"


def test_everything_that_is_wrong_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Options of the job and parameters of the training alike."""
    ran = command(
        capsys,
        *(
            "kubernetes",
            "render",
            "--model",
            "rec",
            "--data",
            "/somewhere",
            "--keep",
            "/elsewhere",
            "--image",
            "A B",
            "--name",
            "My_Job",
        ),
        *(
            "--memory",
            "12GB",
            "--shm-gb",
            "0",
            "--env",
            "AWS_SECRET_ACCESS_KEY=x",
            "--env",
            "foo",
            "--epochs",
            "x",
        ),
        *("--env", "PROXY=http://me:secret@proxy:1"),
    )
    assert (ran.code, ran.out) == (2, "")
    for words in (
        "11 problem(s)",
        "epochs: 'x' is not a whole number",
        "--name 'My_Job' is not a DNS label",
        "--image 'A B' is not the name of an image",
        "--memory '12GB' is not a quantity",
        "--shm-gb 0 is too small",
        "AWS_SECRET_ACCESS_KEY=...: a secret does not belong into the YAML",
        "PROXY=...: its value has a password",
        "--env 'foo' is not NAME=VALUE",
        "data=/somewhere is a folder: name the claim that has it with --pvc",
        "keep=/elsewhere is a folder: name the claim that has it with --pvc",
        "no MLflow server",
    ):
        assert words in ran.err
    assert "me:secret" not in ran.err


def test_several_pods_measure_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Each would have to come to the same batch; one pod may."""
    ran = command(capsys, *S3, "--batch-size", "auto", "--nodes", "2")
    assert (ran.code, "batch_size=auto: several machines need a number" in ran.err) == (2, True)
    assert command(capsys, *S3, "--batch-size", "auto").code == 0


def test_a_run_without_a_server_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A pod that is started again would not find it."""
    ran = command(capsys, *S3, "--offline", "true")
    assert (ran.code, "offline=true: a pod that is started again" in ran.err) == (2, True)


def test_what_a_pod_that_is_started_again_begins_with_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """`train` takes one checkpoint to start from: the weights of a run leave no place for the pod's own."""
    ran = command(capsys, *S3, "--pretrained", "runs:/" + "a" * 32)
    assert ran.code == 0
    assert "begins with pretrained=runs:/" in ran.err
    assert "--resume" not in ran.out
