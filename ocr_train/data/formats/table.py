"""The annotation formats that are converted: a new one is a file of its own and a row here.

PaddleOCR's own labels need no conversion; `PADDLEOCR` is their name beside those of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.data.difficult import AUTO, CHOICES
from ocr_train.data.files.system_files import is_system_file, walk_files
from ocr_train.data.formats.peek import FilePeek
from ocr_train.data.formats.unknown import looks_like
from ocr_train.data.labels import LabelLine, TableLine, read_labels
from ocr_train.data.layout import NOT_LABELS, images_folder, require_folder
from ocr_train.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ocr_train.data.formats.conversion import Conversion

PADDLEOCR = "paddleocr"
_FIRST = "labelme"
"""In front of everything that was added later: a folder keeps its format."""
_TRIED = 50


@dataclass(frozen=True, kw_only=True)
class FormatOption:
    """An option of `convert` and `prepare` for one format or several: its parameter's `name`; one of `choices`, or any
    text where it has a `metavar` alone, or a switch."""

    name: str
    help: str
    choices: tuple[str, ...] = ()
    metavar: str = ""

    @property
    def flag(self) -> str:
        """As it is typed."""
        return f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True, kw_only=True)
class AnnotationFormat:
    """A tool's way to keep labels; `title` is its name for people.

    A folder is in this format where files of all these `names` lie in it, or of all `together` in one folder; or a file
    with one of `suffixes` for which `is_its` is true. `convert` takes the folder, a new folder for the result,
    `overwrite`, and the `options` that were given.
    """

    title: str
    convert: Callable[..., Conversion]
    names: frozenset[str] = frozenset()
    together: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    is_its: Callable[[FilePeek], bool] | None = None
    options: tuple[FormatOption, ...] = ()


def _load(module: str, what: str) -> Callable[..., Any]:
    """`convert_<module>` or `is_<module>` of a format's own file, loaded when it is needed: the command line makes its
    options of this table."""
    found: Callable[..., Any] = getattr(import_module(f"{__package__}.{module}"), f"{what}_{module}")
    return found


def _converter(module: str) -> Callable[..., Conversion]:
    def convert(src: Path, out: Path, **options: Any) -> Conversion:
        made: Conversion = _load(module, "convert")(src, out, **options)
        return made

    return convert


def _test(module: str) -> Callable[[FilePeek], bool]:
    def is_its(peek: FilePeek) -> bool:
        return bool(_load(module, "is")(peek))

    return is_its


def _row(
    module: str,
    title: str,
    suffixes: tuple[str, ...] = (),
    options: tuple[FormatOption, ...] = (),
    **more: Any,
) -> AnnotationFormat:
    """A format with a file of its own in this package."""
    test = _test(module) if suffixes else None
    return AnnotationFormat(
        title=title, convert=_converter(module), is_its=test, suffixes=suffixes, options=options, **more
    )


_TEXT_FROM = FormatOption(
    name="text_from",
    choices=("auto", "label", "description"),
    help="where a box's text is: label, or the field for a text (LabelMe's description); auto (the default): where texts "
    "are and not names of classes",
)
_DIFFICULT = FormatOption(
    name="difficult",
    choices=CHOICES,
    help="boxes that the tool calls difficult: keep their text, or ignore them (###); auto (the default): as the tool "
    "means it",
)
_EMPTY = FormatOption(
    name="empty_pages",
    choices=("true", "false"),
    help="true: images without a box stay, as [], for a training with empty_pages=true",
)
_IMAGES = FormatOption(
    name="images", metavar="DIR", help="a folder with the images, where they are not below SRC"
)
_OF_PAGES = (_EMPTY, _IMAGES)
_NOT_GIVEN = (None, False, "", AUTO, "false")
_TEXT_KEY = FormatOption(name="text_key", metavar="NAME", help="the field or attribute that has a box's text")
_LEVEL = FormatOption(
    name="level", choices=("word", "line"), help="which blocks become boxes: word (the default) or line"
)
_CONFIRMED = FormatOption(name="only_confirmed", help="leave out images that nobody confirmed there")
_PPOCRLABEL: Mapping[str, Any] = {
    "names": frozenset({"Label.txt", "fileState.txt"}),
    "together": frozenset({"Label.txt", "rec_gt.txt"}),
}

FORMATS: dict[str, AnnotationFormat] = {
    "labelme": _row("labelme", "LabelMe", (".json",), (_TEXT_FROM, _DIFFICULT, *_OF_PAGES)),
    "ppocrlabel": _row(
        "ppocrlabel", "PPOCRLabel", options=(_CONFIRMED, _DIFFICULT, *_OF_PAGES), **_PPOCRLABEL
    ),
    "labelstudio": _row("labelstudio", "Label Studio", (".json",), (_TEXT_FROM, *_OF_PAGES)),
    "cvat": _row("cvat", "CVAT", (".xml",), (_TEXT_KEY, _TEXT_FROM, _DIFFICULT, *_OF_PAGES)),
    "via": _row("via", "VIA", (".json", ".csv"), (_TEXT_KEY, _TEXT_FROM, _DIFFICULT, *_OF_PAGES)),
    "coco": _row("coco", "COCO", (".json",), (_TEXT_KEY, _TEXT_FROM, _DIFFICULT, *_OF_PAGES)),
    "voc": _row("voc", "Pascal VOC", (".xml",), (_TEXT_FROM, _DIFFICULT, *_OF_PAGES)),
    "icdar": _row("icdar", "ICDAR", (".txt", ".csv"), _OF_PAGES),
    "totaltext": _row("totaltext", "Total-Text", (".txt",), _OF_PAGES),
    "yolo": _row("yolo", "YOLO", (".txt",), (_TEXT_FROM, *_OF_PAGES)),
    "groundtruth": _row(
        "groundtruth", "SageMaker Ground Truth", (".manifest", ".jsonl", ".json"), (_TEXT_FROM, *_OF_PAGES)
    ),
    "textract": _row("textract", "Amazon Textract", (".json",), (_LEVEL, *_OF_PAGES)),
    "googlevision": _row("googlevision", "Google Vision", (".json",), _OF_PAGES),
    "csv": _row("text_table", "a table of texts", (".csv", ".tsv", ".txt", ".json"), (_IMAGES,)),
    "gt-txt": _row("text_files", "texts in .gt.txt files", (".txt",), (_IMAGES,)),
    "lmdb": _row("lmdb_texts", "LMDB", (".mdb",)),
}


def format_title(name: str) -> str:
    """A format's name for people."""
    return "PaddleOCR" if name == PADDLEOCR else FORMATS[name].title


def all_options() -> tuple[FormatOption, ...]:
    """Every option of a format once, in the table's order."""
    return tuple(dict.fromkeys(option for one in FORMATS.values() for option in one.options))


def options_for(name: str, given: Mapping[str, object], folder: Path) -> dict[str, object]:
    """Those of the options that were `given`; raises `ConfigError` for one that is another format's."""
    # PaddleOCR's own labels may have the key `difficult`, as PPOCRLabel writes them; a training reads them itself.
    plain = {"difficult", "empty_pages", "images"}
    own = {option.name for option in FORMATS[name].options} if name in FORMATS else plain
    for option in all_options():
        if given.get(option.name) not in _NOT_GIVEN and option.name not in own:
            theirs = {other: one.title for other, one in FORMATS.items() if option in one.options}
            raise ConfigError(
                f"{option.flag} is for {' or '.join(theirs.values())}'s folders, and {folder} is {format_title(name)}'s.",
                hint=f"Leave it out, or name the format {' or '.join(theirs)}.",
            )
    chosen = {name: value for name, value in given.items() if value not in _NOT_GIVEN and name in own}
    if "images" in chosen:
        chosen["images"] = images_folder(str(chosen["images"]), folder)
    if "empty_pages" in chosen:
        chosen["empty_pages"] = True
    return chosen


def detect_format(folder: Path) -> str:
    """The first of `detect_formats`."""
    return detect_formats(folder)[0]


def detect_formats(folder: Path) -> tuple[str, ...]:
    """Names of the table of formats, or "paddleocr", by what lies in `folder`; "paddleocr" where nothing tells. The
    first is the one to take; others are those whose files are there, too, as somebody may export labels twice.

    In this order: a training file of PaddleOCR's (`*train*.txt`, here or one folder down) is what somebody
    made last and is taken as it is; files that a tool is known by, such as PPOCRLabel's `Label.txt` with
    `fileState.txt`, anywhere below; any other label file in the folder itself is PaddleOCR's; a JSON file that
    is LabelMe's, anywhere below; any label file one folder down is PaddleOCR's; files of other tools, in the
    table's order. Raises `DataError` where there is no such folder or it cannot be read.
    """
    require_folder(folder)
    try:
        return _detect(folder)
    except OSError as exc:
        raise DataError(
            f"{str(exc.filename or folder)!r} cannot be read: {exc.strerror}.", hint="Check its permissions."
        ) from exc


def known_format(folder: Path) -> str:
    """`detect_format` for one that is to be converted; raises `DataError`, too, where no tool's files are there."""
    found = detect_format(folder)
    if found == PADDLEOCR:
        raise DataError(
            f"{folder} has no files of a tool that is known.{looks_like(folder)}",
            hint=f"Known are: {', '.join(FORMATS)}.",
        )
    return found


def _detect(folder: Path) -> tuple[str, ...]:
    texts = [
        path
        for path in (*folder.glob("*.txt"), *folder.glob("*/*.txt"))
        if not any(is_system_file(name) for name in path.relative_to(folder).parts)
    ]
    if any("train" in path.stem.lower() and _holds_labels(path) for path in texts):
        return (PADDLEOCR,)
    marked, files = _walk(folder)
    if marked:
        return (marked,)
    if any(path.parent == folder and _holds_labels(path) for path in texts):
        return (PADDLEOCR,)
    found = _by_content(files)
    if found[:1] == (_FIRST,):
        return found
    nested = (path for path in texts if path.parent != folder)
    if any(_holds_labels(path) for path in islice(nested, _TRIED)):
        return (PADDLEOCR,)
    return found or (PADDLEOCR,)


def _walk(folder: Path) -> tuple[str, list[Path]]:
    """The format whose names are there, else the first files of each suffix that one may be known by."""
    marks = {name: one.names for name, one in FORMATS.items() if one.names}
    beside = {name: one.together for name, one in FORMATS.items() if one.together}
    suffixes = {suffix for one in FORMATS.values() for suffix in one.suffixes}
    names: set[str] = set()
    here: dict[Path, set[str]] = {}
    tried: dict[str, list[Path]] = {suffix: [] for suffix in suffixes}
    known = frozenset().union(*marks.values(), *beside.values())
    for path in walk_files(folder):
        if path.name in known:
            names.add(path.name)
            here.setdefault(path.parent, set()).add(path.name)
            found = [name for name, needed in marks.items() if needed <= names]
            found += [name for name, needed in beside.items() if needed <= here[path.parent]]
            if found:
                return found[0], []
        suffix = path.suffix.lower()
        if suffix in suffixes and len(tried[suffix]) < _TRIED:
            tried[suffix].append(path)
    return "", [path for suffix in sorted(tried) for path in tried[suffix]]


def _by_content(files: Iterable[Path]) -> tuple[str, ...]:
    """The formats that know one of the files as their own, in the table's order; the table's first one alone."""
    tests = {name: one for name, one in FORMATS.items() if one.is_its}
    found = set()
    for path in files:
        peek = FilePeek(path)
        for name, one in tests.items():
            if name not in found and peek.suffix in one.suffixes and one.is_its and one.is_its(peek):
                found.add(name)
                # What a file is to one format it is to no other.
                break
        if _FIRST in found:
            return (_FIRST,)
    return tuple(name for name in FORMATS if name in found)


def _holds_labels(path: Path) -> bool:
    """Whether one of the first lines is a sample; lists of characters or of file states are not labels."""
    if NOT_LABELS.search(path.stem) or not path.is_file():
        return False
    first = islice(read_labels(path), 5)
    return any(isinstance(line, LabelLine) and not isinstance(line, TableLine) for line in first)
