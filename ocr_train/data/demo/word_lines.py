"""Lines of text drawn from a team's own words and fonts, to train on beside real images.

folder/draw.json        what was asked for: this was drawn, and may be drawn again
folder/train.txt        PaddleOCR labels, one image a line, paths relative to `folder`; written last
folder/train/00000.jpg  ...
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ocr_train.atomic_files import write_text
from ocr_train.data.demo.drawn_folder import make_room
from ocr_train.data.demo.pages import Style, draw_line_crop
from ocr_train.data.labels import format_line
from ocr_train.data.spelling import NFC, THAI, spelled
from ocr_train.drawing.fonts import Typeface, find_typefaces, require_raqm, typefaces_in
from ocr_train.errors import DataError

MARKER = "draw.json"
LABELS, IMAGES = "train.txt", "train"
THAI_LANGUAGE = "th"
_PROBE_PX = 24
_RIGHT_TO_LEFT = ("R", "AL")


@dataclass(frozen=True, kw_only=True)
class Words:
    """The `texts` that can be drawn, each once and in their one spelling; how many were left out, by why, and the
    characters (`no_glyph`) that no font has, with the number of words that need them."""

    texts: tuple[str, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    no_glyph: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WordLines:
    """What to draw: `count` lines of 1 to `per_line` of the `words`, at most `max_length` characters a line.

    Where there are `rare` characters, every line has one of them, each about equally often, as far as words have them.
    Words of Thai are set without spaces between them.
    """

    words: tuple[str, ...]
    typefaces: tuple[Typeface, ...]
    language: str
    count: int
    per_line: int = 1
    max_length: int = 25
    rare: tuple[str, ...] = ()
    seed: int = 0

    @property
    def without_word(self) -> tuple[str, ...]:
        """The rare characters that no word has."""
        return tuple(char for char in self.rare if not any(char in word for word in self.words))


def fonts_for(folder: Path | None, language: str) -> tuple[tuple[Typeface, ...], tuple[str, ...]]:
    """The fonts in `folder`, else ours for `language`, and what is wrong with files of the folder that are none.

    Raises `DataError` where the folder has no font, `SetupError` where ours are not installed.
    """
    return typefaces_in(folder) if folder is not None else (find_typefaces(language), ())


def choose_words(
    lines: Iterable[str], typefaces: Sequence[Typeface], *, language: str, max_length: int
) -> Words:
    """The words, one a line, that can be drawn with `typefaces` within `max_length` characters.

    Thai comes in its one spelling, everything else composed (NFC). Raises `DataError` where none is left.
    """
    found: dict[str, None] = {}
    left_out: Counter[str] = Counter()
    no_glyph: Counter[str] = Counter()
    for line in lines:
        word = spelled(" ".join(line.split()), THAI if language == THAI_LANGUAGE else NFC)
        if not word:
            continue
        if word in found:
            left_out["twice in the list"] += 1
        elif len(word) > max_length:
            left_out[f"longer than {max_length} characters"] += 1
        elif not any(face.covers(word) for face in typefaces):
            left_out["no font has all their characters"] += 1
            no_glyph.update(_lacking(word, typefaces))
        else:
            found[word] = None
    if not found:
        why = "; ".join(f"{count} {reason}" for reason, count in left_out.items()) or "the file is empty"
        raise DataError(
            f"there is no word that can be drawn: {why}.", hint="Give other words, or other fonts."
        )
    return Words(texts=tuple(found), left_out=dict(left_out), no_glyph=dict(no_glyph.most_common()))


def _lacking(word: str, typefaces: Sequence[Typeface]) -> set[str]:
    """The characters that no font has; where each has some, those that the best of them lacks."""
    return min((set(word) - face.characters for face in typefaces), key=len)


def draw_word_lines(
    folder: Path, lines: WordLines, document: Mapping[str, object], *, progress: Callable[[int], None]
) -> Counter[str]:
    """Draw `lines` into `folder`, in place of what was drawn there before; how many lines have each rare character.

    `document` goes into draw.json, `progress` gets the number drawn so far. The same values give the same bytes under the
    same versions of Python, Pillow and the fonts. Raises `DataError` where `folder` holds other data or no font draws a
    word, `SetupError` where the words need Raqm and it is not there.
    """
    shaped = needs_shaping(lines.words)
    if shaped:
        require_raqm()
    style = Style(language=lines.language, typefaces=lines.typefaces, shaped=shaped)
    make_room(folder, MARKER, (LABELS, IMAGES), document)
    (folder / IMAGES).mkdir()
    by_char = {char: having for char in lines.rare if (having := [w for w in lines.words if char in w])}
    labels, uses = [], Counter[str]()
    for index in range(lines.count):
        # A stream of its own for each image: asking for more leaves the first ones as they were. Drawing, not secrecy.
        rng = Random(f"{lines.seed}/{index}")
        text = _text(rng, lines, by_char, index)
        name = f"{IMAGES}/{index:05}.jpg"
        face = _face(rng, style, text)
        draw_line_crop(rng, style, text, face).save(folder / name, "JPEG", quality=rng.randint(55, 95))
        labels.append(format_line(name, text))
        uses.update(set(text) & by_char.keys())
        progress(index + 1)
    write_text(folder / LABELS, "".join(labels))
    return uses


def needs_shaping(words: Iterable[str]) -> bool:
    """Whether a word has marks that sit on other letters, or is written from right to left."""
    return any(
        unicodedata.category(char)[0] == "M" or unicodedata.bidirectional(char) in _RIGHT_TO_LEFT
        for char in {char for word in words for char in word}
    )


def _text(rng: Random, lines: WordLines, by_char: Mapping[str, Sequence[str]], index: int) -> str:
    """One line: a word with the rare character whose turn it is, then others while there is room and a font has all."""
    rare = list(by_char)
    chosen = [rng.choice(by_char[rare[index % len(rare)]] if rare else lines.words)]
    between = "" if lines.language == THAI_LANGUAGE else " "
    for _ in range(rng.randint(1, lines.per_line) - 1):
        longer = [*chosen, rng.choice(lines.words)]
        rng.shuffle(longer)
        text = between.join(longer)
        if len(text) <= lines.max_length and any(face.covers(text) for face in lines.typefaces):
            chosen = longer
    return between.join(chosen)


def _face(rng: Random, style: Style, text: str) -> Typeface:
    """A font that has the glyphs of `text` and draws something: some have empty ones."""
    able = [face for face in style.typefaces if face.covers(text)]
    rng.shuffle(able)
    for face in able:
        if style.draw(Random(0), text, _PROBE_PX, face).getbbox():
            return face
    names = ", ".join(sorted({face.path.name for face in able}))
    raise DataError(
        f"{text!r} cannot be drawn: the glyphs of {names} are empty.",
        hint="Use other fonts, or leave the word out.",
    )
