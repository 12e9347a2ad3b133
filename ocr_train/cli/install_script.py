"""Installs locked packages with a line that shows how far it is: what `make` runs before there is an environment.

    python -m ocr_train.cli.install_script .venv/bin/python requirements.txt [more.txt ...]

It runs in any Python from 3.10 on, so it imports nothing but the standard library and a leaf of ours. The exit code is 0,
or 5 (this machine) where pip failed; pip's own last lines are printed then.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

from ocr_train.live_line import LiveLine

SETUP_ERROR = 5
POLL_S = 0.5
PLAIN_INTERVAL_S = 15.0
LAST_LINES = 15
_PIN = re.compile(r"^[A-Za-z0-9][\w.\-\[\]]*==", re.M)


class PipOutput:
    """What pip has printed so far, and how far it is by that."""

    def __init__(self, pins: int) -> None:
        self.lines: list[str] = []
        self._pins = pins
        self._collected = self._ignored = self._to_install = 0

    def take(self, line: str) -> None:
        """One line of pip's output. A pin whose condition is for other machines is named as ignored."""
        self.lines.append(line)
        self._collected += line.startswith(("Collecting ", "Requirement already satisfied"))
        self._ignored += line.startswith("Ignoring ")
        if line.startswith("Installing collected packages"):
            self._to_install = line.count(",") + 1

    def progress(self, added: int) -> str:
        """One line for people; `added` packages are in the environment that were not there before."""
        if self._to_install:
            return f"installing packages: {min(added, self._to_install)} of {self._to_install} in place"
        return f"installing packages: {self._collected} of {self._pins - self._ignored} fetched"


def count_pins(files: Sequence[Path]) -> int:
    """How many pins the requirements files have. A package may have one for each Python: pip ignores all but one."""
    return sum(len(_PIN.findall(path.read_text(encoding="utf-8"))) for path in files)


def count_installed(python: Path) -> int:
    """How many packages are in the environment of the interpreter `python`."""
    return sum(1 for _ in python.parents[1].glob("lib/python*/site-packages/*.dist-info"))


def install(python: Path, files: Sequence[Path]) -> int:
    """Have pip install `files` into the environment of `python`; pip's exit code."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--require-hashes", *(word for path in files for word in ("-r", str(path)))]
    started, before = time.monotonic(), count_installed(python)
    line = LiveLine(sys.stdout, interval_s=PLAIN_INTERVAL_S)
    output = PipOutput(count_pins(files))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        reader = Thread(target=_read, args=(pip, output), daemon=True)
        reader.start()
        while pip.poll() is None:
            line.show(
                f"{output.progress(count_installed(python) - before)}  {time.monotonic() - started:.0f} s"
            )
            time.sleep(POLL_S)
        reader.join()
    line.clear()
    if pip.returncode == 0:
        added = count_installed(python) - before
        print(f"installed {added} packages in {time.monotonic() - started:.0f} s", flush=True)
    else:
        print("\n".join(f"  | {text}" for text in output.lines[-LAST_LINES:]), file=sys.stderr)
        print(
            "error: pip could not install the packages (its last lines are above).\n"
            "Is the package index reachable? A mirror: set PIP_INDEX_URL. Then the same command again: it goes on "
            "with what is there.",
            file=sys.stderr,
        )
    return pip.returncode


def _read(pip: subprocess.Popen[str], output: PipOutput) -> None:
    for text in pip.stdout or ():
        output.take(text.rstrip("\n"))


def main(arguments: Sequence[str]) -> int:
    """The exit code of a call with the interpreter and the requirements files as words."""
    python, *files = (Path(word) for word in arguments)
    return SETUP_ERROR if install(python, files) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
