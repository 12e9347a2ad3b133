"""Small grey pictures of images, to tell which are the same, nearly the same, or of one kind."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.ocr_engine.files import read_regular
from ocr_train.ocr_engine.images import ImageError, decode_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDE = 32
_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class ImageLook:
    """What an image looks like: `digest` is the SHA-256 of its file, `grey` the whole of it as (32, 32) uint8, `aspect` its
    width over its height. `error` says why there is nothing."""

    image: Path
    digest: str = ""
    grey: NDArray[np.uint8] | None = None
    aspect: float = 1.0
    error: str = ""


def look_at(images: Sequence[Path], progress: Callable[[int], None]) -> Iterator[ImageLook]:
    """One look for each image, in their order; a kilobyte each stays in memory."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="look") as pool:
        for start in range(0, len(images), _AT_ONCE):
            some = images[start : start + _AT_ONCE]
            yield from pool.map(_look, some)
            progress(start + len(some))


def _look(image: Path) -> ImageLook:
    try:
        data = read_regular(image)
        picture = decode_image(data)
    except OSError as exc:
        return ImageLook(image=image, error=f"it cannot be read: {exc.strerror or exc}")
    except (ImageError, MemoryError) as exc:
        return ImageLook(image=image, error=str(exc) or "it is too large for the memory of this machine")
    height, width = picture.shape[:2]
    digest = hashlib.sha256(data).hexdigest()
    return ImageLook(image=image, digest=digest, grey=_shrink(picture), aspect=width / height)


def _shrink(picture: Any) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)
