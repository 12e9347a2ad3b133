"""The built-in demo set, drawn on the spot, so that a first training needs no data at all.

    folder/demo.json        what was asked for: this is a demo set, and may be drawn again
    folder/train.txt        PaddleOCR labels, one image a line, paths relative to `folder`
    folder/train/00000.jpg  ...
    folder/val.txt, folder/val/...

The label files come last, each whole: a folder whose drawing was cut off has no `train.txt`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from ocr_train.atomic_files import write_text
from ocr_train.data.demo.drawn_folder import make_room
from ocr_train.data.demo.pages import Style, draw_line_crop, draw_page
from ocr_train.data.demo.texts import LANGUAGES, make_text
from ocr_train.data.labels import format_boxes, format_line
from ocr_train.drawing.fonts import find_typefaces
from ocr_train.errors import ConfigError
from ocr_train.ocr_engine.settings import TASKS

if TYPE_CHECKING:
    from PIL import Image

PARTS = ("val", "train")
"""Train is last: where `train.txt` is, the whole set is."""
MARKER = "demo.json"
MIN_PAGE_PX, MAX_PAGE_PX = 160, 4096
_MAX_CROP_TEXT = 20
"""A CRNN reads 100 pixels in 25 steps and needs one more for each doubled character."""


@dataclass(frozen=True, kw_only=True)
class DemoSpec:
    """What to draw: `train` and `val` count pages for "det" and crops for "rec" and "cls".

    `size` is the (width, height) in pixels of a detection page.
    """

    task: str
    language: str = "en"
    train: int = 48
    val: int = 12
    seed: int = 0
    size: tuple[int, int] = (320, 320)


def make_demo(folder: Path, spec: DemoSpec) -> None:
    """Draw the set that `spec` describes into `folder`, in place of a demo set that is already there.

    The same spec gives the same bytes under the same versions of Python, Pillow and the fonts.
    Raises `ConfigError` for a wrong spec, `DataError` where `folder` holds other data, `SetupError` where
    fonts or the layout that Thai needs are missing, `OSError` where the disk refuses.
    """
    _check(spec)
    style = Style(language=spec.language, typefaces=find_typefaces(spec.language))
    # Train goes first: where its labels are, the whole set is.
    names = [name for part in reversed(PARTS) for name in (f"{part}.txt", part)]
    make_room(folder, MARKER, names, {"demo": asdict(spec)})
    labels: dict[str, str] = {}
    for part in PARTS:
        (folder / part).mkdir()
        lines = []
        for index in range(spec.train if part == "train" else spec.val):
            # A stream of its own for each image: asking for more images leaves the first ones as they were.
            # Drawing, not secrecy.
            rng = Random(f"{spec.seed}/{spec.task}/{spec.language}/{part}/{index}")
            name = f"{part}/{index:05}.jpg"
            image, label = _draw(rng, style, spec, index)
            image.save(folder / name, "JPEG", quality=rng.randint(55, 95))
            lines.append(format_line(name, label))
        labels[part] = "".join(lines)
    for part in PARTS:
        write_text(folder / f"{part}.txt", labels[part])


def _check(spec: DemoSpec) -> None:
    problems = []
    if spec.task not in TASKS:
        problems.append(f"task is {spec.task!r}; it must be one of {', '.join(TASKS)}.")
    if spec.language not in LANGUAGES:
        problems.append(f"language is {spec.language!r}; it must be one of {', '.join(LANGUAGES)}.")
    for name, count in (("train", spec.train), ("val", spec.val)):
        if count < 1:
            problems.append(f"{name} is {count!r}; at least 1 image is needed.")
    if not all(MIN_PAGE_PX <= side <= MAX_PAGE_PX for side in spec.size):
        problems.append(f"size is {spec.size!r}; each side must be {MIN_PAGE_PX} to {MAX_PAGE_PX} pixels.")
    if problems:
        raise ConfigError("The demo set cannot be drawn: " + " ".join(problems), hint="Correct these values.")


def _draw(rng: Random, style: Style, spec: DemoSpec, index: int) -> tuple[Image.Image, str]:
    """An image and its label. Every other crop for "cls" is upside down: halves to the image."""
    if spec.task == "det":
        image, boxes = draw_page(rng, style, spec.size)
        return image, format_boxes(boxes)
    text = make_text(rng, style.language, max_length=_MAX_CROP_TEXT, turnable=spec.task == "rec")
    crop = draw_line_crop(rng, style, text)
    if spec.task == "rec":
        return crop, text
    return (crop.rotate(180), "180") if index % 2 else (crop, "0")
