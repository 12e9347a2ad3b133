"""Mutated files of every format: no traceback, and no box is lost without being counted.

    one value of one box, or one line, is odd    boxes in = boxes out + counted
    anything in the file is odd                  the same, or an error names the file

10 files a format and kind, times FUZZ; `make fuzz FUZZ=36` tries 10,000.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ocr_train.data.checks.problems import ERROR
from ocr_train.data.formats.conversion import Conversion
from ocr_train.data.formats.table import FORMATS, detect_format
from ocr_train.errors import DataError
from tests.data.formats.folders import BOX, HEIGHT, WIDTH, accounted, picture, put
from tests.data.formats.test_answers import block, box, row, vision, word
from tests.data.formats.test_coco import coco
from tests.data.formats.test_cvat import SIDES, TEXT, cvat
from tests.data.formats.test_icdar import CORNERS, OTHERS
from tests.data.formats.test_labelstudio import OTHER, PLACE, shape, tasks, text
from tests.data.formats.test_texts import make_lmdb
from tests.data.formats.test_totaltext import RECORD
from tests.data.formats.test_via import POLYGON, RECT, images, region, table
from tests.data.formats.test_voc import BNDBOX, voc
from tests.data.formats.test_yolo import CORNERS as SHARES
from tests.data.formats.test_yolo import UPRIGHT
from tests.fuzz import cases
from tests.label_mutations import CANARY, mutated_json, mutated_line

ODD: tuple[Any, ...] = (
    *(
        None,
        float("nan"),
        float("inf"),
        -1e308,
        1e-308,
        10**300,
        -5,
        0,
        1e6,
        True,
        "",
        "x",
        "\ud800",
        "a\0b",
        "\u2028",
    ),
    *(
        [],
        {},
        [[]],
        [1],
        ["x"],
        {"x": 1},
        "../../etc/passwd",
        f"__import__('os').system('touch {CANARY}')",
        "9" * 5000,
    ),
)
WORDS = (
    "",
    "NaN",
    "-1",
    "1e999",
    "9" * 500,
    "x",
    "\u2028",
    "น้ำ",
    '"',
    '""',
    "'",
    ",",
    ";",
    "&amp;",
    "&#0;",
    "<",
    "\t",
    "[[",
    "\0",
)


@dataclass(frozen=True)
class Seed:
    """A file with `count` boxes of format `format`: a document with the places of its boxes, or lines."""

    format: str
    file: str
    count: int
    document: Any = None
    boxes: Callable[[Any], list[Any]] | None = None
    lines: tuple[str, ...] = ()
    header: str = ""
    more_counts: bool = False

    def content(self) -> str:
        """As the tool writes it."""
        if self.lines:
            return self.header + "\n".join(self.lines) + "\n"
        return self.document if isinstance(self.document, str) else json.dumps(self.document)


COCO = coco(
    {"bbox": [10, 20, 190, 40], "text": "a"},
    {"bbox": [10, 70, 190, 40], "segmentation": [[10, 70, 200, 70, 200, 110, 10, 110]]},
)
STUDIO = tasks(shape(PLACE), text(["a"]), shape(OTHER, "b"), text(["b"], "b", OTHER))
MIN = [
    {
        "ocr": "0.jpg",
        "bbox": [{**PLACE, "original_width": 400, "original_height": 200}, OTHER],
        "transcription": ["a", "b"],
    }
]
BLOCKS = {"Blocks": [block("WORD", "a"), block("WORD", "b"), block("WORD", "c")]}
NOT_ITS = ("other_file", "not_labelme")
"""The notes for a file that nobody would take for one of the tool's."""
LABELME = {
    "version": "5.4.1",
    "shapes": [
        {"label": "text", "description": "a", "points": [[10, 20], [200, 60]], "shape_type": "rectangle"},
        {"label": "text", "description": "b", "points": BOX, "shape_type": "polygon"},
    ],
    "imagePath": "0.jpg",
    "imageData": None,
    "imageWidth": WIDTH,
    "imageHeight": HEIGHT,
}
PAGE = json.dumps([{"transcription": "a", "points": BOX, "difficult": False}])
SEEDS = {
    "labelme": Seed("labelme", "0.json", 2, document=LABELME, boxes=lambda one: one["shapes"]),
    "ppocrlabel": Seed(
        "ppocrlabel", "Label.txt", 2, lines=(f"src/0.jpg\t{PAGE}", f"src/1.jpg\t{PAGE}"), header=""
    ),
    "gt-txt": Seed("gt-txt", "0.gt.txt", 1, lines=("a text",)),
    "icdar": Seed("icdar", "gt_0.txt", 3, lines=(f"{CORNERS},a, b", f"{OTHERS},###", "10,70,200,110,c")),
    "totaltext": Seed("totaltext", "gt_0.txt", 3, lines=(RECORD, RECORD, RECORD)),
    "yolo": Seed("yolo", "0.txt", 3, lines=(UPRIGHT, SHARES, UPRIGHT)),
    "csv": Seed("csv", "a.csv", 3, lines=('0.jpg,"a, b"', "1.jpg,b", "0.jpg,c"), header="filename,words\n"),
    "via csv": Seed(
        "via",
        "a.csv",
        2,
        lines=tuple(
            table(
                ("0.jpg", "1", {}, "2", "0", POLYGON, {"t": "a"}),
                ("0.jpg", "1", {}, "2", "1", RECT, {"t": "b"}),
            ).splitlines()[1:]
        ),
        header=table(),
    ),
    "groundtruth": Seed(
        "groundtruth",
        "a.manifest",
        2,
        document=json.loads(row(box(1), box(1, top=70))),
        boxes=lambda one: one["job"]["annotations"],
    ),
    "coco": Seed("coco", "a.json", 2, document=COCO, boxes=lambda one: one["annotations"]),
    "via": Seed(
        "via",
        "a.json",
        2,
        document=images(region(POLYGON, text="a"), region(RECT, text="b")),
        boxes=lambda one: one["0.jpg123"]["regions"],
    ),
    # A part that is broken is counted beside the shape that it was a part of.
    "labelstudio": Seed(
        "labelstudio",
        "a.json",
        2,
        document=STUDIO,
        boxes=lambda one: one[0]["annotations"][0]["result"],
        more_counts=True,
    ),
    "labelstudio min": Seed(
        "labelstudio", "a.json", 2, document=MIN, boxes=lambda one: one[0]["bbox"], more_counts=True
    ),
    "textract": Seed(
        "textract",
        "0.json",
        3,
        document=BLOCKS,
        boxes=lambda one: [each["Geometry"] for each in one["Blocks"]],
    ),
    "googlevision": Seed(
        "googlevision",
        "0.json",
        3,
        document=vision(word("w"), word("a"), word("b")),
        boxes=lambda one: one["textAnnotations"],
    ),
    "voc": Seed("voc", "0.xml", 2, document=voc(f"<name>a</name>{BNDBOX}", f"<name>b</name>{BNDBOX}")),
    "cvat": Seed(
        "cvat",
        "a.xml",
        2,
        document=cvat(
            f'<box label="a" {SIDES} rotation="1">{TEXT}</box>',
            '<polygon label="b" points="1,2;30,2;30,40;1,40"/>',
        ),
    ),
}


def convert(seed: Seed, content: str | bytes, place: Path) -> Conversion | None:
    """The conversion, its result checked; None where it says that there is nothing."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    folder = put(place / "src", {seed.file: data}, images=("0.jpg", "1.jpg"))
    detect_format(folder)
    try:
        done = FORMATS[seed.format].convert(folder, place / "out", overwrite=True)
    except DataError:
        return None
    json.dumps([vars(problem) for problem in done.problems])
    kinds = {one.kind for one in done.problems}
    for line in filter(None, done.labels.read_text(encoding="utf-8").split("\n")) if done.images else ():
        image, label = line.split("\t")
        # PPOCRLabel's lines stay where their image is missing.
        assert (done.labels.parent / image).is_file() or "image_missing" in kinds
        for one in json.loads(label):
            assert len(one["points"]) >= 4
            assert all(0 <= x < WIDTH and 0 <= y < HEIGHT for x, y in one["points"])
    return done


def one_odd_value(random: Random, seed: Seed) -> str:
    """A file in which one value of one box is odd, and all else as it was."""
    if seed.lines:
        lines, number = list(seed.lines), random.randrange(len(seed.lines))
        place = random.randrange(1, len(lines[number]))
        end = place + random.choice([0, 0, 1, 5])
        lines[number] = lines[number][:place] + random.choice(WORDS) + lines[number][end:]
        return seed.header + "\n".join(lines) + "\n"
    if seed.boxes is None:
        found = list(re.finditer(r'(?<=")[^"<>]*(?=")|(?<=>)[^<>]+(?=</)', seed.document))
        # The first ones are of the document and its image.
        begin = min(place for tag in ("<object", "<box") if (place := seed.document.find(tag)) >= 0)
        spot = random.choice([one for one in found if one.start() > begin])
        odd = random.choice([*WORDS[:8], "&quot;", "&amp;"])
        return str(seed.document[: spot.start()] + odd + seed.document[spot.end() :])
    document = json.loads(json.dumps(seed.document))
    holder = random.choice(seed.boxes(document))
    while True:
        key = random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        inner = holder[key]
        if isinstance(inner, dict | list) and inner and random.randrange(3):
            holder = inner
        elif isinstance(holder, dict) and not random.randrange(5):
            del holder[key]
            break
        else:
            holder[key] = random.choice(ODD)
            break
    return json.dumps(document)


def anything_odd(random: Random, seed: Seed) -> bytes:
    """A file in which anything is odd."""
    if seed.lines:
        lines = [mutated_line(random, line) if random.randrange(2) else line.encode() for line in seed.lines]
        return seed.header.encode() + b"\n".join(lines)
    if seed.boxes is None:
        return mutated_line(random, seed.document.replace("\n", " "))
    return mutated_json(random, seed.document)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Path]]:
    """A folder for each case; nothing was executed in any."""
    monkeypatch.chdir(tmp_path)
    yield lambda number: tmp_path / str(number)
    assert not list(tmp_path.rglob(f"*{CANARY}*"))


@pytest.mark.parametrize("name", SEEDS)
def test_no_box_is_lost_without_being_counted(name: str, places: Callable[[int], Path]) -> None:
    """One odd value: the boxes in are those out and those counted."""
    seed, random = SEEDS[name], Random(1)
    for number in range(cases(10)):
        content = one_odd_value(random, seed)
        done = convert(seed, content, places(number))
        if done is None:
            # One odd value hides what the file is, and that is said.
            assert detect_format(places(number) / "src") != seed.format, content
            continue
        # A file that cannot be read, or that nobody would take for one of the tool's, is named.
        other = any(one.kind in NOT_ITS for one in done.problems)
        known = "file_unreadable" in done.skipped or (
            other and detect_format(places(number) / "src") != seed.format
        )
        enough = accounted(done) >= seed.count if seed.more_counts else accounted(done) == seed.count
        assert enough or known, (content, done.skipped, done.boxes)


@pytest.mark.parametrize("name", SEEDS)
def test_any_file_is_converted_or_named(name: str, places: Callable[[int], Path]) -> None:
    """Anything odd: all is counted, or a problem names the file."""
    seed, random = SEEDS[name], Random(2)
    for number in range(cases(10)):
        content = anything_odd(random, seed)
        done = convert(seed, content, places(number))
        if done is not None and accounted(done) < how_many(seed, content):
            said = [one for one in done.problems if one.severity == ERROR or one.kind in NOT_ITS]
            assert said or "page_without_boxes" in done.skipped, (content, done.skipped)


def how_many(seed: Seed, content: bytes) -> int:
    """The boxes that are still in the file; of a document that is another one now, those that were."""
    if seed.lines:
        lines = content[len(seed.header.encode()) :].removeprefix(b"\xef\xbb\xbf").split(b"\n")
        return sum(bool(line.decode("utf-8", "replace").strip()) for line in lines)
    if seed.boxes is None:
        return seed.count
    try:
        document = json.loads(content)
        if seed.document is BLOCKS:
            return sum(
                not isinstance(one, dict) or one.get("BlockType") in ("WORD", None)
                for one in document["Blocks"]
            )
        # The parts of Label Studio's shapes are not boxes.
        return 0 if seed.document is STUDIO else len(seed.boxes(document))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return seed.count


def test_damaged_lmdbs(places: Callable[[int], Path]) -> None:
    """Bytes changed anywhere: the process that reads it may end, and ours does not."""
    random = Random(3)
    entries = {"num-samples": b"3"}
    for number in (1, 2, 3):
        entries |= {f"image-{number:09d}": picture(".png", number), f"label-{number:09d}": b"a"}
    whole = (make_lmdb(places(-1), entries) / "data.mdb").read_bytes()
    for number in range(cases(5)):
        damaged = bytearray(whole)
        for _ in range(random.choice([1, 3, 30])):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        put(places(number), {"data.mdb": bytes(damaged)}, images=())
        with contextlib.suppress(DataError):
            done = FORMATS["lmdb"].convert(places(number), places(number) / "out")
            assert accounted(done) == 3 or any(one.severity == ERROR for one in done.problems)
