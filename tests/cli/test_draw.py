"""draw: lines from a team's own words and fonts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.drawing.fonts import find_typefaces
from tests.cli_run import command, rec_data

Capsys = pytest.CaptureFixture[str]


def words_file(folder: Path, *words: str) -> Path:
    """A file of words."""
    path = folder / "words.txt"
    path.write_text("\n".join(words) + "\n", encoding="utf-8")
    return path


def test_lines_for_what_the_labels_lack(capsys: Capsys, tmp_path: Path) -> None:
    """With the characters that they lack, counted; and the check takes what was drawn."""
    rec_data(tmp_path / "data", ["กขค"] * 6, name="train.txt")
    (tmp_path / "data" / "dict.txt").write_text("ก\nข\nค\nฎ\nฏ\nฬ\n", encoding="utf-8")
    words = words_file(tmp_path, "ฎกฎ", "ฬค", "กข", "กxข")
    options = ("--words", words, "--language", "th", "--count", "6", "--rare", tmp_path / "data")
    ran = command(capsys, "draw", tmp_path / "out", *options, "--json", "-")
    assert ran.code == 0, ran.err
    assert "rare: 3 of the 6 characters of the dictionary stand in no training line: ฎ ฏ ฬ" in ran.err
    assert f"rare: no word has ฏ: add words with them to {words}" in ran.err
    assert (ran.json["lines"], ran.json["words"]) == (6, 4)
    assert ran.json["rare"]["ฎ"] >= 3
    assert ran.json["rare"]["ฏ"] == 0
    checked = command(
        capsys, "validate", tmp_path / "out" / "train.txt", "--task", "rec", "--model", "rec_th"
    )
    assert checked.code == 0, checked.err


def test_lines_in_a_teams_own_font(capsys: Capsys, tmp_path: Path) -> None:
    """Files that are no fonts are named."""
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "own.ttf").write_bytes(find_typefaces("th")[0].path.read_bytes())
    (tmp_path / "fonts" / "readme.ttf").write_text("no font")
    words = words_file(tmp_path, "กา")
    ran = command(
        capsys,
        *("draw", tmp_path / "out", "--words", words, "--language", "th"),
        "--fonts",
        tmp_path / "fonts",
        "--count",
        "2",
    )
    assert ran.code == 0, ran.err
    assert "fonts: passed over: " in ran.out
    assert len(list((tmp_path / "out" / "train").iterdir())) == 2


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no word that can be drawn: the file is empty"),
        (b"\xa1\xa2", "is not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_file_of_words_that_will_not_do(
    capsys: Capsys, tmp_path: Path, content: bytes | None, what: str
) -> None:
    """One paragraph, and nothing is drawn."""
    if content is not None:
        (tmp_path / "words.txt").write_bytes(content)
    ran = command(capsys, "draw", tmp_path / "out", "--words", tmp_path / "words.txt")
    assert ran.code == 3
    assert what in ran.err
    assert not (tmp_path / "out").exists()


def test_several_sources_are_one_too_many(capsys: Capsys, tmp_path: Path) -> None:
    """What a training mixes has a first source, which is the team's own."""
    ran = command(capsys, "draw", tmp_path / "out", "--rare", f"{tmp_path} 1.0, {tmp_path / 'b'} 0.5")
    assert ran.code == 2
    assert "Give the team's own labels" in ran.err


def test_labels_that_lack_nothing_need_no_lines(capsys: Capsys, tmp_path: Path) -> None:
    """It is said, and nothing is drawn."""
    rec_data(tmp_path / "data", ["กข"] * 6, name="train.txt")
    (tmp_path / "data" / "dict.txt").write_text("ก\nข\n", encoding="utf-8")
    ran = command(capsys, "draw", tmp_path / "out", "--language", "th", "--rare", tmp_path / "data")
    assert ran.code == 3
    assert "no character of the dictionary is rare" in ran.err
