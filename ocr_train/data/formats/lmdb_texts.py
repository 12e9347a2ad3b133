"""Converts recognition labels in LMDB, as PaddleOCR's LMDBDataSet and the benchmarks of MJSynth and SynthText have them.

Keys: `num-samples`, then `image-000000001` and `label-000000001` and so on, from 1: an image file and its text.

LMDB maps its file into memory, and a damaged one may end the process that reads it. So it is read by a child process
(`lmdb_script.py`), whose end is a problem of the file and not ours.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ocr_train.data.formats.conversion import Conversion, ConvertedFolder
from ocr_train.data.formats.crop_texts import FoundText, convert_texts, lose
from ocr_train.data.formats.lmdb_script import ABSENT, END, HEAD
from ocr_train.data.formats.peek import FilePeek
from ocr_train.ocr_engine.files import open_regular

NAME = "data.mdb"
_MAGIC, _PLACE = b"\xde\xc0\xef\xbe", 16


def is_lmdb_texts(peek: FilePeek) -> bool:
    """Whether it is the file of an LMDB, by its name: a damaged one is named as what it is."""
    return peek.path.name == NAME


def _is_lmdb(path: Path) -> bool:
    try:
        with open_regular(path) as stream:
            return stream.read(_PLACE + 4)[_PLACE:] == _MAGIC
    except OSError:
        return False


def convert_lmdb_texts(src: Path, out: Path, *, overwrite: bool = False) -> Conversion:
    """Convert every LMDB under `src` to `out/rec_gt.txt` and `out/crop_img/`; raises as `ConvertedFolder` does."""
    work = ConvertedFolder(src, out, overwrite=overwrite)
    return convert_texts(work, _samples(work), tool="LMDB")


def _samples(work: ConvertedFolder) -> Iterator[FoundText]:
    for path in work.named(NAME):
        if not _is_lmdb(path):
            work.report(path, "unreadable", path.name, "it is not an LMDB, or a damaged one: copy it again")
            work.skipped["file_unreadable"] += 1
            continue
        yield from _read(work, path)


def _read(work: ConvertedFolder, path: Path) -> Iterator[FoundText]:
    program = Path(__file__).with_name("lmdb_script.py")
    child = subprocess.Popen(
        [sys.executable, "-I", str(program), str(path.parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None  # noqa: S101 - it was asked for
    ended = False
    try:
        while (head := child.stdout.read(HEAD.size)) and len(head) == HEAD.size:
            number, image, text = HEAD.unpack(head)
            if number == END:
                ended = True
                if image:
                    hint = "num-samples counts more samples than the file has entries"
                    lose(work, path, "bad_line", 0, hint, value=f"{image} samples", count=image)
                break
            yield from _sample(work, path, number, _part(child.stdout, image), _part(child.stdout, text))
    finally:
        child.stdout.close()
        child.kill()
        child.wait()
    if not ended:
        work.report(path, "unreadable", path.name, "it is damaged, or has no num-samples: copy it again")
        work.skipped["file_unreadable"] += 1


def _part(stream: IO[bytes], length: int) -> bytes | None:
    return None if length == ABSENT else stream.read(length)


def _sample(
    work: ConvertedFolder, path: Path, number: int, image: bytes | None, label: bytes | None
) -> Iterator[FoundText]:
    name = f"{number:09d}"
    if not image or label is None:
        lose(work, path, "crop_without_image", 0, "the sample has no image or no label", value=name)
        return
    try:
        text = label.decode("utf-8")
    except UnicodeDecodeError:
        lose(work, path, "bad_text", 0, "the label is not UTF-8", value=name)
        return
    yield FoundText(file=path, text=text, data=image, name=name)
