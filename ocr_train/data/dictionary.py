"""The recognition dictionary: one character a line, in the order of the model's classes.

Format: PaddleOCR `ppocr/data/imaug/label_ops.py` (`BaseRecLabelEncode`), as of 2.10: each line without its
line end is one class, whatever it holds; `use_space_char` adds a space at the end. Lines are never left out
or mended here, as a checkpoint depends on their number and order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from ocr_train.config.overrides import get_key
from ocr_train.data.checks.problems import Finding, Problem, make_problem
from ocr_train.data.checks.recognition import escape
from ocr_train.ocr_engine.files import read_regular

DEFAULT_CHARSET = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")
"""What PaddleOCR uses where `character_dict_path` is empty; it lower-cases texts then."""


def say_dictionary(path: Path | None, charset: frozenset[str] | None) -> str:
    """Which dictionary texts are checked against: the file `path`, else what a model without one reads, else none."""
    if path is not None:
        return f"dictionary: {path}"
    if charset is not None:
        return f"dictionary: the model names none, and reads PaddleOCR's own {len(charset)} characters, in lower case"
    return (
        "dictionary: none was named and there is no dict.txt with the labels: characters are not checked. "
        "--model checks them against the dictionary of that model"
    )


def first_dictionary(*, named: Path | None, beside: Path | None, model: Path | None) -> Path | None:
    """The dictionary that counts, everywhere: the one that was named, else the labels' own `dict.txt`, else the model's."""
    return named or beside or model


@dataclass(frozen=True, kw_only=True)
class Dictionary:
    """A dictionary file as PaddleOCR reads it: `entries` in order, and what is odd about them.

    `problems` go into `validate(..., known=dictionary.problems)`.
    """

    path: Path
    entries: tuple[str, ...]
    use_space_char: bool
    problems: tuple[Problem, ...]

    @property
    def charset(self) -> frozenset[str]:
        """The characters that a text may have: entries of one character, and the space where it is used."""
        single = frozenset(entry for entry in self.entries if len(entry) == 1)
        return single | {" "} if self.use_space_char else single


def read_dictionary(path: Path, *, use_space_char: bool = False) -> Dictionary:
    """Read and check a dictionary; what cannot be read comes back as a problem and no entries.

    PaddleOCR's charset has one class more: the blank of CTC.
    """
    try:
        raw = read_regular(path)
    except OSError as exc:
        entries: list[str] = []
        findings = [(0, Finding("dict_unreadable", path.name, f"{exc.strerror}: check the path"))]
    else:
        entries, findings = _decode(raw)
        findings += _check(entries, use_space_char=use_space_char)
        if not raw:
            findings.append((0, Finding("dict_empty", path.name, "write one character a line")))
    return Dictionary(
        path=path,
        entries=tuple(entries),
        use_space_char=use_space_char,
        problems=tuple(make_problem(str(path), line, finding, "rec") for line, finding in findings),
    )


def dictionary_as(trainer: Mapping[str, Any], path: Path) -> Dictionary:
    """The dictionary at `path` as a model of the PaddleOCR configuration `trainer` reads it."""
    return read_dictionary(path, use_space_char=bool(get_key(trainer, "Global.use_space_char", False)))


def _decode(raw: bytes) -> tuple[list[str], list[tuple[int, Finding]]]:
    """The lines without their line ends, or no lines and the first that is not UTF-8."""
    entries = []
    for number, line in enumerate(BytesIO(raw).readlines(), start=1):
        try:
            entries.append(line.decode("utf-8").strip("\n").strip("\r\n"))
        except UnicodeDecodeError:
            value = escape(line.decode("utf-8", "replace"))
            return [], [(number, Finding("dict_unreadable", value, "not UTF-8: save the file as UTF-8"))]
    return entries, []


def _check(entries: Sequence[str], *, use_space_char: bool) -> list[tuple[int, Finding]]:
    findings = _check_whole(entries)
    first_lines: dict[str, int] = {}
    for line, entry in enumerate(entries, start=1):
        first = first_lines.setdefault(entry, line)
        if not entry:
            hint = "remove the line; for a space use use_space_char, or a line with a space"
            findings.append((line, Finding("dict_blank_line", "", hint)))
        elif first != line:
            hint = f"first at line {first}: remove one, unless a checkpoint was trained with both"
            findings.append((line, Finding("dict_duplicate", escape(entry), hint)))
        if entry.startswith("\ufeff"):
            findings.append((line, Finding("dict_bom", escape(entry), "save as UTF-8 without BOM")))
        elif len(entry) > 1:
            hint = f"{len(entry)} characters: give each a line of its own"
            findings.append((line, Finding("dict_multi_character", escape(entry), hint)))
        if entry == " " and use_space_char and first == line:
            hint = "remove the line, or switch use_space_char off"
            findings.append((line, Finding("dict_space_twice", " ", hint)))
    return findings


def _check_whole(entries: Sequence[str]) -> list[tuple[int, Finding]]:
    """Some lines of several characters are only never used; a list of syllables or words is no dictionary."""
    several = sum(len(entry.removeprefix("\ufeff")) > 1 for entry in entries)
    if 2 * several <= len(entries):
        return []
    hint = (
        "texts are read character by character, so that these lines never match: make one of single "
        "characters, python -m ocr_train dict DATA --out dict.txt, and start a new training with it"
    )
    value = f"{several} of {len(entries)} lines have several characters"
    return [(0, Finding("dict_no_characters", value, hint))]
