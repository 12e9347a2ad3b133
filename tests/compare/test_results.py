"""The table of results: figures of the best checkpoint at the end of a run."""

from __future__ import annotations

from ocr_train.compare.results import columns
from ocr_train.compare.scores import scores
from tests.compare.test_axes import run_with, series


def table(*ends: dict[str, float]) -> dict[str, tuple[dict[str, float | None], set[str]]]:
    """Values and best runs of each column, of recognition runs that ended with these metrics."""
    runs = [
        run_with(
            {"eval/acc": series({1: 0.5})}, run_id=f"{place}" * 32, main_metric="acc", task="rec", last=last
        )
        for place, last in enumerate(ends)
    ]
    return {one.title: (dict(one.values), set(one.top)) for one in columns(scores(runs), None)}


def test_a_lower_character_error_rate_is_better() -> None:
    """And more of what was kept."""
    found = table({"val/cer": 0.2, "keep/acc": 0.9}, {"val/cer": 0.1, "keep/acc": 0.4})
    assert found["CER"] == ({"0" * 32: 0.2, "1" * 32: 0.1}, {"1" * 32})
    assert found["Kept"] == ({"0" * 32: 0.9, "1" * 32: 0.4}, {"0" * 32})


def test_runs_without_such_figures_have_no_such_columns() -> None:
    """One that has none stands beside one that has."""
    assert {"CER", "Kept"}.isdisjoint(table({}, {"val/cer": float("nan")}))
    assert table({}, {"keep/acc": 0.4})["Kept"] == ({"0" * 32: None, "1" * 32: 0.4}, set())
