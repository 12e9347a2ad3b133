"""The trainer's interpreter: PaddlePaddle, PaddleOCR, and whether each device calculates.

One child runs a small convolution, forward and backward, on the CPU and on each GPU: a CUDA, cuDNN or compute
capability that does not fit fails there, and a processor without AVX ends the child by a signal.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocr_train.doctor.rows import CheckRow, fine, problem, warning
from ocr_train.errors import SetupError
from ocr_train.trainer.failures import reason_in
from ocr_train.trainer.interpreter import PROBE_TIMEOUT_S, Facts, Reply, ask
from ocr_train.trainer.paddleocr import PaddleOcr, find_paddleocr

PYTHONS = ((3, 10), (3, 12))
"""The oldest and the newest Python that the locked environment is for; an interpreter of your own may be older."""

# Runs in the trainer's interpreter, which may be as old as Python 3.7: plain syntax only.
_SCRIPT = r"""
import json, sys
import paddle
found = {"cuda": "", "cudnn": "", "devices": []}
for key in ("cuda", "cudnn"):
    try:
        found[key] = str(getattr(paddle.version, key)())
    except Exception:
        pass
names = ["cpu"]
if paddle.device.is_compiled_with_cuda():
    names += ["gpu:%d" % number for number in range(paddle.device.cuda.device_count())]
for name in names:
    device = {"name": name, "error": "", "capability": ""}
    try:
        if name != "cpu":
            number = int(name.partition(":")[2])
            device["capability"] = ".".join(map(str, paddle.device.cuda.get_device_capability(number)))
        paddle.set_device(name)
        images = paddle.ones([2, 3, 16, 16])
        layer = paddle.nn.Conv2D(3, 4, 3)
        loss = layer(images).mean()
        loss.backward()
        float(loss)
        float(layer.weight.grad.sum())
    except Exception as exc:
        lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
        device["error"] = ": ".join([type(exc).__name__] + lines[-1:])
    found["devices"].append(device)
sys.stdout.write("\nRUNS " + json.dumps(found) + "\n")
"""


def run_paddle(python: Path, env: Mapping[str, str] | None = None) -> Reply:
    """Have Paddle calculate on each device of `python`: the child's answer."""
    # Not the current folder: its files must not shadow packages.
    return ask(
        [str(python), "-c", _SCRIPT],
        env=os.environ if env is None else env,
        cwd=python.parent,
        timeout_s=PROBE_TIMEOUT_S,
    )


def paddle_rows(python: Path, facts: Facts, reply: Reply) -> list[CheckRow]:
    """What the interpreter has, and whether its devices calculate."""
    build = "GPU build" if facts.cuda else "CPU build"
    rows = [fine("trainer's Python", f"{facts.python} in {python}, PaddlePaddle {facts.paddle} ({build})")]
    if _major(facts.versions.get("numpy", "")) >= 2:
        error = SetupError(
            f"numpy {facts.versions['numpy']} in {python}: with numpy 2 PaddleOCR's detection samples fail one by one, "
            "and training hangs.",
            hint=f"{python} -m pip install 'numpy<2'",
        )
        rows.append(problem("numpy", error))
    found = reply.last("RUNS")
    if found is None:
        return [*rows, problem("Paddle runs", SetupError(_why(reply), hint=_try(python)))]
    return [*rows, *_device_rows(python, found)]


def _device_rows(python: Path, found: Mapping[str, Any]) -> list[CheckRow]:
    devices: Sequence[Mapping[str, str]] = found["devices"]
    broken = [
        problem(
            f"Paddle on {device['name']}",
            SetupError(
                f"a small convolution fails{_capability(device)}: {device['error']}", hint=_try(python)
            ),
        )
        for device in devices
        if device["error"]
    ]
    works = [f"{device['name']}{_capability(device)}" for device in devices if not device["error"]]
    if not works:
        return broken
    versions = [
        f"{name} {found[key]}"
        for key, name in (("cuda", "CUDA"), ("cudnn", "cuDNN"))
        if found[key] not in ("", "False", "0")
    ]
    with_them = f"; {', '.join(versions)}" if versions else ""
    return [
        fine("Paddle runs", f"a convolution forward and backward on {', '.join(works)}{with_them}"),
        *broken,
    ]


def paddleocr_row(checkout: str, facts: Facts) -> tuple[CheckRow, PaddleOcr | None]:
    """The PaddleOCR that trains, and its version."""
    subject = "PaddleOCR"
    try:
        found = find_paddleocr(checkout, facts)
    except SetupError as exc:
        return problem(subject, exc), None
    if not found.version:
        todo = "Nothing, where you know it: runs cannot say which one it was."
        return warning(subject, f"of an unknown version, in {found.root}", todo), found
    return fine(subject, f"{found.version} in {found.root}"), found


def _why(reply: Reply) -> str:
    if reply.not_started:
        return f"it cannot be started: {reply.not_started}"
    if reply.code is None:
        return f"a small convolution did not end within {PROBE_TIMEOUT_S:.0f} s."
    if reply.code < 0:
        name = signal.Signals(-reply.code).name if -reply.code in list(signal.Signals) else str(-reply.code)
        avx = ": this processor may lack AVX, which Paddle is built for" if name == "SIGILL" else ""
        return f"a small convolution ends Paddle by {name}{avx}."
    return f"a small convolution fails: {reason_in(reply.stderr.splitlines()) or 'no output'}"


def _try(python: Path) -> str:
    return f"Try `{python} -c 'import paddle; paddle.utils.run_check()'`; docs/requirements.md has the builds that work."


def _capability(device: Mapping[str, str]) -> str:
    return f" (compute capability {device['capability']})" if device["capability"] else ""


def _major(version: str) -> int:
    first = version.partition(".")[0]
    return int(first) if first.isdecimal() else 0
