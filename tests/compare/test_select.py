"""Choosing runs in a real MLflow store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.compare.select import KIND, KIND_TAG, Selection, select_runs
from ocr_train.errors import ConfigError
from tests.commands import client


@pytest.fixture
def store(store_folder: Path) -> Any:
    """A client on an empty store."""
    return client(f"sqlite:///{store_folder / 'mlflow.db'}")


def make(store: Any, name: str, *, experiment: str = "0", score: float | None = None) -> str:
    """A run; its id."""
    run_id = str(store.create_run(experiment, run_name=name).info.run_id)
    if score is not None:
        store.log_metric(run_id, "best/hmean", score)
    return run_id


def ids(selection: Selection) -> list[str]:
    """The ids of the runs that were found."""
    return [run.info.run_id for run in selection.runs]


def test_runs_are_found_by_id_by_its_beginning_and_by_name_in_the_given_order(store: Any) -> None:
    """Each way of naming, in one go; naming a run twice does not show it twice."""
    first, second, third = make(store, "det-a"), make(store, "det b"), make(store, "ชื่อไทย")
    found = select_runs(store, [second, third[:6], "det-a", f"runs:/{first}", "ชื่อไทย"])
    assert ids(found) == [second, third, first]


def test_one_argument_may_hold_several_runs(store: Any) -> None:
    """As a parameter of `mlflow run` does; a name with a space is still one name."""
    first, second = make(store, "det-a"), make(store, "two words")
    assert ids(select_runs(store, [f"det-a, {second[:8]}"])) == [first, second]
    assert ids(select_runs(store, ["two words"])) == [second]


def test_a_name_of_several_runs_is_refused_with_all_of_them(store: Any) -> None:
    """Ids tell them apart."""
    both = [make(store, "det-a"), make(store, "det-a")]
    with pytest.raises(ConfigError, match="several runs") as caught:
        select_runs(store, ["det-a"])
    assert all(run_id in caught.value.problem for run_id in both)


def test_every_unknown_run_is_named_at_once(store: Any) -> None:
    """With the name nearest to it, and why five characters of an id are too few."""
    make(store, "det-wires")
    with pytest.raises(ConfigError) as caught:
        select_runs(store, ["det-wirse", "0" * 32, "abc12"])
    assert "Did you mean 'det-wires'?" in caught.value.problem
    assert "0" * 32 in caught.value.problem
    assert "at least 6 characters" in caught.value.problem


def test_a_filter_finds_the_newest_first_and_says_what_it_left_out(store: Any) -> None:
    """A cap, with the count of all."""
    made = [make(store, f"run-{number}", score=number / 10) for number in range(6)]
    found = select_runs(store, [], filter_string="metrics.`best/hmean` > 0.15", limit=3)
    assert set(ids(found)) < set(made[2:])
    assert len(found.runs) == 3
    assert "4 runs were found" in found.notes[0]


def test_a_bad_filter_is_refused_with_mlflow_s_own_sentence(store: Any) -> None:
    """Not a traceback."""
    with pytest.raises(ConfigError, match="Invalid clause") as caught:
        select_runs(store, [], filter_string="metrics.`best/hmean` >")
    assert "--filter" in caught.value.problem


def test_a_filter_that_finds_nothing_is_an_error(store: Any) -> None:
    """There would be an empty page."""
    with pytest.raises(ConfigError, match="no run matches"):
        select_runs(store, [], filter_string="metrics.`best/hmean` > 0.5")


def test_nothing_at_all_to_compare_is_an_error(store: Any) -> None:
    """Empty parameters of `mlflow run` are none."""
    with pytest.raises(ConfigError, match="nothing to compare"):
        select_runs(store, ["", " "], filter_string=" ")


def test_all_experiments_are_searched_unless_some_are_named(store: Any) -> None:
    """By name and by id; a name found twice is told apart so."""
    other = store.create_experiment("other")
    here, there = make(store, "det-a"), make(store, "det-a", experiment=other)
    assert ids(select_runs(store, ["det-a"], experiments=["other"])) == [there]
    assert ids(select_runs(store, ["det-a"], experiments=["0"])) == [here]
    found = select_runs(store, [], filter_string="attributes.run_name = 'det-a'")
    assert set(ids(found)) == {here, there}


def test_an_unknown_experiment_is_refused_with_those_that_exist(store: Any) -> None:
    """Before any run is looked for."""
    with pytest.raises(ConfigError, match="no experiment 'Defualt'") as caught:
        select_runs(store, ["x"], experiments=["Defualt"])
    assert "'Default'" in caught.value.hint


def test_runs_that_hold_a_comparison_are_never_compared(store: Any) -> None:
    """Neither by filter nor by name, and by id with a word on why."""
    page = make(store, "compare-2")
    store.set_tag(page, KIND_TAG, KIND)
    run = make(store, "compare-2")
    own = make(store, "own")
    found = select_runs(store, ["compare-2"], filter_string="attributes.status = 'RUNNING'", without=own)
    assert ids(found) == [run]
    with pytest.raises(ConfigError, match="holds a comparison"):
        select_runs(store, [page])
