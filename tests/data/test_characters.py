"""The characters of labels, and the dictionary that is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data.characters import LabelCharacters, NewDictionary, make_dictionary, read_characters
from ocr_train.data.dictionary import read_dictionary
from ocr_train.errors import DataError


def read(tmp_path: Path, *labels: str) -> LabelCharacters:
    """What is in a label file with these labels."""
    path = tmp_path / "train.txt"
    path.write_bytes("".join(f"{number}.jpg\t{label}\n" for number, label in enumerate(labels)).encode())
    return read_characters([path])


def made(tmp_path: Path, *labels: str, base: bytes | None = None) -> NewDictionary:
    """The dictionary of these labels, on a base with these bytes."""
    found = read(tmp_path, *labels)
    if base is None:
        return make_dictionary(found)
    (tmp_path / "base.txt").write_bytes(base)
    return make_dictionary(found, read_dictionary(tmp_path / "base.txt"))


def test_each_character_has_a_line_by_code_point(tmp_path: Path) -> None:
    """A vowel, a tone mark and a letter beside each other are three, however they are written together."""
    assert made(tmp_path, "ร่ำ", "ba", "รa").content == "a\nb\nร\nำ\n่\n".encode()


def test_the_same_labels_in_another_order_give_the_same_bytes(tmp_path: Path) -> None:
    """A model's classes must not depend on how a file was shuffled."""
    assert made(tmp_path, "xyz", "abc").content == made(tmp_path, "abc", "zyx").content


def test_a_space_and_what_nobody_sees_get_no_line(tmp_path: Path) -> None:
    """Each of them is counted; the space is not left out, as use_space_char adds it."""
    found = read(tmp_path, "a\u200b b\u200b", "c\u00a0d\u3000e", "f\u200cg\ufe0f\u00ad", " h ")
    done = make_dictionary(found)
    assert done.content == b"a\nb\nc\nd\ne\nf\ng\nh\n"
    assert dict(done.left_out) == {
        **{"\u00a0": 1, "\u00ad": 1, "\u200b": 2, "\u200c": 1, "\u3000": 1},
        "\ufe0f": 1,
    }
    assert found.with_space == 1


def test_joiners_stay_where_spelling_needs_them(tmp_path: Path) -> None:
    """Persian writes a non-joiner between letters; in Thai it is dirt. A number sign of Arabic is seen."""
    found = read(tmp_path, "می\u200cخواهم", "\u0600")
    assert {"\u200c", "\u0600"} <= set(found.characters)
    assert found.invisible == {}
    assert read(tmp_path, "ที่\u200cนี่").invisible == {"\u200c": 1}


def test_what_trainers_do_not_read_counts_for_nothing(tmp_path: Path) -> None:
    """Text after a tab, a labelling tool's stand-ins, lines without a sample, CRLF."""
    path = tmp_path / "train.txt"
    path.write_bytes("\ufeff1.jpg\tab\tZ\r\n2.jpg\t待识别\r\n3.jpg\t###\nno sample\n".encode())
    found = read_characters([path])
    assert set(found.characters) == {"a", "b"}
    assert (found.labels, found.placeholders, found.bad_lines) == (3, 2, 1)


def test_the_lines_of_a_base_keep_their_places(tmp_path: Path) -> None:
    """Also those that are odd: each is a class of the model that was trained with it."""
    done = made(tmp_path, "zฤบa", base="z\r\nฤา\r\n\r\nz\r\nq\r\n".encode())
    assert done.entries == ("z", "ฤา", "", "z", "q", "a", "บ", "ฤ")
    assert (done.new, done.unused, done.several) == (("a", "บ", "ฤ"), ("q",), ("ฤา",))


def test_a_base_that_has_everything_stays_as_it_is(tmp_path: Path) -> None:
    """Weights that were trained with it fit in full. What it has itself is never left out."""
    done = made(tmp_path, "a b\u3000a", base="b\n\u3000\na\n \n".encode())
    assert (done.content, done.new, done.unused) == ("b\n\u3000\na\n \n".encode(), (), ())
    assert done.left_out == {}


@pytest.mark.parametrize(
    ("base", "kind"),
    [
        (b"", "dict_empty"),
        (b"\xff\n", "dict_unreadable"),
        ("\ufeffa\n".encode(), "dict_bom"),
        ("ร่ำ\nกา\na\n".encode(), "dict_no_characters"),
    ],
)
def test_a_broken_base_is_refused(tmp_path: Path, base: bytes, kind: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(DataError, match=kind):
        made(tmp_path, "a", base=base)


def test_labels_without_a_character_make_no_dictionary(tmp_path: Path) -> None:
    """An empty file would be a model without classes."""
    with pytest.raises(DataError, match="no character"):
        made(tmp_path, "\u200b")


def test_lists_of_boxes_are_no_texts(tmp_path: Path) -> None:
    """The characters of JSON would be the dictionary; the way to crops is named."""
    box = '[{"transcription": "ab", "points": [[0, 0], [9, 0], [9, 9], [0, 9]]}]'
    with pytest.raises(DataError) as raised:
        read(tmp_path, box, box)
    assert "ocr_train crop" in raised.value.hint
    assert set(read(tmp_path, "[{", "[1]", "ab").characters) == set("[{1]ab")
