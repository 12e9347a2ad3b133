"""What follows from a check: what is written down, stop or train on the rest, and the label file that the trainer reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from ocr_train.atomic_files import whole_file, write_bytes
from ocr_train.config.requests import LabelChoices
from ocr_train.data.checks.detection import parse_boxes
from ocr_train.data.checks.json_trouble import is_json_like
from ocr_train.data.checks.kie import kie_for_trainer
from ocr_train.data.checks.listing import LISTED, list_problems
from ocr_train.data.checks.problems import ERROR, KINDS, BadLines, Problem
from ocr_train.data.checks.recognition import text_for_trainer
from ocr_train.data.checks.report import write_html
from ocr_train.data.checks.validation_report import ValidationReport, problem_json
from ocr_train.data.files.image_paths import ImagePaths
from ocr_train.data.formats.converted import LabelSource
from ocr_train.data.formats.table import format_title
from ocr_train.data.formats.unknown import looks_like
from ocr_train.data.labels import (
    IGNORED_TRANSCRIPTIONS,
    BadLine,
    Box,
    LabelLine,
    format_boxes,
    format_sample,
    read_labels,
)
from ocr_train.data.spelling import spelled
from ocr_train.errors import DataError
from ocr_train.ocr_engine.files import open_regular
from ocr_train.run import Echo

STOP = "stop"
_NEARLY_ALL = 0.9


def echo_source(source: LabelSource, echo: Echo) -> None:
    """Say what a conversion made of the data, and what it left out."""
    if source.converted:
        echo(f"source: {format_title(source.format)}, {source.summary}")
        if source.skipped:
            echo(f"skipped: {counts_text(source.skipped)}")


def counts_text(counts: Mapping[str, int]) -> str:
    """`4 page_without_image, 3 point`: the largest first."""
    return ", ".join(
        f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def write_findings(folder: Path, shown: ValidationReport, source: LabelSource, images: Path) -> None:
    """problems.json in the shape of `validate --json`, the conversion's problems among them; report.html."""
    content = {
        **shown.to_json(),
        "problems": [problem_json(problem) for problem in (*source.problems, *shown.problems)],
        "counts": all_counts(shown, source),
    }
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    write_bytes(folder / "problems.json", text.encode("utf-8", "replace"))
    write_html(shown, images, folder / "report.html")


def all_counts(shown: ValidationReport, source: LabelSource) -> dict[str, int]:
    """How many problems there are of each kind, the conversion's among them."""
    return dict(Counter(shown.counts) + Counter(problem.kind for problem in source.problems))


def decide_on_findings(
    report: ValidationReport, shown: ValidationReport, source: LabelSource, on_bad_sample: str, echo: Echo
) -> int:
    """How many samples are left out; `DataError` with all problems where bad ones are to stop everything."""
    if on_bad_sample == STOP and (report.errors or source.losses):
        lines = ["bad samples in the data:", *list_problems(source.losses), shown.summary(LISTED)]
        raise DataError("\n".join(lines), hint=_hint(report, source))
    for line in list_problems(source.problems):
        echo(f"  {line}")
    echo(f"checked: {shown.summary(LISTED)}")
    return count_quarantined(report, source)


def _hint(report: ValidationReport, source: LabelSource) -> str:
    errors = [problem for problem in report.problems if problem.severity == ERROR]
    if common := common_trouble(report):
        return common
    if (
        not source.converted
        and report.counts.get("no_tab", 0) > report.labels * 0.9
        and (look := looks_like(source.folder))
    ):
        return f"These are not PaddleOCR's labels (image, tab, label):{look}"
    missing = report.counts.get("image_missing", 0)
    if not source.converted and missing > report.labels * _NEARLY_ALL:
        return (
            f"{missing} of {report.labels} lines name an image that was not found: name the images' folder (--images FOLDER, "
            "-P images=FOLDER), or put them where the paths say."
        )
    if all(map(is_of_no_sample, errors)) and errors and not source.losses:
        return "Fix them: they are of whole files, and no line of those is a sample."
    if report.labels and len(report.bad_lines) >= report.labels:
        return "Fix them: no line is without an error."
    rest = "Fix them, or continue with the rest: --on-bad-sample quarantine (-P on_bad_sample=quarantine)"
    return f"{rest}\n{_LEAKS}" if "leak" in report.counts else rest


_LEAKS = (
    "Images in training and in validation: --leaks drop (-P leaks=drop) leaves them out of training, "
    "--leaks keep (-P leaks=keep) trains on them all the same"
)


def common_trouble(report: ValidationReport) -> str:
    """What nearly all labels have in common, where that is more than a problem of each."""
    # A text of digits alone is JSON, too: a number and not a list of boxes.
    not_boxes = [problem for problem in report.problems if problem.kind in ("bad_json", "not_a_list")]
    count = sum(report.counts.get(kind, 0) for kind in ("bad_json", "not_a_list"))
    if count > report.labels * _NEARLY_ALL and not_boxes:
        if not any(is_json_like(problem.value) for problem in not_boxes):
            return (
                f"{count} of {report.labels} labels are texts (image, tab, text): these look like recognition "
                "labels, not detection labels: use a rec model."
            )
        hint, number = Counter(problem.hint for problem in not_boxes).most_common(1)[0]
        return f"{number} of {report.labels} labels have the same problem: {hint}"
    if report.counts.get("not_a_table", 0) > report.labels * _NEARLY_ALL:
        return _not_tables(report)
    if report.counts.get("class_missing", 0) > report.statistics.boxes * _NEARLY_ALL > 0:
        return (
            f"{report.counts['class_missing']} of {report.statistics.boxes} boxes have no class: these look like detection labels: "
            "use a det model, or give each box its class as `label`."
        )
    count = report.counts.get("boxes_as_text", 0)
    if count > report.labels * _NEARLY_ALL:
        return f"{count} of {report.labels} labels are lists of boxes: these look like detection labels: use a det model."
    return ""


def _not_tables(report: ValidationReport) -> str:
    """What the lines are that are no labels of tables; nothing where they have little in common."""
    values = [problem.value for problem in report.problems if problem.kind == "not_a_table"]
    said = f"{report.counts['not_a_table']} of {report.labels} lines"
    if sum("\\u0009" in value for value in values) > len(values) * _NEARLY_ALL:
        return (
            f"{said} are an image, a tab and a label: they are for a det, rec or kie model, not for tables."
        )
    if values[:1] == ["{"]:
        return f"{said} are parts of JSON: write each image's on one line (json.dumps without indent)."
    return ""


def count_quarantined(report: ValidationReport, source: LabelSource | None = None) -> int:
    """How many lines are left out; `source` knows what users call the label files, where these are only ours.

    Raises `DataError` where nothing would be left of a file, and for errors that are of no line (an empty file, a
    broken dictionary), since no quarantine helps against those.
    """
    whole = [problem for problem in report.problems if is_of_no_sample(problem)]
    if whole:
        places = "\n".join(
            f"{_name(problem.file, source)}: {problem.kind}: {problem.hint}" for problem in whole
        )
        raise DataError(f"quarantine does not help here:\n{places}", hint="fix these first")
    for file, lines in report.statistics.lines.items():
        if sum(1 for _ in report.bad_lines.of(file)) >= lines:
            hint = _LEAKS if "leak" in report.counts else "fix the file"
            raise DataError(f"no good sample is left in {_name(file, source)}: {report.summary()}", hint=hint)
    return len(report.bad_lines)


def _name(file: str, source: LabelSource | None) -> str:
    return source.place(file, 0)[0] if source else file


def is_of_no_sample(problem: Problem) -> bool:
    return problem.severity == ERROR and (problem.line == 0 or problem.kind.startswith("dict_"))


def write_quarantine(
    label_files: Sequence[Path],
    out: Path,
    bad_lines: BadLines,
    source: LabelSource | None = None,
) -> int:
    """List every bad line as `file:line<tab>kind<tab>the line as it was`; the number of lines comes back.

    `kind` is the first error that was found; the report has them all. `source` knows the places that users know,
    where the label files are only ours.
    """
    with _whole_text(out) as listing:
        count = 0
        for path in label_files:
            for line, kind, text in _bad_texts(path, bad_lines.of(str(path))):
                file, number = source.place(str(path), line) if source else (str(path), line)
                shown = source.shown(str(path), text) if source else text
                listing.write(f"{file}{f':{number}' if number else ''}\t{kind}\t{shown}\n")
                count += 1
    return count


def _bad_texts(path: Path, bad: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    kinds = dict(bad)
    with open_regular(path) as raw_lines:
        for number, raw in enumerate(raw_lines, start=1):
            if number in kinds:
                yield number, kinds[number], raw.decode("utf-8", "replace").rstrip("\r\n").lstrip("\ufeff")


def write_clean(
    label_file: Path,
    out: Path,
    bad_lines: Container[tuple[str, int]],
    task: str,
    *,
    paths: ImagePaths | None = None,
    choices: LabelChoices | None = None,
) -> int:
    """Write the copy of `label_file` that the trainer reads, and give back how many lines it has.

    It has no BOM, no CRLF, no blank lines and no spaces around texts; boxes run clockwise; images have the `paths` at
    which they were found. Left out are lines in `bad_lines`, lines that hold no sample, and in detection and KIE images
    without boxes, unless `choices` keep those as pages of nothing but background; they say how labels are read, too. It is
    written to a temporary name first and then put in place of `out`.
    """
    choices = choices or LabelChoices()
    file = str(label_file)
    kept = 0
    with _whole_text(out) as clean:
        for entry in read_labels(label_file):
            if isinstance(entry, BadLine) or (file, entry.line) in bad_lines:
                continue
            label = _clean_label(entry, task, choices)
            if label:
                image = paths.usable_image(entry.image) if paths else entry.image
                clean.write(format_sample(replace(entry, image=image, label=label)))
                kept += 1
    return kept


_NO_TEXT_HERE = Box(
    transcription=IGNORED_TRANSCRIPTIONS[1], points=((0.0, 0.0), (3.0, 0.0), (3.0, 3.0), (0.0, 3.0))
)
"""PaddleOCR passes over an image without boxes (DetLabelEncode). With one that is ignored, in a corner, the rest of the
page is trained on as background."""


def _clean_label(entry: LabelLine, task: str, choices: LabelChoices) -> str:
    """The fixed label, empty where there is nothing to train on."""
    if task == "table":
        return entry.label
    if task == "kie":
        return kie_for_trainer(entry.label)
    if task != "det":
        return text_for_trainer(spelled(entry.label, choices.normalize if task == "rec" else ""))
    boxes, findings = parse_boxes(entry.label, difficult=choices.difficult)
    if choices.empty_pages and [finding.kind for finding in findings] == ["no_boxes"]:
        return format_boxes([_NO_TEXT_HERE])
    if not boxes or any(KINDS[finding.kind].severity(task) == ERROR for finding in findings):
        return ""
    return format_boxes(boxes)


@contextmanager
def _whole_text(out: Path) -> Iterator[TextIO]:
    """A text file that appears as `out` only when it is whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    # What JSON can spell but UTF-8 cannot write (lone surrogates) becomes "?".
    with whole_file(out) as part, part.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        yield file
