"""Boxes that a labelling tool calls difficult: they keep their text, or become `###`, which PaddleOCR ignores.

What is meant by it differs. PPOCRLabel sets `difficult` on every box that was drawn by hand, whose texts are as good as any
(PaddleOCR issues 11029 and 10639): there a box with a text is kept. Pascal VOC, COCO-Text ("illegible"), CVAT and X-AnyLabeling
mean what a person had better not be asked to read: those are ignored.
"""

from __future__ import annotations

from typing import Any

from ocr_train.data.labels import IGNORED_TRANSCRIPTIONS

AUTO, KEEP, IGNORE = "auto", "keep", "ignore"
CHOICES = (AUTO, KEEP, IGNORE)
IGNORED = "###"
"""What PaddleOCR leaves out of the loss and of the score."""
_TRUE = frozenset({"true", "1", "1.0", "yes"})


def is_difficult(value: Any) -> bool:
    """Whether a tool's field says so: true, 1, or these as text."""
    return isinstance(value, bool | int | float | str) and str(value).strip().lower() in _TRUE


def text_of_difficult(text: str, choice: str, *, usual: str) -> str:
    """The transcription of a difficult box. `choice` is "keep" or "ignore", or "auto" for what is `usual` for the tool: where
    that is "keep", a box without a text is ignored all the same."""
    if choice == KEEP or (choice == AUTO and usual == KEEP and text.strip()):
        return text
    return IGNORED


def counts_as_difficult(text: str, value: Any) -> bool:
    """Whether a box is one of those that are counted: difficult, and not ignored without that."""
    return is_difficult(value) and text not in IGNORED_TRANSCRIPTIONS


def hint_of_difficult(choice: str, *, usual: str) -> str:
    """Which way it was, and what to do where the other one is meant."""
    if (usual if choice == AUTO else choice) == KEEP:
        return (
            "kept with their texts, as of any box; to have them ignored in training and in the score (###): "
            "--difficult ignore (-P difficult=ignore)"
        )
    return (
        "they are '###' now, which PaddleOCR ignores in training and in the score; to keep their texts: "
        "--difficult keep (-P difficult=keep)"
    )
