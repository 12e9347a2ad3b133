"""Dictionary files: one character a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data.dictionary import Dictionary, read_dictionary


def read(tmp_path: Path, content: bytes, *, use_space_char: bool = False) -> Dictionary:
    """A dictionary with `content`."""
    path = tmp_path / "dict.txt"
    path.write_bytes(content)
    return read_dictionary(path, use_space_char=use_space_char)


def places(dictionary: Dictionary) -> list[tuple[int, str]]:
    """Line and kind of every problem."""
    return [(problem.line, problem.kind) for problem in dictionary.problems]


def test_characters_come_in_the_order_of_the_classes(tmp_path: Path) -> None:
    """CRLF and a missing final newline make no difference, as in PaddleOCR."""
    dictionary = read(tmp_path, "ก\r\n่\r\n ".encode())
    assert (dictionary.entries, places(dictionary)) == (("ก", "่", " "), [])
    assert dictionary.charset == {"ก", "่", " "}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a\nb\na\n", [(3, "dict_duplicate")]),
        ("a\nนำ\n", [(2, "dict_multi_character")]),
        (
            "a\nนำ\nกา\n",
            [(0, "dict_no_characters"), (2, "dict_multi_character"), (3, "dict_multi_character")],
        ),
        ("a\n\nb\n", [(2, "dict_blank_line")]),
        ("a\nb\n\n", [(3, "dict_blank_line")]),
        ("\ufeffa\nb\n", [(1, "dict_bom")]),
        ("", [(0, "dict_empty")]),
        ("a\n \n", [(2, "dict_space_twice")]),
    ],
)
def test_each_flaw_of_a_dictionary_has_its_kind(
    tmp_path: Path, content: str, expected: list[tuple[int, str]]
) -> None:
    """With use_space_char on."""
    assert places(read(tmp_path, content.encode(), use_space_char=True)) == expected


def test_lines_that_no_character_can_match_are_outside_the_charset(tmp_path: Path) -> None:
    """A text that needs them is reported, as PaddleOCR would drop the characters."""
    assert read(tmp_path, "\ufeffa\nนำ\n\nb\n".encode()).charset == {"b"}


def test_use_space_char_adds_the_space_to_the_charset(tmp_path: Path) -> None:
    """As the last class."""
    assert read(tmp_path, b"a\n", use_space_char=True).charset == {"a", " "}


def test_what_cannot_be_read_comes_back_as_a_problem(tmp_path: Path) -> None:
    """A missing file, a folder, and one that is not UTF-8, with the line of the first bad byte."""
    assert places(read_dictionary(tmp_path / "no.txt")) == [(0, "dict_unreadable")]
    assert places(read_dictionary(tmp_path)) == [(0, "dict_unreadable")]
    assert places(read(tmp_path, b"a\n\xe9\n")) == [(2, "dict_unreadable")]
