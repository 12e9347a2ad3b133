"""Listing runs, and reaping those that nobody tracks, in a real MLflow store."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ocr_train.runs import listing
from tests.commands import client, ocr_train_here

START = 1_700_000_000


@pytest.fixture
def store(store_folder: Path) -> Any:
    """A client on an empty store."""
    return client(f"sqlite:///{store_folder / 'mlflow.db'}")


def make(
    store: Any, *, heartbeat: str = "", status: str = "RUNNING", started: float = START, **tags: str
) -> str:
    """A run of ours; its id."""
    tags = {
        "launch_command": "mlflow run .",
        "model": "rec",
        **({"heartbeat": heartbeat} if heartbeat else {}),
        **tags,
    }
    run = store.create_run("0", start_time=int(started * 1000), tags=tags, run_name=f"run-{started}")
    if status != "RUNNING":
        store.set_terminated(run.info.run_id, status=status)
    return str(run.info.run_id)


def beat(moment: float) -> str:
    """A heartbeat at that time."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def test_a_run_is_listed_with_what_it_came_to(store: Any) -> None:
    """Status, age, last training step (not a system sample), best score."""
    run_id = make(store, heartbeat=beat(START + 50))
    store.log_param(run_id, "cfg/Metric.main_indicator", "acc")
    for step in (1, 7):
        store.log_metric(run_id, "train/loss", 1.0 / step, step=step)
    store.log_metric(run_id, "system/cpu", 5.0, step=900)
    store.log_metric(run_id, "best/acc", 0.75, step=4)
    (info,) = listing.list_runs(store, now=START + 60)
    assert (info.run_id, info.status, info.model, info.last_step) == (run_id, "RUNNING", "rec", 7)
    assert (info.main_metric, info.best, info.age_s, info.heartbeat) == ("acc", 0.75, 60.0, START + 50)


def test_the_newest_run_comes_first_and_others_are_not_ours(store: Any) -> None:
    """What another program left in the experiment is neither listed nor reaped."""
    old, new = make(store, started=START), make(store, started=START + 5)
    store.create_run("0", start_time=START * 1000)
    assert [info.run_id for info in listing.list_runs(store)] == [new, old]
    assert [info.run_id for info in listing.list_runs(store, limit=1)] == [new]
    assert len(listing.lost_runs(store)) == 2


def test_lost_is_what_runs_without_a_heartbeat(store: Any) -> None:
    """A late heartbeat, or none since the start; neither a live run nor one that has ended."""
    now = START + 10_000
    late = make(store, heartbeat=beat(now - 601))
    never = make(store, started=START)
    make(store, heartbeat=beat(now - 599))
    make(store, started=now - 599)
    make(store, heartbeat=beat(START), status="FAILED")
    assert {info.run_id for info in listing.lost_runs(store, now=now)} == {late, never}


def test_a_reaped_run_says_when_and_why(store: Any) -> None:
    """KILLED at its last sign of life."""
    run_id = make(store, heartbeat=beat(START + 90))
    listing.reap(store, listing.lost_runs(store)[0])
    run = store.get_run(run_id)
    assert (run.info.status, run.info.end_time) == ("KILLED", (START + 90) * 1000)
    assert run.data.tags["failure_reason"] == "tracker_lost"
    assert "resume" in run.data.tags["failure_explanation"]
    assert listing.lost_runs(store) == []


def test_the_command_prints_a_table(store: Any, store_folder: Path) -> None:
    """And the same as JSON in a file."""
    run_id = make(store)
    done = ocr_train_here("runs", "--json", "runs.json", cwd=store_folder)
    assert done.returncode == 0, done.stderr
    header, row = done.stdout.splitlines()
    assert header.split() == ["RUN", "NAME", "STATUS", "AGE", "STEP", "BEST", "REASON"]
    assert row.startswith(run_id)
    answer = json.loads((store_folder / "runs.json").read_text())
    assert answer["runs"][0]["run_id"] == run_id
    assert answer["reaped"] == []
