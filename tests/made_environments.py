"""Python environments with packages that ours has not, or has in another version: made once, beside our own."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path


def environment_with(name: str, *wanted: str) -> Path:
    """The interpreter of the environment `name` that has the `wanted` packages: made by the first who asks, found by the
    next. Raises `CalledProcessError` where no package index can be reached."""
    folder = Path(sys.prefix) / name
    python, ready = folder / "bin" / "python", folder / ".ready"
    uv = str(Path(sys.executable).parent / "uv")
    folder.mkdir(exist_ok=True)
    with (folder.parent / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.is_file() or ready.read_text(encoding="utf-8").split() != list(wanted):
            _run(uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder))
            _run(uv, "pip", "install", "--quiet", "--python", str(python), *wanted)
            ready.write_text("\n".join(wanted), encoding="utf-8")
    return python


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True, timeout=600)
