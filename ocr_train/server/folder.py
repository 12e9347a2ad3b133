"""The folder that keeps the local servers' data, credentials, ports and logs."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import IO, Any

from ocr_train.atomic_files import write_text
from ocr_train.errors import SetupError


def load_credentials(path: Path) -> tuple[str, str]:
    """The access key and secret key of a folder, made at random the first time; the file is 0600."""
    if not path.exists():
        fresh = {"access_key": "OCR" + secrets.token_hex(8).upper(), "secret_key": secrets.token_urlsafe(30)}
        write_text(path, json.dumps(fresh), private=True)
    stored = read_json_or_empty(path)
    try:
        return str(stored["access_key"]), str(stored["secret_key"])
    except KeyError as exc:
        raise SetupError(
            f"{path} does not hold an access_key and a secret_key.",
            hint="Put the file back, or delete it: new credentials are made, the data stays.",
        ) from exc


def read_json_or_empty(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def make_folders(folder: Path) -> None:
    try:
        for part in (folder, folder / "s3", folder / "mlflow", folder / "logs"):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_text(folder / ".writable", "", private=True)
        (folder / ".writable").unlink()
    except OSError as exc:
        raise SetupError(
            f"The servers' folder {str(folder)!r} cannot be used: {exc.strerror or exc}.",
            hint="Choose a folder that you may write to, with --dir.",
        ) from exc


def lock(folder: Path) -> IO[str]:
    import fcntl

    file = (folder / "server.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        file.seek(0)
        holders = file.read().strip() or "unknown"
        file.close()
        raise SetupError(
            f"Servers already run on {str(folder)!r} (process ids {holders}).",
            hint=f"Use them (source {folder / 'env.sh'}), stop them, or choose another --dir.",
        ) from exc
    return file


def write_lock(file: IO[str], pids: list[int]) -> None:
    file.seek(0)
    file.truncate()
    file.write(" ".join(map(str, pids)))
    file.flush()


def fresh_log(path: Path, limit_bytes: int = 20_000_000) -> Path:
    """`path`, its older content moved to `*.1` once it is large: a server writes a line a request."""
    if path.exists() and path.stat().st_size > limit_bytes:
        path.replace(path.with_name(path.name + ".1"))
    return path
