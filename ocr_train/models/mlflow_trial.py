"""A model that is about to be logged, tried as it will be loaded: with the code that it brings along, nothing of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ocr_train.errors import SetupError
from ocr_train.trainer.failures import reason_in
from ocr_train.trainer.guard import Guard

_SCRIPT = """
import json, sys
job = json.load(sys.stdin)
sys.path.insert(0, job["code"])
from ocr_engine.pyfunc import _load_pyfunc
model = _load_pyfunc(job["exported"])
if job["image"]:
    model.predict({"image": [job["image"]]})
"""


def try_model(code: Path, exported: Path, example: str, *, timeout_s: float = 300) -> None:
    """Load the `exported` folders with the package in `code`, in this interpreter but in a process of its own, and
    read the example (base64, or nothing).

    Raises `SetupError` where that fails.
    """
    job = {"code": str(code.absolute()), "exported": str(exported.absolute()), "image": example}
    # If we are killed, the guard ends it.
    with Guard.start() as guard:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-B", "-c", _SCRIPT],
                input=json.dumps(job),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
                cwd=exported,
                env={**os.environ, **guard.env, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
            )
        except subprocess.TimeoutExpired as exc:
            raise _broken(f"it has not answered within {timeout_s:g} s") from exc
    if done.returncode:
        raise _broken(reason_in(done.stderr.splitlines()) or f"exit code {done.returncode}")


def _broken(why: str) -> SetupError:
    return SetupError(
        f"the model does not work in the environment that it names: {why}.",
        hint="It was not logged; the exported folder is complete, and `python -m ocr_train register FOLDER` logs it later.",
    )
