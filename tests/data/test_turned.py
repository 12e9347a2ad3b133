"""Copies of recognition crops turned by 180 degrees."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ocr_train.data.turned import turn_folder
from ocr_train.errors import DataError


def crops(folder: Path, *, val: bool = True) -> Path:
    """Ten crops to train on, lighter to the left, and one to validate on."""
    (folder / "crops").mkdir(parents=True)
    image = np.tile(np.linspace(255, 0, 60, dtype=np.uint8), (20, 1))
    for number in range(11):
        cv2.imwrite(str(folder / "crops" / f"{number}.png"), image)
    (folder / "train.txt").write_text("".join(f"crops/{number}.png\tน้ำ{number}\n" for number in range(10)))
    if val:
        (folder / "val.txt").write_text("crops/10.png\tน้ำ\n")
    (folder / "dict.txt").write_text("น\n้\nำ\n")
    return folder


def test_a_share_of_the_training_crops_is_turned(tmp_path: Path) -> None:
    """The others, the validation set and the dictionary are as they were."""
    done = turn_folder(crops(tmp_path / "data"), tmp_path / "out", share=0.3, seed=0)
    assert (done.train, done.turned, done.val) == (10, 3, 1)
    lines = (tmp_path / "out" / "train.txt").read_text().splitlines()
    assert lines[:10] == (tmp_path / "data" / "train.txt").read_text().splitlines()
    name, text = lines[10].split("\t")
    assert name.startswith("turned/crops/")
    assert f"{name.removeprefix('turned/')}\t{text}" in lines[:10]
    turned, plain = (cv2.imread(str(tmp_path / "out" / one)) for one in (name, name.removeprefix("turned/")))
    assert np.array_equal(turned, plain[::-1, ::-1])
    for same in ("val.txt", "dict.txt", "crops/10.png"):
        assert (tmp_path / "out" / same).read_bytes() == (tmp_path / "data" / same).read_bytes()


def test_the_same_seed_turns_the_same_crops(tmp_path: Path) -> None:
    """So that a digest can be made again."""
    data = crops(tmp_path / "data")
    for name in ("a", "b"):
        turn_folder(data, tmp_path / name, share=0.5, seed=7)
    assert (tmp_path / "a" / "train.txt").read_bytes() == (tmp_path / "b" / "train.txt").read_bytes()


def test_data_that_would_still_be_split_are_refused(tmp_path: Path) -> None:
    """A crop and its copy could be parted by the split."""
    with pytest.raises(DataError, match="names no samples to validate on") as caught:
        turn_folder(crops(tmp_path / "data", val=False), tmp_path / "out", share=0.5, seed=0)
    assert "prepare" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_not_touched(tmp_path: Path) -> None:
    """It may be somebody's."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="is not empty"):
        turn_folder(crops(tmp_path / "data"), tmp_path / "out", share=0.5, seed=0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("../x.png\ta\n", "train.txt:11: ../x.png"),
        ("no tab\n", "hold no sample, the first in line 11"),
        ("missing.png\ta\n", "missing.png cannot be read as an image"),
    ],
)
def test_what_cannot_be_copied_is_said_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    """Nothing is left out in silence."""
    data = crops(tmp_path / "data")
    with (data / "train.txt").open("a") as stream:
        stream.write(line)
    with pytest.raises(DataError, match=said):
        turn_folder(data, tmp_path / "out", share=1.0, seed=0)


def test_images_are_found_by_the_end_of_a_foreign_path(tmp_path: Path) -> None:
    """As a training finds them; the new folder has the right paths."""
    data = tmp_path / "data"
    (data / "img").mkdir(parents=True)
    for number in range(4):
        Image.new("L", (20, 10), number).save(data / "img" / f"{number}.png")
    for name, numbers in (("train", (0, 1, 2)), ("val", (3,))):
        (data / f"{name}.txt").write_text("".join(f"C:\\x\\img\\{number}.png\ta\n" for number in numbers))
    done = turn_folder(data, tmp_path / "out", share=1.0, seed=0)
    assert (done.train, done.turned, done.val) == (3, 3, 1)
    assert (tmp_path / "out" / "img" / "0.png").is_file()
