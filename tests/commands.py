"""Running our command line as a user does: in a folder of its own, and in a process of its own where that matters."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO
from unittest import mock

import psutil

from ocr_train.cli import train, transfer
from ocr_train.config.started import this_start
from ocr_train.redaction import redactor
from ocr_train.tracking import holder
from ocr_train.trainer.interpreter import Facts, probe

REPO = Path(__file__).resolve().parent.parent
SCRIPTED = REPO / "tests" / "scripted_paddleocr"


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with the project importable and its interpreter first on PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PYTHONPATH": str(REPO), "PATH": path, **(extra or {})}


def train_arguments(data: Path, *more: str) -> list[str]:
    """A launch of the scripted trainer: 4 epochs of 4 steps."""
    return [
        *("train", "--model", "rec_mv3_none_bilstm_ctc", "--data", str(data), "--paddleocr", str(SCRIPTED)),
        *("--epochs", "4", "--batch-size", "4", "--overrides", "Global.save_epoch_step=2", *more),
    ]


def store(folder: Path) -> str:
    """The tracking store of a run in `folder`."""
    return f"sqlite:///{folder / 'mlflow.db'}"


def copy_store(template: Path, folder: Path) -> None:
    """Make `folder` the tracking store that the database `template` is, with its artifacts in `folder`, too."""
    shutil.copyfile(template, folder / "mlflow.db")
    # The template remembers where artifacts go as an absolute path.
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("UPDATE experiments SET artifact_location = ?", (str(folder / "mlruns" / "0"),))
        database.commit()


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


def ocr_train_here(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """`python -m ocr_train ARGUMENTS` to its end, after `timeout_s` seconds at most, inside this process: starting one of its own takes seconds.

    For tests that look at what a command leaves behind. What ends a process, or happens at its start, needs
    `ocr_train`. An empty MLFLOW_TRACKING_URI in `env` is none: as in a shell that does not name the server.
    """
    words = [str(one) for one in arguments]
    # MLflow keeps what it has opened by address: in one process, a relative one would lead to the first test's folder.
    own = {**environment({"MLFLOW_TRACKING_URI": store(cwd), **(env or {})}), "PWD": str(cwd)}
    if not own["MLFLOW_TRACKING_URI"]:
        del own["MLFLOW_TRACKING_URI"]
    with contextlib.ExitStack() as restored:
        restored.enter_context(_as_a_process_starts(own, cwd))
        restored.enter_context(_ended_after(timeout_s))
        restored.enter_context(mock.patch.object(train, "probe", _probe))
        streams = [
            restored.enter_context(_stream(folder, name))
            for folder in [Path(restored.enter_context(tempfile.TemporaryDirectory()))]
            for name in ("stdout", "stderr")
        ]
        code = _exit_status(words)
        for stream in streams:
            stream.flush()
        said = [Path(stream.name).read_text(encoding="utf-8") for stream in streams]
    return subprocess.CompletedProcess([sys.executable, "-m", "ocr_train", *words], code, *said)


def ocr_train_here_until(
    seen: Callable[[], bool],
    number: signal.Signals,
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> subprocess.CompletedProcess[str]:
    """The same, but send this process `number` once `seen()`: for tests of what comes after a training was stopped."""
    over = threading.Event()
    late: list[float] = []

    def watch() -> None:
        deadline = time.monotonic() + timeout_s
        while not over.wait(0.02):
            if seen() or time.monotonic() > deadline:
                late.extend([timeout_s] * (not seen()))
                signal.pthread_kill(threading.main_thread().ident or 0, number)
                return

    # Where the command has ended in that very moment, the signal must not end the tests.
    before = signal.signal(number, lambda *_: None)
    watching = threading.Thread(target=watch, name="stop")
    watching.start()
    try:
        done = ocr_train_here(*arguments, cwd=cwd, env=env)
    finally:
        over.set()
        watching.join()
        signal.signal(number, before)
    assert not late, f"never seen: {done.stdout}{done.stderr}"
    return done


@contextlib.contextmanager
def _ended_after(timeout_s: float) -> Iterator[None]:
    """Fail the test where what is inside takes longer. Not with a TimeoutError: that is an OSError, which commands
    handle."""

    def fail(_number: int, _frame: object) -> None:
        # `make faults` uses this file, in an environment without pytest.
        import pytest

        pytest.fail(f"the command did not end within {timeout_s:g} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _exit_status(words: list[str]) -> int:
    """What `ocr_train.cli.main.main` ends with."""
    from ocr_train.cli import main

    try:
        return main.run(words)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)


@contextlib.contextmanager
def _stream(folder: Path, name: str) -> Iterator[TextIO]:
    """A file in place of `sys.stdout` or `sys.stderr`, as both have in a process whose output is kept."""
    with (folder / name).open("w", encoding="utf-8", errors="backslashreplace") as stream:
        before = getattr(sys, name)
        setattr(sys, name, stream)
        try:
            yield stream
        finally:
            setattr(sys, name, before)


@functools.lru_cache
def _asked_once(python: Path, devices: str | None) -> Facts:
    return probe(python)


def _probe(python: Path) -> Facts:
    """What the interpreter can train with: its answer, which takes a second of Paddle's import, is always the same."""
    return _asked_once(python, os.environ.get("CUDA_VISIBLE_DEVICES"))


@contextlib.contextmanager
def _as_a_process_starts(env: Mapping[str, str], cwd: Path) -> Iterator[None]:
    """Inside: that environment and folder, no secret remembered, Python's own warnings; as it was afterwards."""
    import mlflow

    before, folder, address = dict(os.environ), Path.cwd(), mlflow.get_tracking_uri()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with warnings.catch_warnings():
        # pytest's makes errors of warnings, which no process of a user does.
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        try:
            _set_environment(env)
            os.chdir(cwd)
            _forget()
            yield
        finally:
            os.chdir(folder)
            _set_environment(before)
            _forget()
            if mlflow.get_tracking_uri() != address:
                mlflow.set_tracking_uri(address)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _set_environment(env: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)


def _forget() -> None:
    """What a process has until its end: its secrets, how it was started, which one it is, the S3 copies it reads."""
    redactor.forget()
    this_start.cache_clear()
    holder._token.cache_clear()
    transfer._LEASES.close()


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


def all_runs(tracking_uri: str) -> list[Any]:
    """The runs of all experiments, the newest first."""
    store_client = client(tracking_uri)
    everywhere = [one.experiment_id for one in store_client.search_experiments()]
    return list(store_client.search_runs(everywhere, order_by=["attributes.start_time DESC"]))


def only_run(tracking_uri: str) -> Any:
    """The newest run."""
    return all_runs(tracking_uri)[0]


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
