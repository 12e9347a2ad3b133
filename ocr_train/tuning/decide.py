"""The search on a bench: what limits it on this machine, in which order it goes, what it came to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ocr_train.config.auto_values import AUTOMATIC, BATCH, LOADER
from ocr_train.config.epoch_steps import batch_key, batch_size
from ocr_train.doctor.rows import PROBLEM
from ocr_train.doctor.shared_memory import shared_memory_free, shared_memory_row
from ocr_train.ocr_engine.networks import cpu_count
from ocr_train.tuning.measurement import Measurement, Setting, averaged
from ocr_train.tuning.search import Search, SearchLimits, largest_batch
from ocr_train.tuning.trial import NOT_ENOUGH, Bench, measure, short_config, trial_failed, workers_of


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be found: `names` of AUTOMATIC, in the sizes and counts that are given, else as the search goes.
    `confirm`: measure what would be changed once more against what it was."""

    names: Sequence[str] = AUTOMATIC
    batch_sizes: Sequence[int] = ()
    worker_counts: Sequence[int] = ()
    confirm: bool = True


@dataclass(frozen=True, kw_only=True)
class TuningResult:
    """What was found: the setting `before`, the one `chosen`, every measurement in order, and what there is to say.
    A measurement of `before` may be missing, where there was no time for it or it did not fit."""

    before: Setting
    chosen: Setting
    measurements: Sequence[Measurement]
    notes: Sequence[str]
    took_s: float

    def of(self, setting: Setting) -> Measurement | None:
        """The measurements of one setting as one, None without any that was possible."""
        found = [one for one in self.measurements if one.setting == setting and not one.failure]
        return averaged(found) if found else None


def own_setting(bench: Bench) -> Setting:
    """What the configuration says, as the parameters mean it: processes on the CPU share a batch."""
    shared = bench.device.processes if not bench.device.gpus else 1
    return Setting(batch=batch_size(bench.config) * shared, workers=workers_of(bench.config))


def limits_of(bench: Bench, samples: int) -> SearchLimits:
    """What may be tried on this machine with so many training samples."""
    import psutil

    device, own = bench.device, own_setting(bench)
    shared = not device.gpus
    each = max(1, cpu_count() // device.here)

    def fits(setting: Setting) -> str:
        row = shared_memory_row(short_config(bench, setting), device.here, shared_memory_free())
        return row.found if row.status == PROBLEM else ""

    return SearchLimits(
        largest_batch=largest_batch(samples, own.batch, 1 if shared else device.processes),
        batch_step=device.processes if shared else 1,
        most_workers=each,
        # On a GPU the batches are in its own memory.
        free_memory=psutil.virtual_memory().available if shared else None,
        fits=fits,
    )


def decide(
    bench: Bench,
    samples: int,
    wish: Wish,
    *,
    deadline: float,
    on_measured: Callable[[Measurement], None],
) -> TuningResult:
    """Measure until the batch size and the number of workers that are wished for are found, or `deadline` (monotonic) is
    there; `samples` are those of the training set. Raises `TrainingFailed` where already the first one fails, for another reason
    than want of memory."""
    began = time.monotonic()
    taken: list[Measurement] = []

    def look(setting: Setting) -> Measurement | None:
        longest = max((one.took_s for one in taken), default=0.0)
        if time.monotonic() + longest > deadline:
            return None
        found = measure(bench, setting, deadline=deadline)
        if found is not None and found.failure not in ("", *NOT_ENOUGH) and not any(map(_good, taken)):
            raise trial_failed(found.why)
        if found is not None:
            taken.append(found)
            on_measured(found)
        return found

    before = own_setting(bench)
    search = Search(measure=look, limits=limits_of(bench, samples))
    # More workers than cores only wait for each other.
    workers = min(before.workers, search.limits.most_workers) if LOADER in wish.names else before.workers
    start = chosen = Setting(batch=before.batch, workers=workers)
    search.look(before if wish.confirm else start)
    if BATCH in wish.names and batch_key(bench.config):
        chosen = search.batch(start, wish.batch_sizes)
    if LOADER in wish.names:
        chosen = search.workers(chosen, wish.worker_counts)
    if wish.confirm:
        chosen = search.confirm(before, chosen)
    if not any(map(_good, taken)):
        chosen = before
    return TuningResult(
        before=before,
        chosen=chosen,
        measurements=tuple(taken),
        notes=tuple(search.notes),
        took_s=time.monotonic() - began,
    )


def _good(one: Measurement) -> bool:
    return not one.failure
