"""The weights before training, as the first checkpoint of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.checkpoints.snapshots import take_snapshot
from ocr_train.checkpoints.states_file import read_states
from ocr_train.events import BestUpdated, CheckpointSaved, EvalCompleted
from ocr_train.training.base import Base, write_set
from tests.builders import write_checkpoint


def base(tmp_path: Path, **metrics: float) -> Base:
    """Weights with these metrics."""
    return Base(metrics=metrics, prefix=tmp_path / "best_accuracy", source="PP-OCRv4_mobile_det")


def test_it_is_an_evaluation_and_the_best_checkpoint_at_step_0(tmp_path: Path) -> None:
    """The same events as those of the trainer's log, so that every callback knows of it."""
    evaluated, best, saved = base(tmp_path, hmean=0.75, precision=0.5).events()
    assert isinstance(evaluated, EvalCompleted)
    assert isinstance(best, BestUpdated)
    assert isinstance(saved, CheckpointSaved)
    assert evaluated.metrics == {"eval/hmean": 0.75, "eval/precision": 0.5}
    assert (evaluated.step, best.step, saved.step) == (0, 0, 0)
    assert (saved.kind, saved.prefix) == ("best", str(tmp_path / "best_accuracy"))


def test_its_scores_are_params(tmp_path: Path) -> None:
    """They never change; how fast it was is no score."""
    params = base(tmp_path, hmean=0.75, precision=1 / 3, fps=2.5).params
    assert params == {"base/hmean": "0.75", "base/precision": "0.333333"}


@pytest.mark.parametrize(("best", "said"), [(0.76, False), (0.75, True), (0.1, True), (None, True)])
def test_a_training_that_is_no_better_is_told_so(tmp_path: Path, best: float | None, said: bool) -> None:
    """With what to try."""
    verdict = base(tmp_path, hmean=0.75).verdict(best, "hmean")
    assert bool(verdict) == said
    assert not said or ("hmean 0.7500" in verdict and "learning_rate" in verdict)


def test_its_set_is_read_like_any_other(tmp_path: Path) -> None:
    """Step and epoch 0, the metrics, and no state of an optimizer: there was none."""
    weights = Path(f"{write_checkpoint(tmp_path / 'given')}.pdparams")
    prefix = write_set(weights, tmp_path / "base", {"hmean": 0.75}, "hmean")
    states = read_states(Path(f"{prefix}.states"))
    assert (states.epoch, states.step, dict(states.metrics)) == (0, 0, {"hmean": 0.75})
    snapshot = take_snapshot(prefix, "best", tmp_path / "snapshots")
    assert [path.name for path in snapshot.files] == ["model.pdparams", "model.states"]
    assert snapshot.files[0].read_bytes() == weights.read_bytes()
