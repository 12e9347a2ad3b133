"""What was read before a training is kept whole, so that a run that goes on can compare."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from ocr_train.analysis.keep_report import (
    KeepReading,
    before_document,
    fallen,
    keep_sentence,
    names_in,
    read_before,
    reading_of,
    write_keep,
)
from ocr_train.analysis.predictions import Reading
from ocr_train.analysis.sampling import Sample, ValidationSet
from ocr_train.analysis.text_scores import TextRules
from tests.analysis.builders import box_at


def texts(*pairs: tuple[str, str], task: str = "rec") -> KeepReading:
    """A reading of these truths."""
    samples = tuple(
        Sample(name=f"{number}.jpg", path=Path(f"{number}.jpg"), text=truth)
        for number, (truth, _) in enumerate(pairs)
    )
    chosen = ValidationSet(task=task, samples=samples, total=len(samples), rules=TextRules())
    answers = [
        Reading(image=Path(), text=read) if task == "rec" else Reading(image=Path(), label=read)
        for _, read in pairs
    ]
    return reading_of(chosen, answers)


def pages(*found: int) -> KeepReading:
    """Two pages with a box each, of which so many are found."""
    samples = tuple(
        Sample(name=f"{number}.jpg", path=Path(f"{number}.jpg"), boxes=(box_at(10, 10),))
        for number in range(len(found))
    )
    chosen = ValidationSet(task="det", samples=samples, total=len(samples), rules=TextRules())
    return reading_of(
        chosen, [Reading(image=Path(), boxes=(box_at(10, 10).points,) * count) for count in found]
    )


def rows_of(path: Path) -> list[list[str]]:
    """The rows of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def kept(reading: KeepReading) -> KeepReading | None:
    """The same after it was written and read back."""
    document = json.loads(json.dumps(before_document(reading, digest="d")))
    assert names_in(document) == {sample.name for sample in reading.chosen.samples}
    return read_before(document, reading.chosen)


def test_texts_classes_and_boxes_come_back_as_they_were() -> None:
    """With the same scores."""
    for reading in (texts(("ab", "ab"), ("cd", "c")), texts(("0", "180"), task="cls"), pages(1, 0)):
        back = kept(reading)
        assert back is not None
        assert back.figures == reading.figures
        assert [one.score for one in back.scored] == [one.score for one in reading.scored]


def test_what_was_read_of_other_samples_is_not_compared() -> None:
    """Nor what is no document of ours."""
    document = before_document(texts(("ab", "ab")))
    assert read_before(document, texts(("ab", "ab"), ("c", "c")).chosen) is None
    for damaged in (
        {},
        {"task": "rec", "samples": 7},
        {"task": "rec", "samples": [{"name": "0.jpg", "read": 1}]},
    ):
        assert read_before(damaged, texts(("ab", "ab")).chosen) is None
        assert names_in({"samples": 7}) == frozenset()
    boxes = {"task": "det", "samples": [{"name": "0.jpg", "truth": ["x"], "predicted": []}]}
    assert read_before(boxes, pages(1).chosen) is None


def test_the_tables_have_both_readings(tmp_path: Path) -> None:
    """And the sentence what became of it."""
    before, after = texts(("ab", "ab"), ("a", "a")), texts(("ab", "xb"), ("a", "a"))
    files, characters = write_keep(tmp_path, after, before)
    assert [path.name for path in files] == ["keep_predictions.csv", "keep_characters.csv"]
    rows = rows_of(files[0])
    assert rows == [
        ["name", "truth", "before", "after"],
        ["0.jpg", "ab", "ab", "xb"],
        ["1.jpg", "a", "a", "a"],
    ]
    assert rows_of(files[1]) == [
        [*("character", "code", "name", "times", "right_before", "right_after", "won", "lost")],
        ["a", "U+0061", "LATIN SMALL LETTER A", "2", "2", "1", "0", "1"],
        ["b", "U+0062", "LATIN SMALL LETTER B", "1", "1", "1", "0", "0"],
    ]
    assert keep_sentence("acc", after, before, characters) == (
        "acc 1.000 before training, 0.500 after it, on 2 samples: 1 character is read less often, most lost: a"
    )
    assert fallen("acc", after, before) == 0.5


def test_pages_have_counts_of_boxes_and_no_table_of_characters(tmp_path: Path) -> None:
    """Without a reading before, its column is empty."""
    files, characters = write_keep(tmp_path, pages(1, 0), None)
    assert ([path.name for path in files], characters) == (["keep_predictions.csv"], "")
    assert rows_of(files[0])[1:] == [
        ["0.jpg", "1 box", "", "1 found, 0 false"],
        ["1.jpg", "1 box", "", "0 found, 0 false"],
    ]
    assert fallen("hmean", pages(0), None) == 0.0


def test_a_part_of_a_reading_has_the_figures_of_that_part() -> None:
    """A drawn set has several languages."""
    part = texts(("ab", "ab"), ("a", "b")).only(frozenset({"1.jpg"}))
    assert (part.figures["acc"], part.chosen.total, len(part.scored)) == (0.0, 1, 1)
