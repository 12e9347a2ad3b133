"""PaddleOCR's training log, text in, typed events out; all formats from 1.x to 2.10.

    parser = LogParser()
    for line in child.stdout:
        for event in parser.feed(line): ...

- A line that is not one of the known ones becomes a `LogLine`; nothing is dropped but redraws of tqdm's bars,
  which would flood whoever listens. A line may hold several records and then makes several events, in order.
- Lines are recognised by their message. The logger's prefix may be missing or of another make; which texts
  count as a message and which are only quotations is decided in `log_lines`.
- A line that a terminal broke in two is not put together again: the first half makes an event without the
  number at the break, the second half is a `LogLine`. A path that a bar interrupts makes no event at all.
- `step` and `epoch` of an evaluation or a checkpoint are those of the last progress line. With a
  `print_batch_step` larger than 1 the trainer may be a few steps further.

Sources: `tools/program.py`, `tools/eval.py`, `ppocr/utils/save_load.py` of PaddleOCR 2.10; logs of older
versions.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ocr_train.events import (
    BestUpdated,
    CheckpointSaved,
    EvalCompleted,
    Event,
    LogLine,
    TrainProgress,
    WeightsLoaded,
)
from ocr_train.trainer import log_values as values
from ocr_train.trainer.files import checkpoint_kind
from ocr_train.trainer.log_lines import Record, split_line
from ocr_train.trainer.log_shapes import ProgressNumbers, ProgressShapes

_PROGRESS = re.compile(
    r"epoch: (?:\[(\d{1,9})/(\d{1,9})\]|(\d{1,9})), {1,3}(?:global_step|iter): (\d{1,18}), ", re.ASCII
)
# 2.0 wrote "metirc".
_EVAL = re.compile(r"cur met(?:ri|ir)c, ")
_BEST = re.compile(r"best met(?:ri|ir)c, ")
_TEST_1X = re.compile(r"Test iter: (\d{1,18}), ", re.ASCII)
_SAVED = re.compile(r"(?:save model in|(save best model is to)|Already save model in) (?=\S)")
_LOADED = re.compile(r"(resume from|load pretrain successful from|load pretrained model from) (?=\S)")
_JSON = json.JSONEncoder(ensure_ascii=False)
_EVAL_HEADER = re.compile(r"metric eval \*+")
_EVAL_ROW = re.compile(r"([\w .<=>/+-]{1,80}):(\S.*)")

_BEGINNINGS = (
    "epoch: ",
    "cur met",
    "best met",
    "Test iter: ",
    "save ",
    "Already save ",
    "resume ",
    "load ",
    "train ",
)
"""How the messages begin that say anything. None other has to be tried."""


class LogParser:
    """Makes events of lines. It remembers the line number, the last progress and an unfinished table of metrics."""

    def __init__(self) -> None:
        self._lines = 0
        self._epoch: int | None = None
        self._step: int | None = None
        self._rows: dict[str, float] | None = None
        self._evaluated = False
        self._shapes = ProgressShapes(values.TRAIN_NAMES)
        self._said = ProgressNumbers(0, None, 0, {})
        # Which line is read, and when it was.
        self._at = {"line": 0, "time_ms": 0}

    def feed(self, text: str, *, time_ms: int = 0) -> list[Event]:
        """The events of one raw line, in order; an empty list for redraws of a progress bar.

        `text` may hold carriage returns (the bar's) and a line end. `time_ms` is when it was read.
        Never raises, whatever the text.
        """
        self._lines += 1
        self._at = {"line": self._lines, "time_ms": time_ms}
        if "epoch: " in text and (said := self._shapes.read(text)) is not None:
            self._rows = None
            return [self._progressed(said)]
        records = split_line(text)
        if len(records) == 1:
            events = self._events(records[0])
            if type(events[0] if events else None) is TrainProgress:
                self._shapes.learn(text, self._said)
            return events
        return self._join_log_lines(event for record in records for event in self._events(record))

    def _events(self, record: Record) -> list[Event]:
        rows, self._rows = self._rows, None
        if not record.message.startswith(_BEGINNINGS):
            return self._table(record, rows) or [LogLine(text=record.text, **self._at)]
        for read in (self._progress, self._evaluation, self._best, self._test_1x, self._saved, self._loaded):
            events = read(record)
            if events:
                return events
        return self._table(record, rows) or [LogLine(text=record.text, **self._at)]

    def _progressed(self, said: ProgressNumbers) -> TrainProgress:
        self._said = said
        self._epoch, self._step = said.epoch, said.step
        return TrainProgress(
            epoch=said.epoch, epochs=said.epochs, step=said.step, metrics=said.metrics, **self._at
        )

    def _progress(self, record: Record) -> list[Event]:
        found = _PROGRESS.match(record.message)
        if not found:
            return []
        metrics = values.train_numbers(record.message[found.end() :], cut=record.cut)
        if not metrics:
            return []
        epochs = int(found[2]) if found[2] else None
        said = ProgressNumbers(int(found[1] or found[3]), epochs, int(found[4]), metrics)
        return [self._progressed(said)]

    def _evaluation(self, record: Record) -> list[Event]:
        found = _EVAL.match(record.message)
        metrics = (
            values.numbers_in(record.message[found.end() :], prefix="eval", cut=record.cut) if found else {}
        )
        self._evaluated = self._evaluated or bool(metrics)
        return (
            [EvalCompleted(metrics=metrics, step=self._step, epoch=self._epoch, **self._at)]
            if metrics
            else []
        )

    def _best(self, record: Record) -> list[Event]:
        """Before any evaluation it is a score only where it says of which epoch, and not the 0 that a resume puts there."""
        found = _BEST.match(record.message)
        if not found:
            return []
        text = record.message[found.end() :]
        metrics, best_epoch = values.best_numbers(text, cut=record.cut)
        if not self._evaluated and (best_epoch is None or values.is_reset(text)):
            return []
        return (
            [BestUpdated(metrics=metrics, best_epoch=best_epoch, step=self._step, **self._at)]
            if metrics
            else []
        )

    def _test_1x(self, record: Record) -> list[Event]:
        found = _TEST_1X.match(record.message)
        if not found or record.cut:
            return []
        current, best, best_epoch = values.evaluation_1x_numbers(record.message[found.end() :])
        step = int(found[1])
        events: list[Event] = []
        if current:
            events.append(EvalCompleted(metrics=current, step=step, epoch=self._epoch, **self._at))
        if best:
            events.append(BestUpdated(metrics=best, best_epoch=best_epoch, step=step, **self._at))
        return events

    def _saved(self, record: Record) -> list[Event]:
        """A checkpoint on disk: of an unknown name only where a known prefix vouches for the record."""
        found = _SAVED.match(record.message)
        if not found or record.cut:
            return []
        prefix = record.message[found.end() :]
        name = re.split(r"[\\/]", prefix.rstrip("\\/"))[-1]
        named = checkpoint_kind(name)
        if not named and (not record.named or found[0].startswith("Already")):
            return []
        kind = "best" if found[1] else named or "epoch"
        return [
            CheckpointSaved(
                name=name, kind=kind, prefix=prefix, step=self._step, epoch=self._epoch, **self._at
            )
        ]

    def _table(self, record: Record, rows: dict[str, float] | None) -> list[Event]:
        """A row of what `tools/eval.py` prints, one "name:value" a record; fps is always the last."""
        if _EVAL_HEADER.fullmatch(record.message):
            self._rows = {}
            return []
        row = _EVAL_ROW.fullmatch(record.message) if rows is not None and not record.cut else None
        if rows is None or row is None:
            return []
        rows |= values.numbers_in(row[0], prefix="eval")
        if row[1] == "fps" and rows:
            return [EvalCompleted(metrics=rows, step=self._step, epoch=self._epoch, **self._at)]
        self._rows = rows
        return []

    def _join_log_lines(self, events: Iterable[Event]) -> list[Event]:
        """The events of a line, neighbouring `LogLine`s made one: a bar of unknown make must not flood either."""
        joined: list[Event] = []
        texts: list[str] = []
        for event in events:
            if isinstance(event, LogLine):
                texts.append(event.text)
                continue
            joined += [LogLine(text="\r".join(texts), **self._at)] if texts else []
            joined.append(event)
            texts = []
        return joined + ([LogLine(text="\r".join(texts), **self._at)] if texts else [])

    def _loaded(self, record: Record) -> list[Event]:
        """The start of training: without a known prefix only where a path follows."""
        if record.message == "train from scratch":
            return [WeightsLoaded(how="scratch", path="", **self._at)]
        found = _LOADED.match(record.message)
        if not found or record.cut:
            return []
        path = record.message[found.end() :]
        if not record.named and not re.search(r"[\\/]", path):
            return []
        how = "resume" if found[1].startswith("resume") else "pretrained"
        return [WeightsLoaded(how=how, path=path.strip("[]'\""), **self._at)]


def parse_lines(lines: Iterable[str]) -> Iterator[Event]:
    """The events of a whole log, line by line."""
    parser = LogParser()
    for line in lines:
        yield from parser.feed(line)


def to_json(event: Event) -> str:
    """One line of JSON: {"event": "TrainProgress", <its fields>, "line": N}.

    NaN and the infinities are the strings "nan", "inf" and "-inf"; `time_ms` is left out where not known.
    What is no Unicode (bytes of the log that are no UTF-8, read with surrogateescape) is escaped, so that the
    line can always be written.
    """
    fields: dict[str, Any] = dict(vars(event))
    line, time_ms = fields.pop("line"), fields.pop("time_ms")
    if "metrics" in fields:
        fields["metrics"] = {
            name: value if math.isfinite(value) else str(value) for name, value in fields["metrics"].items()
        }
    shape = {"event": type(event).__name__, **fields, "line": line} | (
        {"time_ms": time_ms} if time_ms else {}
    )
    text = _JSON.encode(shape)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
