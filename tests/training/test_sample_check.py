"""The check of a few samples, beside the trainer that is being loaded."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.errors import DataError, SetupError
from ocr_train.trainer.pipeline_check import PipelineCheck, SampleFailure
from ocr_train.training import sample_check
from ocr_train.training.sample_check import SampleCheck
from tests.commands import ocr_train_here, only_run, store, train_arguments

BAD = SampleFailure(
    part="Train", place="train.txt:1", line="a.jpg\tx", operator="Pass", error="ValueError: no"
)
GOOD = PipelineCheck(tried={"Train": 2}, failed=(), notes=("Eval: not tried",))
SOME = PipelineCheck(tried={"Train": 8}, failed=(BAD,))
NONE = PipelineCheck(tried={"Train": 1}, failed=(BAD,))


class Tags:
    """What a run would be told."""

    def __init__(self) -> None:
        self.tags: dict[str, object] = {}

    def set_tags(self, tags: dict[str, object]) -> None:
        """Note them."""
        self.tags.update(tags)


def begun(check: Any, said: list[str] | None = None, tags: Tags | None = None) -> SampleCheck:
    """A check that is under way."""
    return SampleCheck(check, tags or Tags(), (said if said is not None else []).append)  # type: ignore[arg-type]


def test_nobody_waits_for_a_check_that_is_under_way() -> None:
    """It is no problem until it is done, and then it is one, again and again."""
    go_on = threading.Event()

    def slow() -> PipelineCheck:
        go_on.wait(30)
        return NONE

    check = begun(slow)
    assert check.problem() is None
    go_on.set()
    for _ in range(2):
        with pytest.raises(DataError, match="can use none"):
            check.settle()
    assert isinstance(check.problem(), DataError)


def test_what_was_not_tried_is_said_once() -> None:
    """However often somebody asks."""
    said: list[str] = []
    check = begun(lambda: GOOD, said)
    check.settle()
    check.settle()
    assert check.problem() is None
    assert said == ["data: Eval: not tried"]


def test_some_bad_samples_are_said_and_noted_in_the_run() -> None:
    """The training goes on."""
    said: list[str] = []
    tags = Tags()
    begun(lambda: SOME, said, tags).settle()
    assert "1 of 8 samples" in said[0]
    assert "1 of 8 samples" in str(tags.tags["data_check"])


def test_code_that_cannot_be_loaded_is_a_problem_of_the_setup() -> None:
    """What the check raises is raised where it is waited for."""

    def broken() -> PipelineCheck:
        raise SetupError("no cv2")

    check = begun(broken)
    with pytest.raises(SetupError, match="no cv2"):
        check.settle()


@pytest.mark.filterwarnings("ignore")
def test_a_trainer_that_runs_is_ended_where_no_sample_works(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainer stands still after its first step, and the check finds out then: the run is FAILED for its data."""
    stepped = store_folder / "stepped"

    def slow(*_: object, **__: object) -> PipelineCheck:
        while not stepped.exists() or not stepped.read_text().strip():
            threading.Event().wait(0.05)
        return NONE

    monkeypatch.setattr(sample_check, "check_pipeline", slow)
    data = store_folder / "data"
    make_demo(data, DemoSpec(task="rec", train=16, val=4))
    env = {"SCRIPTED_HOLD": "1", "SCRIPTED_CLOCK": str(stepped)}
    done = ocr_train_here(*train_arguments(data), cwd=store_folder, env=env)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "can use none of the 1 training samples" in done.stderr
    run = only_run(store(store_folder))
    assert run.info.status == "FAILED"
    assert run.data.tags["failure_reason"] == "data_error"


@pytest.mark.filterwarnings("ignore")
def test_a_trainer_that_failed_on_bad_samples_is_not_the_cause(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends before the check does: what the check finds is what the run says."""
    go_on = threading.Event()

    def slow(*_: object, **__: object) -> PipelineCheck:
        go_on.wait(3)
        return NONE

    monkeypatch.setattr(sample_check, "check_pipeline", slow)
    data = store_folder / "data"
    make_demo(data, DemoSpec(task="rec", train=16, val=4))
    done = ocr_train_here(*train_arguments(data), cwd=store_folder, env={"SCRIPTED_FAULT": "crash"})
    assert done.returncode == 3, done.stdout + done.stderr
    assert only_run(store(store_folder)).data.tags["failure_reason"] == "data_error"
