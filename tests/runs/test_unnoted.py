"""What a killed tracker had read and not noted: which points of the log the journal lacks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocr_train.runs.unnoted import unnoted_points
from ocr_train.tracking.journal import Journal, Metric, Tag
from ocr_train.tracking.run_folder import RunFacts

LINE = (
    "[2026/11/22 12:00:00] ppocr INFO: epoch: [1/4], global_step: {step}, loss: {loss:.6f}, "
    "ips: 20.00000 samples/s, eta: 0:00:09,  \n"
)
EVALUATION = "[2026/11/22 12:00:00] ppocr INFO: cur metric, acc: {acc}, fps: 25.5\n"
BEST = "[2026/11/22 12:00:00] ppocr INFO: best metric, acc: {acc}, best_epoch: 1\n"
FACTS = RunFacts(run_id="0" * 32, log_start=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run's folder: two steps, an evaluation and a third step printed, the first step noted."""
    (tmp_path / "config.yml").write_text("Metric: {main_indicator: acc}\n", encoding="utf-8")
    text = LINE.format(step=1, loss=5) + LINE.format(step=2, loss=4) + EVALUATION.format(acc=0.5)
    (tmp_path / "train.log").write_text(
        text + BEST.format(acc=0.5) + LINE.format(step=3, loss=3), encoding="utf-8"
    )
    os.utime(tmp_path / "train.log", (1000, 1000))
    note(tmp_path, 1, {"train/ips": 20.0, "train/loss": 5.0, "train/epoch": 1.0})
    return tmp_path


def note(folder: Path, step: int, metrics: dict[str, float], *, offset: int = 0) -> None:
    """Write to the journal."""
    journal = Journal(folder / "journal.jsonl")
    if offset:
        journal.append([Tag(key="resumed_from_step", value=str(offset))])
    journal.append(Metric(key=key, value=value, step=step, time_ms=5) for key, value in metrics.items())
    journal.close()


def found(folder: Path, facts: RunFacts = FACTS) -> dict[tuple[str, int], float]:
    """Values by name and step."""
    points = unnoted_points(folder, facts)
    return {(one.key, one.step): one.value for one in points if one.key != "usage/eta_s"}


def test_what_was_printed_and_not_noted_is_found(folder: Path) -> None:
    """Steps, the evaluation, the best; what is noted already is not found again; the time is the log's last."""
    assert found(folder) == {
        ("usage/ips", 2): 20.0,
        ("train/loss", 2): 4.0,
        ("usage/epoch", 2): 1.0,
        ("eval/acc", 2): 0.5,
        ("usage/eval_fps", 2): 25.5,
        ("best/acc", 2): 0.5,
        ("usage/ips", 3): 20.0,
        ("train/loss", 3): 3.0,
        ("usage/epoch", 3): 1.0,
    }
    assert {one.time_ms for one in unnoted_points(folder, FACTS)} == {1_000_000}


def test_what_was_found_and_noted_is_not_found_again(folder: Path) -> None:
    """So that doing it twice changes nothing."""
    journal = Journal(folder / "journal.jsonl")
    journal.append(unnoted_points(folder, FACTS))
    journal.close()
    assert found(folder) == {}


def test_a_line_without_its_end_was_not_printed(folder: Path) -> None:
    """A kill tore it."""
    with (folder / "train.log").open("a", encoding="utf-8") as log:
        log.write(LINE.format(step=4, loss=2).rstrip("\n"))
    assert max(step for _, step in found(folder)) == 3


def test_only_the_last_trainers_lines_count_and_from_its_own_step(folder: Path) -> None:
    """A run that goes on itself: the first trainer's lines are not read with the second one's offset."""
    log = folder / "train.log"
    start = log.stat().st_size
    note(folder, 11, {"train/ips": 20.0, "train/loss": 2.0, "train/epoch": 1.0}, offset=10)
    with log.open("a", encoding="utf-8") as stream:
        stream.write(LINE.format(step=1, loss=2) + LINE.format(step=2, loss=1))
    assert found(folder, RunFacts(run_id="0" * 32, log_start=start)) == {
        ("usage/ips", 12): 20.0,
        ("train/loss", 12): 1.0,
        ("usage/epoch", 12): 1.0,
    }


def test_a_best_below_the_runs_own_is_none(folder: Path) -> None:
    """PaddleOCR calls its first score after a resume the best; where the run's own is not known, nothing is."""
    note(folder, 2, {"best/acc": 0.6})
    assert not any(key.startswith("best/") for key, _ in found(folder))
    (folder / "journal.jsonl").unlink()
    note(folder, 1, {"train/loss": 1.0}, offset=10)
    assert not any(key.startswith("best/") for key, _ in found(folder))


def test_before_a_trainer_has_started_nothing_is_known(folder: Path) -> None:
    """Nor in the folder of an older version."""
    assert found(folder, RunFacts(run_id="0" * 32)) == {}
    (folder / "train.log").unlink()
    assert found(folder) == {}
