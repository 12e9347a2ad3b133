"""The table of annotation formats: what a row is enough for, and whose labels a folder holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.cli.main import make_parser
from ocr_train.data.formats.conversion import Conversion
from ocr_train.data.formats.converted import as_paddleocr
from ocr_train.data.formats.table import FORMATS, AnnotationFormat, FormatOption, detect_format, options_for
from ocr_train.errors import ConfigError, DataError

LABELME = '{"version": "5.0", "shapes": [], "imagePath": "a.jpg"}'


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


def put(folder: Path, **files: str) -> Path:
    """Write files; `__` in a name stands for a slash, and the last `_` for the dot of the suffix."""
    for name, text in files.items():
        stem, _, suffix = name.replace("__", "/").rpartition("_")
        path = folder / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("labelme", "labelme"),
        ("labelme/balls", "labelme"),
        ("dirt/plates_list_transcription", "ppocrlabel"),
        ("dirt/ic15_rec/train_data", "paddleocr"),
        ("wires", "paddleocr"),
        ("wires/det", "paddleocr"),
        ("thai_gazette/rec", "paddleocr"),
    ],
)
def test_real_folders_are_recognised(shared: Path, name: str, expected: str) -> None:
    """What people have put on GitHub."""
    assert detect_format(shared / "data" / name) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a_json": LABELME}, "labelme"),
        ({"pages__one__a_json": LABELME}, "labelme"),
        ({"a_json": LABELME, "classes_txt": "text\n"}, "labelme"),
        ({"a_json": LABELME, "notes_txt": "no labels here\n"}, "labelme"),
        ({"package_json": '{"name": "x"}', "a_json": LABELME}, "labelme"),
        ({"package_json": '{"name": "x"}'}, "paddleocr"),
        ({"broken_json": "{"}, "paddleocr"),
        ({"list_json": "[1, 2]"}, "paddleocr"),
        ({"Label_txt": "d/a.jpg\t[]\n", "fileState_txt": "C:\\d\\a.jpg\t1\n"}, "ppocrlabel"),
        ({"Label_txt": "d/a.jpg\t[]\n"}, "paddleocr"),
        ({"d__Label_txt": "d/a.jpg\t[]\n", "d__fileState_txt": "a\t1\n"}, "ppocrlabel"),
        ({"fileState_txt": "a\t1\n"}, "paddleocr"),
        ({}, "paddleocr"),
    ],
)
def test_a_format_shows_in_its_files(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    """Each tool's own files tell it; where nothing does, it is PaddleOCR's, which says what is missing."""
    assert detect_format(put(tmp_path, **files)) == expected


def test_a_training_file_wins(tmp_path: Path) -> None:
    """Who has split PPOCRLabel's or LabelMe's labels trains on the split."""
    put(tmp_path, Label_txt="d/a.jpg\t[]\n", fileState_txt="a\t1\n", a_json=LABELME)
    assert detect_format(tmp_path) == "ppocrlabel"
    put(tmp_path, det__train_txt="a.jpg\t[]\n")
    assert detect_format(tmp_path) == "paddleocr"


def test_a_label_file_beside_labelme_wins(tmp_path: Path) -> None:
    """It was made of them, or the JSON files are leftovers."""
    put(tmp_path, a_json=LABELME, gt_txt="a.jpg\t[]\n")
    assert detect_format(tmp_path) == "paddleocr"


def test_our_own_records_do_not_count(tmp_path: Path) -> None:
    """A folder that was fetched has a hidden one with state."""
    put(tmp_path, **{".ocr-train__a_json": LABELME})
    assert detect_format(tmp_path) == "paddleocr"


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_is_said(tmp_path: Path, name: str) -> None:
    """A missing folder, and a file."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="data: "):
        detect_format(tmp_path / name)
