"""The parameters of a training as they were given: what `mlflow run . -P ...` and `train --...` have in common."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The parameters as they were given, all text; empty means: what the experiment says."""

    model: str = "det"
    data: str = ""
    resume: str = ""
    weights_only: str = ""
    resume_mode: str = "new"
    epochs: str = ""
    batch_size: str = ""
    learning_rate: str = ""
    overrides: str = ""
    gpus: str = "auto"
    seed: str = ""
    trainer_python: str = ""
    paddleocr: str = ""
    val: str = "0.2"
    on_bad_sample: str = "stop"
    backup: str = ""
    stall_timeout_s: str = "1800"
    nan_windows: str = "5"
    offline: str = "false"
    keep_last: str = ""
    sample_images: str = "8"
    evaluation_images: str = "1000"
    export: str = "true"
    register: str = ""
    hourly_usd: str = ""
    output: str = ""

    def without_secrets(self, hide: Callable[[str, str], str]) -> Launch:
        """The same with the values that `hide` makes of each parameter's name and value: what may be shown."""
        return Launch(**{name: hide(name, value) for name, value in vars(self).items()})

    def command(self, start: str = "mlflow run .", *, options: bool = False) -> str:
        """The command that repeats this launch, quoted for a shell; defaults are left out.

        `start` is what it begins with; `options`: `--name value` follows, as our own command line takes it, not
        `-P name=value`.
        """
        plain = Launch()
        words = [start]
        for name in MLPROJECT_PARAMETERS:
            value = getattr(self, name)
            if name == "model" or value != getattr(plain, name):
                words.append(_option(name, value) if options else f"-P {name}={shlex.quote(value)}")
        return " ".join(words)


def start_of(command: str) -> tuple[str, bool]:
    """What the tag `launch_command` of a run begins with, before its parameters, and whether they are `options`: the
    arguments of `Launch.command` for another command like it."""
    ours = " -m ocr_train train"
    if not command.startswith("mlflow run ") and ours in command:
        return command.partition(ours)[0] + ours, True
    start = command.partition(" -P ")[0]
    return (start if start.startswith("mlflow run ") else "mlflow run ."), False


def _option(name: str, value: str) -> str:
    # What begins with a dash would be taken for an option of its own.
    sign = "=" if value.startswith("-") else " "
    return f"--{name.replace('_', '-')}{sign}{shlex.quote(value)}"


MLPROJECT_PARAMETERS = (
    *("model", "data", "resume", "weights_only", "resume_mode", "epochs", "batch_size", "learning_rate"),
    *("overrides", "gpus", "seed", "trainer_python", "paddleocr", "val", "on_bad_sample", "backup"),
    *("stall_timeout_s", "nan_windows"),
    *("offline", "keep_last"),
    *("sample_images", "evaluation_images", "export", "register", "hourly_usd", "output"),
)
