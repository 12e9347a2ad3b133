"""Which characters were lost and won between two readings of the same texts."""

from __future__ import annotations

from ocr_train.analysis.kept_characters import (
    characters_sentence,
    kept_characters,
    missing_characters,
    score_sentence,
)
from ocr_train.analysis.text_scores import TextRules, TextScore, score_text


def scores(*pairs: tuple[str, str]) -> list[TextScore]:
    """Truths and what was read."""
    return [score_text(truth, read, TextRules()) for truth, read in pairs]


def test_what_was_read_before_and_is_not_after_is_lost_and_the_other_way_round_won() -> None:
    """Place by place: a character may win in one text what it loses in another."""
    before = scores(("gag", "gag"), ("Q7g", "O7"))
    after = scores(("gag", "qaq"), ("Q7g", "Q7g"))
    rows = {one.character: one for one in kept_characters(after, before)}
    g = rows["g"]
    assert (g.times, g.right_before, g.right_after, g.won, g.lost, g.fallen) == (3, 2, 1, 1, 2, 1)
    assert (rows["Q"].won, rows["Q"].lost, rows["Q"].fallen) == (1, 0, 0)
    assert (rows["a"].won, rows["a"].lost) == (0, 0)


def test_the_worst_loss_comes_first() -> None:
    """Then what lost less, and in the end what lost nothing."""
    before = scores(("aaab", "aaab"), ("c", "c"))
    after = scores(("aaab", "xxxx"), ("c", "c"))
    assert [one.character for one in kept_characters(after, before)] == ["a", "b", "c"]


def test_without_a_reading_before_nothing_is_won_or_lost() -> None:
    """Nobody knows; how often each is read is known."""
    (row,) = kept_characters(scores(("aa", "ab")))
    assert (row.times, row.right_before, row.right_after, row.won, row.lost) == (2, None, 1, None, None)
    assert characters_sentence([row]) == ""
    assert row.row == ("a", "U+0061", "LATIN SMALL LETTER A", 2, None, 1, None, None)


def test_a_row_shows_what_cannot_be_seen() -> None:
    """A tone mark on a circle, a space as a sign."""
    before, after = scores(("น้", "น้")), scores(("น้", "น"))
    first = kept_characters(after, before)[0]
    assert first.row[:3] == ("◌้", "U+0E49", "THAI CHARACTER MAI THO")
    assert characters_sentence([first]) == "1 character is read less often, most lost: ◌้"


def test_the_sentence_names_the_worst_losses_with_how_many_they_are() -> None:
    """Five at most; of one that was lost once there is nothing to count."""
    before = scores(("ggg77abcd", "ggg77abcd"))
    after = scores(("ggg77abcd", "xxxxxxxxx"))
    said = characters_sentence(kept_characters(after, before))
    assert said == "6 characters are read less often, most lost: g (3 of 3), 7 (2 of 2), a, b, c"
    assert characters_sentence(kept_characters(before, before)) == "no character is read less often"


def test_the_figures_before_and_after_are_one_clause() -> None:
    """Before only where it is known."""
    said = score_sentence("acc", {"acc": 0.96}, {"acc": 0.54}, 100)
    assert said == "acc 0.960 before training, 0.540 after it, on 100 samples"
    assert score_sentence("acc", None, {"acc": 0.5}, 1) == "acc 0.500 after training, on 1 sample"


def test_characters_that_a_dictionary_lacks_are_counted() -> None:
    """The most frequent first."""
    assert missing_characters(["öäö", "a"], frozenset("a")) == {"ö": 2, "ä": 1}
