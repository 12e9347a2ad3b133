"""MLflow servers older than our client, each in an environment of its own."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

_OF_ITS_TIME = ("setuptools<81", "sqlalchemy<2.1")
"""An MLflow of that age asks for what newer ones of these have no more, and does not say so."""
OLD_VERSION = "2.16.2"
"""Of before MLflow's SQL stores took the same points twice."""


def old_mlflow(version: str = OLD_VERSION) -> Path:
    """An interpreter that has `mlflow==version`: made beside our own environment by the first who asks (a minute),
    found there by the next. Raises `CalledProcessError` where no package index can be reached."""
    folder = Path(sys.prefix) / f"mlflow-{version}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    uv = str(Path(sys.executable).parent / "uv")
    folder.mkdir(exist_ok=True)
    with (folder.parent / f".mlflow-{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = [f"mlflow=={version}", *_OF_ITS_TIME]
        if not ready.is_file() or ready.read_text(encoding="utf-8").split() != wanted:
            _run(uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder))
            _run(uv, "pip", "install", "--quiet", "--python", str(python), *wanted)
            ready.write_text("\n".join(wanted), encoding="utf-8")
    return python


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True, timeout=600)
