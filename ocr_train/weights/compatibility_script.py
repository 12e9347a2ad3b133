"""Builds a model as PaddleOCR's tools/train.py does, and prints its layers. Started by path, in the trainer's interpreter.

    PYTHON compatibility_script.py shapes PADDLEOCR_ROOT CONFIG
    PYTHON compatibility_script.py adapt JOB.json                   writes weights anew, by other names and rows

That interpreter may be as old as Python 3.7 and has none of our modules. tools/train.py itself builds the model, as
its version does it, up to where it would load weights: there it is stopped. No pickle is loaded, nothing is trained.
What `adapt` loads was screened before.
Output: `ANSWER {"layer": [sides]}`, of `adapt` `ANSWER {"layers": count}`, or nothing of the kind.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any


# No `except Exception` of PaddleOCR's must keep it from ending the build.
class Built(BaseException):
    """The model is there."""


class _Loader:
    """As much of a data loader as tools/train.py looks at before it builds the model."""

    def __len__(self) -> int:
        return 1


def main(argv: list[str]) -> None:
    """Do what the first argument names, with the others."""
    commands: dict[str, Any] = {"shapes": shapes, "adapt": adapt}
    commands[argv[0]](*argv[1:])


def adapt(job_path: str) -> None:
    """Write weights anew, whole or not at all: layers by other names, rows of a head in another order.

    JOB: {"weights", "target", "prefix": what the names of the wanted layers begin with, "rename": {new: old},
    "rows": {layer: [axis, [old row or -1, ...], first row that is a character's]}}
    """
    del sys.path[0]
    import numpy as np
    import paddle

    with Path(job_path).open(encoding="utf-8") as stream:
        job = json.load(stream)
    paddle.set_device("cpu")
    prefix = job["prefix"]
    old_names = {old: new for new, old in job["rename"].items()}
    found = {}
    for name, value in paddle.load(job["weights"]).items():
        if name.startswith(prefix):
            short = name[len(prefix) :]
            found[old_names.get(short, short)] = value
    for name, (axis, rows, first) in job["rows"].items():
        value = np.asarray(found[name])
        characters = np.take(value, range(first, value.shape[axis]), axis)
        mean = characters.mean(axis, keepdims=True, dtype="float64").astype(value.dtype)
        with_mean = np.concatenate([value, mean], axis)
        # -1 is the last: the mean.
        found[name] = paddle.to_tensor(np.take(with_mean, rows, axis))
    part = Path(job["target"] + ".part")
    paddle.save(found, str(part))
    part.replace(job["target"])
    answer({"layers": len(found)})


def answer(value: Any) -> None:
    """Print the answer, which PaddleOCR's own lines may stand around."""
    sys.stdout.write("\nANSWER " + json.dumps(value) + "\n")
    sys.stdout.flush()


def without_pretrained(part: Any) -> Any:
    """The architecture without weights that PaddleOCR would load, or download, while it builds the model."""
    if isinstance(part, dict):
        return {
            key: without_pretrained(value) if key != "pretrained" else False if value is True else None
            for key, value in part.items()
        }
    return part


def shapes(root: str, config_path: str) -> None:
    """Build the model and print its layers."""
    _, model = build(root, config_path)
    answer({name: list(value.shape) for name, value in model.state_dict().items()})


def build(root: str, config_path: str) -> tuple[dict[str, Any], Any]:
    """The configuration and the model, on the CPU, with nothing loaded."""
    # Our own modules are beside this file: they must not be imported instead of others of the same name.
    sys.path[0] = root
    import paddle
    import yaml

    with Path(config_path).open(encoding="utf-8") as stream:
        config = yaml.safe_load(stream)
    paddle.set_device("cpu")
    # Layers that start from nothing are the same each time.
    paddle.seed(0)
    config["Global"].update(checkpoints=None, pretrained_model=None, distributed=False, use_gpu=False)
    # They change how a model is run, not its layers, and may need a GPU.
    config["Global"].update(use_amp=False, use_sync_bn=False, to_static=False)
    config["Architecture"] = without_pretrained(config["Architecture"])
    config.setdefault("profiler_options", None)
    from tools import train  # type: ignore[import-not-found]

    built = []

    def load_model(_: Any, model: Any, *__: Any, **___: Any) -> None:
        built.append(model)
        raise Built

    train.load_model = load_model
    train.build_dataloader = lambda *_, **__: _Loader()
    with tempfile.TemporaryDirectory() as folder:
        config["Global"]["save_model_dir"] = folder
        arguments: list[Any] = [config, "cpu", logging.getLogger("ppocr"), None, 0]
        with contextlib.suppress(Built):
            train.main(*arguments[: train.main.__code__.co_argcount])
    return config, built[0]


if __name__ == "__main__":
    main(sys.argv[1:])
