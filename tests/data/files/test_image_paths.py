"""Image paths of other machines, tried on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ocr_train.data.checks.images import check_image
from ocr_train.data.files import image_paths
from ocr_train.data.files.image_paths import ImagePaths, common_beginning, paths_of
from ocr_train.errors import ConfigError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with `img/0.jpg`, `img/1.jpg` and `0.jpg`."""
    root = tmp_path / "data"
    (root / "img").mkdir(parents=True)
    for name in ("img/0.jpg", "img/1.jpg", "0.jpg"):
        (root / name).write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    "written",
    [
        "/home/someone/project/img/0.jpg",
        "C:/Users/someone/img/0.jpg",
        "C:\\Users\\someone\\img\\0.jpg",
        "img\\0.jpg",
        "\\\\server\\share\\img\\0.jpg",
        "file:///D:/img/0.jpg",
        "../img/0.jpg",
        "~/img/0.jpg",
    ],
)
def test_the_longest_end_of_a_foreign_path_that_is_a_file_is_taken(images: Path, written: str) -> None:
    """`0.jpg` is there, too, and is another image."""
    usable = ImagePaths(images).usable(written)
    assert usable.name == "img/0.jpg"
    assert usable.finding is not None
    assert usable.finding.kind == "path_mended"


def test_a_path_below_the_folder_stays_as_it_is(images: Path) -> None:
    """The disk is not asked: a million paths would wait for it."""
    assert ImagePaths(images).usable("img/no.jpg").finding is None


@pytest.mark.parametrize("written", ["../../etc/passwd", "/etc/passwd", "../x/0.jpg"])
def test_nothing_outside_the_folder_is_meant(images: Path, written: str) -> None:
    """Whatever lies there: a label is not trusted with other folders."""
    (images.parent / "x").mkdir()
    (images.parent / "x" / "0.jpg").write_bytes(b"x")
    finding = ImagePaths(images).usable(written).finding
    assert finding is not None
    assert finding.kind == "bad_path"


def test_the_beginning_that_was_named_is_left_out(images: Path) -> None:
    """With slashes or backslashes, with or without one at its end."""
    for strip in ("C:/photos/", "C:\\photos"):
        assert ImagePaths(images, strip).usable("C:\\photos\\img\\0.jpg").finding is None
        assert ImagePaths(images, strip).usable("C:\\photos\\img\\0.jpg").name == "img/0.jpg"
    assert (
        ImagePaths(images, "photos/").usable_image('["photos/0.jpg", "img/1.jpg"]')
        == '["0.jpg", "img/1.jpg"]'
    )


def test_a_beginning_that_all_paths_have_and_none_should_is_found(images: Path) -> None:
    """As labels have it that were written for a project's folder; one path that is right says that there is none."""
    assert common_beginning(["./p/q/img/0.jpg", "./p/q/img/1.jpg"], images) == "./p/q/"
    assert common_beginning(["./p/q/img/0.jpg", "./r/img/1.jpg"], images) == ""
    assert common_beginning(["./p/q/img/0.jpg", "img/1.jpg"], images) == ""
    assert common_beginning(["./p/q/img/0.jpg", "./p/q/img/no.jpg"], images) == ""


def test_a_hint_is_one_that_works(images: Path) -> None:
    """--images and --strip, as the message says them, find the image; what is nowhere is said to be nowhere."""
    (images / "photos").mkdir()
    (images / "photos" / "2.jpg").write_bytes(b"x")
    (images / "photos" / "3.PNG").write_bytes(b"x")
    paths = ImagePaths(images)
    assert "--images 'photos'" in paths.where("2.jpg")
    assert ImagePaths(images / "photos").count(["2.jpg"]) == 1
    assert "--images 'photos'" in paths.where("D:/x/2.jpg")
    assert "--strip 'x/'" in paths.where("x/img/0.jpg")
    assert "'photos/3.PNG', whose name ends in another way" in paths.where("3.jpg")
    assert "no file of this name" in paths.where("9.jpg")


def test_an_image_that_several_folders_have_is_not_guessed(images: Path) -> None:
    """The message says how many there are."""
    (images / "b").mkdir()
    (images / "b" / "1.jpg").write_bytes(b"x")
    assert ImagePaths(images).where("1.jpg").startswith("2 files have this name")


def test_label_files_of_different_folders_need_one_folder(images: Path) -> None:
    """Without it half of the images would be missing."""
    for place in (images, images / "img"):
        (place / "train.txt").write_text("0.jpg\ta\n")
    labels = [images / "train.txt", images / "img" / "train.txt"]
    with pytest.raises(ConfigError, match="different folders"):
        paths_of(labels, None, "")
    assert paths_of(labels, images, "").root == images


@pytest.mark.parametrize(
    ("there", "written"),
    [
        ("IMG/A.JPG", "img/a.jpg"),
        ("img/\u00e9.jpg", "img/e\u0301.jpg"),
        ("img/e\u0301.jpg", "img/\u00e9.jpg"),
        ("img/a.jpg", '"img/a.jpg"'),
    ],
)
def test_another_spelling_of_a_name_is_found(tmp_path: Path, there: str, written: str) -> None:
    """Sets come from systems where upper and lower case are the same, and from macOS; the clean copy has the right name."""
    (tmp_path / there).parent.mkdir(parents=True)
    Image.new("L", (20, 10)).save(tmp_path / there, "JPEG")
    paths = ImagePaths(tmp_path)
    facts = check_image(written, paths)
    assert [finding.kind for finding in facts.findings] == ["path_mended"]
    assert facts.name == paths.usable_image(written) == there


def test_two_files_that_differ_in_case_are_not_guessed(tmp_path: Path) -> None:
    """Which one is meant, nobody knows."""
    for name in ("A.jpg", "a.jpg"):
        (tmp_path / name).write_bytes(b"x")
    assert ImagePaths(tmp_path).respelled("A.JPG") is None


def test_looking_for_the_right_folder_goes_through_none(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder above may be a whole disk: its files are listed for nobody's hint."""
    monkeypatch.setattr(image_paths, "walk_files", lambda root: pytest.fail(f"{root} was gone through"))
    paths = ImagePaths(images)
    outside = images.parent / "outside.jpg"
    outside.write_bytes(b"x")
    assert paths.count(["C:\\no\\such.jpg", "/no/0.jpg", str(outside)]) == 1
    assert paths.usable_image("C:\\no\\such.jpg") == "C:\\no\\such.jpg"
