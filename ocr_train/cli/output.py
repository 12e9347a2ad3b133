"""How commands answer, and which files they refuse."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from ocr_train.atomic_files import write_bytes
from ocr_train.errors import ConfigError, DataError
from ocr_train.ocr_engine.files import open_regular
from ocr_train.redaction.redactor import redactor
from ocr_train.run import Echo

Commands: TypeAlias = "argparse._SubParsersAction[Any]"
"""What a command is added to."""


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the result as JSON to this file ('-': to stdout, and the rest to stderr)",
    )


def stream_for(arguments: argparse.Namespace) -> TextIO:
    """Where words for people go: stdout, unless JSON has it."""
    return sys.stderr if getattr(arguments, "json", None) == "-" else sys.stdout


def echo_for(arguments: argparse.Namespace) -> Echo:
    """Prints a line for people, at once and without credentials."""
    stream = stream_for(arguments)

    def echo(text: str) -> None:
        print(redactor().text(text), file=stream, flush=True)

    return echo


def give_json(arguments: argparse.Namespace, answer: Mapping[str, Any]) -> None:
    """Write `answer` where `--json` says; nothing where it was not given. Paths become texts."""
    if arguments.json is None:
        return
    text = json.dumps(answer, ensure_ascii=False, indent=1, default=_plain)
    if arguments.json == "-":
        print_json(text)
    else:
        write_bytes(Path(arguments.json), f"{text}\n".encode("utf-8", "backslashreplace"))


def print_json(text: str) -> None:
    """Print JSON; where stdout cannot write a character of it, all of those as escapes, which mean the same."""
    try:
        if not text.isascii():
            text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text))
    print(text)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines with columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)


def require_apart(inputs: Iterable[Path], outputs: Iterable[Path | str | None]) -> None:
    """Raise `ConfigError` where a file to be written is one of those that are read."""
    read = {path.resolve(): path for path in inputs}
    for output in outputs:
        if output is not None and str(output) != "-" and Path(output).resolve() in read:
            raise ConfigError(
                f"{str(output)!r} is the input; it would be overwritten.",
                hint="Name another file or folder.",
            )


def require_labels(path: Path) -> None:
    """Raise `DataError` where `path` is not a readable file; for a folder, name the label files in it."""
    if path.is_dir():
        inside = ", ".join(sorted(found.name for found in path.glob("*.txt"))[:8])
        hint = f"It has {inside}: name one of these." if inside else "There is no .txt file in it either."
        raise DataError(f"{str(path)!r} is a folder, not a label file.", hint=hint)
    if not path.exists():
        raise DataError(f"There is no label file {str(path)!r}.", hint=_neighbours(path))
    try:
        open_regular(path).close()
    except OSError as exc:
        raise DataError(
            f"label file {str(path)!r} cannot be read: {exc.strerror}.", hint="Check its permissions."
        ) from exc


def _neighbours(path: Path) -> str:
    """What stands where the file was looked for."""
    from ocr_train.config.overrides import nearest

    first = str(path).partition(",")[0].strip()
    if first != str(path) and Path(first).exists():
        return "Label files stand one after the other, with blanks between them and no commas; ratios are for `train`."
    if not path.parent.is_dir():
        return f"There is no folder {str(path.parent)!r} either: check the path."
    names = sorted(found.name for found in path.parent.glob("*.txt"))
    return nearest(path.name, names).removeprefix(". ") or "Check the path."
