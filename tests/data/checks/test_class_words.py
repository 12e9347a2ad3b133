"""Recognition labels that are names of classes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ocr_train.config.requests import LabelChoices
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.checks.validation_report import ValidationReport


def check(folder: Path, texts: list[str], *, placeholders: str = "stop") -> ValidationReport:
    """What a check finds in these labels, each of an image of its own."""
    lines = []
    for number, text in enumerate(texts):
        Image.new("RGB", (20 + number, 10)).save(folder / f"{number}.png")
        lines.append(f"{number}.png\t{text}\n")
    (folder / "train.txt").write_text("".join(lines))
    rules = Rules(task="rec", workers=1, choices=LabelChoices(placeholders=placeholders))
    return validate([folder / "train.txt"], folder, rules)


def test_a_word_of_classes_on_many_lines_is_an_error_of_each(tmp_path: Path) -> None:
    """A recogniser would learn the word `text`; the message says on how many lines it stands."""
    report = check(tmp_path, ["text"] * 3 + ["abc", "def"])
    assert [problem.line for problem in report.problems] == [1, 2, 3]
    assert (report.counts, report.errors) == ({"placeholder_text": 3}, 3)
    assert "3 of 5 labels are this word" in report.problems[0].hint


def test_words_that_signs_show_are_texts_unless_nearly_all_lines_have_them(tmp_path: Path) -> None:
    """A form has `Number` on many of its lines."""
    assert check(tmp_path, ["number"] * 3 + ["12", "34"]).errors == 0
    assert check(tmp_path, ["number"] * 5 + ["plate"] * 4).errors == 9


@pytest.mark.parametrize("texts", [["text"], ["text", "text", "a"], ["text"] * 3 + ["abc"] * 60])
def test_an_image_may_show_such_a_word(tmp_path: Path, texts: list[str]) -> None:
    """One, two, or a few among many."""
    assert check(tmp_path, texts).errors == 0


@pytest.mark.parametrize("text", ["###", "待识别", "TEMPORARY", "无识别结果"])
def test_what_a_tool_writes_in_place_of_a_text_is_an_error(tmp_path: Path, text: str) -> None:
    """With placeholders=keep it is counted and trained on."""
    assert check(tmp_path, [text, "a"]).errors == 1
    kept = check(tmp_path, [text, "a"], placeholders="keep")
    assert (kept.errors, dict(kept.counts)) == (0, {"placeholder_text": 1})
    assert "  note  placeholder_text: 1" in kept.summary()
