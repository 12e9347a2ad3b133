"""Pushing real folders to a real S3 server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ocr_train.errors import StorageError
from ocr_train.storage.fetch import fetch
from ocr_train.storage.progress import SyncResult
from ocr_train.storage.push import push
from tests.s3 import Prefix

FILES = {"ชุดข้อมูล/ภาพที่ ๑.jpg": b"first", "b/c/d.txt": b"nested", "empty": b"", "odd +&%#?[x] name": b"odd"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with Thai, odd, nested and empty files."""
    for name, body in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(body)
    return tmp_path


def counts(result: SyncResult) -> tuple[int, int, int]:
    """What was sent, skipped and deleted."""
    return result.fetched, result.skipped, result.deleted


def test_files_become_objects_and_come_back(
    folder: Path, prefix: Prefix, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Push, then fetch elsewhere: the same names and bytes, and none of our own records."""
    assert counts(push(folder, prefix.uri)) == (4, 0, 0)
    assert prefix.all() == FILES
    there = tmp_path_factory.mktemp("there")
    fetch(prefix.uri, there)
    assert {name: (there / name).read_bytes() for name in FILES} == FILES


def test_nothing_changed_means_nothing_sent(folder: Path, prefix: Prefix) -> None:
    """A second push skips everything."""
    push(folder, prefix.uri)
    assert counts(push(folder, prefix.uri)) == (0, 4, 0)


def test_an_edit_that_keeps_the_size_is_sent(folder: Path, prefix: Prefix) -> None:
    """Size alone never decides."""
    push(folder, prefix.uri)
    (folder / "b/c/d.txt").write_bytes(b"NESTED")
    assert counts(push(folder, prefix.uri)) == (1, 3, 0)
    assert prefix.all()["b/c/d.txt"] == b"NESTED"


def test_an_object_that_was_replaced_or_removed_is_sent_again(folder: Path, prefix: Prefix) -> None:
    """The manifest alone is not believed."""
    push(folder, prefix.uri)
    prefix.put("b/c/d.txt", b"OTHERS")
    prefix.delete("empty")
    assert counts(push(folder, prefix.uri)) == (2, 2, 0)
    assert prefix.all() == FILES


def test_an_edit_that_keeps_size_and_mtime_is_found_by_rehash(folder: Path, prefix: Prefix) -> None:
    """`rehash` compares every file with its object."""
    push(folder, prefix.uri)
    path = folder / "b/c/d.txt"
    mtime_ns = path.stat().st_mtime_ns
    path.write_bytes(b"NESTED")
    os.utime(path, ns=(mtime_ns, mtime_ns))
    assert counts(push(folder, prefix.uri)) == (0, 4, 0)
    assert counts(push(folder, prefix.uri, rehash=True)) == (1, 3, 0)
    assert prefix.all()["b/c/d.txt"] == b"NESTED"


def test_objects_that_are_already_there_are_compared_not_sent(folder: Path, prefix: Prefix) -> None:
    """Without a manifest, an object with the file's MD5 is left as it is."""
    prefix.put("b/c/d.txt", b"nested")
    assert counts(push(folder, prefix.uri)) == (3, 1, 0)


def test_deleting_is_opt_in_and_only_what_was_pushed(folder: Path, prefix: Prefix) -> None:
    """An object that somebody else stored, or replaced, survives `delete`."""
    push(folder, prefix.uri)
    prefix.put("theirs", b"theirs")
    (folder / "empty").unlink()
    (folder / "b/c/d.txt").unlink()
    prefix.put("b/c/d.txt", b"theirs now")
    assert counts(push(folder, prefix.uri)) == (0, 2, 0)
    assert counts(push(folder, prefix.uri, delete=True)) == (0, 2, 1)
    assert {name for name in prefix.all() if name not in FILES} == {"theirs"}
    assert prefix.all()["b/c/d.txt"] == b"theirs now"


def test_an_empty_folder_deletes_nothing(folder: Path, prefix: Prefix) -> None:
    """A folder without files (an unmounted disk, say) is an error."""
    push(folder, prefix.uri)
    for name in FILES:
        (folder / name).unlink()
    with pytest.raises(StorageError, match="There is no file in"):
        push(folder, prefix.uri, delete=True)
    assert prefix.all() == FILES


def test_a_large_file_goes_in_parts_and_is_verified(prefix: Prefix, tmp_path: Path) -> None:
    """The ETag of the parts is the one computed here."""
    (tmp_path / "big").write_bytes(os.urandom(1_000_000) * 35)
    assert counts(push(tmp_path, prefix.uri)) == (1, 0, 0)
    assert prefix.all() == {"big": (tmp_path / "big").read_bytes()}
    assert counts(push(tmp_path, prefix.uri)) == (0, 1, 0)


def test_names_that_cannot_be_fetched_are_not_pushed(folder: Path, prefix: Prefix) -> None:
    """Names that another machine could not keep are refused, all at once, and nothing is sent."""
    (folder / "back\\slash").write_bytes(b"")
    (folder / "EMPTY").write_bytes(b"")
    with pytest.raises(StorageError, match=r"2 name\(s\)"):
        push(folder, prefix.uri)
    assert prefix.all() == {}


def test_links_within_the_folder_are_files_and_others_are_refused(
    folder: Path, prefix: Prefix, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A link to a file of the data set is sent as its content; one that leaves the folder never is."""
    (folder / "again.txt").symlink_to(folder / "b/c/d.txt")
    push(folder, prefix.uri)
    assert prefix.all()["again.txt"] == b"nested"
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_bytes(b"secret")
    (folder / "leak").symlink_to(outside)
    with pytest.raises(StorageError, match="'leak': it is a symbolic link out of the folder"):
        push(folder, prefix.uri)
    assert "leak" not in prefix.all()


def test_a_missing_folder_is_named(prefix: Prefix, tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(StorageError, match=r"There is no folder '.*/nowhere'"):
        push(tmp_path / "nowhere", prefix.uri)


def test_a_missing_bucket_is_named(folder: Path, prefix: Prefix) -> None:
    """A push to a bucket that does not exist says so at once."""
    with pytest.raises(StorageError, match="There is no bucket 'no-such-bucket'"):
        push(folder, "s3://no-such-bucket/x")


def test_nothing_is_written_into_the_source(folder: Path, prefix: Prefix) -> None:
    """It is somebody's data: the records of a push lie in our cache, for each folder and address."""
    before = {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}
    push(folder, prefix.uri)
    assert {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))} == before
    noted = (Path(os.environ["OCR_TRAIN_CACHE"]) / "pushed").rglob("*.jsonl")
    assert any(
        json.loads(path.read_text().splitlines()[0])["source"] == prefix.uri.rstrip("/") for path in noted
    )
    assert counts(push(folder, prefix.uri)) == (0, 4, 0)


def test_a_folder_that_takes_no_file_is_pushed(folder: Path, prefix: Prefix) -> None:
    """Immutable, for root too; notes of an older version in the folder itself count for nothing."""
    (folder / ".ocr-train").mkdir()
    (folder / ".ocr-train" / "pushed-0123.jsonl").write_text("{")
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", folder], check=False).returncode:
        pytest.skip("chattr +i does not work here")
    try:
        assert counts(push(folder, prefix.uri)) == (4, 0, 0)
        assert counts(push(folder, prefix.uri)) == (0, 4, 0)
    finally:
        subprocess.run(["chattr", "-i", folder], check=True)


def test_without_a_cache_the_etags_are_compared(
    folder: Path, prefix: Prefix, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A home that takes no file makes a push no failure."""
    in_the_way = tmp_path_factory.mktemp("x") / "file"
    in_the_way.write_text("")
    monkeypatch.setenv("OCR_TRAIN_CACHE", str(in_the_way))
    assert counts(push(folder, prefix.uri)) == (4, 0, 0)
    assert counts(push(folder, prefix.uri)) == (0, 4, 0)
