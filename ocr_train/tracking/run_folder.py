"""What a run's own folder says about it, so that `sync` can finish what a dead server or process left.

run.json       who the run is, where it belongs, how it ended; replaced whole
run.lock       held (flock) by the process that runs it: given back by the system however that process ends
journal.jsonl  metrics, params, tags (`journal`);  journal.sent  how far the server has them
pending.jsonl  files, dataset and checkpoints that the server does not have (`outbox`)
clean/         the trainer's configuration without credentials: what is stored of it
artifacts/     with offline=true, what would be in the artifact store
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO

from ocr_train.atomic_files import write_text
from ocr_train.disk import refused
from ocr_train.errors import DataError, StorageError, TrackingError
from ocr_train.ocr_engine.documents import read_json

FACTS = "run.json"
JOURNAL = "journal.jsonl"
PENDING = "pending.jsonl"
LOCK = "run.lock"
ARTIFACTS = "artifacts"
CLEAN_CONFIG = "clean/config.yml"


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """`run_id` names the folder; `server_run_id` is the run's id on the server, empty until there is one.

    `tracking_uri` holds no password; times are Unix milliseconds; `status` is empty until the run has ended;
    `status_set` says that the server has it. `log_start` is the byte of `train.log` where the lines of the last trainer
    begin, -1 before it starts.
    """

    run_id: str
    run_name: str = ""
    tracking_uri: str = ""
    experiment_id: str = ""
    experiment_name: str = ""
    offline: bool = False
    server_run_id: str = ""
    started_ms: int = 0
    ended_ms: int = 0
    status: str = ""
    status_set: bool = False
    log_start: int = -1


def write_facts(folder: Path, facts: RunFacts) -> None:
    """Write `run.json`, whole or not at all; raises `OSError`."""
    write_text(folder / FACTS, json.dumps(asdict(facts), ensure_ascii=False, indent=1) + "\n")


def read_facts(folder: Path) -> RunFacts | None:
    """What `run.json` says, None where the folder has none; raises `DataError` where it cannot be read."""
    path = folder / FACTS
    if not path.is_file():
        return None
    try:
        values = read_json(path)
        known = {field.name: values[field.name] for field in fields(RunFacts) if field.name in values}
        facts = RunFacts(**known)
        if not all(type(getattr(facts, field.name)) is type(field.default) for field in fields(facts)[1:]):
            raise TypeError("a value is not of its type")  # noqa: TRY301 - one message for all that is wrong
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as exc:
        raise DataError(
            f"{path} does not say which run this is: {exc}", hint="Put it back from a copy."
        ) from exc
    return facts


class RunLock:
    """Held for as long as a process works on the run; the trainer does not inherit it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._file: IO[str] | None = None

    def take(self) -> bool:
        """Take it; False where another process has it."""
        file = self._path.open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._file = file
        return True

    def require(self) -> None:
        """Take it; raises `TrackingError` where another process has it."""
        if not self.take():
            raise TrackingError(
                f"another process is using the run in {self._path.parent}.",
                hint="Wait for it, or end it first.",
            )

    def release(self) -> None:
        """Give it back; may be called twice."""
        if self._file is not None:
            self._file.close()
            self._file = None


_TRIED_BYTES = 1 << 16
"""What the first records of a run take: a disk without that much room is full."""


def require_writable(output: Path, run_id: str = "") -> None:
    """Try, before there is a run in MLflow, what a run does in `output` first: a folder of its own (that of `run_id`
    where it is known) with a lock and a journal.

    Raises `StorageError`, and `TrackingError` where another process is at work in it; leaves `output`, and the folder of `run_id`, empty where they are new.
    """
    # As long as a run's id.
    folder = output / (run_id or f".try-{uuid.uuid4().hex[:27]}")
    tried = folder / f".try-{uuid.uuid4().hex[:8]}" if run_id else folder
    try:
        tried.mkdir(parents=True)
        lock = RunLock(tried)
        if not lock.take():
            raise StorageError(
                f"the disk of {str(output)!r} has no working file locks (flock).",
                hint="Choose another disk with --output (or OCR_TRAIN_OUTPUT).",
            )
        with (tried / JOURNAL).open("wb") as journal:
            journal.write(bytes(_TRIED_BYTES))
            journal.flush()
            os.fsync(journal.fileno())
        lock.release()
        if run_id:
            own = RunLock(folder)
            own.require()
            own.release()
    except OSError as exc:
        raise refused(exc, f"the folder for files of runs, {str(output)!r},") from exc
    finally:
        shutil.rmtree(tried, ignore_errors=True)


def run_folders(output: Path) -> Iterator[Path]:
    """The folders of runs below `output`, the oldest first."""
    found = list(output.glob(f"*/{FACTS}")) if output.is_dir() else []
    yield from (path.parent for path in sorted(found, key=lambda path: (path.stat().st_mtime, path)))
