"""What a sweep does, decided before anything starts: the same for all trials, what is varied, by which metric it is judged.

space file + options -> SweepPlan -> the launch of each trial
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

from ocr_train.config.experiment import EXPERIMENTS, Experiment, load_experiment
from ocr_train.config.overrides import parse_overrides
from ocr_train.config.parameters import PARAMETERS, Launch
from ocr_train.errors import ConfigError
from ocr_train.redaction.redactor import redactor
from ocr_train.sweep.dimensions import Dimension, drawn_text, setting_text
from ocr_train.sweep.settings import GRID, PrunerSettings, SamplerSettings
from ocr_train.sweep.space import SpaceFile, require_none

FOR_TRIALS = {"export": "false", "sample_images": "0", "evaluation_images": "0", "keep_last": "1"}
"""What a trial does without, unless it is told otherwise: it is there for its score."""
EACH_EPOCH = "Global.eval_batch_epoch"
"""PaddleOCR's setting for evaluations at the end of epochs: there the scores of trials can be compared."""
OF_THE_MACHINE = frozenset(
    [
        *(
            "gpus",
            "cpus",
            "num_workers",
            "output",
            "trainer_python",
            "paddleocr",
            "hourly_usd",
            "backup",
            "keep_last",
        ),
        *("sample_images", "evaluation_images", "keep", "export", "stall_timeout_s", "nan_windows"),
    ]
)
"""Parameters that leave a trial's score as it is: they may change between two starts of one study."""
SCORES = {"det": ("hmean", "precision", "recall"), "rec": ("acc", "norm_edit_dis"), "cls": ("acc",)}
"""What an evaluation of each task measures, where more is better."""
MOST_GRID = 10_000


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """`fixed` is what all trials have in common, `metric` (more is better) what they are judged by; `epochs` are those of
    the longest trial; `task` and `hourly_usd` are the experiment's."""

    fixed: Launch
    dimensions: tuple[Dimension, ...]
    metric: str
    epochs: int
    task: str
    sampler: SamplerSettings
    pruner: PrunerSettings
    name: str
    hourly_usd: float | None = None

    def launch(self, values: Mapping[str, Any]) -> Launch:
        """The training with these values of the dimensions."""
        return with_values(self.fixed, values)

    def epochs_of(self, values: Mapping[str, Any]) -> int:
        """How many epochs the training with these values has."""
        return int(values.get("epochs", values.get("Global.epoch_num", self.epochs)))

    @property
    def grid_size(self) -> int | None:
        """How many trials the grid has; None where the sampler has none."""
        if self.sampler.name != GRID:
            return None
        size = 1
        for dimension in self.dimensions:
            size *= len(dimension.points)
        return size

    def grid(self) -> Iterator[dict[str, Any]]:
        """All combinations."""
        names = [dimension.name for dimension in self.dimensions]
        for values in product(*(dimension.points for dimension in self.dimensions)):
            yield dict(zip(names, values, strict=True))

    def described(self) -> dict[str, str]:
        """All that makes its trials comparable with each other, as texts without secrets."""
        plain = Launch()
        train = {
            f"train.{name}": str(redactor().value(name, value))
            for name, value in vars(self.fixed).items()
            if name not in OF_THE_MACHINE and name != "model" and value != getattr(plain, name)
        }
        space = {f"space.{dimension.name}": str(dimension) for dimension in self.dimensions}
        return {
            "model": self.fixed.model,
            "metric": self.metric,
            **train,
            **space,
            "sampler": str(self.sampler),
            "pruner": str(self.pruner),
        }


def with_values(launch: Launch, values: Mapping[str, Any]) -> Launch:
    """`launch` with the values of parameters and of PaddleOCR's settings (dotted names) laid over it."""
    given = {name: drawn_text(value) for name, value in values.items()}
    parameters = {name: text for name, text in given.items() if name in PARAMETERS}
    words = [shlex.quote(f"{name}={text}") for name, text in given.items() if name not in PARAMETERS]
    overrides = " ".join(filter(None, [launch.overrides, *words]))
    return replace(launch, **{"overrides": overrides, **parameters})


def make_plan(space: SpaceFile, options: Mapping[str, str]) -> SweepPlan:
    """The plan of `space` with the `options` that were given on the command line (they come first) laid over it.

    Values at the corners of each dimension are tried as launches: raises `ConfigError` with every problem.
    """
    given = {name: text for name, text in options.items() if text}
    varied = [one.name for one in space.dimensions if one.name in given]
    problems = [f"{name}: the sweep varies it: it cannot be given as an option, too" for name in varied]
    launch = Launch(**{**FOR_TRIALS, "model": space.model, **dict(space.train), **given})
    if not launch.model:
        require_none(["model: which one? Name it in the file or with --model"], space.source)
    launch = _evaluated_each_epoch(launch, space)
    first = {one.name: one.corners[0] for one in space.dimensions}
    base = _tried(with_values(launch, first), problems, "")
    known = set(problems)
    longest = base.epochs if base else 1
    for dimension in space.dimensions:
        for value in dimension.corners[1:] if base else dimension.corners:
            found: list[str] = []
            where = f"space.{dimension.name}={setting_text(value)}: "
            experiment = _tried(with_values(launch, {**first, dimension.name: value}), found, where)
            problems += [each for each in found if each.removeprefix(where) not in known]
            longest = max(longest, experiment.epochs if experiment else 1)
    metric = space.metric or (base.main_metric if base else "")
    if base:
        problems += _wrong_metric(metric, base)
    if space.sampler.name == GRID:
        problems += [
            f"space.{one.name}: a grid needs a list of choices, or a range with a step and without log"
            for one in space.dimensions
            if not one.points
        ]
    plan = SweepPlan(
        fixed=launch,
        dimensions=space.dimensions,
        metric=metric,
        epochs=longest,
        task=base.task if base else "",
        sampler=space.sampler,
        pruner=space.pruner,
        name=space.source.stem,
        hourly_usd=base.usd_an_hour if base else None,
    )
    if (plan.grid_size or 0) > MOST_GRID:
        problems.append(
            f"space: the grid has {plan.grid_size:,} points, more than {MOST_GRID:,}: take fewer steps"
        )
    require_none(problems, space.source)
    return plan


def _evaluated_each_epoch(launch: Launch, space: SpaceFile) -> Launch:
    """An evaluation at the end of each epoch, unless the file has something to say about when there is one."""
    names = [*parse_overrides(launch.overrides)[0], *(one.name for one in space.dimensions)]
    if any(name.lstrip("+").startswith("Global.eval_batch_") for name in names):
        return launch
    return with_values(launch, {EACH_EPOCH: 1})


def _tried(launch: Launch, problems: list[str], where: str) -> Experiment | None:
    try:
        return load_experiment(launch, EXPERIMENTS)
    except ConfigError as exc:
        lines = [line.removeprefix("  - ") for line in exc.problem.splitlines() if line.startswith("  - ")]
        problems += [f"{where}{line}" for line in islice(lines or [exc.problem], 20)]
        return None


def _wrong_metric(metric: str, experiment: Experiment) -> list[str]:
    known = dict.fromkeys([experiment.main_metric, *SCORES.get(experiment.task, ())])
    if metric in known:
        return []
    return [
        f"metric: {metric!r} is not one of {', '.join(known)}: what an evaluation measures, where more is better"
    ]
