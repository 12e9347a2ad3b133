"""A short training of the real trainer on a few samples: what a step takes, and so what all of them take.

It is `train` itself, in a child, offline, in a folder that is removed: the model of the experiment from random values,
because what a step takes does not depend on them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ocr_train.config.epoch_steps import most_samples, samples_per_epoch, steps_per_epoch
from ocr_train.config.experiment import Experiment
from ocr_train.config.overrides import get_key, set_key
from ocr_train.config.started import with_own_package
from ocr_train.cost import Estimate, estimate
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.data.layout import Layout
from ocr_train.doctor.data_sample import copy_samples
from ocr_train.doctor.rows import CheckRow, fine, problem
from ocr_train.errors import DataError, TrainingFailed
from ocr_train.events import EvalCompleted, TrainProgress
from ocr_train.trainer.interpreter import ask
from ocr_train.trainer.log_parser import parse_lines

SUBJECT = "time and cost"
STEPS = 6
SKIPPED = 2
"""The first steps also load libraries and fill the loader's queue."""
VALIDATED = 8
TIMEOUT_S = 900.0


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """What the trial measured: seconds for a training sample of all processes together, and for one that is evaluated (0
    where that is not known); `start_s` is everything around both; `batch` are the samples of a step."""

    seconds_per_sample: float
    evaluation_s_per_sample: float
    start_s: float
    batch: int
    steps: int


def try_training(
    experiment: Experiment, trainer: Mapping[str, Any], layout: Layout | None, processes: int, work: Path
) -> TrialResult:
    """Train a few steps of `trainer`, the experiment's configuration with its paths found, on the samples of `layout`, or
    on the demo set; raises `TrainingFailed`, `DataError`."""
    batch = most_samples(trainer) * (processes if experiment.gpus != "cpu" else 1)
    data = work / "trial-data"
    _write_data(experiment, layout, data, train=STEPS * batch)
    config = work / "trial.yml"
    config.write_text(
        yaml.safe_dump(trial_config(trainer), sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    began = time.monotonic()
    reply = ask(
        trial_argv(experiment, config, data, work / "trial"),
        env=_environment(),
        cwd=work,
        timeout_s=TIMEOUT_S,
    )
    seconds = time.monotonic() - began
    log = next(iter(sorted((work / "trial").glob("*/train.log"))), None)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log else []
    if reply.code != 0:
        said = [line for line in reply.stderr.splitlines() if line.strip()][:6]
        raise TrainingFailed(
            "the trial training failed: " + (" ".join(said) or f"it did not end within {TIMEOUT_S:.0f} s."),
            hint="A training would fail in the same way: fix what it says first.",
        )
    return measured(lines, processes=processes, seconds=seconds)


def measured(lines: Sequence[str], *, processes: int, seconds: float) -> TrialResult:
    """The result in the trainer's log: each process prints its own samples. Raises `TrainingFailed` without enough steps."""
    events = list(parse_lines(lines))
    steps = [
        (one.metrics.get("train/batch_cost_s", 0.0), one.metrics.get("train/samples", 0.0))
        for one in events
        if isinstance(one, TrainProgress)
    ]
    used = [step for step in steps[SKIPPED:] if min(step) > 0]
    if not used:
        raise TrainingFailed(
            f"the trial training logged {len(steps)} step(s): too few to tell what one takes.",
            hint="Measure with a longer training: --epochs 1.",
        )
    cost, samples = (sum(column) for column in zip(*used, strict=True))
    rates = [one.metrics.get("eval/fps", 0.0) for one in events if isinstance(one, EvalCompleted)]
    trained = sum(step[0] for step in steps)
    return TrialResult(
        seconds_per_sample=cost / (samples * processes),
        evaluation_s_per_sample=1 / rates[-1] if rates and rates[-1] > 0 else 0.0,
        start_s=max(0.0, seconds - trained),
        batch=round(samples * processes / len(used)),
        steps=len(used),
    )


def trial_config(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the trial: one epoch, each step logged by itself, one evaluation, nothing loaded."""
    config = deepcopy(dict(trainer))
    for key, value in (
        ("Global.epoch_num", 1),
        ("Global.print_batch_step", 1),
        ("Global.log_smooth_window", 1),
        ("Global.save_epoch_step", 1000),
        ("Global.eval_batch_step", [0, 1000000]),
        ("Global.eval_batch_epoch", None),
        ("Global.pretrained_model", None),
        ("Global.checkpoints", None),
    ):
        set_key(config, key, value)
    if get_key(config, "Train.dataset.ratio_list", None) is not None:
        # As many samples as the trial needs are written for it.
        set_key(config, "Train.dataset.ratio_list", [1.0])
    return config


def trial_argv(experiment: Experiment, config: Path, data: Path, output: Path) -> list[str]:
    """The command of the trial."""
    launch = experiment.launch
    options = {
        "model": config,
        "data": data,
        "output": output,
        "gpus": launch.gpus,
        "cpus": launch.cpus,
        "trainer-python": launch.trainer_python,
        "paddleocr": launch.paddleocr,
        "on-bad-sample": "quarantine",
        "offline": "true",
        "sample-images": 0,
        "evaluation-images": 0,
        "export": "false",
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "ocr_train", "train", *words]


def estimate_rows(
    experiment: Experiment,
    trial: TrialResult,
    *,
    train: int,
    val: int,
    processes: int,
    machines: int,
    about: bool,
    parts: Sequence[int] = (),
) -> tuple[list[CheckRow], Estimate | None]:
    """What the whole training takes, for people and as a value; None where the number of samples is not known.

    `processes` are those of one machine, on which the trial ran; several `machines` are taken to share the work evenly.
    `parts` are the training samples of several sources, of which an epoch takes what `ratio_list` says.
    """
    price = experiment.hourly_usd
    speed = f"{trial.seconds_per_sample:.3g} s a sample (mean of {trial.steps} steps of {trial.batch})"
    if not train:
        return [fine(SUBJECT, f"{speed}; how many samples there are is not known")], None
    counts = parts or [train]
    steps = max(1, steps_per_epoch(experiment.trainer, counts, processes * machines))
    found = estimate(
        seconds_per_sample=trial.seconds_per_sample / machines,
        samples=max(1, samples_per_epoch(experiment.trainer, counts)),
        epochs=experiment.epochs,
        hourly_usd=price,
        batch_size=trial.batch * machines,
        evaluation_s=trial.evaluation_s_per_sample * val * evaluations_per_epoch(experiment.trainer, steps),
        start_s=trial.start_s,
        machines=machines,
    )
    rough = "about " if about else ""
    money = f"; {found.usd:.2f} USD at {price:g} an hour" if found.usd is not None else ""
    said = (
        f"{speed}, {found.step_s:.3g} s a step; {rough}{spell_duration(found.epoch_s)} an epoch of {steps} steps, evaluation "
        f"included; {rough}{spell_duration(found.total_s)} for {experiment.epochs} epochs{money}"
    )
    return [fine(SUBJECT, said)], found


def evaluations_per_epoch(trainer: Mapping[str, Any], steps: int) -> float:
    """How often an epoch of `steps` steps is evaluated; one that would never come is made one each epoch."""
    if epochs := get_key(trainer, "Global.eval_batch_epoch", None):
        return 1 / int(epochs)
    interval = get_key(trainer, "Global.eval_batch_step", None)
    every = int(interval[1] if isinstance(interval, list) else interval or 0)
    total = steps * int(get_key(trainer, "Global.epoch_num"))
    return steps / every if 0 < every <= total else 1.0


def spell_duration(seconds: float) -> str:
    """As people say it: 45 s, 12 min, 3 h 20 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def trial_problem(exc: TrainingFailed | DataError) -> CheckRow:
    """The row of a trial that did not end well."""
    return problem(SUBJECT, exc)


def _write_data(experiment: Experiment, layout: Layout | None, data: Path, *, train: int) -> None:
    if layout is None:
        demo = experiment.demo
        spec = DemoSpec(task=experiment.task, train=min(64, train), val=VALIDATED)
        if demo is not None:
            spec = DemoSpec(
                task=experiment.task,
                language=demo.language,
                train=min(64, train),
                val=VALIDATED,
                size=demo.size,
            )
        make_demo(data / "drawn", spec)
        layout = Layout(
            images=data / "drawn",
            train=(data / "drawn" / "train.txt",),
            val=(data / "drawn" / "val.txt",),
            dictionary=None,
        )
    data.mkdir(parents=True, exist_ok=True)
    if not copy_samples(layout, data, train=train, val=VALIDATED):
        raise DataError("none of the first samples can be read: there is nothing to try with.")


def _environment() -> dict[str, str]:
    """This process's, without its MLflow; our package is found wherever the child starts."""
    return with_own_package(
        {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    )
