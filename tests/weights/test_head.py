"""Rows of a head by character, from one dictionary to another."""

from __future__ import annotations

from pathlib import Path

from ocr_train.checkpoints.pickle_scan import Array
from ocr_train.weights.head import NEW, Characters, RowPlan, head_rows, plan_rows


def plan(old: str, new: str) -> RowPlan:
    """From the characters of one dictionary to those of another."""
    return plan_rows(Characters(lines=tuple(old)), Characters(lines=tuple(new)))


def array(*shape: int) -> Array:
    """A layer of that shape."""
    return Array(shape=shape, dtype="float32")


def test_lines_are_read_as_paddleocr_reads_them(tmp_path: Path) -> None:
    """One class a line, without its end; the space comes last."""
    path = tmp_path / "dict.txt"
    path.write_bytes("a\r\nก\n".encode())
    assert Characters.read(path, use_space_char=True).lines == ("a", "ก", " ")
    assert Characters.read(path, use_space_char=False).lines == ("a", "ก")


def test_shared_characters_keep_their_rows_wherever_they_stand_now() -> None:
    """The blank stays first; a new character has no row to keep."""
    found = plan("abc ", "ca d")
    assert found.ctc() == [0, 3, 1, 4, NEW]
    assert (found.kept, found.new, found.dropped) == (3, ("d",), 1)
    assert str(found) == (
        "3 characters keep what the weights know of them, 1 are new ('d'), 1 of the weights' are not in the dictionary"
    )


def test_a_second_head_has_four_rows_before_the_characters_and_one_after() -> None:
    """NRTR: blank, <unk>, <s>, </s>; and an embedding with one row more."""
    assert plan("abc", "ba").nrtr() == [0, 1, 2, 3, 5, 4, 7]


def test_of_a_repeated_character_the_last_row_is_the_trained_one() -> None:
    """PaddleOCR's encoder looks a character up in a dictionary that the last line has written."""
    assert plan("aba", "a").ctc() == [0, 3]


def test_the_same_dictionary_moves_nothing() -> None:
    """Nothing is written anew."""
    assert not plan("abc", "abc").changes
    assert plan("abc", "acb").changes


def test_layers_with_a_row_a_character_are_found_by_their_shapes() -> None:
    """Weights, bias, and both tables of the second head; a layer of features is none, whatever its size."""
    found = plan("abc", "abcd")
    old = {
        "backbone.conv.weight": array(4, 8),
        "head.ctc_head.fc.weight": array(8, 4),
        "head.ctc_head.fc.bias": array(4),
        "head.gtc_head.embedding.embedding.weight": array(8, 6),
        "head.norm.weight": array(4),
    }
    new = {
        "backbone.conv.weight": (5, 8),
        "head.ctc_head.fc.weight": (8, 5),
        "head.ctc_head.fc.bias": (5,),
        "head.gtc_head.embedding.embedding.weight": (9, 6),
        "head.norm.weight": (4,),
    }
    rows = head_rows(old, new, found)
    assert {name: (one.axis, one.first) for name, one in rows.items()} == {
        "head.ctc_head.fc.weight": (1, 1),
        "head.ctc_head.fc.bias": (0, 1),
        "head.gtc_head.embedding.embedding.weight": (0, 4),
    }
    assert rows["head.ctc_head.fc.bias"].rows == [0, 1, 2, 3, NEW]
