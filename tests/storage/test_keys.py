"""Which keys may become files, and which S3 addresses are understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_train.errors import ConfigError, StorageError
from ocr_train.storage.keys import KeyProblem, check_names, is_s3_uri, name_problem, parse_s3_uri, refuse


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://bucket/prefix", ("bucket", "prefix")),
        ("s3://bucket/a/b/", ("bucket", "a/b")),
        ("s3://bucket", ("bucket", "")),
        ("s3://bucket/", ("bucket", "")),
        ("S3://bucket/ข้อมูล 1", ("bucket", "ข้อมูล 1")),
    ],
)
def test_an_address_is_bucket_and_prefix(uri: str, expected: tuple[str, str]) -> None:
    """The prefix comes without a closing slash, unicode as it is."""
    assert parse_s3_uri(uri) == expected


@pytest.mark.parametrize(
    "uri",
    ["", "bucket/prefix", "s3:/bucket", "s3://", "s3:///prefix", "s3://b", "s3://buc ket/x", "s3://bucket//x",
     "s3://bucket/a/../b", "s3://bucket/a//", "https://bucket/x", "s3a://bucket/x"],
)  # fmt: skip
def test_nonsense_is_no_address(uri: str) -> None:
    """Anything else is a ConfigError that quotes what was given."""
    with pytest.raises(ConfigError) as caught:
        parse_s3_uri(uri)
    assert repr(uri) in str(caught.value)


def test_only_s3_addresses_are_taken_for_one() -> None:
    """Folders are not, whatever their name."""
    assert [is_s3_uri(text) for text in ("s3://b/p", "S3://b", "/data/s3", "s3", "")] == [True, True] + [
        False
    ] * 3


@pytest.mark.parametrize(
    "name", ["ภาพ/น้ำ.jpg", "a b+c&d%20#?.png", "...", "a..b", "..a", "é", "x" * 255, "ก" * 85]
)
def test_ordinary_and_thai_names_are_fine(name: str) -> None:
    """Unicode, punctuation and long names that a file system takes are not refused."""
    assert name_problem(name) == ""


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("", "empty"),
        ("a//b", "empty"),
        ("a/", "empty"),
        (".", "'.'"),
        ("a/./b", "'.'"),
        ("../x", "'..'"),
        ("a/..", "'..'"),
        ("/etc/passwd", "absolute"),
        ("a\\b", "backslash"),
        ("a\0b", "NUL"),
        ("C:/x", "drive"),
        ("c:x", "drive"),
        ("x" * 256, "longer"),
        ("ก" * 86, "longer"),
        ("a/" * 1600 + "b", "longer"),
        ("\udce9", "unicode"),
        (".ocr-train/x", "records"),
    ],
)
def test_dangerous_names_are_refused_with_the_reason(name: str, word: str) -> None:
    """Every name that could leave the folder, or cannot be a file, has a problem that says why."""
    assert word in name_problem(name)


@pytest.mark.parametrize(
    "names",
    [["a.jpg", "A.JPG"], ["\u00e9", "e\u0301"], ["d/\u00c9", "D/e\u0301"], ["f", "f/g"], ["F/x/y", "f"],
     ["a", "a"]],
)  # fmt: skip
def test_two_names_that_would_be_one_file_are_refused(names: list[str]) -> None:
    """Case, unicode form, and a file that is another one's folder collide in either order."""
    assert len(check_names(names)) == 1
    assert len(check_names(names[::-1])) == 1


def test_folders_may_be_shared() -> None:
    """Many files in one folder, and folders whose names begin alike, are no collision."""
    assert check_names(["a/1", "a/2", "a/b/1", "ab/1", "a.txt"]) == []


def test_all_problems_are_listed_at_once() -> None:
    """One error names every refused key."""
    problems = check_names(["ok", "../a", "b//c", "D", "d"])
    with pytest.raises(StorageError) as caught:
        refuse(problems, where="s3://b/p")
    assert all(text in str(caught.value) for text in ("3 name(s)", "s3://b/p", "'../a'", "'b//c'", "'d'"))


def test_nothing_to_refuse_raises_nothing() -> None:
    """Without a problem nothing happens; with one something does."""
    refuse([], where="x")
    with pytest.raises(StorageError):
        refuse([KeyProblem(name="n", reason="r")], where="x")


@given(st.text(max_size=40))
def test_an_accepted_name_stays_below_its_folder(name: str) -> None:
    """Whatever the text, a name without a problem is a relative path without dots or empty parts."""
    if not name_problem(name):
        parts = name.split("/")
        assert not {"", ".", ".."} & set(parts)
        assert "\0" not in name and "\\" not in name
