"""The images that label files name."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ocr_train.data.checks import images
from ocr_train.data.checks.images import ImageFacts
from ocr_train.data.checks.images import check_image as check_image_at
from ocr_train.data.files.image_paths import ImagePaths, UsablePath
from ocr_train.data.samples import image_names

UPRIGHT, TURNED = 1, 6


def save(path: Path, *, orientation: int = UPRIGHT) -> Path:
    """A picture of 80x40 pixels with noise, so that its file has some length."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 80, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif) if orientation != UPRIGHT else Image.fromarray(pixels).save(
        path
    )
    return path


def check_image(name: str, folder: Path, *, decode: bool = False) -> ImageFacts:
    """The facts of one image below `folder`."""
    return check_image_at(name, ImagePaths(folder), decode=decode)


def kinds(name: str, folder: Path, *, decode: bool = False) -> list[str]:
    """The kinds that `check_image` finds."""
    return [finding.kind for finding in check_image(name, folder, decode=decode).findings]


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tiff", "ppm", "jp2"])
def test_sizes_of_all_formats_that_opencv_reads_are_found(tmp_path: Path, suffix: str) -> None:
    """Width and height come out, and nothing is wrong."""
    save(tmp_path / f"ภาพ.{suffix}")
    facts = check_image(f"ภาพ.{suffix}", tmp_path, decode=True)
    assert (facts.size, facts.findings) == ((80, 40), ())


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_size_is_the_one_that_opencv_decodes(tmp_path: Path, suffix: str, orientation: int) -> None:
    """PaddleOCR reads with cv2.imdecode, which applies EXIF to some formats and not to others."""
    path = save(tmp_path / f"a.{suffix}", orientation=orientation)
    facts = check_image(path.name, tmp_path)
    decoded = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR)
    assert facts.size == (decoded.shape[1], decoded.shape[0])


def test_a_turned_image_is_noted(tmp_path: Path) -> None:
    """Boxes drawn on the stored pixels would be wrong."""
    save(tmp_path / "a.jpg", orientation=TURNED)
    assert kinds("a.jpg", tmp_path) == ["exif_rotated"]


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tiff", "ppm"])
@pytest.mark.parametrize("part", [0.95, 0.5, 0.02, 0.0])
def test_a_cut_off_file_is_unreadable_without_decoding_everything(
    tmp_path: Path, suffix: str, part: float
) -> None:
    """An upload that broke off is found from the header and the end of the file."""
    path = save(tmp_path / f"a.{suffix}")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    assert kinds(path.name, tmp_path) == ["image_unreadable"]


def test_a_jpeg_with_bytes_after_its_end_is_good(tmp_path: Path) -> None:
    """Some cameras add their own data; only then is the file decoded to be sure."""
    path = save(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes() + bytes(100))
    assert kinds("a.jpg", tmp_path) == []


def test_decoding_finds_damage_that_a_header_hides(tmp_path: Path) -> None:
    """A PNG with broken data inside has a good header and a good end."""
    path = save(tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert kinds("a.png", tmp_path) == []
    assert kinds("a.png", tmp_path, decode=True) == ["image_unreadable"]


@pytest.mark.parametrize(
    "content", [b"", b"text, not an image", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"]
)
def test_what_is_no_image_is_unreadable(tmp_path: Path, content: bytes) -> None:
    """Whatever the bytes are, no exception comes out."""
    (tmp_path / "a.jpg").write_bytes(content)
    assert kinds("a.jpg", tmp_path) == ["image_unreadable"]


def test_a_gif_is_unreadable_for_opencv(tmp_path: Path) -> None:
    """`cv2.imdecode` gives None for it, and PaddleOCR would skip the sample."""
    save(tmp_path / "a.gif")
    assert cv2.imdecode(np.fromfile(tmp_path / "a.gif", dtype=np.uint8), cv2.IMREAD_COLOR) is None
    assert kinds("a.gif", tmp_path) == ["image_unreadable"]


@pytest.mark.parametrize("waits", [0, 10**9])
def test_threads_find_what_is_found_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: int
) -> None:
    """They read images where a disk is waited for."""
    monkeypatch.setattr(images, "_WAITS", waits)
    save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no image")
    for number in range(200):
        (tmp_path / f"{number}.jpg").symlink_to("b.jpg" if number % 3 else "a.jpg")
    names = [f"{number}.jpg" for number in range(200)]
    with images.image_pool(4) as pool:
        found = images.check_images(names, ImagePaths(tmp_path), pool=pool, workers=4, decode=False)
    assert [len(found[name].findings) for name in names] == [int(number % 3 > 0) for number in range(200)]


def test_only_files_are_images(tmp_path: Path) -> None:
    """A folder is no image, and a pipe must not be waited for."""
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    assert kinds("folder.jpg", tmp_path) == ["image_unreadable"]
    assert kinds("pipe.jpg", tmp_path) == ["image_unreadable"]


def test_a_missing_image_is_looked_for_nearby(tmp_path: Path) -> None:
    """The commonest slips, a path from the wrong folder, are named in the hint."""
    images = tmp_path / "images"
    images.mkdir()
    save(images / "a.jpg")
    assert "--strip 'train/'" in check_image("train/a.jpg", images).findings[0].hint
    assert "folder above" in check_image("images/a.jpg", images).findings[0].hint
    assert "spaces" in check_image(" a.jpg", images).findings[0].hint
    assert kinds("b.jpg", images) == ["image_missing"]


@pytest.mark.parametrize(
    "name",
    [
        "/etc/a.jpg",
        "C:/a.jpg",
        "C:\\a.jpg",
        "train\\a.jpg",
        "../a.jpg",
        "a/../../b.jpg",
        "s3://b/a.jpg",
        "~/a.jpg",
        ".",
        "a\0.jpg",
        "\ud800.jpg",
    ],
)
def test_a_path_that_leaves_the_folder_is_a_problem_of_its_own(name: str) -> None:
    """Such labels work on one machine at most."""
    problem = ImagePaths(Path("/nowhere")).usable(name).finding
    assert problem is not None
    assert problem.kind == "bad_path"


@pytest.mark.parametrize(
    "name", ["a.jpg", "a/../b.jpg", "./a.jpg", "ภาพ/๑ ๒.jpg", "..a.jpg", "a..jpg", "[1].jpg"]
)
def test_a_path_inside_the_folder_is_right(name: str) -> None:
    """Thai, spaces, dots and brackets do no harm."""
    assert ImagePaths(Path("/nowhere")).usable(name) == UsablePath(name=name)


@pytest.mark.parametrize(
    ("image", "names"),
    [
        ("a.jpg", ["a.jpg"]),
        ('["a.jpg", "b.jpg"]', ["a.jpg", "b.jpg"]),
        ("[1].jpg", ["[1].jpg"]),
        ("[]", ["[]"]),
        ("[1]", ["[1]"]),
    ],
)
def test_a_line_may_name_several_images_as_json(image: str, names: list[str]) -> None:
    """PaddleOCR draws one of them at random, so each must be there."""
    assert image_names(image) == names
