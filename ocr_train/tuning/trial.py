"""A short training of PaddleOCR's own tools/train.py: as a training starts it, on few samples, ended after some steps.

    Bench (what a training would be started with) + Setting -> measure -> Measurement

Nothing is evaluated, and it is ended before its only epoch is over: no checkpoint is written.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.config.epoch_steps import most_samples
from ocr_train.config.overrides import get_key, set_key
from ocr_train.config.trainer_settings import WORKERS, settle_batch
from ocr_train.errors import TrainingFailed
from ocr_train.events import TrainProgress
from ocr_train.ocr_engine.files import open_regular
from ocr_train.trainer.device import Device
from ocr_train.trainer.follow import LogWatch
from ocr_train.trainer.log_parser import LogParser
from ocr_train.trainer.oom_killer import OomKillMonitor
from ocr_train.trainer.outcome import Outcome, decide_outcome
from ocr_train.trainer.paddleocr import PaddleOcr, trainer_argv, write_config
from ocr_train.trainer.process import Child, Line
from ocr_train.trainer.ranks import fresh_folder
from ocr_train.tuning.measurement import Measurement, Setting, enough, steps_of, summed_up

NOT_ENOUGH = ("cuda_oom", "host_oom", "trainer_killed", "shared_memory")
"""Reasons of a failure that say: this machine has too little for the setting."""
MOST_STEPS = 300
"""Of a short training; those of a large batch on a fast GPU come to an end, too."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a training would be started with: its rendered `config` and its `labels` for training, and the `job` of the script
    around the trainer (trainer/train_script.py). What a short training writes goes to `folder`."""

    config: Mapping[str, Any]
    labels: Sequence[Path]
    python: Path
    paddleocr: PaddleOcr
    device: Device
    env: Mapping[str, str]
    folder: Path
    job: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrialRun:
    """A short training that is over: its progress lines, and how it ended where we did not end it. `late`: there was no time
    for all of it. `memory` is the peak of all its processes in bytes, None where that cannot be seen."""

    progress: Sequence[TrainProgress]
    outcome: Outcome | None
    late: bool
    memory: int | None
    seconds: float


def measure(bench: Bench, setting: Setting, *, deadline: float) -> Measurement | None:
    """Train some steps with `setting`; None where that was not possible by `deadline` (monotonic).

    A failure is a measurement, too.
    """
    config = short_config(bench, setting)
    run = run_trial(
        bench,
        config,
        f"batch_{setting.batch}_workers_{setting.workers}",
        steps=MOST_STEPS,
        over=lambda progress: enough(steps_of(progress), setting.workers),
        deadline=deadline,
    )
    outcome = run.outcome
    if outcome is not None and outcome.reason in NOT_ENOUGH:
        return failed_measurement(setting, outcome, run.seconds)
    gpu = max((event.metrics.get("train/gpu_mem_reserved_mb", 0.0) for event in run.progress), default=0.0)
    found = summed_up(
        steps_of(run.progress),
        setting,
        bench.device.here,
        memory=run.memory,
        gpu_memory=round(gpu * 1024 * 1024) or None,
        took_s=run.seconds,
    )
    if found is None and outcome is not None:
        return failed_measurement(setting, outcome, run.seconds)
    return found


def failed_measurement(setting: Setting, outcome: Outcome, seconds: float) -> Measurement:
    """The measurement of a short training that ended by itself before there were enough steps."""
    why = f"{outcome.explanation or 'it ended before it had trained enough steps.'} {outcome.hint}".strip()
    return Measurement(setting=setting, failure=outcome.reason or "no_training", why=why, took_s=seconds)


def trial_failed(why: str) -> TrainingFailed:
    """The error for a short training that ended by itself, and badly."""
    return TrainingFailed(
        f"a short training failed: {why}", hint="A training would fail in the same way: `train` says more."
    )


def short_config(bench: Bench, setting: Setting) -> dict[str, Any]:
    """The configuration of a short training with `setting`: one epoch, each step logged by itself, nothing evaluated."""
    config = deepcopy(dict(bench.config))
    shared = bench.device.processes if not bench.device.gpus else 1
    settle_batch(config, setting.batch // shared, ())
    for key, value in (
        (WORKERS, setting.workers),
        ("Global.epoch_num", 1),
        ("Global.print_batch_step", 1),
        ("Global.log_smooth_window", 1),
        ("Global.save_epoch_step", 1_000_000),
        ("Global.eval_batch_step", [0, 1_000_000_000]),
        ("Global.eval_batch_epoch", None),
        ("Global.checkpoints", None),
        ("Global.use_visualdl", False),
        ("Global.use_wandb", False),
    ):
        set_key(config, key, value)
    return config


def run_trial(
    bench: Bench,
    config: dict[str, Any],
    name: str,
    *,
    steps: int,
    over: Callable[[Sequence[TrainProgress]], bool],
    deadline: float,
) -> TrialRun:
    """Train with `config` for `steps` steps at most, until `over` says that the progress so far is enough.

    No process of it is left behind, whatever ends this call.
    """
    bench.folder.mkdir(parents=True, exist_ok=True)
    labels = bench.folder / f"{name}.txt"
    write_samples(bench.labels, labels, lines_for(config, steps, bench.device))
    dataset = config["Train"]["dataset"]
    dataset["label_file_list"] = [str(labels)]
    if dataset.get("ratio_list") is not None:
        # As many samples as the trial needs are written for it.
        dataset["ratio_list"] = [1.0]
    set_key(config, "Global.save_model_dir", str(bench.folder / "trainer"))
    path = bench.folder / f"{name}.yml"
    write_config(config, path, private=True)
    try:
        return _follow(bench, path, bench.folder / f"{name}.log", over, deadline)
    finally:
        # It may hold credentials, and the samples may be many.
        path.unlink(missing_ok=True)
        labels.unlink(missing_ok=True)


def _follow(
    bench: Bench,
    config: Path,
    log: Path,
    over: Callable[[Sequence[TrainProgress]], bool],
    deadline: float,
) -> TrialRun:
    began = time.monotonic()
    parser, watch, witness = LogParser(), LogWatch(), OomKillMonitor()
    progress: list[TrainProgress] = []
    stopped = late = False
    child = Child.start(_argv(bench, config), env=bench.env, cwd=bench.folder, log=log)
    memory = MemoryPeak(child.pid)
    try:
        for item in child.items(tick_s=0.5):
            if not isinstance(item, Line):
                memory.look()
            else:
                watch.take(item.text)
                for event in parser.feed(item.text, time_ms=item.time_ms):
                    watch.see(event)
                    if isinstance(event, TrainProgress):
                        progress.append(event)
            late = time.monotonic() > deadline
            stopped = over(progress) or late or watch.hangs() is not None
            if stopped:
                memory.look()
                break
        outcome = None
        if not stopped or watch.hangs() is not None:
            child.close()
            outcome = decide_outcome(
                child.exit,
                stopped_by=None,
                failure=watch.verdict(),
                error=None,
                progressed=watch.progressed,
                kernel=witness.message(),
            )
    finally:
        child.close()
        witness.close()
    return TrialRun(
        progress=tuple(progress),
        outcome=outcome,
        late=late,
        memory=memory.peak,
        seconds=time.monotonic() - began,
    )


def _argv(bench: Bench, config: Path) -> list[str]:
    job = bench.folder / "train_script.json"
    if bench.job:
        job.write_text(json.dumps(dict(bench.job)), encoding="utf-8")
    return trainer_argv(
        bench.python,
        bench.paddleocr,
        config,
        bench.device,
        log_dir=fresh_folder(bench.folder),
        script_job=job if bench.job else None,
    )


def lines_for(config: Mapping[str, Any], steps: int, device: Device) -> int:
    """How many samples an epoch must have for `steps` steps not to be its end."""
    return (steps + 1) * most_samples(config) * device.processes


def write_samples(labels: Sequence[Path], out: Path, count: int) -> None:
    """`count` lines of the label files, drawn at random and always the same; where there are fewer, they are repeated."""
    lines: list[bytes] = []
    for path in labels:
        with open_regular(path) as stream:
            lines += [line.rstrip(b"\r\n") + b"\n" for line in stream if line.strip()]
    if not lines:
        raise TrainingFailed("there are no samples to train on.", hint="Look at the label files.")
    random.Random(0).shuffle(lines)  # noqa: S311 - the same samples each time, no secret
    with out.open("wb") as stream:
        for at in range(0, count, len(lines)):
            stream.writelines(lines[: count - at])


class MemoryPeak:
    """The most memory that a process and those it started had together: `peak` in bytes, None where it cannot be seen."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.peak: int | None = None

    def look(self) -> None:
        """Look once; pages that processes share count once where the system tells (PSS), else in each."""
        import psutil

        total = 0
        with contextlib.suppress(psutil.Error, OSError):
            parent = psutil.Process(self._pid)
            for process in [parent, *parent.children(recursive=True)]:
                with contextlib.suppress(psutil.Error, OSError):
                    found = process.memory_full_info()
                    total += int(getattr(found, "pss", 0) or found.rss)
        if total > (self.peak or 0):
            self.peak = total


def workers_of(config: Mapping[str, Any]) -> int:
    """The workers of the training's loader in a configuration."""
    return int(get_key(config, WORKERS, 0) or 0)
