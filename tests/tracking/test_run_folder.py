"""What a run's folder says about it, whose it is, and how much room there is for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ocr_train import disk
from ocr_train.errors import DataError, SetupError
from ocr_train.redaction.addresses import from_anywhere
from ocr_train.tracking.run_folder import RunFacts, RunLock, read_facts, run_folders, write_facts

FACTS = RunFacts(run_id="r", run_name="ป้าย", offline=True, started_ms=5, status="FINISHED")


def test_facts_come_back_as_they_were(tmp_path: Path) -> None:
    """Whole; a folder without them has none."""
    assert read_facts(tmp_path) is None
    write_facts(tmp_path, FACTS)
    assert read_facts(tmp_path) == FACTS


def test_facts_of_a_newer_version_are_read(tmp_path: Path) -> None:
    """What is not known is passed over."""
    (tmp_path / "run.json").write_text('{"run_id": "r", "mood": "good"}')
    assert read_facts(tmp_path) == RunFacts(run_id="r")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run_id": "r", "started_ms": "soon"}'])
def test_facts_that_say_nothing_are_an_error(tmp_path: Path, text: str) -> None:
    """The file is named."""
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DataError, match=r"run\.json does not say"):
        read_facts(tmp_path)


def test_a_run_belongs_to_one_process(tmp_path: Path) -> None:
    """Until it gives the lock back."""
    first, second = RunLock(tmp_path), RunLock(tmp_path)
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
    second.release()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """The system gives it back, whatever ended the process."""
    script = (
        "import os, sys, pathlib, signal\nfrom ocr_train.tracking.run_folder import RunLock\n"
        "lock = RunLock(pathlib.Path(sys.argv[1]))\nassert lock.take()\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -9
    lock = RunLock(tmp_path)
    assert lock.take()
    lock.release()


def test_run_folders_are_those_with_facts(tmp_path: Path) -> None:
    """Not the cache, and nothing where there is no folder."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "one").mkdir()
    write_facts(tmp_path / "one", FACTS)
    assert list(run_folders(tmp_path)) == [tmp_path / "one"]
    assert list(run_folders(tmp_path / "none")) == []


def test_an_address_in_a_file_holds_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a relative database is absolute."""
    monkeypatch.chdir(tmp_path)
    assert from_anywhere("http://me:open-sesame@host:5000") == "http://host:5000"
    assert from_anywhere("sqlite:///mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"
    assert from_anywhere(f"sqlite:///{tmp_path}/mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"


def test_a_disk_with_room_is_not_refused(tmp_path: Path) -> None:
    """Two checkpoints fit."""
    disk.require_room(tmp_path / "not" / "yet", 1000)


@pytest.mark.parametrize(
    ("size", "words"), [(10**18, "two checkpoints of 1000000.0 TB each"), (0, "size not known yet")]
)
def test_a_disk_without_room_is_refused_with_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, words: str
) -> None:
    """What there is, what is needed, and where to go."""
    monkeypatch.setattr("ocr_train.disk.free_bytes", lambda _folder: 12_300_000)
    with pytest.raises(SetupError, match=words) as caught:
        disk.require_room(tmp_path, size)
    assert "12.3 MB free" in caught.value.problem
    assert "--output" in caught.value.hint
