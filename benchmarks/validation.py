"""`python -m benchmarks.validation`: `validate` and `split` of a million lines: CPU time, peak memory, and what a line costs."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import Cost
from benchmarks.program import Scene, run, say
from benchmarks.table import Row, at_most
from benchmarks.transfer import Place

_FOUND_PROBLEMS = 3
"""The exit status of `validate` where it has something to report."""

_FOLDER_IMAGES = 1000


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    """How many lines: `few`, `some` for what is measured in rounds, `many` for what is measured once."""

    few: int
    some: int
    many: int


def make_images(folder: Path, count: int) -> None:
    """`count` names of small JPEG files, `NNNN/NNN.jpg`: one folder of files, and links to it for the others,
    so that a million images need no million files."""
    import cv2
    import numpy as np

    first = folder / "0000"
    first.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for index in range(_FOLDER_IMAGES):
        picture = generator.integers(0, 255, (32, 100, 3), dtype=np.uint8)
        (first / f"{index:03d}.jpg").write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())
    for index in range(1, -(-count // _FOLDER_IMAGES)):
        (folder / f"{index:04d}").symlink_to("0000", target_is_directory=True)


def make_different_images(folder: Path, count: int) -> None:
    """`count` files in folders of a thousand, each with bytes of its own: the pictures of `make_images` with a number behind
    the header, in a comment."""
    pictures = [path.read_bytes() for path in sorted((folder / "0000").glob("*.jpg"))]
    for index in range(count):
        place, name = divmod(index, _FOLDER_IMAGES)
        target = folder / "own" / f"{place:04d}"
        if not name:
            target.mkdir(parents=True)
        picture, comment = pictures[name], f"{index:08d}".encode()
        data = picture[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + picture[2:]
        (target / f"{name:03d}.jpg").write_bytes(data)


def write_recognition(path: Path, lines: int, *, images: int, below: str = "") -> None:
    """A recognition label file: words of 3 to 12 characters, the same for names of the same file; the images repeat after
    `images` lines, and are in the folder `below`."""
    generator = random.Random(0)  # noqa: S311 - the same file every time
    words = ["".join(generator.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=n)) for n in range(3, 13)]
    with path.open("w", encoding="utf-8") as file:
        for index in range(lines):
            folder, name = divmod(index % images, _FOLDER_IMAGES)
            file.write(f"{below}{folder:04d}/{name:03d}.jpg\t{words[name % len(words)]}{name % 97}\n")


def write_detection(path: Path, lines: int) -> None:
    """A detection label file: eight boxes on each image."""
    box = [[2, 2], [40, 2], [40, 12], [2, 12]]
    with path.open("w", encoding="utf-8") as file:
        for index in range(lines):
            folder, name = divmod(index, _FOLDER_IMAGES)
            boxes = [{"transcription": f"text {name} {number}", "points": box} for number in range(8)]
            file.write(f"{folder:04d}/{name:03d}.jpg\t{json.dumps(boxes)}\n")


def measure(scene: Scene) -> Iterator[Row]:
    """A million lines once, for CPU and memory; fewer in rounds, for what a line costs and how that differs."""
    sizes = (
        _Sizes(few=1000, some=4000, many=20_000)
        if scene.quick
        else _Sizes(few=10_000, some=50_000, many=1_000_000)
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    place = Place(endpoint="", bucket="", env=env, folder=scene.folder)
    images = place.folder / "images"
    make_images(images, sizes.many)
    make_different_images(images, sizes.some)
    labels = images / "labels.txt"
    start = _validate_lines(place, labels, sizes.few, images=sizes.few)
    yield from _in_rounds(place, labels, sizes, scene.rounds)
    yield from _once(place, labels, sizes, start)
    shutil.rmtree(images)
    yield from _split_rows(place, lines=sizes.many)


def _in_rounds(place: Place, labels: Path, sizes: _Sizes, rounds: int) -> Iterator[Row]:
    """What a million lines cost by these rounds, in turns: what a process costs before its first line is measured, too, and
    counted once."""
    costs: dict[str, list[float]] = {}
    for _ in range(rounds):
        write_recognition(labels, 1, images=1)
        empty = _validate(place, labels, "rec").cpu_s
        for name, images, below in _CASES:
            write_recognition(labels, sizes.some, images=images or sizes.some, below=below)
            cpu_s = _validate(place, labels, "rec").cpu_s
            costs.setdefault(name, []).append(empty + (cpu_s - empty) * sizes.many / sizes.some)
        write_detection(labels, sizes.few)
        cpu_s = _validate(place, labels, "det").cpu_s
        costs.setdefault(_DETECTION, []).append(empty + (cpu_s - empty) * sizes.many / sizes.few)
    for name, samples in costs.items():
        yield Row(
            name=f"validate {name}: CPU of {sizes.many:,} lines, by {sizes.few if name == _DETECTION else sizes.some:,}",
            samples=samples,
            unit="s",
            bar=None if name == _DETECTION else at_most(60),
            note=f"{1e6 * (sum(samples) / len(samples)) / sizes.many:.0f} µs a line",
        )


_CASES = (
    ("rec, an image each, bytes of their own", 0, "own/"),
    ("rec, an image each, the same bytes 50 times", 0, ""),
    (f"rec, {_FOLDER_IMAGES:,} images", _FOLDER_IMAGES, ""),
)
_DETECTION = "det, 8 boxes a line"


def _once(place: Place, labels: Path, sizes: _Sizes, start: Cost) -> Iterator[Row]:
    """All lines, once: what the rounds say is true, and what is kept in memory."""
    large = _validate_lines(place, labels, sizes.many, images=sizes.many)
    say(f"  validate: {sizes.many:,} lines, each an image of its own, {large.wall_s:.1f} s")
    yield Row(
        name=f"validate rec, {sizes.many:,} lines, an image each: CPU",
        samples=[large.cpu_s],
        unit="s",
        bar=at_most(60),
        note=f"{large.wall_s:.0f} s of time; all files have the bytes of {sizes.many // _FOLDER_IMAGES - 1} others",
    )
    yield Row(
        name=f"validate: peak memory, {sizes.many:,} lines",
        samples=[large.peak_bytes / 1e6],
        unit="MB",
        bar=at_most(200),
        note=f"{start.peak_bytes / 1e6:.0f} MB with {sizes.few:,} lines, "
        f"{(large.peak_bytes - start.peak_bytes) / (sizes.many - sizes.few):.0f} bytes a line",
    )


def _split_rows(place: Place, *, lines: int) -> Iterator[Row]:
    """Speed and peak memory of `split`, of crops whose images are not there."""
    folder = place.folder / "split"
    folder.mkdir()
    with (folder / "labels.txt").open("w", encoding="utf-8") as file:
        file.writelines(
            f"crop_img/page_{index // 10:06d}_crop_{index % 10}.jpg\ttext {index % 9973}\n"
            for index in range(lines)
        )
    argv = [
        sys.executable,
        "-m",
        "ocr_train",
        "split",
        str(folder / "labels.txt"),
        str(folder),
        "--val",
        "0.2",
    ]
    cost = place.run(argv)
    shutil.rmtree(folder)
    yield Row(name=f"split, {lines:,} lines", samples=[lines / cost.wall_s], unit="lines/s")
    yield Row(
        name=f"split: peak memory, {lines:,} lines",
        samples=[cost.peak_bytes / 1e6],
        unit="MB",
        bar=at_most(250),
        note=f"{cost.cpu_s:.0f} s of CPU",
    )


def _validate_lines(place: Place, labels: Path, lines: int, *, images: int) -> Cost:
    write_recognition(labels, lines, images=images)
    return _validate(place, labels, "rec")


def _validate(place: Place, labels: Path, task: str) -> Cost:
    argv = [sys.executable, "-m", "ocr_train", "validate", "--task", task, str(labels)]
    return place.run(argv, accept=(0, _FOUND_PROBLEMS))


if __name__ == "__main__":
    sys.exit(run("validation", __doc__, measure))
