"""A local archive as data: extracted once, whole or not at all."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.data.files.archive_source import is_archive_path, unpack_once
from ocr_train.data.layout import find_layout
from ocr_train.errors import DataError, StorageError
from ocr_train.storage.keys import PRIVATE_FOLDER

FILES = {"train.txt": b"train/\xe0\xb8\x81.jpg\ttext\n", "train/ก.jpg": b"picture"}


def write_tar(path: Path, files: Mapping[str, bytes], *, top: str = "", mode: str = "w:gz") -> Path:
    """A tar archive of `files`, in the folder `top` of it."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # the mode is a variable
        for name, body in files.items():
            info = tarfile.TarInfo(f"{top}{name}")
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return path


def write_zip(path: Path, files: Mapping[str, bytes], *, top: str = "") -> Path:
    """A zip archive of `files`, in the folder `top` of it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(f"{top}{name}", body)
    return path


def content(folder: Path) -> dict[str, bytes]:
    """All files below a folder by name."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def unpacked(cache: Path) -> list[Path]:
    """The folders of the cache that a run could use."""
    return [path for path in cache.iterdir() if path.name != PRIVATE_FOLDER]


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "b.TGZ", "ชุด.zip"])
def test_archives_are_known_by_their_names(tmp_path: Path, name: str) -> None:
    """The usual suffixes count, in any case, whether or not the file is there yet."""
    assert is_archive_path(tmp_path / name)


@pytest.mark.parametrize("name", ["data", "a.tar.zst", "zip", "train.txt"])
def test_other_names_are_no_archives(tmp_path: Path, name: str) -> None:
    """Anything else is left to the other kinds of data."""
    assert not is_archive_path(tmp_path / name)


def test_a_folder_named_like_an_archive_is_a_folder(tmp_path: Path) -> None:
    """Someone's `data.zip/` with label files is used as it is."""
    (tmp_path / "data.zip").mkdir()
    assert not is_archive_path(tmp_path / "data.zip")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_comes_out_with_thai_names(tmp_path: Path, mode: str) -> None:
    """Every file has its name and content."""
    suffix = ".tar" if mode == "w" else ".tgz"
    archive = write_tar(tmp_path / f"set{suffix}", FILES, mode=mode)
    assert content(unpack_once(archive, tmp_path / "cache")) == FILES


def test_a_zip_comes_out_with_thai_names(tmp_path: Path) -> None:
    """Every file has its name and content."""
    assert content(unpack_once(write_zip(tmp_path / "a.zip", FILES), tmp_path / "cache")) == FILES


def test_a_single_top_folder_is_the_data_folder(tmp_path: Path) -> None:
    """What `tar -czf wires.tar.gz wires` and Finder's "Compress" make need no further word."""
    files = {f"wires/{name}": body for name, body in FILES.items()} | {"__MACOSX/wires/._train.txt": b"x"}
    folder = unpack_once(write_zip(tmp_path / "a.zip", files), tmp_path / "cache")
    assert folder.name == "wires"
    assert content(folder) == FILES


def test_a_single_file_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    """One file is no folder."""
    folder = unpack_once(write_tar(tmp_path / "a.tar.gz", {"train.txt": b"x"}), tmp_path / "cache")
    assert content(folder) == {"train.txt": b"x"}


def test_the_same_archive_is_extracted_once(tmp_path: Path) -> None:
    """The second time the files are those of the first time, untouched."""
    archive = write_tar(tmp_path / "a.tar.gz", FILES, top="set/")
    first = unpack_once(archive, tmp_path / "cache")
    before = {path: path.stat().st_ino for path in first.rglob("*")}
    assert unpack_once(archive, tmp_path / "cache") == first
    assert before == {path: path.stat().st_ino for path in first.rglob("*")}


def test_a_replaced_archive_is_extracted_anew(tmp_path: Path) -> None:
    """An edit that keeps name and size is seen by the time of change; the old folder keeps its content."""
    archive = write_tar(tmp_path / "a.tar", {"train.txt": b"old"}, mode="w")
    old = unpack_once(archive, tmp_path / "cache")
    mtime_ns = archive.stat().st_mtime_ns
    write_tar(archive, {"train.txt": b"new"}, mode="w")
    os.utime(archive, ns=(mtime_ns, mtime_ns + 1))
    new = unpack_once(archive, tmp_path / "cache")
    assert (content(old), content(new)) == ({"train.txt": b"old"}, {"train.txt": b"new"})


def test_two_archives_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    """The path counts, not the last part of it alone."""
    folders = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        archive = write_tar(tmp_path / name / "data.tar", {"train.txt": name.encode()}, mode="w")
        os.utime(archive, ns=(1, 1))
        folders.append(unpack_once(archive, tmp_path / "cache"))
    assert [content(folder)["train.txt"] for folder in folders] == [b"one", b"two"]


def test_a_truncated_archive_leaves_nothing_to_train_on(tmp_path: Path) -> None:
    """It is named, and the cache holds no half of it, so that the mended one is extracted."""
    archive = write_tar(tmp_path / "a.tar.gz", {"train.txt": os.urandom(200_000)})
    archive.write_bytes(archive.read_bytes()[:100_000])
    with pytest.raises(StorageError, match=r"a\.tar\.gz"):
        unpack_once(archive, tmp_path / "cache")
    assert unpacked(tmp_path / "cache") == []
    write_tar(archive, FILES)
    assert content(unpack_once(archive, tmp_path / "cache")) == FILES


def test_what_a_killed_extraction_left_is_removed(tmp_path: Path) -> None:
    """Files in the making do not become data."""
    parts = tmp_path / "cache" / PRIVATE_FOLDER / "parts" / "tree"
    parts.mkdir(parents=True)
    (parts / "stale.jpg").write_bytes(b"stale")
    folder = unpack_once(write_tar(tmp_path / "a.tar.gz", FILES), tmp_path / "cache")
    assert content(folder) == FILES
    assert not parts.exists()


def test_a_member_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    """`../x` in an archive is written nowhere."""
    archive = write_tar(tmp_path / "a.tar.gz", {**FILES, "../x": b"evil"})
    with pytest.raises(StorageError, match=r"\.\./x"):
        unpack_once(archive, tmp_path / "cache")
    assert unpacked(tmp_path / "cache") == []
    assert not (tmp_path / "cache" / "x").exists()


def test_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    """A small file that would fill the disk is not extracted."""
    archive = write_tar(tmp_path / "a.tar.gz", {"train.txt": bytes(1_000_000)})
    with pytest.raises(StorageError, match="limit"):
        unpack_once(archive, tmp_path / "cache", limit_bytes=999_999)


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    """A mistyped path is a mistake in the parameter `data`."""
    with pytest.raises(DataError, match=r"no-such\.zip"):
        unpack_once(tmp_path / "no-such.zip", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_two_at_once_get_one_folder(tmp_path: Path) -> None:
    """Runs that start together (a sweep) share one extraction."""
    archive = write_tar(tmp_path / "a.tar.gz", FILES)
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: unpack_once(archive, tmp_path / "cache"), range(4)))
    assert len(folders) == len(unpacked(tmp_path / "cache")) == 1
    assert content(folders.pop()) == FILES


def test_an_archived_demo_set_is_found_as_data(tmp_path: Path) -> None:
    """What comes out is what the next stage of a run finds its label files in."""
    make_demo(tmp_path / "wires", DemoSpec(task="cls", train=2, val=1))
    with tarfile.open(tmp_path / "wires.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "wires", "wires")
    layout = find_layout(unpack_once(tmp_path / "wires.tar.gz", tmp_path / "cache"), "cls")
    assert [path.name for path in (*layout.train, *layout.val)] == ["train.txt", "val.txt"]
