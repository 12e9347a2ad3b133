"""The processes of Paddle's launcher: which failed first, and where their logs are."""

from __future__ import annotations

from pathlib import Path

from ocr_train.trainer.ranks import first_failed, fresh_folder, rank_logs

# As Paddle 3.0.0's launcher prints it.
LINES = (
    "LAUNCH INFO 2026-11-26 20:08:11,475 Pod failed",
    "LAUNCH ERROR 2026-11-26 20:08:11,475 Container failed !!!",
    "Container rank 1 status failed cmd ['python', '-u', 'tools/train.py'] code -9 log workers/workerlog.1",
)


def test_the_process_that_failed_first_is_named() -> None:
    """With the signal that ended it."""
    assert str(first_failed(LINES)) == "process 1 failed first (signal SIGKILL)"
    assert str(first_failed([LINES[2].replace("-9", "1")])) == "process 1 failed first (exit code 1)"


def test_one_process_has_no_first_one() -> None:
    """Nothing to name."""
    assert first_failed(["Traceback (most recent call last):"]) is None


def test_each_launch_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """The launcher appends to the logs that it finds."""
    first = fresh_folder(tmp_path)
    first.mkdir()
    (first / "workerlog.0").write_text("old")
    second = fresh_folder(tmp_path)
    (second / "node_1").mkdir(parents=True)
    for name in ("workerlog.0", "default.abc.log", "node_1/workerlog.0"):
        (second / name).write_text("new")
    assert rank_logs(tmp_path) == [second / "node_1" / "workerlog.0", second / "workerlog.0"]


def test_one_process_leaves_no_logs_of_ranks(tmp_path: Path) -> None:
    """It has the run's own."""
    assert rank_logs(tmp_path) == []
