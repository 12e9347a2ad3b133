"""Label files that are not UTF-8."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data.files.encodings import other_encoding

TEXTS = {
    "cp874": "img/0.jpg\tใบเสร็จรับเงิน\nimg/1.jpg\tรวมทั้งสิ้น\n",
    "gbk": "img/0.jpg\t发票号码\nimg/1.jpg\t金额合计\n",
    "big5": "img/0.jpg\t發票號碼\nimg/1.jpg\t金額合計\n",
    "shift_jis": "img/0.jpg\t領収書です\n",
    "cp1251": "img/0.jpg\tСчёт на оплату\n",
    "cp1252": "img/0.jpg\tcafé crème\nimg/1.jpg\tgröße\n",
    "UTF-16": "img/0.jpg\tน้ำ\nimg/1.jpg\thello\n",
    "UTF-16LE": "img/0.jpg\thello\nimg/1.jpg\tworld\n",
    "UTF-16BE": "img/0.jpg\thello\nimg/1.jpg\tworld\n",
}


def write(folder: Path, content: bytes) -> Path:
    """A label file."""
    (folder / "train.txt").write_bytes(content)
    return folder / "train.txt"


@pytest.mark.parametrize("name", TEXTS)
def test_the_encoding_is_named_and_reads_every_sample(tmp_path: Path, name: str) -> None:
    """What is named gives the text back: the command in the message works."""
    path = write(tmp_path, TEXTS[name].encode(name))
    found = other_encoding(path)
    assert found is not None
    assert path.read_bytes().decode(found.name) == TEXTS[name]
    assert found.samples == TEXTS[name].count("\t")


def test_where_several_fit_each_is_shown_with_a_text(tmp_path: Path) -> None:
    """A person sees which one is right."""
    found = other_encoding(write(tmp_path, "img/0.jpg\t영수증\n".encode("euc_kr")))
    assert found is not None
    assert "'영수증' in euc_kr" in found.why


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"img/0.jpg\thello\n",
        "\ufeffimg/0.jpg\tน้ำ\n".encode(),
        "a.jpg\tน้ำ\nb.jpg\tแม่\n".encode() + b"c.jpg\t\xff\xfe\n",
        bytes(range(128, 256)) * 4,
    ],
)
def test_utf8_with_single_broken_lines_and_noise_are_not_named(tmp_path: Path, content: bytes) -> None:
    """Those are problems of their lines."""
    assert other_encoding(write(tmp_path, content)) is None
