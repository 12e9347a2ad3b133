"""Questions to the interpreter that trains: what it can train with, and whatever else it alone knows.

It need not be the one that tracks: it may be another Python with another Paddle. Each question is a child that prints
its answer as a line of JSON, and does not outlive us.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.errors import SetupError
from ocr_train.trainer.failures import reason_in
from ocr_train.trainer.guard import Guard

PROBE_TIMEOUT_S = 180.0

# Runs in the trainer's interpreter, which may be as old as Python 3.7: plain syntax only.
_SCRIPT = r"""
import importlib.util, json, platform, sys
facts = {"python": platform.python_version(), "paddle": "", "cuda": False, "gpus": 0, "error": "", "roots": {},
         "versions": {}, "names": []}
for package in ("paddleocr", "unstructured_paddleocr"):
    try:
        spec = importlib.util.find_spec(package)
    except Exception:
        spec = None
    if spec is not None and spec.submodule_search_locations:
        facts["roots"][package] = list(spec.submodule_search_locations)[0]
try:
    from importlib import metadata
    for name in ("paddlepaddle", "paddlepaddle-gpu", "paddleocr", "unstructured-paddleocr", "numpy",
                 "opencv-python", "albumentations"):
        try:
            facts["versions"][name] = metadata.version(name)
        except Exception:
            pass
except ImportError:
    pass
try:
    import paddle
    facts["paddle"] = paddle.__version__
    facts["cuda"] = bool(paddle.device.is_compiled_with_cuda())
    if facts["cuda"]:
        facts["gpus"] = int(paddle.device.cuda.device_count())
        for index in range(facts["gpus"]):
            facts["names"].append(str(paddle.device.cuda.get_device_name(index)))
except Exception as exc:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    facts["error"] = ": ".join([type(exc).__name__] + lines[:1])
sys.stdout.write("\nFACTS " + json.dumps(facts) + "\n")
"""

_PACKAGES = r"""
import importlib.util, json, sys
found = {"missing": [], "versions": {}}
for name in sys.argv[1:]:
    try:
        there = importlib.util.find_spec(name) is not None
    except Exception:
        there = False
    if not there:
        found["missing"].append(name)
try:
    from importlib import metadata
    for one in metadata.distributions():
        tops = (one.read_text("top_level.txt") or "").split()
        tops = tops or {file.parts[0].partition(".")[0] for file in one.files or []}
        if set(tops) & set(sys.argv[1:]):
            found["versions"][one.metadata["Name"]] = one.version
except ImportError:
    pass
sys.stdout.write("\nPACKAGES " + json.dumps(found) + "\n")
"""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the child printed, and its exit `code`; `code` is None where it was not started, or did not end in time.

    `not_started` says why it could not be started, empty where it was.
    """

    stdout: str = ""
    stderr: str = ""
    code: int | None = None
    not_started: str = ""

    def last(self, mark: str) -> dict[str, Any] | None:
        """The JSON object of the last line that begins with `mark` and a space; None where there is none."""
        for line in reversed(self.stdout.splitlines()):
            if line.startswith(f"{mark} "):
                try:
                    found = json.loads(line[len(mark) + 1 :])
                except ValueError:
                    continue
                return found if isinstance(found, dict) else None
        return None


def ask(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout_s: float) -> Reply:
    """Run `argv` in `cwd` for `timeout_s` seconds at most; nothing of it runs on afterwards.

    It is a session of its own: some versions of Paddle answer a signal by killing their whole process group.
    """
    # If we are killed, the guard ends it.
    with Guard.start() as guard:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**env, **guard.env, "PYTHONIOENCODING": "utf-8"},
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as exc:
            return Reply(not_started=exc.strerror or str(exc))
        guard.watch_group(process.pid)
        with process:
            code: int | None = None
            try:
                printed = process.communicate(timeout=timeout_s)
                code = process.returncode
            except subprocess.TimeoutExpired:
                _kill(process)
                printed = process.communicate()
            finally:
                _kill(process)
        texts = [part.decode("utf-8", "replace") for part in printed]
        return Reply(stdout=texts[0], stderr=texts[1], code=code)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True, kw_only=True)
class Packages:
    """Modules that an interpreter does not have, and the versions of the packages that have the others, as pip names
    them: a module may be in several, and Python 3.7 tells none. `asked`: the interpreter answered."""

    asked: bool = False
    missing: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found: `gpus` counts the GPUs that Paddle can use; `roots` are packages with their folders."""

    python: str = ""
    paddle: str = ""
    cuda: bool = False
    gpus: int = 0
    error: str = ""
    roots: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


def probe(python: Path, *, env: Mapping[str, str] | None = None) -> Facts:
    """Ask `python` for its Paddle, GPUs and PaddleOCR; raises `SetupError` where it cannot answer."""
    # Not the current folder: its files must not shadow packages.
    reply = ask(
        [str(python), "-c", _SCRIPT],
        env=os.environ if env is None else env,
        cwd=python.parent,
        timeout_s=PROBE_TIMEOUT_S,
    )
    if reply.not_started:
        raise SetupError(
            f"trainer_python {str(python)!r} cannot be started: {reply.not_started}",
            hint="Give the path of a Python interpreter, or leave trainer_python empty.",
        )
    if reply.code is None:
        raise SetupError(
            f"{str(python)!r} did not answer within {PROBE_TIMEOUT_S:.0f} s when asked for its PaddlePaddle.",
            hint=f"Try `{python} -c 'import paddle'` by hand: it hangs or is very slow.",
        )
    values = reply.last("FACTS")
    if values is None:
        reason = reason_in((reply.stderr or reply.stdout).splitlines()) or "no output"
        raise SetupError(
            f"{str(python)!r} could not be asked for its PaddlePaddle: {reason}",
            hint="Check trainer_python: it must be a Python interpreter (3.7 or newer).",
        )
    facts = Facts(**{**values, "names": tuple(values["names"])})
    if facts.error:
        raise SetupError(
            f"PaddlePaddle does not work in {str(python)!r}: {facts.error}",
            hint="`make setup` installs the locked CPU build; `make gpu` the GPU build. "
            "For another interpreter set trainer_python.",
        )
    return facts


def packages_of(python: Path, modules: Sequence[str], *, env: Mapping[str, str] | None = None) -> Packages:
    """Which of the top-level `modules` `python` has, and in which packages; nothing of them is imported.

    Empty where it cannot be asked: whoever needs a module then says so itself.
    """
    # Not the current folder: its files must not be taken for packages.
    argv = [str(python), "-c", _PACKAGES, *modules]
    reply = ask(argv, env=os.environ if env is None else env, cwd=python.parent, timeout_s=PROBE_TIMEOUT_S)
    values = reply.last("PACKAGES")
    if values is None:
        return Packages()
    return Packages(asked=True, missing=tuple(values["missing"]), versions=values["versions"])


def interpreter(trainer_python: str) -> Path:
    """The interpreter that trains: `trainer_python`, a path or a name on PATH, or the one that runs this."""
    if not trainer_python:
        return Path(sys.executable)
    path = Path(trainer_python).expanduser().absolute()
    found = None if path.exists() else shutil.which(trainer_python)
    return Path(found) if found else path
