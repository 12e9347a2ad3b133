"""A program for the trainer's interpreter: checkpoints of many schedules, laid anew and trained on with Paddle's own
optimizer. `PYTHON schedule_driver.py PADDLEOCR_ROOT SCRIPT FOLDER CASES`; it prints `RATES {...}`.

A case is `[name, old, old_epochs, old_steps, new, new_epochs, new_steps, epoch, kind, told]`: the schedule `old` runs to
the end of `epoch` (of the middle of it for kind "best"), the checkpoint is laid anew for `new`, and training goes on to
the end. `told` says whether the old steps of an epoch are known.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any


def main(root: str, script: str, folder: str, cases: str) -> None:
    """Every case, one answer."""
    sys.path[0] = root
    specification = importlib.util.spec_from_file_location("lr_schedule_script", script)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    answers = {}
    for case in json.loads(cases):
        answers[case[0]] = run(module, root, Path(folder), case)
    print("RATES " + json.dumps(answers))


def run(module: Any, root: str, folder: Path, case: list[Any]) -> dict[str, Any]:
    """One checkpoint, laid anew."""
    import paddle
    import yaml
    from ppocr.optimizer import build_lr_scheduler  # type: ignore[import-not-found]

    name, old, old_epochs, old_steps, new, new_epochs, new_steps, epoch, kind, told = case
    done = epoch * old_steps - (old_steps // 2 if kind == "best" else 0)
    pdopt, config = folder / f"{name}.pdopt", folder / f"{name}.yml"
    optimizer, _ = trained(build_lr_scheduler(dict(old), old_epochs, old_steps), done)
    paddle.save(optimizer.state_dict(), str(pdopt))
    config.write_text(yaml.safe_dump({"Global": {"epoch_num": new_epochs}, "Optimizer": {"lr": new}}))
    before, moments = pdopt.read_bytes(), arrays(pdopt)
    said = io.StringIO()
    argv = [root, str(config), str(pdopt), str(epoch), str(new_steps), str(old_steps if told else 0), kind]
    with contextlib.redirect_stdout(said):
        module.main(argv)
    answer = json.loads(said.getvalue().strip().removeprefix("SCHEDULE "))
    at = answer.get("at", 0)

    _, whole = trained(build_lr_scheduler(dict(new), new_epochs, new_steps), at)
    resumed, again = trained(build_lr_scheduler(dict(new), new_epochs, new_steps), 0)
    resumed.set_state_dict(paddle.load(str(pdopt)))
    left = new_epochs * new_steps - at
    return {
        **answer,
        "same_bytes": pdopt.read_bytes() == before,
        "same_moments": arrays(pdopt) == moments,
        "resumed": rates(resumed, again, left),
        "expected": rates(None, whole, left),
    }


def trained(schedule: Any, steps: int) -> tuple[Any, Any]:
    """An optimizer with moments, and its schedule, after so many steps."""
    import paddle

    paddle.seed(1)
    with paddle.utils.unique_name.guard():
        layer = paddle.nn.Linear(2, 2)
        optimizer = paddle.optimizer.Adam(learning_rate=schedule, parameters=layer.parameters())
        layer(paddle.ones([1, 2])).sum().backward()
        optimizer.step()
    if hasattr(schedule, "step"):
        for _ in range(steps):
            schedule.step()
    return optimizer, schedule


def rates(optimizer: Any, schedule: Any, steps: int) -> list[float]:
    """The rates of the next steps."""
    found = []
    for _ in range(steps):
        found.append(
            float(optimizer.get_lr() if optimizer else schedule() if callable(schedule) else schedule)
        )
        if hasattr(schedule, "step"):
            schedule.step()
    return found


def arrays(pdopt: Path) -> dict[str, Any]:
    """All values but the schedule's state."""
    import paddle

    found = paddle.load(str(pdopt), return_numpy=True)
    return {
        key: getattr(value, "tolist", lambda v=value: v)()
        for key, value in found.items()
        if key != "LR_Scheduler"
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
