"""`python -m benchmarks.validation`: `validate` and `split` of a million lines, and their memory with few and with many."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.child import Cost
from benchmarks.program import Scene, run, say
from benchmarks.table import Row, at_most
from benchmarks.transfer import Place

_FOUND_PROBLEMS = 3
"""The exit status of `validate` where it has something to report."""

_FOLDER_IMAGES = 1000


def make_images(folder: Path, count: int) -> None:
    """`count` names of small JPEG files, `NNN/NNN.jpg`: one folder of files, and links to it for the others,
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


def write_recognition(path: Path, lines: int, *, images: int) -> None:
    """A recognition label file: words of 3 to 12 characters, the same for names of the same file; the images repeat after
    `images` lines."""
    generator = random.Random(0)  # noqa: S311 - the same file every time
    words = ["".join(generator.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=n)) for n in range(3, 13)]
    with path.open("w", encoding="utf-8") as file:
        for index in range(lines):
            folder, name = divmod(index % images, _FOLDER_IMAGES)
            file.write(f"{folder:04d}/{name:03d}.jpg\t{words[name % len(words)]}{name % 97}\n")


def write_detection(path: Path, lines: int) -> None:
    """A detection label file: eight boxes on each image."""
    box = [[2, 2], [40, 2], [40, 12], [2, 12]]
    with path.open("w", encoding="utf-8") as file:
        for index in range(lines):
            folder, name = divmod(index, _FOLDER_IMAGES)
            boxes = [{"transcription": f"text {name} {number}", "points": box} for number in range(8)]
            file.write(f"{folder:04d}/{name:03d}.jpg\t{json.dumps(boxes)}\n")


def measure(scene: Scene) -> Iterator[Row]:
    """Speed and peak memory with few and with many lines, every line an image of its own."""
    few, many = (2000, 20_000) if scene.quick else (10_000, 1_000_000)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    place = Place(endpoint="", bucket="", env=env, folder=scene.folder)
    yield from _rows(place, few=few, many=many, rounds=min(scene.rounds, 3))


def _rows(place: Place, *, few: int, many: int, rounds: int) -> Iterator[Row]:
    images = place.folder / "images"
    make_images(images, many)
    labels = images / "labels.txt"
    small, start = _small(place, few=few, rounds=rounds)
    yield from small
    write_recognition(labels, many, images=many)
    large = _validate(place, labels, "rec")
    say(f"  validate: {many:,} lines, each an image of its own, {large.wall_s:.1f} s")
    write_recognition(labels, many, images=_FOLDER_IMAGES)
    repeated = _validate(place, labels, "rec")
    split = list(_split_rows(place, lines=many))
    say(f"  validate: {many:,} lines, {_FOLDER_IMAGES:,} images, {repeated.wall_s:.1f} s")
    shutil.rmtree(images)
    yield Row(
        name=f"validate rec, {many:,} lines, an image each",
        samples=[many / large.wall_s],
        unit="images/s",
    )
    yield Row(
        name=f"validate rec, {many:,} lines, {_FOLDER_IMAGES:,} images",
        samples=[many / repeated.wall_s],
        unit="lines/s",
    )
    yield Row(
        name=f"validate: peak memory, {many:,} lines / {few:,}",
        samples=[large.peak_bytes / start.peak_bytes],
        unit="x",
        bar=at_most(3),
        note=f"{start.peak_bytes / 1e6:.0f} MB, {large.peak_bytes / 1e6:.0f} MB, "
        f"{(large.peak_bytes - start.peak_bytes) / (many - few):.0f} bytes a line",
    )
    yield from split


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


def _small(place: Place, *, few: int, rounds: int) -> tuple[list[Row], Cost]:
    labels = place.folder / "images" / "labels.txt"
    write_detection(labels, few)
    detection = [_validate(place, labels, "det") for _ in range(rounds)]
    write_recognition(labels, few, images=few)
    recognition = [_validate(place, labels, "rec") for _ in range(rounds)]
    rows = [
        Row(
            name=f"validate {task}, {few:,} lines, an image each",
            samples=[few / cost.wall_s for cost in costs],
            unit="images/s",
        )
        for task, costs in (("det", detection), ("rec", recognition))
    ]
    return rows, recognition[-1]


def _validate(place: Place, labels: Path, task: str) -> Cost:
    argv = [sys.executable, "-m", "ocr_train", "validate", "--task", task, str(labels)]
    return place.run(argv, accept=(0, _FOUND_PROBLEMS))


if __name__ == "__main__":
    sys.exit(run("validation", __doc__, measure))
