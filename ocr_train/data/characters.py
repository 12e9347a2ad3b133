"""The characters of recognition labels, and the dictionary that is made of them.

A dictionary has one character a line, as `ocr_train.data.dictionary` reads it. It never gets a line of several characters, a
space (`use_space_char` adds it), or what nobody sees in an image.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ocr_train.data.checks.problems import ERROR
from ocr_train.data.checks.recognition import PLACEHOLDERS_REC, text_for_trainer
from ocr_train.data.dictionary import Dictionary
from ocr_train.data.samples import read_samples, refuse_tables
from ocr_train.data.spelling import spelled
from ocr_train.errors import DataError

_SPELLED = re.compile("[\u0600-\u08ff\u0900-\u0dff][\u200c\u200d]+")
"""Joiners that Arabic, Persian and Indic spelling needs: those after one of their letters. Anywhere else they are dirt."""
_SEEN = re.compile("[\u0600-\u0605\u06dd\u0890\u0891\u08e2\U000110bd\U000110cd]")
"""Signs with a picture of their own, though Unicode has them among the invisible ones (Prepended_Concatenation_Mark)."""
_NO_PICTURE = ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs")
"""Unicode's categories of what is not seen, or looks like any other space."""
_VARIANTS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""What is as invisible in other categories: fillers, and selectors of a glyph."""


@dataclass(frozen=True, kw_only=True)
class LabelCharacters:
    """What stands in the texts of `labels` labels: how often each of `characters`, those without a picture
    (`invisible`) apart. `with_space` labels have a space within; `placeholders` are texts that a tool wrote, and count
    for nothing; `bad_lines` hold no sample."""

    labels: int
    characters: Mapping[str, int]
    invisible: Mapping[str, int]
    with_space: int
    placeholders: int
    bad_lines: int


@dataclass(frozen=True, kw_only=True)
class NewDictionary:
    """A dictionary's lines in order: those of the base, then the `new` ones.

    `unused` are the base's that stand in no label, `left_out` what stands in labels and got no line, with its count;
    `several` are the base's lines of several characters, which stay because a line's place is a class of the model.
    """

    entries: tuple[str, ...]
    new: tuple[str, ...]
    unused: tuple[str, ...] = ()
    several: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The file's."""
        return "".join(f"{entry}\n" for entry in self.entries).encode()


def read_characters(label_files: Iterable[Path], normalize: str = "none") -> LabelCharacters:
    """The characters of the texts that a trainer gets from these files, spelled as `normalize` asks.

    Raises `DataError` where a file cannot be read or its labels are lists of boxes.
    """
    seen: Counter[str] = Counter()
    joiners: set[str] = set()
    labels = with_space = placeholders = bad_lines = 0
    for path in label_files:
        lines, bad = read_samples(path)
        refuse_tables(path, lines, "a dictionary is made")
        texts = [text_for_trainer(spelled(line.label, normalize)) for line in lines]
        _refuse_boxes(path, texts)
        labels, bad_lines = labels + len(texts), bad_lines + len(bad)
        for text in texts:
            if text in PLACEHOLDERS_REC:
                placeholders += 1
                continue
            seen.update(text)
            joiners.update(char for match in _SPELLED.findall(text) for char in match[1:])
            with_space += " " in text
    invisible = {char for char in seen if _has_no_picture(char) and char not in joiners}
    return LabelCharacters(
        labels=labels,
        characters={char: seen[char] for char in sorted(seen) if char not in invisible},
        invisible={char: seen[char] for char in sorted(invisible)},
        with_space=with_space,
        placeholders=placeholders,
        bad_lines=bad_lines,
    )


def _has_no_picture(char: str) -> bool:
    if _SEEN.match(char):
        return False
    return unicodedata.category(char) in _NO_PICTURE or _VARIANTS.match(char) is not None


def _refuse_boxes(path: Path, texts: Sequence[str]) -> None:
    """The characters of JSON are not those of the images."""
    boxes = sum(text.startswith("[{") and text.endswith("}]") for text in texts)
    if 2 * boxes > len(texts):
        raise DataError(
            f"{path} has detection labels (lists of boxes), and a dictionary is made of recognition labels.",
            hint=f"Cut the boxes out first: python -m ocr_train crop {path} OUT; then give OUT.",
        )


def make_dictionary(found: LabelCharacters, base: Dictionary | None = None) -> NewDictionary:
    """The lines of `base` as they are, then the characters that it lacks, by code point.

    Raises `DataError` where the base is broken, or where there is no character at all.
    """
    if base is not None:
        _require_sound(base)
    entries = base.entries if base else ()
    known = frozenset(entry for entry in entries if len(entry) == 1)
    new = tuple(char for char in sorted(found.characters) if char not in known)
    if not entries and not new:
        raise DataError(
            "the labels have no character that a dictionary can have.", hint="Check the label files."
        )
    in_labels = found.characters.keys() | found.invisible.keys()
    return NewDictionary(
        entries=(*entries, *new),
        new=new,
        unused=tuple(dict.fromkeys(entry for entry in entries if len(entry) == 1 and entry not in in_labels)),
        several=tuple(entry for entry in entries if len(entry) > 1),
        # A space is not left out: use_space_char adds it.
        left_out={char: count for char, count in found.invisible.items() if char not in known | {" "}},
    )


def _require_sound(base: Dictionary) -> None:
    problems = [one for one in base.problems if one.severity == ERROR]
    if problems:
        lines = "\n".join(
            f"  {one.file}{f':{one.line}' if one.line else ''}: {one.kind}: {one.hint}"
            for one in problems[:10]
        )
        raise DataError(f"the base cannot be used:\n{lines}", hint="Correct it, or leave --base out.")
