"""What a validation gathers while it reads: problems, counts, bad lines and statistics, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ocr_train.data.checks.problems import ERROR, KINDS, Finding, Problem, make_problem
from ocr_train.data.labels import Box

KEPT_PER_KIND = 10_000
"""So many problems of a kind are kept; all are counted. Some 5 MB for each kind that is reached."""

LINES_PER_CHARACTER = 10
EXAMPLES_PER_KIND = 2
GOOD_EXAMPLES = 4
MAX_LENGTH_BIN = 100
SIDE_BINS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Upper edges in pixels of the histogram of the boxes' shorter sides; DB ignores boxes below 8."""

_KIND_NAMES = tuple(KINDS)
_KIND_CODES = {kind: code for code, kind in enumerate(_KIND_NAMES, start=1)}


class BadLines:
    """Which lines hold an error: one byte a line, the number of the first error's kind.

    `(file, line) in bad_lines` asks for one line; `of(file)` goes through them.
    """

    def __init__(self) -> None:
        self._codes: dict[str, bytearray] = {}

    def add(self, file: str, line: int, kind: str) -> None:
        """Mark `line` (from 1) of `file` bad because of `kind`; its first kind stays."""
        codes = self._codes.setdefault(file, bytearray())
        if line >= len(codes):
            codes.extend(bytes(max(line + 1 - len(codes), 4096)))
        if not codes[line]:
            codes[line] = _KIND_CODES[kind]

    def __contains__(self, place: tuple[str, int]) -> bool:
        file, line = place
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


@dataclass(frozen=True, kw_only=True)
class OutsideCharacter:
    """A character that the dictionary lacks: `count` occurrences, and the first lines that have it."""

    count: int
    lines: tuple[tuple[str, int], ...]


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


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """The data in numbers: what the HTML summary draws.

    `lines` counts samples by file, `characters` occurrences in the texts, `lengths` texts by number of
    characters (the last bin is `MAX_LENGTH_BIN` and more), `sides` boxes by the upper edge of their shorter
    side's bin in pixels (0: above the last).
    """

    lines: Mapping[str, int]
    characters: Mapping[str, int]
    outside: Mapping[str, OutsideCharacter]
    lengths: Mapping[int, int]
    sides: Mapping[int, int]
    boxes: int
    ignored_boxes: int
    examples: tuple[Example, ...]


@dataclass(kw_only=True)
class LabelStatistics:
    """The growing sums of one validation; only `ocr_train.data.checks.validate` fills it."""

    task: str
    counts: Counter[str] = field(default_factory=Counter)
    kept: dict[str, list[Problem]] = field(default_factory=dict)
    bad_lines: BadLines = field(default_factory=BadLines)
    errors: int = 0
    lines: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)
    outside_lines: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    lengths: Counter[int] = field(default_factory=Counter)
    sides: Counter[int] = field(default_factory=Counter)
    boxes: int = 0
    ignored_boxes: int = 0
    examples: dict[str, list[Example]] = field(default_factory=dict)
    _texts: list[str] = field(default_factory=list)

    def add(self, file: str, line: int, finding: Finding) -> None:
        """Count `finding`, mark its line if a sample there has an error, keep it if there is room."""
        kind = finding.kind
        self.counts[kind] += 1
        if KINDS[kind].severity(self.task) == ERROR:
            self.errors += 1
            if line > 0 and not kind.startswith("dict_"):
                self.bad_lines.add(file, line, kind)
        kept = self.kept.setdefault(kind, [])
        if len(kept) < KEPT_PER_KIND:
            kept.append(make_problem(file, line, finding, self.task))

    def add_uncounted(self, kind: str, places: Iterable[tuple[str, int]], count: int) -> None:
        """Count `count` problems whose text is not kept, and mark those of `places` if `kind` is an error."""
        self.counts[kind] += count
        if KINDS[kind].severity(self.task) == ERROR:
            self.errors += count
            for file, line in places:
                self.bad_lines.add(file, line, kind)

    def add_outside(self, file: str, line: int, text: str, characters: Sequence[str]) -> None:
        """Count the `characters` of `text` that the dictionary lacks."""
        for char in characters:
            self.outside[char] += text.count(char)
            lines = self.outside_lines.setdefault(char, [])
            if len(lines) < LINES_PER_CHARACTER:
                lines.append((file, line))

    def add_text(self, text: str) -> None:
        """Count a text's characters and length; sums are made of many texts at once, which is much faster."""
        self._texts.append(text)
        if len(self._texts) >= 4096:
            self._sum_texts()

    def _sum_texts(self) -> None:
        self.characters.update("".join(self._texts))
        for length, count in Counter(map(len, self._texts)).items():
            self.lengths[min(length, MAX_LENGTH_BIN)] += count
        self._texts.clear()

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
        """Keep a few examples of each kind, and of what is good."""
        if self.wants_example(example.kind):
            self.examples.setdefault(example.kind, []).append(example)

    def wants_example(self, kind: str) -> bool:
        """Whether one more example of `kind` would be kept."""
        return len(self.examples.get(kind, ())) < (EXAMPLES_PER_KIND if kind else GOOD_EXAMPLES)

    def statistics(self) -> Statistics:
        """The sums, frozen."""
        self._sum_texts()
        return Statistics(
            lines=dict(self.lines),
            characters=dict(self.characters.most_common()),
            outside={
                char: OutsideCharacter(count=count, lines=tuple(self.outside_lines[char]))
                for char, count in self.outside.most_common()
            },
            lengths=dict(sorted(self.lengths.items())),
            sides={edge: self.sides[edge] for edge in (*SIDE_BINS, 0) if self.sides[edge]},
            boxes=self.boxes,
            ignored_boxes=self.ignored_boxes,
            examples=tuple(example for kept in self.examples.values() for example in kept),
        )
