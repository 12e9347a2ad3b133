"""How this process was started: what a command that is printed must begin with, and where files may stay.

`mlflow run` is our parent then: it goes into the project's folder and hands us a run, but neither the folder that it was
typed in nor the words it was typed with; both are read off the parent process. An address is cloned into a folder
of `tempfile.mkdtemp` that nobody finds again: no file of a run may stay in it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ocr_train.config.parameters import Launch

OUTPUTS = "outputs"
_TEMPORARY = re.compile(r"tmp[a-z0-9_]{8}")
"""The names that `tempfile.mkdtemp` gives."""
_FLAGS = frozenset(["--build-image"])
_NOT_REPEATED = frozenset(["-P", "--param-list", "-e", "--entry-point", "--run-id", "--run-name"])


@dataclass(frozen=True, kw_only=True)
class Started:
    """`words` begin the command that starts us again; `mlflow_run` says that they are those of `mlflow run`.

    `typed_in` is the folder that the command was typed in, None where that is not known. `temporary`: the project
    is a clone that is not found again. `python` is our interpreter as it can be typed there.
    """

    words: tuple[str, ...]
    mlflow_run: bool
    typed_in: Path | None = None
    temporary: bool = False
    python: str = "python"

    def train(self, launch: Launch) -> str:
        """The command that trains as `launch` says."""
        if self.mlflow_run:
            return launch.command(shlex.join(self.words))
        return launch.command(shlex.join((*self.words, "train")), options=True)

    def sync(self, folder: Path) -> str:
        """The command that brings what is pending in a run's `folder`."""
        if self.mlflow_run:
            return shlex.join([*self.words, "-e", "sync", "-P", f"run={folder}"])
        return shlex.join([*self.words, "sync", str(folder)])

    @property
    def home(self) -> Path:
        """The folder that relative `output` is meant from: one that is still there tomorrow."""
        if not self.temporary:
            return Path.cwd()
        if self.typed_in is not None and os.access(self.typed_in, os.W_OK):
            return self.typed_in
        return Path.home() / "ocr-train"

    def output(self, given: str) -> Path:
        """The folder for files of runs."""
        return self.home / Path(given or OUTPUTS).expanduser()

    def where_from(self, name: str, path: str) -> str:
        """A sentence about a relative `path`, the value of the parameter `name`, that is not there."""
        if not self.mlflow_run or self.typed_in is None or Path(path).expanduser().is_absolute():
            return ""
        if self.typed_in == Path.cwd():
            return ""
        meant = self.typed_in / path
        there = (
            f"It is in {self.typed_in}, where the command was typed"
            if meant.exists()
            else (f"It is not in {self.typed_in}, where the command was typed, either")
        )
        return (
            f"`mlflow run` starts in the project's folder, {Path.cwd()}, and a relative path is meant from there. "
            f"{there}: give the whole path, as in -P {name}={shlex.quote(str(meant))}"
        )

    def tracking_uri(self, given: str) -> str:
        """`given`, absolute where it is a file relative to the folder that `mlflow run` was typed in."""
        path = given.removeprefix("sqlite:///")
        if self.typed_in is None or path == given or not path or path.startswith("/"):
            return given
        return f"sqlite:///{self.typed_in / path}"


@cache
def this_start() -> Started:
    """How this process was started."""
    if not os.environ.get("MLFLOW_RUN_ID"):
        return Started(words=(_python(), "-m", "ocr_train"), mlflow_run=False, python=_python())
    command, typed_in = _parent()
    return read_start(command, typed_in, Path.cwd(), os.environ)


def read_start(
    command: Sequence[str], typed_in: Path | None, project: Path, environ: Mapping[str, str]
) -> Started:
    """What the `command` line of our parent, in the folder `typed_in`, says; `project` is where it put us."""
    temporary = _is_temporary(project)
    found = mlflow_words(command)
    if found is None:
        if environ.get("MLFLOW_RUN_ID") and not temporary and command:
            # A program that calls mlflow.projects.run, or a shell in which MLFLOW_RUN_ID was set.
            return Started(
                words=(_python(), "-m", "ocr_train"), mlflow_run=False, typed_in=typed_in, python=_python()
            )
        found = ("mlflow", "run", *(_cloned_from(project) if temporary else (str(project),)))
    return Started(
        words=found,
        mlflow_run=True,
        typed_in=typed_in,
        temporary=temporary,
        python=shlex.quote(sys.executable),
    )


def mlflow_words(command: Sequence[str]) -> tuple[str, ...] | None:
    """The words of an `mlflow run` but for parameters, entry point and run: what a later one has in common with it.

    None where the command is none.
    """
    at = next(
        (
            number
            for number, word in enumerate(command[:-1])
            if word.rpartition("/")[2] == "mlflow" and command[number + 1] == "run"
        ),
        None,
    )
    if at is None:
        return None
    kept: list[str] = []
    rest = list(command[at + 2 :])
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            kept.append(word)
            continue
        name, equals, _ = word.partition("=")
        # -Pname=value
        joined = not word.startswith("--") and len(word) > 2
        option = word[:2] if joined else name
        value = [] if (equals and not joined) or joined or option in _FLAGS or not rest else [rest.pop(0)]
        if option not in _NOT_REPEATED:
            kept += [word, *value]
    return ("mlflow", "run", *kept)


def _parent() -> tuple[list[str], Path | None]:
    """The command line of the process that started us, and its folder; nothing where the system does not tell."""
    import psutil

    try:
        parent = psutil.Process(os.getppid())
        return parent.cmdline(), Path(parent.cwd())
    except (psutil.Error, OSError):
        return [], None


def _is_temporary(project: Path) -> bool:
    root = Path(tempfile.gettempdir()).resolve()
    inside = project.resolve()
    return inside.is_relative_to(root) and bool(
        _TEMPORARY.fullmatch((*inside.relative_to(root).parts, "")[0])
    )


def _cloned_from(project: Path) -> tuple[str, ...]:
    """The address and version of a clone, as `mlflow run` takes them."""

    def git(*arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", str(project), *arguments],
                capture_output=True,
                text=True,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        return done.stdout.strip()

    address, below = git("remote", "get-url", "origin"), git("rev-parse", "--show-prefix").rstrip("/")
    version = git("rev-parse", "HEAD")
    if not address:
        return (str(project),)
    return (f"{address}#{below}" if below else address, *(("--version", version) if version else ()))


def with_own_package(env: Mapping[str, str]) -> dict[str, str]:
    """`env` for a child that runs `python -m ocr_train`: our package is found wherever it starts."""
    path = (str(Path(__file__).resolve().parents[2]), env.get("PYTHONPATH", ""))
    return {**env, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def _python() -> str:
    """Our interpreter as it can be typed here: `python` where that is it."""
    found = shutil.which("python")
    return "python" if found and Path(found).absolute() == Path(sys.executable).absolute() else sys.executable
