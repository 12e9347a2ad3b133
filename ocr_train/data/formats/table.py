"""The annotation formats that are converted: a new one is a file of its own and a row here.

PaddleOCR's own labels need no conversion; `PADDLEOCR` is their name beside those of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.errors import ConfigError

if TYPE_CHECKING:
    from ocr_train.data.formats.conversion import Conversion

PADDLEOCR = "paddleocr"


@dataclass(frozen=True, kw_only=True)
class FormatOption:
    """An option of `convert` and `prepare` for one format: its parameter's `name`; a switch where it has no `choices`."""

    name: str
    help: str
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """As it is typed."""
        return f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True, kw_only=True)
class AnnotationFormat:
    """A tool's way to keep labels; `title` is its name for people.

    A folder is in this format where files of all these `names` lie in it, or a JSON file for which `is_its` is true.
    `convert` takes the folder, a new folder for the result, `overwrite`, and the `options` that were given.
    """

    title: str
    convert: Callable[..., Conversion]
    names: frozenset[str] = frozenset()
    is_its: Callable[[Path], bool] | None = None
    options: tuple[FormatOption, ...] = ()


def _convert_labelme(src: Path, out: Path, **options: Any) -> Conversion:
    # Each format is loaded when it is needed: the command line makes its options of this table.
    from ocr_train.data.formats.labelme import convert_labelme

    return convert_labelme(src, out, **options)


def _is_labelme(path: Path) -> bool:
    from ocr_train.data.formats.labelme import is_labelme

    return is_labelme(path)


def _convert_ppocrlabel(src: Path, out: Path, **options: Any) -> Conversion:
    from ocr_train.data.formats.ppocrlabel import convert_ppocrlabel

    return convert_ppocrlabel(src, out, **options)


FORMATS: Mapping[str, AnnotationFormat] = {
    "labelme": AnnotationFormat(
        title="LabelMe",
        convert=_convert_labelme,
        is_its=_is_labelme,
        options=(
            FormatOption(
                name="text_from",
                choices=("label", "description"),
                help="where a shape's text is, label (the default) or description",
            ),
        ),
    ),
    "ppocrlabel": AnnotationFormat(
        title="PPOCRLabel",
        convert=_convert_ppocrlabel,
        names=frozenset({"Label.txt", "fileState.txt"}),
        options=(FormatOption(name="only_confirmed", help="leave out images that nobody confirmed there"),),
    ),
}


def format_title(name: str) -> str:
    """A format's name for people."""
    return "PaddleOCR" if name == PADDLEOCR else FORMATS[name].title


def options_for(name: str, given: Mapping[str, object], folder: Path) -> dict[str, object]:
    """Those of the options that were `given`; raises `ConfigError` for one that is another format's."""
    own = {option.name for option in FORMATS[name].options} if name in FORMATS else set()
    for other, one in FORMATS.items():
        for option in one.options:
            if given.get(option.name) and option.name not in own:
                raise ConfigError(
                    f"{option.flag} is for {one.title}'s folders, and {folder} is {format_title(name)}'s.",
                    hint=f"Leave it out, or name the format {other}.",
                )
    return {option: value for option, value in given.items() if value and option in own}
