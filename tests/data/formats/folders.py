"""Folders as annotation tools leave them, small: what the tests of every format are made of."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from ocr_train.data.formats.conversion import Conversion
from ocr_train.data.formats.table import FORMATS, detect_format

WIDTH, HEIGHT = 400, 200
"""The size of every image that is drawn here."""
BOX = [[10, 20], [200, 20], [200, 60], [10, 60]]
SECOND = [[10, 70], [200, 70], [200, 110], [10, 110]]


def put(
    folder: Path, files: Mapping[str, str | bytes | Any], *, images: tuple[str, ...] = ("0.jpg",)
) -> Path:
    """Write files by name (text, bytes, or what becomes JSON) and images of 400 x 200 pixels, each of another grey."""
    for number, name in enumerate(images):
        _write(folder / name, picture(Path(name).suffix, number))
    for name, content in files.items():
        text = content if isinstance(content, str | bytes) else json.dumps(content, ensure_ascii=False)
        _write(folder / name, text.encode() if isinstance(text, str) else text)
    return folder


@lru_cache
def picture(suffix: str, grey: int) -> bytes:
    """An image file of one grey."""
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}[suffix.lower()]
    stream = io.BytesIO()
    Image.new("L", (WIDTH, HEIGHT), grey % 256).save(stream, kind)
    return stream.getvalue()


def turned_picture(width: int, height: int) -> bytes:
    """A JPEG whose pixels are stored as `width` x `height` and shown turned by a quarter: EXIF orientation 6."""
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (width, height), 90).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@dataclass(frozen=True)
class Converted:
    """A conversion and what it wrote: texts and points by image."""

    done: Conversion
    pages: dict[str, list[tuple[str, list[list[float]]]]]

    @property
    def boxes(self) -> list[tuple[str, list[list[float]]]]:
        """Those of all images."""
        return [box for boxes in self.pages.values() for box in boxes]

    @property
    def kinds(self) -> list[str]:
        """The kinds of all problems, each once."""
        return sorted({problem.kind for problem in self.done.problems})


def converted(folder: Path, name: str, **options: object) -> Converted:
    """Recognise the folder as that format, and convert it."""
    assert detect_format(folder) == name
    return forced(folder, name, **options)


def forced(folder: Path, name: str, **options: object) -> Converted:
    """Convert the folder as that format, whatever it looks like."""
    out = folder.parent / f"{folder.name}-out"
    done = FORMATS[name].convert(folder, out, overwrite=True, **options)
    pages = {}
    for line in done.labels.read_text(encoding="utf-8").splitlines():
        image, label = line.split("\t")
        assert (done.labels.parent / image).is_file()
        pages[image] = [(box["transcription"], box["points"]) for box in json.loads(label)]
    return Converted(done, pages)


def accounted(done: Conversion) -> int:
    """The boxes that came out and those that were counted; pages and files are not boxes."""
    lost = sum(count for kind, count in done.skipped.items() if not kind.startswith(("page_", "file_")))
    return done.boxes + done.crops + lost
