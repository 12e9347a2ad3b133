"""The annotation formats that are converted: a new one is a file of its own and a row here.

PaddleOCR's own labels need no conversion; `PADDLEOCR` is their name beside those of the table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.data.labels import LabelLine, read_labels
from ocr_train.data.layout import NOT_LABELS
from ocr_train.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ocr_train.data.formats.conversion import Conversion

PADDLEOCR = "paddleocr"
_JSONS_TRIED = 50


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


def detect_format(folder: Path) -> str:
    """A name of the table of formats, or "paddleocr", by what lies in `folder`; "paddleocr" where nothing tells.

    In this order: a training file of PaddleOCR's (`*train*.txt`, here or one folder down) is what somebody
    made last and is taken as it is; files that a tool is known by, such as PPOCRLabel's `Label.txt` with
    `fileState.txt`, anywhere below; any other label file in the folder itself is PaddleOCR's; a JSON file that
    is a tool's, anywhere below. Raises `DataError` where there is no such folder or it cannot be read.
    """
    if not folder.is_dir():
        raise DataError(
            f"data: there is no folder {str(folder)!r}.",
            hint="Give a folder with labels and images, or s3://bucket/prefix.",
        )
    try:
        return _detect(folder)
    except OSError as exc:
        raise DataError(
            f"{str(exc.filename or folder)!r} cannot be read: {exc.strerror}.", hint="Check its permissions."
        ) from exc


def _detect(folder: Path) -> str:
    texts = [*folder.glob("*.txt"), *folder.glob("[!.]*/*.txt")]
    if any("train" in path.stem.lower() and _holds_labels(path) for path in texts):
        return PADDLEOCR
    marks = {name: one.names for name, one in FORMATS.items() if one.names}
    known = frozenset().union(*marks.values())
    names: set[str] = set()
    jsons: list[Path] = []
    for path in _files(folder):
        if path.name in known:
            names.add(path.name)
            if found := next((name for name, needed in marks.items() if needed <= names), ""):
                return found
        elif path.suffix.lower() == ".json" and len(jsons) < _JSONS_TRIED:
            jsons.append(path)
    if any(path.parent == folder and _holds_labels(path) for path in texts):
        return PADDLEOCR
    tests = {name: one.is_its for name, one in FORMATS.items() if one.is_its}
    return next((name for path in jsons for name, is_its in tests.items() if is_its(path)), PADDLEOCR)


def _files(folder: Path) -> Iterator[Path]:
    """All files below, in a fixed order; folders whose name begins with a dot are tools' own."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            yield Path(place) / name


def _holds_labels(path: Path) -> bool:
    """Whether one of the first lines is a sample; lists of characters or of file states are not labels."""
    if NOT_LABELS.search(path.stem) or not path.is_file():
        return False
    return any(isinstance(line, LabelLine) for line in islice(read_labels(path), 5))
