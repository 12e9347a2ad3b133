"""Pictures of one text each, of any tool: what a format's reader finds, and how it becomes recognition labels.

reader of a format -> FoundText, one by one -> OUT/rec_gt.txt, OUT/crop_img/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.data.files.image_files import image_suffix
from ocr_train.data.formats.conversion import IMAGE_NOT_FOUND, Conversion, ConvertedFolder, one_line
from ocr_train.data.formats.page_image import read_image_bytes
from ocr_train.data.labels import format_line
from ocr_train.errors import DataError


@dataclass(frozen=True, kw_only=True)
class FoundText:
    """One sample: `file` and `line` where its `text` is; its image, as `written` or by its possible `stems`, or as `data`
    that is to be called `name`."""

    file: Path
    text: str
    line: int = 0
    written: str = ""
    stems: Sequence[str] = ()
    data: bytes | None = None
    name: str = ""


def convert_texts(work: ConvertedFolder, samples: Iterable[FoundText], *, tool: str) -> Conversion:
    """Write all samples; raises `DataError` where a reader found none of the tool's and nothing to say of that."""
    lines: list[str] = []
    placed: dict[Path, str] = {}
    count = 0
    for sample in samples:
        count += 1
        text = one_line(sample.text)
        if text is None:
            lose(work, sample.file, "bad_text", sample.line, "the text is not Unicode")
        elif not text:
            work.skipped["crop_without_text"] += 1
        elif (name := _place(work, sample, placed)) is not None:
            lines.append(format_line(name, text))
    if not count and not work.problems:
        raise DataError(
            f"{work.src} has no file of {tool}",
            hint="Give the folder with the labels and their images; `convert auto` finds the tool.",
        )
    work.put("rec_gt.txt", "".join(lines).encode())
    labels = work.out / "rec_gt.txt"
    return Conversion(
        labels=labels,
        rec_labels=labels,
        images=0,
        boxes=0,
        crops=len(lines),
        skipped=dict(sorted((+work.skipped).items())),
        problems=tuple(work.problems),
    )


def lose(
    work: ConvertedFolder, file: Path, kind: str, line: int, hint: str, *, value: object = "", count: int = 1
) -> None:
    """Count samples that give none here, and say why."""
    work.skipped[kind] += count
    work.report(file, kind, value, f"skipped: {hint}", line)


def _place(work: ConvertedFolder, sample: FoundText, placed: dict[Path, str]) -> str | None:
    """The sample's image in the result; None, and a problem, where there is none."""
    if sample.data is not None:
        name = work.place(
            "crop_img", sample.file.parent, f"{sample.name}{image_suffix(sample.data) or '.jpg'}"
        )
        work.put(name, sample.data)
        return name
    folder = sample.file.parent
    found = work.find_image(folder, sample.written) if sample.written else None
    found = found or work.find_by_stem(folder, sample.stems)
    if found is None:
        value = sample.written or next(iter(sample.stems), "")
        lose(work, sample.file, "crop_without_image", sample.line, IMAGE_NOT_FOUND, value=value)
        return None
    identity = found.resolve()
    if identity not in placed:
        placed[identity] = work.place("crop_img", found.parent, found.name)
        work.put(placed[identity], read_image_bytes(found))
    return placed[identity]
