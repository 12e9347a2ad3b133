"""Images that are the same: by name in any spelling, and by their bytes, each file read at most once."""

from __future__ import annotations

import os
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
    is_whole,
    normal_name,
    read_file_ends,
    size_key,
)


def find(folder: Path, names: list[str]) -> SameImages:
    """Which of `names` in `folder` are the same."""
    named = NamedImages()
    with ThreadPoolExecutor(2) as pool:
        sizes = file_sizes(names, folder, pool=pool, workers=2)
    for sample, (name, size) in enumerate(zip(names, sizes, strict=True)):
        named.add(sample, name, size_key(size))
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


@pytest.mark.parametrize("size", [0, 10, 1 << 14, (1 << 14) + 1, 1 << 18])
def test_files_with_other_keys_have_other_bytes(tmp_path: Path, size: int) -> None:
    """The key of a small file is made of all its bytes, that of a large one of its size and its ends."""
    content = bytes(size)
    write(tmp_path, a=content, b=content, c=content + b"1", d=content[:-1] + b"2")
    keys = []
    for name in "abcd":
        ends = read_file_ends(f"{tmp_path}/{name}.jpg")
        assert ends is not None
        keys.append(ends.key)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert is_whole(keys[0]) == (0 < size <= 1 << 14)
    assert (keys[0] == 0) == (size == 0)


def test_large_files_that_differ_in_their_middle_are_two_images(tmp_path: Path) -> None:
    """Their keys are equal, so that they are read whole; small ones are not read again."""
    start, rest = bytes(1 << 15), bytes(1 << 15)
    write(tmp_path, a=start + b"1" + rest, b=start + b"2" + rest, c=start + b"1" + rest, d=b"1", e=b"1")
    names, named = [f"{name}.jpg" for name in "abcde"], NamedImages()
    for sample, name in enumerate(names):
        ends = read_file_ends(f"{tmp_path}/{name}")
        assert ends is not None
        named.add(sample, name, ends.key)
    same = find_same(named, lambda: iter(names), tmp_path, workers=2)
    firsts = same.first_ids(np.array([image_id(name) for name in names])).tolist()
    assert [firsts.index(one) for one in firsts] == [0, 1, 0, 3, 3]


def test_a_file_system_may_give_a_few_bytes_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key stays the same: an image that is not compared would be like no other."""
    write(tmp_path, a=bytes(range(256)) * 200)
    whole = read_file_ends(f"{tmp_path}/a.jpg")
    plain = os.read
    monkeypatch.setattr(os, "read", lambda number, count: plain(number, min(count, 1000)))
    assert whole is not None
    assert read_file_ends(f"{tmp_path}/a.jpg") == whole


def test_only_regular_files_have_ends(tmp_path: Path) -> None:
    """A pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    assert [read_file_ends(f"{tmp_path}/{name}") for name in ("", "pipe", "no", "bad\0")] == [None] * 4
