"""dict: a dictionary of the labels that are to be trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli_run import Ran, command, det_data, jpeg, rec_data
from tests.s3 import Prefix

Capsys = pytest.CaptureFixture[str]


def make(capsys: Capsys, data: Path | str, out: Path, *options: str | Path) -> Ran:
    """`dict --json -`."""
    return command(capsys, "dict", data, "--out", out, "--json", "-", *options)


def labelme(folder: Path, text: str) -> Path:
    """A folder of LabelMe's with one box."""
    folder.mkdir()
    (folder / "page.jpg").write_bytes(jpeg())
    shape = {"shape_type": "rectangle", "points": [[2, 2], [40, 20]], "label": "word", "description": text}
    page = {"version": "5.5.0", "imagePath": "page.jpg", "imageData": None, "shapes": [shape]}
    (folder / "page.json").write_text(
        json.dumps({**page, "imageHeight": 32, "imageWidth": 64, "flags": {}}), encoding="utf-8"
    )
    return folder


def test_a_dictionary_of_the_labels_that_training_reads(capsys: Capsys, tmp_path: Path) -> None:
    """Training and validation labels; training takes it from there, and has nothing to complain of."""
    data = tmp_path / "data"
    rec_data(data, ["ba", "น้ำ x"], name="train.txt")
    rec_data(data, ["c"], name="val.txt")
    out = data / "dict.txt"
    ran = make(capsys, data, out)
    assert ran.code == 0, ran.err
    assert out.read_text(encoding="utf-8") == "a\nb\nc\nx\nน\nำ\n้\n"
    assert "1 labels have a space" in ran.err
    assert "use_space_char" in ran.err
    assert (ran.json["lines"], ran.json["labels"], ran.json["labels_with_space"]) == (7, 3, 1)
    options = ("--task", "rec", "--dict", out, "--use-space-char")
    assert command(capsys, "validate", data / "train.txt", *options).code == 0


def test_a_dictionary_of_texts_in_their_one_spelling(capsys: Capsys, tmp_path: Path) -> None:
    """What a training with normalize=thai never sees gets no class."""
    labels = rec_data(tmp_path / "data", ["เเม่", "น\u0e4dา"])
    out = tmp_path / "dict.txt"
    assert make(capsys, labels, out, "--normalize", "thai").code == 0
    assert out.read_text(encoding="utf-8") == "น\nม\nำ\nแ\n่\n"


def test_a_base_comes_first_and_what_is_new_or_unused_is_said(capsys: Capsys, tmp_path: Path) -> None:
    """By people's words and as JSON, all of them."""
    labels = rec_data(tmp_path / "data", ["ba\u200b", "d"])
    (tmp_path / "base.txt").write_text("z\nb\ny\nฤา\n", encoding="utf-8")
    ran = make(capsys, labels, tmp_path / "dict.txt", "--base", tmp_path / "base.txt")
    assert ran.code == 0, ran.err
    assert (tmp_path / "dict.txt").read_text(encoding="utf-8") == "z\nb\ny\nฤา\na\nd\n"
    assert "new: 2: 'a' 'd'" in ran.err
    assert "in no label: 2 of the base: 'z' 'y'" in ran.err
    assert "U+200B (zero width space) 1 times" in ran.err
    assert "1 lines of the base have several characters" in ran.err
    assert (ran.json["new"], ran.json["in_no_label"], ran.json["of_several_characters"]) == (
        *(["a", "d"], ["z", "y"], ["ฤา"]),
    )
    assert ran.json["left_out"] == [{"code_point": "U+200B", "count": 1}]


def test_another_file_is_not_replaced_unasked(capsys: Capsys, tmp_path: Path) -> None:
    """A model may depend on it; the same bytes are no change, and neither the base nor the labels are written."""
    labels, out = rec_data(tmp_path / "data", ["ab"]), tmp_path / "dict.txt"
    assert make(capsys, labels, out).json["written"]
    before = out.stat().st_mtime_ns
    again = make(capsys, labels, out)
    assert (again.code, again.json["written"], out.stat().st_mtime_ns) == (0, False, before)
    out.write_bytes(b"a\n")
    refused = make(capsys, labels, out)
    assert (refused.code, out.read_bytes()) == (3, b"a\n")
    assert "--force" in refused.err
    assert make(capsys, labels, out, "--force").code == 0
    assert out.read_bytes() == b"a\nb\n"
    assert make(capsys, labels, out, "--base", out, "--force").code == 2
    assert make(capsys, labels, labels, "--force").code == 2


def test_other_tools_labels_and_archives_and_s3(capsys: Capsys, tmp_path: Path, prefix: Prefix) -> None:
    """Whatever training takes; LabelMe's text is where the team keeps it."""
    folder = labelme(tmp_path / "labelme", "นa")
    ran = make(capsys, folder, tmp_path / "dict.txt", "--text-from", "description")
    assert ran.code == 0, ran.err
    assert (tmp_path / "dict.txt").read_text(encoding="utf-8") == "a\nน\n"
    prefix.put("train.txt", "img/0.jpg\tกข\n".encode())
    prefix.put("img/0.jpg", jpeg())
    ran = make(capsys, prefix.uri, tmp_path / "s3.txt")
    assert ran.code == 0, ran.err
    assert (tmp_path / "s3.txt").read_text(encoding="utf-8") == "ก\nข\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [("nowhere", "there is no folder"), ("", "DATA is empty"), ("det", "detection labels")],
)
def test_what_has_no_texts_is_refused_with_what_to_give(
    capsys: Capsys, tmp_path: Path, data: str, words: str
) -> None:
    """And nothing is written."""
    det_data(tmp_path / "det", 2)
    ran = make(capsys, tmp_path / data if data else "", tmp_path / "dict.txt")
    assert ran.code in (2, 3)
    assert words in ran.err
    assert not (tmp_path / "dict.txt").exists()


def test_a_list_of_syllables_is_no_dictionary(capsys: Capsys, tmp_path: Path) -> None:
    """As a real team's with 720 of 880 lines: `validate` and `prepare` say it, and what to do, whatever is quarantined."""
    labels = rec_data(tmp_path / "data", ["ab"], name="train.txt")
    syllables = [f"ร{chr(0x0E01 + number % 40)}{chr(0x4E00 + number)}" for number in range(720)]
    words = [*map(chr, range(0x21, 0x7F)), *(chr(0x5000 + number) for number in range(66)), *syllables]
    dictionary = tmp_path / "syllables.txt"
    dictionary.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    ran = command(capsys, "validate", labels, "--task", "rec", "--dict", dictionary)
    assert ran.code == 3
    assert "dict_no_characters '720 of 880 lines have several characters'" in ran.out
    assert "python -m ocr_train dict DATA --out dict.txt" in ran.out
    options = ("--dict", dictionary, "--out", tmp_path / "out", "--on-bad-sample", "quarantine")
    refused = command(capsys, "prepare", "--task", "rec", "--data", tmp_path / "data", *options)
    assert refused.code == 3
    assert "dict_no_characters" in refused.err
