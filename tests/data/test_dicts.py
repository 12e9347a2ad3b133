"""The dictionaries in experiments/dicts: the classes of a recognition model, one character a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_train.data.labels import LabelLine, read_labels

ROOT = Path(__file__).resolve().parents[2]
DICTS = ROOT / "experiments" / "dicts"
SHARED = ROOT / ".." / "shared" / "data"
ASCII = {chr(code) for code in range(0x21, 0x7F)}
THAI = {chr(code) for code in [*range(0x0E01, 0x0E3B), *range(0x0E3F, 0x0E5C)]}
each_dict = pytest.mark.parametrize("name", ["en.txt", "th.txt"])


def characters(name: str) -> list[str]:
    return (DICTS / name).read_text(encoding="utf-8").removesuffix("\n").split("\n")


def shared(path: str) -> Path:
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"../shared/data/{path} is absent")
    return found


def characters_of_labels(folder: Path) -> Iterator[str]:
    for part in ("train.txt", "val.txt"):
        for line in read_labels(folder / part):
            assert isinstance(line, LabelLine)
            yield from line.label


@each_dict
def test_one_character_a_line_none_twice(name: str) -> None:
    """Each line is one character that is not white space, and each character is on one line."""
    found = characters(name)
    assert [line for line in found if len(line) != 1 or line.isspace()] == []
    assert len(found) == len(set(found))


@each_dict
def test_bytes_are_plain_utf8_with_unix_lines(name: str) -> None:
    """No BOM, no carriage return, one line end at the end: PaddleOCR would make characters of them."""
    raw = (DICTS / name).read_bytes()
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert not raw.endswith(b"\n\n")


def test_english_is_printable_ascii_in_order() -> None:
    """en.txt has the 94 characters from ! to ~; the space is PaddleOCR's `use_space_char`."""
    assert characters("en.txt") == sorted(ASCII)


def test_thai_is_the_thai_block_and_ascii() -> None:
    """th.txt has all of Thai first, then the same 94 characters: digits, letters, punctuation."""
    found = characters("th.txt")
    assert found[: len(THAI)] == sorted(THAI)
    assert set(found[len(THAI) :]) == ASCII
    assert found[len(THAI) : len(THAI) + 10] == list("0123456789")


def test_thai_contains_the_gazette() -> None:
    """Real Thai print needs no character that th.txt lacks, space aside."""
    known = {*characters("th.txt"), " "}
    listed = shared("thai_gazette/dict.txt").read_text(encoding="utf-8").split("\n")
    assert {line for line in listed if line} <= known
    assert set(characters_of_labels(shared("thai_gazette/rec"))) <= known


def test_english_contains_the_wire_markers() -> None:
    """Real wire markers need no character that en.txt lacks."""
    assert set(characters_of_labels(shared("wires/rec"))) <= set(characters("en.txt"))
