"""What stands for a box's text in tools that know only classes and attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

IGNORED = "###"
"""What PaddleOCR leaves out of the loss and of the score."""
TEXT_KEYS = (
    *("transcription", "utf8_string", "text", "ocr", "words", "word", "value", "content", "caption"),
    *("translation", "string"),
)
"""Fields that hold a text, the surest first; compared in lower case."""
_CLASS_KEYS = ("label", "name", "class", "type", "category")
"""Fields that hold a text in some projects, and in others what the box is."""
GENERIC = frozenset(
    {
        *(
            "text",
            "texts",
            "word",
            "words",
            "line",
            "lines",
            "textline",
            "text line",
            "text region",
            "paragraph",
        ),
        *(
            "char",
            "character",
            "characters",
            "letter",
            "block",
            "text block",
            "box",
            "bbox",
            "region",
            "object",
        ),
        *(
            "label",
            "polygon",
            "rectangle",
            "handwriting",
            "handwritten",
            "printed",
            "scene text",
            "ocr",
            "area",
        ),
        *("plate", "license plate", "number plate", "licence plate", "number", "digits", "field", "string"),
        *("ข้อความ", "文字", "文本", "テキスト"),
    }
)
"""Names of classes that say what a box is and not what stands in it."""
_DONT_CARE = frozenset(
    {"ignore", "ignored", "illegible", "unreadable", "dontcare", "don't care", "dont care"}
)
_PARTS = re.compile(r"[\s_\-]+")


def class_text(name: str) -> str:
    """The text that the name of a class stands for: none for a general word such as "text", `###` for "ignore"."""
    plain = _PARTS.sub(" ", name.strip()).lower()
    if plain in _DONT_CARE:
        return IGNORED
    return "" if plain in GENERIC else name


def attribute_text(attributes: Mapping[str, Any], key: str = "") -> Any:
    """The text among the attributes of a box: what stands under `key`, else under the first known name, else the only
    one that is text; None where there is none."""
    named = {str(name).strip().lower(): value for name, value in attributes.items()}
    if key:
        return named.get(key.strip().lower())
    texts = {name: value for name, value in named.items() if isinstance(value, str) and value.strip()}
    found = next((texts[known] for known in TEXT_KEYS if known in texts), None)
    if found is not None:
        return found
    # "text" under the name "type" is no text.
    alone = [*texts] if len(named) == 1 else []
    return next(
        (text for known in (*_CLASS_KEYS, *alone) if (text := class_text(texts.get(known, "")))), None
    )


def in_quotes(text: str) -> bool:
    """Whether a text stands in double quotes."""
    return len(text) > 1 and text[0] == text[-1] == '"'


def unquoted(text: str) -> str:
    """A text without the quotes around it; a quote in it may be doubled, or have a backslash in front."""
    if not in_quotes(text):
        return text
    return text[1:-1].replace('""', '"').replace('\\"', '"').replace("\\\\", "\\")
