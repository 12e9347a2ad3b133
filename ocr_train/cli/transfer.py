"""Commands that move data between folders and S3: fetch, push."""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from ocr_train.cli.options import whole_number
from ocr_train.cli.output import Commands, add_json, echo_for, give_json, stream_for
from ocr_train.disk import human
from ocr_train.errors import ConfigError
from ocr_train.live_line import LiveLine
from ocr_train.run import Echo
from ocr_train.storage.progress import OnProgress, Progress
from ocr_train.storage.shared import Leases

if TYPE_CHECKING:
    from ocr_train.storage.progress import SyncResult

S3 = "s3://BUCKET/PREFIX"
PLAIN_INTERVAL_S = 10.0
T = TypeVar("T")


_LEASES = Leases()
"""What this command reads: other processes leave it as it is until the command ends."""


def fetch_for_training(uri: str, folder: Path, echo: Echo, *, stream: TextIO | None = None) -> Path:
    """Bring `uri` into `folder` of the cache, incrementally and verified; what `train` is given to fetch with.

    How far it is is shown on `stream` (None: stdout). Where another process reads `folder` and the source has changed since, the answer is a copy beside it.
    """
    from ocr_train.storage.fetch import is_current

    def in_use(place: Path) -> bool:
        echo(f"data: another run reads {place}; comparing it with {uri} ...")
        return is_current(uri, place)

    def refresh(place: Path) -> None:
        fetch_exactly(uri, place, echo, stream or sys.stdout)

    return _LEASES.use(folder, refresh=refresh, is_current=in_use)


def fetch_exactly(uri: str, folder: Path, echo: Echo, stream: TextIO) -> Path:
    """Make `folder`, which is ours alone, hold what is below `uri`, and show how far it is on `stream`.

    What the source has lost goes here, too: a label file of last week would be trained on, and the digest
    would be another one than on a machine that fetches for the first time.
    """
    from ocr_train.storage.fetch import fetch

    echo(f"data: fetching {uri} ...")
    result = shown(
        "data", stream, lambda on_progress: fetch(uri, folder, delete=True, on_progress=on_progress)
    )
    gone = f", {result.deleted} no longer at the source" if result.deleted else ""
    fetched = f"{result.fetched} files fetched ({human(result.bytes)})"
    echo(f"data: {fetched}, {result.skipped} unchanged here{gone}")
    return folder


def add_commands(commands: Commands) -> None:
    """Add `fetch` and `push`."""
    fetch = commands.add_parser(
        "fetch",
        command=_fetch,
        help="s3://bucket/prefix to a folder, incrementally and verified",
        description="Make a folder hold what is below an S3 address. Only what differs is transferred, and every "
        "file is checked. An archive (.zip, .tar, .tar.gz, .tar.xz, ...) is extracted. Interrupted: run it again.",
    )
    fetch.add_argument("source", metavar=S3, help="the S3 address: a prefix, one object, or one archive")
    fetch.add_argument("target", metavar="DIR", help="the folder to fetch it to")
    push = commands.add_parser(
        "push",
        command=_push,
        help="a folder to s3://bucket/prefix, incrementally and verified",
        description="Make an S3 address hold the files of a folder. Only what differs is transferred, and every "
        "object is checked. Interrupted: run it again.",
    )
    push.add_argument("source", metavar="DIR", help="the folder to send")
    push.add_argument("target", metavar=S3, help="the S3 address to send it to")
    for parser in (fetch, push):
        parser.add_argument(
            "--rehash", action="store_true", help="ignore the records of earlier transfers: compare the bytes"
        )
        parser.add_argument(
            "--delete",
            action="store_true",
            help="delete what an earlier transfer stored and the source no longer has",
        )
        parser.add_argument(
            "--workers",
            type=whole_number(1),
            default=16,
            metavar="N",
            help="transfers at a time (default: 16)",
        )
        add_json(parser)


def _fetch(arguments: argparse.Namespace) -> int:
    from ocr_train.storage.fetch import fetch
    from ocr_train.storage.keys import is_s3_uri

    if is_s3_uri(arguments.target) and not is_s3_uri(arguments.source):
        raise ConfigError(
            f"fetch goes from S3 to a folder, and {arguments.source!r} is not an S3 address.",
            hint=f"To send a folder: python -m ocr_train push {shlex.quote(str(arguments.source))} {shlex.quote(str(arguments.target))}",
        )
    if Path(arguments.target).exists() and not Path(arguments.target).is_dir():
        raise ConfigError(f"{arguments.target!r} is a file.", hint="Name the folder for the data.")
    return _transfer(arguments, partial(fetch, arguments.source, Path(arguments.target)), "fetch", "fetched")


def _push(arguments: argparse.Namespace) -> int:
    from ocr_train.storage.keys import is_s3_uri
    from ocr_train.storage.push import push

    if is_s3_uri(arguments.source) and not is_s3_uri(arguments.target):
        raise ConfigError(
            f"push goes from a folder to S3, and {arguments.target!r} is not an S3 address.",
            hint=f"To fetch a folder: python -m ocr_train fetch {shlex.quote(str(arguments.source))} {shlex.quote(str(arguments.target))}",
        )
    return _transfer(arguments, partial(push, Path(arguments.source), arguments.target), "push", "sent")


def _transfer(
    arguments: argparse.Namespace, transfer: Callable[..., SyncResult], name: str, verb: str
) -> int:
    """Do it with the options that both directions have, and answer."""
    options = {"rehash": arguments.rehash, "delete": arguments.delete, "workers": arguments.workers}
    done = shown(
        name,
        stream_for(arguments),
        lambda on_progress: transfer(**options, on_progress=on_progress),
    )
    echo_for(arguments)(
        f"{done.fetched} files {verb} ({human(done.bytes)}), {done.skipped} unchanged, "
        f"{done.deleted} deleted: {done.files} files in {arguments.target}"
    )
    give_json(
        arguments,
        {
            "source": arguments.source,
            "target": arguments.target,
            "files": done.files,
            "transferred": done.fetched,
            "bytes": done.bytes,
            "skipped": done.skipped,
            "deleted": done.deleted,
        },
    )
    return 0


def shown(what: str, stream: TextIO, transfer: Callable[[OnProgress], T]) -> T:
    """The transfer's result; while it runs, `stream` shows how far it is."""
    line = LiveLine(stream, interval_s=PLAIN_INTERVAL_S, wait_s=PLAIN_INTERVAL_S)
    try:
        return transfer(lambda progress: line.show(f"{what}: {describe_progress(progress)}"))
    finally:
        line.clear()


def describe_progress(progress: Progress) -> str:
    """One line: phase, files, bytes, rate, ETA, as far as they are known."""
    if progress.phase == "listing":
        return f"listing, {progress.files} files so far"
    parts = [f"{progress.phase} {progress.files}/{progress.files_total} files"]
    parts.append(f"{human(progress.size_bytes)}/{human(progress.size_bytes_total)}")
    parts.append(f"{human(progress.rate)}/s")
    if progress.eta_s is not None:
        parts.append(f"ETA {datetime.timedelta(seconds=round(progress.eta_s))}")
    return "  ".join(parts)
