"""One fault on one run: a folder and an MLflow experiment of its own, commands, and what comes of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.faults.evidence import kept_of, printed_in, runs_in
from benchmarks.faults.judge import Kept, Printed, Verdict, judge
from tests.commands import client, environment, train_arguments
from tests.faults import Servers

PAUSE_S = 0.25
"""Between two steps of the scripted trainer."""
SLOW_STEP_S = 3.0
"""A step of the scripted trainer that took longer has waited for somebody: time-outs are longer than this."""
LONG_AGO = "2020-01-01T00:00:00Z"
PADDLEOCR = "PaddleOCR"
SCRIPTED = "scripted"
_OVERRIDES = (
    "Global.print_batch_step=1 Global.save_epoch_step=1 Global.eval_batch_step=[0,3] "
    "Train.loader.num_workers=0 Eval.loader.num_workers=0"
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one case: the verdicts on its runs, what else was wrong, and a few words.

    `fault`, `when`, `trainer` and `number` are the case's.
    """

    fault: str = ""
    when: str = ""
    trainer: str = ""
    number: int = 0
    verdicts: Sequence[Verdict] = ()
    problems: Sequence[str] = ()
    note: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing was lost, doubled, untrue or otherwise wrong."""
        return not self.problems and not any(
            one.points_lost or one.points_doubled or one.checkpoints_lost or one.lie for one in self.verdicts
        )

    def to_json(self) -> str:
        """A line for a file of results."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Result:
        """The other way."""
        values = json.loads(line)
        return cls(**{**values, "verdicts": [Verdict(**one) for one in values["verdicts"]]})


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: what it printed, and how long it took."""

    code: int
    said: str
    seconds: float


@dataclass(kw_only=True)
class Scene:
    """Where a case plays. What is noted in `problems` and `notes` goes into its result."""

    folder: Path
    servers: Servers
    data: Path
    experiment: str
    scripted: bool = True
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.experiment_id = str(client(self.servers.uri).create_experiment(self.experiment))

    def env(self, **more: str) -> dict[str, str]:
        """What commands of this case find in their environment; time-outs are short, so that it takes minutes."""
        values = {
            "MLFLOW_TRACKING_URI": self.servers.uri,
            "MLFLOW_EXPERIMENT_NAME": self.experiment,
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
            "OCR_TRAIN_PATIENCE_S": "20",
        }
        if self.scripted:
            clock = str(self.folder / "clock")
            values |= {"SCRIPTED_PAUSE_S": str(PAUSE_S), "SCRIPTED_CLOCK": clock}
        return {**values, **more}

    def arguments(self, *more: str) -> list[str]:
        """A training: 6 epochs of 4 steps with the stand-in, 3 epochs of 4 steps with PaddleOCR."""
        if self.scripted:
            return [*train_arguments(self.data, "--epochs", "6", *more)]
        return [
            *(
                "train",
                "--model",
                "rec_mv3_none_bilstm_ctc",
                "--data",
                str(self.data),
                "--gpus",
                "cpu",
                "--epochs",
                "3",
            ),
            *("--batch-size", "4", "--overrides", _OVERRIDES, "--export", "false"),
            *("--evaluation-images", "0", "--sample-images", "0", *more),
        ]

    @contextlib.contextmanager
    def command(self, arguments: Sequence[str], env: Mapping[str, str]) -> Iterator[Command]:
        """`python -m ocr_train ARGUMENTS` under way; gone at the end, however that comes."""
        running = Command(arguments, cwd=self.folder, env=env)
        try:
            yield running
        finally:
            running.kill()

    def steps(self) -> int:
        """How many progress lines all trainers of this case have printed."""
        logs = self.folder.glob("outputs/*/train.log")
        return sum(log.read_bytes().count(b"global_step: ") for log in logs)

    def printed_steps(self, count: int) -> Callable[[], bool]:
        """Whether as many have been printed."""
        return lambda: self.steps() >= count

    def check(self, ended: Ended, codes: Sequence[int] = (0,)) -> Ended:
        """Note an exit code that is not one of `codes`, and a traceback of our own."""
        if ended.code not in codes:
            last = " / ".join(ended.said.strip().splitlines()[-3:])
            self.problems.append(f"exit {ended.code} instead of {' or '.join(map(str, codes))}: {last[:400]}")
        if any(line.startswith("Traceback") for line in ended.said.splitlines()):
            self.problems.append("a traceback")
        return ended

    def run(self, *arguments: str, codes: Sequence[int] = (0,), **env: str) -> Ended:
        """A command of ours to its end, checked."""
        with self.command(arguments, self.env(**env)) as running:
            return self.check(running.end(), codes)

    def check_speed(self) -> None:
        """Note where the trainer, by its own clock, has waited for anybody."""
        with contextlib.suppress(FileNotFoundError):
            ticks = [float(line) for line in (self.folder / "clock").read_text(encoding="ascii").split()]
            longest = max((after - before for before, after in pairwise(ticks)), default=0.0)
            self.notes.append(f"longest step {longest:.1f} s")
            if longest > SLOW_STEP_S:
                self.problems.append(f"a step of the trainer took {longest:.1f} s")

    def reap(self) -> None:
        """`runs --reap` for the runs of this case of which this machine has no folder, as if time had passed."""
        local = {str(facts["server_run_id"]) for _, facts in self._local()}
        lost = [run for run in runs_in(self.servers.uri, self.experiment_id) if run.info.run_id not in local]
        for run in lost:
            if run.info.status == "RUNNING":
                client(self.servers.uri).set_tag(run.info.run_id, "heartbeat", LONG_AGO)
        if lost:
            self.run("runs", "--reap")

    def run_id(self) -> str:
        """The id of the only run."""
        ((_, facts),) = self._local()
        return str(facts["server_run_id"])

    def result(self, *, reasons: Sequence[str] = ()) -> Result:
        """Judge every run of the case, those that only the server knows, too."""
        verdicts = []
        local = self._local()
        there = {run.info.run_id: run for run in runs_in(self.servers.uri, self.experiment_id)}
        for folder, facts in local:
            run_id = str(facts["server_run_id"])
            if run_id not in there:
                self.problems.append(f"MLflow has no run {run_id}")
                continue
            run = there.pop(run_id)
            if run.info.lifecycle_stage != "active":
                self.problems.append(f"run {run_id} is {run.info.lifecycle_stage}")
            printed = printed_in(folder, offset=int(run.data.tags.get("resumed_from_step") or 0))
            kept = kept_of(self.servers.uri, run_id, list(printed.points), self.folder)
            verdicts.append(judge(printed, kept, reasons=reasons))
        for run in there.values():
            kept = Kept(status=run.info.status, reason=run.data.tags.get("failure_reason", ""))
            verdicts.append(judge(Printed(), kept, reasons=reasons))
        return Result(
            verdicts=verdicts,
            problems=tuple(self.problems),
            note="; ".join(self.notes),
        )

    def _local(self) -> list[tuple[Path, dict[str, Any]]]:
        files = sorted(self.folder.glob("outputs/*/run.json"))
        return [(path.parent, json.loads(path.read_text(encoding="utf-8"))) for path in files]


class Command:
    """A command of ours under way, its output in a file."""

    def __init__(self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        self._log = cwd / f"command-{time.monotonic_ns()}.log"
        self._started = time.monotonic()
        with self._log.open("w", encoding="utf-8") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ocr_train", *arguments],
                cwd=cwd,
                env=environment(env),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def said(self) -> str:
        """What it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def until(self, seen: Callable[[], bool], *, within_s: float = 120.0) -> bool:
        """Wait until `seen()`; False where the command ends, or the time, before that."""
        deadline = time.monotonic() + within_s
        while not seen():
            if self.over() or time.monotonic() > deadline:
                return seen()
            time.sleep(0.02)
        return True

    def kill(self) -> None:
        """SIGKILL, to it alone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL) if not self.over() else None
        self._process.wait()

    def end(self, *, within_s: float = 240.0) -> Ended:
        """Wait for its end; one that does not come is a SIGKILL."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=within_s)
        self.kill()
        return Ended(code=self._process.returncode, said=self.said, seconds=time.monotonic() - self._started)
