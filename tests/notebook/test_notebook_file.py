"""paddle_ocr_training.ipynb: what is in it, and that every cell of it works."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from ocr_train import notebook
from ocr_train.cli.main import make_parser
from ocr_train.notebook.choices import PREFIX, Choices
from tests.commands import REPO, store

FILE = REPO / "paddle_ocr_training.ipynb"
read: Callable[..., Any] = nbformat.read
validate: Callable[..., None] = nbformat.validate
NOTEBOOK = read(FILE, as_version=4)
CODE = {cell.id: cell.source for cell in NOTEBOOK.cells if cell.cell_type == "code"}
TEXT = {cell.id: cell.source for cell in NOTEBOOK.cells if cell.cell_type == "markdown"}
STATEMENTS = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
"""What a cell may be made of: no definitions, no conditions, no loops."""


def test_it_is_a_valid_notebook_of_the_usual_kernel() -> None:
    """Cells have ids, and any Jupyter opens it: `python3` is the kernel that each has."""
    validate(NOTEBOOK)
    assert len({cell.id for cell in NOTEBOOK.cells}) == len(NOTEBOOK.cells)
    assert NOTEBOOK.metadata.kernelspec.name == "python3"


def test_outputs_are_stripped() -> None:
    """No picture, no path and no time of somebody's machine: nbstripout has nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(FILE, folder))
        subprocess.run([sys.executable, "-m", "nbstripout", "--keep-id", str(copy)], check=True)
        assert copy.read_text(encoding="utf-8").strip() == FILE.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("name", CODE)
def test_a_code_cell_holds_no_logic(name: str) -> None:
    """A few assignments and calls of `ocr_train.notebook`, which exist."""
    tree = ast.parse(CODE[name])
    assert len(tree.body) <= 3
    for node in tree.body:
        assert isinstance(node, STATEMENTS), ast.unparse(node)
        assert not isinstance(node, ast.Import), ast.unparse(node)
        if isinstance(node, ast.ImportFrom):
            assert ast.unparse(node) == "from ocr_train import notebook"
    logic = (ast.Lambda, ast.IfExp, ast.ListComp, ast.DictComp, ast.GeneratorExp, ast.Await, ast.NamedExpr)
    assert not [node for node in ast.walk(tree) if isinstance(node, logic)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            assert function.startswith("notebook."), function
            assert function.removeprefix("notebook.") in dir(notebook)


@pytest.mark.parametrize("name", TEXT)
def test_a_text_cell_is_in_english_and_thai(name: str) -> None:
    """Both in more than a heading, except for a step whose name is the whole text."""
    words = re.sub(r"`[^`]*`|\(http[^)]*\)|\(docs/[^)]*\)", "", TEXT[name])
    assert len(re.findall(r"[A-Za-z]{2,}", words)) >= 8
    assert len(re.findall(r"[\u0e00-\u0e7f]", words)) >= 30


def test_every_text_has_its_code_and_the_steps_are_counted() -> None:
    """One page from top to bottom."""
    steps = [int(number) for text in TEXT.values() for number in re.findall(r"^## (\d+)\.", text, re.M)]
    assert steps == list(range(1, 16))


def test_every_command_in_the_texts_is_understood() -> None:
    """As in the guides."""
    inline = [code for text in TEXT.values() for code in re.findall(r"`([^`\n]+)`", text)]
    commands = [shlex.split(code)[3:] for code in inline if code.startswith("python -m ocr_train")]
    targets = [code.split()[1] for code in inline if code.startswith("make ")]
    assert len(commands) >= 4
    for words in commands:
        try:
            make_parser().parse_args(words)
        except SystemExit as exc:
            assert exc.code == 0, words
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    assert {"run", "ui", "kernel"} <= set(targets)
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets)


def test_every_call_in_the_texts_is_one_that_exists() -> None:
    """What a reader copies out of a sentence."""
    calls = {name for text in TEXT.values() for name in re.findall(r"notebook\.(\w+)\(", text)}
    assert {"last_run", "ask_for_credentials"} <= calls <= set(dir(notebook))


def test_every_link_leads_to_a_file() -> None:
    """Of the project."""
    for text in TEXT.values():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (REPO / target).is_file(), target


def test_every_choice_is_explained_and_may_come_from_the_environment() -> None:
    """In the notebook, in both guides, and in the cell that is edited."""
    names = {name.upper() for name in vars(Choices())}
    asked = {
        keyword.arg
        for node in ast.walk(ast.parse(CODE["choices"]))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
    }
    assert asked == names - {"FOLDER"}
    assert all(f"`{name}`" in TEXT["choices-text"] for name in asked)
    for page in ("docs/notebook.md", "docs/th/notebook.md"):
        assert set(re.findall(rf"`{PREFIX}(\w+)`", (REPO / page).read_text(encoding="utf-8"))) == names


def test_make_opens_it() -> None:
    """By its name, with what the lock of the notebook has."""
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    assert re.search(
        r"^notebook: \$\(VENV\)/\.ready-notebook.*\n\t.*jupyter lab paddle_ocr_training\.ipynb$",
        makefile,
        re.M,
    )
    assert "requirements-notebook.txt" in makefile


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_cell_works_on_a_small_set(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From top to bottom in a real kernel, with the real PaddleOCR, on 20 drawn words: curves, pictures and a model at
    the end. Nothing is left running."""
    executed = execute(
        tmp_path,
        monkeypatch,
        MODEL="rec_mv3_none_bilstm_ctc",
        DATA=str(data),
        EPOCHS="1",
        PARAMETERS="batch_size=8 export=false evaluation_images=0 sample_images=0 "
        "overrides='Train.loader.num_workers=0 Eval.loader.num_workers=0 Global.print_batch_step=1'",
    )
    shown = {cell.id: said(cell) for cell in executed.cells if cell.cell_type == "code"}
    assert "This kernel has all packages." in shown["environment"]
    assert shown["annotations"].count("<img") == 6
    assert "20 labels, 0 errors" in shown["check"]
    assert "5 images with" in shown["labelme"]
    assert "Global.seed" in shown["configuration"]
    for cell in ("train", "resume"):
        assert "FINISHED after" in shown[cell]
        assert "data:image/png;base64," in shown[cell]
        # One output, updated in place.
        assert len(outputs(executed, cell)) == 1
    assert "verified" in shown["checkpoints"]
    assert shown["compare"].count("<img") >= 1
    assert shown["predict"].count("<img") == 4
    assert list((tmp_path / "outputs" / "notebook" / "model").glob("*.pdiparams"))


def execute(folder: Path, monkeypatch: pytest.MonkeyPatch, **choices: str) -> Any:
    """The notebook with outputs; files of runs and of Jupyter go into `folder`."""
    from nbclient import NotebookClient

    for name, value in {**choices, "FOLDER": str(folder)}.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(folder))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    opened = read(FILE, as_version=4)
    NotebookClient(
        opened, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(REPO)}}
    ).execute()
    return opened


def outputs(executed: Any, name: str) -> list[Any]:
    """The outputs of a cell."""
    [cell] = [cell for cell in executed.cells if cell.id == name]
    return list(cell.outputs)


def said(cell: Any) -> str:
    """Everything that a cell shows."""
    return "\n".join(
        str(one.get("text", "")) + str(one.get("data", {}).get("text/html", "")) for one in cell.outputs
    )
