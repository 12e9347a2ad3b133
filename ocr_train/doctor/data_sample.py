"""The data: label files are found, and a few of their samples are read through the checks of a training."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from ocr_train.config.requests import DataRequest
from ocr_train.data.checks.rules import is_checked
from ocr_train.data.checks.validate import validate
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.data.files.archive_source import is_archive_path
from ocr_train.data.for_training import label_rules_for
from ocr_train.data.formats.converted import as_paddleocr
from ocr_train.data.labels import format_sample
from ocr_train.data.layout import Layout, find_layout
from ocr_train.data.samples import image_names, read_samples
from ocr_train.data.table_files import place_tables
from ocr_train.doctor.rows import CheckRow, fine, problem
from ocr_train.errors import DataError, OcrTrainError
from ocr_train.ocr_engine.files import open_regular

SUBJECT = "data"
SAMPLES = 64
"""Of each label file."""
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class DataFound:
    """What was found of the data: `train` and `val` count their samples, 0 where that is not known; `about` says that they
    were not counted to the end. `layout` has the first samples of each label file, on this machine. `has_val` says that label
    files are for validation; `parts` are the training samples of several sources."""

    rows: tuple[CheckRow, ...]
    train: int = 0
    val: int = 0
    about: bool = False
    layout: Layout | None = None
    has_val: bool = False
    parts: tuple[int, ...] = ()


def look_at_folder(request: DataRequest, folder: Path, work: Path) -> DataFound:
    """Read the first samples of each label file in `folder`; what has to be written is written to `work`."""
    if not is_checked(request.task, request.trainer):
        return DataFound(
            rows=(fine(SUBJECT, f"{folder}: labels of {request.task!r} models are not checked"),)
        )
    if is_archive_path(folder):
        return DataFound(rows=(fine(SUBJECT, f"{folder}: an archive; a training unpacks and checks it"),))
    try:
        source = as_paddleocr(folder, request.task, work / "converted", options=request.choices.of_formats)
        layout = find_layout(source.folder, request.task, source.choices_for(request.choices))
        heads = _heads(layout, work / "heads")
        if request.task == "table":
            heads, _ = place_tables(heads, source, work / "tables", lambda _: None)
        report = _check(request, heads)
    except OcrTrainError as exc:
        return DataFound(rows=(problem(SUBJECT, exc),))
    counts = [sum(map(_count, files)) for files in (layout.train, layout.val)]
    has_val = bool(layout.val)
    if not counts[1]:
        held = round(counts[0] * request.val_fraction)
        counts = [counts[0] - held, held]
    said = f"{folder}: {counts[0]} samples to train on, {counts[1]} to validate"
    return DataFound(
        rows=(_report_row(report, said, layout),),
        train=counts[0],
        val=counts[1],
        layout=heads,
        has_val=has_val,
    )


def copy_samples(layout: Layout, out: Path, *, train: int, val: int) -> int:
    """Make `out` a data folder of the first samples; where there are fewer, they are repeated. How many different ones
    there are to train on, 0 where none can be read."""
    found = 0
    for name, files, count in (("train", layout.train, train), ("val", layout.val or layout.train, val)):
        lines = [line for file in files for line in read_samples(file)[0]]
        kept: list[str] = []
        for line in lines:
            if len(kept) < count and _copy_images(image_names(line.image), layout.images, out):
                kept.append(format_sample(line))
        if not kept:
            return 0
        found = found or len(kept)
        repeated = [kept[number % len(kept)] for number in range(count)]
        (out / f"{name}.txt").write_text("".join(repeated), encoding="utf-8")
    if layout.dictionary is not None:
        shutil.copyfile(layout.dictionary, out / "dict.txt")
    return found


def _copy_images(names: Sequence[str], images: Path, out: Path) -> bool:
    for name in names:
        if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
            return False
        target = out / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(images / name, target)
        except OSError:
            return False
    return True


def _heads(layout: Layout, out: Path) -> Layout:
    """The same layout with the first lines of each label file."""
    out.mkdir(parents=True)

    def head(path: Path) -> Path:
        with open_regular(path) as stream:
            (out / path.name).write_bytes(b"".join(islice(stream, SAMPLES)))
        return out / path.name

    return Layout(
        images=layout.images,
        train=tuple(map(head, layout.train)),
        val=tuple(map(head, layout.val)),
        dictionary=layout.dictionary,
        strip=layout.strip,
    )


def _check(request: DataRequest, heads: Layout) -> ValidationReport:
    rules, known = label_rules_for(request, heads)
    return validate((*heads.train, *heads.val), heads.paths, rules, held=heads.val, known=known)


def _report_row(report: ValidationReport, said: str, layout: Layout) -> CheckRow:
    read = f"the first {report.labels} were read"
    if not report.errors:
        return fine(SUBJECT, f"{said}; {read}, without an error")
    places = {path.name: str(path) for path in (*layout.train, *layout.val)}
    errors = [one for one in report.problems if one.severity == "error"]
    shown = [
        f"{places.get(Path(one.file).name, one.file)}:{one.line}: {one.kind} {one.value!r}: {one.hint}"
        for one in errors[:_SHOWN]
    ]
    more = f"; and {report.errors - len(shown)} more" if report.errors > len(shown) else ""
    return problem(
        SUBJECT,
        DataError(
            f"{said}; {read}, with {report.errors} errors: {'; '.join(shown)}{more}",
            hint="`python -m ocr_train validate` lists all of them; on_bad_sample=quarantine trains on the rest.",
        ),
    )


def _count(path: Path) -> int:
    with open_regular(path) as stream:
        return sum(1 for line in stream if line.strip())
