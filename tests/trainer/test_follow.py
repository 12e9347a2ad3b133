"""Following real children that hang, go on, or are in the middle of a save."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from callbacks.base import Callback
from ocr_train.errors import DataError, OcrTrainError, TrainingStopped
from ocr_train.events import LogLine, Tick, TrainProgress
from ocr_train.trainer import follow as following
from ocr_train.trainer.dispatch import Dispatcher
from ocr_train.trainer.follow import LogWatch, follow, let_save_finish
from ocr_train.trainer.process import Child, Exit
from ocr_train.trainer.stop_signals import StopFlag

STEP = "[2026/11/22 12:00:00] ppocr INFO: epoch: [1/2], global_step: {}, lr: 0.001, loss: 1.5, ips: 2.0 samples/s"
READER = "Exception in thread Thread-3:"


class Reporter(Callback):
    """Notes events, and stops the training at a line that says so."""

    def __init__(self) -> None:
        self.unfinished: list[str] = []
        self.steps: list[int] = []

    def on_tick(self, event: Tick) -> None:
        """Note what is being written."""
        self.unfinished.append(event.unfinished)

    def on_train_progress(self, event: TrainProgress) -> None:
        """Note the step."""
        self.steps.append(event.step)

    def on_log_line(self, event: LogLine) -> None:
        """A watchdog."""
        if event.text in ("stall", "nan_loss"):
            raise TrainingStopped(f"it was {event.text}", hint="do", reason=event.text)


@dataclass
class Scene:
    """One trainer, followed to its end."""

    folder: Path
    watch: LogWatch = field(default_factory=LogWatch)
    stop: StopFlag = field(default_factory=StopFlag)
    callback: Reporter = field(default_factory=Reporter)
    said: list[str] = field(default_factory=list)
    ended: Exit | None = None
    doubts: list[OcrTrainError] = field(default_factory=list)

    def run(self, script: str) -> OcrTrainError | None:
        """Follow a Python that runs `script`."""
        dispatcher = Dispatcher([self.callback], report=self.said.append)
        dispatcher.open(None)  # type: ignore[arg-type]  # nobody looks at the run
        child = Child.start(
            [sys.executable, "-u", "-c", script],
            env={"PATH": os.environ["PATH"]},
            cwd=self.folder,
            log=self.folder / "train.log",
        )
        try:
            error = follow(
                child,
                dispatcher,
                self.watch,
                saves=self.folder / "trainer",
                folder=self.folder,
                stop=self.stop,
                echo=self.said.append,
                doubt=lambda: self.doubts[0] if self.doubts and self.watch.last_lines else None,
            )
            self.ended = child.exit
        finally:
            child.close()
        return error


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A trainer's folder; patience is short."""
    monkeypatch.setattr(following, "FAILURE_PATIENCE_S", 1.0)
    monkeypatch.setattr(following, "GRACE_S", 0.5)
    yield Scene(tmp_path)


def test_a_trainer_that_hangs_after_a_dead_reader_thread_is_ended(scene: Scene) -> None:
    """Not at once: its traceback is read to the end. Where it stood is on disk, the cause is known."""
    started = time.monotonic()
    error = scene.run(
        f"import time; print({READER!r}); time.sleep(0.5); print('KeyError: 7'); time.sleep(60)"
    )
    assert error is None
    assert time.monotonic() - started < 20
    failure = scene.watch.verdict()
    assert failure is not None
    assert failure.reason == "reader_thread"
    assert "KeyError: 7" in scene.watch.last_lines
    assert "process" in (scene.folder / "stacks.txt").read_text()
    assert scene.ended != Exit(code=0)


def test_a_trainer_that_ends_by_itself_is_left_to_it(scene: Scene) -> None:
    """A fatal line and then a traceback and an exit: nobody interferes."""
    assert scene.run(f"import time; print({READER!r}); time.sleep(0.4); raise SystemExit(1)") is None
    assert scene.ended == Exit(code=1)
    assert scene.said == []
    assert not (scene.folder / "stacks.txt").exists()


def test_a_trainer_that_goes_on_was_not_hit_fatally(scene: Scene) -> None:
    """Steps long after the line show that it was some other thread: the run is no failure."""
    step = STEP.replace("{}", "%d")
    script = f"import time; print({READER!r})\nfor n in range(8): time.sleep(0.3); print({step!r} % n)"
    assert scene.run(script) is None
    assert scene.ended == Exit(code=0)
    assert scene.watch.verdict() is None
    assert scene.callback.steps == list(range(8))


def test_a_training_that_mlflow_run_left_behind_is_ended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM ends `mlflow run` and not its child, whose parent is another one from then on: it ends as if told to."""
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    parents = iter([7])
    monkeypatch.setattr("ocr_train.trainer.follow.os.getppid", lambda: next(parents, 1))
    assert scene.run("import time; print('begun'); time.sleep(60)") is None
    assert scene.stop.number == signal.SIGTERM
    assert scene.ended is not None
    assert scene.ended.signal


def test_what_the_trainer_prints_while_it_is_stopped_is_no_cause(scene: Scene) -> None:
    """Data loading processes complain when they are ended; the reason for the stop stays the reason."""
    error = scene.run(
        "import signal, time\n"
        "def end(*_): print('WARNING:root:DataLoader 1 workers exit unexpectedly'); raise SystemExit(1)\n"
        "signal.signal(signal.SIGINT, end)\nprint('nan_loss'); time.sleep(60)"
    )
    assert isinstance(error, TrainingStopped)
    assert error.reason == "nan_loss"
    assert scene.watch.verdict() is None
    assert any("exit unexpectedly" in line for line in scene.watch.last_lines)


def test_a_stall_leaves_its_stacks(scene: Scene) -> None:
    """A stop for want of progress is preceded by a look at where the trainer stands."""
    error = scene.run("import time; print('stall'); time.sleep(60)")
    assert isinstance(error, TrainingStopped)
    assert "time.sleep(60)" in (scene.folder / "stacks.txt").read_text()


def test_a_stubborn_trainer_is_killed(scene: Scene) -> None:
    """INT and TERM are ignored: KILL follows."""
    script = "import signal, time\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nprint('stall')\ntime.sleep(60)"
    scene.run(script)
    assert scene.ended == Exit(code=None, signal="SIGKILL")


def test_a_trainer_that_has_not_begun_is_not_asked_to_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doubts from elsewhere end it at once: PaddleOCR that looks for a good sample hears no signal."""
    monkeypatch.setattr(following, "GRACE_S", 60.0)
    scene.doubts = [DataError("no sample works")]
    deaf = "import signal; [signal.signal(one, signal.SIG_IGN) for one in (2, 15)]"
    error = scene.run(f"{deaf}; import time; print('train from scratch'); time.sleep(600)")
    assert error is scene.doubts[0]
    assert scene.ended == Exit(code=None, signal="SIGKILL")
    assert "no sample works" in scene.said[0]


def test_a_bar_is_seen_while_it_is_drawn(scene: Scene) -> None:
    """Ticks carry what has no line end yet, and the log file has it already."""
    scene.run(
        "import sys, time\nfor n in range(8):\n    sys.stderr.write('\\reval model:: | %d/8 [' % n)\n    time.sleep(0.4)"
    )
    drawn = [text for text in scene.callback.unfinished if text]
    assert drawn
    assert drawn[0].startswith("\reval model:: | 0/8 [")


def test_a_save_under_way_is_waited_for(scene: Scene) -> None:
    """A stop in the middle of a set: its three files are whole before the trainer is told."""
    script = (
        "import time, pathlib\nfolder = pathlib.Path('trainer'); folder.mkdir()\n"
        "for end in ('pdopt', 'pdparams', 'states'):\n"
        "    (folder / f'latest.{end}').write_bytes(b'x' * 1000); print(end); time.sleep(1.3)\n"
        "time.sleep(60)"
    )
    threading.Timer(0.7, lambda: setattr(scene.stop, "number", signal.SIGTERM)).start()
    scene.run(script)
    assert {path.name for path in (scene.folder / "trainer").iterdir()} == {
        *("latest.pdopt", "latest.pdparams", "latest.states")
    }


def test_nothing_to_save_is_not_waited_for(tmp_path: Path) -> None:
    """No folder, and a set that was finished long ago."""
    started = time.monotonic()
    let_save_finish(tmp_path / "absent")
    for name in ("latest.pdopt", "latest.pdparams", "latest.states"):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (1, 1))
    let_save_finish(tmp_path)
    assert time.monotonic() - started < 0.5


def test_a_save_that_never_ends_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """A set without its last file, from a trainer that hangs in writing it."""
    (tmp_path / "latest.pdopt").write_bytes(b"x")
    started = time.monotonic()
    let_save_finish(tmp_path, patience_s=0.4)
    assert 0.3 < time.monotonic() - started < 2
