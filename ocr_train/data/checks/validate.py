"""Check label files before training: every problem at once, each with file, line, kind, value and what to do.

    read_labels -> images of a chunk of lines (in parallel) -> each line's label -> the same images -> Report

A million lines pass in bounded memory: problems are kept up to a number for each kind (all are counted), bad
lines cost a byte each, and the look for images that are the same 32 bytes a line. The kinds are in
`ocr_train.data.checks.problems`.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

from ocr_train.config.requests import LabelChoices
from ocr_train.data.checks.class_words import ClassWords
from ocr_train.data.checks.detection import as_empty_page, check_place, parse_boxes
from ocr_train.data.checks.duplicates import SampleHashes, find_duplicates
from ocr_train.data.checks.images import ImageFacts, check_images, image_pool
from ocr_train.data.checks.kie import KieRules, check_kie
from ocr_train.data.checks.label_file import whole_file_problem
from ocr_train.data.checks.meaning import label_meaning
from ocr_train.data.checks.problems import (
    ERROR,
    LABEL_TASKS,
    Finding,
    FoundProblems,
    Problem,
)
from ocr_train.data.checks.recognition import (
    check_class,
    check_text,
    escape,
    outside_characters,
    respelled,
    text_for_trainer,
)
from ocr_train.data.checks.statistics import Example, Statistics
from ocr_train.data.checks.tables import TableRules, bad_row, check_table
from ocr_train.data.checks.validation_report import ValidationReport, as_notes, left_out_kinds
from ocr_train.data.files.contents import find_same
from ocr_train.data.files.image_paths import ImagePaths
from ocr_train.data.labels import BadLine, Box, LabelLine, TableLine, read_labels
from ocr_train.data.samples import image_names
from ocr_train.data.spelling import spelled
from ocr_train.errors import ConfigError, DataError
from ocr_train.ocr_engine.files import open_regular

LINES_PER_CHUNK = 2048
REMEMBERED_IMAGES = 50_000
"""So many images' sizes are remembered (some 15 MB); one named again later than that is checked again."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the labels are checked against; what is None or empty is not checked.

    `task` is one of `LABEL_TASKS`. `charset` holds the dictionary's characters, to which `use_space_char`
    adds the space. `ctc_steps` is the width of the feature map: input width / 4 for CRNN, 25 for 100 px.
    `lower` says that PaddleOCR lower-cases, which it does where there is no dictionary file. `decode` decodes
    every image in full. `choices` say how labels are read. `table` and `kie` are for those tasks. `workers` is the number of threads that read images.
    """

    task: str
    charset: frozenset[str] | None = None
    use_space_char: bool = False
    max_text_length: int | None = None
    ctc_steps: int | None = None
    lower: bool = False
    label_list: tuple[str, ...] = ()
    decode: bool = False
    choices: LabelChoices = field(default_factory=LabelChoices)
    table: TableRules = field(default_factory=TableRules)
    kie: KieRules = field(default_factory=KieRules)
    workers: int = field(default_factory=lambda: min(16, 4 * (os.cpu_count() or 1)))

    def __post_init__(self) -> None:
        if self.task not in LABEL_TASKS:
            raise ConfigError(f"unknown task {self.task!r}", hint=f"one of {', '.join(LABEL_TASKS)}")

    @property
    def readers(self) -> int:
        """Threads that read images: decoding is the CPU's work, and every thread keeps memory of what it decoded."""
        return min(self.workers, os.cpu_count() or 1, 4) if self.decode else self.workers

    @cached_property
    def characters(self) -> frozenset[str] | None:
        """The characters that a text may have, None for any."""
        if self.charset is not None and self.use_space_char:
            return self.charset | {" "}
        return self.charset


def validate(
    label_files: Sequence[Path],
    images: Path | ImagePaths,
    rules: Rules,
    *,
    held: Sequence[Path] = (),
    known: Iterable[Problem] = (),
) -> ValidationReport:
    """Check `label_files` against `rules` and against the files under the folder `images`, or where `ImagePaths` find them.

    `held` are those of the label files that are for validation: their images must not be in the others.
    `known` are problems found before, such as the dictionary's; they are counted with the others.
    Whatever the files hold, a `ValidationReport` comes back; `DataError` is raised only where a label file or the
    folder cannot be read at all.
    """
    paths = images if isinstance(images, ImagePaths) else ImagePaths(images, rules.choices.strip)
    _require_readable(label_files, paths.root)
    found = FoundProblems(
        task=rules.task, notes=as_notes(rules.choices), drops=left_out_kinds(rules.task, rules.choices)
    )
    statistics = Statistics()
    for problem in known:
        found.add(problem.file, problem.line, Finding(problem.kind, problem.value, problem.hint))
    samples = SampleHashes()
    with image_pool(rules.readers) as pool:
        checker = _Checker(
            rules=rules, paths=paths, pool=pool, found=found, statistics=statistics, samples=samples
        )
        for path in label_files:
            checker.check_file(path)
    checker.words.report(found)
    # What is remembered of images is as large as what follows needs.
    del checker
    same = find_same(
        samples.images,
        partial(samples.names, paths.usable_name),
        paths.root,
        workers=rules.workers,
        usable=paths.usable_name,
    )
    leaked = find_duplicates(
        samples, same, found, found.dropped, held=[str(path) for path in held], choice=rules.choices.leaks
    )
    order = {str(path): index for index, path in enumerate(label_files)}
    problems = [problem for kept in found.kept.values() for problem in kept]
    problems.sort(key=lambda problem: (order.get(problem.file, -1), problem.line))
    return ValidationReport(
        labels=statistics.lines.total(),
        problems=tuple(problems),
        counts=dict(found.counts),
        errors=found.errors,
        bad_lines=found.bad_lines,
        statistics=statistics,
        task=rules.task,
        choices=rules.choices,
        leaks=leaked,
        dropped=found.dropped,
        same=same,
    )


def _require_readable(label_files: Sequence[Path], images: Path) -> None:
    problems = []
    for path in label_files:
        try:
            open_regular(path).close()
        except OSError as exc:
            problems.append(f"label file {str(path)!r} cannot be read: {exc.strerror}")
    if not images.is_dir():
        problems.append(f"images folder {str(images)!r} is not a folder")
    if problems:
        raise DataError(
            "\n".join(problems), hint="check the paths; labels name images relative to the folder"
        )


@dataclass(kw_only=True)
class _Checker:
    """Checks lines in chunks, so that the images of a chunk are read in parallel."""

    rules: Rules
    paths: ImagePaths
    pool: Executor
    found: FoundProblems
    statistics: Statistics
    samples: SampleHashes
    words: ClassWords = field(default_factory=ClassWords)
    known: OrderedDict[str, ImageFacts] = field(default_factory=OrderedDict)

    def check_file(self, path: Path) -> None:
        file = str(path)
        if (foreign := whole_file_problem(path)) is not None:
            finding, lines = foreign
            self.statistics.lines[file] += lines
            self.found.add(file, 0, finding)
            self.found.bad_lines.add_file(file)
            return
        self.samples.open(file)
        entries = read_labels(path)
        while chunk := list(islice(entries, LINES_PER_CHUNK)):
            self.statistics.lines[file] += len(chunk)
            self._read_images(chunk)
            for entry in chunk:
                problem = _line_problem(entry, self.rules.task)
                if problem is not None:
                    self.found.add(file, entry.line, problem)
                elif isinstance(entry, LabelLine):
                    self._check_line(file, entry)
        if not self.statistics.lines[file]:
            hint = "a label file needs a line for each image"
            self.found.add(file, 0, Finding("empty_file", path.name, hint))

    def _read_images(self, chunk: Sequence[LabelLine | BadLine]) -> None:
        images = {entry.image for entry in chunk if isinstance(entry, LabelLine)}
        lists = {image for image in images if image.startswith("[")}
        names = (images - lists).union(*map(image_names, lists))
        new = sorted(names - self.known.keys())
        if not new:
            return
        while len(self.known) + len(new) > REMEMBERED_IMAGES and self.known:
            # The first of a plain dict is slow to find after deletions.
            name, _ = self.known.popitem(last=False)
            if name in names:
                new.append(name)
        workers = self.rules.readers
        self.known.update(
            check_images(new, self.paths, pool=self.pool, workers=workers, decode=self.rules.decode)
        )

    def _check_line(self, file: str, entry: LabelLine) -> None:
        facts = [self.known[name] for name in dict.fromkeys(image_names(entry.image))]
        findings = list(facts[0].findings)
        for fact in facts[1:]:
            findings += fact.findings
        if entry.bom:
            findings.append(Finding("bom", "U+FEFF", "left out for training; save as UTF-8 without BOM"))
        if entry.crlf:
            findings.append(Finding("crlf", "\\r\\n", "read correctly; save with LF line ends"))
        boxes: Sequence[Box] = ()
        if self.rules.task not in ("rec", "cls"):
            boxes, problems = self._check_boxes(entry.label, facts)
        else:
            label = spelled(entry.label, self.rules.choices.normalize if self.rules.task == "rec" else "")
            if label != entry.label:
                findings.append(respelled(entry.label, label))
                entry = replace(entry, label=label)
            problems = self._check_text(file, entry.line, label)
        findings += problems
        keys = {fact.name: fact.key for fact in facts}
        self.samples.add(entry.line, keys, self._meaning(entry.label, boxes, problems))
        for finding in findings:
            self.found.add(file, entry.line, finding)
        if findings or self.statistics.wants_example(""):
            self._keep_example(file, entry, findings, boxes)

    def _meaning(self, label: str, boxes: Sequence[Box], problems: Sequence[Finding]) -> object:
        """What a label says; one that has an error is only like itself."""
        if any(self.found.severity(finding.kind) == ERROR for finding in problems):
            return label
        return label_meaning(self.rules.task, label, boxes)

    def _check_boxes(
        self, label: str, facts: Iterable[ImageFacts]
    ) -> tuple[Sequence[Box], Sequence[Finding]]:
        sizes = sorted({fact.size for fact in facts if fact.size is not None})
        if self.rules.task == "table":
            boxes, findings = check_table(label, self.rules.table, sizes)
        elif self.rules.task == "kie":
            boxes, findings = check_kie(label, self.rules.kie, sizes)
        else:
            boxes, findings = parse_boxes(label, difficult=self.rules.choices.difficult)
            if self.rules.choices.empty_pages:
                findings = [as_empty_page(finding) for finding in findings]
            findings += [one for size in sizes for one in check_place(boxes, *size)]
        for box in boxes:
            self.statistics.add_box(box)
        return boxes, findings

    def _check_text(self, file: str, line: int, label: str) -> Sequence[Finding]:
        rules = self.rules
        text = text_for_trainer(label)
        self.statistics.add_text(text)
        if rules.task == "cls":
            return check_class(label, rules.label_list)
        self.words.look(file, line, text)
        findings = check_text(
            label,
            charset=self.rules.characters,
            max_text_length=rules.max_text_length,
            ctc_steps=rules.ctc_steps,
            lower=rules.lower,
        )
        if self.rules.characters is not None and any(
            finding.kind == "outside_dictionary" for finding in findings
        ):
            read = text.lower() if rules.lower else text
            self.statistics.add_outside(file, line, read, outside_characters(read, self.rules.characters))
        return findings

    def _keep_example(
        self, file: str, entry: LabelLine, findings: Sequence[Finding], boxes: Sequence[Box]
    ) -> None:
        for finding in findings or [Finding("", "", "")]:
            if not self.statistics.wants_example(finding.kind):
                continue
            example = Example(
                file=file,
                line=entry.line,
                image=self.known[image_names(entry.image)[0]].name,
                kind=finding.kind,
                hint=finding.hint,
                text=text_for_trainer(entry.label) if self.rules.task in ("rec", "cls") else "",
                boxes=tuple(boxes),
            )
            self.statistics.add_example(example)


def _line_problem(entry: LabelLine | BadLine, task: str) -> Finding | None:
    """What is wrong with a line that holds no sample for `task`; None for one that does."""
    if task == "table" and not isinstance(entry, TableLine):
        if isinstance(entry, BadLine) and entry.kind == "not_utf8":
            return Finding(entry.kind, entry.text, _LINE_HINTS[entry.kind])
        return bad_row(entry.text if isinstance(entry, BadLine) else f"{entry.image}\t{entry.label}")
    if isinstance(entry, BadLine):
        return Finding(entry.kind, entry.text, _LINE_HINTS[entry.kind])
    if task != "table" and isinstance(entry, TableLine):
        return Finding(
            "no_tab", escape(entry.label), "this is a label of a table: --task table, and a table model"
        )
    return None


_LINE_HINTS = {
    "no_tab": "put a tab between the image's path and the label (not spaces)",
    "not_utf8": "save the file as UTF-8",
    "empty_image": "write the image's path before the tab",
}
