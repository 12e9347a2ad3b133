"""What to label next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ocr_train.labelling.selection import Candidate, select_spread


def candidate(name: str, confidence: float, *, seed: int = 0, text: str = "", **more: object) -> Candidate:
    """An image; the same seed looks nearly the same, another one does not."""
    grey = np.random.default_rng(seed).integers(0, 255, (32, 32), dtype=np.uint8)
    values = {"aspect": 3.0, "boxes": 1, "why": f"read as {text!r}", **more}
    return Candidate(image=Path(name), grey=grey, text=text, confidence=confidence, **values)  # type: ignore[arg-type]


def chosen(candidates: Sequence[Candidate], count: int) -> list[str]:
    """The names of the chosen images, in order."""
    return [one.candidate.image.name for one in select_spread(candidates, count).chosen]


def test_the_least_sure_come_first() -> None:
    """Where they differ much in that, whatever kinds they are of."""
    values = enumerate((0.0, 0.4, 0.7, 0.9))
    some = [candidate(f"{place}.png", sure, seed=place, text=str(place) * 3) for place, sure in values]
    assert chosen(some, 3) == ["0.png", "1.png", "2.png"]


def test_images_that_are_nearly_the_same_are_not_chosen_together() -> None:
    """The same picture a little brighter, with the same text; the next ones take its place."""
    twin = candidate("twin.png", 0.1, seed=1, text="abc")
    brighter = Candidate(
        **{
            **vars(twin),
            "image": Path("z.png"),
            "grey": np.clip(twin.grey.astype(int) + 1, 0, 255).astype(np.uint8),
        }
    )
    other = candidate("other.png", 0.6, seed=2, text="xyz")
    found = select_spread([twin, brighter, other], 2)
    assert [one.candidate.image.name for one in found.chosen] == ["twin.png", "other.png"]
    assert found.nearly_same == 1


def test_pages_that_look_alike_with_other_texts_are_different_images() -> None:
    """Two forms filled in by two people."""
    pages = [candidate(f"{text}.png", 0.5, seed=1, text=text * 5) for text in ("abc", "xyz")]
    assert len(chosen(pages, 2)) == 2


def test_one_kind_does_not_take_all_the_places() -> None:
    """Ten unsure images of one kind, two rather unsure ones of others: these are chosen, too."""
    noise = np.random.default_rng(3).integers(0, 12, (10, 32, 32))
    kind = [
        Candidate(
            image=Path(f"kind{place}.png"),
            grey=(120 + noise[place]).astype(np.uint8),
            aspect=3.0,
            text="abcdef"[place % 6] * 4 + "same text",
            boxes=1,
            confidence=0.2,
            why="",
        )
        for place in range(10)
    ]
    others = [candidate(f"other{place}.png", 0.5, seed=place, text="xyz"[place] * 9) for place in (1, 2)]
    found = select_spread([*kind, *others], 6)
    names = [one.candidate.image.name for one in found.chosen]
    assert {"other1.png", "other2.png"} < set(names)
    assert names[0] == "kind0.png"


def test_pages_on_which_nothing_was_found_do_not_take_all_the_places() -> None:
    """They may be blank: a quarter at most, and more only where nothing else is left."""
    blank = [candidate(f"blank{place}.png", 0.0, seed=place, boxes=0, empty=True) for place in range(8)]
    others = [candidate(f"other{place}.png", 0.8, seed=20 + place, text=str(place) * 9) for place in range(4)]
    assert sum(name.startswith("blank") for name in chosen([*blank, *others], 4)) == 1
    assert sum(name.startswith("blank") for name in chosen([*blank, *others], 8)) == 4


def test_each_choice_says_why() -> None:
    """What was read, how sure the model is, and how many are like it."""
    first = candidate("a.png", 0.41, seed=1, text="ก๑๒", copies=2)
    (one,) = select_spread([first], 5).chosen
    assert one.reason == "read as 'ก๑๒', confidence 0.41; no other is like it; 2 exact copies of it left out"
    alike = [candidate("a.png", 0.4, text="ab"), candidate("b.png", 0.5, text="xy")]
    found = select_spread(alike, 1).chosen[0]
    assert "one of 2 alike, of which 1 is chosen" in found.reason


def test_it_is_the_same_at_every_call_and_in_every_order() -> None:
    """No chance in it."""
    some = [
        candidate(f"{place}.png", (place * 37 % 100) / 100, seed=place, text=str(place))
        for place in range(60)
    ]
    assert chosen(some, 20) == chosen(some[::-1], 20)


def test_nothing_gives_nothing() -> None:
    """Every image was broken."""
    assert select_spread([], 5).chosen == ()
