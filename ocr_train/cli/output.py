"""What the data commands have in common: how they answer, what they refuse, what their numbers may be."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ocr_train.disk import refused
from ocr_train.errors import ConfigError, DataError
from ocr_train.ocr_engine.files import open_regular
from ocr_train.redaction.redactor import redactor
from ocr_train.run import Echo

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Any]

Command = Callable[[argparse.Namespace], int]


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


def say_for(arguments: argparse.Namespace) -> Echo:
    """Says a line to people, at once and without credentials."""
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
        from ocr_train.atomic_files import write_bytes

        write_bytes(Path(arguments.json), f"{text}\n".encode("utf-8", "backslashreplace"))


def print_json(text: str) -> None:
    """Print JSON; where stdout cannot write a character of it, all of those as escapes, which mean the same."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text))
    print(text)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)


def guarded(command: Command) -> Command:
    """`command`, with what the file system refuses turned into an error that names the path.

    The parts report what they expect to go wrong; this is for the rest, such as a folder where a file is to
    be written. Characters that a terminal cannot show, such as Thai on one of Latin-1, are escaped.
    """

    def run(arguments: argparse.Namespace) -> int:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return command(arguments)
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise refused(exc) from exc

    return run


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

    if not path.parent.is_dir():
        return f"There is no folder {str(path.parent)!r} either: check the path."
    names = sorted(found.name for found in path.parent.glob("*.txt"))
    return nearest(path.name, names).removeprefix(". ") or "Check the path."


def whole_number(least: int) -> Callable[[str], int]:
    """For argparse: a whole number of at least `least`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is too small: give at least {least}")
        return value

    return read


def share(text: str) -> float:
    """For argparse: a share of the samples, from 0 to less than 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share between 0 and 1, such as 0.2")
    return value
