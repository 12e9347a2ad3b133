"""Calculates the learning rate's schedule of a checkpoint again. Started by path, in the trainer's interpreter.

    PYTHON lr_schedule_script.py PADDLEOCR_ROOT CONFIG PDOPT EPOCH STEPS OLD_STEPS KIND

That interpreter may be as old as Python 3.7 and has none of our modules. PaddleOCR's own `build_lr_scheduler` makes the
schedule of CONFIG, which is then stepped from its beginning to where the checkpoint stands: so it is what a run of
this configuration has there, whatever the class, the version, the warm-up. Where the state in PDOPT is another, it is
replaced, and nothing else of the file. EPOCH is the checkpoint's, STEPS are those of an epoch now and OLD_STEPS then
(0: not known), KIND is the checkpoint's (latest, epoch, best).

Output: `SCHEDULE {"changed", "at", "total", "rate", "old_rate"}` or `SCHEDULE {"problem"}`. PDOPT, a pickle that was
screened, is read with no import beyond the arrays' own, and written to a temporary name first.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import sys
from pathlib import Path
from typing import Any

STATE = "LR_Scheduler"
"""What paddle.optimizer.Optimizer.state_dict calls it."""

SAME = 1e-6
"""Relative: two computers may differ in the last digit of a cosine."""

TRIED_STEPS = 100
ARRAYS = {
    "builtins": {"tuple", "bytes"},
    "__builtin__": {"tuple", "bytes"},
    "collections": {"OrderedDict"},
    "_codecs": {"encode"},
    "numpy": {"ndarray", "dtype"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy.core.numeric": {"_frombuffer"},
    "numpy._core.numeric": {"_frombuffer"},
}


class ArrayUnpickler(pickle.Unpickler):
    """Imports what arrays need and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The import, or `UnpicklingError`."""
        if name not in ARRAYS.get(module, ()):
            raise pickle.UnpicklingError("it would import " + module + "." + name)
        return super().find_class(module, name)


def main(argv: list[str]) -> None:
    """Compare, replace where needed, and print the answer."""
    # Our own modules lie beside this file: they must not stand in for others of the same name.
    sys.path[0] = argv[0]
    try:
        answer = lay_anew(argv)
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - whatever it is, it is said
        answer = {"problem": f"{type(exc).__name__}: {exc}"}
    sys.stdout.write("\nSCHEDULE " + json.dumps(answer) + "\n")


def lay_anew(argv: list[str]) -> dict[str, Any]:
    """The answer; the file at PDOPT holds the new state afterwards."""
    import yaml

    _, config_path, pdopt, epoch, steps, old_steps, kind = argv
    with Path(config_path).open(encoding="utf-8") as stream:
        config = yaml.safe_load(stream)
    epochs, per_epoch = int(config["Global"]["epoch_num"]), int(steps)

    def build() -> Any:
        from ppocr.optimizer import build_lr_scheduler  # type: ignore[import-not-found]

        return build_lr_scheduler(dict(config["Optimizer"]["lr"]), epochs, per_epoch)

    schedule = build()
    content, protocol = read(Path(pdopt))
    old = content.get(STATE) or {}
    answer = {"changed": False, "total": epochs * per_epoch, "old_rate": old.get("last_lr")}
    # A constant rate, which has no state: PaddleOCR takes it as it is.
    if not hasattr(schedule, "state_dict"):
        return answer
    at = place(old.get("last_epoch"), int(epoch), per_epoch, int(old_steps), kind)
    for _ in range(at):
        schedule.step()
    new = schedule.state_dict()
    answer.update(at=at, rate=float(schedule()))
    if same(old, new):
        return answer
    prove(build(), schedule, new, epochs * per_epoch - at)
    content[STATE] = new
    write(content, protocol, Path(pdopt))
    answer["changed"] = True
    return answer


def place(last: Any, epoch: int, steps: int, old_steps: int, kind: str) -> int:
    """At which step of the schedule training continues.

    Where an epoch has as many steps as before, at the checkpoint's own. Else at the same epoch: then the schedule ends
    with the training. Without OLD_STEPS a checkpoint of an epoch's end tells by itself, and of one in the middle of an
    epoch it is enough that it may lie there.
    """
    ended = epoch * steps
    if not isinstance(last, int):
        return ended
    if old_steps:
        return last if old_steps == steps else ended
    if kind == "best":
        return last if ended - steps < last <= ended else ended
    return ended


def same(old: Any, new: Any) -> bool:
    """Whether two states, or two values in them, go on in the same way."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(same(old[key], new[key]) for key in new)
    if isinstance(old, (int, float)) and isinstance(new, (int, float)):
        return math.isclose(old, new, rel_tol=SAME, abs_tol=1e-15)
    return bool(old == new)


def prove(restored: Any, continued: Any, state: dict[str, Any], left: int) -> None:
    """Raise where a schedule that gets `state` continues in another way than the one it was taken from."""
    restored.set_state_dict(dict(state))
    for _ in range(max(0, min(left, TRIED_STEPS))):
        restored.step()
        continued.step()
        if not math.isclose(restored(), continued(), rel_tol=1e-4, abs_tol=1e-12):
            raise ValueError(f"the schedule does not continue from its state: {restored()} {continued()}")


def read(path: Path) -> tuple[dict[str, Any], int]:
    """What the file holds, and the pickle protocol it is written in; as paddle.load reads it."""
    data = path.read_bytes()
    protocol = data[1] if data[:1] == b"\x80" else 2
    content = ArrayUnpickler(io.BytesIO(data), encoding="latin1").load()
    if not isinstance(content, dict):
        raise TypeError("the optimizer's file is not a dictionary")
    return content, min(protocol, pickle.HIGHEST_PROTOCOL)


def write(content: dict[str, Any], protocol: int, path: Path) -> None:
    """Write what paddle.load reads, whole or not at all; raises where it does not read it."""
    import paddle

    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as stream:
            pickle.dump(content, stream, protocol=protocol)
        loaded = paddle.load(str(part), return_numpy=True)
        if loaded[STATE] != content[STATE]:
            raise ValueError("Paddle reads another state than was written")
        part.replace(path)
    finally:
        if part.exists():
            part.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
