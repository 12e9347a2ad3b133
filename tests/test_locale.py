"""A locale that is not UTF-8: Thai names work, and what the terminal cannot show is escaped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import client, environment, only_run, store, train_arguments

PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NAME = "ป้าย"
ESCAPED = NAME.encode("ascii", "backslashreplace")
COMMANDS = (
    ("train", "--model", NAME),
    ("prepare", "--task", "rec", "--data", NAME, "--out", f"{NAME}2"),
    ("validate", "--task", "rec", f"{NAME}.txt"),
    ("convert", "labelme", NAME, "out"),
    ("convert", "ppocrlabel", NAME, "out"),
    ("crop", NAME, "out"),
    ("split", NAME, "out", "--val", "0.2"),
    ("push", NAME, "s3://bucket/x"),
    ("parse-log", NAME),
    ("checkpoints", NAME),
    ("predict", NAME, "x.jpg"),
    ("sync", NAME),
)


def typed(
    arguments: tuple[str, ...], folder: Path, extra: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Our command in that locale; its output as bytes."""
    return subprocess.run(
        [sys.executable, "-m", "ocr_train", *arguments],
        cwd=folder,
        env=environment(extra),
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", COMMANDS, ids=lambda arguments: " ".join(arguments[:2]).replace(NAME, "NAME")
)
def test_a_thai_name_that_is_not_there_is_a_sentence(store_folder: Path, arguments: tuple[str, ...]) -> None:
    """Escaped as Python escapes it, and never a traceback, whichever command says it."""
    done = typed(arguments, store_folder, PLAIN_C)
    assert done.returncode not in (0, 1), done.stderr
    assert b"Traceback" not in done.stderr
    assert b"error: " in done.stderr
    assert ESCAPED in done.stderr, done.stderr


@pytest.mark.slow
def test_thai_folders_are_trained_on(store_folder: Path, data: Path) -> None:
    """Data and output with Thai names: the run is FINISHED and names them as they are."""
    folder = store_folder / "ข้อมูล"
    folder.symlink_to(data)
    arguments = train_arguments(folder, "--output", str(store_folder / "ผลลัพธ์"), "--epochs", "1")
    done = typed(tuple(arguments), store_folder, PLAIN_C)
    assert done.returncode == 0, done.stderr
    run = only_run(store(store_folder))
    assert run.info.status == "FINISHED"
    assert run.data.params["data"] == str(folder)
    assert str(folder) in run.data.tags["launch_command"]
    assert client(store(store_folder)).list_artifacts(run.info.run_id, "checkpoints")
    assert (store_folder / "ผลลัพธ์" / run.info.run_id / "run.json").is_file()
    assert "ผลลัพธ์".encode("ascii", "backslashreplace") in done.stdout
