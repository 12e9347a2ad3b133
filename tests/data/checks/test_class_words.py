"""Recognition labels that are names of classes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ocr_train.config.requests import LabelChoices
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.checks.validation_report import ValidationReport


def check(folder: Path, texts: list[str], *, placeholders: str = "drop") -> ValidationReport:
    """What a check finds in these labels, each of an image of its own."""
    lines = []
    for number, text in enumerate(texts):
        Image.new("RGB", (20 + number, 10)).save(folder / f"{number}.png")
        lines.append(f"{number}.png\t{text}\n")
    (folder / "train.txt").write_text("".join(lines))
    rules = Rules(task="rec", workers=1, choices=LabelChoices(placeholders=placeholders))
    return validate([folder / "train.txt"], folder, rules)


def left_out(report: ValidationReport, folder: Path) -> list[int]:
    """The lines that are neither trained nor validated on."""
    return [line for line in range(1, 100) if (str(folder / "train.txt"), line) in report.left_out]


def test_the_word_text_on_many_lines_is_left_out_of_each(tmp_path: Path) -> None:
    """A recogniser would learn it; the message says on how many lines it stands."""
    report = check(tmp_path, ["text"] * 3 + ["abc", "def"])
    assert [problem.line for problem in report.problems] == left_out(report, tmp_path) == [1, 2, 3]
    assert (report.counts, report.errors) == ({"placeholder_text": 3}, 0)
    assert "3 of 5 labels are this word" in report.problems[0].hint


def test_words_that_signs_show_are_noted_where_nearly_all_lines_have_them(tmp_path: Path) -> None:
    """A form has `Number` on many of its lines, and then they are texts."""
    assert dict(check(tmp_path, ["number"] * 3 + ["12", "34"]).counts) == {}
    report = check(tmp_path, ["number"] * 5 + ["plate"] * 4)
    assert (dict(report.counts), left_out(report, tmp_path)) == ({"class_word": 9}, [])


@pytest.mark.parametrize("texts", [["text"], ["text", "text", "a"], ["text"] * 3 + ["abc"] * 60])
def test_an_image_may_show_such_a_word(tmp_path: Path, texts: list[str]) -> None:
    """One, two, or a few among many."""
    assert not check(tmp_path, texts).counts


@pytest.mark.parametrize("text", ["###", "待识别", "TEMPORARY", "无识别结果"])
def test_what_a_tool_writes_in_place_of_a_text_is_left_out(tmp_path: Path, text: str) -> None:
    """It is counted and said in a sentence; an error, or a text like any other, where that is asked for."""
    dropped, stopped, kept = (
        check(tmp_path, [text, "a"], placeholders=how) for how in ("drop", "stop", "keep")
    )
    assert [one.errors for one in (dropped, stopped, kept)] == [0, 1, 0]
    assert [left_out(one, tmp_path) for one in (dropped, stopped, kept)] == [[1], [1], []]
    assert "1 line is left out: what a tool writes" in dropped.summary()
    assert all(one.counts == {"placeholder_text": 1} for one in (dropped, stopped, kept))
