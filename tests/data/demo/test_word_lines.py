"""Lines drawn from a team's own words and fonts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ocr_train.data.demo.word_lines import (
    LABELS,
    WordLines,
    choose_words,
    draw_word_lines,
    needs_shaping,
)
from ocr_train.data.samples import read_samples
from ocr_train.drawing.fonts import Typeface, find_typefaces, typefaces_in
from ocr_train.errors import DataError

WORDS = ("ฎีกา", "กฎหมาย", "ประกาศ", "ฐานะ")


def drawn(folder: Path, **values: object) -> tuple[list[str], Counter[str]]:
    """The texts of lines drawn with some values of our own, and how many have each rare character."""
    plain = {
        "words": WORDS,
        "typefaces": find_typefaces("th"),
        "language": "th",
        "count": 12,
        "per_line": 2,
        **values,
    }
    lines = WordLines(**plain)  # type: ignore[arg-type]
    uses = draw_word_lines(folder, lines, {}, progress=lambda _: None)
    return [line.label for line in read_samples(folder / LABELS)[0]], uses


def test_the_same_values_give_the_same_bytes(tmp_path: Path) -> None:
    """More lines leave the first ones as they were."""
    drawn(tmp_path / "a")
    drawn(tmp_path / "b", count=14)
    names = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.jpg"))
    assert len(names) == 12
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


def test_every_line_has_a_rare_character(tmp_path: Path) -> None:
    """Each about as often; those that no word has are left to the words."""
    texts, uses = drawn(tmp_path / "out", rare=("ฎ", "ฐ", "ฆ"))
    assert all({"ฎ", "ฐ"} & set(text) for text in texts)
    assert min(uses["ฎ"], uses["ฐ"]) >= 6
    assert uses["ฆ"] == 0
    assert WordLines(words=WORDS, typefaces=(), language="th", count=1, rare=("ฎ", "ฆ")).without_word == (
        "ฆ",
    )


def test_thai_words_are_joined_without_a_space(tmp_path: Path) -> None:
    """Other languages with one; no line is longer than was asked for."""
    thai, _ = drawn(tmp_path / "th", count=30, max_length=10)
    latin, _ = drawn(tmp_path / "en", words=("ab", "cd"), language="en", count=30, per_line=3)
    assert not any(" " in text for text in thai)
    assert max(map(len, thai)) <= 10
    assert any(text.count(" ") == 2 for text in latin)


def test_words_come_in_their_one_spelling() -> None:
    """What is drawn and what its label says is the same for everybody; blanks and repetitions are left out."""
    words = choose_words(["เเม่", "นํ้า", " ", "แม่"], find_typefaces("th"), language="th", max_length=25)
    assert words.texts == ("แม่", "น้ำ")
    assert words.left_out == {"twice in the list": 1}


def test_words_that_cannot_be_drawn_are_counted() -> None:
    """With the characters that no font has."""
    words = choose_words(["ก漢", "ก" * 30, "กา"], find_typefaces("th"), language="th", max_length=25)
    assert words.texts == ("กา",)
    assert words.no_glyph == {"漢": 1}
    assert words.left_out == {"no font has all their characters": 1, "longer than 25 characters": 1}


def test_no_word_at_all_is_an_error() -> None:
    """That says why."""
    with pytest.raises(DataError, match=r"no word that can be drawn: 1 no font has all their characters"):
        choose_words(["漢"], find_typefaces("th"), language="th", max_length=25)


def test_marks_and_scripts_from_right_to_left_need_shaping() -> None:
    """Latin letters do not."""
    assert needs_shaping(["กิ"])
    assert needs_shaping(["שלום"])
    assert not needs_shaping(["abc", "é", "กา"])


def test_a_font_with_an_empty_glyph_is_not_used(tmp_path: Path) -> None:
    """A label without a picture would teach the model to see what is not there: here the font claims a character that it
    draws as nothing, a zero-width space."""
    face = find_typefaces("th")[0]
    claims = Typeface(path=face.path, characters=face.characters | {"\u200b"})
    with pytest.raises(DataError, match=r"glyphs of .* are empty"):
        drawn(tmp_path / "out", words=("\u200b",), typefaces=(claims,))


def test_other_data_are_not_drawn_over(tmp_path: Path) -> None:
    """Whatever is in the folder stays."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train.txt").write_text("mine")
    with pytest.raises(DataError, match="not drawn by this command"):
        drawn(tmp_path / "out")
    assert (tmp_path / "out" / "train.txt").read_text() == "mine"


def test_fonts_of_a_folder_are_found(tmp_path: Path) -> None:
    """Below it, too; what is none is named."""
    (tmp_path / "fonts" / "more").mkdir(parents=True)
    (tmp_path / "fonts" / "more" / "own.ttf").write_bytes(find_typefaces("th")[0].path.read_bytes())
    (tmp_path / "fonts" / "bad.otf").write_bytes(b"no font")
    faces, broken = typefaces_in(tmp_path / "fonts")
    assert [face.path.name for face in faces] == ["own.ttf"]
    assert "bad.otf: not a font" in broken[0]


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_fonts_is_an_error(tmp_path: Path, name: str) -> None:
    """Nothing is drawn in another font instead."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="font"):
        typefaces_in(tmp_path / name)
