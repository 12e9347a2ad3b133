"""A data folder of any tool as PaddleOCR's label files; those of other tools are converted."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ocr_train.config.requests import LabelChoices
from ocr_train.data.checks.problems import ERROR, KINDS, Problem
from ocr_train.data.checks.statistics import Example
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.data.difficult import IGNORE
from ocr_train.data.formats.conversion import MISSED, Conversion, conversion_problem
from ocr_train.data.formats.crops import crop
from ocr_train.data.formats.kept_sets import keep_sets
from ocr_train.data.formats.table import FORMATS, PADDLEOCR, detect_formats, format_title, options_for
from ocr_train.data.labels import LabelLine, read_labels
from ocr_train.errors import DataError

_Placed = TypeVar("_Placed", Problem, Example)
_CROP = re.compile(r"(?:[a-z]+/)?crop_img/(.+)_crop_(\d+)\.[^./]+$")


@dataclass(frozen=True, kw_only=True)
class LabelSource:
    """A `folder` that `find_layout` understands, made of `origin`, a folder in `format`.

    `skipped` counts by kind what was left out, `problems` say where. `origins` is where lines of converted
    label files come from, `(file, line)` to a place in the folder that the user knows; empty where nothing
    was converted. `summary` is for people.
    """

    folder: Path
    origin: Path
    format: str
    summary: str = ""
    skipped: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    origins: Mapping[tuple[str, int], str] = field(default_factory=dict)

    @property
    def losses(self) -> tuple[Problem, ...]:
        """The problems that cost samples or boxes."""
        return tuple(problem for problem in self.problems if problem.severity == ERROR)

    @property
    def converted(self) -> bool:
        """Whether the label files are ours and not the user's."""
        return self.format != PADDLEOCR

    @property
    def knows_better(self) -> bool:
        """Whether lines have other places than those in the label files that are read."""
        return bool(self.origins)

    def place(self, file: str, line: int) -> tuple[str, int]:
        """The place that the user knows for a line of a label file (0: the whole file); its line is 0 where it has none."""
        origin = self.origins.get((file, line))
        return (origin, 0) if origin else (file, line)

    def title(self, file: str) -> str:
        """What the label file is called in a table of all."""
        return f"{self.origin} ({format_title(self.format)})" if self.origins else file

    def shown(self, file: str, value: str) -> str:
        """`value` of a problem in that label file as the user has it."""
        return value

    def told(self) -> set[str]:
        """The kinds of problems of the check that the conversion has told already, with a better place."""
        kinds = {problem.kind for problem in self.problems}
        return {kind for kind, own in _TOLD_BY.items() if own & kinds}

    def choices_for(self, choices: LabelChoices) -> LabelChoices:
        """`choices` for the label files of `folder`: paths in converted ones are ours, and right as they are."""
        return dataclasses.replace(choices, images="", strip="") if self.converted else choices


def as_paddleocr(
    folder: Path,
    task: str,
    work: Path,
    *,
    source_format: str = "auto",
    options: Mapping[str, object] | None = None,
) -> LabelSource:
    """Give `folder` as PaddleOCR's labels for `task`; what has to be converted is written to the folder `work`.

    `source_format` is "auto", "paddleocr" or a name of the table of formats, `options` are those of its row. For
    recognition boxes are cut out; crops that the tool has exported itself are taken as they are. Problems are
    collected, not raised; `DataError` where there is nothing to convert, or where it cannot give labels for `task`;
    `ConfigError` for an option of another format.
    """
    if source_format == "auto":
        # What PPOCRLabel exports of tables and KIE is in PaddleOCR's own format.
        found, *others = (PADDLEOCR,) if task in ("table", "kie") else detect_formats(folder)
    else:
        found, others = source_format, []
    given = options_for(found, options or {}, folder)
    if found == PADDLEOCR:
        return LabelSource(folder=folder, origin=folder, format=found)
    if task not in ("det", "rec"):
        raise DataError(
            f"{folder} is {format_title(found)}'s, which says nothing about {task!r} labels.",
            hint="Give PaddleOCR labels: image path, a tab, the class.",
        )
    done = FORMATS[found].convert(folder, work / "pages", **given)
    done = dataclasses.replace(done, problems=(*_of_others(folder, found, others), *done.problems))
    source = LabelSource(
        folder=done.labels.parent,
        origin=folder,
        format=found,
        summary=f"{done.images} images with {done.boxes} boxes{done.states and f' ({done.states})'}",
        skipped=done.skipped,
        problems=done.problems,
    )
    if task == "det" and done.crops and not done.images:
        raise DataError(
            f"{folder} has {done.crops} texts of {format_title(found)} and no boxes.",
            hint="It is for recognition: a rec model, --task rec.",
        )
    # The tool's own crops know nothing of which boxes and pages are left out.
    chosen = given.get("only_confirmed") or given.get("difficult") == IGNORE
    if task == "rec" and done.rec_labels is not None and done.crops and not (chosen and done.images):
        own = done.rec_labels
        # Where the tool has boxes, too, their problems are not those of its crops.
        about = own.name if done.images else ""
        return dataclasses.replace(
            source,
            folder=own.parent,
            summary=f"{done.crops} crops of {own.name}" if about else f"{done.crops} images with text",
            problems=tuple(one for one in done.problems if one.file.endswith(about)),
            origins=_all_origins(keep_sets(own), folder),
        )
    return _finish(source, done, task, work)


def _of_others(folder: Path, found: str, others: Iterable[str]) -> Iterable[Problem]:
    """That files of other tools are there, too, which are passed over."""
    for name in others:
        hint = f"{format_title(found)}'s are taken; to take these, name them (--from {name}), or move the others away"
        yield conversion_problem(folder, "other_tool", f"files of {format_title(name)}", hint)


def _finish(source: LabelSource, done: Conversion, task: str, work: Path) -> LabelSource:
    """The source with places for its lines; for recognition, with the boxes cut out first."""
    labels, folder = done.labels, source.origin
    if done.rec_labels is not None and done.rec_labels != labels:
        unused = done.rec_labels.name
        source = dataclasses.replace(
            source, problems=tuple(one for one in done.problems if not one.file.endswith(unused))
        )
    if not labels.stat().st_size:
        reasons = "".join(f"\n  {one.file}: {one.kind}: {one.hint}" for one in source.problems[:10])
        what = "its text" if done.rec_labels == labels else "boxes"
        raise DataError(f"{folder} has no image with {what}.{reasons}", hint="Fix the labels in the tool.")
    if task == "det":
        return dataclasses.replace(source, origins=_all_origins(keep_sets(labels), folder))
    files = keep_sets(labels)
    cut = _cut(files, work / "cut")
    if not cut.crops:
        why = next((f" {one.value}: {one.hint}." for one in done.problems if one.kind == "class_names"), "")
        raise DataError(
            f"{folder} has {source.summary}, and none gave a crop: {dict(cut.skipped)}.{why}",
            hint="Recognition needs boxes with their text. Where it is taken from, and the options --text-from and --text-key: "
            "docs/data.md, Labels of other tools.",
        )
    return dataclasses.replace(
        source,
        folder=work / "cut",
        summary=f"{source.summary}, cut out as {cut.crops} crops",
        skipped={**source.skipped, **{f"box_{kind}": count for kind, count in sorted(cut.skipped.items())}},
        problems=(*source.problems, *_of_pages(cut.problems, _all_origins(files, folder))),
        origins=_all_origins(cut.labels, folder),
    )


@dataclass(kw_only=True)
class _Cut:
    """The crops of one or several sets of pages."""

    labels: list[Path] = field(default_factory=list)
    crops: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)


def _cut(files: Sequence[Path], out: Path) -> _Cut:
    """Cut the boxes of label files out; those of several sets into a folder each, with a label file each in `out`."""
    made = _Cut()
    for labels in files:
        place = out / labels.stem if len(files) > 1 else out
        one = crop(labels, place, workers=os.cpu_count() or 1)
        made.crops += one.crops
        made.skipped.update(one.skipped)
        made.problems += one.problems
        if place == out:
            made.labels.append(one.labels)
            continue
        lines = one.labels.read_text(encoding="utf-8").split("\n")
        text = "".join(f"{labels.stem}/{line}\n" for line in lines if line)
        made.labels.append(out / labels.name)
        made.labels[-1].write_text(text, encoding="utf-8", newline="\n")
        one.labels.unlink()
    return made


def _of_pages(problems: Iterable[Problem], pages: Mapping[tuple[str, int], str]) -> Iterable[Problem]:
    """What cutting found, by the user's pages; that an image is missing was reported in converting already."""
    for one in problems:
        if one.kind != "image_missing":
            yield dataclasses.replace(one, file=pages.get((one.file, one.line), one.file), line=0)


def _all_origins(files: Iterable[Path], folder: Path) -> dict[tuple[str, int], str]:
    return {place: origin for labels in files for place, origin in _origins(labels, folder).items()}


def _origins(labels: Path, folder: Path) -> dict[tuple[str, int], str]:
    """The place of each line as the source has it: its image, and for a crop its page and box."""
    return {
        (str(labels), line.line): _origin(line.image, folder)
        for line in read_labels(labels)
        if isinstance(line, LabelLine)
    }


def _origin(image: str, folder: Path) -> str:
    crop_of = _CROP.match(image)
    if crop_of:
        return f"{folder / crop_of[1]}, box {crop_of[2]}"
    return str(folder / image.partition("/")[2])


_TOLD_BY = {"image_missing": MISSED, "empty_text": frozenset({"no_text", "class_names"})}
"""What the check of the labels would say once more, by the kinds of a conversion that say it."""


def map_to_source_lines(report: ValidationReport, source: LabelSource) -> ValidationReport:
    """`report` with places that the user knows, where the label files are only ours.

    What the conversion has told already, with a better place, is not reported again.
    """
    if not source.knows_better:
        return report
    again = source.told()
    problems = tuple(
        _moved(_other_moved(problem, source), source)
        for problem in report.problems
        if problem.kind not in again
    )
    counts = {kind: count for kind, count in report.counts.items() if kind not in again}
    errors = report.errors - sum(
        report.counts.get(kind, 0) for kind in again if KINDS[kind].severity(report.task) == ERROR
    )
    examples = [_moved(one, source) for one in report.statistics.examples if one.kind not in again]
    outside = {
        character: dataclasses.replace(found, lines=[source.place(*where) for where in found.lines])
        for character, found in report.statistics.outside.items()
    }
    lines: Counter[str] = Counter()
    for file, count in report.statistics.lines.items():
        lines[source.title(file)] += count
    statistics = dataclasses.replace(report.statistics, lines=lines, examples=examples, outside=outside)
    return dataclasses.replace(report, problems=problems, counts=counts, errors=errors, statistics=statistics)


def _other_moved(problem: Problem, source: LabelSource) -> Problem:
    """The problem with its value, and the other place that its hint names, as users know them."""
    problem = dataclasses.replace(problem, value=source.shown(problem.file, problem.value))
    if problem.other is None:
        return problem
    file, line = source.place(*problem.other)
    known = f"{file}:{line}" if line else file
    # With the name that our copy of its image has.
    written = re.escape(f"{problem.other[0]}:{problem.other[1]}") + r"(?: '[^']*')?"
    return dataclasses.replace(
        problem, hint=re.sub(written, lambda _: known, problem.hint, count=1), other=(file, line)
    )


def _moved(found: _Placed, source: LabelSource) -> _Placed:
    file, line = source.place(found.file, found.line)
    return dataclasses.replace(found, file=file, line=line)
