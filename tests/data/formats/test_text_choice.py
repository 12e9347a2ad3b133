"""Where the texts of LabelMe's shapes are: decided over a folder, said with numbers, and never the word "text" everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ocr_train.data.formats.converted import as_paddleocr
from ocr_train.data.formats.text_choice import are_classes, choose_text_field, text_fields
from ocr_train.errors import DataError
from tests.data.formats.folders import BOX, converted, put
from tests.data.formats.test_cvat import cvat
from tests.data.formats.test_via import POLYGON, images, region

WORDS = [f"word {number}" for number in range(12)]


def shapes(labels: list[str], **fields: list[Any]) -> list[dict[str, Any]]:
    """A shape for each label, with what else it has."""
    rows = []
    for number, label in enumerate(labels):
        points = [[x, y + 10 * number] for x, y in BOX[:3]]
        more = {name: values[number] for name, values in fields.items() if values[number] is not ...}
        rows.append({"label": label, "points": [*points, [10, 70]], "shape_type": "polygon", **more})
    return rows


def chosen(labels: list[str], **fields: list[Any]) -> str:
    """The field that the texts are taken from."""
    return choose_text_field([text_fields(one) for one in shapes(labels, **fields)]).field


@pytest.mark.parametrize(
    ("labels", "fields", "expected"),
    [
        # General words are never texts where something else is there.
        (["text"] * 6, {"description": WORDS[:6]}, "description"),
        (["text"] * 3, {"description": ["a", "", ...]}, "description"),
        (["Text Line", "word"], {"description": ["a", "a"]}, "description"),
        # A few values that repeat, beside as many texts as boxes.
        (["sign"] * 3, {"description": WORDS[:3]}, "description"),
        (["sign"] * 3, {"description": ["STOP"] * 3}, "description"),
        (["question", "answer", "other"] * 4, {"description": WORDS}, "description"),
        # Classes of a form: more than five, each on every page.
        ([f"field {n % 6}" for n in range(36)], {"description": [f"t{n}" for n in range(36)]}, "description"),
        # Other fields that hold texts: AnyLabeling's, attributes, flags that are texts.
        (["text"] * 3, {"text": WORDS[:3], "description": ["", "", ""]}, "text"),
        (
            ["text"] * 3,
            {"attributes": [{"Transcription": "a"}, {"transcription": "b"}, {}]},
            "attributes.transcription",
        ),
        (["text"] * 7, {"attributes": [{"plate": word} for word in WORDS[:7]]}, "attributes.plate"),
        (["text"] * 3, {"flags": [{"ocr": word} for word in WORDS[:3]]}, "flags.ocr"),
        ([""] * 3, {"description": WORDS[:3]}, "description"),
        # The field that most boxes have.
        (
            ["text"] * 3,
            {"description": ["blurry", "", ""], "attributes": [{"text": w} for w in WORDS[:3]]},
            "attributes.text",
        ),
        # Labels that are texts, with remarks beside them.
        (WORDS[:6], {"description": ["blurry", "", "", "", "", "dark"]}, "label"),
        (WORDS[:6], {"description": WORDS[6:]}, "label"),
        (["OK", "OK", "STOP"], {"description": ["", "", "blurry"]}, "label"),
        (["a", "b"], {}, "label"),
        (["a"], {}, "label"),
        (["ON", "OFF"] * 4, {}, "label"),
        # Nothing but classes.
        (["text"], {}, ""),
        (["text"] * 3 + ["logo"], {}, ""),
        (["sign"] * 9, {}, "label"),
        (["sign"] * 10, {}, ""),
        (["car", "plate"] * 5, {"flags": [{"occluded": True}] * 10}, ""),
        (["text"] * 12, {"attributes": [{"language": "th"}] * 12}, ""),
    ],
)
def test_the_field_with_the_texts_is_found(
    labels: list[str], fields: Mapping[str, Any], expected: str
) -> None:
    """By what stands in it over all boxes; empty where no field has texts."""
    assert chosen(labels, **fields) == expected


def test_a_class_that_says_not_to_read_is_ignored_beside_texts() -> None:
    """`ignore` and `###` as labels of boxes without a description."""
    boxes = [
        text_fields(one) for one in shapes(["text", "ignore", "###", "text"], description=["a", "", "", ""])
    ]
    choice = choose_text_field(boxes)
    assert [choice.text(one) for one in boxes] == ["a", "###", "###", ""]


def test_two_filled_fields_are_said_with_numbers() -> None:
    """Nobody can know which one is meant: the label is taken, and how to take the other is said."""
    boxes = [text_fields(one) for one in shapes(WORDS[:4], description=["x", "y", "z", ""])]
    choice = choose_text_field(boxes)
    assert choice.note is not None
    assert choice.note[:2] == ("text_field", "label: 4 boxes have a text there, 3 have one in description")
    assert "--text-from description" in choice.note[2]
    remarks = [text_fields(one) for one in shapes(WORDS[:4], description=["blurry", "", "", ""])]
    assert choose_text_field(remarks).note is None


def test_asked_for_the_description_anylabelings_text_is_it() -> None:
    """Its files have no other field for texts; where both are there the name counts."""
    boxes = [text_fields(one) for one in shapes(WORDS[:2], text=["a", "b"])]
    assert choose_text_field(boxes, "description").field == "text"
    both = [text_fields(one) for one in shapes(WORDS[:2], text=["a", "b"], description=["c", ""])]
    assert choose_text_field(both, "description").field == "description"
    assert choose_text_field([{"label": "a"}], "description").field == "description"


def test_a_few_labels_beside_texts_are_classes() -> None:
    """Where some boxes have a text field, the labels of the others that repeat are none."""
    few = Counter({"car": 3})
    assert are_classes(few, beside_texts=True)
    assert not are_classes(few)


def labelme(folder: Path, pages: list[list[dict[str, Any]]]) -> Path:
    """A LabelMe folder with these pages."""
    names = tuple(f"{number}.jpg" for number in range(len(pages)))
    files = {
        f"{number}.json": {"shapes": page, "imagePath": names[number]} for number, page in enumerate(pages)
    }
    return put(folder, files, images=names)


def test_the_decision_is_made_over_the_whole_folder(tmp_path: Path) -> None:
    """A page whose one box has no description is not read by its label; one note has the numbers."""
    pages = [shapes(["text", "text"], description=["a", "b"]), shapes(["text"]), shapes(["K1976"])]
    found = converted(labelme(tmp_path / "s", pages), "labelme")
    assert [text for text, _ in found.boxes] == ["a", "b", "", ""]
    (note, empty) = found.done.problems
    assert (note.kind, note.severity, note.file) == ("text_field", "note", str(tmp_path / "s"))
    assert note.value == "description: 2 of 4 boxes have a text there"
    assert "4 boxes: 'text', 'K1976'" in note.hint
    assert "--text-from label" in note.hint
    assert (empty.kind, empty.value) == ("no_text", "2 of 4 shapes")


def test_names_of_classes_are_not_trained_on(tmp_path: Path) -> None:
    """Detection gets its boxes; recognition is told what to do; who wants the labels all the same asks for them."""
    folder = labelme(tmp_path / "s", [shapes(["text"] * 4)])
    found = converted(folder, "labelme")
    assert [text for text, _ in found.boxes] == [""] * 4
    assert [(one.kind, one.value) for one in found.done.problems] == [("class_names", "4 boxes: 'text'")]
    with pytest.raises(DataError, match="names of classes, and no field has a text"):
        as_paddleocr(folder, "rec", tmp_path / "rec")
    forced = as_paddleocr(folder, "rec", tmp_path / "asked", options={"text_from": "label"})
    assert "cut out as 4 crops" in forced.summary
    named = as_paddleocr(
        folder, "rec", tmp_path / "auto", options={"text_from": "label", "difficult": "auto"}
    )
    assert named.summary == forced.summary


def boxes(*names: str, text: str = "") -> str:
    """A Pascal VOC file with an object for each name, the first of them with a text."""
    rows = [
        f"<object><name>{name}</name>{f'<text>{text}</text>' if text and not number else ''}"
        f"<bndbox><xmin>{10 + number}</xmin><ymin>20</ymin><xmax>200</xmax><ymax>60</ymax></bndbox></object>"
        for number, name in enumerate(names)
    ]
    return f"<annotation><filename>0.jpg</filename>{''.join(rows)}</annotation>"


@pytest.mark.parametrize(
    ("names", "text", "options", "expected", "kinds"),
    [
        (["car", "plate", "bus"] * 4, "", {}, [""] * 12, ["class_names", "no_text"]),
        (["car", "car"], "", {}, ["car", "car"], ["class_as_text"]),
        (["plate", "car", "car", "bus"], "K1", {}, ["K1", "", "", ""], ["class_names"]),
        (["plate", "ignore", "K2"], "K1", {}, ["K1", "###", "K2"], ["class_as_text"]),
        (["car"] * 12, "", {"text_from": "label"}, ["car"] * 12, ["class_as_text"]),
        (["plate", "K2"], "K1", {"text_from": "description"}, ["K1", ""], ["no_text"]),
        (["plate", "K2"], "K1", {"text_from": "label"}, ["plate", "K2"], ["class_as_text"]),
    ],
)
def test_tools_with_classes_and_texts_follow_the_same_rule(
    tmp_path: Path, names: list[str], text: str, options: Any, expected: list[str], kinds: list[str]
) -> None:
    """A few classes over many boxes, or beside texts, are not trained on as texts, unless that is asked for."""
    found = converted(put(tmp_path / "s", {"0.xml": boxes(*names, text=text)}), "voc", **options)
    assert [text for text, _ in found.boxes] == expected
    assert found.kinds == kinds


def test_an_attribute_of_any_name_has_the_texts_where_its_values_are_like_texts(tmp_path: Path) -> None:
    """CVAT's and others' attributes are called as a team likes; numbers of things and people are none."""
    given = [
        {"plate_number": f"K {number}", "track_id": f"{number}", "annotator": f"a{number}"}
        for number in range(7)
    ]
    shapes_of = [
        f'<box label="car" xtl="{10 + number}" ytl="20" xbr="200" ybr="60">'
        + "".join(f'<attribute name="{name}">{value}</attribute>' for name, value in one.items())
        + "</box>"
        for number, one in enumerate(given)
    ]
    found = converted(put(tmp_path / "cvat", {"a.xml": cvat(*shapes_of)}), "cvat")
    assert [text for text, _ in found.boxes] == [one["plate_number"] for one in given]
    assert [(one.kind, one.value) for one in found.done.problems] == [
        ("text_field", "plate_number: 7 of 7 boxes have a text there")
    ]
    regions = [region(POLYGON, **one) for one in given]
    assert [
        text for text, _ in converted(put(tmp_path / "via", {"a.json": images(*regions)}), "via").boxes
    ] == [one["plate_number"] for one in given]
    few = converted(put(tmp_path / "few", {"a.xml": cvat(*shapes_of[:3])}), "cvat", text_from="label")
    assert [text for text, _ in few.boxes] == ["car"] * 3
