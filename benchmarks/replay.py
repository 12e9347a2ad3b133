"""`python -m benchmarks.replay`: the points of a run without a server brought to one by `sync`, against `log_batch` in full batches.

Both bring the same points to the same real MLflow server, each to a run of its own, in turns. `log_batch` gets 1,000 points a
request, made before its time is taken, and asks nothing. After `sync` the points are counted on the server, one metric for all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.program import Scene, run, say
from benchmarks.s3_mlflow import environment, running_mlflow
from benchmarks.table import Row, at_most
from ocr_train.runs.sync import sync_run
from ocr_train.tracking.journal import Journal, Metric
from ocr_train.tracking.mlflow_client import connect
from ocr_train.tracking.run_folder import JOURNAL, RunFacts, write_facts
from tests.servers import running_s3

KEYS = ("train/loss", "train/acc", "train/lr", "train/batch_cost_s", "train/ips")
FULL = 1000
"""MLflow takes no more metrics in one request."""


def measure(scene: Scene) -> Iterator[Row]:
    """20,000 points a round: a million take this machine many minutes."""
    count = 5_000 if scene.quick else 20_000
    with (
        running_s3(scene.folder / "s3") as s3,
        running_mlflow(scene.folder / "mlflow", s3) as address,
        environment(address.env()),
    ):
        client: Any = connect()
        # One more at the beginning, in which both sides load what they need.
        _against_log_batch(client, scene.folder / "first", 2 * FULL)
        times = []
        for number in range(scene.rounds):
            times.append(_against_log_batch(client, scene.folder / str(number), count))
            say(f"  round {number + 1}: sync {times[-1][0]:.1f} s, log_batch {times[-1][1]:.1f} s")
    yield Row(
        name=f"replay of {count:,} points: time / log_batch in full batches",
        samples=[ours / theirs for ours, theirs in times],
        unit="x",
        bar=at_most(1.2),
        note=f"{count / sorted(ours for ours, _ in times)[len(times) // 2]:,.0f} points a second",
    )


def _against_log_batch(client: Any, folder: Path, count: int) -> tuple[float, float]:
    """Seconds of `sync`, and of the peer."""
    points = [
        Metric(
            key=KEYS[number % len(KEYS)], value=number / 7, step=number // len(KEYS) + 1, time_ms=number + 1
        )
        for number in range(count)
    ]
    _write_run(folder, points)
    start = time.perf_counter()
    done = sync_run(folder, lambda _uri: client, lambda _text: None)
    ours = time.perf_counter() - start
    if not done.complete:
        raise SystemExit(f"sync did not bring everything: {done}")
    found = len(client.get_metric_history(done.server_run_id, KEYS[0]))
    if found != count // len(KEYS):
        raise SystemExit(f"the server has {found} points of {KEYS[0]}, and not {count // len(KEYS)}")
    return ours, _log_batches(client, points)


def _write_run(folder: Path, points: Sequence[Metric]) -> None:
    """The folder of a run that was offline and is over."""
    folder.mkdir()
    facts = RunFacts(
        run_id=folder.name, run_name="replay", offline=True, started_ms=1, ended_ms=2, status="FINISHED"
    )
    write_facts(folder, facts)
    journal = Journal(folder / JOURNAL)
    journal.append(points)
    journal.close()


def _log_batches(client: Any, points: Sequence[Metric]) -> float:
    from mlflow.entities import Metric as Entity

    run_id = client.create_run("0").info.run_id
    made = [Entity(one.key, one.value, one.time_ms, one.step) for one in points]
    start = time.perf_counter()
    for first in range(0, len(made), FULL):
        client.log_batch(run_id, metrics=made[first : first + FULL])
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(run("replay", __doc__, measure))
