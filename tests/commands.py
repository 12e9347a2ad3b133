"""Running our command line as a user does: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

REPO = Path(__file__).resolve().parent.parent
SCRIPTED = REPO / "tests" / "scripted_paddleocr"


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with the project importable and its interpreter first on PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PYTHONPATH": str(REPO), "PATH": path, **(extra or {})}


def train_arguments(data: Path, *more: str) -> list[str]:
    """A launch of the scripted trainer: 4 epochs of 4 steps."""
    return [
        *("train", "--model", "rec", "--data", str(data), "--paddleocr", str(SCRIPTED)),
        *("--epochs", "4", "--batch-size", "4", "--overrides", "Global.save_epoch_step=2", *more),
    ]


def store(folder: Path) -> str:
    """The tracking store of a run in `folder`."""
    return f"sqlite:///{folder / 'mlflow.db'}"


def processes_of(folder: Path) -> list[psutil.Process]:
    """Processes that have the folder on their command line, but for zombies."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(
            str(folder) in word for word in process.info["cmdline"] or []
        ):
            found.append(process)
    return found


def trainer_of(pid: int) -> int:
    """The trainer that the command with this process id has started."""
    (trainer,) = [
        child.pid
        for child in psutil.Process(pid).children()
        if any(word.endswith("train.py") for word in child.cmdline())
    ]
    return int(trainer)


def none_of(folder: Path, *, within_s: float = 10.0) -> bool:
    """Whether no such process is left, in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not processes_of(folder):
            return True
        time.sleep(0.1)
    return False


def ocr_train(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """`python -m ocr_train ARGUMENTS` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ocr_train", *map(str, arguments)],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def ocr_train_until(
    seen: Callable[[], bool],
    number: signal.Signals,
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 120,
    to: Callable[[int], int] = int,
) -> subprocess.CompletedProcess[str]:
    """The same, but send it `number` once `seen()`; or send it to what `to` makes of its process id."""
    log = cwd / "command.log"
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "ocr_train", *map(str, arguments)],
            cwd=cwd,
            env=environment(env),
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + timeout_s
            while not seen():
                assert process.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, f"never seen: {log.read_text(encoding='utf-8')}"
                time.sleep(0.1)
            os.kill(to(process.pid), number)
            code = process.wait(timeout=timeout_s)
        finally:
            process.kill()
            process.wait()
    return subprocess.CompletedProcess(process.args, code, log.read_text(encoding="utf-8"), "")


def client(tracking_uri: str) -> Any:
    """An MLflow client on that server or store."""
    import mlflow

    return mlflow.MlflowClient(tracking_uri=tracking_uri)


def only_run(tracking_uri: str, *, experiment: str = "0") -> Any:
    """The newest run of the experiment."""
    return client(tracking_uri).search_runs([experiment], order_by=["attributes.start_time DESC"])[0]


def points(tracking_uri: str, run_id: str, key: str) -> list[tuple[int, float]]:
    """The (step, value) pairs of a metric, by step."""
    history = client(tracking_uri).get_metric_history(run_id, key)
    return sorted((metric.step, metric.value) for metric in history)


def artifacts(tracking_uri: str, run_id: str, folder: str = "") -> dict[str, int]:
    """All files below an artifact folder with their sizes."""
    from ocr_train.tracking.artifacts import RunArtifacts

    found: dict[str, int] = {}
    for path, size in RunArtifacts(client(tracking_uri), run_id).list(folder).items():
        if path.endswith("/"):
            found.update(artifacts(tracking_uri, run_id, path.rstrip("/")))
        else:
            found[path] = size
    return found
