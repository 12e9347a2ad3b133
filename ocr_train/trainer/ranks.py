"""The processes that Paddle's launcher starts, each with its rank and a log of its own (paddle.distributed.launch, 2.0
to 3.x)."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_FAILED = re.compile(r"Container rank (\d{1,6}) status failed .* code (-?\d{1,5}) log ", re.ASCII)
_LOG = re.compile(r"workerlog\.\d{1,6}", re.ASCII)
_FOLDER = "workers"


@dataclass(frozen=True, kw_only=True)
class FailedRank:
    """A process that failed: its `rank`, and `code`, negative for the number of a signal."""

    rank: int
    code: int

    def __str__(self) -> str:
        try:
            how = f"signal {signal.Signals(-self.code).name}" if self.code < 0 else f"exit code {self.code}"
        except ValueError:
            how = f"signal {-self.code}"
        return f"process {self.rank} failed first ({how})"


def first_failed(lines: Iterable[str]) -> FailedRank | None:
    """The process that the launcher names as the first to fail, None where it names none."""
    for line in lines:
        found = _FAILED.search(line)
        if found:
            return FailedRank(rank=int(found[1]), code=int(found[2]))
    return None


def fresh_folder(run_folder: Path) -> Path:
    """Where the logs of a launch go: a folder that is not there yet, because the launcher appends to what it finds."""
    names = (_FOLDER, *(f"{_FOLDER}-{number}" for number in range(2, 1000)))
    return next(run_folder / name for name in names if not (run_folder / name).exists())


def rank_logs(run_folder: Path) -> list[Path]:
    """The logs of all processes of the last launch, those of other machines (`node_1/...`) too, sorted."""
    folders = sorted(run_folder.glob(f"{_FOLDER}*"), key=lambda path: path.stat().st_mtime)
    return (
        sorted(path for path in folders[-1].rglob("workerlog.*") if _LOG.fullmatch(path.name))
        if folders
        else []
    )
