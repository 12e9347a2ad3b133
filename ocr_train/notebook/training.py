"""A training that a cell starts and follows: curves that are drawn anew in one output, and the stop button stops it."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.errors import ConfigError
from ocr_train.notebook.cells import CellStopped
from ocr_train.notebook.choices import Choices
from ocr_train.notebook.command import RunningCommand
from ocr_train.notebook.configuration import launch_with, parameters
from ocr_train.notebook.curves import LOSS, LiveCurves
from ocr_train.notebook.display import LiveOutput, as_html, image_tag
from ocr_train.ocr_engine.documents import DocumentError, read_yaml
from ocr_train.tracking.run_folder import read_facts, run_folders

LINES_SHOWN = 8
LEAST_INTERVAL_S = 2.0
DRAWING_SHARE = 20
"""Drawing takes a twentieth of one core at most: the rest is the training's."""
_STARTED = re.compile(r"run (?P<run_id>\S+) in (?P<folder>.+)")
_OVER = re.compile(r"(FINISHED|FAILED|KILLED) after |error: ")
STOPPED = (130, 143)


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A run of this notebook: its id in MLflow, its folder on this machine, and the parameters it was started with."""

    run_id: str
    folder: Path
    parameters: Mapping[str, Any] = field(repr=False)

    @property
    def epochs(self) -> int:
        """The epochs it was to have in all, as its configuration says."""
        try:
            config = read_yaml(self.folder / "config.yml")
            return int(config["Global"]["epoch_num"])
        except (OSError, DocumentError, KeyError, TypeError, ValueError) as exc:
            raise ConfigError(
                f"{self.folder / 'config.yml'} does not say how many epochs the run has.",
                hint="Train again, or choose another run with notebook.last_run(choices).",
            ) from exc


def start_training(choices: Choices, given: Mapping[str, Any]) -> TrainedRun:
    """Train with these parameters and follow it. The stop button ends it gracefully, and the cell after that.

    Raises `ConfigError` before anything starts, `CellStopped` where the training did not end as it was meant.
    """
    launch = launch_with(given)
    load_experiment(launch, EXPERIMENTS)
    view = TrainingView()
    with RunningCommand(choices, ["train", *launch.arguments()]) as command:
        view.command = command.text
        follow_command(command, view)
        code = command.wait()
    view.finish(code)
    if code or view.run is None:
        raise _stopped(view.run, code)
    run_id, folder = view.run
    return TrainedRun(run_id=run_id, folder=folder, parameters=dict(given))


def resume(choices: Choices, run: TrainedRun, more_epochs: int = 1) -> TrainedRun:
    """Train `more_epochs` epochs more, from the run's newest checkpoint, in a run of its own that names it."""
    given = {**run.parameters, "resume": run.run_id, "epochs": str(run.epochs + more_epochs)}
    return start_training(choices, given)


def last_run(choices: Choices) -> TrainedRun:
    """The newest run on this machine: to go on with after the kernel was restarted. Raises `CellStopped` without one."""
    found = list(run_folders(choices.output))
    for folder in reversed(found):
        facts = read_facts(folder)
        if facts is not None and (folder / "config.yml").is_file():
            print(f"run {facts.run_id} ({facts.run_name}), {facts.status or 'without an end'}")
            run_id = facts.server_run_id or facts.run_id
            return TrainedRun(run_id=run_id, folder=folder, parameters=parameters(choices))
    raise CellStopped(
        f"There is no run in {choices.output} yet.",
        hint="Train first: the cell with notebook.start_training.",
    )


def _stopped(run: tuple[str, Path] | None, code: int) -> CellStopped:
    """The end of a training that did not come to its own."""
    how = "was stopped" if code in STOPPED else f"ended with exit code {code}"
    named = f" of run {run[0]}" if run else ""
    hint = "What it said is above."
    if run and code in STOPPED:
        hint = (
            "What it has stored is complete. To go on from there: run = notebook.last_run(choices), then "
            "run = notebook.resume(choices, run, 0)"
        )
    return CellStopped(f"The training{named} {how}.", hint=hint)


def follow_command(command: RunningCommand, view: TrainingView) -> None:
    """Show what it does until it ends. The stop button asks it to end, a second time is passed over, a third time kills."""
    asked = 0
    while True:
        try:
            lines = command.lines(0.5)
            if lines is None:
                return
            view.take(lines)
        except KeyboardInterrupt:
            asked += 1
            if asked == 1:
                command.interrupt()
            elif asked > 2:
                command.kill()
            view.note = (
                "stopping: the trainer is asked to end, and the last checkpoint is stored ..."
                if asked < 2
                else "still stopping. Press stop once more to kill it: then its last checkpoint may be lost."
            )


class TrainingView:
    """What the cell shows: the command, the curves, where the training is, and its last lines."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.command = ""
        self.note = ""
        self.run: tuple[str, Path] | None = None
        self._clock = clock
        self._began = clock()
        self._next = 0.0
        self._lines: deque[str] = deque(maxlen=LINES_SHOWN)
        self._summary: list[str] = []
        self._curves: LiveCurves | None = None
        self._picture = b""
        self._output = LiveOutput()

    def take(self, lines: list[str]) -> None:
        """What was printed; shows everything where it is time for that."""
        for line in lines:
            if self._summary or _OVER.match(line):
                self._summary.append(line)
            elif line.strip():
                self._lines.append(line)
            if self.run is None and (found := _STARTED.fullmatch(line)):
                self.run = (found["run_id"], Path(found["folder"]))
                self._curves = LiveCurves(folder=self.run[1])
        if self._clock() >= self._next:
            self.show()

    def show(self) -> None:
        """Show it as it is now."""
        began = self._clock()
        if self._curves is not None and self._curves.read():
            self._picture = self._curves.png()
        self._output.show(
            self._page(), "\n".join([f"$ {self.command}", self.status(), *self._lines, *self._summary])
        )
        ended = self._clock()
        self._next = ended + max(LEAST_INTERVAL_S, DRAWING_SHARE * (ended - began))

    def finish(self, code: int) -> None:
        """Show the end."""
        self.note = "" if code == 0 else f"ended with exit code {code}"
        self.show()

    def status(self) -> str:
        """Where the training is, in one line."""
        parts = [self.note] if self.note else []
        curves = self._curves
        if curves is not None:
            if loss := curves.last(LOSS):
                parts.append(f"step {loss[0]}  loss {loss[1]:.4g}")
            if (score := curves.last(curves.score)) and (best := curves.best()) is not None:
                parts.append(f"{curves.score} {score[1]:.4f} (best {best:.4f})")
        return "   ".join([f"{self._clock() - self._began:.0f} s", *parts])

    def _page(self) -> str:
        picture = image_tag(self._picture, alt="loss and score by step") if self._picture else ""
        told = "\n".join([*self._lines, *self._summary])
        return (
            f"<code>$ {as_html(self.command)}</code><br>{picture}<p><b>{as_html(self.status())}</b></p>"
            f"<pre style='font-size:85%;white-space:pre-wrap'>{as_html(told)}</pre>"
        )
