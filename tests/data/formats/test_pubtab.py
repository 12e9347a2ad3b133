"""Label files of table models: JSON lines, found as .jsonl, their images wherever PubTabNet keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocr_train.data.formats.pubtab import read_lines
from ocr_train.data.layout import find_layout
from ocr_train.errors import DataError

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
    for path, count in zip((*layout.train, *layout.val), (3, 1), strict=True):
        rows = [json.loads(line) for line in read_lines(path, layout.images)]
        assert len(rows) == count
        assert all((layout.images / row["filename"]).is_file() for row in rows)
        assert all(row["html"] == HTML for row in rows)


def test_json_lines_are_labels_of_tables_only(tmp_path: Path) -> None:
    """Of another task they are somebody else's."""
    with pytest.raises(DataError, match="has no label file"):
        find_layout(pubtabnet(tmp_path / "tables", images="sets"), "rec")


def test_other_lines_stay_as_they_are(tmp_path: Path) -> None:
    """A label file of another kind, and lines that are no JSON: PaddleOCR says what is wrong with those."""
    path = tmp_path / "train.txt"
    path.write_bytes(b"a.png\tlabel\n\n{broken\n" + b"[" * 5 + b'\n{"filename": 3}\n')
    assert read_lines(path, tmp_path) == [b"a.png\tlabel\n", b"{broken\n", b"[[[[[\n", b'{"filename": 3}\n']
