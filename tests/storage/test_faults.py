"""Faults that a real server does not make on demand, by a stand-in over real HTTP (see fake_s3)."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ocr_train.errors import StorageError, TransientStorageError
from ocr_train.storage import retry
from ocr_train.storage.fetch import fetch
from ocr_train.storage.push import push
from tests.storage.fake_s3 import BUCKET, LISTING, FakeS3

REPOSITORY = Path(__file__).resolve().parents[2]
URI = f"s3://{BUCKET}/data"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries wait milliseconds."""
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.002)


@pytest.mark.parametrize("fault", ["500", "503", "cut", "short", "corrupt", "slow"])
def test_a_fault_that_passes_is_got_over(fake: FakeS3, tmp_path: Path, fault: str) -> None:
    """A fault or two, of any kind, and the file is still right."""
    fake.objects["data/x"] = bytes(range(256)) * 100
    fake.faults["data/x"] = [fault, fault]
    assert fetch(URI, tmp_path).fetched == 1
    assert (tmp_path / "x").read_bytes() == fake.objects["data/x"]
    assert fake.gets("data/x") == (1 if fault == "slow" else 3)


def test_a_listing_is_retried(fake: FakeS3, tmp_path: Path) -> None:
    """Throttling of the listing is waited out."""
    fake.objects["data/x"] = b"x"
    fake.faults[LISTING] = ["503", "500"]
    assert fetch(URI, tmp_path).fetched == 1


def test_retries_are_bounded(fake: FakeS3, tmp_path: Path) -> None:
    """A server that stays broken is given up after a fixed number of tries, which the message tells."""
    fake.objects["data/x"] = b"x"
    fake.faults["data/x"] = ["500"] * 100
    with pytest.raises(TransientStorageError, match=f"data/x.*Tried {retry.ATTEMPTS} times"):
        fetch(URI, tmp_path)
    assert fake.gets("data/x") == retry.ATTEMPTS


def test_content_that_stays_wrong_never_becomes_a_file(fake: FakeS3, tmp_path: Path) -> None:
    """Bytes that do not match the ETag are refused with the key's name, and nothing is left of them."""
    fake.objects["data/x"] = b"right"
    fake.faults["data/x"] = ["corrupt"] * 100
    with pytest.raises(StorageError, match=r"data/x.* other content than its ETag"):
        fetch(URI, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.name in ("x", "parts")] == []


def test_denied_access_fails_at_once_and_names_the_permission(fake: FakeS3, tmp_path: Path) -> None:
    """403 is not retried; the message says which permission is missing on what."""
    fake.objects["data/x"] = b"x"
    fake.faults["data/x"] = ["403"] * 100
    with pytest.raises(StorageError, match=r"need s3:GetObject on arn:aws:s3:::fake-bucket/data/x") as caught:
        fetch(URI, tmp_path)
    assert not isinstance(caught.value, TransientStorageError)
    assert fake.gets("data/x") == 2


def test_a_denied_listing_names_the_permission(fake: FakeS3, tmp_path: Path) -> None:
    """Listing needs a permission of its own, on the bucket."""
    fake.faults[LISTING] = ["403"]
    with pytest.raises(StorageError, match=r"need s3:ListBucket on arn:aws:s3:::fake-bucket\."):
        fetch(URI, tmp_path)
    assert fake.gets(LISTING) == 1


def test_an_object_that_changed_since_the_listing_is_an_error(fake: FakeS3, tmp_path: Path) -> None:
    """Another ETag than the listed one means another object: it is not mixed in."""
    fake.objects["data/x"] = b"x"
    fake.faults["data/x"] = ["other"] * 9
    with pytest.raises(StorageError, match="changed while it was being fetched"):
        fetch(URI, tmp_path)
    assert fake.gets("data/x") == 1


def test_an_unreachable_server_is_named(
    fake: FakeS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens: the message has the endpoint, without what else its URL carried."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://user:hush@127.0.0.1:9")
    with pytest.raises(TransientStorageError, match=r"http://127\.0\.0\.1:9 did not answer") as caught:
        fetch(URI, tmp_path)
    assert "hush" not in str(caught.value)


def test_a_cut_off_fetch_goes_on_where_it_stopped(fake: FakeS3, tmp_path: Path) -> None:
    """What had arrived before the failure is not asked for again."""
    names = [f"{i:03d}" for i in range(100)]
    fake.objects = {f"data/{name}": name.encode() for name in names}
    fake.faults["data/099"] = ["403"] * 9
    with pytest.raises(StorageError):
        fetch(URI, tmp_path, workers=4)
    arrived = {path.name for path in tmp_path.glob("[0-9]*")}
    assert len(arrived) > 60
    fake.faults.clear()
    fake.requests.clear()
    assert fetch(URI, tmp_path, workers=4).fetched == 100 - len(arrived)
    assert not {key.removeprefix("data/") for method, key in fake.requests if method == "GET"} & arrived


def test_a_killed_fetch_goes_on_where_it_stopped(fake: FakeS3, tmp_path: Path) -> None:
    """After kill -9 every file in place is whole, and none of them is asked for again."""
    fake.objects = {f"data/{i:02d}": bytes([i]) * 50_000 for i in range(40)}
    for key in fake.objects:
        fake.faults[key] = ["slow"]
    code = "import pathlib, sys; from ocr_train.storage.fetch import fetch; "
    code += "fetch(sys.argv[1], pathlib.Path(sys.argv[2]), workers=4)"
    child = subprocess.Popen([sys.executable, "-c", code, URI, str(tmp_path)], cwd=REPOSITORY)
    while len(arrived := {path.name for path in tmp_path.glob("[0-9]*")}) < 6:
        assert child.poll() is None
        time.sleep(0.01)
    child.kill()
    child.wait()
    arrived = {path.name for path in tmp_path.glob("[0-9]*")}
    assert 6 <= len(arrived) < 40
    fake.faults.clear()
    fake.requests.clear()
    assert fetch(URI, tmp_path).fetched == 40 - len(arrived)
    assert {f"data/{path.name}": path.read_bytes() for path in tmp_path.glob("[0-9]*")} == fake.objects
    assert not [key for method, key in fake.requests if method == "GET" and key[5:] in arrived]


def test_a_failed_fetch_deletes_nothing(fake: FakeS3, tmp_path: Path) -> None:
    """Deleting comes last and only after everything arrived."""
    fake.objects = {"data/old": b"old", "data/x": b"x"}
    fetch(URI, tmp_path)
    fake.objects = {"data/x": b"y"}
    fake.faults["data/x"] = ["403"] * 9
    with pytest.raises(StorageError):
        fetch(URI, tmp_path, delete=True)
    assert (tmp_path / "old").exists()
    fake.faults.clear()
    assert fetch(URI, tmp_path, delete=True).deleted == 1


HOSTILE = [
    "../escape",
    "a/../../escape",
    "/absolute",
    "a//b",
    "back\\slash",
    "C:/drive",
    "Case",
    "case",
    "f",
    "f/g",
]


def test_hostile_keys_are_refused_all_at_once(fake: FakeS3, tmp_path: Path) -> None:
    """One error lists every bad key; no body was asked for and nothing was written anywhere."""
    fake.objects = {f"data/{name}": b"x" for name in [*HOSTILE, "good"]}
    with pytest.raises(StorageError) as caught:
        fetch(URI, tmp_path / "data")
    bad = ["../escape", "a/../../escape", "/absolute", "a//b", "back\\slash", "C:/drive", "case", "f"]
    assert [name for name in bad if f"    {name!r}: " not in str(caught.value)] == []
    assert "8 name(s)" in str(caught.value)
    assert "'good'" not in str(caught.value)
    assert {key for method, key in fake.requests if method == "GET"} == {LISTING}
    assert list(tmp_path.iterdir()) == []


def test_an_etag_under_kms_is_not_taken_for_an_md5(fake: FakeS3, tmp_path: Path) -> None:
    """An encrypted object's ETag looks like an MD5 and is none: the length decides."""
    fake.objects["data/x"] = b"x"
    fake.etags["data/x"] = "d41d8cd98f00b204e9800998ecf8427e"
    fake.kms.add("data/x")
    assert fetch(URI, tmp_path).fetched == 1
    assert fetch(URI, tmp_path).skipped == 1


def test_an_upload_that_arrives_damaged_is_an_error(fake: FakeS3, tmp_path: Path) -> None:
    """The ETag of what the server keeps is compared with what was sent."""
    (tmp_path / "x").write_bytes(b"right")
    fake.faults["data/x"] = ["corrupt"]
    with pytest.raises(StorageError, match="data/x is not what was sent"):
        push(tmp_path, URI)


def test_an_upload_is_retried(fake: FakeS3, tmp_path: Path) -> None:
    """A fault that passes does not fail a push."""
    (tmp_path / "x").write_bytes(b"right")
    fake.faults["data/x"] = ["500", "503"]
    assert push(tmp_path, URI).fetched == 1
    assert fake.objects == {"data/x": b"right"}


def test_a_denied_upload_names_the_permission(fake: FakeS3, tmp_path: Path) -> None:
    """403 on a write is not retried beyond the exact answer."""
    (tmp_path / "x").write_bytes(b"right")
    fake.faults["data/x"] = ["403"] * 9
    with pytest.raises(StorageError, match="need s3:PutObject on arn:aws:s3:::fake-bucket/data/x"):
        push(tmp_path, URI)
    assert fake.requests.count(("PUT", "data/x")) == 2


def test_two_fetches_into_one_folder_take_turns(fake: FakeS3, tmp_path: Path) -> None:
    """Both end well, and the second finds what the first brought."""
    fake.objects = {f"data/{i}": str(i).encode() for i in range(40)}
    fake.faults["data/7"] = ["slow"]
    fetched: list[int] = []
    threads = [
        threading.Thread(target=lambda: fetched.append(fetch(URI, tmp_path).fetched)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fetched) == [0, 40]
