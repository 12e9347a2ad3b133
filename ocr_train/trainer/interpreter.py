"""What an interpreter can train with, asked in one short child process.

The interpreter that trains need not be the one that tracks: it may be another Python with another Paddle.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ocr_train.errors import SetupError
from ocr_train.trainer.failures import reason_in
from ocr_train.trainer.question import ask

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
    said = [line.strip() for line in str(exc).splitlines() if line.strip()]
    facts["error"] = ": ".join([type(exc).__name__] + said[:1])
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
    if reply.timed_out:
        raise SetupError(
            f"{str(python)!r} did not answer within {PROBE_TIMEOUT_S:.0f} s when asked for its PaddlePaddle.",
            hint=f"Try `{python} -c 'import paddle'` by hand: it hangs or is very slow.",
        )
    values = reply.last("FACTS")
    facts = None if values is None else Facts(**{**values, "names": tuple(values["names"])})
    if facts is None:
        said = reason_in((reply.stderr or reply.stdout).splitlines()) or "no output"
        raise SetupError(
            f"{str(python)!r} could not be asked for its PaddlePaddle: {said}",
            hint="Check trainer_python: it must be a Python interpreter (3.7 or newer).",
        )
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
