"""`python -m benchmarks.fetch`: 5,000 files from S3, against `aws s3 sync` and `rclone copy`, and our memory with 50,000.

Every client is a whole process and they take turns, so that what else the machine does meets all of them; a
ratio is taken round by round. Nobody pays for compiling Python: each client runs once before it is timed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.program import Scene, run, say
from benchmarks.table import Row
from benchmarks.transfer import Place, clients, memory_rows, rows_of, store_files, time_clients
from tests.servers import running_s3

FILE_BYTES = (20_000, 40_000)
_DROPPED = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
)


def measure(scene: Scene) -> Iterator[Row]:
    """Fetch into an empty folder and again, then our peak memory with few and with many objects."""
    files, objects = (500, (500, 5000)) if scene.quick else (5000, (5000, 50_000))
    with running_s3(scene.folder / "server") as address:
        place = Place(
            endpoint=address.s3_endpoint,
            bucket=address.bucket,
            env=_client_environment(os.environ, address.env(), scene.folder),
            folder=scene.folder,
        )
        _warm_up(place)
        stored = store_files(place, "images", files, FILE_BYTES)
        say(f"{files:,} files, {stored / 1e6:.0f} MB, {scene.rounds} rounds:")
        times = time_clients(place, "images", files=files, size=stored, rounds=scene.rounds, echo=say)
        yield from rows_of(times, files)
        yield from memory_rows(place, objects, say)


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


if __name__ == "__main__":
    sys.exit(run("fetch", __doc__, measure))
