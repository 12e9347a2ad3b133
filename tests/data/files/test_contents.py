"""Images that are the same: by name in any spelling, and by their bytes, each file read at most once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ocr_train.data.files import contents
from ocr_train.data.files.contents import (
    NamedImages,
    SameImages,
    file_sizes,
    find_same,
    image_id,
    normal_name,
)


def find(folder: Path, names: list[str]) -> SameImages:
    """Which of `names` in `folder` are the same."""
    named = NamedImages()
    with ThreadPoolExecutor(2) as pool:
        sizes = file_sizes(names, folder, pool=pool, workers=2)
    for sample, (name, size) in enumerate(zip(names, sizes, strict=True)):
        named.add(sample, name, size)
    return find_same(named, lambda: iter(names), folder, workers=2)


def groups(folder: Path, names: list[str]) -> list[int]:
    """For each name the place of the first one that is the same image."""
    ids = np.array([image_id(name) for name in names])
    firsts = find(folder, names).first_ids(ids).tolist()
    return [firsts.index(one) for one in firsts]


def write(folder: Path, **files: bytes) -> None:
    """Files by name, without their suffix."""
    for name, content in files.items():
        (folder / f"{name}.jpg").write_bytes(content)


@pytest.mark.parametrize(
    "name", ["img/0.jpg", "./img/0.jpg", "img//0.jpg", "a/../img/0.jpg", "img\\0.jpg", "img/./0.jpg"]
)
def test_every_spelling_of_a_name_is_one_image(name: str) -> None:
    """What the file system takes for the same path counts as the same."""
    assert normal_name(name) == "img/0.jpg"


@pytest.mark.parametrize("name", ["img/.hidden.jpg", "a.b/c.jpg", "..a.jpg", "a./b.jpg"])
def test_a_name_that_only_looks_odd_stays(name: str) -> None:
    """Dots are part of names."""
    assert normal_name(name) == name


def test_equal_bytes_are_one_image(tmp_path: Path) -> None:
    """Whatever the names are; one more byte, or another one, is another image."""
    write(tmp_path, a=b"1234", b=b"12345", c=b"1234", d=b"4321", e=b"1234")
    assert groups(tmp_path, ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"]) == [0, 1, 0, 3, 0]


def test_a_link_is_the_image_that_it_leads_to(tmp_path: Path) -> None:
    """To a file, or to a folder with it."""
    (tmp_path / "real").mkdir()
    write(tmp_path / "real", a=b"1234")
    (tmp_path / "other.jpg").symlink_to("real/a.jpg")
    (tmp_path / "again").symlink_to("real", target_is_directory=True)
    assert groups(tmp_path, ["real/a.jpg", "other.jpg", "again/a.jpg"]) == [0, 0, 0]


def test_missing_and_empty_files_are_like_no_other(tmp_path: Path) -> None:
    """Nothing is known of what they show."""
    write(tmp_path, a=b"", b=b"")
    (tmp_path / "folder.jpg").mkdir()
    names = ["a.jpg", "b.jpg", "no.jpg", "none.jpg", "folder.jpg", "bad\0.jpg"]
    assert groups(tmp_path, names) == list(range(6))


def test_only_files_of_the_same_size_are_read_and_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A size that nobody else has is enough to tell a file from all others."""
    write(tmp_path, a=b"1234", b=b"12", c=b"4321", d=b"123")
    read: list[str] = []
    plain = contents._digest

    def noted(name: str, folder: str) -> int | None:
        read.append(name)
        return plain(name, folder)

    monkeypatch.setattr(contents, "_digest", noted)
    find(tmp_path, ["a.jpg", "b.jpg", "./a.jpg", "c.jpg", "a.jpg", "d.jpg", "b.jpg"])
    assert sorted(read) == ["a.jpg", "c.jpg"]


def test_a_file_that_cannot_be_read_any_more_is_like_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the check of the images that says so."""
    write(tmp_path, a=b"1234", b=b"1234", c=b"1234")
    plain = contents._digest
    monkeypatch.setattr(
        contents, "_digest", lambda name, folder: None if name == "a.jpg" else plain(name, folder)
    )
    assert groups(tmp_path, ["a.jpg", "b.jpg", "c.jpg"]) == [0, 1, 1]


def test_many_files_keep_their_order(tmp_path: Path) -> None:
    """They are hashed in slices by several threads; each digest stays with its name."""
    for number in range(300):
        (tmp_path / f"{number}.jpg").write_bytes(f"{number % 150:04d}".encode())
    assert groups(tmp_path, [f"{number}.jpg" for number in range(300)]) == [
        number % 150 for number in range(300)
    ]
