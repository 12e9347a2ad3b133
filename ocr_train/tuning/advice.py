"""What to set and why: from measurements and a range test to values, a table and an answer for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from ocr_train.config.auto_values import is_rate_given
from ocr_train.config.epoch_steps import batch_size
from ocr_train.config.experiment import Experiment
from ocr_train.config.fine_tune import scale_rate
from ocr_train.config.overrides import get_key
from ocr_train.config.trainer_settings import PEAK, RATE, settle_batch
from ocr_train.disk import human
from ocr_train.tuning.decide import TuningResult
from ocr_train.tuning.measurement import Measurement, Setting
from ocr_train.tuning.rate_range import RateRange
from ocr_train.tuning.trial import Bench

NEAR = 2.0
"""A range test is no finer than this: a rate that is so near to the suggestion stays."""
HEADER = ("batch_size", "num_workers", "s a step", "samples/s", "waiting", "memory", "GPU memory")


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One parameter: what it is `now`, what it would be, and why; `value` is what to give, empty where it stays."""

    name: str
    now: str
    better: str
    why: str
    value: str = ""


def advise(
    experiment: Experiment, bench: Bench, decision: TuningResult, found: RateRange | None
) -> list[Advice]:
    """The parameters in the order of the command line; `found` is None where no rate was looked for."""
    before, chosen = decision.before, decision.chosen
    return [
        _of("batch_size", before.batch, chosen.batch, _faster(decision)),
        _of("num_workers", before.workers, chosen.workers, _fed(decision)),
        _of_rate(experiment, bench, chosen, found),
    ]


def rate_at(experiment: Experiment, bench: Bench, setting: Setting) -> float | None:
    """The learning rate of the experiment at that batch; None where its schedule has none."""
    config = deepcopy(dict(bench.config))
    own = rate_in(config)
    if own is None or is_rate_given(experiment.launch):
        return own
    devices = bench.device.processes
    per_batch = batch_size(config) * devices
    settle_batch(config, setting.batch // (devices if not bench.device.gpus else 1), ())
    # The rendered rate is already the one for the rendered batch.
    scale_rate(config, per_batch, devices)
    return rate_in(config)


def rate_in(config: Mapping[str, Any]) -> float | None:
    """The learning rate that a configuration's schedule is made from."""
    value = get_key(config, RATE, None)
    if value is None:
        value = get_key(config, PEAK, None)
    return float(value) if isinstance(value, int | float) else None


def epoch_seconds(decision: TuningResult, setting: Setting, samples: int) -> float | None:
    """Seconds of an epoch's steps with a setting, None where it was not measured."""
    found = decision.of(setting)
    return samples / found.samples_per_s if found else None


def row_of(one: Measurement) -> list[str]:
    """The cells of a measurement below `HEADER`."""
    setting = [str(one.setting.batch), str(one.setting.workers)]
    if one.failure:
        return [*setting, one.failure, "", "", "", ""]
    return [
        *setting,
        f"{one.step_s:.3g}",
        f"{one.samples_per_s:.3g}",
        f"{one.reader_share:.0%}",
        human(one.memory) if one.memory else "",
        human(one.gpu_memory) if one.gpu_memory else "",
    ]


def tuning_json(
    decision: TuningResult, found: RateRange | None, advice: Sequence[Advice]
) -> dict[str, object]:
    """All of it for programs."""
    rate = None
    if found is not None:
        rate = {
            "suggested": found.suggested,
            "why": found.why,
            "lowest": found.lowest,
            "diverged": found.diverged,
            "points": [[point.rate, point.loss, point.average] for point in found.points],
        }
    return {
        "before": vars(decision.before),
        "chosen": vars(decision.chosen),
        "measurements": [{**vars(one), "setting": vars(one.setting)} for one in decision.measurements],
        "notes": list(decision.notes),
        "learning_rate": rate,
        "advice": [vars(one) for one in advice],
        "set": {one.name: one.value for one in advice if one.value},
        "took_s": round(decision.took_s, 1),
    }


def _of(name: str, now: int, better: int, why: str) -> Advice:
    changed = now != better
    return Advice(name=name, now=str(now), better=str(better), why=why, value=str(better) if changed else "")


def _faster(decision: TuningResult) -> str:
    old, new = decision.of(decision.before), decision.of(decision.chosen)
    if decision.chosen.batch == decision.before.batch:
        return "no other batch was faster" if len(decision.measurements) > 1 else "no other batch was tried"
    if old is None or new is None:
        return "the experiment's own does not fit into this machine's memory, or was not measured"
    return f"{new.samples_per_s / old.samples_per_s - 1:+.0%} samples a second with both"


def _fed(decision: TuningResult) -> str:
    new = decision.of(decision.chosen)
    if new is None:
        return "not measured"
    return f"{new.reader_share:.0%} of a step waits for data" + (
        "" if decision.chosen.workers == decision.before.workers else "; more were not faster"
    )


def _of_rate(experiment: Experiment, bench: Bench, chosen: Setting, found: RateRange | None) -> Advice:
    own, now = rate_at(experiment, bench, chosen), rate_in(bench.config)
    shown = "" if now is None else f"{now:g}"
    kept = Advice(name="learning_rate", now=shown, better="" if own is None else f"{own:g}", why="")
    scaled = "" if own == now or own is None else f"; for this batch {now:g} becomes {own:g}"
    # Of an experiment that says for which batch its rate is, `train` scales it by itself.
    value = f"{own:g}" if scaled and not experiment.rate_batch else ""
    if found is None:
        return _why(kept, f"not tested{scaled}", value)
    if found.suggested is None:
        return _why(kept, f"{found.why}{scaled}", value)
    if own is not None and abs(math.log(found.suggested / own)) <= math.log(NEAR):
        return _why(kept, f"the range test says {found.suggested:g}, which is near{scaled}", value)
    return Advice(
        name="learning_rate",
        now=shown,
        better=f"{found.suggested:g}",
        why=found.why,
        value=f"{found.suggested:g}",
    )


def _why(advice: Advice, why: str, value: str) -> Advice:
    return Advice(name=advice.name, now=advice.now, better=advice.better, why=why, value=value)
