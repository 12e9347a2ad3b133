"""What a file really is that should have been something else: told by its first bytes, for messages."""

from __future__ import annotations

from pathlib import Path

from ocr_train.ocr_engine.files import open_regular

_HEAD_BYTES = 512
_LOOKS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs.github.com/spec/",
        "a pointer of Git LFS and not the file: run `git lfs pull`",
    ),
    (b"\x00\x05\x16\x07", "a file of macOS's own beside the real one (AppleDouble)"),
    (b"GIF8", "a GIF, which OpenCV does not read: save it as PNG"),
    (b"%PDF", "a PDF: save its pages as images"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"\x1f\x8b", "compressed with gzip: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it"),
    (b"8BPS", "a file of Photoshop: save it as PNG"),
    (b"SQLite format 3", "a database of SQLite (such as Thumbs.db)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of Windows (such as Thumbs.db)"),
)
"""How a file begins, and what it then is."""
_TEXT_LOOKS: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", "an HTML page saved under this name: download the file again"),
    (b"<html", "an HTML page saved under this name: download the file again"),
    (b"<svg", "an SVG drawing: save it as PNG"),
    (b"<?xml", "XML, such as a store answers with where it has no such file: download the file again"),
    (b"<error", "XML, such as a store answers with where it has no such file: download the file again"),
)
_NO_IMAGES: tuple[tuple[bytes, str], ...] = (
    (b"{", "JSON and not an image: download the file again"),
    (b"[", "JSON and not an image: download the file again"),
)
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"mif1", b"msf1", b"hevc"), "HEIC, as iPhones save: save it as JPEG"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF, which OpenCV may not read: save it as JPEG or PNG"),
}


def look_of(path: Path, *, image: bool = False) -> str:
    """What the file is by its first bytes, with what to do; empty where nothing known is seen. With `image` it should
    have been an image."""
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return ""
    if not head:
        return "the file is empty"
    if not head.strip(b"\x00"):
        return "the file has zeros only, as a copy that was cut off leaves them: copy it again"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next(
        (
            name
            for looks, start in ((_LOOKS, head), (_TEXT_LOOKS, text), (_NO_IMAGES if image else (), text))
            for begin, name in looks
            if start.startswith(begin)
        ),
        "",
    )
