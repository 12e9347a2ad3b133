"""What can be wrong with a label file: the kinds, and how bad each is for each task.

An "error" stops training (or quarantines the sample), because PaddleOCR would skip the sample without a word,
replace it by a random other one, or learn something wrong from it. A "note" is counted and shown: it is
harmless, or the clean copy that the trainer reads is without it (`ocr_train.data.checks.policy.write_clean`), or only
a person can tell. What PaddleOCR does with each was read in `ppocr/data/simple_dataset.py`,
`ppocr/data/imaug/label_ops.py`, `make_shrink_map.py` and `make_border_map.py`, as of 2.10.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

LABEL_TASKS = ("det", "rec", "cls", "table", "kie")
"""What labels can be for: detection, recognition, direction, the structure of tables, key information."""
ERROR = "error"
NOTE = "note"
KEPT_PER_KIND = 10_000
"""So many problems of a kind are kept; all are counted. Some 5 MB for each kind that is reached."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One problem in one place: `line` counts from 1 (0: the file as a whole), `value` is what stands there,
    `hint` what to do, `severity` "error" or "note". `other` is the file and line that the hint names, if any."""

    file: str
    line: int = 0
    kind: str
    value: str
    hint: str
    severity: str
    other: tuple[str, int] | None = None


class Finding(NamedTuple):
    """A problem before it has a place: what a check of one label or one image gives back."""

    kind: str
    value: str
    hint: str
    other: tuple[str, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How bad a kind is in recognition (and classification) and in detection (and all other labels with boxes), and
    `why`, for a reader."""

    rec: str
    det: str
    why: str

    def severity(self, task: str) -> str:
        """ "error" or "note" for `task`, one of `LABEL_TASKS`."""
        return self.rec if task in ("rec", "cls") else self.det


def _both(severity: str, why: str) -> Kind:
    return Kind(rec=severity, det=severity, why=why)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        # the line
        "empty_file": _both(ERROR, "PaddleOCR ends at once, with exit code 0, when there is no sample"),
        "no_tab": _both(ERROR, "PaddleOCR fails on the line and trains on a random other one"),
        "not_utf8": _both(ERROR, "PaddleOCR fails on the line and trains on a random other one"),
        "not_a_label_file": _both(ERROR, "no line of it is a sample"),
        "empty_image": _both(ERROR, "the line names no image"),
        "extra_tab": Kind(rec=ERROR, det=NOTE, why="PaddleOCR cuts the label at its first tab"),
        "crlf": _both(NOTE, "PaddleOCR would learn the carriage return; the clean copy has none"),
        "bom": _both(NOTE, "PaddleOCR would take it for part of the first path; the clean copy has none"),
        "duplicate_image": _both(NOTE, "the image counts double, which may be intended"),
        "duplicate_conflict": _both(ERROR, "the same image with two truths teaches one of them wrong"),
        # An error in every task: what is known from training is read again, and no score says by how much it is too good.
        "leak": _both(
            ERROR, "the image is trained on, too: the score says nothing about images that are new"
        ),
        # the image
        "bad_path": _both(ERROR, "the path leads out of the data folder or works on one machine only"),
        "path_mended": _both(NOTE, "a path of another machine: the clean copy has the one that was found"),
        "image_missing": _both(ERROR, "PaddleOCR trains on a random other sample instead"),
        "image_unreadable": _both(ERROR, "PaddleOCR trains on a random other sample, or on half an image"),
        "exif_rotated": _both(NOTE, "OpenCV turns the image as EXIF says; boxes are compared with that"),
        # detection
        "bad_json": _both(ERROR, "PaddleOCR fails on the line and trains on a random other one"),
        "not_a_list": _both(ERROR, "a detection label is a list of boxes"),
        "not_a_box": _both(ERROR, "a box is an object with a transcription and points"),
        "no_boxes": _both(NOTE, "PaddleOCR skips such an image; the clean copy leaves it out"),
        "empty_page": _both(NOTE, "an image without a box, trained on as asked: all of it is background"),
        "transcription_missing": _both(ERROR, "PaddleOCR fails on the line"),
        "transcription_not_text": _both(
            ERROR, "it is never taken for '###', and every reader of the text fails"
        ),
        "points_missing": _both(ERROR, "PaddleOCR fails on the line"),
        "too_few_points": _both(ERROR, "a region has at least 4 corners"),
        "points_not_numbers": _both(ERROR, "PaddleOCR fails on the line, or its maps become NaN"),
        "zero_area": _both(ERROR, "PaddleOCR drops the box, and the text under it becomes background"),
        "self_intersecting": _both(ERROR, "training maps and scoring come out wrong: scoring drops the box"),
        "outside_image": _both(ERROR, "the box is cut off, or PaddleOCR fails on the line"),
        "edge_clipped": _both(NOTE, "up to 2 pixels outside: PaddleOCR clips it"),
        "counter_clockwise": _both(NOTE, "the clean copy has it clockwise"),
        "upside_down": _both(NOTE, "right for a text that hangs upside down; else its crop is turned"),
        "difficult": _both(NOTE, "a key that PaddleOCR never reads: the clean copy has the text, or '###'"),
        "all_ignored": _both(NOTE, "nothing is learned from the image, nor harmed"),
        # the text
        "empty_text": Kind(
            rec=ERROR, det=NOTE, why="recognition skips the line; detection never reads the text"
        ),
        "surrounding_spaces": _both(NOTE, "the clean copy has them stripped"),
        "control_characters": Kind(rec=ERROR, det=NOTE, why="they are invisible in the image"),
        "outside_dictionary": _both(ERROR, "PaddleOCR drops the character, from the evaluation's truth too"),
        "too_long": _both(ERROR, "PaddleOCR skips texts longer than max_text_length"),
        "ctc_infeasible": _both(
            ERROR, "no alignment exists; Paddle 3.0 counts a loss of 0: nothing is learned"
        ),
        "boxes_as_text": Kind(
            rec=ERROR, det=ERROR, why="a recogniser would learn the JSON of detection labels"
        ),
        "placeholder_text": Kind(
            rec=ERROR, det=NOTE, why="a labelling tool's stand-in would be learned as a text"
        ),
        "class_word": _both(
            NOTE, "nearly all labels are names of classes, which a recogniser would learn as texts"
        ),
        "respelled": _both(NOTE, "the clean copy has the one spelling that was asked for"),
        "lookalike": _both(
            NOTE, "one picture, two spellings: a model learns both, and scores count them as errors"
        ),
        "dangling_mark": _both(NOTE, "nothing can be drawn so: the text is not what the image shows"),
        "unknown_class": _both(
            ERROR, "PaddleOCR skips labels of a class that it does not know, or fails on them"
        ),
        # tables
        "not_a_table": _both(ERROR, "PaddleOCR fails on the line and trains on a random other one"),
        "table_unbalanced": _both(ERROR, "the model would learn HTML that is no table"),
        "table_token": _both(ERROR, "PaddleOCR drops the token, and cells get the boxes of others"),
        "cell_count": _both(ERROR, "cells get the boxes of others, or PaddleOCR fails on the line"),
        "cell_box": _both(ERROR, "PaddleOCR fails on the line, or learns a box that is none"),
        # key information
        "class_missing": _both(ERROR, "PaddleOCR fails on the line"),
        "bad_link": _both(ERROR, "PaddleOCR fails on the line, or learns a relation that is none"),
        # the dictionary
        "dict_unreadable": _both(ERROR, "PaddleOCR stops on it"),
        "dict_empty": _both(ERROR, "a model without characters"),
        "dict_bom": _both(ERROR, "PaddleOCR takes it for part of the first character, which is lost"),
        "dict_duplicate": _both(NOTE, "one class of the model is never used"),
        "dict_multi_character": _both(NOTE, "texts are read character by character: it never matches"),
        "dict_no_characters": _both(
            ERROR, "hardly a text can be written with it, and PaddleOCR does not say so"
        ),
        "dict_blank_line": _both(NOTE, "an empty string never matches: one class is never used"),
        "dict_space_twice": _both(NOTE, "the file and use_space_char both add it: one class is never used"),
    }
)
"""Every kind there is."""


def make_problem(file: str, line: int, finding: Finding, task: str) -> Problem:
    """Put `finding` in its place, with its severity for `task`."""
    return Problem(
        file=file,
        line=line,
        kind=finding.kind,
        value=finding.value,
        hint=finding.hint,
        severity=KINDS[finding.kind].severity(task),
        other=finding.other,
    )


_KIND_NAMES = tuple(KINDS)
_KIND_CODES = {kind: code for code, kind in enumerate(_KIND_NAMES, start=1)}


class BadLines:
    """Which lines hold an error: one byte a line, the number of the first error's kind.

    `(file, line) in bad_lines` asks for one line; `of(file)` goes through them. A file that cannot be read as a whole has
    no line that can be counted.
    """

    def __init__(self) -> None:
        self._codes: dict[str, bytearray] = {}
        self._files: set[str] = set()

    def add(self, file: str, line: int, kind: str) -> None:
        """Mark `line` (from 1) of `file` bad because of `kind`; its first kind stays."""
        codes = self._codes.setdefault(file, bytearray())
        if line >= len(codes):
            codes.extend(bytes(max(line + 1 - len(codes), 4096)))
        if not codes[line]:
            codes[line] = _KIND_CODES[kind]

    def add_file(self, file: str) -> None:
        """No line of `file` is a sample."""
        self._files.add(file)

    def __contains__(self, place: object) -> bool:
        if not isinstance(place, tuple):
            return False
        file, line = place
        if file in self._files:
            return True
        codes = self._codes.get(file, b"")
        return line < len(codes) and bool(codes[line])

    def __len__(self) -> int:
        return sum(len(codes) - codes.count(0) for codes in self._codes.values())

    def kind(self, file: str, line: int) -> str:
        """The kind of the first error found in a bad line."""
        return _KIND_NAMES[self._codes[file][line] - 1]

    def of(self, file: str) -> Iterator[tuple[int, str]]:
        """The bad lines of `file` in order, each with its kind."""
        codes = self._codes.get(file, b"")
        return ((line, _KIND_NAMES[code - 1]) for line, code in enumerate(codes) if code)


@dataclass(frozen=True)
class LeftOut:
    """The lines of several such sets: `(file, line) in left_out`."""

    parts: tuple[BadLines, ...]

    def __contains__(self, place: object) -> bool:
        return any(place in part for part in self.parts)


@dataclass(kw_only=True)
class FoundProblems:
    """The problems of one validation for `task`, in bounded memory: counted, some of each kind `kept`, lines marked.

    `notes` are kinds that were chosen to be no errors here. Lines of the kinds
    `drops` are `dropped`: left out without an error."""

    task: str
    notes: frozenset[str] = frozenset()
    counts: Counter[str] = field(default_factory=Counter)
    kept: dict[str, list[Problem]] = field(default_factory=dict)
    bad_lines: BadLines = field(default_factory=BadLines)
    drops: frozenset[str] = frozenset()
    dropped: BadLines = field(default_factory=BadLines)
    errors: int = 0

    def severity(self, kind: str) -> str:
        """ "error" or "note" for `kind` here."""
        return NOTE if kind in self.notes else KINDS[kind].severity(self.task)

    def add(self, file: str, line: int, finding: Finding) -> None:
        """Count `finding`, mark its line if a sample there has an error, keep it if there is room."""
        kind = finding.kind
        of_a_sample = line > 0 and not kind.startswith("dict_")
        self.count_places(kind, [(file, line)] if of_a_sample else (), 1)
        kept = self.kept.setdefault(kind, [])
        if len(kept) < KEPT_PER_KIND:
            problem = make_problem(file, line, finding, self.task)
            kept.append(replace(problem, severity=NOTE) if kind in self.notes else problem)

    def count_places(self, kind: str, places: Iterable[tuple[str, int]], count: int) -> None:
        """Count `count` problems whose text is not kept, and mark those of `places` if `kind` is an error."""
        self.counts[kind] += count
        if kind in self.drops:
            for file, line in places:
                self.dropped.add(file, line, kind)
            return
        if self.severity(kind) == ERROR:
            self.errors += count
            for file, line in places:
                self.bad_lines.add(file, line, kind)
