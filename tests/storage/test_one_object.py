"""One file as one object, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.errors import StorageError
from ocr_train.storage.one_object import fetch_object, store_object
from ocr_train.storage.s3 import S3Bucket
from tests.s3 import Prefix
from tests.storage.fake_s3 import BUCKET, FakeS3


def test_a_file_comes_back_as_it_was_stored(prefix: Prefix, tmp_path: Path) -> None:
    """Also one of several parts, with a name of any characters; what is not there is no error."""
    content = bytes(range(256)) * 80_000
    (tmp_path / "a").write_bytes(content)
    bucket = S3Bucket(prefix.bucket)
    key = f"{prefix.prefix}/น้ำหนัก +&%.tar"
    assert not fetch_object(bucket, key, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert store_object(bucket, key, tmp_path / "a")
    assert fetch_object(bucket, key, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == content
    bucket.close()


def test_what_changes_on_the_way_is_an_error(fake: FakeS3, tmp_path: Path) -> None:
    """In both directions, by the sum that the store names."""
    (tmp_path / "a").write_bytes(b"weights")
    bucket = S3Bucket(BUCKET, sleep=lambda _: None)
    fake.faults["k"] = ["corrupt"]
    with pytest.raises(StorageError, match="is not what was sent"):
        store_object(bucket, "k", tmp_path / "a")
    fake.objects["k"] = b"weights"
    fake.faults["k"] = ["corrupt"] * 9
    with pytest.raises(StorageError, match="other content than its ETag"):
        fetch_object(bucket, "k", tmp_path / "b")
    bucket.close()
