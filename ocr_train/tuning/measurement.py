"""What a short training with one setting has shown: seconds a step, samples a second, the share of waiting, memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from ocr_train.events import TrainProgress

SKIPPED = 2
"""The first steps also load libraries."""
AHEAD = 2
"""So many batches a worker are ready before the first step is over: they say nothing of how fast batches come."""
SKIPPED_S = 15.0
"""Steps that take so long in all are enough to leave out: the loader cannot be what they wait for."""
STEPS, STEPS_S = 6, 4.0
"""So many steps are measured at least, and for so many seconds; or, where a step takes long, `FEW_STEPS` of them."""
FEW_STEPS, FEW_S = 2, 12.0


@dataclass(frozen=True, order=True, kw_only=True)
class Setting:
    """What is tried: `batch` as the parameter batch_size means it, and the loader's `workers`."""

    batch: int
    workers: int

    def __str__(self) -> str:
        return f"batch_size={self.batch} num_workers={self.workers}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the trainer's log: `seconds` in all, `reader` of them waiting for data; `samples` of this process."""

    seconds: float
    reader: float
    samples: float


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one short training has shown. `step_s` is of the median step, `samples_per_s` are those of all processes of this
    machine, `reader_share` (0 to 1) is the part of a step that waits for data, `memory` and `gpu_memory` are peaks in
    bytes, None where they are not known. With a `failure` (a `failure_reason`, explained in `why`) the figures are 0.
    `took_s` is everything."""

    setting: Setting
    steps: int = 0
    step_s: float = 0.0
    samples_per_s: float = 0.0
    reader_share: float = 0.0
    memory: int | None = None
    gpu_memory: int | None = None
    failure: str = ""
    why: str = ""
    took_s: float = 0.0


def steps_of(events: Sequence[TrainProgress]) -> list[Step]:
    """The steps of a log in which each has a line of its own."""
    found = [
        Step(
            seconds=event.metrics.get("train/batch_cost_s", 0.0),
            reader=event.metrics.get("train/reader_cost_s", 0.0),
            samples=event.metrics.get("train/samples", 0.0),
        )
        for event in events
    ]
    return [step for step in found if step.seconds > 0 and step.samples > 0]


def warm(steps: Sequence[Step], workers: int) -> Sequence[Step]:
    """The steps without the first ones."""
    skip, seconds = SKIPPED, sum(step.seconds for step in steps[:SKIPPED])
    while workers and skip < SKIPPED + AHEAD * max(2, workers) and skip < len(steps) and seconds < SKIPPED_S:
        seconds += steps[skip].seconds
        skip += 1
    return steps[skip:]


def enough(steps: Sequence[Step], workers: int) -> bool:
    """Whether these steps of a training tell what one takes."""
    used = warm(steps, workers)
    seconds = sum(step.seconds for step in used)
    return (len(used) >= max(STEPS, 3 * workers) and seconds >= STEPS_S) or (
        len(used) >= FEW_STEPS and seconds >= FEW_S
    )


def summed_up(
    steps: Sequence[Step],
    setting: Setting,
    processes: int,
    *,
    memory: int | None = None,
    gpu_memory: int | None = None,
    took_s: float = 0.0,
) -> Measurement | None:
    """The measurement of a training with these steps; None where there are too few.

    The median is over groups of as many steps as there are workers: batches come in bursts of that many.
    """
    used = warm(steps, setting.workers)
    if len(used) < FEW_STEPS:
        return None
    size = max(1, min(setting.workers, len(used) // 2))
    groups = [used[at : at + size] for at in range(0, len(used) - size + 1, size)]
    rate = median(
        sum(step.samples for step in group) / sum(step.seconds for step in group) for group in groups
    )
    mean_samples = fmean(step.samples for step in used)
    return Measurement(
        setting=setting,
        steps=len(used),
        step_s=mean_samples / rate,
        samples_per_s=rate * processes,
        reader_share=sum(step.reader for step in used) / sum(step.seconds for step in used),
        memory=memory,
        gpu_memory=gpu_memory,
        took_s=took_s,
    )


def averaged(measurements: Sequence[Measurement]) -> Measurement:
    """Several measurements of one setting as one."""
    first = measurements[0]
    if len(measurements) == 1:
        return first
    return Measurement(
        setting=first.setting,
        steps=sum(one.steps for one in measurements),
        step_s=fmean(one.step_s for one in measurements),
        samples_per_s=fmean(one.samples_per_s for one in measurements),
        reader_share=fmean(one.reader_share for one in measurements),
        memory=max((one.memory for one in measurements if one.memory is not None), default=None),
        gpu_memory=max((one.gpu_memory for one in measurements if one.gpu_memory is not None), default=None),
        took_s=sum(one.took_s for one in measurements),
    )
