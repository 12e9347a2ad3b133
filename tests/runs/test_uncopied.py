"""What a killed tracker had not copied: which of the trainer's own files are a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocr_train.runs.uncopied import finished_sets
from tests.builders import write_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run's folder with a configuration and the sets of two epochs."""
    (tmp_path / "config.yml").write_text("Metric: {main_indicator: hmean}\n", encoding="utf-8")
    for name, step in (("iter_epoch_1", 10), ("best_accuracy", 10), ("latest", 20)):
        write_checkpoint(tmp_path / "trainer" / name, epoch=step // 10, step=step, metrics={"hmean": 0.5})
    return tmp_path


def steps(folder: Path, **tags: str) -> list[tuple[str, int]]:
    """Kind and step of what is found."""
    return [(one.kind, one.step) for one in finished_sets(folder, tags, {})]


def test_whole_sets_are_found_by_step(folder: Path) -> None:
    """With the prefix that the trainer gave them."""
    assert steps(folder) == [("best", 10), ("epoch", 10), ("latest", 20)]
    newest = finished_sets(folder, {}, {})[-1]
    assert (newest.path, newest.name, newest.epoch) == (str(folder / "trainer" / "latest"), "latest", 2)


def test_steps_count_from_where_the_run_went_on(folder: Path) -> None:
    """The trainer's own restart at 0."""
    assert steps(folder, resumed_from_step="100")[-1] == ("latest", 120)


@pytest.mark.parametrize("suffix", [".pdparams", ".pdopt", ".states"])
def test_a_torn_file_makes_no_checkpoint(folder: Path, suffix: str) -> None:
    """Half of it, as a kill leaves it; the others are still found."""
    path = folder / "trainer" / f"latest{suffix}"
    before = path.stat()
    path.write_bytes(path.read_bytes()[: before.st_size // 2])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert steps(folder) == [("best", 10), ("epoch", 10)]


@pytest.mark.parametrize("suffix", [".pdparams", ".pdopt"])
def test_weights_newer_than_their_states_are_half_a_save(folder: Path, suffix: str) -> None:
    """PaddleOCR writes .states last: the old one says nothing of new weights."""
    states = (folder / "trainer" / "latest.states").stat().st_mtime_ns
    os.utime(folder / "trainer" / f"latest{suffix}", ns=(states + 1, states + 1))
    assert ("latest", 20) not in steps(folder)


def test_a_missing_file_makes_no_checkpoint(folder: Path) -> None:
    """All three or none."""
    (folder / "trainer" / "latest.pdopt").unlink()
    assert ("latest", 20) not in steps(folder)


def test_what_an_earlier_trainer_left_is_not_of_this_one(folder: Path) -> None:
    """resume_mode=same: the configuration is written anew each time; older sets count from elsewhere."""
    later = (folder / "trainer" / "latest.states").stat().st_mtime_ns + 1
    os.utime(folder / "config.yml", ns=(later, later))
    assert steps(folder) == []


@pytest.mark.parametrize(("best", "beats"), [({}, True), ({"hmean": 0.4}, True), ({"hmean": 0.6}, False)])
def test_only_a_better_one_becomes_best(folder: Path, best: dict[str, float], beats: bool) -> None:
    """Measured by the configuration's own metric."""
    assert [one.best for one in finished_sets(folder, {}, best) if one.kind == "best"] == [beats]


def test_a_run_without_a_trainer_has_none(tmp_path: Path) -> None:
    """It was killed before."""
    assert finished_sets(tmp_path, {}, {}) == []
