"""`python -m benchmarks.tracking`: what tracking costs a training, against the very same tools/train.py command alone.

PaddleOCR trains 60 steps: bare, tracked, tracked without looking at samples, and tracked with an MLflow server that takes a
second for a request and an S3 server that takes 20 MB/s. They take turns; a ratio is taken within one round. Wall time is
that of the training: from the start of the trainer's process to its end. What comes before and after has rows of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.process_watch import Training
from benchmarks.program import Scene, run, say
from benchmarks.slow_servers import slow_ways
from benchmarks.table import Bar, Row, at_least, at_most
from benchmarks.trainings import PROJECT, Delivery, TrackedRun, Trainings, delivery_of, running_servers

BARE, TRACKED, WITHOUT, SLOW = "bare", "tracked", "tracked, without looking", "tracked, slow servers"
REQUEST_S, S3_BYTES_PER_S = 1.0, 20e6


@dataclass(kw_only=True)
class Found:
    """What was seen of each kind of training, one a round."""

    trainings: dict[str, list[Training]] = field(default_factory=dict)
    deliveries: dict[str, list[Delivery]] = field(default_factory=dict)

    def ratios(self, kind: str) -> list[float]:
        """Wall time against the bare training of the same round."""
        return [
            one.wall_s / bare.wall_s
            for one, bare in zip(self.trainings[kind], self.trainings[BARE], strict=True)
        ]


def measure(scene: Scene) -> Iterator[Row]:
    """Train in turns, then see what `mlflow run` adds."""
    with running_servers(scene.folder / "servers") as (servers, env):
        trainings = Trainings(folder=scene.folder, env=env, epochs=1 if scene.quick else 4)
        trainings.draw_data()
        # For the caches, and for the configuration that bare trainings get.
        trainings.tracked(look=True)
        found = Found()
        address = servers.address
        with slow_ways(
            address.tracking_uri.removeprefix("http://"),
            address.s3_endpoint.removeprefix("http://"),
            delay_s=REQUEST_S / (10 if scene.quick else 1),
            bytes_per_s=S3_BYTES_PER_S,
        ) as ways:
            slow = {
                "MLFLOW_TRACKING_URI": f"http://{ways.mlflow}",
                "MLFLOW_S3_ENDPOINT_URL": f"http://{ways.s3}",
                "AWS_ENDPOINT_URL_S3": f"http://{ways.s3}",
            }
            for number in range(1 if scene.quick else scene.rounds):
                _round(number, trainings, found, slow, address.tracking_uri)
        yield from rows_of(found)
        yield launched(trainings, found, rounds=1 if scene.quick else 2)


def _round(number: int, trainings: Trainings, found: Found, slow: Mapping[str, str], uri: str) -> None:
    """Each kind once."""
    found.trainings.setdefault(BARE, []).append(trainings.bare())
    runs: dict[str, TrackedRun] = {
        TRACKED: trainings.tracked(look=True),
        WITHOUT: trainings.tracked(look=False),
        SLOW: trainings.tracked(look=True, env=slow),
    }
    for kind, one in runs.items():
        found.trainings.setdefault(kind, []).append(one.training)
        found.deliveries.setdefault(kind, []).append(delivery_of(one, uri))
    shown = ", ".join(f"{kind} {seen[-1].wall_s:.2f} s" for kind, seen in found.trainings.items())
    say(f"  round {number + 1}: {shown}")


def rows_of(found: Found) -> Iterator[Row]:
    """The figures with their bars, then what they are made of."""
    for kind, limit in ((TRACKED, 1.02), (WITHOUT, 1.01), (SLOW, 1.02)):
        yield Row(
            name=f"training, {kind} / bare: wall time",
            samples=found.ratios(kind),
            unit="x",
            bar=at_most(limit),
            note="from the trainer's start to its end",
        )
    for kind, seen in found.deliveries.items():
        yield Row(
            name=f"{kind}: points at the server / points printed",
            samples=[one.found / one.printed for one in seen],
            unit="x",
            bar=at_least(1),
            note=f"of {min(one.printed for one in seen)} or more; samples looked at {_looks(seen)} times; "
            f"{'all FINISHED' if all(one.status == 'FINISHED' for one in seen) else 'NOT ALL FINISHED'}",
        )
    yield from _cost_rows(found)
    bare = found.trainings[BARE]
    yield Row(
        name="ocr-train train: command to the first step, more than bare",
        samples=_later(found.trainings[TRACKED], bare),
        unit="s",
        bar=at_most(3),
    )
    yield Row(name="the same with slow servers", samples=_later(found.trainings[SLOW], bare), unit="s")
    for kind, trainings in found.trainings.items():
        yield Row(
            name=f"  {kind}: trainer, start to end", samples=[one.wall_s for one in trainings], unit="s"
        )
        if kind != BARE:
            yield Row(
                name=f"  {kind}: before the trainer", samples=[one.started for one in trainings], unit="s"
            )
        yield Row(
            name=f"  {kind}: command to the first step",
            samples=[one.first_step for one in trainings],
            unit="s",
        )
        if kind != BARE:
            ends = [one.over - one.ended for one in trainings]
            yield Row(name=f"  {kind}: after the trainer", samples=ends, unit="s")


def _looks(seen: list[Delivery]) -> str:
    few, many = min(one.looks for one in seen), max(one.looks for one in seen)
    return str(few) if few == many else f"{few} to {many}"


def _later(ours: list[Training], bare: list[Training]) -> list[float]:
    return [one.first_step - other.first_step for one, other in zip(ours, bare, strict=True)]


def _cost_rows(found: Found) -> Iterator[Row]:
    """CPU and memory of all our processes while the trainer took steps. With looking, that is a PaddleOCR of its own, too."""
    bars: Mapping[str, tuple[Bar | None, Bar | None]] = {
        WITHOUT: (at_most(0.02), at_most(250)),
        TRACKED: (at_most(0.02), at_most(250)),
        SLOW: (None, None),
    }
    for kind, (cpu, memory) in bars.items():
        seen = found.trainings[kind]
        yield Row(
            name=f"{kind}: CPU of all our processes / the trainer's",
            samples=[one.others_cpu_s / one.trainer_cpu_s for one in seen],
            unit="x",
            bar=cpu,
            note=f"from the first step to the trainer's end; {max(one.others_cpu_s for one in seen):.2f} s at most",
        )
        yield Row(
            name=f"{kind}: peak memory of all our processes together",
            samples=[one.others_peak_bytes / 1e6 for one in seen],
            unit="MB",
            bar=memory,
            note=f"the tracker alone {max(one.command_peak_bytes for one in seen) / 1e6:.0f} MB",
        )


def launched(trainings: Trainings, found: Found, *, rounds: int) -> Row:
    """What `mlflow run` adds to the time to the first step."""
    seen = []
    for number in range(rounds):
        folder = trainings.folder / f"launched-{number}"
        folder.mkdir()
        values = trainings.options(look=True)
        pairs = [
            f"{key[2:].replace('-', '_')}={value}"
            for key, value in zip(values[::2], values[1::2], strict=True)
        ]
        argv = [str(Path(sys.executable).parent / "mlflow"), "run", str(PROJECT), "--env-manager", "local"]
        argv += ["--experiment-name", "launched", *(word for pair in pairs for word in ("-P", pair))]
        argv += ["-P", f"output={folder}"]
        seen.append(trainings.until_first_step(argv, cwd=folder, folder=".").first_step)
    base = sorted(one.first_step for one in found.trainings[TRACKED])[len(found.trainings[TRACKED]) // 2]
    return Row(
        name="mlflow run --env-manager local: command to the first step, more than ocr-train train",
        samples=[one - base for one in seen],
        unit="s",
        note=f"against its median, {base:.1f} s",
    )


if __name__ == "__main__":
    sys.exit(run("tracking", __doc__, measure))
