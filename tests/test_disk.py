"""The sums of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ocr_train.disk import sha256_of, sha256_of_stream


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_the_sum_is_that_of_the_whole_file(tmp_path: Path, size: int) -> None:
    """However many blocks it has."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * size)
    assert sha256_of(path) == hashlib.sha256(b"x" * size).hexdigest()


def test_a_stream_is_read_to_its_end(tmp_path: Path) -> None:
    """So that its position is the size of the file."""
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    with path.open("rb") as stream:
        assert (sha256_of_stream(stream), stream.tell()) == (hashlib.sha256(b"abc").hexdigest(), 3)


def test_the_sum_of_no_file_is_an_error(tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(FileNotFoundError) as caught:
        sha256_of(tmp_path / "a")
    assert caught.value.filename == str(tmp_path / "a")
