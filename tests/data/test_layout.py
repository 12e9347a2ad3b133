"""Which files of a data folder train and validate, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.config.requests import LabelChoices
from ocr_train.data.layout import find_layout, say_layout, validation_files
from ocr_train.errors import DataError


def folder(place: Path, *files: str, image: str = "img/0.jpg", line: str = "img/0.jpg\ta\n") -> Path:
    """A data folder with these label files of one line, and one image."""
    (place / image).parent.mkdir(parents=True, exist_ok=True)
    (place / image).write_bytes(b"x")
    for name in files:
        (place / name).write_text(line)
    return place


def said(place: Path) -> list[str]:
    """What is said of the folder's files."""
    lines: list[str] = []
    say_layout(find_layout(place, "rec"), lines.append)
    return lines


def test_every_text_file_is_named(tmp_path: Path) -> None:
    """A copy that is joined, a test set and an old list that are passed over: none is silent."""
    names = ("train.txt", "train - Copy.txt", "val.txt", "test.txt", "notes.txt", "classes.txt")
    assert said(folder(tmp_path, *names)) == [
        "labels: for training (joined): train - Copy.txt (1 lines), train.txt (1 lines)",
        "labels: for validation: val.txt (1 lines)",
        "labels: passed over: classes.txt (1 lines): by its name no label file",
        "labels: passed over: notes.txt (1 lines): its name has none of the words train, val, test",
        "labels: passed over: test.txt (1 lines): a test set, and another file is for validation",
    ]


def test_a_suffix_in_capital_letters_is_one(tmp_path: Path) -> None:
    """Windows and cameras write TRAIN.TXT."""
    assert [path.name for path in find_layout(folder(tmp_path, "TRAIN.TXT"), "rec").train] == ["TRAIN.TXT"]


def test_files_of_the_system_are_no_label_files(tmp_path: Path) -> None:
    """macOS puts `._train.txt` beside train.txt."""
    layout = find_layout(folder(tmp_path, "train.txt", "._train.txt"), "rec")
    assert [path.name for path in (*layout.train, *(one.path for one in layout.passed))] == ["train.txt"]


def test_the_folder_of_the_images_may_be_named(tmp_path: Path) -> None:
    """Relative to the data, or any other; one that is not there is said."""
    place = folder(tmp_path / "data", "train.txt", image="photos/0.jpg", line="0.jpg\ta\n")
    assert find_layout(place, "rec", LabelChoices(images="photos")).images == place / "photos"
    (tmp_path / "other").mkdir()
    assert (
        find_layout(place, "rec", LabelChoices(images=str(tmp_path / "other"))).images == tmp_path / "other"
    )
    with pytest.raises(DataError, match="there is no folder 'no'"):
        find_layout(place, "rec", LabelChoices(images="no"))


def test_a_beginning_that_every_path_has_is_left_out_and_said(tmp_path: Path) -> None:
    """Labels that were written for the folder of a project are read as they are."""
    place = folder(tmp_path, "train.txt", line="./datasets/x/img/0.jpg\ta\n")
    layout = find_layout(place, "rec")
    assert layout.paths.usable_image("./datasets/x/img/0.jpg") == "img/0.jpg"
    assert "labels: image paths begin with './datasets/x/', which is left out" in said(place)


def test_foreign_paths_find_the_folder_above(tmp_path: Path) -> None:
    """Where the end of the path is a file there and not beside the label file."""
    place = folder(tmp_path, image="train/0.jpg")
    (place / "labels").mkdir()
    (place / "labels" / "train.txt").write_text("C:\\somebody\\train\\0.jpg\ta\n")
    assert find_layout(place / "labels", "rec").images == place


@pytest.mark.parametrize(
    ("files", "held"),
    [
        (["train.txt", "val.txt", "test.txt"], ["val.txt", "test.txt"]),
        (["labels.txt", "dev.txt"], ["dev.txt"]),
        (["train/labels.txt", "val/labels.txt"], ["val/labels.txt"]),
        (["a/rec_gt.txt", "test_set/rec_gt.txt"], ["test_set/rec_gt.txt"]),
        (["val.txt", "test.txt"], []),
        (["one.txt", "two.txt"], []),
        (["valid/train.txt"], []),
    ],
)
def test_names_say_which_files_are_for_validation(files: list[str], held: list[str]) -> None:
    """By the words of the file's name, else by those of its folder; files of one kind alone are held against nothing."""
    assert validation_files([Path("data", name) for name in files]) == tuple(
        Path("data", name) for name in held
    )


def test_what_is_no_folder_of_labels_is_said_with_what_to_do(tmp_path: Path) -> None:
    """A label file itself, a folder with an archive, and what is not there."""
    place = folder(tmp_path / "data", "train.txt")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "set.zip").write_bytes(b"PK")
    for wrong, words in (
        (place / "train.txt", "is a file and not a folder"),
        (tmp_path / "packed", "no label file, but set.zip"),
        (tmp_path / "no", "there is no folder"),
    ):
        with pytest.raises(DataError, match=words):
            find_layout(wrong, "rec")
