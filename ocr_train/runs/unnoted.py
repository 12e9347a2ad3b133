"""Points that the trainer printed and the journal lacks: a killed tracker had read the line, and not come to note it.

The log is written by the thread that reads the trainer's output, the journal by the one that acts on it: between the
two may be the copy of a large checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ocr_train.runs.uncopied import main_metric
from ocr_train.tracking.journal import Metric, last_tags, read_batch
from ocr_train.tracking.metric_names import legal_name, plain_name, shown_name
from ocr_train.tracking.metric_points import MetricPoints
from ocr_train.tracking.run_folder import JOURNAL, RunFacts
from ocr_train.trainer.log_parser import LogParser


def unnoted_points(folder: Path, facts: RunFacts) -> Sequence[Metric]:
    """The points of the last trainer's whole lines that are not in the journal, with the time of the last of them.

    Empty where it is not known which part of the log is the last trainer's.
    """
    log = folder / "train.log"
    if facts.log_start < 0 or not log.is_file():
        return ()
    main = main_metric(folder / "config.yml")
    noted = list(_noted(folder / JOURNAL))
    known = {(plain_name(record.key), record.step) for record in noted}
    best = max((record.value for record in noted if record.key == f"best/{main}"), default=None)
    offset = int(last_tags(folder / JOURNAL).get("resumed_from_step", "0") or 0)
    points = MetricPoints(main_metric=main, offset=offset, best=best)
    time_ms = int(log.stat().st_mtime * 1000)
    found = [
        Metric(key=legal_name(shown_name(key)), value=float(value), step=step, time_ms=time_ms)
        for key, value, step in _points_in(log, facts.log_start, points)
        # The best of the run that it continued from is not known here: without one of its own nothing is called best.
        if not (offset and best is None and key.startswith("best/"))
    ]
    return [one for one in found if (plain_name(one.key), one.step) not in known]


def _noted(journal: Path) -> Iterator[Metric]:
    position, end = -1, 0
    while end != position:
        position = end
        batch, end = read_batch(journal, position)
        yield from batch.metrics


def _points_in(log: Path, start: int, points: MetricPoints) -> Iterator[tuple[str, float, int]]:
    parser = LogParser()
    with log.open("rb") as stream:
        stream.seek(start)
        for line in stream:
            if not line.endswith(b"\n"):
                return
            for event in parser.feed(line.decode("utf-8", "replace").rstrip("\n")):
                found = points.of(event)
                for key, value in found.metrics.items() if found else ():
                    yield key, value, found.step if found else 0
