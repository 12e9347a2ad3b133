"""The table of annotation formats: what a row is enough for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.cli.main import make_parser
from ocr_train.data.formats.conversion import Conversion
from ocr_train.data.formats.converted import as_paddleocr
from ocr_train.data.formats.recognise import detect_format
from ocr_train.data.formats.table import FORMATS, AnnotationFormat, FormatOption, options_for
from ocr_train.errors import ConfigError


def convert_mine(src: Path, out: Path, *, overwrite: bool = False, upper: bool = False) -> Conversion:
    """A tool that keeps a text for its one image."""
    assert not overwrite
    text = (src / "mine.tool").read_text(encoding="utf-8")
    box = f'[{{"transcription": "{text.upper() if upper else text}", "points": [[0,0],[9,0],[9,9],[0,9]]}}]'
    out.mkdir(parents=True)
    (out / "Label.txt").write_text(f"images/a.png\t{box}\n", encoding="utf-8")
    return Conversion(labels=out / "Label.txt", images=1, boxes=1, skipped={}, problems=())


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a tool that has a row in the table, and nothing else."""
    row = AnnotationFormat(
        title="My tool",
        convert=convert_mine,
        names=frozenset({"mine.tool"}),
        options=(FormatOption(name="upper", help="in capitals"),),
    )
    monkeypatch.setitem(FORMATS, "mine", row)
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "mine.tool").write_text("word", encoding="utf-8")
    return folder


def test_a_row_is_enough_to_know_a_folder_and_to_train_on_it(mine: Path, tmp_path: Path) -> None:
    """Recognised by its files, converted, and its lines are told in words of the tool."""
    assert detect_format(mine) == "mine"
    source = as_paddleocr(mine, "det", tmp_path / "work", options={"upper": True})
    assert '"WORD"' in (source.folder / "Label.txt").read_text(encoding="utf-8")
    assert source.summary == "1 images with 1 boxes"
    assert list(source.origins.values()) == [str(mine / "a.png")]


def test_a_row_is_enough_for_the_command_line(mine: Path) -> None:
    """`convert` and `prepare` take the format and its option."""
    parsed = make_parser().parse_args(["convert", "mine", str(mine), "out", "--upper"])
    assert parsed.upper
    parsed = make_parser().parse_args(
        ["prepare", "--task", "det", "--data", str(mine), "--out", "out", "--from", "mine", "--upper"]
    )
    assert (parsed.source_format, parsed.upper) == ("mine", True)


def test_an_option_of_another_format_is_named(mine: Path) -> None:
    """With the format that has it."""
    with pytest.raises(ConfigError, match="--upper is for My tool's folders") as caught:
        options_for("labelme", {"upper": True, "text_from": "label"}, mine)
    assert "mine" in caught.value.hint
