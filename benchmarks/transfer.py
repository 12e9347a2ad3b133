"""Ours, `aws s3 sync` and `rclone copy`: many small files from an S3 server on loopback into a folder."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import Cost, measure
from benchmarks.table import Row, at_least, at_most

PROJECT = Path(__file__).resolve().parents[1]
OURS, AWS, RCLONE = "ours", "aws s3 sync", "rclone copy"

Echo = Callable[[str], None]
Command = Callable[[str, Path], list[str]]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a benchmark works: the S3 server's endpoint and bucket, the clients' environment, a folder."""

    endpoint: str
    bucket: str
    env: Mapping[str, str]
    folder: Path

    def run(self, argv: Sequence[str], *, accept: Sequence[int] = (0,)) -> Cost:
        """Run one client as a whole process."""
        return measure(argv, env=self.env, cwd=PROJECT, log=self.folder / "client.log", accept=accept)


def program(name: str) -> str:
    """A peer's program next to this interpreter, else on PATH; SystemExit where there is none."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if not found:
        raise SystemExit(f"{name!r} is not installed: python -m pip install -r benchmarks/requirements.txt")
    return found


def clients(place: Place) -> dict[str, Command]:
    """How each client fetches a prefix into a folder, in the order in which they take turns."""
    aws, rclone = program("aws"), program("rclone")
    options = ["--s3-provider=Other", "--s3-env-auth", f"--s3-endpoint={place.endpoint}"]
    return {
        OURS: lambda prefix, folder: [
            *(sys.executable, "-m", "ocr_train", "fetch", f"s3://{place.bucket}/{prefix}", str(folder))
        ],
        AWS: lambda prefix, folder: [
            *(aws, "s3", "sync", f"s3://{place.bucket}/{prefix}", str(folder), "--only-show-errors")
        ],
        RCLONE: lambda prefix, folder: [
            *(rclone, "copy", f":s3:{place.bucket}/{prefix}", str(folder), "--transfers=32", "--config="),
            *options,
        ],
    }


def store_files(place: Place, prefix: str, count: int, size_bytes: tuple[int, int]) -> int:
    """Store `count` objects of `size_bytes` (least, most) below `prefix`, the same bytes every time; returns
    their bytes in all."""
    source = place.folder / "source"
    generator = random.Random(f"{prefix} {count}")  # noqa: S311 - the same files every time
    total = 0
    for index in range(count):
        path = source / f"{index // 1000:03d}" / f"image_{index:06d}.jpg"
        if index % 1000 == 0:
            path.parent.mkdir(parents=True)
        content = generator.randbytes(generator.randint(*size_bytes))
        path.write_bytes(content)
        total += len(content)
    place.run([sys.executable, "-m", "ocr_train", "push", str(source), f"s3://{place.bucket}/{prefix}"])
    shutil.rmtree(source)
    return total


@dataclass(frozen=True, kw_only=True)
class Times:
    """The costs of every client, one a round: into an empty folder, then again with nothing changed."""

    cold: Mapping[str, Sequence[Cost]]
    again: Mapping[str, Sequence[Cost]]


def time_clients(place: Place, prefix: str, *, files: int, size: int, rounds: int, echo: Echo) -> Times:
    """Let the clients take turns, `rounds` times; whatever arrives is counted and its bytes compared.

    Nothing is deleted in between: for seconds after a deletion ext4 makes new files at a higher cost, which
    the next client would pay.
    """
    commands = clients(place)
    cold: dict[str, list[Cost]] = {name: [] for name in commands}
    again: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(rounds):
        folders = {name: place.folder / f"round-{turn}" / name.split()[0] for name in commands}
        folders[OURS].parent.mkdir()
        for costs in (cold, again):
            for name, command in commands.items():
                costs[name].append(place.run(command(prefix, folders[name])))
                _require_whole(folders[name], files, size, name)
        shown = ", ".join(
            f"{name} {cold[name][-1].wall_s:.2f} s then {again[name][-1].wall_s:.2f} s" for name in commands
        )
        echo(f"  round {turn + 1} of {rounds}: {shown}")
    return Times(cold=cold, again=again)


def _require_whole(folder: Path, files: int, size: int, name: str) -> None:
    found = [path.stat().st_size for path in folder.rglob("*.jpg")]
    if (len(found), sum(found)) != (files, size):
        raise SystemExit(f"{name} brought {len(found)} of {files} files, {sum(found)} of {size} bytes")


def rows_of(times: Times, files: int) -> Iterator[Row]:
    """The figures with their bars, then what they are made of."""
    cold, again = times.cold, times.again
    what = f"{files:,} files"
    for peer, bar in ((AWS, at_least(4)), (RCLONE, at_least(1))):
        yield Row(
            name=f"fetch {what}: times as fast as {peer}",
            samples=_ratios(cold[peer], cold[OURS], "wall_s"),
            unit="x",
            bar=bar,
        )
    for peer, bar in ((AWS, at_most(0.8)), (RCLONE, at_most(1))):
        yield Row(
            name=f"fetch again, nothing changed: time / {peer}",
            samples=_ratios(again[OURS], again[peer], "wall_s"),
            unit="x",
            bar=bar,
        )
    yield Row(
        name=f"fetch {what}: CPU / {AWS}",
        samples=_ratios(cold[OURS], cold[AWS], "cpu_s"),
        unit="x",
        bar=at_most(0.45),
    )
    for name in cold:
        yield Row(name=f"  {name}: fetch", samples=[c.wall_s for c in cold[name]], unit="s")
        yield Row(name=f"  {name}: fetch again", samples=[c.wall_s for c in again[name]], unit="s")
        yield Row(name=f"  {name}: CPU of fetch", samples=[c.cpu_s for c in cold[name]], unit="s")
        yield Row(name=f"  {name}: CPU of fetch again", samples=[c.cpu_s for c in again[name]], unit="s")
        yield Row(name=f"  {name}: peak memory", samples=[c.peak_bytes / 1e6 for c in cold[name]], unit="MB")


def _ratios(above: Sequence[Cost], below: Sequence[Cost], field: str) -> list[float]:
    """Round by round: what one cost over what the other cost in the same minute."""
    return [getattr(one, field) / getattr(two, field) for one, two in zip(above, below, strict=True)]


def memory_rows(place: Place, counts: tuple[int, int], echo: Echo) -> Iterator[Row]:
    """Our peak memory with few and with many objects of 1 to 2 KB, and what one more object adds."""
    peaks = []
    for count in counts:
        prefix = f"many-{count}"
        store_files(place, prefix, count, (1000, 2000))
        into = place.folder / "into-many"
        cost = place.run(clients(place)[OURS](prefix, into))
        again = place.run(clients(place)[OURS](prefix, into))
        shutil.rmtree(into)
        echo(f"  {count:,} objects: {cost.wall_s:.1f} s, again {again.wall_s:.1f} s")
        peaks.append(max(cost.peak_bytes, again.peak_bytes))
    few, many = counts
    yield Row(
        name=f"fetch: peak memory, {many:,} objects / {few:,}",
        samples=[peaks[1] / peaks[0]],
        unit="x",
        bar=at_most(1.5),
        note=f"{peaks[0] / 1e6:.0f} MB, {peaks[1] / 1e6:.0f} MB, "
        f"{(peaks[1] - peaks[0]) / (many - few):.0f} bytes an object",
    )
