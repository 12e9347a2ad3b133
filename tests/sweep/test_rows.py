"""What is known of trials: the table, the pictures, the budget."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from ocr_train.sweep.dimensions import ChoiceList, NumberRange
from ocr_train.sweep.pictures import draw_sweep
from ocr_train.sweep.rows import Budget, TrialRow, best_first, common_failure, counted, counts
from ocr_train.sweep.table import as_csv, as_markdown, as_page, cells, in_order, trial_columns
from tests.sweep.scene import make_plan

PLAN = make_plan(
    dimensions=(
        NumberRange(name="learning_rate", low=0.0001, high=0.01, log=True),
        ChoiceList(name="Optimizer.regularizer.factor", texts=("0.0", "=1+1")),
    )
)


def row(number: int, state: str, score: float | None = None, **more: object) -> TrialRow:
    """A trial."""
    values = {"learning_rate": 0.001 * (number + 1), "Optimizer.regularizer.factor": "=1+1"}
    made = {"number": number, "state": state, "values": values, "score": score, "epoch": 2, **more}
    return TrialRow(**made)  # type: ignore[arg-type]


ROWS = [
    row(0, "finished", 0.5, run_id="a" * 32, seconds=1800.0, scores={1: 0.4, 2: 0.5}),
    row(1, "lost", 0.1, continued=True, seconds=900.0),
    row(2, "pruned", 0.2, why="after epoch 1 | <b>", reason="pruned"),
    row(3, "finished", 0.7),
    row(4, "failed", None, reason="cuda_oom", code=6),
    row(5, "finished", 0.7),
    row(6, "waiting"),
    row(7, "surplus"),
]


def test_trials_are_counted_as_people_see_them() -> None:
    """One that another went on with is that other one; waiting ones are none yet."""
    assert counts(ROWS) == {"finished": 3, "pruned": 1, "failed": 1}
    assert [one.number for one in counted(ROWS)] == [0, 2, 3, 4, 5]
    assert [one.number for one in best_first(ROWS)] == [3, 5, 0]
    assert [one.number for one in in_order(ROWS)] == [3, 5, 0, 2, 4]


@pytest.mark.parametrize(
    ("budget", "over"),
    [
        (Budget(trials=6), ""),
        (Budget(trials=5), "5 trials"),
        (Budget(hours=0.75), "0.75 hours"),
        (Budget(hours=0.8), ""),
        (Budget(usd=1.5, hourly_usd=2.0), "1.5 USD"),
        (Budget(usd=1.6, hourly_usd=2.0), ""),
    ],
)
def test_a_budget_counts_every_second_that_was_paid(budget: Budget, over: str) -> None:
    """Those of a trial that was lost, too."""
    assert budget.over(ROWS) == over
    assert Budget(hours=0.8).over(ROWS, more_s=180.0) == "0.8 hours"


def test_only_the_first_trials_tell_that_all_would_fail() -> None:
    """Three with the same reason, before any other outcome."""
    failed = [row(number, "failed", reason="data_error", code=3) for number in range(3)]
    assert common_failure(failed) is failed[2]
    assert common_failure(failed[:2]) is None
    assert common_failure([row(9, "running"), *failed]) is failed[2]
    assert common_failure([row(9, "pruned"), *failed]) is None
    assert common_failure([*failed[:2], row(3, "failed", reason="cuda_oom")]) is None


def test_the_table_names_columns_briefly() -> None:
    """The last part of a dotted name, where that is clear."""
    assert trial_columns(PLAN)[:5] == ["trial", "acc", "epoch", "learning_rate", "factor"]
    assert cells(ROWS[0], PLAN) == ["0", "0.5000", "2", "0.001", "=1+1", "finished", "30.0", "aaaaaaaa"]


def test_the_csv_is_whole_and_holds_no_formula() -> None:
    """Names and values in full; a spreadsheet runs nothing of it."""
    found = list(csv.DictReader(io.StringIO(as_csv(ROWS, PLAN))))
    assert [one["trial"] for one in found] == ["0", "2", "3", "4", "5"]
    assert found[0]["Optimizer.regularizer.factor"] == "'=1+1"
    assert found[0]["scores"] == "1:0.4 2:0.5"


def test_the_page_and_the_description_show_texts_as_they_are() -> None:
    """Nothing in them becomes markup."""
    page = as_page(ROWS, PLAN, title="<trials>")
    assert "<b>" not in page
    assert "&lt;trials&gt;" in page
    lines = as_markdown(ROWS, PLAN).splitlines()
    assert len(lines) == 2 + 5
    assert {line.replace("\\|", "").count("|") for line in lines} == {9}


def test_pictures_are_drawn_of_what_there_is(tmp_path: Path) -> None:
    """All three of a sweep with results, none of one without."""
    made = draw_sweep(ROWS, PLAN, tmp_path, {"learning_rate": 0.7, "Optimizer.regularizer.factor": 0.3})
    assert [path.name for path in made] == ["history.png", "parallel_coordinates.png", "importance.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made)
    assert draw_sweep([row(0, "failed")], PLAN, tmp_path, {}) == []
