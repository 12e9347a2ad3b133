"""Label files of table models: JSON lines, found as .jsonl, their images wherever PubTabNet keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocr_train.config.experiment import Launch
from ocr_train.data.formats.converted import LabelSource
from ocr_train.data.formats.table import PADDLEOCR
from ocr_train.data.layout import find_layout
from ocr_train.data.table_files import place_tables
from ocr_train.errors import DataError
from tests.data.one_step import prepared
from tests.data.other_tasks import images, table_model

HTML = {"cells": [], "structure": {"tokens": ["<tr>", "</tr>"]}}


def pubtabnet(folder: Path, *, images: str) -> Path:
    """Two label files as PubTabNet names them, and images in a subfolder for each set or in one."""
    for name, count in (("train", 3), ("val", 1)):
        place = folder / (name if images == "sets" else images)
        place.mkdir(parents=True, exist_ok=True)
        rows = []
        for number in range(count):
            (place / f"{name}{number}.png").write_bytes(b"png")
            rows.append(json.dumps({"filename": f"{name}{number}.png", "split": name, "html": HTML}))
        (folder / f"PubTabNet_2.0.0_{name}.jsonl").write_text("\n\n".join(rows) + "\n", encoding="utf-8")
    (folder / "manifest.jsonl").write_text('{"format": "ocr_train/manifest"}\n')
    return folder


@pytest.mark.parametrize("images", ["sets", "images", "."])
def test_json_lines_are_found_and_lead_to_their_images(tmp_path: Path, images: str) -> None:
    """A run has one folder of images: names get the subfolder where there is one."""
    folder = pubtabnet(tmp_path / "tables", images=images)
    layout = find_layout(folder, "table")
    assert [path.name for path in (*layout.train, *layout.val)] == [
        "PubTabNet_2.0.0_train.jsonl",
        "PubTabNet_2.0.0_val.jsonl",
    ]
    source = LabelSource(folder=folder, origin=folder, format=PADDLEOCR)
    layout, _ = place_tables(layout, source, tmp_path / "work", lambda _: None)
    for path, count in zip((*layout.train, *layout.val), (3, 1), strict=True):
        rows = [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
        assert len(rows) == count
        assert all((layout.images / row["filename"]).is_file() for row in rows)
        assert all(row["html"] == HTML for row in rows)


def test_json_lines_are_labels_of_tables_only(tmp_path: Path) -> None:
    """Of another task they are somebody else's."""
    with pytest.raises(DataError, match="has no label file"):
        find_layout(pubtabnet(tmp_path / "tables", images="sets"), "rec")


def test_lines_of_other_readers_stay_as_they_are(tmp_path: Path) -> None:
    """Of a model whose labels are not known here PaddleOCR says what is wrong with them."""
    content = b"a.png\tlabel\r\n\n{broken\n" + b"[" * 5 + b'\n{"filename": 3}\n'
    for name in ("train", "val"):
        (images(tmp_path / "s") / f"{name}.txt").write_bytes(content)
    model = table_model(tmp_path / "model")
    model.write_text(
        model.read_text(encoding="utf-8").replace("PubTabDataSet", "SimpleDataSet"), encoding="utf-8"
    )
    (tmp_path / "s" / "a.png").write_bytes((tmp_path / "s" / "0.png").read_bytes())
    made = prepared(Launch(model=str(model), data=str(tmp_path / "s"), gpus="cpu"), tmp_path)
    assert made.dataset.train.read_bytes() == b'a.png\tlabel\n{broken\n[[[[[\n{"filename": 3}\n'
    assert made.dataset.reports == ()
