"""What every callback owes the dispatcher; each class in `callbacks/` is found and held to it."""

from __future__ import annotations

import importlib
import inspect
import io
import pkgutil
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

import pytest

import callbacks
from callbacks.base import Callback
from ocr_train.checkpoints.store import CheckpointStore
from ocr_train.config.limits import TrainingLimits
from ocr_train.errors import TrackingError
from ocr_train.events import Event
from ocr_train.run import Results, Run
from ocr_train.trainer.supervision import MessageLink, Supervisor
from tests.analysis.builders import box_at, write_validation
from tests.builders import FolderArtifacts, make_run, store_on, write_checkpoint

HANDLE_LIMIT_S = 0.5
SLOW_UPLOAD_S = 0.6
CLOSE_LIMIT_S = 0.5
T = TypeVar("T")


def all_subclasses(base: type[T]) -> Iterator[type[T]]:
    """Every class below `base`."""
    for child in base.__subclasses__():
        yield child
        yield from all_subclasses(child)


def callback_classes() -> list[type[Callback]]:
    """Every class in `callbacks/` that is a callback, the base itself included."""
    for module in pkgutil.iter_modules(callbacks.__path__):
        importlib.import_module(f"callbacks.{module.name}")
    found: list[type[Callback]] = [Callback, *all_subclasses(Callback)]
    return sorted(
        (kind for kind in found if kind.__module__.startswith("callbacks.")), key=lambda kind: kind.__name__
    )


class Sink:
    """Takes metrics, tags and files."""

    def log_metrics(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        """Forget them."""

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Forget them."""

    def log_file(self, local: Path, folder: str = "") -> None:
        """Forget it."""

    def download(self, path: str, folder: Path) -> Path:
        """There is nothing."""
        raise TrackingError(f"there is no artifact {path!r}.")


class SlowReading:
    """A process that reads images until it is ended."""

    def poll(self) -> bool:
        """Not yet."""
        return False

    def result(self) -> Sequence[Any]:
        """Never asked for."""
        return []

    def close(self) -> None:
        """It ends."""


class SlowArtifacts(FolderArtifacts):
    """An artifact store at the end of a slow line."""

    def upload(self, local: Path, folder: str = "") -> None:
        """The first upload takes longer than any event may."""
        if not self.uploads:
            time.sleep(SLOW_UPLOAD_S)
        super().upload(local, folder)


def gone() -> MessageLink:
    """The line to a process that has left."""
    ours, theirs = socket.socketpair()
    theirs.close()
    link = MessageLink(ours)
    assert link.received() == []
    return link


def build(kind: type[Callback], folder: Path) -> Callback:
    """An instance; constructor parameters are known by their names, so that a new callback is covered too."""

    def store(run: Run) -> CheckpointStore:
        return store_on(SlowArtifacts(folder / "artifacts"))

    known: Mapping[str, Any] = {
        "sink": Sink(),
        "store": store,
        "report": lambda text: None,
        "problem": lambda: "",
        "stream": io.StringIO(),
        "started": time.monotonic(),
        "hourly_usd": 3.0,
        "usd_an_hour": 3.0,
        "limits": TrainingLimits(),
        "start_reading": lambda prefix, config, images: SlowReading(),
        "close_timeout_s": CLOSE_LIMIT_S,
        "supervisor": Supervisor(link=gone()),
    }
    parameters = inspect.signature(kind).parameters.values()
    wanted = [
        p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    names = [p.name for p in parameters]
    unknown = set(wanted) - set(known)
    assert not unknown, f"say in this test what {kind.__name__} gets for {unknown}"
    return kind(**{name: known[name] for name in (*wanted, "close_timeout_s") if name in names})


def example(kind: type[Event], prefix: Path) -> Event:
    """An event of the kind, with something in its required fields."""
    values: dict[str, Any] = {
        "how": "resume",
        "epoch": 1,
        "epochs": 4,
        "step": 10,
        "metrics": {"train/loss": 1.5, "eval/hmean": 0.5, "best/hmean": 0.5, "train/eta_s": 9.0},
        "name": "latest",
        "kind": "latest",
        "prefix": str(prefix),
        "text": "a line",
        "status": "FINISHED",
    }
    names = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    names += [f.name for f in fields(kind) if f.name in ("metrics", "prefix")]
    return kind(line=1, time_ms=1_700_000_000_000, **{name: values[name] for name in names})


EVENTS = sorted(all_subclasses(Event), key=lambda kind: kind.__name__)


def method_of(kind: type[Event]) -> str:
    """TrainProgress -> on_train_progress."""
    return "on_" + re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def test_the_callbacks_are_found() -> None:
    """The tests below are about these; a search that finds nothing would prove nothing."""
    names = {kind.__name__ for kind in callback_classes()}
    assert {"CheckpointCallback", "MetricsCallback", "ProgressCallback", "SystemMetricsCallback"} <= names


def test_each_event_has_its_method_and_each_method_its_event() -> None:
    """on_<event>, one each."""
    methods = {name for name in vars(Callback) if name.startswith("on_")}
    assert methods == {method_of(kind) for kind in EVENTS}
    assert {"on_train_progress", "on_run_finished", "on_tick"} <= methods


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_an_event_reaches_its_own_method_and_no_other(kind: type[Event], tmp_path: Path) -> None:
    """The base class hands each event on once."""
    called: list[tuple[str, Event]] = []

    class Recorder(Callback):
        def __getattribute__(self, name: str) -> Any:
            if name.startswith("on_"):
                return lambda event: called.append((name, event))
            return super().__getattribute__(name)

    event = example(kind, tmp_path / "latest")
    Recorder().handle(event)
    assert called == [(method_of(kind), event)]


@pytest.mark.parametrize("kind", callback_classes(), ids=lambda kind: kind.__name__)
class TestEveryCallback:
    """The contract."""

    def test_takes_every_event_at_once_and_closes_twice(self, kind: type[Callback], tmp_path: Path) -> None:
        """open, each kind of event twice, close, close: no exception, and none of them holds up the reader."""
        run = make_run(tmp_path / "run")
        write_validation(run.folder, {"a.png": [box_at(0, 0)]})
        prefix = write_checkpoint(run.folder / "trainer" / "latest")
        callback = build(kind, tmp_path)
        callback.open(run)
        took: dict[str, float] = {}
        try:
            for event_kind in EVENTS * 2:
                started = time.monotonic()
                callback.handle(example(event_kind, prefix))
                took[event_kind.__name__] = time.monotonic() - started
        finally:
            callback.close()
            callback.close()
        assert {name: seconds for name, seconds in took.items() if seconds > HANDLE_LIMIT_S} == {}
        assert isinstance(callback.results(Results()), Results)

    def test_can_be_closed_without_having_been_opened(self, kind: type[Callback], tmp_path: Path) -> None:
        """Another callback's open may have failed first."""
        callback = build(kind, tmp_path)
        callback.close()
        assert isinstance(callback.results(Results()), Results)

    def test_leaves_no_thread_behind(self, kind: type[Callback], tmp_path: Path) -> None:
        """After close nothing of it runs on."""
        before = set(threading.enumerate())
        callback = build(kind, tmp_path)
        callback.open(make_run(tmp_path))
        callback.close()
        assert set(threading.enumerate()) - before == set()

    def test_has_a_name_and_says_whether_it_is_critical(self, kind: type[Callback], tmp_path: Path) -> None:
        """Messages need the one, the dispatcher the other; only checkpoints stop a training."""
        callback = build(kind, tmp_path)
        assert callback.name == kind.__name__
        assert callback.critical is (kind.__name__ == "CheckpointCallback")
