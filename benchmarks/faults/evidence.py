"""Evidence of what a run printed and of what is kept of it, gathered from the outside: by our own commands, MLflow's
client and the trainer's files, never by the code that is judged."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults.judge import Kept, Point, Printed, Saved, Stored
from ocr_train.disk import sha256_of
from ocr_train.tracking.metric_names import shown_name
from tests.commands import client, ocr_train

_WEIGHTS = "model.pdparams"


def printed_in(folder: Path, *, offset: int = 0) -> Printed:
    """What the log of the run in `folder` shows, read by `parse-log`; `offset` is the step that it went on from."""
    log = folder / "train.log"
    if not log.is_file():
        return Printed()
    events = _events(log)
    points: dict[Point, list[float]] = {}
    saved: list[Saved] = []
    step = epoch = 0
    epochs = -1
    for event in events:
        if event["event"] == "TrainProgress":
            step, epoch, epochs = event["step"], event["epoch"], event["epochs"]
        if event["event"] in ("TrainProgress", "EvalCompleted"):
            for name, value in event["metrics"].items():
                # It is in the configuration, and never logged.
                if name == "train/samples":
                    continue
                points.setdefault((name, offset + step), []).append(float(value))
        if event["event"] == "CheckpointSaved":
            saved.append(_saved(event, folder, offset + step))
    return Printed(
        points=points,
        saved=saved,
        finished=epoch == epochs and bool(saved) and saved[-1].step == offset + step,
    )


def _events(log: Path) -> list[dict[str, Any]]:
    """The events of its whole lines: what follows the last newline was not printed to its end."""
    data = log.read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "train.log"
        whole.write_bytes(data[: data.rfind(b"\n") + 1])
        done = ocr_train("parse-log", whole, cwd=Path(scratch))
    return [json.loads(line) for line in done.stdout.splitlines()]


def _saved(event: Mapping[str, Any], folder: Path, step: int) -> Saved:
    """The trainer never writes an `iter_epoch_N` twice: what it left is what has to be stored."""
    weights = folder / "trainer" / f"{event['name']}.pdparams"
    known = event["kind"] == "epoch" and weights.is_file()
    return Saved(
        name=event["name"], kind=event["kind"], step=step, sha256=sha256_of(weights) if known else ""
    )


def kept_of(uri: str, run_id: str, points: Sequence[Point], cwd: Path) -> Kept:
    """What the MLflow server at `uri` has of the run: all points of the names in `points`, every checkpoint read
    back and compared, and the status."""
    mlflow = client(uri)
    run = mlflow.get_run(run_id)
    found: dict[Point, list[float]] = {}
    for name in sorted({name for name, _ in points}):
        for one in mlflow.get_metric_history(run_id, shown_name(name)):
            found.setdefault((name, one.step), []).append(one.value)
    return Kept(
        points=found,
        checkpoints=stored_of(uri, run_id, cwd),
        status=run.info.status,
        reason=run.data.tags.get("failure_reason", ""),
    )


def stored_of(uri: str, run_id: str, cwd: Path) -> Sequence[Stored]:
    """The run's checkpoints, verified by `checkpoints --verify`, with the sums that their manifests name."""
    command = ("checkpoints", run_id, "--verify", "--json", "-")
    done = ocr_train(*command, cwd=cwd, env={"MLFLOW_TRACKING_URI": uri})
    try:
        entries = json.loads(done.stdout)["checkpoints"]
    except ValueError:
        return ()
    return [
        Stored(step=entry["step"], whole=entry["whole"], sha256=_sum_in(uri, run_id, entry["folder"]))
        for entry in entries
        if entry["step"] is not None
    ]


def _sum_in(uri: str, run_id: str, folder: str) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        path = client(uri).download_artifacts(run_id, f"{folder}/manifest.json", scratch)
        files = json.loads(Path(path).read_text(encoding="utf-8"))["files"]
    return next((str(entry["sha256"]) for entry in files if entry["name"] == _WEIGHTS), "")


def runs_in(uri: str, experiment_id: str) -> Sequence[Any]:
    """Every run of the experiment, the deleted too, the oldest first."""
    from mlflow.entities import ViewType

    return list(
        client(uri).search_runs(
            [experiment_id], run_view_type=ViewType.ALL, order_by=["attributes.start_time ASC"]
        )
    )
