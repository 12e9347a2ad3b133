"""The command `draw`: lines of text from a team's own words and fonts, to train on beside real images."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.cli.dictionary import find_texts
from ocr_train.cli.options import whole_number
from ocr_train.cli.output import Commands, add_json, echo_for, give_json
from ocr_train.cli.transfer import fetch_for_training
from ocr_train.errors import DataError
from ocr_train.live_line import LiveLine
from ocr_train.ocr_engine.files import read_regular

if TYPE_CHECKING:
    from ocr_train.data.demo.word_lines import WordLines, Words
    from ocr_train.data.rare_characters import CharacterUse
    from ocr_train.run import Echo

_MODELS = {"en": "rec", "th": "rec_th"}
"""Whose dictionary counts where none is named and none lies with the data, and whose longest text."""
_SHOWN = 20


def add_commands(commands: Commands) -> None:
    """Add `draw`."""
    parser = commands.add_parser(
        "draw",
        command=_draw,
        help="draw lines of text from your own words and fonts, to train on beside real images",
        description="Draw recognition lines: words of a file, set in your fonts, on paper, walls and boards, blurred and "
        "noisy as photographs are. With --rare the lines have the characters that your training labels hardly have. "
        "Train on them beside your data: --data 'DATA 1.0, OUT 0.2'.",
    )
    add = parser.add_argument
    add("folder", metavar="OUT", type=Path, help="a new folder, or one that this command has drawn into")
    add(
        "--words",
        type=Path,
        metavar="FILE",
        help="words or phrases, one a line, in UTF-8 (default: our own few)",
    )
    add("--fonts", type=Path, metavar="DIR", help="a folder with .ttf or .otf files (default: ours)")
    add(
        "--language",
        default="en",
        choices=tuple(_MODELS),
        help="th: words are joined without spaces (default: en)",
    )
    add("--count", type=whole_number(1), default=1000, metavar="N", help="lines to draw (default: 1000)")
    add(
        "--per-line",
        type=whole_number(1),
        default=2,
        metavar="N",
        help="at most so many words a line (default: 2)",
    )
    add(
        "--max-length",
        type=whole_number(1),
        metavar="N",
        help="at most so many characters a line (default: what the model of the language reads)",
    )
    add(
        "--rare",
        default="",
        metavar="DATA",
        help="labels, as `train --data` takes them: every line has a character that they lack or hardly have",
    )
    add(
        "--dict",
        type=Path,
        metavar="FILE",
        help="the dictionary for --rare (default: DATA's dict.txt, else the model's)",
    )
    add("--seed", type=int, default=0, metavar="N", help="another seed draws other lines")
    add_json(parser)


def _draw(arguments: argparse.Namespace) -> int:
    from ocr_train.data.demo.word_lines import WordLines, choose_words, draw_word_lines, fonts_for

    echo = echo_for(arguments)
    typefaces, broken = fonts_for(arguments.fonts, arguments.language)
    for problem in broken:
        echo(f"fonts: passed over: {problem}")
    use = _use(arguments, echo) if arguments.rare else None
    length = arguments.max_length or _max_length(arguments.language)
    words = choose_words(_words(arguments), typefaces, language=arguments.language, max_length=length)
    lines = WordLines(
        words=words.texts,
        typefaces=typefaces,
        language=arguments.language,
        count=arguments.count,
        per_line=arguments.per_line,
        max_length=length,
        rare=(*use.unseen, *use.few) if use else (),
        seed=arguments.seed,
    )
    _say_words(words, echo)
    live = LiveLine(sys.stderr, interval_s=10, wait_s=5)
    uses = draw_word_lines(
        arguments.folder,
        lines,
        {"draw": _asked(arguments)},
        progress=lambda done: live.show(f"drawn: {done} of {lines.count} lines"),
    )
    live.clear()
    _say_drawn(arguments, lines, uses, use, echo)
    give_json(arguments, _answer(arguments, words, lines, uses))
    return 0


def _words(arguments: argparse.Namespace) -> list[str]:
    """The lines of the words file, else the demo set's."""
    from ocr_train.data.demo.texts import words

    if arguments.words is None:
        return list(words(arguments.language))
    try:
        return read_regular(arguments.words).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as exc:
        raise DataError(
            f"{arguments.words} is not UTF-8.", hint="Save it as UTF-8, one word a line."
        ) from exc
    except OSError as exc:
        raise DataError(
            f"{arguments.words} cannot be read: {exc.strerror}.",
            hint="Give a text file with one word a line.",
        ) from exc


def _max_length(language: str) -> int:
    """The longest text that the model of the language trains on."""
    from ocr_train.config.overrides import get_key

    return int(get_key(_experiment(language).trainer, "Global.max_text_length", 25))


def _experiment(language: str) -> Any:
    from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment

    return load_experiment(Launch(model=_MODELS[language]), EXPERIMENTS)


def _use(arguments: argparse.Namespace, echo: Echo) -> CharacterUse:
    """How the labels of --rare use the characters of the dictionary; said."""
    from ocr_train.config.data_sources import require_one_source
    from ocr_train.config.requests import LabelChoices
    from ocr_train.data.dictionary import first_dictionary, read_dictionary
    from ocr_train.data.rare_characters import character_use_of

    require_one_source(arguments.rare, "--rare", "Give the team's own labels: the first of the sources.")
    with tempfile.TemporaryDirectory(prefix="ocr-train-draw-") as scratch:
        found = find_texts(arguments.rare, Path(scratch), LabelChoices(), fetch=fetch_for_training, echo=echo)
        model = Path(_experiment(arguments.language).dictionary)
        path = first_dictionary(named=arguments.dict, beside=found.dictionary, model=model) or model
        echo(f"dictionary: {path}")
        use = character_use_of(found.train, read_dictionary(path).charset)
    for sentence in use.sentences():
        echo(f"rare: {sentence}")
    if not use.unseen and not use.few:
        raise DataError(
            "no character of the dictionary is rare in these labels.",
            hint="Draw lines without --rare, or give another --dict.",
        )
    return use


def _say_words(words: Words, echo: Echo) -> None:
    left_out = ", ".join(f"{count} ({why})" for why, count in words.left_out.items())
    echo(f"words: {len(words.texts)}{left_out and f'; left out: {left_out}'}")
    if words.no_glyph:
        shown = [f"{char} ({count} words)" for char, count in list(words.no_glyph.items())[:_SHOWN]]
        echo(f"fonts: no font has {', '.join(shown)}")


def _say_drawn(
    arguments: argparse.Namespace,
    lines: WordLines,
    uses: Mapping[str, int],
    use: CharacterUse | None,
    echo: Echo,
) -> None:
    from ocr_train.data.character_classes import visible
    from ocr_train.data.rare_characters import shown_some

    echo(f"drew {lines.count} lines in {arguments.folder}")
    if uses:
        counted = [f"{visible(char)} ({count})" for char, count in sorted(uses.items())]
        echo(f"rare: lines with each character: {shown_some(counted)}")
    if lines.without_word:
        echo(
            f"rare: no word has {shown_some(map(visible, lines.without_word))}: add words with them to "
            f"{arguments.words or 'a file and give it with --words'}"
        )
    data = arguments.rare or "DATA"
    mixed = shlex.quote(f"{data} 1.0, {arguments.folder} 0.2")
    echo(f"next: python -m ocr_train train --model {_MODELS[arguments.language]} --data {mixed}")


def _asked(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("words", "fonts", "language", "count", "per_line", "max_length", "rare", "dict", "seed")
    return {name: None if (value := getattr(arguments, name)) is None else str(value) for name in names}


def _answer(
    arguments: argparse.Namespace, words: Words, lines: WordLines, uses: Counter[str]
) -> dict[str, Any]:
    return {
        "folder": str(arguments.folder),
        "lines": lines.count,
        "words": len(words.texts),
        "left_out": dict(words.left_out),
        "no_glyph": dict(words.no_glyph),
        "rare": {char: uses[char] for char in lines.rare},
    }
