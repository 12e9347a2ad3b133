"""A second folder of checkpoints: which of its sets count, and what a run takes over from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.checkpoints.copies import (
    best_copy,
    bring_best,
    holds_copies,
    newest_whole,
    note_run,
    noted_run,
    remove_torn,
)
from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.tracking.artifacts import FolderArtifacts
from tests.builders import snapshot_of, store_on


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Copies at the steps 10, 20 and 30, the ends of three epochs; the one at 20 is the best."""
    store = store_on(FolderArtifacts(tmp_path / "copies"))
    for epoch in (1, 2, 3):
        kind = BEST if epoch == 2 else LATEST
        taken = snapshot_of(
            tmp_path / str(epoch), epoch=epoch, step=10 * epoch, kind=kind, metrics={"hmean": 0.5}, seed=epoch
        )
        manifest = store.put(taken, step=10 * epoch, epoch=epoch)
        store.point(kind, manifest)
    return tmp_path / "copies"


def tear(root: Path, step: int, name: str = "model.pdopt") -> None:
    """Cut a file of the set short."""
    path = root / f"checkpoints/step_{step:08d}" / name
    path.write_bytes(path.read_bytes()[:10])


def test_the_newest_set_is_the_one_to_go_on_from(root: Path) -> None:
    """With all that is known of it."""
    found = newest_whole(root).newest
    assert found is not None
    assert (found.manifest.step, found.folder.name, found.passed_over) == (30, "step_00000030", ())
    assert holds_copies(root)


def test_torn_sets_are_passed_over_and_named(root: Path) -> None:
    """Other bytes, a missing file, a manifest that never came: each says which and why."""
    tear(root, 30)
    (root / "checkpoints/step_00000040").mkdir()
    found = newest_whole(root).newest
    assert found is not None
    assert found.manifest.step == 20
    assert "checkpoints/step_00000040 has no complete manifest" in found.passed_over
    assert any("step_00000030: model.pdopt is torn" in line for line in found.passed_over)


def test_where_nothing_is_whole_there_is_nothing_to_go_on_from(root: Path) -> None:
    """And it says what was wrong with each."""
    for step in (10, 20, 30):
        (root / f"checkpoints/step_{step:08d}/model.pdparams").unlink()
    found = newest_whole(root)
    assert found.newest is None
    assert len(found.torn) == 3


def test_a_set_at_the_end_gives_way_to_one_that_leaves_an_epoch(root: Path) -> None:
    """A job that was interrupted while its model was exported ends it well the next time."""
    before = newest_whole(root, epochs=3).newest
    assert before is not None
    assert before.manifest.step == 20
    none_left = newest_whole(root, epochs=1).newest
    assert none_left is not None
    assert none_left.manifest.step == 30


def test_torn_sets_are_removed_before_others_are_written(root: Path) -> None:
    """A later set must not count on bytes that are not there."""
    tear(root, 30)
    assert remove_torn(root) == ("checkpoints/step_00000030",)
    assert not (root / "checkpoints/step_00000030").exists()
    assert (root / "checkpoints/step_00000020").is_dir()


def test_whose_checkpoints_they_are_is_noted(root: Path) -> None:
    """A folder without a note belongs to no run on a server."""
    assert noted_run(root) == ""
    note_run(root, "a" * 32)
    assert noted_run(root) == "a" * 32


def test_the_best_set_is_brought_to_another_run(root: Path, tmp_path: Path) -> None:
    """A run that goes on and never becomes better still has what to export."""
    other = tmp_path / "other"
    bring_best(root, FolderArtifacts(other))
    best = best_copy(other)
    assert best is not None
    assert (best.step, newest_whole(other).torn) == (20, ())
    tear(root, 20)
    assert best_copy(root) is None
