"""Makes that folder: all of it, or nothing where something is in the way."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.atomic_files import write_text
from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.config.experiment_file import is_name
from ocr_train.errors import ConfigError
from ocr_train.ocr_engine.documents import read_json

BASES = {("det", "en"): "det", ("det", "th"): "det", ("rec", "en"): "rec", ("rec", "th"): "rec_th"}
"""The experiment for a task and a language."""
LANGUAGES = ("en", "th")
_PACKAGE = Path(__file__).resolve().parents[1]
_TEMPLATES = Path(__file__).parent
NOTEBOOK = "paddle_ocr_training.ipynb"
OWN_NOTEBOOK = "training.ipynb"
_IGNORED = "outputs/\nmlruns/\nmlflow.db\n.ipynb_checkpoints/\n__pycache__/\n"
_DET_LINES = {
    "en": 'train/page_1.jpg\t[{"transcription": "Total", "points": [[12, 10], [96, 10], [96, 34], [12, 34]]}]',
    "th": 'train/page_1.jpg\t[{"transcription": "ใบเสร็จ", "points": [[20, 18], [140, 22], [139, 52], [19, 48]]}]',
}
_REC_LINES = {"en": "train/word_1.jpg\tTotal", "th": "train/word_1.jpg\tใบเสร็จ"}
_DET_FORMAT = """The label is a JSON list of boxes: `points` are the four corners in pixels, clockwise from the text's top left; `###` as the text means: ignore this box.
A folder of LabelMe's or PPOCRLabel's can be used as it is: name it in `--data`.

label เป็น JSON list ของกรอบ: `points` คือมุมทั้งสี่เป็น pixel เรียงตามเข็มนาฬิกาจากมุมซ้ายบนของข้อความ ถ้าข้อความเป็น `###` กรอบนั้นจะถูกข้าม
โฟลเดอร์ของ LabelMe หรือ PPOCRLabel ใช้ได้เลย ใส่ใน `--data`"""
_REC_FORMAT = """The label is the text, as it is in the picture: one line of text a picture. `dict.txt` has the characters that the model can read, one a line;
`python -m ocr_train dict` makes one of your labels.

label คือข้อความในรูป รูปละหนึ่งบรรทัด `dict.txt` คืออักขระที่โมเดลอ่านได้ บรรทัดละหนึ่งตัว ใช้ `python -m ocr_train dict` สร้างจาก label ของคุณได้"""


@dataclass(frozen=True, kw_only=True)
class NewFolder:
    """What was made: the `folder`, its `files`, and the commands that come next, which work from any folder."""

    folder: Path
    files: tuple[str, ...]
    try_it: str
    check: str
    train: str


def make_new_folder(folder: Path, *, task: str, language: str) -> NewFolder:
    """Make the folder; raises `ConfigError` where there is one with something in it, or a file, `OSError`."""
    folder = folder.expanduser().absolute()
    if not is_name(folder.name):
        raise ConfigError(f"{folder.name!r} cannot be the name of an experiment.", hint="Give another name.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder} is there already, and is not an empty folder. Nothing was changed.",
            hint="Give another name, or remove it.",
        )
    base, notebook = BASES[task, language], own_notebook()
    start = start_in(folder)
    made = NewFolder(
        folder=folder,
        files=("experiment.yaml", "data/", OWN_NOTEBOOK, "README.md", ".gitignore"),
        try_it=f"{start} train --model experiment.yaml",
        check=f"{start} validate --task {task} data/train.txt data/val.txt{_dictionary_options(task)}",
        train=f"{start} train --model experiment.yaml --data data",
    )
    values = {
        "NAME": json.dumps(folder.name, ensure_ascii=False),
        "TITLE": folder.name,
        "BASE": base,
        "TASK": task,
        "DICTIONARY": _dictionary_lines(language) if task == "rec" else "",
        "DEMO": _demo_lines(language) if task == "det" and language != "en" else "",
        "TRY": made.try_it,
        "CHECK": made.check,
        "TRAIN": made.train,
        "EXAMPLE": (_DET_LINES if task == "det" else _REC_LINES)[language],
        "FORMAT": _DET_FORMAT if task == "det" else _REC_FORMAT,
    }
    for part in ("train", "val"):
        (folder / "data" / part).mkdir(parents=True, exist_ok=True)
    for name, template in (
        ("experiment.yaml", "experiment.yaml"),
        ("README.md", "README.md"),
        ("data/README.md", "data.md"),
    ):
        write_text(folder / name, filled(template, values))
    write_text(folder / ".gitignore", _IGNORED)
    if task == "rec":
        _copy_dictionary(base, folder / "data" / "dict.txt")
    write_text(folder / OWN_NOTEBOOK, json.dumps(notebook, ensure_ascii=False, indent=1) + "\n")
    return made


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its marks replaced; a mark that has no value is an error."""
    text = (_TEMPLATES / f"{template}.template").read_text(encoding="utf-8")
    return re.sub(r"@([A-Z]+)@", lambda found: values[found[1]], text).rstrip("\n") + "\n"


def start_in(folder: Path) -> str:
    """How a command begins that works from any folder, and keeps its runs in `folder`."""
    words = f"cd {shlex.quote(str(folder))} && "
    if is_checkout():
        words += f"PYTHONPATH={shlex.quote(str(_PACKAGE.parent))} "
    return f"{words}{shlex.quote(sys.executable)} -m ocr_train"


def is_checkout() -> bool:
    """Whether we run from the project's folder, and are not installed."""
    return (_PACKAGE.parent / "MLproject").is_file()


def project_notebook() -> Path:
    """The notebook that comes with the project: at its top, or, installed from a wheel, inside the package."""
    top = _PACKAGE.parent / NOTEBOOK
    return top if is_checkout() else _PACKAGE / NOTEBOOK


def own_notebook() -> dict[str, Any]:
    """That notebook for a folder of one's own: its choices are this folder's, and its links lead to no file."""
    notebook: dict[str, Any] = read_json(project_notebook())
    cells = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["id"] == "choices":
            source = _own_choices(source)
            if is_checkout():
                cells.append(_project_cell())
        if cell["cell_type"] == "markdown":
            source = re.sub(r"\[([^\]]+)\]\((docs/[^)]+)\)", _without_link, source)
        cells.append({**cell, "source": source.splitlines(keepends=True)})
    return {**notebook, "cells": cells}


def _own_choices(source: str) -> str:
    source = re.sub(r'MODEL="[^"]*"', 'MODEL="experiment.yaml"', source)
    source = source.replace('DATA="",', 'DATA="",  # "data", once your images and labels are there')
    return source.replace("    PARAMETERS={},\n", '    PARAMETERS={},\n    FOLDER=".",\n')


def _project_cell() -> dict[str, Any]:
    """Where the project is: it is not installed as a package."""
    source = f"import sys\n\nsys.path.insert(0, {str(_PACKAGE.parent)!r})"
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": "project",
        "metadata": {},
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }


def _without_link(link: re.Match[str]) -> str:
    return link[2] if link[1] == link[2] else f"{link[1]} ({link[2]})"


def _dictionary_options(task: str) -> str:
    return " --dict data/dict.txt --use-space-char" if task == "rec" else ""


def _dictionary_lines(language: str) -> str:
    thai = "ตัวอักษรไทย เลขไทย และ ASCII" if language == "th" else "ASCII"
    return (
        "\n# The characters that the model can read: data/dict.txt, while it is there. / อักขระที่โมเดลอ่านได้ อยู่ใน data/dict.txt "
        f"({thai})\n"
    )


def _demo_lines(language: str) -> str:
    return f"\n# The demo set, which is drawn where no data are named. / demo set ใช้เมื่อไม่ได้ระบุข้อมูล\ndemo:\n  language: {language}\n"


def _copy_dictionary(base: str, target: Path) -> None:
    dictionary = load_experiment(Launch(model=base), EXPERIMENTS).dictionary
    shutil.copyfile(dictionary, target)
