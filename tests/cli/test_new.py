"""The command `new`: a folder of one's own, whose commands work as they stand."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.starter import folder as starter
from tests.cli_run import command
from tests.pages import code_blocks

KINDS = [("det", "en", "det"), ("det", "th", "det"), ("rec", "en", "rec"), ("rec", "th", "rec_th")]


@pytest.mark.parametrize(("task", "language", "base"), KINDS)
def test_its_experiment_is_the_base_under_its_own_name(
    task: str, language: str, base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It loads as it is, and with every line that is in a comment."""
    name = "ป้าย ทะเบียน"
    done = command(capsys, "new", tmp_path / name, "--task", task, "--language", language)
    assert done.code == 0, done.err
    path = tmp_path / name / "experiment.yaml"
    mine, theirs = (
        load_experiment(Launch(model=model, data="/d"), EXPERIMENTS) for model in (str(path), base)
    )
    assert (mine.name, mine.task, mine.trainer) == (name, task, theirs.trainer)
    demo = load_experiment(Launch(model=str(path)), EXPERIMENTS).demo
    assert demo is not None
    assert demo.language == language
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"^#(?! |$)", "", text, flags=re.M), encoding="utf-8")
    assert load_experiment(Launch(model=str(path), data="/d"), EXPERIMENTS).batch_size == 8


def test_its_data_folder_shows_labels_that_are_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """But for the image, which is not there; a recogniser has its dictionary beside them."""
    command(capsys, "new", tmp_path / "words", "--task", "rec", "--language", "th")
    page = (tmp_path / "words" / "data" / "README.md").read_text(encoding="utf-8")
    [example] = code_blocks(page, "tsv")
    (tmp_path / "words" / "data" / "train.txt").write_text(example, encoding="utf-8")
    dictionary = tmp_path / "words" / "data" / "dict.txt"
    done = command(
        capsys, "validate", "--task", "rec", tmp_path / "words" / "data" / "train.txt", "--dict", dictionary
    )
    assert (done.code, re.findall(r"error (\w+)", done.out)) == (3, ["image_missing"])


def test_its_notebook_has_the_folders_choices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Valid, with the folder's experiment, and no link to a page that is not there."""
    command(capsys, "new", tmp_path / "mine")
    read: Callable[..., Any] = nbformat.read
    opened = read(tmp_path / "mine" / "training.ipynb", as_version=4)
    nbformat.validate(opened)
    cells = {cell.id: cell.source for cell in opened.cells}
    assert 'MODEL="experiment.yaml"' in cells["choices"]
    assert 'FOLDER="."' in cells["choices"]
    assert "sys.path.insert" in cells["project"]
    assert "](docs/" not in "".join(cells.values())


@pytest.mark.parametrize("there", ["a file", "a folder with something in it"])
def test_what_is_there_is_left_as_it_is(
    there: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, and a message that says so."""
    target = tmp_path / "mine"
    if there == "a file":
        target.write_text("x", encoding="utf-8")
    else:
        target.mkdir()
        (target / "x").touch()
    before = sorted(tmp_path.rglob("*"))
    done = command(capsys, "new", target)
    assert done.code == 2
    assert "is there already" in done.err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As people make one first."""
    (tmp_path / "mine").mkdir()
    assert command(capsys, "new", tmp_path / "mine").code == 0


def test_its_commands_work_from_any_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the README are those that were printed. `validate` is run as it stands; `train` as far as its options."""
    done = command(capsys, "new", tmp_path / "my words", "--task", "rec")
    page = (tmp_path / "my words" / "README.md").read_text(encoding="utf-8")
    commands = [block.strip() for block in code_blocks(page, "sh")]
    assert [line.strip() for line in done.out.splitlines() if line.startswith("  ")] == commands
    make_demo(tmp_path / "drawn", DemoSpec(task="rec", train=3, val=2))
    for path in (tmp_path / "drawn").iterdir():
        target = tmp_path / "my words" / "data" / path.name
        if path.is_dir():
            target.rmdir()
        path.rename(target)
    [check] = [line for line in commands if " validate " in line]
    ran = subprocess.run(["sh", "-c", check], cwd="/", capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "5 labels, 0 errors" in ran.stdout
    for line in commands:
        words = shlex.split(line)
        assert words[:2] == ["cd", str(tmp_path / "my words")]
        assert " ".join(words[words.index("ocr_train") :]).startswith(
            ("ocr_train train", "ocr_train validate")
        )


def test_an_installed_package_needs_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no checkout, `python -m ocr_train` is found by itself."""
    monkeypatch.setattr(starter, "is_checkout", lambda: False)
    assert "PYTHONPATH" not in starter.start_in(Path("/x"))
    assert starter.start_in(Path("/x y")).startswith("cd '/x y' && ")
