"""`data`: one source, or several with their ratios."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ocr_train.config.data_sources import joined_name, parse_sources, source_names, sources_text
from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.config.requests import DataSource
from ocr_train.errors import ConfigError


def read(text: str, there: Sequence[str] = ()) -> list[tuple[str, float]]:
    """The sources of a text without a problem, where the paths `there` exist."""
    problems: list[str] = []
    found = parse_sources(text, problems, is_there=lambda path: path in there)
    assert problems == []
    return [(one.address, one.ratio) for one in found]


def problems_of(text: str, there: Sequence[str] = ()) -> list[str]:
    """What is wrong with a text."""
    problems: list[str] = []
    parse_sources(text, problems, is_there=lambda path: path in there)
    return problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("d", [("d", 1.0)]),
        ("S3://own/words", [("s3://own/words", 1.0)]),
        ("s3://own 0.5", [("s3://own", 0.5)]),
        ("s3://own 1.0, s3://general 0.2", [("s3://own", 1.0), ("s3://general", 0.2)]),
        ("s3://own,S3://general   1e-1", [("s3://own", 1.0), ("s3://general", 0.1)]),
        ("s3://own,/data/general", [("s3://own", 1.0), ("/data/general", 1.0)]),
        ("a.zip, b c/d 0.5", [("a.zip", 1.0), ("b c/d", 0.5)]),
        ("s3://own/my photos", [("s3://own/my photos", 1.0)]),
        ("s3://own/a,b", [("s3://own/a,b", 1.0)]),
        ("s3://own/scans 2024 0.5", [("s3://own/scans 2024", 0.5)]),
    ],
)
def test_sources_are_parted_by_commas_and_ratios_follow_a_blank(
    text: str, expected: list[tuple[str, float]]
) -> None:
    """Without one all samples are taken; blanks and commas that belong to an address stay in it."""
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "there", "expected"),
    [
        ("a, b 0.2", ["a, b 0.2"], [("a, b 0.2", 1.0)]),
        ("scans 0.2", ["scans 0.2"], [("scans 0.2", 1.0)]),
        ("scans 0.2", ["scans"], [("scans", 0.2)]),
        ("own, a,b 0.2", ["own", "a,b"], [("own", 1.0), ("a,b", 0.2)]),
        ("own, a,b 0.2", ["own", "a,b 0.2"], [("own", 1.0), ("a,b 0.2", 1.0)]),
        ("s3://own,words", ["words"], [("s3://own", 1.0), ("words", 1.0)]),
    ],
)
def test_a_path_that_exists_is_taken_as_it_is(
    text: str, there: list[str], expected: list[tuple[str, float]]
) -> None:
    """Commas and numbers are parts of names, too."""
    assert read(text, there) == expected


@pytest.mark.parametrize("ratio", ["0", "-0.5", "1.5", "nan", "inf", "50%", "0,5", "1e9"])
def test_a_ratio_is_above_0_and_at_most_1(ratio: str) -> None:
    """PaddleOCR fails on more than all samples; the problem names the source and what was written."""
    (problem,) = problems_of(f"s3://own, s3://general {ratio}")
    assert "'s3://general'" in problem
    assert repr(ratio) in problem
    assert "a ratio is more than 0 and at most 1" in problem


def test_a_meant_ratio_is_named() -> None:
    """Percent, and a comma in place of a point."""
    assert "you may mean 0.5" in problems_of("s3://own 50%")[0]
    assert "you may mean 0.5" in problems_of("s3://own 0,5, s3://general")[0]


def test_a_word_in_place_of_a_ratio_is_a_problem() -> None:
    """Where it cannot belong to the name."""
    (problem,) = problems_of("s3://own, s3://general half")
    assert "'half' behind 's3://general' is not a number" in problem
    assert "'half' behind 'own' is not a number" in problems_of("own half", ["own"])[0]


def test_what_is_missing_or_named_twice_is_a_problem() -> None:
    """All at once."""
    found = problems_of("s3://own,, s3://own/ 0.5, words, ./words 0.1 ")
    assert len(found) == 3
    assert "nothing is between two commas" in found[0]
    assert "'s3://own/' is named twice, as 's3://own', too" in found[1]
    assert "'./words' is named twice" in found[2]


def test_sources_are_called_by_their_last_parts_or_more() -> None:
    """No two alike."""

    def names(*addresses: str) -> tuple[str, ...]:
        return source_names([DataSource(address=one) for one in addresses])

    assert names("s3://b/wires", "/data/general/") == ("wires", "general")
    assert names("/wires/rec", "/thai/rec", "demo") == ("wires-rec", "thai-rec", "demo")
    assert names("rec", "/rec", "s3://b/rec") == ("rec-1", "rec-2", "b-rec")
    assert joined_name([DataSource(address="d/wires"), DataSource(address="general")]) == "wires+general"


def test_sources_are_text_again() -> None:
    """That of one whole source is its address."""
    both = (DataSource(address="s3://own"), DataSource(address="general", ratio=0.25))
    assert sources_text(both) == "s3://own 1, general 0.25"
    assert sources_text(both[:1]) == "s3://own"
    assert read(sources_text(both)) == [("s3://own", 1.0), ("general", 0.25)]


def load(data: str, overrides: str = "", model: str = "rec") -> object:
    """The ratio_list that the trainer gets."""
    experiment = load_experiment(Launch(model=model, data=data, overrides=overrides), EXPERIMENTS)
    return experiment.trainer["Train"]["dataset"].get("ratio_list")


def test_ratios_become_the_ratio_list() -> None:
    """In the order of the sources; data of one whole source leave the configuration as it is."""
    assert load("s3://own, s3://general 0.2") == [1.0, 0.2]
    assert load("s3://own 0.5") == [0.5]
    assert load("s3://own", model="det") == [1.0]
    assert load("s3://own", "Train.dataset.ratio_list=[0.1,1.0]") == [0.1, 1.0]


@pytest.mark.parametrize("data", ["s3://own, s3://general", "s3://own 0.5"])
def test_ratios_are_given_in_one_place(data: str) -> None:
    """A ratio_list and ratios in `data`: an error that names both."""
    with pytest.raises(ConfigError) as caught:
        load(data, "Train.dataset.ratio_list=[0.1,1.0]")
    assert "overrides: Train.dataset.ratio_list is [0.1, 1.0]" in caught.value.problem
    assert "'s3://own" in caught.value.problem


def test_a_ratio_list_of_a_configuration_is_not_replaced(tmp_path: Path) -> None:
    """Neither is one of an experiment's file."""
    path = tmp_path / "mine.yaml"
    path.write_text("base: rec\noverrides: {Train.dataset.ratio_list: [0.1, 1.0]}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"the configuration: Train\.dataset\.ratio_list is \[0\.1, 1\.0\]"):
        load("s3://own, s3://general", model=str(path))


def test_all_problems_of_sources_come_with_the_others() -> None:
    """Nothing is fetched before."""
    with pytest.raises(ConfigError) as caught:
        load_experiment(Launch(data="s3://own 7, s3://own", val="5"), EXPERIMENTS)
    assert "3 problem(s)" in caught.value.problem
