"""`python -m benchmarks.compare_page`: the page that compares 50 runs of the 1,000 that a filter finds on a real MLflow server.

The runs are written into the server's SQLite file before it starts: one is made by MLflow's client, the others are copies of its rows
with other values. The server is `mlflow server` with one worker, on loopback, and keeps artifacts in a folder.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.program import Scene, run, say
from benchmarks.table import Row, at_most
from benchmarks.transfer import Place
from tests.compare.made_runs import Made, add_checkpoints, add_samples, make_run

COMPARED = 50
_MORE_METRICS = (
    *("acc", "norm_edit_dis", "CTCLoss", "reader_cost_s", "batch_cost_s", "samples", "eta_s"),
    *("gpu_mem_reserved_mb", "gpu_mem_allocated_mb"),
)
_CONFIGURATION_PARAMS = 120
_SYSTEM_METRICS = 20


@dataclass(frozen=True)
class _Folder:
    """Takes artifacts as MLflow's client does, and puts them where the server looks for them."""

    root: Path

    def log_artifact(self, run_id: str, local: str, folder: str | None) -> None:
        target = self.root / "0" / run_id / "artifacts" / (folder or "")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(local, target)


def make_store(folder: Path, runs: int) -> None:
    """`mlflow.db` with so many runs of 40 epochs, and `artifacts/` with checkpoints and samples of the newest."""
    from mlflow import MlflowClient
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    database = folder / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{database}", "mlflow-artifacts:/")
    files = _Folder(folder / "artifacts")
    first = make_run(MlflowClient(tracking_uri=f"sqlite:///{database}"), Made(epochs=40, cost_per_hour=0.5))
    add_checkpoints(files, first, [1500, 1900, 1950, 2000], best=1900)
    images = [{"name": f"{n}.jpg", "truth": f"text {n}", "prediction": f"text {n}"} for n in range(6)]
    add_samples(files, first, images, step=2000)
    with closing(sqlite3.connect(database)) as rows, rows:
        _add_values(rows, first)
        generator = random.Random(0)  # noqa: S311 - the same runs every time
        for number in range(runs):
            run_id = f"{generator.getrandbits(128):032x}"
            newest = number >= runs - COMPARED
            _copy_run(rows, first, run_id, number, factor=generator.uniform(0.5, 1.1), whole=newest)
            if newest:
                shutil.copytree(files.root / "0" / first, files.root / "0" / run_id)
        for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
            rows.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (first,))  # noqa: S608 - names of above


def _add_values(rows: sqlite3.Connection, run_id: str) -> None:
    """What a real run has more of: metrics of training and of the machine, its whole configuration."""
    for table in ("metrics", "latest_metrics"):
        columns = "value, timestamp, step, is_nan, run_uuid"
        names = [f"train/{name}" for name in _MORE_METRICS]
        if table == "latest_metrics":
            names += [f"system/metric_{number}" for number in range(_SYSTEM_METRICS)]
        for name in names:
            rows.execute(
                f"INSERT INTO {table} (key, {columns}) SELECT ?, {columns} FROM {table} "  # noqa: S608 - names of above
                "WHERE key = 'train/loss' AND run_uuid = ?",
                (name, run_id),
            )
    rows.executemany(
        "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",
        [(f"cfg/Section.part.name_{n}", f"value {n}", run_id) for n in range(_CONFIGURATION_PARAMS)],
    )


def _copy_run(
    rows: sqlite3.Connection, first: str, run_id: str, number: int, *, factor: float, whole: bool
) -> None:
    """One more run; of those that are not compared only a tenth of the points is there."""
    names = [name for _, name, *_ in rows.execute("PRAGMA table_info(runs)")]
    own = {
        "run_uuid": "?1",
        "name": "?2",
        "artifact_uri": "replace(artifact_uri, run_uuid, ?1)",
        "start_time": "start_time + ?3",
        "end_time": "end_time + ?3",
    }
    chosen = ", ".join(own.get(name, name) for name in names)
    rows.execute(
        f"INSERT INTO runs ({', '.join(names)}) SELECT {chosen} FROM runs WHERE run_uuid = ?4",  # noqa: S608 - names of above
        (run_id, f"det-wires-{number:04d}", number * 60_000, first),
    )
    for table in ("params", "tags"):
        rows.execute(
            f"INSERT INTO {table} (key, value, run_uuid) SELECT key, value, ?1 FROM {table} WHERE run_uuid = ?2",  # noqa: S608 - names of above
            (run_id, first),
        )
    for table, chosen in (("metrics", "1" if whole else "step % 100 = 0"), ("latest_metrics", "1")):
        rows.execute(
            f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid) "  # noqa: S608 - names of above
            f"SELECT key, value * ?1, timestamp, step, is_nan, ?2 FROM {table} WHERE run_uuid = ?3 AND {chosen}",
            (factor, run_id, first),
        )


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """The address of a server on `mlflow.db` and `artifacts/` of a folder, until it is ended."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    argv += [
        "--backend-store-uri",
        "sqlite:///mlflow.db",
        "--serve-artifacts",
        "--artifacts-destination",
        "artifacts",
    ]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while not _answers(address):
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(
                    f"the MLflow server did not start: {(folder / 'server.log').read_text()[-2000:]}"
                )
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:  # noqa: S310 - our own
            return bool(answer.status == 200)
    except OSError:
        return False


def measure(scene: Scene) -> Iterator[Row]:
    """The whole command, with the page and its pictures, and the same for one run: what it costs anyway."""
    runs = 100 if scene.quick else 1000
    start = time.monotonic()
    make_store(scene.folder, runs)
    say(f"  {runs:,} runs are made, {time.monotonic() - start:.0f} s")
    with mlflow_server(scene.folder) as address:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env |= {"MLFLOW_TRACKING_URI": address, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        place = Place(endpoint="", bucket="", env=env, folder=scene.folder)
        _compare(place, 1)
        pairs = [(_compare(place, COMPARED), _compare(place, 1)) for _ in range(scene.rounds)]
    size_mb = (scene.folder / "page" / "index.html").stat().st_size / 1e6
    yield Row(
        name=f"compare, {COMPARED} runs of the {runs:,} that the filter finds",
        samples=[many for many, _ in pairs],
        unit="s",
        bar=at_most(10),
        note=f"server with one worker; the page has {size_mb:.1f} MB at the end",
    )
    yield Row(name=f"compare, 1 run of {runs:,}", samples=[one for _, one in pairs], unit="s")


def _compare(place: Place, count: int) -> float:
    argv = [sys.executable, "-m", "ocr_train", "compare", "--filter", "tags.model = 'det'"]
    cost = place.run([*argv, "--limit", str(count), "--out", str(place.folder / "page")])
    say(f"  {count} runs: {cost.wall_s:.2f} s, {cost.cpu_s:.2f} s of CPU, {cost.peak_bytes / 1e6:.0f} MB")
    return cost.wall_s


if __name__ == "__main__":
    sys.exit(run("compare_page", __doc__, measure))
