"""A folder of pre-labels that PPOCRLabel opens, and that `convert` and a training read back.

    DIR/<image>           copies, all in one folder: PPOCRLabel shows no image of a folder below it
    DIR/Label.txt         <DIR>/<image>, a tab, the JSON of the boxes: what was read
    DIR/Cache.cach        the same: PPOCRLabel leaves pages that nobody has confirmed out of the Label.txt that it
                          saves, and takes them from here when it is opened again
    DIR/fileState.txt     empty: nothing is confirmed (it takes every line there for confirmed)
    DIR/crop_img/         the lines of pages, called as PPOCRLabel calls them when it exports them
    DIR/lines.csv         these lines with their texts, the least sure first
    DIR/confidence.csv    every image, the least sure first
    DIR/prelabels.json    what was written, with the sums of the files that people change

There is no rec_gt.txt: a corrected Label.txt would stand beside the texts of before. Crops for training are cut from Label.txt
by a training and by `crop`, or exported by PPOCRLabel.

Format: PPOCRLabel 3 (`PPOCRLabel.py`, `importDirImages`, `savePPlabel`, `loadFilestate`), as of April 2026. Copies and not
hard links, because its "rotate image" writes into the file.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ocr_train.analysis.predictions import Reading
from ocr_train.analysis.tables import write_csv, write_json
from ocr_train.atomic_files import write_bytes
from ocr_train.data.files.image_files import encode_image
from ocr_train.data.labels import Box, format_line
from ocr_train.disk import sha256_of
from ocr_train.errors import ConfigError
from ocr_train.labelling.prelabels import PreLabel, ScoredBoxes, prelabel_boxes
from ocr_train.ocr_engine.images import ImageError, read_image
from ocr_train.ocr_engine.lines import cut_line

LABELS, CACHE, STATES = "Label.txt", "Cache.cach", "fileState.txt"
RECORD = "prelabels.json"
COLUMNS = ("rank", "image", "confidence", "mean", "parts", "why", "texts", "source")
LINE_COLUMNS = ("rank", "crop", "text", "confidence", "page")
_PYTHON_WORDS = re.compile("true|false|null")


@dataclass(frozen=True, kw_only=True)
class WrittenPrelabels:
    """What is in the folder: so many `images` with `boxes` and `crops`; `lost` boxes by why they cannot be used."""

    images: int
    boxes: int
    crops: int
    lost: Mapping[str, int]
    failed: Sequence[Reading]


def require_new_or_untouched(folder: Path, *, overwrite: bool) -> None:
    """Raise `ConfigError` unless pre-labels may be written to `folder`: it is not there, is empty, or holds pre-labels that
    nobody has changed and `overwrite` is set."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    record = _record(folder)
    if record is None:
        raise ConfigError(
            f"{str(folder)!r} exists and is not a folder of pre-labels.",
            hint="Give another folder with --out.",
        )
    changed = _changed(folder, record)
    if changed:
        raise ConfigError(
            f"{str(folder)!r} has somebody's work in it: {', '.join(changed[:5])} changed since the pre-labels were written.",
            hint="It stays as it is. Give another folder with --out.",
        )
    if not overwrite:
        raise ConfigError(
            f"{str(folder)!r} has pre-labels already, and nobody has changed them.",
            hint="--overwrite writes them anew; or give another folder with --out.",
        )


def _record(folder: Path) -> Mapping[str, Any] | None:
    try:
        value = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("files"), dict) else None


def _changed(folder: Path, record: Mapping[str, Any]) -> list[str]:
    """The files that are not as they were written, and those that came; what is gone was somebody's decision, too."""
    known: Mapping[str, str] = record["files"]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    changed = [name for name in sorted(known) if name not in there]
    changed += [
        name
        for name, digest in known.items()
        if digest and name in there and sha256_of(folder / name) != digest
    ]
    return [*changed, *sorted(there - set(known) - {RECORD})]


def write_prelabels(
    folder: Path,
    ranked: Sequence[PreLabel],
    task: str,
    *,
    name: str,
    progress: Callable[[int], None],
    seen: Callable[[PreLabel, Any, ScoredBoxes], object],
) -> WrittenPrelabels:
    """Write everything to `folder`, which is called `name` when it is done; `seen` is given each image with its picture and
    boxes. An image that could not be read, or is gone, is in confidence.csv alone. Raises `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labels, lines = list[str](), list[_Line]()
    lost, failed = Counter[str](), list[Reading]()
    written = boxes_written = 0
    rows: list[tuple[Any, ...]] = []
    for place, one in enumerate(ranked, start=1):
        picture = _picture(one)
        if isinstance(picture, str):
            failed.append(one.reading)
            rows.append(("", "", None, None, None, f"could not be read: {picture}", "", str(one.source)))
            continue
        shutil.copyfile(one.source, folder / one.name)
        height, width = picture.shape[:2]
        boxes, unusable = prelabel_boxes(one.reading, task, (width, height))
        lost.update(unusable)
        written, boxes_written = written + 1, boxes_written + len(boxes)
        labels.append(format_line(f"{name}/{one.name}", ppocrlabel_boxes([box for box, _ in boxes])))
        lines += _crops(folder, one, boxes, picture) if task == "lines" else ()
        sure = one.confidence
        read = " | ".join(box.transcription for box, _ in boxes)
        rows.append(
            (str(written), one.name, sure.least, sure.mean, sure.parts, sure.why, read, str(one.source))
        )
        seen(one, picture, boxes)
        progress(place)
    rows.sort(key=lambda row: row[0] != "")
    write_csv(folder / "confidence.csv", COLUMNS, rows)
    for file, content in ((LABELS, labels), (CACHE, labels), (STATES, [])):
        write_bytes(folder / file, "".join(content).encode("utf-8", "backslashreplace"))
    if task == "lines":
        _write_lines(folder / "lines.csv", lines)
    return WrittenPrelabels(
        images=written, boxes=boxes_written, crops=len(lines), lost=dict(lost), failed=failed
    )


def write_record(folder: Path, task: str, models: str) -> None:
    """Write down every file of `folder`, the last thing that is written: with the sums of those that people change."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            watched = path.name in (LABELS, CACHE, STATES)
            files[path.relative_to(folder).as_posix()] = sha256_of(path) if watched else ""
    write_json(folder / RECORD, {"task": task, "models": models, "files": files})


def _picture(one: PreLabel) -> Any:
    """The pixels, or why there are none."""
    if one.reading.error:
        return one.reading.error
    try:
        return read_image(one.source)
    except ImageError as exc:
        return str(exc)


def ppocrlabel_boxes(boxes: Sequence[Box]) -> str:
    """The JSON of a line, as PPOCRLabel writes it. It reads a line by replacing true, false and null and evaluating it as
    Python, in texts, too: those words are spelled with an escape there."""
    parts = []
    for box in boxes:
        text = _PYTHON_WORDS.sub(
            lambda word: f"\\u{ord(word[0][0]):04x}{word[0][1:]}",
            json.dumps(box.transcription, ensure_ascii=False),
        )
        points = json.dumps([[int(x), int(y)] for x, y in box.points])
        parts.append(f'{{"transcription": {text}, "points": {points}, "difficult": false}}')
    return f"[{', '.join(parts)}]"


class _Line(NamedTuple):
    """A crop of a page with what was read in it."""

    crop: str
    text: str
    confidence: float
    page: str


def _crops(folder: Path, one: PreLabel, boxes: ScoredBoxes, picture: Any) -> Iterator[_Line]:
    for number, (box, confidence) in enumerate(boxes):
        crop = cut_line(picture, box.points[:4]) if box.transcription else None
        if crop is not None:
            name = f"crop_img/{Path(one.name).stem}_crop_{number}.jpg"
            write_bytes(folder / name, encode_image(crop, ".jpg"))
            yield _Line(name, box.transcription, confidence, one.name)


def _write_lines(path: Path, lines: Sequence[_Line]) -> None:
    ranked = sorted(lines, key=lambda line: (line.confidence, line.crop))
    write_csv(path, LINE_COLUMNS, [(rank, *line) for rank, line in enumerate(ranked, start=1)])
