"""Boxes that tools call difficult: one rule, one note with their number, for every format that has such a mark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.data.difficult import CHOICES, is_difficult, text_of_difficult
from ocr_train.data.formats.table import FORMATS
from tests.data.formats.folders import BOX, converted, put
from tests.data.formats.test_coco import coco
from tests.data.formats.test_cvat import SIDES, cvat
from tests.data.formats.test_via import POLYGON, images, region
from tests.data.formats.test_voc import BNDBOX, voc

PLACE = {"bbox": [10, 20, 190, 40], "text": "hard"}
ATTRIBUTES = '<attribute name="text">hard</attribute><attribute name="{}">{}</attribute>'
SHAPE = {"label": "hard", "points": BOX, "shape_type": "polygon"}
HARD: dict[str, list[dict[str, Any]]] = {
    "labelme": [
        {"0.json": {"shapes": [{**SHAPE, **more}], "imagePath": "0.jpg"}}
        for more in ({"difficult": True}, {"flags": {"Illegible": True}}, {"attributes": {"difficult": "1"}})
    ],
    "voc": [
        {"0.xml": voc(f"<name>hard</name><difficult>1</difficult>{BNDBOX}")},
        {"0.xml": voc(f"<name>hard</name><difficult>true</difficult>{BNDBOX}")},
    ],
    "coco": [
        {"a.json": coco({**PLACE, "legibility": "illegible"})},
        {"a.json": coco({**PLACE, "iscrowd": 1})},
        {"a.json": coco({**PLACE, "ignore": 1})},
        {"a.json": coco({**PLACE, "attributes": {"difficult": True}})},
    ],
    "cvat": [
        {"a.xml": cvat(f'<box label="t" {SIDES}>{ATTRIBUTES.format(name, value)}</box>')}
        for name, value in (("difficult", "true"), ("Illegible", "1"), ("legible", "false"))
    ],
    "via": [{"a.json": images(region(POLYGON, text="hard", difficult="1"))}],
    "ppocrlabel": [
        {
            "Label.txt": f's/0.jpg\t[{{"transcription": "hard", "points": {BOX}, "difficult": true}}]\n',
            "fileState.txt": "",
        }
    ],
}
CASES = [(name, files) for name, folders in HARD.items() for files in folders]


@pytest.mark.parametrize(("name", "files"), CASES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(CASES)])
def test_a_difficult_box_is_counted_and_kept_or_ignored(
    tmp_path: Path, name: str, files: dict[str, Any]
) -> None:
    """PPOCRLabel's drawn by hand are kept where nothing is asked, those of the other tools are ignored."""
    folder = put(tmp_path / "s", files)
    usual = "hard" if name == "ppocrlabel" else "###"
    for way, text in (("auto", usual), ("keep", "hard"), ("ignore", "###")):
        found = converted(folder, name, difficult=way)
        assert [one for one, _ in found.boxes] == [text]
        (note,) = [one for one in found.done.problems if one.kind == "difficult"]
        assert (note.severity, note.value[:2]) == ("note", "1 ")
        assert (f"--difficult {'ignore' if text == 'hard' else 'keep'}") in note.hint
        assert found.done.lost == 0


def test_every_format_with_such_a_mark_has_the_option() -> None:
    """So that a training's `difficult` is not refused for it."""
    named = {name for name, one in FORMATS.items() if "difficult" in {option.name for option in one.options}}
    assert named == set(HARD)


def test_a_box_without_a_text_is_ignored_or_kept_as_asked(tmp_path: Path) -> None:
    """COCO-Text has no text for what is illegible: kept, it is a box for detection."""
    folder = put(tmp_path / "s", {"a.json": coco({"bbox": [10, 20, 190, 40], "legibility": "illegible"})})
    assert converted(folder, "coco").boxes == [("###", BOX)]
    assert converted(folder, "coco", difficult="keep").boxes == [("", BOX)]


@pytest.mark.parametrize("value", [True, 1, "1", "True", "yes", 1.0])
def test_what_says_difficult(value: Any) -> None:
    """As tools write it."""
    assert is_difficult(value)


@pytest.mark.parametrize("value", [False, 0, "0", "", None, "no", [True], {"a": 1}, float("nan")])
def test_what_does_not(value: Any) -> None:
    """Anything else."""
    assert not is_difficult(value)


def test_the_ways() -> None:
    """Where keeping is usual a box without a text is ignored; who asks for all gets all."""
    assert [text_of_difficult("a", way, usual="keep") for way in CHOICES] == ["a", "a", "###"]
    assert [text_of_difficult("", way, usual="keep") for way in CHOICES] == ["###", "", "###"]
    assert [text_of_difficult("a", way, usual="ignore") for way in CHOICES] == ["###", "a", "###"]
