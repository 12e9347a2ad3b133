"""Python's own unpickler as the judge of the screening, in a child that lives through thousands of files.

    PYTHON -B unpickling.py [--paddle]        lines on stdin: a file's path; one JSON line on stdout for each

The child loads a file as paddle.load does (`pickle.load(stream, encoding="latin1")`), or with paddle.load itself, and
then uses what came of it. It says {"imports": [...], "ran": [...], "raised": "..."}; a signal is its own answer.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEMORY_BYTES = 2 << 30
PATIENCE_S = 60


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What loading a file did: `imports` ("module name"), `ran` (what was executed), `raised` (an exception's
    name), `died` (how the process ended, "" where it lives)."""

    imports: tuple[str, ...] = ()
    ran: tuple[str, ...] = ()
    raised: str = ""
    died: str = ""


class Judge:
    """The child, started anew where a file has killed it."""

    def __init__(self, folder: Path, *, paddle: bool = False) -> None:
        """The child works in `folder`: there lies what an executed command leaves."""
        self._folder = folder
        self._words = [sys.executable, "-B", __file__, *(["--paddle"] if paddle else [])]
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def load(self, path: Path) -> Verdict:
        """Load the file at `path`."""
        if self._child is None:
            self._child = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=self._folder,
            )
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{path}\n")
        child.stdin.flush()
        ready = select.select([child.stdout], [], [], PATIENCE_S)[0]
        line = child.stdout.readline() if ready else ""
        if not line:
            code = child.wait() if ready else "does not come back"
            self.close()
            return Verdict(died=str(code))
        answer = json.loads(line)
        return Verdict(imports=tuple(answer["imports"]), ran=tuple(answer["ran"]), raised=answer["raised"])


EXECUTES = frozenset(
    [
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "subprocess.Popen",
        "socket.connect",
        "shutil.rmtree",
    ]
)


def main() -> None:
    """Load file after file."""
    import gc
    import pickle
    import resource

    if "--paddle" in sys.argv:
        import paddle

        def load(path: str) -> Any:
            return paddle.load(path)
    else:
        import numpy
        import numpy.core.multiarray
        import numpy.core.numeric  # noqa: F401

        def load(path: str) -> Any:
            with open(path, "rb") as stream:  # noqa: PTH123 - as paddle.load does
                return pickle.load(stream, encoding="latin1")  # noqa: S301 - this is what is tried

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a file makes Python print is no answer
    seen: dict[str, list[str]] = {"imports": [], "ran": []}

    def watch(event: str, arguments: Any) -> None:
        if event == "pickle.find_class":
            seen["imports"].append(" ".join(map(str, arguments)))
        elif event in EXECUTES:
            seen["ran"].append(event)

    sys.addaudithook(watch)
    for line in sys.stdin:
        seen["imports"], seen["ran"], raised = [], [], ""
        try:
            use(load(line.rstrip("\n")))
            gc.collect(0)
        except Exception as exc:  # noqa: BLE001 - an exception is no crash
            raised = type(exc).__name__
        print(json.dumps({**seen, "raised": raised}), file=answers, flush=True)


def use(value: Any, depth: int = 0) -> None:
    """Touch everything: the memory of arrays, the numbers, the keys."""
    if depth > 100:
        raise RecursionError
    if isinstance(value, dict):
        for key, item in value.items():
            hash(key)
            use(item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            use(item, depth + 1)
    elif hasattr(value, "tobytes"):
        value.tobytes()
        repr(value)
        value.copy()
        value.sum()
    else:
        repr(value)


if __name__ == "__main__":
    main()
