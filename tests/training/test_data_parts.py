"""What a run says of data that several sources have."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ocr_train.config.requests import DataSource
from ocr_train.data.mixing import DatasetPart
from ocr_train.training.data_parts import PARTS, spell_parts, write_parts


def dataset(*parts: DatasetPart) -> Any:
    """As much of a data set as is asked for."""
    return SimpleNamespace(sources=parts, manifest=SimpleNamespace(digest="d" * 32))


def part(name: str, address: str, ratio: float = 1.0) -> DatasetPart:
    """A part of 100 samples."""
    return DatasetPart(
        name=name,
        source=DataSource(address=address, ratio=ratio),
        origin=address,
        images=Path("/images"),
        link="source_1",
        samples=100,
        drawn=round(100 * ratio),
        digest="e" * 32,
    )


def test_parts_are_written_without_what_is_secret_in_an_address(tmp_path: Path) -> None:
    """Names and ratios stay; a signature does not."""
    data = dataset(part("own", "/data/own"), part("general", "s3://b/p?token=hunter2secret", 0.25))
    (path,) = write_parts(data, tmp_path / PARTS)
    text = path.read_text(encoding="utf-8")
    assert "hunter2" not in text
    parts = json.loads(text)["parts"]
    assert [(one["name"], one["ratio"], one["drawn_per_epoch"]) for one in parts] == [
        ("own", 1.0, 100),
        ("general", 0.25, 25),
    ]
    assert spell_parts(data) == "own: 100 of 100, general: 25 of 100"


def test_data_of_one_source_have_no_parts(tmp_path: Path) -> None:
    """Nothing is written."""
    assert write_parts(dataset(), tmp_path / PARTS) == ()
    assert list(tmp_path.iterdir()) == []
