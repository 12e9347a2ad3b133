"""Starts PaddleOCR's tools/train.py with layers that stay as they are, and with processes that wait for each other.
Started by path, in the trainer's interpreter.

    PYTHON train_script.py JOB.json TOOLS/train.py -c CONFIG ...

JOB: {"frozen": [layers that never change], "until": {layer: steps that it stays as it is}, "warm": [layers that train
faster], "warm_steps", "warm_factor", "freeze_bn": true, "done": steps of the run before this process, "meet": true}

All keys are left out where no layer stays as it is, but "meet": several processes train on the CPU.

No file of PaddleOCR is changed, and train.py runs as it is: only two functions that it imports are wrapped, to see the
model and the optimizer when they are made. A layer that never changes needs no gradient. One that is to change later
keeps its gradient and has the learning rate 0: that is all that several processes on several GPUs need to agree on.
A normalisation whose layer does not change keeps its statistics, too: it uses those that it has.
"""

from __future__ import annotations

import importlib.util
import json
import runpy
import sys
from pathlib import Path
from typing import Any


class Meeting:
    """Lets all processes begin a step together. Gloo gives up after 30 s of waiting for another process, and the first
    one evaluates while the others have nothing to do: they wait here instead, in Paddle's own store."""

    def __init__(self, model: Any) -> None:
        self.step = 0
        model.register_forward_pre_hook(self.meet)

    def meet(self, model: Any, _inputs: Any) -> None:
        """Say that this process is here, and wait for the others; an evaluation is nobody's business."""
        if not model.training:
            return
        from paddle.base import core
        from paddle.distributed import get_rank, get_world_size

        store = core.create_or_get_global_tcp_store()
        self.step += 1
        store.set(f"ocr_train/{self.step}/{get_rank()}", "1")
        for rank in range(get_world_size()):
            store.wait(f"ocr_train/{self.step}/{rank}")


class Freezer:
    """Keeps layers as they are, until their step has come."""

    def __init__(self, job: dict[str, Any], model: Any) -> None:
        self.job = job
        self.step = int(job["done"])
        self.parameters = dict(model.named_parameters())
        self.norms = {
            name: layer for name, layer in model.named_sublayers() if hasattr(layer, "_use_global_stats")
        }
        self.statistics = {name: layer._use_global_stats for name, layer in self.norms.items()}
        self.rates: dict[str, Any] = {}
        self.stage: Any = None

    def start(self, optimizer: Any) -> None:
        """Freeze what stays for ever, then what stays for now; look again after each step."""
        for name in self.job["frozen"]:
            if name in self.parameters:
                self.parameters[name].stop_gradient = True
        for name, parameter in self.parameters.items():
            self.rates[name] = (getattr(parameter, "optimize_attr", None) or {}).get("learning_rate", 1.0)
        clear_grad = optimizer.clear_grad

        def after_step(*arguments: Any, **named: Any) -> Any:
            self.step += 1
            self.settle()
            return clear_grad(*arguments, **named)

        optimizer.clear_grad = after_step
        self.settle()

    def settle(self) -> None:
        """Do what holds at this step, where that is something new."""
        held = {name for name, steps in self.job["until"].items() if self.step < steps}
        warming = self.step < self.job["warm_steps"]
        stage = (len(held), warming)
        if stage == self.stage:
            return
        first, self.stage = self.stage is None, stage
        warm = set(self.job["warm"]) if warming else set()
        for name, parameter in self.parameters.items():
            factor = 0.0 if name in held else self.job["warm_factor"] if name in warm else 1.0
            parameter.optimize_attr["learning_rate"] = self.rates[name] * factor
        still = held | set(self.job["frozen"])
        for name, norm in self.norms.items():
            ours = [name + "." + each for each in ("weight", "bias")]
            keeps = self.job["freeze_bn"] or any(each in still for each in ours)
            new = any(each in self.job["warm"] for each in ours)
            norm._use_global_stats = True if keeps and not new else self.statistics[name]
        trained = [name for name in self.parameters if name not in still]
        since = self.step + (0 if first else 1)
        count = f"{len(trained)} of {len(self.parameters)}"
        sys.stdout.write(f"freeze: from step {since} on {count} parameters are trained\n")
        sys.stdout.flush()


def main(job_path: str, script: str, arguments: list[str]) -> None:
    """Run `script` with `arguments`, frozen as the job says."""
    with Path(job_path).open(encoding="utf-8") as stream:
        job = json.load(stream)
    tools = Path(script).absolute().parent
    # As if it had been started itself.
    sys.argv = [script, *arguments]
    sys.path[0] = str(tools)
    sys.path.insert(0, str(tools.parent))
    if importlib.util.find_spec("ppocr") is not None:
        watch(job)
    runpy.run_path(script, run_name="__main__")


def watch(job: dict[str, Any]) -> None:
    """Wrap what makes the model and the optimizer."""
    import ppocr.optimizer as optimizers  # type: ignore[import-not-found]
    from ppocr.modeling import architectures  # type: ignore[import-not-found]

    build_model, build_optimizer = architectures.build_model, optimizers.build_optimizer
    made = []

    def watched_model(*positional: Any, **named: Any) -> Any:
        model = build_model(*positional, **named)
        if job.get("meet"):
            Meeting(model)
        if "frozen" in job:
            made.append(Freezer(job, model))
        return model

    def watched_optimizer(*positional: Any, **named: Any) -> Any:
        found = build_optimizer(*positional, **named)
        for freezer in made[-1:]:
            freezer.start(found[0])
        return found

    architectures.build_model = watched_model
    optimizers.build_optimizer = watched_optimizer


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
