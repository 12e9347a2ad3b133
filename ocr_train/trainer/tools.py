"""One of PaddleOCR's own tools (export_model.py, eval.py) as a child process, its output kept.

Settings go to it in a configuration file, never by `-o`: that splits on every `=`, and would break a path with one.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ocr_train.errors import SetupError, TrainingFailed
from ocr_train.trainer.device import Device, choose_device, trainer_env
from ocr_train.trainer.failures import exception_in
from ocr_train.trainer.imports import require_packages
from ocr_train.trainer.interpreter import interpreter, probe
from ocr_train.trainer.paddleocr import PaddleOcr, find_paddleocr
from ocr_train.trainer.process import Child, Line

LAST_LINES = 12
_NOT_LOADED = re.compile(
    # `load_pretrained_params` and `load_model` of ppocr/utils/save_load.py
    r"The shape of model params .* not matched|The pretrained params .* not in model|not in loaded params"
)


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """A PaddleOCR and the interpreter that runs it; `versions` are python, paddle and paddleocr."""

    python: Path
    paddleocr: PaddleOcr
    env: Mapping[str, str]
    versions: Mapping[str, str] = field(default_factory=dict)


def find_trainer(
    trainer_python: str, checkout: str, gpus: str | tuple[int, ...] = "cpu"
) -> tuple[Trainer, Device]:
    """The trainer of an interpreter (empty: this one) and a PaddleOCR checkout (empty: that interpreter's package).

    Of several `gpus` one is taken: the tools use one. Raises `SetupError`.
    """
    python = interpreter(trainer_python)
    facts = probe(python)
    paddleocr = find_paddleocr(checkout, facts)
    device = choose_device(gpus, facts)
    if len(device.gpus) > 1:
        device = choose_device(device.gpus[:1], facts)
    versions = {"python": facts.python, "paddle": facts.paddle, "paddleocr": paddleocr.version or "unknown"}
    env = trainer_env(os.environ, device)
    return Trainer(python=python, paddleocr=paddleocr, env=env, versions=versions), device


@dataclass(frozen=True, kw_only=True)
class ToolRun:
    """What a tool printed, line by line, and how it ended: `ended` is "exit code 0" where all went well."""

    ok: bool
    ended: str
    lines: Sequence[str]
    seconds: float

    @property
    def last_lines(self) -> str:
        """The end of the output, for an error: a traceback's frames are of no use to anybody but PaddleOCR."""
        lines = [line.rstrip() for line in self.lines if line.strip()]
        return "\n".join(f"  | {line[-300:]}" for line in lines[-LAST_LINES:])


def run_tool(argv: Sequence[str], trainer: Trainer, *, work: Path, name: str, timeout_s: float) -> ToolRun:
    """Run `argv` to its end in `work`, its output in `work`/`name`.log; nothing of it outlives this call.

    A tool that takes longer than `timeout_s` is ended and has not gone well. Raises `SetupError` where it cannot
    be started, or lacks packages: then with all of them.
    """
    work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    lines: list[str] = []
    stopped = ""
    child = Child.start(argv, env=trainer.env, cwd=work, log=work / f"{name}.log")
    try:
        for item in child.items():
            if isinstance(item, Line):
                lines.append(item.text)
            if time.monotonic() - started > timeout_s:
                stopped = f"stopped after {timeout_s:g} s"
                child.stop(grace_s=2.0)
                break
        run = ToolRun(
            ok=not stopped and child.exit.code == 0,
            ended=stopped or str(child.exit),
            lines=tuple(lines),
            seconds=time.monotonic() - started,
        )
    finally:
        child.close()
    if not run.ok and not stopped and "No module named" in exception_in(run.lines):
        root = trainer.paddleocr.root
        starts = [str(Path(one).relative_to(root)) for one in argv if Path(one).is_relative_to(root)]
        require_packages(trainer.python, root, starts)
    return run


def require_tool(trainer: Trainer, script: str) -> Path:
    """The path of PaddleOCR's `tools/`script; raises `SetupError` where this PaddleOCR lacks it."""
    path = trainer.paddleocr.root / "tools" / script
    if not path.is_file():
        raise SetupError(
            f"the PaddleOCR in {trainer.paddleocr.root} has no tools/{script}.",
            hint="Give a PaddleOCR that has it: --paddleocr FOLDER.",
        )
    return path


def require_weights_loaded(run: ToolRun, what: str) -> None:
    """Raise `TrainingFailed` where layers were left out: PaddleOCR only warns, and continues with random ones."""
    left_out = [line for line in run.lines if _NOT_LOADED.search(line)]
    if left_out:
        raise TrainingFailed(
            f"{what}: {len(left_out)} layer(s) of the checkpoint do not fit its configuration, such as: "
            f"{left_out[0].strip()[:300]}",
            hint="The checkpoint's own config.yml and dict.txt must lie beside it; export it from its run, or from a "
            "folder that holds both.",
        )


def failed(run: ToolRun, what: str, hint: str) -> TrainingFailed:
    """The error for a tool that did not go well, with the last lines that it printed."""
    return TrainingFailed(f"{what} failed ({run.ended}). Its last lines:\n{run.last_lines}", hint=hint)
