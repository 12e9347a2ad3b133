"""What `resume=` can say."""

from __future__ import annotations

import pytest

from ocr_train.checkpoints.address import parse_resume, step_in
from ocr_train.errors import ConfigError
from ocr_train.resume.reopen import check_resume

ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("text", ["auto", "latest", "best"])
def test_words(text: str) -> None:
    """They stand for themselves."""
    assert parse_resume(text).kind == text


@pytest.mark.parametrize(
    ("text", "which", "step"),
    [
        (ID, "latest", None),
        (f"{ID}:latest", "latest", None),
        (f"{ID}:best", "best", None),
        (f"{ID}:step 120", "latest", 120),
        (f"{ID}:step_00000120", "latest", 120),
        (f"{ID}:step=0", "latest", 0),
        (f"runs:/{ID}", "latest", None),
        (f"runs:/{ID}/", "latest", None),
        (f"runs:/{ID}/checkpoints", "latest", None),
        (f"runs:/{ID}/checkpoints/best", "best", None),
        (f"runs:/{ID}/checkpoints/best.json", "best", None),
        (f"runs:/{ID}/checkpoints/step_00000120", "latest", 120),
        (f"runs:/{ID}/checkpoints/step_00000120_0123456789ab", "latest", 120),
    ],
)
def test_a_run(text: str, which: str, step: int | None) -> None:
    """As people type it, and as the MLflow page shows it."""
    spec = parse_resume(text)
    assert (spec.kind, spec.run_id, spec.which, spec.step) == ("run", ID, which, step)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("models:/rec@champion", "model"),
        ("models:/rec/3", "model"),
        ("s3://bucket/checkpoints/step_00000010", "s3"),
        ("trainer/latest", "path"),
        ("C:/x", "path"),
        ("S3://bucket/checkpoints/step_00000010", "s3"),
        ("newest", "path"),
    ],
)
def test_other_places(text: str, kind: str) -> None:
    """Model registry, S3, this machine."""
    assert (parse_resume(text).kind, parse_resume(text).text) == (kind, text)


@pytest.mark.parametrize(
    "text",
    [
        *(f"{ID}:newest", f"{ID}:", f"{ID}:step", f"{ID}:step -3", f"{ID}:step 1.5", "runs:/", "runs:/abc"),
        *(f"runs:/{ID}/logs", f"runs:/{ID}/checkpoints/a/b", "models:/", "gs://bucket/x", "https://host/x"),
    ],
)
def test_what_is_almost_an_address_is_refused_with_what_there_is(text: str) -> None:
    """Before anything is looked up; the hint lists every form."""
    with pytest.raises(ConfigError) as caught:
        parse_resume(text)
    assert "models:/NAME@ALIAS" in caught.value.hint


@pytest.mark.parametrize(
    ("resume", "mode", "weights_only", "words"),
    [
        ("", "same", False, "needs `resume`"),
        ("", "new", True, "needs `resume`"),
        (ID, "same", True, "exclude each other"),
        ("auto", "new", True, "exclude each other"),
        ("best", "same", False, "newest checkpoint only"),
        (f"{ID}:best", "same", False, "newest checkpoint only"),
        (f"{ID}:step 3", "same", False, "newest checkpoint only"),
        ("old/latest", "same", False, "newest checkpoint only"),
    ],
)
def test_what_cannot_be_meant_together(resume: str, mode: str, weights_only: bool, words: str) -> None:
    """It is said before anything is fetched."""
    with pytest.raises(ConfigError, match=words):
        check_resume(resume, mode, weights_only=weights_only)


@pytest.mark.parametrize("resume", [ID, "latest", "auto", f"runs:/{ID}"])
def test_a_run_can_go_on_itself(resume: str) -> None:
    """From its newest checkpoint."""
    check_resume(resume, "same", weights_only=False)


@pytest.mark.parametrize(
    ("address", "step"),
    [
        (f"s3://b/1/{ID}/artifacts/checkpoints/step_00000020", 20),
        ("mlflow-artifacts:/0/x/artifacts/checkpoints/step_00000000", 0),
        ("s3://b/step_00000020", None),
        ("checkpoints/model", None),
        ("", None),
    ],
)
def test_the_step_of_an_artifact_address(address: str, step: int | None) -> None:
    """A registered model's source names a checkpoint folder of a run."""
    assert step_in(address) == step


@pytest.mark.parametrize(
    ("resume", "mode"),
    [("auto", "new"), ("latest", "new"), ("0" * 32, "new"), ("models:/m@a", "new"), ("auto", "same")],
)
def test_runs_are_not_looked_up_without_a_server(resume: str, mode: str) -> None:
    """offline=true: said before anything is fetched, with what can be given instead."""
    with pytest.raises(ConfigError, match="offline=true") as caught:
        check_resume(resume, mode, weights_only=False, offline=True)
    assert "artifacts/checkpoints/step_" in caught.value.hint


@pytest.mark.parametrize("resume", ["", "some/path", "s3://bucket/checkpoints/step_00000004"])
def test_checkpoints_outside_of_mlflow_need_no_server(resume: str) -> None:
    """Nor does a fresh start."""
    check_resume(resume, "new", weights_only=False, offline=True)
