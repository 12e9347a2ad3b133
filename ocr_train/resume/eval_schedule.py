"""Evaluations after a resume fall on the same steps of the run as without the interruption."""

from __future__ import annotations

from typing import Any

from ocr_train.config.overrides import get_key, set_key


def keep_phase(config: dict[str, Any], *, offset: int, epochs_done: int, steps: int, epochs: int) -> str:
    """Shift `Global.eval_batch_step` by the steps that were done before; one line for people, or nothing.

    Where none would fall in the rest of the run, one comes at its end: without it the rest has no score.

    PaddleOCR counts from 0 again and evaluates at step g where g > start and (g - start) is a multiple of the
    interval (tools/program.py). `offset` are the run's steps so far, `steps` those of an epoch. An interval in
    epochs stays one: after every so many epochs, counted from the very beginning.
    """
    interval = get_key(config, "Global.eval_batch_step", None)
    per_epochs = get_key(config, "Global.eval_batch_epoch", None)
    if interval is None and not per_epochs:
        return ""
    if per_epochs and (interval is None or isinstance(interval, list)):
        if int(per_epochs) == 1:
            # Every epoch is every epoch, whatever was before.
            return ""
        every = steps * int(per_epochs)
        start = -((epochs_done % int(per_epochs)) * steps)
    else:
        first, every = interval[:2] if isinstance(interval, list) else (0, interval)
        start = first - offset if first >= offset else -((offset - first) % every)
    set_key(config, "Global.eval_batch_step", [start, every])
    set_key(config, "Global.eval_batch_epoch", None)
    rest = steps * (epochs - epochs_done)
    if start + every <= rest:
        return ""
    set_key(config, "Global.eval_batch_step", [0, rest])
    return (
        f"no evaluation of every {every} steps is due in the rest of this run: one runs at its end, "
        f"after step {offset + rest}"
    )
