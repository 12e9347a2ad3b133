"""What a file really is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data.checks.images import check_image
from ocr_train.data.files.file_looks import look_of
from ocr_train.data.files.image_paths import ImagePaths

LOOKS = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n": "git lfs pull",
    b"\n<!DOCTYPE html><html>": "HTML page",
    b"<html><body>404": "HTML page",
    b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X": "AppleDouble",
    b"%PDF-1.7": "PDF",
    b"PK\x03\x04": "zip archive",
    b"GIF89a": "GIF",
    b"\x00\x00\x00\x20ftypheic": "HEIC",
    b"<?xml version='1.0'?><Error><Code>NoSuchKey": "XML",
    b'{"error": "not found"}': "JSON",
    bytes(600): "zeros only",
    b"": "empty",
}


@pytest.mark.parametrize("content", LOOKS)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    """The message says what the file is, and not only that OpenCV cannot read it."""
    (tmp_path / "a.jpg").write_bytes(content)
    facts = check_image("a.jpg", ImagePaths(tmp_path))
    assert [finding.kind for finding in facts.findings] == ["image_unreadable"]
    assert LOOKS[content] in facts.findings[0].hint


def test_json_lines_are_labels(tmp_path: Path) -> None:
    """Only an image must not begin like JSON: labels of tables do."""
    (tmp_path / "train.txt").write_bytes(b'{"filename": "a.jpg"}\n')
    assert look_of(tmp_path / "train.txt") == ""
