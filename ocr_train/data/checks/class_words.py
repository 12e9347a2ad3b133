"""Recognition labels that are names of classes: "text" over every crop, as some tools export what they have no text for.

One line with such a word may be right: an image can show it. Where many have it, a recogniser would learn the word.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ocr_train.data.checks.problems import Finding, FoundProblems
from ocr_train.data.formats.texts import GENERIC

_FEWEST = 3
_SHARE = 0.1
"""Of all labels, for a word that no sign and no form shows."""
_SHARE_OF_OTHERS = 0.9
_SURE = frozenset({"text", "textline", "text line", "text region", "bbox", "ข้อความ", "文本"})


@dataclass(kw_only=True)
class ClassWords:
    """The lines whose whole text is a general word, by the word: file and line."""

    lines: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)

    def look(self, file: str, line: int, text: str) -> None:
        """Remember one label."""
        self.labels[file] += 1
        if len(text) < _LONGEST and (word := text.lower()) in GENERIC:
            self.lines.setdefault(word, []).append((file, line))

    def report(self, found: FoundProblems) -> None:
        """Report each line of a word that stands too often to be what images show."""
        count, every = sum(map(len, self.lines.values())), self.labels.total()
        for word, places in self.lines.items():
            often = len(places) >= _SHARE * every if word in _SURE else count >= _SHARE_OF_OTHERS * every
            if len(places) < _FEWEST or not often:
                continue
            hint = (
                f"{len(places)} of {every} labels are this word, the name of a class and not what an image shows: "
                "export the texts (--text-from description where a tool has them there)"
            )
            kind = "placeholder_text" if word in _SURE else "class_word"
            for file, line in places:
                found.add(file, line, Finding(kind, word, hint))


_LONGEST = 1 + max(map(len, GENERIC))
