"""The commands `export` and `evaluate` where they cannot begin: one paragraph that says what to give."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli_run import command
from tests.models.export.test_run import make_source


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint in a folder of its own, of no run."""
    return make_source(tmp_path / "checkpoint").path.parent


def test_a_checkpoint_without_a_run_has_nowhere_to_log(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said before anything is exported."""
    ran = command(capsys, "export", checkpoint, "--log")
    assert ran.code == 2
    assert "no run to log to" in ran.err


def test_who_has_no_images_is_told_of_both_ways_out(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images, or asking for no check: it is never left out silently."""
    ran = command(capsys, "export", checkpoint)
    assert ran.code == 2
    assert "validation data are not known" in ran.err
    assert "--data" in ran.err
    assert "--no-check" in ran.err


def test_no_model_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a run nor a path: what can be given is listed."""
    for name in ("export", "evaluate"):
        ran = command(capsys, name, tmp_path / "nothing")
        assert ran.code == 2
        assert "Give a run id" in ran.err


def test_evaluating_on_several_gpus_is_refused(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PaddleOCR's eval.py runs on one."""
    ran = command(capsys, "evaluate", checkpoint, "--gpus", "0,1")
    assert ran.code == 2
    assert "'0,1'" in ran.err


def test_a_checkpoint_without_a_run_needs_data_to_be_evaluated(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its validation data are not known."""
    ran = command(capsys, "evaluate", checkpoint)
    assert ran.code == 2
    assert "--data" in ran.err
