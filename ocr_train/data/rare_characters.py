"""Which characters of a dictionary the training texts hardly have: a model cannot learn what it never sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ocr_train.data.character_classes import DIGITS, PUNCTUATION, class_of, visible
from ocr_train.data.labels import LabelLine, read_labels

FEW_LINES = 5
"""A character in fewer training lines than these is rare."""
_SHOWN = 30


@dataclass(frozen=True, kw_only=True)
class CharacterUse:
    """In how many training texts (`lines`) each character of the dictionary stands, for the classes of characters
    (Thai, Latin, digits ...) that the texts have at all.

    `held` are characters of validation texts that stand in no training text.
    """

    lines: Mapping[str, int]
    dictionary: int
    held: tuple[str, ...] = ()

    @property
    def unseen(self) -> tuple[str, ...]:
        """Those in no line: letters first, then digits and punctuation, by code point."""
        return tuple(sorted((char for char, count in self.lines.items() if not count), key=_order))

    @property
    def few(self) -> dict[str, int]:
        """Those in 1 to `FEW_LINES` - 1 lines, the rarest first."""
        rare = [(count, _order(char), char) for char, count in self.lines.items() if 0 < count < FEW_LINES]
        return {char: count for count, _, char in sorted(rare)}

    def sentences(self) -> list[str]:
        """What to say of it; nothing where no character is rare."""
        found = []
        if self.unseen:
            found.append(
                f"{len(self.unseen)} of the {self.dictionary} characters of the dictionary stand in no training line: "
                f"{shown_some(map(visible, self.unseen))}"
            )
        if self.few:
            counted = [f"{visible(char)} ({count})" for char, count in self.few.items()]
            found.append(
                f"{len(self.few)} stand in fewer than {FEW_LINES} training lines: {shown_some(counted)}"
            )
        if self.held:
            found.append(
                f"{len(self.held)} characters of validation texts stand in no training line: {shown_some(map(visible, self.held))}"
            )
        return found


def _order(char: str) -> tuple[bool, str]:
    return class_of(char) in (DIGITS, PUNCTUATION), char


def shown_some(items: Iterable[str]) -> str:
    """The first few of `items`, and how many more there are."""
    listed = list(items)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return " ".join(listed[:_SHOWN]) + more


def character_use(texts: Iterable[str], charset: frozenset[str], held: Iterable[str] = ()) -> CharacterUse:
    """How the training `texts` use the characters of `charset`; `held` are the texts of the validation set.

    Spaces do not count. Classes of characters that no text has are left out: Thai labels need no Latin letters.
    """
    lines: Counter[str] = Counter()
    for text in texts:
        lines.update(set(text))
    classes = {class_of(char) for char in lines if not char.isspace()}
    wanted = [char for char in charset if not char.isspace() and class_of(char) in classes]
    of_val = {char for text in held for char in text if not char.isspace()}
    return CharacterUse(
        lines={char: lines[char] for char in wanted},
        dictionary=len(charset - {" "}),
        held=tuple(sorted(of_val & charset - lines.keys())),
    )


def character_use_of(
    train: Iterable[Path], charset: frozenset[str], val: Iterable[Path] = ()
) -> CharacterUse:
    """The same for label files of recognition."""
    return character_use(_texts(train), charset, _texts(val))


def _texts(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        yield from (line.label for line in read_labels(path) if isinstance(line, LabelLine))
