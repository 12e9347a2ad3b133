"""The data in numbers: what a validation sums up while it reads, and what the HTML summary draws."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ocr_train.data.labels import Box

LINES_PER_CHARACTER = 10
EXAMPLES_PER_KIND = 2
GOOD_EXAMPLES = 4
MAX_LENGTH_BIN = 100
SIDE_BINS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Upper edges in pixels of the histogram of the boxes' shorter sides; DB ignores boxes below 8."""


@dataclass(kw_only=True)
class OutsideCharacter:
    """A character that the dictionary lacks: `count` occurrences, and the first lines that have it."""

    count: int = 0
    lines: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A sample worth showing: its image, its boxes or its text, and the problem's kind ("" for a good
    one)."""

    file: str
    line: int
    image: str
    kind: str
    hint: str = ""
    text: str = ""
    boxes: tuple[Box, ...] = ()


@dataclass(kw_only=True)
class Statistics:
    """What was read so far.

    `lines` counts samples by file, `characters` occurrences in the texts, `lengths` texts by number of
    characters (the last bin is `MAX_LENGTH_BIN` and more), `sides` boxes by the upper edge of their shorter
    side's bin in pixels (0: above the last).
    """

    lines: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    outside: dict[str, OutsideCharacter] = field(default_factory=lambda: defaultdict(OutsideCharacter))
    lengths: Counter[int] = field(default_factory=Counter)
    sides: Counter[int] = field(default_factory=Counter)
    boxes: int = 0
    ignored_boxes: int = 0
    examples: list[Example] = field(default_factory=list)
    _examples: Counter[str] = field(default_factory=Counter)

    def add_outside(self, file: str, line: int, text: str, characters: Sequence[str]) -> None:
        """Count the `characters` of `text` that the dictionary lacks."""
        for char in characters:
            found = self.outside[char]
            found.count += text.count(char)
            if len(found.lines) < LINES_PER_CHARACTER:
                found.lines.append((file, line))

    def add_text(self, text: str) -> None:
        """Count a text's characters and length."""
        self.characters.update(text)
        self.lengths[min(len(text), MAX_LENGTH_BIN)] += 1

    def add_box(self, box: Box) -> None:
        """Count a box, by its shorter side."""
        self.boxes += 1
        if box.ignored:
            self.ignored_boxes += 1
        else:
            self.add_text(box.transcription)
        xs, ys = zip(*box.points, strict=True)
        side = min(max(xs) - min(xs), max(ys) - min(ys))
        self.sides[next((edge for edge in SIDE_BINS if side <= edge), 0)] += 1

    def add_example(self, example: Example) -> None:
        """Keep it as one of a few examples of its kind, or of what is good."""
        self._examples[example.kind] += 1
        self.examples.append(example)

    def wants_example(self, kind: str) -> bool:
        """Whether one more example of `kind` ("": a good one) is wanted."""
        return self._examples[kind] < (EXAMPLES_PER_KIND if kind else GOOD_EXAMPLES)
