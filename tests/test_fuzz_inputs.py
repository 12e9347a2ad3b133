"""Dictionaries and keys from outside, thousands of them: never an exception, never a file outside the folder."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_train.data.dictionary import read_dictionary
from ocr_train.storage.keys import name_problem
from tests.fuzz import cases

PARTS = st.sampled_from(
    [
        *(
            "..",
            ".",
            "",
            "~",
            "a",
            "A",
            "C:",
            "con",
            "น้ำ",
            "น",
            "a\\b",
            "..\\x",
            "\x00",
            "a" * 300,
            " ",
            "%2e%2e",
            "\u202e",
        )
    ]
)
NAMES = st.lists(PARTS, min_size=1, max_size=5).map("/".join) | st.text(
    alphabet=st.sampled_from("./\\:~ aก\x00\n%é"), max_size=30
)


@settings(max_examples=cases(1000), deadline=None)
@given(NAMES)
def test_a_key_that_is_accepted_stays_below_its_folder(name: str) -> None:
    """Joined to a folder and resolved, it is still inside, under the very name that it has."""
    if name_problem(name):
        return
    folder = Path("/data/target")
    path = Path(f"{folder}/{name}")
    assert ".." not in path.parts
    assert path.is_relative_to(folder)
    assert path.relative_to(folder).as_posix() == name


@settings(max_examples=cases(500), deadline=None)
@given(st.binary(max_size=120) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_dictionary_is_read_or_reported(tmp_path_factory: object, content: bytes) -> None:
    """Whatever the bytes: entries and problems with their lines, never an exception."""
    path = Path(tmp_path_factory.getbasetemp()) / "fuzzed_dict.txt"  # type: ignore[attr-defined]
    path.write_bytes(content)
    read = read_dictionary(path, use_space_char=True)
    assert all(len(character) == 1 for character in read.charset)
    assert all(problem.file == str(path) for problem in read.problems)
