"""Converts what PPOCRLabel leaves in a folder to one detection and one recognition set.

PPOCRLabel writes into the folder of the images: `Label.txt` (`<folder>/<image>`, a tab, the JSON of the
boxes), `fileState.txt` (an image's path on the machine where it ran, a tab, 1 for "confirmed"), `rec_gt.txt`
with `crop_img/`, and `Cache.cach`, which holds guesses of its model and is not read. Format: PPOCRLabel 3, as
of 2026.

Dirt that real folders hold: a transcription as a list `["K1976", 0.9]`, `difficult` (which PaddleOCR never
reads: `ocr_train.data.difficult`), paths of a Windows machine, images listed twice, images that are missing, outlines that
cross themselves or leave the image.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.data.boxes import BoxList, read_boxes
from ocr_train.data.checks.label_file import whole_file_problem
from ocr_train.data.difficult import AUTO
from ocr_train.data.files.image_files import base_name, slashed
from ocr_train.data.formats.conversion import (
    CLIPPED_HINT,
    MENDED_HINT,
    Conversion,
    ConvertedFolder,
    FolderOptions,
    difficult_note,
    one_line,
)
from ocr_train.data.formats.page_image import PageImage, fit_image, read_image_bytes
from ocr_train.data.formats.regions import NoRegion, mend_region
from ocr_train.data.labels import Box, LabelLine, format_line
from ocr_train.data.samples import read_samples
from ocr_train.errors import DataError, StorageError
from ocr_train.ocr_engine.files import read_regular

if TYPE_CHECKING:
    from typing_extensions import Unpack

_NOTES = {"clipped": CLIPPED_HINT, "mended": MENDED_HINT}


@dataclass(kw_only=True)
class _Page:
    """One image: `file` as it will be named, where it was `found` (None: nowhere), its size, its boxes, those of earlier lines in `known`, too."""

    file: str
    found: Path | None
    size: tuple[int, int] | None
    confirmed: bool
    boxes: list[Box] = field(default_factory=list)
    known: set[Box] = field(default_factory=set)


def convert_ppocrlabel(
    src: Path,
    out: Path,
    *,
    only_confirmed: bool = False,
    difficult: str = AUTO,
    overwrite: bool = False,
    **folder: Unpack[FolderOptions],
) -> Conversion:
    """Convert every `Label.txt` and `rec_gt.txt` under `src` to `out/det/` and `out/rec/`.

    Writes `out/det/Label.txt` with `out/det/images/`, and `out/rec/rec_gt.txt` with `out/rec/crop_img/` where
    there is one. Images are found by their path or, from another machine, by their name; one that is nowhere
    under `src` keeps its line and is a problem. An image on several lines gets one with all boxes. With
    `only_confirmed`, images that `fileState.txt` does not confirm are left out. `difficult` says what becomes of
    boxes with that key.

    Raises `DataError` where `src` holds no `Label.txt` or `rec_gt.txt`, `out` holds `src`, or a file of
    another content exists in `out` and `overwrite` is not set.
    """
    src = Path(os.path.abspath(src))  # noqa: PTH100 - resolve() would follow links; folders need their names
    work = ConvertedFolder(src, out, overwrite=overwrite, **folder)
    det, rec, states = work.named("Label.txt"), work.named("rec_gt.txt"), work.named("fileState.txt")
    if not det and not rec:
        raise DataError(
            f"{src} has neither Label.txt nor rec_gt.txt",
            hint="In PPOCRLabel: File, Export Label, and Export Recognition Result.",
        )
    confirmed = _Confirmed(line.image for line in _read(work, states) if line.label.strip() == "1")
    pages = _collect_pages(work, det, confirmed, difficult)
    unconfirmed = [page for page in pages if not page.confirmed] if states else []
    if unconfirmed:
        kept_anyway = "nobody confirmed these labels in PPOCRLabel; kept anyway"
        hint = "left out, as asked" if only_confirmed else kept_anyway
        work.report(states[0], "unconfirmed", f"{len(unconfirmed)} of {len(pages)} images", hint)
    wanted = [page for page in pages if page.boxes or work.empty_pages]
    kept = [page for page in wanted if page.confirmed or not states or not only_confirmed]
    work.skipped["page_without_boxes"] += len(pages) - len(wanted)
    work.skipped["unconfirmed"] += len(unconfirmed) if only_confirmed else 0
    for page in kept:
        _copy(work, page.found, f"det/{page.file}")
    labels = work.put_labels("det/Label.txt", ((page.file, page.boxes) for page in kept))
    return Conversion(
        labels=labels,
        images=len(kept),
        boxes=sum(len(page.boxes) for page in kept),
        crops=_convert_crops(work, rec),
        skipped=dict(sorted((+work.skipped).items())),
        problems=tuple(work.problems),
        rec_labels=out / "rec" / "rec_gt.txt" if rec else None,
        confirmed=len(pages) - len(unconfirmed) if states else 0,
        unconfirmed=len(unconfirmed),
    )


def _read(work: ConvertedFolder, files: Iterable[Path]) -> Iterator[LabelLine]:
    """The samples of label files; lines without one are problems."""
    for labels in files:
        whole = whole_file_problem(labels)
        if whole is not None:
            work.report(labels, whole[0].kind, labels.name, whole[0].hint)
            work.skipped["file_unreadable"] += 1
            continue
        lines, bad = read_samples(labels)
        work.skipped.update(one.kind for one in bad)
        for one in bad:
            work.report(labels, one.kind, one.text, "the line was skipped", one.line)
        yield from lines


class _Confirmed:
    """The images that `fileState.txt` confirms, whose paths are of another machine."""

    def __init__(self, images: Iterable[str]) -> None:
        self._ends = {_last_two(image) for image in images}
        self._names = {base_name(end) for end in self._ends}

    def __contains__(self, image: str) -> bool:
        """Whether an image of `Label.txt` is among them."""
        if "/" not in slashed(image):
            return image in self._names
        return _last_two(image) in self._ends or base_name(image) in self._ends


def _last_two(path: str) -> str:
    return "/".join(slashed(path).rstrip("/").split("/")[-2:])


def _collect_pages(
    work: ConvertedFolder, files: Iterable[Path], confirmed: _Confirmed, difficult: str
) -> list[_Page]:
    pages: dict[object, _Page] = {}
    hard: list[tuple[LabelLine, int]] = []
    for line in _read(work, files):
        read = read_boxes(line.label, difficult=difficult)
        hard += [(line, read.difficult)] if read.difficult else []
        # Paths are relative to the parent of the label file's folder, or to that folder, or foreign.
        folder = line.file.parent
        found = work.find_image(folder.parent, line.image) or work.find_image(folder, line.image)
        identity: object = found.resolve() if found is not None else _last_two(line.image)
        page = pages.get(identity)
        if page is not None:
            _report(work, line, "duplicate_image", line.image, "its boxes went to the image's first line")
        else:
            name = found.name if found else base_name(line.image)
            page = pages[identity] = _Page(
                file=work.place("images", found and found.parent, name),
                found=found,
                size=_size(found),
                confirmed=line.image in confirmed,
            )
            if found is None:
                _report(work, line, "image_missing", line.image, "put the image under the source folder")
        boxes = _boxes(work, line, read, page.size)
        page.boxes += [box for box in boxes if box not in page.known]
        page.known.update(boxes)
    if hard:
        work.problems.append(difficult_note(hard, difficult))
    return list(pages.values())


def _boxes(work: ConvertedFolder, line: LabelLine, read: BoxList, size: tuple[int, int] | None) -> list[Box]:
    """The boxes of a line, as the check of labels takes them; what cannot be used is counted."""
    boxes: list[Box] = []
    lost, notes = Counter(read.lost), Counter[str]()
    for box in read.boxes:
        try:
            region = mend_region(box.points, size)
        except NoRegion as exc:
            lost[exc.reason] += 1
        else:
            boxes.append(replace(box, points=region.points))
            notes.update(region.notes)
    work.skipped.update(lost)
    for kind, count in lost.items():
        value = f"{count} boxes" if kind != "bad_json" else line.label
        _report(work, line, kind, value, "skipped: label it again in PPOCRLabel")
    for kind, count in sorted(notes.items()):
        _report(work, line, kind, f"{count} boxes", _NOTES[kind])
    return boxes


def _size(found: Path | None) -> tuple[int, int] | None:
    """The size in which OpenCV, and so PPOCRLabel, shows an image; None where there is none that can be read."""
    image = None if found is None else fit_image(read_image_bytes(found), None)
    return (image.width, image.height) if isinstance(image, PageImage) else None


def _report(work: ConvertedFolder, line: LabelLine, kind: str, value: str, hint: str) -> None:
    work.report(line.file, kind, value, hint, line.line)


def _copy(work: ConvertedFolder, found: Path | None, name: str) -> None:
    if found is None:
        return
    try:
        data = read_regular(found)
    except OSError as exc:
        raise StorageError(f"{found} cannot be read: {exc.strerror}", hint="Check its permissions.") from exc
    work.put(name, data)


def _convert_crops(work: ConvertedFolder, files: list[Path]) -> int:
    """Recognition samples: their images with the text as one line; a sample without a text is counted.

    Crops go to `crop_img/<folder of rec_gt.txt>/<name>`, so that equal names in different folders stay apart.
    """
    placed: dict[object, str] = {}
    lines: list[str] = []
    for line in _read(work, files):
        text = one_line(line.label)
        if not text:
            work.skipped["crop_without_text"] += 1
            continue
        folder = line.file.parent
        found = work.find_image(folder, line.image)
        identity: object = found.resolve() if found is not None else (line.file, line.image)
        if identity not in placed:
            if found is None:
                hint = "export the recognition result again, or cut the crops again"
                _report(work, line, "crop_missing", line.image, hint)
            placed[identity] = work.place("crop_img", folder, base_name(line.image))
            _copy(work, found, f"rec/{placed[identity]}")
        lines.append(format_line(placed[identity], text))
    if files:
        work.put("rec/rec_gt.txt", "".join(lines).encode())
    return len(lines)
