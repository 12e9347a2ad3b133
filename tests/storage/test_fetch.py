"""Fetching from a real S3 server into real folders."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ocr_train.errors import StorageError
from ocr_train.storage.fetch import fetch
from ocr_train.storage.keys import PRIVATE_FOLDER
from ocr_train.storage.progress import Progress, SyncResult
from tests.s3 import Prefix

SOURCE = {
    "ชุดข้อมูล/ภาพที่ ๑.jpg": b"first",
    "b/c/d.txt": b"nested",
    "empty": b"",
    "odd +&%#?[x] name": b"odd",
    "new\nline": b"control",
}


@pytest.fixture
def source(prefix: Prefix) -> Prefix:
    """A prefix with Thai, odd, nested, empty and control-character names."""
    for name, body in SOURCE.items():
        prefix.put(name, body)
    return prefix


def content(folder: Path) -> dict[str, bytes]:
    """All files below a folder by name, without our records."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and PRIVATE_FOLDER not in path.parts
    }


def counts(result: SyncResult) -> tuple[int, int, int]:
    """What was fetched, skipped and deleted."""
    return result.fetched, result.skipped, result.deleted


def test_names_and_bodies_arrive_unchanged(source: Prefix, tmp_path: Path) -> None:
    """Every object is a file of the same name and content."""
    result = fetch(source.uri, tmp_path / "new" / "data")
    assert content(tmp_path / "new" / "data") == SOURCE
    assert result == SyncResult(
        files=5, bytes=sum(map(len, SOURCE.values())), fetched=5, skipped=0, deleted=0
    )


def test_nothing_changed_means_nothing_fetched(source: Prefix, tmp_path: Path) -> None:
    """A second fetch skips everything and rewrites no file."""
    fetch(source.uri, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}
    assert counts(fetch(f"{source.uri}/", tmp_path)) == (0, 5, 0)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jpg")}


def test_an_edit_at_the_source_that_keeps_the_size_is_fetched(source: Prefix, tmp_path: Path) -> None:
    """Size alone never decides: other bytes of the same length come over."""
    fetch(source.uri, tmp_path)
    source.put("b/c/d.txt", b"NESTED")
    assert counts(fetch(source.uri, tmp_path)) == (1, 4, 0)
    assert (tmp_path / "b/c/d.txt").read_bytes() == b"NESTED"


def test_a_local_edit_that_keeps_the_size_is_undone(source: Prefix, tmp_path: Path) -> None:
    """A file whose mtime differs from the manifest's is compared and fetched again."""
    fetch(source.uri, tmp_path)
    (tmp_path / "b/c/d.txt").write_bytes(b"NESTED")
    assert counts(fetch(source.uri, tmp_path)) == (1, 4, 0)
    assert content(tmp_path) == SOURCE


def test_a_local_edit_that_keeps_size_and_mtime_is_found_by_rehash(source: Prefix, tmp_path: Path) -> None:
    """Only `rehash` reads files whose size and mtime are as recorded."""
    fetch(source.uri, tmp_path)
    path = tmp_path / "b/c/d.txt"
    mtime_ns = path.stat().st_mtime_ns
    path.write_bytes(b"NESTED")
    os.utime(path, ns=(mtime_ns, mtime_ns))
    assert counts(fetch(source.uri, tmp_path)) == (0, 5, 0)
    assert counts(fetch(source.uri, tmp_path, rehash=True)) == (1, 4, 0)
    assert content(tmp_path) == SOURCE


def test_a_removed_local_file_comes_back(source: Prefix, tmp_path: Path) -> None:
    """The manifest alone is not believed."""
    fetch(source.uri, tmp_path)
    (tmp_path / "empty").unlink()
    assert counts(fetch(source.uri, tmp_path)) == (1, 4, 0)
    assert content(tmp_path) == SOURCE


def test_files_that_are_already_there_are_compared_not_fetched(source: Prefix, tmp_path: Path) -> None:
    """Without a manifest, a file with the object's MD5 is taken over; one with other bytes is replaced."""
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / "b/c/d.txt").write_bytes(b"nested")
    (tmp_path / "odd +&%#?[x] name").write_bytes(b"ODD")
    assert counts(fetch(source.uri, tmp_path)) == (4, 1, 0)
    assert content(tmp_path) == SOURCE


def test_stale_parts_are_swept(source: Prefix, tmp_path: Path) -> None:
    """What a killed fetch left in the making disappears; a user's own .part file stays."""
    parts = tmp_path / PRIVATE_FOLDER / "parts"
    parts.mkdir(parents=True)
    (parts / "7.part").write_bytes(b"half")
    (tmp_path / "mine.part").write_bytes(b"mine")
    fetch(source.uri, tmp_path)
    assert not parts.exists()
    assert content(tmp_path) == {**SOURCE, "mine.part": b"mine"}


def test_a_link_in_place_of_a_file_is_replaced_not_followed(source: Prefix, tmp_path: Path) -> None:
    """The link's target keeps its content; the name becomes a file."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"nested")
    (tmp_path / "data/b/c").mkdir(parents=True)
    (tmp_path / "data/b/c/d.txt").symlink_to(outside)
    source.put("b/c/d.txt", b"NESTED")
    fetch(source.uri, tmp_path / "data")
    assert outside.read_bytes() == b"nested"
    assert not (tmp_path / "data/b/c/d.txt").is_symlink()


def test_a_linked_folder_is_refused_by_name(source: Prefix, tmp_path: Path) -> None:
    """Nothing is written through a link, and nothing at all is fetched."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/b").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"'b/c/d.txt': its folder 'b' is a symbolic link"):
        fetch(source.uri, tmp_path / "data")
    assert content(tmp_path) == {}


def test_a_folder_in_the_way_is_refused_by_name(source: Prefix, tmp_path: Path) -> None:
    """A local folder is never replaced by a file, nor a file by a folder; both are listed."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "b").write_bytes(b"file")
    with pytest.raises(StorageError, match="in the way") as caught:
        fetch(source.uri, tmp_path)
    assert "'b/c/d.txt': its folder 'b' is a file" in str(caught.value)


def test_deleting_is_opt_in(source: Prefix, tmp_path: Path) -> None:
    """A file that the source lost stays unless `delete` is given, even when that comes later."""
    fetch(source.uri, tmp_path)
    source.delete("b/c/d.txt")
    assert counts(fetch(source.uri, tmp_path)) == (0, 4, 0)
    assert (tmp_path / "b/c/d.txt").exists()
    assert counts(fetch(source.uri, tmp_path, delete=True)) == (0, 4, 1)
    assert not (tmp_path / "b").exists()


def test_only_owned_and_unedited_files_are_deleted(source: Prefix, tmp_path: Path) -> None:
    """A user's own file, and a fetched one that was edited, survive `delete`."""
    fetch(source.uri, tmp_path)
    (tmp_path / "b/c/mine.txt").write_bytes(b"mine")
    (tmp_path / "b/c/d.txt").write_bytes(b"edited")
    source.delete("b/c/d.txt")
    assert counts(fetch(source.uri, tmp_path, delete=True)) == (0, 4, 0)
    assert (tmp_path / "b/c/d.txt").read_bytes() == b"edited"
    assert (tmp_path / "b/c/mine.txt").read_bytes() == b"mine"


def test_an_empty_listing_deletes_nothing(source: Prefix, tmp_path: Path) -> None:
    """A prefix that became empty (or was misspelled) is an error, and the files stay."""
    fetch(source.uri, tmp_path)
    for name in SOURCE:
        source.delete(name)
    with pytest.raises(StorageError, match="There is nothing below"):
        fetch(source.uri, tmp_path, delete=True)
    assert content(tmp_path) == SOURCE


def test_a_misspelled_prefix_gets_a_suggestion(source: Prefix, tmp_path: Path) -> None:
    """The error names the prefix that was probably meant."""
    with pytest.raises(StorageError, match=f"Perhaps you meant '{source.uri}'"):
        fetch(source.uri[:-1] + "x", tmp_path)


def test_a_missing_bucket_is_named_at_once(source: Prefix, tmp_path: Path) -> None:
    """No retries: the message names bucket and endpoint."""
    with pytest.raises(StorageError, match=r"There is no bucket 'no-such-bucket' at http://127\.0\.0\.1:\d+"):
        fetch("s3://no-such-bucket/x", tmp_path)


def test_a_wrong_secret_is_named_but_not_shown(
    source: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad credentials fail at once, and no credential is in the message."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-but-secret")
    with pytest.raises(StorageError, match="does not accept the S3 credentials") as caught:
        fetch(source.uri, tmp_path)
    assert "wrong-but-secret" not in str(caught.value)


def test_missing_credentials_say_which_variables(
    source: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without credentials the hint names the variables."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match="Set AWS_ACCESS_KEY_ID"):
        fetch(source.uri, tmp_path)


def test_a_folder_marker_is_no_file(source: Prefix, tmp_path: Path) -> None:
    """Keys ending in a slash, as consoles make them, are passed over."""
    source.put("folder/", b"")
    assert fetch(source.uri, tmp_path).files == 5


def test_a_neighbour_prefix_is_left_alone(source: Prefix, tmp_path: Path) -> None:
    """`data` does not include `data-old`."""
    source.client.put_object(Bucket=source.bucket, Key=f"{source.prefix}-old/x", Body=b"x")
    assert fetch(source.uri, tmp_path).files == 5


def test_one_object_may_be_named(source: Prefix, tmp_path: Path) -> None:
    """The address of an object fetches that one file."""
    assert fetch(f"{source.uri}/b/c/d.txt", tmp_path).files == 1
    assert content(tmp_path) == {"d.txt": b"nested"}


def test_a_large_object_in_parts_arrives_whole(prefix: Prefix, tmp_path: Path) -> None:
    """An object of several ranges, whose ETag is no MD5, is the same afterwards and skipped next time."""
    from boto3.s3.transfer import TransferConfig

    big = tmp_path / "big"
    big.write_bytes(os.urandom(1_000_000) * 35)
    config = TransferConfig(multipart_threshold=8_000_000, multipart_chunksize=8_000_000)
    prefix.client.upload_file(str(big), prefix.bucket, f"{prefix.prefix}/big", Config=config)
    assert fetch(prefix.uri, tmp_path / "data").bytes == 35_000_000
    assert (tmp_path / "data/big").read_bytes() == big.read_bytes()
    assert counts(fetch(prefix.uri, tmp_path / "data")) == (0, 1, 0)


@pytest.mark.slow
def test_more_than_a_page_is_fetched(prefix: Prefix, tmp_path: Path) -> None:
    """1,100 objects are two pages of a listing."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: prefix.put(f"{i:04d}.txt", str(i).encode()), range(1_100)))
    assert fetch(prefix.uri, tmp_path).fetched == 1_100
    assert content(tmp_path) == {f"{i:04d}.txt": str(i).encode() for i in range(1_100)}


def test_two_sources_share_a_folder(source: Prefix, tmp_path: Path) -> None:
    """Each source has a manifest of its own: fetching one forgets nothing of the other and deletes none of
    it.
    """
    source.client.put_object(Bucket=source.bucket, Key=f"{source.prefix}-2/other", Body=b"x")
    fetch(source.uri, tmp_path)
    fetch(f"{source.uri}-2", tmp_path, delete=True)
    assert counts(fetch(source.uri, tmp_path)) == (0, 5, 0)
    assert counts(fetch(f"{source.uri}-2", tmp_path)) == (0, 1, 0)


def test_a_torn_manifest_costs_work_not_correctness(source: Prefix, tmp_path: Path) -> None:
    """Lines that a killed process left unfinished are skipped: the files are compared instead."""
    fetch(source.uri, tmp_path)
    (manifest,) = (tmp_path / PRIVATE_FOLDER).glob("fetched-*.jsonl")
    lines = manifest.read_text("utf-8").splitlines()
    manifest.write_text("\n".join([*lines[:3], lines[3][:9]]), "utf-8")
    assert counts(fetch(source.uri, tmp_path, delete=True)) == (0, 5, 0)
    assert content(tmp_path) == SOURCE


def test_a_manifest_cannot_delete_outside_the_folder(source: Prefix, tmp_path: Path) -> None:
    """A manifest that claims to own a file beside the folder is not believed, however well it knows it."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    fetch(source.uri, tmp_path / "data")
    (manifest,) = (tmp_path / "data" / PRIVATE_FOLDER).glob("fetched-*.jsonl")
    with manifest.open("a", encoding="utf-8") as file:
        file.write(json.dumps(["../outside", 8, "etag", outside.stat().st_mtime_ns]) + "\n")
    assert fetch(source.uri, tmp_path / "data", delete=True).deleted == 0
    assert outside.read_bytes() == b"precious"


def test_progress_ends_complete(source: Prefix, tmp_path: Path) -> None:
    """The last report has all files and bytes, and nothing left to wait for."""
    seen: list[Progress] = []
    fetch(source.uri, tmp_path, on_progress=seen.append)
    last = seen[-1]
    assert (last.phase, last.files, last.size_bytes) == ("transferring", 5, sum(map(len, SOURCE.values())))
    assert (last.files_total, last.size_bytes_total, last.eta_s) == (5, last.size_bytes, 0.0)


def test_a_folder_that_cannot_be_made_is_named(source: Prefix, tmp_path: Path) -> None:
    """A target below a file is a StorageError, not a traceback."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="file"):
        fetch(source.uri, tmp_path / "file" / "data")
