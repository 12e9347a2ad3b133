"""Recognition labels of other tools: tables, text files, LMDB."""

from __future__ import annotations

from pathlib import Path

import lmdb  # type: ignore[import-untyped]
import pytest

from ocr_train.data.formats.conversion import Conversion
from ocr_train.data.formats.converted import as_paddleocr
from ocr_train.data.formats.table import FORMATS, detect_format
from ocr_train.errors import DataError
from tests.data.formats.folders import picture, put


def texts(folder: Path, name: str) -> tuple[dict[str, str], Conversion]:
    """Recognise and convert: the texts by image."""
    assert detect_format(folder) == name
    done = FORMATS[name].convert(folder, folder.parent / f"{folder.name}-out")
    assert done.rec_labels is not None
    lines = done.rec_labels.read_text(encoding="utf-8").splitlines()
    assert all((done.rec_labels.parent / line.split("\t")[0]).is_file() for line in lines)
    return {line.split("\t")[0]: line.split("\t")[1] for line in lines}, done


IMAGES = ("images/0.jpg", "images/1.jpg")


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("labels.csv", 'filename,words\nimages/0.jpg,"hello, ""น้ำ"""\nimages/1.jpg,b\n'),
        ("a.tsv", 'image\ttext\n0.jpg\t"hello, ""น้ำ"""\n1.jpg\tb\n'),
        ("a.csv", '\ufeffID;Path;Label\n7;/x/0.jpg;"hello, ""น้ำ"""\n8;C:\\x\\1.JPG;b\n'),
        ("a.csv", 'FILENAME,IDENTITY\r\n0.jpg,"hello, ""น้ำ"""\r\n1.jpg,b\r\n'),
    ],
)
def test_a_table_with_a_header(tmp_path: Path, name: str, table: str) -> None:
    """Commas, semicolons, tabs; quotes, BOM and Windows line ends; images by path or name."""
    found, done = texts(put(tmp_path / "s", {name: table}, images=IMAGES), "csv")
    assert found == {"crop_img/images/0.jpg": 'hello, "น้ำ"', "crop_img/images/1.jpg": "b"}
    assert (done.crops, done.images, done.problems, done.lost) == (2, 0, (), 0)


@pytest.mark.parametrize(
    ("name", "table", "first"),
    [
        ("gt.txt", 'images/0.jpg, "a, \\"b\\""\nimages/1.jpg, "b"\n', 'a, "b"'),
        ("gt.txt", "images/0.jpg, a, b\nimages/1.jpg, b\n", "a, b"),
        ("a.csv", '0.jpg,"a, ""b"""\n1.jpg,b\n', 'a, "b"'),
        ("a.csv", "0.jpg;a, b;c\n1.jpg;b\n", "a, b;c"),
        ("a.csv", "0.jpg,a, b\n1.jpg,b\n", "a, b"),
        ("a.csv", "id,filename,words\n1,0.jpg,a, b\n2,1.jpg,b\n", "a, b"),
    ],
)
def test_tables_without_a_header_and_texts_with_commas(
    tmp_path: Path, name: str, table: str, first: str
) -> None:
    """The word images of ICDAR; a text that is the last cell keeps its commas, though it is not in quotes."""
    found, done = texts(put(tmp_path / "s", {name: table}, images=IMAGES), "csv")
    assert found == {"crop_img/images/0.jpg": first, "crop_img/images/1.jpg": "b"}
    assert done.lost == 0


def test_a_cell_too_many_in_front_is_counted(tmp_path: Path) -> None:
    """Which of them is the text cannot be known."""
    table = "filename,words,author\nimages/0.jpg,a,x\nimages/1.jpg,a,b,x\n"
    found, done = texts(put(tmp_path / "s", {"a.csv": table}, images=IMAGES), "csv")
    assert (len(found), done.skipped) == (1, {"bad_line": 1})


def test_lines_of_a_table_that_cannot_be_used(tmp_path: Path) -> None:
    """A missing image, a short line, an empty text, a quote that is never closed: each with its line."""
    table = 'filename,words\nimages/0.jpg,a\ngone.jpg,b\nimages/1.jpg\nimages/1.jpg,\n../../x.jpg,c\nimages/1.jpg,"d\nimages/1.jpg,e\n'
    found, done = texts(put(tmp_path / "s", {"labels.csv": table}, images=IMAGES), "csv")
    assert found == {"crop_img/images/0.jpg": "a"}
    assert done.skipped == {"bad_line": 3, "crop_without_image": 2, "crop_without_text": 1}
    assert {(one.kind, one.line) for one in done.problems} == {
        *{("crop_without_image", 3), ("bad_line", 4), ("crop_without_image", 6), ("bad_line", 7)}
    }


@pytest.mark.parametrize("header", ["filename,class,xmin,ymin,xmax,ymax", "name,age", "image,image"])
def test_other_tables_are_not_taken_for_labels(tmp_path: Path, header: str) -> None:
    """Boxes of objects, people."""
    assert detect_format(put(tmp_path / "s", {"a.csv": f"{header}\n0.jpg,1,2,3,4,5\n"})) == "paddleocr"


def test_a_text_file_for_each_image(tmp_path: Path) -> None:
    """Tesseract's: found by name; several lines and a missing image are problems."""
    files = {
        "a/0.gt.txt": 'น้ำ, "x"\r\n',
        "a/1.gt.txt": "two\nlines\n",
        "a/gone.gt.txt": "x",
        "a/2.gt.txt": "",
    }
    found, done = texts(put(tmp_path / "s", files, images=("a/0.png", "a/1.png", "a/2.png")), "gt-txt")
    assert found == {"crop_img/a/0.png": 'น้ำ, "x"'}
    assert done.skipped == {"bad_line": 1, "crop_without_image": 1, "crop_without_text": 1}


def make_lmdb(folder: Path, entries: dict[str, bytes]) -> Path:
    """An LMDB with these entries."""
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=2**20) as env, env.begin(write=True) as transaction:
        for key, value in entries.items():
            transaction.put(key.encode(), value)
    return folder


def test_an_lmdb(tmp_path: Path) -> None:
    """PaddleOCR's and MJSynth's keys; samples that are not whole are counted."""
    entries = {
        **{"num-samples": b"5", "image-000000001": picture(".png", 1), "label-000000001": "น้ำ".encode()},
        **{"image-000000002": picture(".jpg", 2), "label-000000002": b"b\nc", "label-000000003": b"no image"},
        **{"image-000000004": picture(".jpg", 2), "label-000000004": b"\xff", "image-000000005": b"x"},
    }
    found, done = texts(make_lmdb(tmp_path / "s", entries), "lmdb")
    assert found == {"crop_img/000000001.png": "น้ำ", "crop_img/000000002.jpg": "b c"}
    assert done.skipped == {"bad_text": 1, "crop_without_image": 2}


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "many", "no count"])
def test_a_damaged_lmdb_is_a_problem(tmp_path: Path, damage: str) -> None:
    """It is read in a process of its own, which it may end."""
    count = {"many": b"9999999999999", "no count": b"x"}.get(damage, b"1")
    entries = {"num-samples": count, "image-000000001": picture(".png", 1), "label-000000001": b"a"}
    folder = make_lmdb(tmp_path / "s", entries)
    path = folder / "data.mdb"
    data = path.read_bytes()
    changed = {
        "empty": bytes(8192),
        "cut": data[:8192],
        "garbage": data[:8192] + b"\xa5" * (len(data) - 8192),
    }
    path.write_bytes(changed.get(damage, data))
    done = FORMATS["lmdb"].convert(folder, tmp_path / "out")
    assert [one.kind for one in done.problems][-1:] == ["bad_line" if damage == "many" else "unreadable"]
    assert done.lost


def test_texts_without_boxes_are_for_recognition(tmp_path: Path) -> None:
    """They are trained on as they are, and detection is told so; problems are told by the user's file."""
    table = "filename,words\nimages/0.jpg,a\ngone.jpg,b\n"
    folder = put(tmp_path / "s", {"labels.csv": table}, images=IMAGES)
    source = as_paddleocr(folder, "rec", tmp_path / "rec")
    assert source.summary == "1 images with text"
    assert [(one.kind, one.line) for one in source.losses] == [("crop_without_image", 3)]
    assert list(source.origins.values()) == [str(folder / "images/0.jpg")]
    with pytest.raises(DataError, match="has 1 texts of a table of texts and no boxes"):
        as_paddleocr(folder, "det", tmp_path / "det")
