"""Names of crops that look like their pages': a suggestion that works, and none for what is only numbered."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ocr_train.data.labels import LabelLine
from ocr_train.data.splits.split import Split, split

PAGES, CROPS = 12, 4


def made(name: Callable[[int, int], str], *, group_by: str | None = None, shuffled: bool = False) -> Split:
    """The split of 12 pages with 4 crops each."""
    images = [f"img/{name(page, crop)}" for page in range(PAGES) for crop in range(CROPS)]
    return of(images, group_by=group_by, shuffled=shuffled)


def of(images: list[str], *, group_by: str | None = None, shuffled: bool = False) -> Split:
    """The split of samples with these images."""
    if shuffled:
        Random(0).shuffle(images)
    lines = [
        LabelLine(file=Path("l.txt"), line=line, image=image, label="text")
        for line, image in enumerate(images, 1)
    ]
    return split(lines, val=0.3, group_by=group_by)


def suggested(done: Split) -> str | None:
    """The expression of the note, if there is one."""
    found = [match[1] for note in done.notes if (match := re.search("--group-by '(.+)' ", note))]
    return found[0] if found else None


NAMES: list[tuple[str, Callable[[int, int], str]]] = [
    ("page0_2", lambda page, crop: f"page{page}_{crop}.jpg"),
    ("page_0_word_2", lambda page, crop: f"page_{page}_word_{crop}.png"),
    ("IMG_1-3", lambda page, crop: f"IMG_{page}-{crop}.png"),
    ("scan 007.2", lambda page, crop: f"scan {page:03d}.{crop}.jpg"),
    ("doc1 (2)", lambda page, crop: f"doc{page} ({crop}).jpg"),
    ("p1w3", lambda page, crop: f"p{page}w{crop}.jpg"),
    ("mixed", lambda page, crop: f"page{page}{'_-'[crop % 2]}{crop}.jpg"),
    (
        "coordinates",
        lambda page, crop: f"page{page}_{17 * crop + page}_{31 * crop}_{40 + crop}_{20 + page}.jpg",
    ),
    ("words", lambda page, crop: f"{chr(97 + page) * 3}_{crop}.jpg"),
    ("folders", lambda page, crop: f"{page % 3}/page{page}_{crop}.jpg"),
]


@pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "shuffled"])
@pytest.mark.parametrize(("look", "name"), NAMES, ids=[look for look, _ in NAMES])
def test_crops_of_other_tools_get_an_expression_that_works(
    look: str, name: Callable[[int, int], str], shuffled: bool
) -> None:
    """Given back as --group-by, it keeps every page in one set and matches every name."""
    done = made(name, shuffled=shuffled)
    expression = suggested(done)
    assert expression is not None
    assert "12 groups of 4" in " ".join(done.notes)
    again = made(name, group_by=expression, shuffled=shuffled)
    where = {line.image: set_name for set_name, lines in again.named().items() for line in lines}
    for page in range(PAGES):
        assert len({where[f"img/{name(page, crop)}"] for crop in range(CROPS)}) == 1
    assert suggested(again) is None
    assert not any("are grouped by page" in note for note in again.notes)


@pytest.mark.parametrize(
    "images",
    [
        [f"img_{number}.jpg" for number in range(1, 500)],
        [f"{folder}/img_{number}.jpg" for folder in "abcdef" for number in range(50)],
        [
            f"IMG_202301{day:02d}_{(day * 7919 + shot * 7001) % 240000:06d}.jpg"
            for day in range(28)
            for shot in range(9)
        ],
        [f"{word}_{number}.jpg" for number, word in enumerate(["one", "two", "three", "four", "five"] * 60)],
        [f"{kind}_{number}.jpg" for kind in ("invoice", "receipt", "letter") for number in range(90)],
        [f"{number:05d}.jpg" for number in range(200)],
        [f"page{page}_crop_{crop}.jpg" for page in range(30) for crop in range(5)],
        [f"page{page}_0.jpg" for page in range(200)],
    ],
    ids=[
        "numbered",
        "numbered in folders",
        "photos by time",
        "words",
        "kinds",
        "numbers",
        "our crops",
        "one crop each",
    ],
)
def test_what_is_only_numbered_gets_no_suggestion(images: list[str]) -> None:
    """There is no page in these names, or its crops stay together anyway."""
    assert suggested(of(images)) is None


def test_names_of_another_kind_among_them_do_not_hide_the_pages() -> None:
    """A few names that are no crops are grouped by themselves."""
    images = [f"page{page}_{crop}.jpg" for page in range(20) for crop in range(5)] + ["cover.jpg", "last.jpg"]
    assert suggested(of(images)) == r"(.+)_\d+\.[^./]+$"


def test_pages_that_are_whole_by_chance_need_no_suggestion() -> None:
    """The note is about pages that the split has parted."""
    images = [f"page{page}_{crop}.jpg" for page in range(4) for crop in range(2)]
    lines = [
        LabelLine(file=Path("l.txt"), line=line, image=image, label="text")
        for line, image in enumerate(images, 1)
    ]
    for seed in range(40):
        done = split(lines, val=0.25, seed=seed)
        parted = {line.image[:5] for line in done.val} & {line.image[:5] for line in done.train}
        assert bool(parted) == (suggested(done) is not None)
