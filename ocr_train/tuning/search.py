"""Which batch size and how many loader workers to take: measures as few settings as it can, and says why it stopped.

The batch first, doubled from the experiment's own; the workers at that batch. What the experiment has is kept unless
another setting is faster by more than a measurement is wrong by: its learning rate is for its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ocr_train.disk import human
from ocr_train.tuning.measurement import Measurement, Setting, averaged

GAIN = 0.05
"""So much faster (samples a second) is worth a change; less may be the machine's other work."""
LEAST_STEPS = 8
"""An epoch of fewer steps moves the weights too rarely, however fast it is over."""
USABLE = 0.9
"""Of the memory that is free: the rest is for others."""

Measure = Callable[[Setting], Measurement | None]
"""Measures a setting; None where there is no time left for it."""


@dataclass(frozen=True, kw_only=True)
class SearchLimits:
    """What may be tried: batches up to `largest_batch`, which `batch_step` divides, `most_workers` workers. `free_memory` are
    bytes, None where that is not known; `fits` says why the loader's workers would not have room, or nothing."""

    largest_batch: int
    batch_step: int = 1
    most_workers: int = 0
    free_memory: int | None = None
    fits: Callable[[Setting], str] = lambda _: ""


@dataclass(kw_only=True)
class Search:
    """The settings that were measured, in order, and what there is to say of the decisions (`notes`)."""

    measure: Measure
    limits: SearchLimits
    seen: dict[Setting, list[Measurement]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    out_of_time: bool = False

    def look(self, setting: Setting, *, again: bool = False) -> Measurement | None:
        """The measurement of a setting, taken once, or once more; None where there is no time for it."""
        if setting not in self.seen or again:
            found = None if self.out_of_time else self.measure(setting)
            if found is None:
                self._say_time()
            else:
                self.seen.setdefault(setting, []).append(found)
        return averaged(self.seen[setting]) if setting in self.seen else None

    def batch(self, start: Setting, sizes: Sequence[int] = ()) -> Setting:
        """The best batch at the workers of `start`: of `sizes` where they are given, else doubled and halved from `start`."""
        if sizes:
            return self._of_list([Setting(batch=size, workers=start.workers) for size in sorted(sizes)])
        base = self._fitting(start)
        if base is None or not self._good(base):
            return base or start
        best = self._upwards(base)
        return self._downwards(base) if best == base and base == start else best

    def workers(self, start: Setting, counts: Sequence[int] = ()) -> Setting:
        """The best number of workers for the batch of `start`: of `counts`, else the fewest that keep the model fed."""
        if counts:
            return self._of_list([Setting(batch=start.batch, workers=count) for count in sorted(counts)])
        best: Setting | None = None
        for count in _workers_up_to(self.limits.most_workers):
            tried = Setting(batch=start.batch, workers=count)
            why = self.limits.fits(tried) if count else ""
            found = None if why else self.look(tried)
            if found is None or found.failure:
                if why:
                    self._note(f"num_workers={count} was not tried: {why}")
                if found is not None:
                    self._note(_of_failure(found))
                break
            if best is not None and not self._faster(tried, best):
                break
            best = tried
            if found.reader_share < GAIN:
                # More workers cannot gain more than what is waited for.
                break
        known = start in self.seen and self._good(start)
        return self._better(start, best) if known and best is not None else best or start

    def confirm(self, base: Setting, chosen: Setting) -> Setting:
        """`chosen` where it is better than `base` when both are measured once more, one after the other; else `base`."""
        if chosen == base or not self._good(base) or not self._good(chosen):
            return chosen
        for setting in (base, chosen):
            self.look(setting, again=True)
        how = "measured once" if self.out_of_time else "measured twice, in turn"
        better = self._better(base, chosen)
        said = (
            "is the better one"
            if better == chosen
            else f"is not {GAIN:.0%} faster than {base}, which is kept"
        )
        self._note(f"{chosen} {said} ({how})")
        return better

    def _better(self, own: Setting, other: Setting) -> Setting:
        """The experiment's `own` setting, or the other one where that is faster; fewer workers need less memory, and are
        better where they are not slower."""
        if other.batch == own.batch and other.workers < own.workers:
            return own if self._faster(own, other) else other
        return other if self._faster(other, own) else own

    def _of_list(self, settings: Sequence[Setting]) -> Setting:
        """The best of the settings that were asked for: the first that none is faster than by `GAIN`."""
        best: Setting | None = None
        for tried in settings:
            found = self.look(tried)
            if found is None:
                break
            if found.failure:
                self._note(_of_failure(found))
                break
            if best is None or self._faster(tried, best):
                best = tried
        return best or settings[0]

    def _fitting(self, start: Setting) -> Setting | None:
        """`start`, or the first half of it that this machine has memory for."""
        tried = start
        while True:
            found = self.look(tried)
            if found is None:
                return None
            if not found.failure:
                return tried
            self._note(_of_failure(found))
            half = tried.batch // 2
            if half < self.limits.batch_step or half % self.limits.batch_step:
                return tried
            tried = Setting(batch=half, workers=tried.workers)

    def _upwards(self, base: Setting) -> Setting:
        best = base
        while True:
            tried = Setting(batch=best.batch * 2, workers=best.workers)
            if why := self._too_large(tried, best):
                self._note(why)
                return best
            found = self.look(tried)
            if found is None:
                return best
            if found.failure:
                self._note(_of_failure(found))
                return best
            if not self._faster(tried, best):
                self._note(f"batch_size={tried.batch} is not {GAIN:.0%} faster than {best.batch}")
                return best
            best = tried

    def _downwards(self, base: Setting) -> Setting:
        best = base
        while True:
            half = best.batch // 2
            if half < self.limits.batch_step or half % self.limits.batch_step:
                return best
            tried = Setting(batch=half, workers=best.workers)
            found = self.look(tried)
            if found is None or found.failure or not self._faster(tried, best):
                return best
            best = tried

    def _too_large(self, tried: Setting, last: Setting) -> str:
        if tried.batch > self.limits.largest_batch:
            return (
                f"batch_size={tried.batch} was not tried: an epoch would have fewer than {LEAST_STEPS} steps"
            )
        if tried.workers and (why := self.limits.fits(tried)):
            return f"batch_size={tried.batch} was not tried: {why}"
        used, free = self.seen[last][-1].memory, self.limits.free_memory
        if used is not None and free is not None and 2 * used > USABLE * free:
            return (
                f"batch_size={tried.batch} was not tried: it may need {human(2 * used)} of memory, and {human(free)} "
                "are free"
            )
        return ""

    def _faster(self, tried: Setting, than: Setting) -> bool:
        new, old = averaged(self.seen[tried]), averaged(self.seen[than])
        return new.samples_per_s >= (1 + GAIN) * old.samples_per_s

    def _good(self, setting: Setting) -> bool:
        return setting in self.seen and not any(one.failure for one in self.seen[setting])

    def _note(self, text: str) -> None:
        self.notes.append(text)

    def _say_time(self) -> None:
        if not self.out_of_time:
            self._note("the time was over before everything was tried: --max-minutes gives more")
        self.out_of_time = True


def _of_failure(found: Measurement) -> str:
    what = {
        "cuda_oom": "does not fit into the GPU's memory",
        "shared_memory": "does not fit into shared memory (/dev/shm)",
        "host_oom": "does not fit into memory",
        "trainer_killed": "was killed, most often for want of memory",
    }
    return f"{found.setting} {what.get(found.failure, f'failed: {found.why}')} ({found.failure})"


def _workers_up_to(most: int) -> list[int]:
    """0, 1, 2, 4, ... and the number itself."""
    counts = [0]
    count = 1
    while count < most:
        counts.append(count)
        count *= 2
    return counts + ([most] if most else [])


def first_batch(samples: int, own: int, devices: int) -> int:
    """Where to begin with a set of `samples`: the experiment's `own` batch, or, where that would not be filled once, as many
    times the half of it as leave an epoch `LEAST_STEPS` steps."""
    if samples >= own * max(1, devices):
        return own
    while own > 1 and samples < own * LEAST_STEPS * max(1, devices):
        own //= 2
    return own


def largest_batch(samples: int, own: int, devices: int) -> int:
    """The largest batch worth a try for a set of `samples`: an epoch keeps `LEAST_STEPS` steps on `devices` processes
    that do not share a batch; the experiment's `own` is allowed in any case."""
    return max(own, samples // (LEAST_STEPS * max(1, devices)))
