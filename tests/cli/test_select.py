"""The command `select`, as a user runs it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ocr_train.analysis.predictions import Reading
from ocr_train.cli.main import run
from tests.cli.reading_kit import ScriptedModel
from tests.labelling.builders import draw_page

CONFIDENCES = {"a": 0.9, "b": 0.3, "c": 0.5}


def read_text(image: Path) -> Reading:
    """A text of its own for each image."""
    return Reading(image=image, text=f"text {image.stem * 5}", score=CONFIDENCES[image.stem])


@pytest.fixture
def crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three crops, and a model that reads them."""
    for number, name in enumerate(CONFIDENCES):
        draw_page(tmp_path / "in" / name / f"{name}.png", (100 + 40 * number, 40), shade=60 * number)
    ScriptedModel("rec", read_text).install(monkeypatch, "select")
    return tmp_path / "in"


def test_the_least_sure_images_become_a_list(crops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One path a line, a table with why, and the same as JSON."""
    out, answer = crops.parent / "next.txt", crops.parent / "answer.json"
    words = ["select", str(crops), "--with", "RUN", "--count", "2", "--out", str(out), "--json", str(answer)]
    assert run(words) == 0
    assert out.read_text(encoding="utf-8").splitlines() == [
        str(crops / "b" / "b.png"),
        str(crops / "c" / "c.png"),
    ]
    said = capsys.readouterr().out
    assert "read as 'text bbbbb', confidence 0.30" in said
    assert "2 of 3 images chosen; left out: 0 exact copies" in said
    first = json.loads(answer.read_text(encoding="utf-8"))["selected"][0]
    assert (first["rank"], first["confidence"]) == (1, 0.3)


def test_a_folder_gets_copies_with_the_reasons(crops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the command that labels them; it is never written into again."""
    words = ["select", str(crops), "--with", "RUN", "--count", "2", "--out", str(crops.parent / "next")]
    assert run(words) == 0
    out = crops.parent / "next"
    assert {path.name for path in out.iterdir()} == {"b_b.png", "c_c.png", "selected.csv", "selected.txt"}
    with (out / "selected.csv").open(encoding="utf-8", newline="") as file:
        assert [row["image"] for row in csv.DictReader(file)] == ["b_b.png", "c_c.png"]
    assert f"next: python -m ocr_train label {out} --with RUN --out {out}-labels" in capsys.readouterr().out
    assert run(words) == 2
    assert "exists" in capsys.readouterr().err


def test_copies_and_broken_images_are_told(crops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An exact copy is never chosen beside its like, and fewer than were asked for is said."""
    (crops / "copy.png").write_bytes((crops / "b" / "b.png").read_bytes())
    (crops / "torn.png").write_bytes(b"torn")
    # The copy comes first, by its path: it is read in place of b.
    (crops / "copy.png").rename(crops / "b.png")
    assert run(["select", str(crops), "--with", "RUN", "--count", "9"]) == 3
    done = capsys.readouterr()
    assert "1 exact copy of it left out" in done.out
    assert "3 of 5 images chosen; left out: 1 exact copies, 0 nearly the same" in done.out
    assert "9 were asked for: there are no more that differ" in done.out
    assert f"{crops / 'torn.png'}: it is not an image" in done.err
