"""Images of one name: the one whose folders are named alike, and quickly, however many there are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ocr_train.data.files.image_files import UniquePaths
from ocr_train.data.formats.image_index import ImageIndex


def index_of(src: Path, *names: str) -> ImageIndex:
    """An index of files with these names."""
    found = ImageIndex(src)
    for name in names:
        path = src / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        found.add(path)
    return found


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["images", "training"], "images/train/0.jpg"),
        (["labels", "train"], None),
        (["x", "validation"], "images/val/0.jpg"),
        (["b_train"], "b/train/0.jpg"),
        (["images", "train", "b"], None),
        (["other"], None),
        ([], None),
    ],
)
def test_the_image_whose_folders_share_most_words(
    tmp_path: Path, folders: list[str], expected: str | None
) -> None:
    """None where two share as many, or no one shares any."""
    found = index_of(tmp_path, "images/train/0.jpg", "images/val/0.jpg", "b/train/0.jpg").named(
        "0.jpg", folders
    )
    assert (found and str(found.relative_to(tmp_path))) == expected


def test_the_very_name_comes_first(tmp_path: Path) -> None:
    """Upper and lower case are the same only where no image has the very name."""
    found = index_of(tmp_path, "a/X.jpg", "b/x.jpg")
    assert found.named("X.jpg", []) == tmp_path / "a/X.jpg"
    assert found.named("x.JPG", ["b"]) == tmp_path / "b/x.jpg"


def test_an_image_beside_comes_first(tmp_path: Path) -> None:
    """By the name without its suffix."""
    found = index_of(tmp_path, "a/0.jpg", "b/0.jpg", "b/0.png", "c/1.jpg")
    assert found.of_stem("0", tmp_path / "a") == tmp_path / "a/0.jpg"
    assert found.of_stem("0", tmp_path / "b") is None
    assert found.of_stem("1", tmp_path / "a") == tmp_path / "c/1.jpg"


def test_a_thousand_images_of_one_name_take_no_time(tmp_path: Path) -> None:
    """A folder for each page, with labels in other folders: each is found, without going through all for each."""
    found = index_of(tmp_path, *(f"images/train_{number}/0.jpg" for number in range(1000)))
    start = time.process_time()
    for number in range(1000):
        image = found.of_stem("0", tmp_path / "labels" / f"train_{number}")
        assert image == tmp_path / f"images/train_{number}/0.jpg"
    assert time.process_time() - start < 2


def test_free_names_are_found_without_trying_all(tmp_path: Path) -> None:
    """Label files of another machine name thousands of images alike."""
    names = UniquePaths()
    start = time.process_time()
    made = [names.take("images/0.jpg") for _ in range(20_000)]
    assert time.process_time() - start < 1
    assert (made[0], made[1], made[-1]) == ("images/0.jpg", "images/2_0.jpg", "images/20000_0.jpg")
