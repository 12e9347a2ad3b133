"""What the first machine hands to the others: its trainer's configuration, and the files that this names.

Paths differ from machine to machine. What lies in the images' folder is the other machine's own; every other file that
the configuration names is sent, and the place where it was is replaced by the place where it now is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.trainer.files import files_of

IMAGES = "@images/"
SENT = "@sent/"


@dataclass(frozen=True, kw_only=True)
class Handout:
    """`config` with places instead of paths, and the `files` to send by their names on the other side."""

    config: Mapping[str, Any]
    files: Mapping[str, Path]


def hand_out(config: Mapping[str, Any], images: Path) -> Handout:
    """The configuration of a trainer as another machine gets it; `images` is the folder of the images here."""
    files: dict[str, Path] = {}
    places: dict[str, str] = {}

    def place(value: str) -> str:
        if value in places:
            return places[value]
        found = value
        if value.startswith("/"):
            found = IMAGES if Path(value) == images else _send(Path(value), len(places), files) or value
        places[value] = found
        return found

    return Handout(config=_replaced(config, place), files=files)


def _send(path: Path, number: int, files: dict[str, Path]) -> str:
    """Note a file, or the files of a prefix, as those of a checkpoint; the name that stands for it, empty without any."""
    there = [path] if path.is_file() else files_of(path)
    for one in there:
        files[f"{number}/{one.name}"] = one
    return f"{SENT}{number}/{path.name}" if there else ""


def take_in(config: Mapping[str, Any], images: Path, sent: Path, saves: Path) -> dict[str, Any]:
    """The configuration for this machine: images and what was `sent` are where they are here; it writes below `saves`."""

    def path(value: str) -> str:
        if value == IMAGES:
            return str(images)
        return str(sent / value[len(SENT) :]) if value.startswith(SENT) else value

    result: dict[str, Any] = _replaced(config, path)
    result["Global"]["save_model_dir"] = str(saves)
    return result


def _replaced(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaced(each, change) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(each, change) for each in value]
    return change(value) if isinstance(value, str) else value
