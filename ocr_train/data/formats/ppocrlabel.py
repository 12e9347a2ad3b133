"""Converts what PPOCRLabel leaves in a folder to one detection and one recognition set.

PPOCRLabel writes into the folder of the images: `Label.txt` (`<folder>/<image>`, a tab, the JSON of the
boxes), `fileState.txt` (an image's path on the machine where it ran, a tab, 1 for "confirmed"), `rec_gt.txt`
with `crop_img/`, and `Cache.cach`, which holds guesses of its model and is not read. Format: PPOCRLabel 3, as
of 2026.

Dirt that real folders hold: a transcription as a list `["K1976", 0.9]`, `difficult` (which PaddleOCR never
reads; it becomes `###`), paths of a Windows machine, images listed twice, images that are missing.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ocr_train.data.boxes import read_boxes
from ocr_train.data.formats.conversion import (
    Conversion,
    ConversionProblem,
    one_line,
    put_file,
    require_own_folder,
)
from ocr_train.data.formats.source_files import SourceFiles
from ocr_train.data.image_files import UniquePaths, base_name, safe_name, slashed
from ocr_train.data.labels import Box, LabelLine, format_boxes, format_line, shorten
from ocr_train.data.samples import read_samples
from ocr_train.errors import DataError, StorageError
from ocr_train.ocr_engine.files import read_regular


@dataclass(frozen=True, kw_only=True)
class PpocrConversion(Conversion):
    """A conversion with its recognition part.

    `rec_labels` is None where there was no `rec_gt.txt`; `crops` is its number of samples. `confirmed` and
    `unconfirmed` count the images of `Label.txt` by `fileState.txt`; both are 0 where there is none.
    """

    rec_labels: Path | None
    crops: int
    confirmed: int
    unconfirmed: int

    @property
    def samples(self) -> int:
        """Pages and crops."""
        return self.images + self.crops

    @property
    def states(self) -> str:
        """How many images are confirmed."""
        if not (self.confirmed or self.unconfirmed):
            return ""
        return f"{self.confirmed} images are confirmed in PPOCRLabel, {self.unconfirmed} are not"

    @property
    def exported(self) -> tuple[Path, int] | None:
        """What `rec_gt.txt` became."""
        return None if self.rec_labels is None else (self.rec_labels, self.crops)


@dataclass(kw_only=True)
class _Page:
    """One image: `file` as it will be named, where it was `found` (None: nowhere), its boxes."""

    file: str
    found: Path | None
    confirmed: bool
    boxes: list[Box] = field(default_factory=list)


@dataclass(kw_only=True)
class _Work:
    """What a conversion has found so far."""

    src: Path
    out: Path
    overwrite: bool
    source: SourceFiles
    names: UniquePaths = field(default_factory=UniquePaths)
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[ConversionProblem] = field(default_factory=list)

    def report(self, line: LabelLine, kind: str, value: str, hint: str) -> None:
        """Note a problem of one line."""
        self.problems.append(
            ConversionProblem(file=str(line.file), line=line.line, kind=kind, value=shorten(value), hint=hint)
        )

    def read(self, labels: Path) -> list[LabelLine]:
        """The samples of a label file; lines without one are problems."""
        lines, bad = read_samples(labels)
        self.skipped.update(one.kind for one in bad)
        self.problems += [
            ConversionProblem(
                file=str(labels), line=one.line, kind=one.kind, value=one.text, hint="the line was skipped"
            )
            for one in bad
        ]
        return lines

    def place(self, found: Path | None, written: str, top: str) -> str:
        """A free name in the result: `top`, the folders of a file that was found, its own name."""
        folders = () if found is None else found.parent.relative_to(self.src).parts
        name = found.name if found is not None else base_name(written)
        parts = [safe_name(part) for part in (*folders, name)]
        return self.names.take("/".join([top, *parts]))


def convert_ppocrlabel(
    src: Path, out: Path, *, only_confirmed: bool = False, overwrite: bool = False
) -> PpocrConversion:
    """Convert every `Label.txt` and `rec_gt.txt` under `src` to `out/det/` and `out/rec/`.

    Writes `out/det/Label.txt` with `out/det/images/`, and `out/rec/rec_gt.txt` with `out/rec/crop_img/` where
    there is one. Images are found by their path or, from another machine, by their name; one that is nowhere
    under `src` keeps its line and is a problem. An image on several lines gets one with all boxes. With
    `only_confirmed`, images that `fileState.txt` does not confirm are left out.

    Raises `DataError` where `src` holds no `Label.txt` or `rec_gt.txt`, `out` holds `src`, or a file of
    another content exists in `out` and `overwrite` is not set.
    """
    if not src.is_dir():
        raise DataError(f"{src} is not a folder", hint="Give the folder that PPOCRLabel worked in.")
    require_own_folder(src, out)
    src = Path(os.path.abspath(src))  # noqa: PTH100 - resolve() would follow links; folders need their names
    source = SourceFiles(src, out)
    det, rec = source.named("Label.txt"), source.named("rec_gt.txt")
    if not det and not rec:
        raise DataError(
            f"{src} has neither Label.txt nor rec_gt.txt",
            hint="In PPOCRLabel: File, Export Label, and Export Recognition Result.",
        )
    work = _Work(src=src, out=out, overwrite=overwrite, source=source)
    states = _States.read(source.named("fileState.txt"))
    pages = _collect_pages(work, det, states)
    unconfirmed = [page for page in pages if not page.confirmed] if states else []
    if unconfirmed:
        work.problems.append(_unconfirmed_problem(states, len(unconfirmed), len(pages), only_confirmed))
    kept = [page for page in pages if page.boxes and (page.confirmed or not states or not only_confirmed)]
    work.skipped["page_without_boxes"] += sum(not page.boxes for page in pages)
    work.skipped["unconfirmed"] += len(unconfirmed) if only_confirmed else 0
    _write_pages(work, kept)
    crops = _convert_crops(work, rec)
    return PpocrConversion(
        labels=out / "det" / "Label.txt",
        images=len(kept),
        boxes=sum(len(page.boxes) for page in kept),
        skipped=dict(sorted((+work.skipped).items())),
        problems=tuple(work.problems),
        rec_labels=out / "rec" / "rec_gt.txt" if rec else None,
        crops=crops,
        confirmed=len(pages) - len(unconfirmed) if states else 0,
        unconfirmed=len(unconfirmed),
    )


@dataclass(frozen=True, kw_only=True)
class _States:
    """The images that `fileState.txt` confirms: by folder and name, and by name alone."""

    files: tuple[Path, ...]
    full: frozenset[str]
    names: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.files)

    @classmethod
    def read(cls, files: list[Path]) -> _States:
        """Paths are of the machine where PPOCRLabel ran: only their last two parts mean something here."""
        confirmed = [
            line.image for file in files for line in read_samples(file)[0] if line.label.strip() == "1"
        ]
        return cls(
            files=tuple(files),
            full=frozenset(_last_two(image) for image in confirmed),
            names=frozenset(base_name(image) for image in confirmed if "/" not in slashed(image)),
        )

    def confirm(self, image: str) -> bool:
        """Whether an image of `Label.txt` is confirmed."""
        if "/" not in slashed(image):
            return any(base_name(full) == image for full in self.full)
        return _last_two(image) in self.full or base_name(image) in self.names


def _last_two(path: str) -> str:
    return "/".join(slashed(path).rstrip("/").split("/")[-2:])


def _unconfirmed_problem(states: _States, count: int, total: int, left_out: bool) -> ConversionProblem:
    return ConversionProblem(
        file=str(states.files[0]),
        kind="unconfirmed",
        value=f"{count} of {total} images",
        hint="left out, as asked" if left_out else "nobody confirmed these labels in PPOCRLabel; kept anyway",
    )


def _collect_pages(work: _Work, files: list[Path], states: _States) -> list[_Page]:
    pages: dict[object, _Page] = {}
    for line in (line for labels in files for line in work.read(labels)):
        read = read_boxes(line.label)
        work.skipped.update(read.lost)
        for kind, count in read.lost.items():
            value = f"{count} boxes" if kind != "bad_json" else line.label
            work.report(line, kind, value, "skipped: label it again in PPOCRLabel")
        if difficult := read.mended.get("difficult"):
            work.report(
                line, "difficult", f"{difficult} boxes", "they are '###' now, which PaddleOCR ignores"
            )
        found = _find(work.source, line)
        identity: object = found.resolve() if found is not None else _last_two(line.image)
        page = pages.get(identity)
        if page is not None:
            work.report(line, "duplicate_image", line.image, "its boxes went to the image's first line")
        else:
            page = pages[identity] = _Page(
                file=work.place(found, line.image, "images"),
                found=found,
                confirmed=states.confirm(line.image),
            )
            if found is None:
                work.report(line, "image_missing", line.image, "put the image under the source folder")
        page.boxes += [box for box in read.boxes if box not in page.boxes]
    return list(pages.values())


def _find(source: SourceFiles, line: LabelLine) -> Path | None:
    """Paths are relative to the parent of the label file's folder, or to that folder, or foreign."""
    folder = line.file.parent
    return source.find_image(folder.parent, line.image) or source.find_image(folder, line.image)


def _write_pages(work: _Work, pages: list[_Page]) -> None:
    folder = work.out / "det"
    for page in pages:
        _copy(page.found, folder / page.file, work.overwrite)
    text = "".join(format_line(page.file, format_boxes(page.boxes)) for page in pages)
    put_file(folder / "Label.txt", text.encode(), overwrite=work.overwrite)


def _copy(found: Path | None, target: Path, overwrite: bool) -> None:
    if found is None:
        return
    try:
        data = read_regular(found)
    except OSError as exc:
        raise StorageError(f"{found} cannot be read: {exc.strerror}", hint="Check its permissions.") from exc
    put_file(target, data, overwrite=overwrite)


def _convert_crops(work: _Work, files: list[Path]) -> int:
    """Recognition samples: their images with the text as one line; a sample without a text is counted."""
    placed: dict[object, str] = {}
    lines: list[str] = []
    for line in (line for labels in files for line in work.read(labels)):
        text = one_line(line.label)
        if not text:
            work.skipped["crop_without_text"] += 1
            continue
        found = work.source.find_image(line.file.parent, line.image)
        identity: object = found.resolve() if found is not None else (line.file, line.image)
        if identity not in placed:
            placed[identity] = _place_crop(work, line, found)
            _copy(found, work.out / "rec" / placed[identity], work.overwrite)
        lines.append(format_line(placed[identity], text))
    if files:
        put_file(work.out / "rec" / "rec_gt.txt", "".join(lines).encode(), overwrite=work.overwrite)
    return len(lines)


def _place_crop(work: _Work, line: LabelLine, found: Path | None) -> str:
    """`crop_img/<folder of rec_gt.txt>/<name>`, so that equal names in different folders stay apart."""
    if found is None:
        work.report(
            line, "crop_missing", line.image, "export the recognition result again, or cut the crops again"
        )
    folders = line.file.parent.relative_to(work.src).parts
    parts = [safe_name(part) for part in (*folders, base_name(line.image))]
    return work.names.take("/".join(["crop_img", *parts]))
