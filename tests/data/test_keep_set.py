"""The set of what could be read before: checked like data, without a split and without a dictionary."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data import keep_set
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.data.keep_set import (
    KeepLabels,
    check_keep,
    draw_keep,
    language_of,
    languages_to_draw,
    require_keep_path,
)
from ocr_train.data.samples import read_samples
from ocr_train.errors import ConfigError, DataError, SetupError

ENGLISH = frozenset(map(chr, range(32, 127)))


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A folder with 6 training and 4 validation words."""
    make_demo(tmp_path / "words", DemoSpec(task="rec", train=6, val=4))
    return tmp_path / "words"


def check(folder: Path, *, normalize: str = "none") -> tuple[KeepLabels, list[str]]:
    """The set, and what was said."""
    said: list[str] = []
    work = folder.parent / "work"
    return check_keep(folder, str(folder), "rec", normalize, work, said.append), said


def test_the_validation_file_is_read_where_there_is_one(words: Path) -> None:
    """Else everything."""
    assert check(words)[0].samples == 4
    (words / "val.txt").unlink()
    assert check(words)[0].samples == 6


def test_a_validation_file_alone_will_do(words: Path) -> None:
    """None of it is trained on."""
    (words / "train.txt").unlink()
    assert check(words)[0].samples == 4


def test_bad_samples_are_left_out_and_counted(words: Path) -> None:
    """They stop nothing, as no training depends on them."""
    with (words / "val.txt").open("a") as labels:
        labels.write("gone.jpg\tword\nno tab\ntrain/00000.jpg\t\n")
    found, said = check(words)
    assert (found.samples, found.left_out) == (4, 3)
    assert any(
        "keep: 3 samples" in line and "1 image_missing" in line and "1 no_tab" in line for line in said
    )


def test_a_set_without_a_good_sample_is_an_error_that_says_how_to_do_without(words: Path) -> None:
    """Something was asked for that cannot be had."""
    (words / "val.txt").write_text("gone.jpg\tword\n")
    with pytest.raises(DataError, match=r"keep: no sample of .* \(1 image_missing\)") as caught:
        check(words)
    assert "keep=none" in caught.value.hint


def test_characters_of_no_dictionary_are_no_errors_and_texts_have_the_runs_spelling(words: Path) -> None:
    """What the model lacks is among what it can no longer read."""
    (words / "val.txt").write_text("val/00000.jpg\t§ a\u0301\n", encoding="utf-8")
    found, _ = check(words, normalize="nfc")
    assert [line.label for line in read_samples(found.labels)[0]] == ["§ \u00e1"]


def test_a_path_where_nothing_is_is_said_before_anything_else(tmp_path: Path) -> None:
    """Addresses and words are not looked up."""
    for fine in ("", "none", "s3://bucket/prefix", str(tmp_path)):
        require_keep_path(fine)
    with pytest.raises(ConfigError, match="keep: there is nothing at"):
        require_keep_path(str(tmp_path / "typo"))


@pytest.mark.parametrize(
    ("task", "charset", "trained_on", "languages"),
    [
        ("rec", ENGLISH, "", ("en",)),
        ("rec", ENGLISH | {"ก"}, "", ("en", "th")),
        ("rec", frozenset("ก"), "", ("th",)),
        ("rec", frozenset("0123456789"), "", ()),
        ("rec", ENGLISH | {"ก"}, "th", ("en",)),
        ("det", None, "", ("en",)),
        ("det", None, "en", ()),
        ("cls", None, "", ()),
    ],
)
def test_what_is_drawn_follows_from_the_dictionary(
    task: str, charset: frozenset[str] | None, trained_on: str, languages: tuple[str, ...]
) -> None:
    """And not the language of the demo set, whose validation images say the same."""
    assert languages_to_draw(task, charset, trained_on) == languages


def test_the_drawn_set_is_the_same_for_all_runs_and_drawn_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a smaller dictionary there are fewer texts of the same."""
    monkeypatch.setitem(keep_set.DRAWN, "rec", 12)
    said: list[str] = []
    first = draw_keep("rec", ENGLISH, ("en",), tmp_path / "cache", tmp_path / "a", said.append)
    again = draw_keep("rec", ENGLISH - {"e"}, ("en",), tmp_path / "cache", tmp_path / "b", said.append)
    assert first is not None
    assert again is not None
    assert len(said) == 1
    lines = [(line.image, line.label) for line in read_samples(first.labels)[0]]
    assert first.samples == len(lines) == 12
    fewer = [(line.image, line.label) for line in read_samples(again.labels)[0]]
    assert fewer == [(image, label) for image, label in lines if "e" not in label]
    assert {language_of(image) for image, _ in lines} == {"en"}
    assert all((first.images / image).is_file() for image, _ in lines)


def test_what_cannot_be_drawn_here_is_said_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thai needs Raqm; the training goes on."""

    def refuse(_folder: Path, _spec: DemoSpec) -> None:
        raise SetupError("Thai text cannot be drawn: there is no Raqm.")

    monkeypatch.setattr(keep_set, "draw_beside", refuse)
    said: list[str] = []
    assert draw_keep("rec", ENGLISH, ("th",), tmp_path / "cache", tmp_path / "a", said.append) is None
    assert said[-1] == "keep: nothing is drawn in th: Thai text cannot be drawn: there is no Raqm."
