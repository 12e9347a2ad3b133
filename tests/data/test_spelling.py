"""Texts in one spelling, where it was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ocr_train.config.requests import LabelChoices
from ocr_train.data.checks.policy import write_clean
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.spelling import spelled

DECOMPOSED = "Vie\u0323\u0302t"
COMPOSED = "Vi\u1ec7t"


@pytest.mark.parametrize(
    ("normalize", "text", "right"),
    [
        ("none", "เเม่", "เเม่"),
        ("nfc", "เเม่", "เเม่"),
        ("thai", "เเม่", "แม่"),
        ("none", DECOMPOSED, DECOMPOSED),
        ("nfc", DECOMPOSED, COMPOSED),
        ("thai", DECOMPOSED, COMPOSED),
    ],
)
def test_a_text_is_spelled_as_asked(normalize: str, text: str, right: str) -> None:
    """Thai needs more than Unicode's own form."""
    assert spelled(text, normalize) == right


def test_the_copy_has_the_spelling_and_every_line_is_counted(tmp_path: Path) -> None:
    """The characters of the dictionary are checked after it; the user's file stays."""
    Image.new("L", (40, 20)).save(tmp_path / "0.png")
    Image.new("L", (41, 20)).save(tmp_path / "1.png")
    labels = tmp_path / "train.txt"
    labels.write_text("0.png\tเเม่\n1.png\tน้ำ\n", encoding="utf-8")
    choices = LabelChoices(normalize="thai")
    rules = Rules(task="rec", charset=frozenset("แม่น้ำ"), workers=1, choices=choices)
    report = validate([labels], tmp_path, rules)
    assert (dict(report.counts), report.errors) == ({"respelled": 1}, 0)
    write_clean(labels, tmp_path / "clean.txt", report.bad_lines, "rec", choices=choices)
    assert (tmp_path / "clean.txt").read_text(encoding="utf-8").splitlines() == ["0.png\tแม่", "1.png\tน้ำ"]
    assert "เเม่" in labels.read_text(encoding="utf-8")
