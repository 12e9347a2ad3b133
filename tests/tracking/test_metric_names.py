"""Metric names on MLflow's page: what comes first there, and that runs of before are read under the same name."""

from __future__ import annotations

import pytest

from ocr_train.tracking.metric_names import plain_name, shown_name

LOGGED = (
    *("train/loss", "train/lr", "train/acc", "train/epoch", "train/ips", "train/eta_s", "train/batch_cost_s"),
    *("train/reader_cost_s", "train/gpu_util_pct", "eval/acc", "eval/fps", "best/acc"),
    *("time/hours", "time/reader_share", "cost/usd", "sample/acc", "system/cpu_utilization_percentage"),
)


def test_the_score_and_the_loss_come_before_everything_else() -> None:
    """MLflow sorts sections by the name before the slash; it puts system metrics last by itself."""
    sections = sorted({shown_name(name).partition("/")[0] for name in LOGGED} - {"system"})
    assert sections == ["best", "eval", "train", "usage", "val_sample"]


def test_the_loss_is_in_the_first_row_of_its_section() -> None:
    """Three charts are beside each other."""
    names = sorted(name for name in map(shown_name, LOGGED) if name.startswith("train/"))
    assert names.index("train/loss") < 3


@pytest.mark.parametrize("name", LOGGED)
def test_a_metric_has_one_name_of_ours_under_both_names(name: str) -> None:
    """Runs of before have it under that name itself."""
    assert plain_name(shown_name(name)) == plain_name(name) == name
