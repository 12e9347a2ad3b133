"""The learning rate after a resume: calculated again where epochs, steps of an epoch or the schedule itself are others.

A checkpoint's `.pdopt` holds where its schedule stood, and Paddle goes on from there with the new settings: a cosine
that has come to 0 is multiplied on and stays 0 forever. So the state becomes that of the schedule as it is configured
now, at the step where training goes on; the optimizer's moments stay. Where nothing has changed, neither does the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.trainer.files import optimizer_of
from ocr_train.trainer.tools import Trainer, run_tool

SCRIPT = Path(__file__).with_name("lr_schedule_script.py")
TIMEOUT_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where training continues from: `prefix` is a copy of the checkpoint on this machine, of `kind` latest, best or epoch.

    `epoch` is the checkpoint's, `steps` are those of an epoch now and `old_steps` then, 0 where that is not known.
    """

    prefix: Path
    kind: str
    epoch: int
    steps: int
    old_steps: int = 0


def lay_anew(standing: Standing, trainer: Trainer, config: Path, *, timeout_s: float = TIMEOUT_S) -> str:
    """Make the schedule in `prefix`.pdopt that of `config`, as rendered for tools/train.py; one line, or nothing.

    The work is done in the trainer's interpreter, with its Paddle and its PaddleOCR. Where that fails the file stays
    as it was, and the line says so.
    """
    root = trainer.paddleocr.root
    if not (root / "ppocr" / "optimizer").is_dir():
        return _not_done(f"{root} has no ppocr/optimizer")
    argv = [str(trainer.python), str(SCRIPT), str(root), str(config.absolute())]
    argv += [str(optimizer_of(standing.prefix.absolute())), str(standing.epoch), str(standing.steps)]
    argv += [str(standing.old_steps), standing.kind]
    run = run_tool(argv, trainer, work=standing.prefix.parent, name="lr_schedule", timeout_s=timeout_s)
    answer = _answer(run.lines)
    if answer is None or "problem" in answer:
        why = (answer or {}).get("problem") or f"{run.ended} {(run.lines or [''])[-1]}".strip()
        return _not_done(why)
    return _describe(answer) if answer["changed"] else ""


def _not_done(why: str) -> str:
    return (
        f"the learning rate's schedule could not be compared with the checkpoint's ({why}): it continues as PaddleOCR "
        "does it, which is wrong where epochs, batch size, data or rate have changed"
    )


def _describe(answer: Mapping[str, Any]) -> str:
    old = answer.get("old_rate")
    was = f", where the checkpoint had {old:.6g}" if isinstance(old, float) and math.isfinite(old) else ""
    return (
        f"the learning rate's schedule is calculated again over {answer['total']} steps: at step {answer['at']} it is "
        f"{answer['rate']:.6g}{was}"
    )


def _answer(lines: Sequence[str]) -> dict[str, Any] | None:
    for line in reversed(lines):
        if line.startswith("SCHEDULE "):
            try:
                found = json.loads(line.removeprefix("SCHEDULE "))
            except ValueError:
                return None
            return found if isinstance(found, dict) else None
    return None
