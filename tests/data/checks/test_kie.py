"""Checks of labels for key information: classes, ids and links beside what detection checks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ocr_train.data.checks.kie import KieRules, check_kie, kie_for_trainer
from ocr_train.data.checks.policy import write_clean
from ocr_train.data.checks.validate import Rules, validate
from tests.data.formats.folders import HEIGHT, WIDTH
from tests.data.other_tasks import ANSWER, QUESTION, images, kie_row

SIZE = [(WIDTH, HEIGHT)]
TOKENS = KieRules(classes=frozenset({"QUESTION", "ANSWER"}), of_tokens=True, linked=True)
NUMBERS = KieRules(classes=frozenset({"a", "b"}), linked=False)


def without(item: Mapping[str, object], *keys: str) -> dict[str, object]:
    """The item without these keys."""
    return {key: value for key, value in item.items() if key not in keys}


def kinds(*items: Mapping[str, object], rules: KieRules | None = None) -> list[str]:
    """The kinds of all that is wrong with a label of these items."""
    label = kie_row(*items).partition("\t")[2]
    return [finding.kind for finding in check_kie(label, rules or KieRules(), SIZE)[1]]


def test_good_labels_have_boxes_and_no_problem() -> None:
    """With the classes of a class list in any case, and links between the boxes."""
    label = kie_row().partition("\t")[2]
    boxes, findings = check_kie(label, TOKENS, SIZE)
    assert [box.transcription for box in boxes] == ["Total", "น้ำ"]
    assert findings == []


@pytest.mark.parametrize(
    ("item", "rules", "found"),
    [
        (without(QUESTION, "label"), TOKENS, ["class_missing"]),
        ({**QUESTION, "label": 3}, TOKENS, ["class_missing"]),
        ({**QUESTION, "label": ""}, TOKENS, ["class_missing"]),
        ({**QUESTION, "label": "header"}, TOKENS, ["unknown_class"]),
        ({**QUESTION, "label": "other"}, TOKENS, []),
        ({**without(QUESTION, "label"), "key_cls": "question"}, TOKENS, []),
        ({**without(QUESTION, "label"), "key_cls": 1}, TOKENS, ["class_missing"]),
        ({**without(QUESTION, "label"), "key_cls": "None"}, KieRules(), ["class_missing"]),
        ({**without(QUESTION, "label"), "key_cls": "None"}, KieRules(classes=frozenset({"None"})), []),
        ({**without(QUESTION, "label"), "key_cls": 1}, NUMBERS, []),
        ({**without(QUESTION, "label"), "key_cls": 2}, NUMBERS, ["unknown_class"]),
        ({**QUESTION, "label": "A"}, NUMBERS, ["unknown_class"]),
        ({**QUESTION, "label": "anything"}, KieRules(), []),
        (without(QUESTION, "points"), KieRules(), ["points_missing"]),
        ({**QUESTION, "points": [[0, 0], [500, 0], [500, 9], [0, 9]]}, KieRules(), ["outside_image"]),
        ({**QUESTION, "transcription": ["a", 0.9]}, KieRules(), ["transcription_not_text"]),
        # Detection's copy would fix these: this one is passed on as it is.
        ({**QUESTION, "transcription": " ###"}, KieRules(), []),
    ],
)
def test_boxes_and_classes(item: Mapping[str, object], rules: KieRules, found: list[str]) -> None:
    """What PaddleOCR fails on, and what it does not know."""
    assert kinds({**item, "linking": []}, rules=rules) == found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"linking": [[1, 9]]}, ["bad_link"]),
        ({"linking": [[1]]}, ["bad_link"]),
        ({"linking": [[1, [2]]]}, ["bad_link"]),
        ({"linking": None}, ["bad_link"]),
        ({"id": 2}, ["bad_link", "bad_link", "bad_link"]),
        ({"id": None}, ["bad_link", "bad_link", "bad_link"]),
        ({"id": "x", "linking": [["x", 2]]}, ["bad_link"]),
    ],
)
def test_links_lead_to_boxes(changes: dict[str, object], found: list[str]) -> None:
    """Ids are there once, and both ends of a link are ids."""
    assert kinds({**QUESTION, **changes}, ANSWER, rules=TOKENS) == found


def test_links_count_only_for_models_that_read_them() -> None:
    """A model of classes (SER, SDMGR) passes over them; without a model they are checked where they are."""
    lost = {**QUESTION, "linking": [[1, 9]]}
    assert kinds(lost, rules=KieRules(linked=False)) == []
    assert kinds(lost) == ["bad_link"]
    assert kinds(without(QUESTION, "id", "linking")) == []
    assert kinds(without(QUESTION, "id", "linking"), rules=KieRules(linked=True)) == ["bad_link", "bad_link"]


@pytest.mark.parametrize(
    "label", ["", "[", "{}", "3", "[3]", '[{"id": [1], "linking": [[{}, 1]]}]', "[" * 9999]
)
def test_any_label_is_answered(label: str) -> None:
    """Without an exception."""
    assert check_kie(label, KieRules(), SIZE)[1]
    kie_for_trainer(label)


def test_the_copy_for_the_trainer_is_the_label_as_it_is() -> None:
    """But for PPOCRLabel's key, which PaddleOCR's newer models do not read, and what stands after a second tab."""
    label = kie_row({**QUESTION, "transcription": " a "}).partition("\t")[2]
    assert kie_for_trainer(f"{label}\trest") == label
    moved = json.loads(kie_for_trainer(json.dumps([{**without(QUESTION, "label"), "key_cls": "question"}])))
    assert moved == [{**without(QUESTION, "label"), "key_cls": "question", "label": "question"}]
    assert kie_for_trainer("[]") == ""


def test_a_file_is_checked_and_copied(tmp_path: Path) -> None:
    """Every problem has its line; images without boxes are left out of the copy."""
    labels = images(tmp_path, 2) / "train.txt"
    bad = kie_row(without(QUESTION, "label", "linking"), image="no.png")
    labels.write_text("\n".join([kie_row(), bad, "1.png\t[]"]) + "\n", encoding="utf-8")
    report = validate([labels], tmp_path, Rules(task="kie", kie=TOKENS))
    found = [(one.line, one.kind, one.severity) for one in report.problems]
    assert (2, "image_missing", "error") in found
    assert (2, "class_missing", "error") in found
    assert (3, "no_boxes", "note") in found
    assert report.statistics.boxes == 3
    assert write_clean(labels, tmp_path / "clean.txt", report.bad_lines, "kie") == 1
    assert (tmp_path / "clean.txt").read_text(encoding="utf-8") == kie_row() + "\n"
