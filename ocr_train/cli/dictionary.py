"""The command `dict`: a dictionary for recognition, made of the labels that are to be trained on."""

from __future__ import annotations

import argparse
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.atomic_files import write_bytes
from ocr_train.cli.convert import add_label_format, format_options
from ocr_train.cli.label_options import add_label_choices, label_choices
from ocr_train.cli.options import output_folder
from ocr_train.cli.output import Commands, add_json, echo_for, give_json, require_apart, stream_for
from ocr_train.cli.transfer import fetch_for_training
from ocr_train.config.data_sources import require_one_source
from ocr_train.errors import ConfigError, DataError
from ocr_train.ocr_engine.files import read_regular
from ocr_train.run import Echo

if TYPE_CHECKING:
    from ocr_train.config.requests import LabelChoices
    from ocr_train.data.characters import LabelCharacters, NewDictionary
    from ocr_train.data.dictionary import Dictionary
    from ocr_train.data.for_training import Fetch

DICTIONARY_KEY = "Global.character_dict_path"
_SHOWN = 20
"""So many characters of a list are printed; `--json` has all."""


def add_commands(commands: Commands) -> None:
    """Add `dict`."""
    parser = commands.add_parser(
        "dict",
        command=_dict,
        help="a recognition dictionary of the characters in your labels",
        description="Write a dictionary for recognition: the characters of the labels in DATA, one a line, by code "
        "point. With --base the lines of that file come first, as they are, so that weights trained with it keep the "
        "meaning of their classes; what it lacks follows.",
    )
    add = parser.add_argument
    add(
        "data",
        metavar="DATA",
        help="recognition labels: what `train --data` takes, or one label file",
    )
    add("--out", required=True, type=Path, metavar="FILE", help="the dictionary to write, such as dict.txt")
    add("--base", type=Path, metavar="FILE", help="a dictionary whose lines are kept, in their order")
    add("--force", action="store_true", help="replace FILE where it has another content")
    add_label_format(parser)
    add_label_choices(parser, ["text_from", "difficult", "normalize", "images", "strip"])
    add_json(parser)


def _dict(arguments: argparse.Namespace) -> int:
    from ocr_train.data.characters import make_dictionary
    from ocr_train.data.dictionary import read_dictionary

    if not arguments.data.strip():
        raise ConfigError("DATA is empty.", hint="Give a folder, a label file or s3://bucket/prefix.")
    require_one_source(
        arguments.data,
        "DATA",
        "Run it on the first source, then on each other one with --base on the file that came out: it keeps what is there.",
    )
    inputs = [arguments.base] if arguments.base else []
    require_apart([*inputs, Path(arguments.data)], [arguments.out, arguments.json])
    require_apart([arguments.out], [arguments.json])
    base = read_dictionary(arguments.base) if arguments.base else None
    echo = echo_for(arguments)
    found = _read(arguments, echo)
    made = make_dictionary(found, base)
    written = _write(arguments.out, made.content, force=arguments.force)
    for line in _lines(found, made, base, arguments.out, written=written):
        echo(line)
    give_json(arguments, _answer(arguments, found, made, written=written))
    return 0


def _read(arguments: argparse.Namespace, echo: Echo) -> LabelCharacters:
    """The characters of the label files that a training on the data would read."""
    from ocr_train.data.characters import read_characters

    fetch = partial(fetch_for_training, stream=stream_for(arguments))
    choices = label_choices(arguments)
    options = {**format_options(arguments), **choices.of_formats}
    with tempfile.TemporaryDirectory(prefix="ocr-train-dict-") as scratch:
        found = find_texts(
            arguments.data,
            Path(scratch),
            choices,
            fetch=fetch,
            echo=echo,
            source_format=arguments.source_format,
            options=options,
        )
        return read_characters((*found.train, *found.val), arguments.normalize)


@dataclass(frozen=True, kw_only=True)
class TextFiles:
    """The label files of recognition data, and the dictionary that lies with them."""

    train: tuple[Path, ...]
    val: tuple[Path, ...] = ()
    dictionary: Path | None = None


def find_texts(
    data: str,
    scratch: Path,
    choices: LabelChoices,
    *,
    fetch: Fetch,
    echo: Echo,
    source_format: str = "auto",
    options: Mapping[str, object] | None = None,
) -> TextFiles:
    """The label files that a training of recognition on `data` would read, or the one that it is; what is converted goes to
    `scratch`. Raises `DataError` where there are none."""
    from ocr_train.data.checks.policy import echo_source
    from ocr_train.data.for_training import locate_data
    from ocr_train.data.formats.converted import as_paddleocr
    from ocr_train.data.layout import find_layout

    place, _ = locate_data(data, output_folder() / "cache", fetch, echo)
    if place.is_file():
        return TextFiles(train=(place,))
    if not place.is_dir():
        raise DataError(
            f"data: there is no folder and no label file {str(place)!r}.",
            hint="Give a folder, a label file or s3://bucket/prefix.",
        )
    source = as_paddleocr(
        place, "rec", scratch / "converted", source_format=source_format, options=options or {}
    )
    echo_source(source, echo)
    layout = find_layout(source.folder, "rec", source.choices_for(choices))
    return TextFiles(train=layout.train, val=layout.val, dictionary=layout.dictionary)


def _write(out: Path, content: bytes, *, force: bool) -> bool:
    """Whether it had to be written; raises `DataError` where another file is in its place."""
    try:
        there = read_regular(out)
    except FileNotFoundError:
        there = None
    if there == content:
        return False
    if there is not None and not force:
        raise DataError(
            f"{str(out)!r} exists and has another content; it was not changed.",
            hint="Name another file, or replace it: --force. A model that was trained with it needs it as it is.",
        )
    write_bytes(out, content)
    return True


def _lines(
    found: LabelCharacters, made: NewDictionary, base: Dictionary | None, out: Path, *, written: bool
) -> list[str]:
    """What was found and what was made of it, for people."""
    lines = [f"labels: {found.labels} with {len(found.characters)} different characters"]
    if base is not None:
        lines.append(f"base: {len(base.entries)} lines of {base.path} are kept as they are")
        lines.append(f"new: {len(made.new)}{_shown(made.new)}")
        lines.append(f"in no label: {len(made.unused)} of the base{_shown(made.unused)}")
    if made.several:
        lines.append(
            f"note: {len(made.several)} lines of the base have several characters and never match; they stay, since "
            f"a line's place is a class of the model{_shown(made.several)}"
        )
    if found.with_space and not (base and " " in base.entries):
        lines.append(
            f"note: {found.with_space} labels have a space, which is no line of a dictionary: "
            "Global.use_space_char=true adds it (rec and rec_th here have that)"
        )
    if made.left_out:
        what = ", ".join(
            f"{_name(char)} {count} times" for char, count in list(made.left_out.items())[:_SHOWN]
        )
        lines.append(f"left out, as nobody sees them in an image: {what}. Correct the labels that have them")
    if found.placeholders:
        lines.append(
            f"note: {found.placeholders} labels are what a labelling tool wrote; they count for nothing"
        )
    if found.bad_lines:
        lines.append(f"note: {found.bad_lines} lines hold no sample; `validate` says which")
    lines.append(f"{out}: {len(made.entries)} lines{'' if written else ', which it had already'}")
    if out.name != "dict.txt":
        lines.append(
            f"next: name it dict.txt beside the label files, or give overrides={DICTIONARY_KEY}={out}"
        )
    return lines


def _shown(characters: Sequence[str]) -> str:
    """The first of them, after a colon."""
    if not characters:
        return ""
    more = " ..." if len(characters) > _SHOWN else ""
    return f": {' '.join(map(repr, characters[:_SHOWN]))}{more}"


def _name(char: str) -> str:
    name = unicodedata.name(char, "").lower()
    return f"U+{ord(char):04X}{f' ({name})' if name else ''}"


def _answer(
    arguments: argparse.Namespace, found: LabelCharacters, made: NewDictionary, *, written: bool
) -> dict[str, object]:
    return {
        "data": arguments.data,
        "base": arguments.base and str(arguments.base),
        "out": str(arguments.out),
        "written": written,
        "lines": len(made.entries),
        "labels": found.labels,
        "characters": len(found.characters),
        "new": made.new,
        "in_no_label": made.unused,
        "of_several_characters": made.several,
        "left_out": [
            {"code_point": f"U+{ord(char):04X}", "count": count} for char, count in made.left_out.items()
        ],
        "labels_with_space": found.with_space,
        "placeholders": found.placeholders,
        "bad_lines": found.bad_lines,
    }
