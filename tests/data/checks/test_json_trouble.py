"""Why a detection label is not JSON."""

from __future__ import annotations

import pytest

from ocr_train.data.checks.detection import parse_boxes
from ocr_train.data.checks.recognition import check_class, check_text

BOX = '{"transcription": "a", "points": [[1,1],[9,1],[9,9],[1,9]]}'
TROUBLES = {
    "[{'transcription': 'a', 'points': [[1, 1], [9, 1], [9, 9], [1, 9]]}]": "Python's str()",
    f"[{BOX},]": "a comma stands before",
    f"[{BOX}]".replace('"', "\u201d"): "typographic",
    '"' + f"[{BOX}]".replace('"', '""') + '"': "quoted as in a CSV file",
    f"[{BOX}][{BOX}]": "two lists",
    f"[{BOX}"[:40]: "cut off",
    "hello": "but a text",
}


@pytest.mark.parametrize("label", TROUBLES)
def test_the_trouble_is_named_by_evidence(label: str) -> None:
    """What is advised was tried on the label."""
    _, (finding,) = parse_boxes(label)
    assert finding.kind == "bad_json"
    assert TROUBLES[label] in finding.hint


@pytest.mark.parametrize("label", [f"[{BOX}]", f"[{BOX},]", '"' + f"[{BOX}]".replace('"', '""') + '"'])
def test_boxes_are_no_text_and_no_class(label: str) -> None:
    """A recogniser would learn the JSON, also where it is broken."""
    assert [finding.kind for finding in check_text(label)] == ["boxes_as_text"]
    assert [finding.kind for finding in check_class(label, ("0", "180"))] == ["boxes_as_text"]


@pytest.mark.parametrize("text", ["[12]", "[a]", "{x}", "[{", "points"])
def test_texts_in_brackets_are_texts(text: str) -> None:
    """An image may show them."""
    assert check_text(text) == []
