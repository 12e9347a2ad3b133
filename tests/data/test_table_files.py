"""A table model's label files: images below one folder, sets that the lines name, and the user's own lines in messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocr_train.data.formats.converted import LabelSource
from ocr_train.data.formats.table import PADDLEOCR
from ocr_train.data.labels import LabelLine, TableLine, format_sample, read_labels
from ocr_train.data.layout import Layout, find_layout
from ocr_train.data.samples import read_samples
from ocr_train.data.splits.split import split, split_file
from ocr_train.data.table_files import place_tables
from tests.data.other_tasks import images, kie_folder, table_folder, table_row


def placed(folder: Path, work: Path) -> tuple[Layout, LabelSource, list[str]]:
    """The layout of the folder's tables as a training takes it, and what was said."""
    said: list[str] = []
    source = LabelSource(folder=folder, origin=folder, format=PADDLEOCR)
    return *place_tables(find_layout(folder, "table"), source, work, said.append), said


def test_files_that_fit_stay_where_they_are(tmp_path: Path) -> None:
    """Nothing is written."""
    folder = table_folder(tmp_path / "s")
    layout, source, said = placed(folder, tmp_path / "work")
    assert layout.train == (folder / "gt.txt",)
    assert (source.origins, said, (tmp_path / "work").exists()) == ({}, [], False)


def test_names_get_the_folder_of_their_set(tmp_path: Path) -> None:
    """Each line keeps its number, blank and broken ones, too, and its place in the user's file is known."""
    folder = tmp_path / "s"
    for name in ("train", "val"):
        images(folder / name)
        (folder / f"{name}.jsonl").write_text(f"\n{table_row()}\n{{broken\n", encoding="utf-8")
    layout, source, _ = placed(folder, tmp_path / "work")
    for path, name in ((layout.train[0], "train"), (layout.val[0], "val")):
        assert [line.line for line in read_labels(path)] == [2, 3]
        (line,) = read_samples(path)[0]
        assert (line.image, (layout.images / line.image).is_file()) == (f"{name}/0.png", True)
        assert source.origins[str(path), 2] == f"{folder / name}.jsonl:2"


def test_one_file_that_names_the_sets_is_divided(tmp_path: Path) -> None:
    """As PubTabNet's original file does; its test set has no labels and is left out."""
    folder = tmp_path / "s"
    rows = []
    for number, name in enumerate(("val", "train", "test", "train")):
        images(folder / name, number + 1)
        rows.append(table_row(f"{number}.png", split=name))
    (folder / "PubTabNet_2.0.0.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    layout, source, said = placed(folder, tmp_path / "work")
    lines = {
        name: read_samples(path)[0] for name, path in (("train", layout.train[0]), ("val", layout.val[0]))
    }
    assert [line.image for line in lines["train"]] == ["train/1.png", "train/3.png"]
    assert [line.image for line in lines["val"]] == ["val/0.png"]
    assert [line.line for line in lines["train"]] == [2, 4]
    assert source.origins[str(layout.train[0]), 4] == f"{folder / 'PubTabNet_2.0.0.jsonl'}:4"
    assert "their split" in said[0]


@pytest.mark.parametrize(("task", "name"), [("table", "gt.txt"), ("kie", "Label.txt")])
def test_of_ppocrlabels_files_those_of_the_task_are_taken(tmp_path: Path, task: str, name: str) -> None:
    """It leaves labels of texts, of crops and of tables in one folder."""
    folder = table_folder(kie_folder(tmp_path / "s"))
    (folder / "rec_gt.txt").write_text("0.png\ttext\n", encoding="utf-8")
    (folder / "fileState.txt").write_text("/a/0.png\t1\n", encoding="utf-8")
    assert find_layout(folder, task).train == (folder / name,)


def test_a_row_of_a_table_is_a_sample(tmp_path: Path) -> None:
    """Its image is its `filename`; it is written as it was, and with another name where the image has moved."""
    path = tmp_path / "train.txt"
    odd = '{"filename": "a.png", "html": {"x": "\\ud800 น้ำ"}}'
    path.write_text(f'{odd}\n{{"filename": 3, "html": 1}}\n{{a}}\ttext\n', encoding="utf-8")
    first, second, third = read_labels(path)
    assert isinstance(first, TableLine)
    assert (first.image, format_sample(first)) == ("a.png", f"{odd}\n")
    moved = format_sample(TableLine(file=path, line=1, image="b/a.png", label=odd))
    assert json.loads(moved) == {**json.loads(odd), "filename": "b/a.png"}
    assert moved.isascii()
    assert not isinstance(second, LabelLine)
    assert not isinstance(third, TableLine)


def test_tables_are_split_by_groups_and_not_by_characters(tmp_path: Path) -> None:
    """Characters of the JSON move nothing; `split` writes rows whose images are found from where they are."""
    folder = table_folder(tmp_path / "s", 20)
    lines = read_samples(folder / "gt.txt")[0]
    done = split(lines, val=0.3)
    assert len(done.train) + len(done.val) == 20
    assert not any("moved" in note for note in done.notes)
    split_file(folder / "gt.txt", tmp_path / "out", val=0.3)
    rows = [line for name in ("train", "val") for line in read_samples(tmp_path / "out" / f"{name}.txt")[0]]
    assert len(rows) == 20
    assert all((tmp_path / "out" / line.image).is_file() for line in rows)
