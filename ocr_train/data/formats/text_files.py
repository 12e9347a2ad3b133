"""Converts recognition labels of Tesseract's training: a text file for each image, `NAME.gt.txt` beside `NAME.png`.

The file has one line, the text. Format: tesstrain, as of 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.data.files.image_files import IMAGE_SUFFIXES, is_file
from ocr_train.data.formats.conversion import Conversion, ConvertedFolder, FolderOptions
from ocr_train.data.formats.crop_texts import FoundText, convert_texts, lose
from ocr_train.data.formats.pages import load_lines
from ocr_train.data.formats.peek import FilePeek

if TYPE_CHECKING:
    from typing_extensions import Unpack

ENDING = ".gt.txt"


def is_text_files(peek: FilePeek) -> bool:
    """Whether the name ends in .gt.txt and an image of the name is there, but not the labels of boxes."""
    if not peek.path.name.lower().endswith(ENDING) or len(peek.lines) > 1:
        return False
    stem = peek.path.name[: -len(ENDING)]
    folder = peek.path.parent
    if is_file(folder / f"{stem}.txt"):
        return False
    return any(is_file(folder / f"{stem}{suffix}") for one in IMAGE_SUFFIXES for suffix in (one, one.upper()))


def convert_text_files(
    src: Path, out: Path, *, overwrite: bool = False, **folder: Unpack[FolderOptions]
) -> Conversion:
    """Convert every text file under `src` to `out/rec_gt.txt` and `out/crop_img/`; raises as `ConvertedFolder` does."""
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    return convert_texts(work, _samples(work), tool="texts in .gt.txt files")


def _samples(work: ConvertedFolder) -> Iterator[FoundText]:
    for path in work.with_suffix(".txt"):
        if not path.name.lower().endswith(ENDING):
            continue
        lines = load_lines(work, path)
        if lines is None:
            continue
        texts = [line for line in lines if line.strip()]
        if len(texts) > 1:
            hint = "the file has several lines, and one image has one line of text"
            lose(work, path, "bad_line", 2, hint, value=f"{len(texts)} lines")
            continue
        yield FoundText(file=path, text=texts[0] if texts else "", stems=(path.name[: -len(ENDING)],))
