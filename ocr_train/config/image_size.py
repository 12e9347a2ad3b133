"""How large a picture is when the transforms of a PaddleOCR configuration are through with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocr_train.config.overrides import get_key


def image_pixels(trainer: Mapping[str, Any], part: str = "Train") -> int:
    """Pixels of an image of `part` (Train or Eval) as the transforms give it, 0 where they do not say."""
    transforms = get_key(trainer, f"{part}.dataset.transforms", None) or []
    sizes = [
        options.get("image_shape") or options.get("size")
        for step in transforms
        if isinstance(step, Mapping)
        for options in step.values()
        if isinstance(options, Mapping)
    ]
    sides = next((size[-2:] for size in reversed(sizes) if isinstance(size, list) and len(size) >= 2), [])
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        return 0
    return int(sides[0]) * int(sides[1])
