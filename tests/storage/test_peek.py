"""A look at a few objects of a real store."""

from __future__ import annotations

from contextlib import closing

import pytest

from ocr_train.errors import StorageError
from ocr_train.storage.peek import S3Peek
from tests.s3 import Prefix


def test_names_and_beginnings_are_read(prefix: Prefix) -> None:
    """Folders with a slash; the first bytes with the size of all; the folder above, as PPOCRLabel's paths need it."""
    for name, body in (("train.txt", b"0123456789"), ("images/a.jpg", b"x"), ("empty.txt", b"")):
        prefix.put(name, body)
    with closing(S3Peek(prefix.uri)) as peek:
        assert peek.names() == (["images/", "empty.txt", "train.txt"], False)
        assert peek.names("images/") == (["images/a.jpg"], False)
        start = peek.read("train.txt", 4)
        assert start is not None
        assert (start.content, start.size) == (b"0123", 10)
        empty = peek.read("empty.txt", 4)
        assert empty is not None
        assert empty.size == 0
        assert peek.read("none.txt", 4) is None
        above = peek.read("../data/images/a.jpg", 4)
        assert above is not None
        assert above.content == b"x"


def test_a_bucket_that_is_not_there_is_an_error(prefix: Prefix) -> None:
    """Of ours, with the name."""
    assert prefix.bucket
    with (
        closing(S3Peek("s3://no-such-bucket/x")) as peek,
        pytest.raises(StorageError, match="no-such-bucket"),
    ):
        peek.names()
