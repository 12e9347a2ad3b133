"""What follows from a report: stop, or train on the rest; and the clean label file that the trainer reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ocr_train.atomic_files import whole_file
from ocr_train.data.checks.detection import parse_boxes
from ocr_train.data.checks.problems import ERROR, KINDS, Problem
from ocr_train.data.checks.recognition import text_for_trainer
from ocr_train.data.checks.statistics import BadLines
from ocr_train.data.checks.validate import ValidationReport
from ocr_train.data.labels import BadLine, LabelLine, format_boxes, format_line, read_labels
from ocr_train.errors import ConfigError, DataError
from ocr_train.ocr_engine.files import open_regular
from ocr_train.ocr_engine.settings import TASKS

STOP = "stop"
QUARANTINE = "quarantine"
POLICIES = (STOP, QUARANTINE)


def apply_policy(report: ValidationReport, on_bad_sample: str = STOP) -> int:
    """Decide what bad samples mean; the number of lines in quarantine comes back, 0 for none.

    Raises `DataError` with the first problems where `on_bad_sample` is "stop" and there are errors, or where
    nothing would be left of a file; also for errors that are of no line (an empty file, a broken dictionary),
    since no quarantine helps against those. `ConfigError` for another policy.
    """
    if on_bad_sample not in POLICIES:
        raise ConfigError(f"on_bad_sample is {on_bad_sample!r}", hint=f"one of {', '.join(POLICIES)}")
    if not report.errors:
        return 0
    if on_bad_sample == STOP:
        hint = "fix the lines, or train on the rest with on_bad_sample=quarantine"
        raise DataError(f"bad samples in the labels: {report.summary()}", hint=hint)
    whole = [problem for problem in report.problems if _is_of_no_sample(problem)]
    if whole:
        places = "\n".join(f"{problem.file}: {problem.kind}: {problem.hint}" for problem in whole)
        raise DataError(f"quarantine does not help here:\n{places}", hint="fix these first")
    for file, lines in report.statistics.lines.items():
        if sum(1 for _ in report.bad_lines.of(file)) >= lines:
            raise DataError(f"no good sample is left in {file}: {report.summary()}", hint="fix the file")
    return len(report.bad_lines)


def _is_of_no_sample(problem: Problem) -> bool:
    return problem.severity == ERROR and (problem.line == 0 or problem.kind.startswith("dict_"))


def write_clean(label_file: Path, out: Path, bad_lines: BadLines, task: str) -> int:
    """Write the copy of `label_file` that the trainer reads, and give back how many lines it has.

    It has no BOM, no CRLF, no blank lines and no spaces around texts; boxes run clockwise. Left out are lines
    in `bad_lines`, lines that hold no sample, and in detection images without boxes. It is written to a
    temporary name first and then put in place of `out`.
    """
    if task not in TASKS:
        raise ConfigError(f"unknown task {task!r}", hint=f"one of {', '.join(TASKS)}")
    file = str(label_file)
    kept = 0
    with replacing(out) as clean:
        for entry in read_labels(label_file):
            if isinstance(entry, BadLine) or (file, entry.line) in bad_lines:
                continue
            label = _clean_label(entry, task)
            if label:
                clean.write(format_line(entry.image, label))
                kept += 1
    return kept


def _clean_label(entry: LabelLine, task: str) -> str:
    """The fixed label, empty where there is nothing to train on."""
    if task != "det":
        return text_for_trainer(entry.label)
    boxes, findings = parse_boxes(entry.label)
    if not boxes or any(KINDS[finding.kind].severity(task) == ERROR for finding in findings):
        return ""
    return format_boxes(boxes)


def write_quarantine(label_files: Sequence[Path], out: Path, bad_lines: BadLines) -> int:
    """List every bad line as `file:line<tab>kind<tab>the line as it was`; the number of lines comes back.

    `kind` is the first error that was found; the report has them all.
    """
    with replacing(out) as listing:
        count = 0
        for path in label_files:
            for line, kind, text in _bad_texts(path, bad_lines.of(str(path))):
                listing.write(f"{path}:{line}\t{kind}\t{text}\n")
                count += 1
    return count


def _bad_texts(path: Path, bad: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    kinds = iter(bad)
    line, kind = next(kinds, (-1, ""))
    with open_regular(path) as raw_lines:
        for number, raw in enumerate(raw_lines, start=1):
            if number == line:
                yield line, kind, raw.decode("utf-8", "replace").rstrip("\r\n").lstrip("\ufeff")
                line, kind = next(kinds, (-1, ""))


@contextmanager
def replacing(out: Path) -> Iterator[TextIO]:
    """A text file that appears as `out` only when it is whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    # What JSON can spell but UTF-8 cannot write (lone surrogates) becomes "?".
    with whole_file(out) as part, part.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        yield file
