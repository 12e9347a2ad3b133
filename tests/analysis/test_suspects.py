"""Labels that look wrong."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ocr_train.analysis.predictions import Reading, Scored, score_all
from ocr_train.analysis.sampling import Sample, ValidationSet
from ocr_train.analysis.suspects import find_suspects, suspects_sentence, write_suspects
from ocr_train.analysis.text_scores import TextRules
from tests.analysis.builders import answer, box_at


def scored_texts(*samples: tuple[str, Reading], task: str = "rec") -> list[Scored]:
    """Labels with what was read, named 0, 1, ..."""
    chosen = ValidationSet(
        task=task,
        samples=tuple(
            Sample(name=str(number), path=Path(str(number)), text=label)
            for number, (label, _) in enumerate(samples)
        ),
        total=len(samples),
        rules=TextRules(),
    )
    return score_all(chosen, [reading for _, reading in samples])


def scored_pages(*pages: tuple[Sequence[Any], Reading]) -> list[Scored]:
    """Labelled boxes with the boxes that were found."""
    chosen = ValidationSet(
        task="det",
        samples=tuple(
            Sample(name=str(number), path=Path(str(number)), boxes=tuple(boxes))
            for number, (boxes, _) in enumerate(pages)
        ),
        total=len(pages),
        rules=TextRules(),
    )
    return score_all(chosen, [reading for _, reading in pages])


def read(text: str, text_logp: float | None = None, label_logp: float | None = None, **more: Any) -> Reading:
    """A text with the logarithms of its and of the label's probability."""
    return answer(text=text, text_logp=text_logp, label_logp=label_logp, **more)


def names(scored: Sequence[Scored]) -> list[str]:
    """The images of the suspects, in order."""
    return [one.name for one in find_suspects(scored)]


class TestTexts:
    """Recognition."""

    def test_a_label_that_the_model_finds_impossible_is_listed(self) -> None:
        """It is sure of its own text; what it doubts itself is not held against the label."""
        scored = scored_texts(
            ("A1", read("A1", -0.01, -0.01)),
            ("B2", read("87", -0.01, -30.0)),
            ("C3", read("CB", -0.9, -1.5)),
        )
        (found,) = find_suspects(scored)
        assert (found.name, found.label, found.read) == ("1", "B2", "87")
        assert "B → 8, 2 → 7" in found.why

    def test_the_most_suspect_comes_first(self) -> None:
        """By what the model thinks of the label."""
        scored = scored_texts(("A", read("X", -0.01, -9.0)), ("B", read("Y", -0.01, -20.0)))
        assert names(scored) == ["1", "0"]

    def test_another_spelling_of_what_is_read_is_no_suspect(self) -> None:
        """The check of the labels names it (`lookalike`): the text is right."""
        assert names(scored_texts(("น\u0e4dา", read("นำ", -0.01, -30.0)))) == []

    def test_what_the_model_mixes_up_often_is_its_own_fault(self) -> None:
        """0 for O on seven images is a habit; the same gap is a suspect where it is the only one."""
        habit = [(f"{number}O", read(f"{number}0", -0.01, -6.0)) for number in range(7)]
        scored = scored_texts(*habit, ("7A", read("7B", -0.01, -6.0)))
        assert names(scored) == ["7"]

    def test_swapped_labels_name_each_other(self) -> None:
        """The label is what the model reads in another image, whose label differs from that, too."""
        scored = scored_texts(("กข", read("คง", -0.01, -30.0)), ("คง", read("กข", -0.01, -30.0)))
        assert [one.why.rsplit("; ", 1)[1] for one in find_suspects(scored)] == [
            "the label is what it reads in 1",
            "the label is what it reads in 0",
        ]

    def test_another_head_than_ctc_is_judged_by_its_score(self) -> None:
        """Only where that is very high."""
        scored = scored_texts(("A", read("B", score=0.99)), ("C", read("D", score=0.8)))
        assert names(scored) == ["0"]

    def test_a_label_with_a_character_outside_the_dictionary_is_judged_by_the_score(self) -> None:
        """It has no probability."""
        assert names(scored_texts(("€", read("C", -0.01, None, score=0.99)))) == ["0"]

    @pytest.mark.parametrize("reading", [answer(error="damaged"), answer(text="")])
    def test_an_image_in_which_nothing_was_read_says_nothing_of_its_label(self, reading: Reading) -> None:
        """An unreadable file is listed elsewhere."""
        assert names(scored_texts(("A", reading))) == []

    def test_a_class_counts_as_one_character(self) -> None:
        """0 and 180 differ in two characters and are still one decision."""
        assert names(scored_texts(("0", answer(label="180", score=0.94)), task="cls")) == []
        assert names(scored_texts(("0", answer(label="180", score=0.99)), task="cls")) == ["0"]


class TestBoxes:
    """Detection."""

    GOOD = ([box_at(0, 0)], answer(boxes=(box_at(0, 0).points,), scores=(0.9,)))

    def test_a_sure_box_without_a_label_is_listed(self) -> None:
        """Where boxes that are as sure are right on the other pages."""
        extra = answer(boxes=(box_at(0, 0).points, box_at(50, 0).points), scores=(0.9, 0.88))
        (found,) = find_suspects(scored_pages(*[self.GOOD] * 5, ([box_at(0, 0)], extra)))
        assert (found.name, found.label, found.read) == ("5", "", "50,0 60,0 60,10 50,10")

    def test_a_box_that_touches_a_label_is_a_quarrel_about_its_outline(self) -> None:
        """Not a label that is missing, nor one that is wrong."""
        off = answer(boxes=(box_at(6, 0).points,), scores=(0.95,))
        assert names(scored_pages(*[self.GOOD] * 5, ([box_at(0, 0)], off))) == []

    def test_a_label_at_which_nothing_is_found_is_listed(self) -> None:
        """Where everything else is found."""
        page = ([box_at(0, 0), box_at(80, 0, "ก")], self.GOOD[1])
        (found,) = find_suspects(scored_pages(*[self.GOOD] * 8, page))
        assert found.label == "80,0 90,0 90,10 80,10 (ก)"

    def test_a_model_that_misses_much_says_nothing_of_the_labels(self) -> None:
        """What it does not see may well be there."""
        blind = ([box_at(0, 0), box_at(80, 0)], self.GOOD[1])
        assert names(scored_pages(*[blind] * 5)) == []


def test_the_table_says_where_the_labels_are(tmp_path: Path) -> None:
    """File and line, when they are known."""
    suspects = find_suspects(scored_texts(("A", read("X", -0.01, -9.0))))
    path = write_suspects(tmp_path / "suspects.csv", suspects, {"0": "val.txt:12"})
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["rank"], row["line"], row["label"], row["read"]) == ("1", "val.txt:12", "A", "X")


def test_the_sentence_counts_them() -> None:
    """Nothing is said where nothing looks wrong."""
    suspects = find_suspects(scored_texts(("A", read("X", -0.01, -9.0))))
    assert suspects_sentence(suspects, "evaluation/suspects.csv") == (
        "1 label may be wrong: evaluation/suspects.csv."
    )
    assert suspects_sentence(suspects * 2, "x.csv") == "2 labels may be wrong: x.csv."
    assert suspects_sentence([], "x.csv") == ""
