"""What stands for a box's text in tools that know only classes and attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ocr_train.data.difficult import IGNORED, is_difficult

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
_HARD_KEYS = ("difficult", "illegible", "unreadable", "ignore", "dontcare", "dont_care")
_NO_TEXT = re.compile(
    r"(^|[_. ])(id|ids|uuid|guid|index|time|timestamp|author|annotator|user|source|url|path|file|filename|"
    r"image|colou?r|score|confidence|language|lang|font|type|kind|class|category)$"
)
_PARTS = re.compile(r"[\s_\-]+")


def class_text(name: str) -> str:
    """The text that the name of a class stands for: none for a general word such as "text", `###` for "ignore"."""
    plain = _PARTS.sub(" ", name.strip()).lower()
    if plain in _DONT_CARE:
        return IGNORED
    return "" if plain in GENERIC else name


def attribute_text(attributes: Mapping[str, Any], key: str = "") -> Any:
    """The text among the attributes of a box: what stands under `key`, else under the first known name; None where
    there is none."""
    named = _plain(attributes)
    if key:
        return named.get(key.strip().lower())
    texts = (named.get(known) for known in TEXT_KEYS)
    return next((value for value in texts if isinstance(value, str) and value.strip()), None)


def attribute_class(attributes: Mapping[str, Any]) -> str:
    """What stands for the text of a box where no attribute is for texts: that with the name of a class, or the only one
    there is; empty where that is a general word, as "text" under the name "type" is no text."""
    named = _plain(attributes)
    alone = [*named] if len(named) == 1 else []
    values = (named.get(known) for known in (*_CLASS_KEYS, *alone))
    return next((one for one in values if isinstance(one, str) and one.strip() and class_text(one)), "")


def other_texts(attributes: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The attributes that are text under a name that says nothing of texts, and nothing of what is no text."""
    return tuple(
        (name, value)
        for name, value in _plain(attributes).items()
        if isinstance(value, str) and value.strip() and name not in TEXT_KEYS and may_be_text(name)
    )


def may_be_text(name: str) -> bool:
    """Whether a field of this name may hold a text: not numbers of things, times, people, files and colours."""
    return name not in _CLASS_KEYS and not _NO_TEXT.search(name)


def has_hard_mark(attributes: Mapping[str, Any]) -> bool:
    """Whether an attribute says that nobody should be asked to read the text."""
    named = _plain(attributes)
    if str(named.get("legibility", "")).strip().lower() in _DONT_CARE:
        return True
    unreadable = str(named.get("legible", "")).strip().lower() in ("false", "0", "no")
    return unreadable or any(is_difficult(named.get(name)) for name in _HARD_KEYS)


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name).strip().lower(): value for name, value in attributes.items()}


def in_quotes(text: str) -> bool:
    """Whether a text stands in double quotes."""
    return len(text) > 1 and text[0] == text[-1] == '"'


def unquoted(text: str) -> str:
    """A text without the quotes around it; a quote in it may be doubled, or have a backslash in front."""
    if not in_quotes(text):
        return text
    return text[1:-1].replace('""', '"').replace('\\"', '"').replace("\\\\", "\\")
