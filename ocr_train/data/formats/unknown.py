"""Files of tools that are not converted, named as what they look like: a person then knows what to export instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ocr_train.data.files.system_files import walk_files
from ocr_train.data.formats.peek import FilePeek

_TRIED = 20
_SUFFIXES = (
    ".json",
    ".jsonl",
    ".ndjson",
    ".xml",
    ".txt",
    ".csv",
    ".mat",
    ".tfrecord",
    ".parquet",
    ".vott",
    ".hocr",
    ".gt",
)


def looks_like(folder: Path) -> str:
    """What the first file of a known look in `folder` looks like, as a sentence after a space; empty where none does."""
    for path in _files(folder):
        peek = FilePeek(path)
        name = next((name for name, test in _LOOKS if test(peek)), "")
        if name:
            return f" {path.relative_to(folder)} looks like {name}."
    return ""


def _files(folder: Path) -> Iterator[Path]:
    """The first files of each suffix."""
    seen = dict.fromkeys(_SUFFIXES, 0)
    for path in walk_files(folder):
        suffix = path.suffix.lower()
        if seen.get(suffix, _TRIED) < _TRIED:
            seen[suffix] += 1
            yield path


def _xml(*tags: str) -> Callable[[FilePeek], bool]:
    return lambda peek: (
        peek.suffix in (".xml", ".hocr") and peek.xml is not None and _local(peek.xml.tag) in tags
    )


def _local(tag: str) -> str:
    return tag.rpartition(":")[2].rpartition("}")[2]


def _cvat_video(peek: FilePeek) -> bool:
    root = peek.xml if peek.suffix == ".xml" else None
    return root is not None and root.tag == "annotations" and root.first("track") is not None


def _keypoints(peek: FilePeek) -> bool:
    annotations = peek.keys.get("annotations")
    first = annotations[0] if isinstance(annotations, list) and annotations else None
    return isinstance(first, dict) and "keypoints" in first


def _createml(peek: FilePeek) -> bool:
    first = peek.json[0] if peek.suffix == ".json" and isinstance(peek.json, list) and peek.json else None
    boxes = first.get("annotations") if isinstance(first, dict) else None
    return (
        isinstance(boxes, list) and bool(boxes) and isinstance(boxes[0], dict) and "coordinates" in boxes[0]
    )


def _dota(peek: FilePeek) -> bool:
    rows = [line.split() for line in peek.lines if ":" not in line]
    return peek.suffix == ".txt" and bool(rows) and all(len(row) == 10 and row[9] in "012" for row in rows)


def _tables(peek: FilePeek) -> bool:
    return bool(peek.rows) and all({"filename", "html"} <= set(row) for row in peek.rows)


def _tables_in_one(peek: FilePeek) -> bool:
    first = peek.json[0] if peek.suffix == ".json" and isinstance(peek.json, list) and peek.json else None
    return isinstance(first, dict) and {"filename", "html"} <= set(first)


def _header(*names: str) -> Callable[[FilePeek], bool]:
    return lambda peek: peek.suffix == ".csv" and set(names) <= set(peek.header)


def _keys(*names: str) -> Callable[[FilePeek], bool]:
    return lambda peek: peek.suffix in (".json", ".vott") and set(names) <= set(peek.keys)


def _art(peek: FilePeek) -> bool:
    if peek.suffix != ".json" or not peek.keys:
        return False
    first = next(iter(peek.keys.values()))
    return (
        isinstance(first, list) and bool(first) and isinstance(first[0], dict) and "transcription" in first[0]
    )


def _doctr(peek: FilePeek) -> bool:
    first = next(iter(peek.keys.values()), None) if peek.suffix == ".json" else None
    return isinstance(first, dict) and {"img_dimensions", "polygons"} <= set(first)


def _hiertext(peek: FilePeek) -> bool:
    pages = peek.keys.get("annotations")
    first = pages[0] if isinstance(pages, list) and pages else None
    return isinstance(first, dict) and {"image_id", "paragraphs"} <= set(first)


_LOOKS: tuple[tuple[str, Callable[[FilePeek], bool]], ...] = (
    ("docTR's JSON of polygons: has no texts, and is not read", _doctr),
    ("HierText's JSON of paragraphs, lines and words, which is not read", _hiertext),
    (
        "MSRA-TD500: a line `index difficult x y width height angle` a box, without text, which is not read",
        lambda peek: peek.suffix == ".gt",
    ),
    ("COCO keypoints: has no text", _keypoints),
    ("CVAT for video: export the task as 'CVAT for images 1.1'", _cvat_video),
    (
        "a project of VIA 3: export from VIA 2, or use another tool",
        _keys("project", "config", "attribute", "file", "view"),
    ),
    ("a project of VoTT: export as VoTT JSON is not read; export as Pascal VOC", _keys("assets", "version")),
    ("an answer of Azure's Read or Document Intelligence, which is not read", _keys("analyzeResult")),
    (
        "Supervisely: has `objects` with `classTitle`; export as COCO or Pascal VOC",
        _keys("objects", "size", "tags"),
    ),
    ("LSVT or ArT of ICDAR 2019: one JSON for all images, which is not read", _art),
    ("ALTO XML, which is not read", _xml("alto")),
    ("PAGE XML, which is not read", _xml("PcGts")),
    ("the XML of ICDAR 2003 and SVT, which is not read", _xml("tagset")),
    ("hOCR, which is not read", lambda peek: peek.suffix == ".hocr"),
    ("PubTabNet's labels of tables: they are for a table model (--task table)", _tables),
    ("a list of tables' labels: write each on a line of its own, in a .jsonl file", _tables_in_one),
    (
        "XFUND's own JSON: PaddleOCR's ppstructure/kie/tools/trans_xfun_data.py makes its labels of it",
        _keys("lang", "documents"),
    ),
    ("FUNSD's JSON, which is not read", _keys("form")),
    ("CreateML's JSON: has classes and no text; export as COCO or Pascal VOC", _createml),
    ("DOTA: boxes of objects, without text", _dota),
    (
        "TensorFlow's or Roboflow's CSV of boxes: has classes and no text; export as COCO or Pascal VOC",
        _header("filename", "class", "xmin", "ymin", "xmax", "ymax"),
    ),
    (
        "a .mat file of MATLAB, which is not read: take the text files of the same data set",
        lambda peek: peek.suffix == ".mat",
    ),
    ("TFRecord, which is not read: export as COCO or Pascal VOC", lambda peek: peek.suffix == ".tfrecord"),
    (
        "Parquet, which is not read: save the images as files and the texts as CSV",
        lambda peek: peek.suffix == ".parquet",
    ),
)
