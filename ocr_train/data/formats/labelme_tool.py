"""Which tool wrote a JSON file with `shapes`, and so whether it turned the image as EXIF says.

LabelMe's form was taken over by others, which count their own versions, so that the number alone says nothing:

| tool | known by | image |
|---|---|---|
| LabelMe before 3.4 (2018) | `lineColor` and `fillColor`, no `version` | as stored |
| LabelMe 3.4 to 3.6 | `version`; no key that came later (`description` 5.2, a `group_id` 3.22) | as stored |
| LabelMe since 3.7 (March 2019) | `version` | turned |
| AnyLabeling, X-AnyLabeling before 1.0 | `text` in the file or its shapes | turned |
| X-AnyLabeling | `difficult`, `attributes`, `kie_linking`, `score`, `direction` of a shape, `checked` of the file; its own shape types | turned; 2.3.5 and 2.3.6 (March to June 2024) as stored |
| any other | none of these | turned, as OpenCV does |

X-AnyLabeling since 2.4 turns the file itself, which has no EXIF rotation then. Source: `label_file.py` of LabelMe (commits of
2018-11-02, 2019-03-16, 2020-01-26, 2023-04-06), of AnyLabeling, and of X-AnyLabeling (v1.0.0, 2024-03-21, v4.0.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LABELME, ANYLABELING, X_ANYLABELING, OTHER = "LabelMe", "AnyLabeling", "X-AnyLabeling", "another tool"
_FIRST_WITH_EXIF = (3, 7, 0)
_FIRST = (2, 0, 0)
_UNTURNED_X = ((2, 3, 5), (2, 3, 6))
_VERSION = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?")
_X_SHAPE_KEYS = frozenset({"difficult", "attributes", "kie_linking", "score", "direction"})
_X_FILE_KEYS = frozenset({"checked", "image_tags"})
_X_TYPES = frozenset({"rotation", "quadrilateral", "cuboid"})
_LOOKED_AT = 50
"""So many shapes tell: a tool writes the same keys for each."""


def drawn_before_exif(content: Mapping[str, Any]) -> bool:
    """Whether the shapes lie in the image as it is stored, whatever its EXIF data say."""
    version = _version(content)
    tool = tool_of(content)
    if tool == X_ANYLABELING:
        return version in _UNTURNED_X
    return tool == LABELME and (version is None or version < _FIRST_WITH_EXIF)


def tool_of(content: Mapping[str, Any]) -> str:
    """The tool that a file's keys are of."""
    shapes = content.get("shapes")
    looked = [
        one for one in (shapes if isinstance(shapes, list) else [])[:_LOOKED_AT] if isinstance(one, dict)
    ]
    keys = frozenset().union(*looked)
    types = {kind for one in looked if isinstance(kind := one.get("shape_type"), str)}
    if keys & _X_SHAPE_KEYS or content.keys() & _X_FILE_KEYS or types & _X_TYPES:
        return X_ANYLABELING
    if "text" in keys or "text" in content:
        return ANYLABELING
    version = _version(content)
    if version is None:
        return LABELME if {"lineColor", "fillColor"} & content.keys() else OTHER
    later = "description" in keys or any(one.get("group_id") is not None for one in looked)
    old = version < _FIRST_WITH_EXIF
    return OTHER if old and (later or version < _FIRST) else LABELME


def _version(content: Mapping[str, Any]) -> tuple[int, int, int] | None:
    found = _VERSION.match(str(content.get("version") or ""))
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None
