"""`python -m benchmarks.data`: fetching against aws and rclone, validating, and their memory, in one table.

Every client is a whole process and they take turns, so that what else the machine does meets all of them; a
ratio is taken round by round. Nobody pays for compiling Python: each client runs once before it is timed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.table import Row, draw
from benchmarks.transfer import (
    Place,
    clients,
    memory_rows,
    program,
    rows_of,
    store_files,
    time_clients,
)
from benchmarks.validation import validation_rows
from tests.servers import running_s3

FILE_BYTES = (20_000, 40_000)
_DROPPED = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured: objects and rounds of the transfers, objects and lines for the memory."""

    files: int
    rounds: int
    objects: tuple[int, int]
    lines: tuple[int, int]


FULL = Size(files=5000, rounds=5, objects=(5000, 50_000), lines=(10_000, 1_000_000))
QUICK = Size(files=500, rounds=2, objects=(500, 5000), lines=(2000, 20_000))


def main() -> int:
    """Measure, print the table; exit status 0 where every bar holds, 1 where one is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="500 files and 2 rounds: does it work?")
    parser.add_argument("--rounds", type=int, help="rounds of the transfers (default: 5, with --quick 2)")
    parser.add_argument("--only", choices=("transfer", "memory", "validate"), help="one part of it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there too")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    rounds = arguments.rounds or size.rounds
    about = _about()
    _echo(about["machine"])
    _echo(about["versions"])
    with tempfile.TemporaryDirectory(prefix="ocr-train-bench-") as name:
        rows = list(_rows(Path(name), size, rounds, arguments.only))
    print(f"\n{draw(rows)}\n\n{about['machine']}; load at the end {_load()}\n{about['versions']}")
    if arguments.json is not None:
        found = {**about, "load_at_end": _load(), "rows": [row.to_json() for row in rows]}
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 1 if any(row.verdict == "miss" for row in rows) else 0


def _rows(folder: Path, size: Size, rounds: int, only: str | None) -> Iterator[Row]:
    with running_s3(folder / "server") as address:
        place = Place(
            endpoint=address.s3_endpoint,
            bucket=address.bucket,
            env=_client_environment(os.environ, address.env(), folder),
            folder=folder,
        )
        if only in (None, "transfer"):
            _warm_up(place)
            stored = store_files(place, "images", size.files, FILE_BYTES)
            _echo(f"{size.files:,} files, {stored / 1e6:.0f} MB, {rounds} rounds:")
            times = time_clients(place, "images", files=size.files, size=stored, rounds=rounds, echo=_echo)
            yield from rows_of(times, size.files)
        if only in (None, "memory"):
            yield from memory_rows(place, size.objects, _echo)
        if only in (None, "validate"):
            few, many = size.lines
            yield from validation_rows(place, few=few, many=many, rounds=min(rounds, 3), echo=_echo)


def _warm_up(place: Place) -> None:
    """Let every client run once, so that its program is compiled and in the disk's cache."""
    store_files(place, "warm", 20, FILE_BYTES)
    for name, command in clients(place).items():
        place.run(command("warm", place.folder / f"warm-{name.split()[0]}"))


def _client_environment(base: Mapping[str, str], own: Mapping[str, str], folder: Path) -> dict[str, str]:
    """`base` without anybody's settings and with compiled Python, plus the server's address and keys."""
    kept = {name: value for name, value in base.items() if name not in _DROPPED}
    nothing = folder / "no-settings"
    nothing.touch()
    files = {"AWS_CONFIG_FILE": str(nothing), "AWS_SHARED_CREDENTIALS_FILE": str(nothing)}
    return {**kept, **own, **files, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def _about() -> dict[str, str]:
    def first_line(*argv: str) -> str:
        answer = subprocess.run(argv, check=True, capture_output=True, text=True)
        return answer.stdout.splitlines()[0]

    machine = (
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, load {_load()}"
    )
    versions = [first_line(program("aws"), "--version").split()[0], first_line(program("rclone"), "version")]
    return {"machine": machine, "versions": ", ".join(versions)}


def _load() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def _echo(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
