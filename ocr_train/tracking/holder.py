"""Which process tracks a run: its host, process id and folder, as one tag that another machine can read."""

from __future__ import annotations

import datetime
import json
import os
import platform
import uuid
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from ocr_train.ocr_engine.documents import parse_json

HOLDER_TAG = "tracked_by"


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A process that tracks a run: `folder` holds the files of its runs, `token` is its own, `since` is the Unix
    time of the claim in seconds."""

    host: str
    pid: int
    folder: str
    token: str
    since: float

    def to_tag(self) -> str:
        """The value of the tag: JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def __str__(self) -> str:
        """For a message."""
        since = datetime.datetime.fromtimestamp(self.since, datetime.timezone.utc).strftime(
            "%Y-%m-%d %H:%M:%S"
        )
        return f"host {self.host}, process {self.pid}, files in {self.folder}, since {since} UTC"


def this_process(output: Path, *, now: float) -> Holder:
    """This process, which keeps files of runs in `output`, at the Unix time `now`."""
    return Holder(
        host=platform.node(), pid=os.getpid(), folder=str(output), token=_token(os.getpid()), since=now
    )


@cache
def _token(_pid: int) -> str:
    """One for each process: host and process id may come again, in another container."""
    return uuid.uuid4().hex[:12]


def read_holder(text: str) -> Holder | None:
    """What a tag's value says, None for what is not a holder: a tag can be edited by hand."""
    try:
        values = parse_json(text)
        holder = Holder(
            host=str(values["host"]),
            pid=int(values["pid"]),
            folder=str(values["folder"]),
            token=str(values["token"]),
            since=float(values["since"]),
        )
        str(holder)
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return None
    return holder
