"""Checkpoints in a second folder, while the training continues."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callbacks.checkpoint_copy import CheckpointCopyCallback
from ocr_train.checkpoints.copies import best_copy, newest_whole
from ocr_train.events import CheckpointSaved
from ocr_train.tracking.artifacts import FolderArtifacts
from tests.builders import make_run, store_on, write_checkpoint


class BrokenArtifacts(FolderArtifacts):
    """A folder that cannot be written (a stand-in: a disk that is full or gone)."""

    def upload(self, local: Path, folder: str = "") -> None:
        """Refuse."""
        raise OSError(30, "Read-only file system")


def train(folder: Path, artifacts: Any, said: list[str], **changes: Any) -> None:
    """Two epochs, whose second one is worse; the best one is saved under its own name, too."""
    callback = CheckpointCopyCallback(
        lambda run: store_on(artifacts), said.append, close_timeout_s=changes.pop("close_timeout_s", 10)
    )
    callback.open(make_run(folder, **changes))
    for epoch, name, score in ((1, "best_accuracy", 0.5), (1, "latest", 0.5), (2, "latest", 0.5)):
        prefix = write_checkpoint(
            folder / "trainer" / name, epoch=epoch, step=10 * epoch, metrics={"hmean": score}, seed=epoch
        )
        kind = "best" if name == "best_accuracy" else "latest"
        callback.on_checkpoint_saved(CheckpointSaved(prefix=str(prefix), name=name, kind=kind, time_ms=0))
    callback.close()
    callback.close()


def test_finished_sets_are_in_the_second_folder_whole(tmp_path: Path) -> None:
    """With their manifests, at steps of the run, and the best one marked."""
    said: list[str] = []
    train(tmp_path / "run", FolderArtifacts(tmp_path / "copies"), said, step_offset=100)
    found = newest_whole(tmp_path / "copies")
    assert found.newest is not None
    assert (found.newest.manifest.step, found.newest.manifest.epoch, found.torn) == (120, 2, ())
    best = best_copy(tmp_path / "copies")
    assert best is not None
    assert best.step == 110
    assert said == []
    assert list((tmp_path / "run" / "copies").iterdir()) == []


def test_a_set_that_does_not_beat_the_run_is_not_its_best(tmp_path: Path) -> None:
    """After a resume PaddleOCR calls its first score best."""
    train(tmp_path / "run", FolderArtifacts(tmp_path / "copies"), [], best=0.9)
    assert best_copy(tmp_path / "copies") is None


def test_a_second_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """It is said once for each reason, and nothing is left in the run's folder."""
    said: list[str] = []
    train(tmp_path / "run", BrokenArtifacts(tmp_path / "copies"), said, close_timeout_s=0.5)
    assert any("Read-only file system" in line for line in said)
    assert any("were not copied to the second folder" in line for line in said)
    assert list((tmp_path / "run" / "copies").iterdir()) == []
