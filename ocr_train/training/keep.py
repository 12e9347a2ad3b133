"""What the training makes the model forget: a set that it could read before is read before training and after it.

    keep_before.find_keep (before anything else) -> keep_before.measure_keep (beside the base) -> compare_keep (at the end)

An evaluation of the set that fails keeps nobody from training, and makes no run fail: it is said. A set that is not there, or
of which no sample is good, ends the run before its trainer starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ocr_train.analysis.keep_report import KeepReading, fallen, keep_sentence, reading_of, write_keep
from ocr_train.analysis.predictions import Reading
from ocr_train.analysis.report import FOLDER
from ocr_train.analysis.sampling import ValidationSet
from ocr_train.data.character_classes import visible
from ocr_train.models.keep_score import TAG, KeepScore, run_tag
from ocr_train.models.source import ModelSource
from ocr_train.run import Run
from ocr_train.tracking.tracker import Tracker

_CHARACTERS_NAMED = 10
_FORGETS = (
    "It reads less of what it could read: mix such samples into the training data, or try a smaller learning_rate or "
    "freeze=backbone"
)

Read = Callable[[Sequence[Path]], Sequence[Reading]]


@dataclass(frozen=True, kw_only=True)
class Keep:
    """The set of this run: the samples `chosen`, their `digest`, what the weights of `sha256` read of them `before` training
    (None: not known). `where` is what `evaluate --data` takes, `origin` is for people; `missing` are characters that the
    model's dictionary lacks, with their count; `drawn` says that nobody gave the set."""

    chosen: ValidationSet
    digest: str
    where: str
    origin: str
    drawn: bool
    missing: Mapping[str, int] = field(default_factory=dict)
    before: KeepReading | None = None
    sha256: str = ""

    @property
    def what(self) -> str:
        """What it is, for people."""
        return f"{len(self.chosen.samples)} samples of {self.origin}"


@dataclass(frozen=True, kw_only=True)
class KeepResult:
    """What became of it: a `sentence` for people, and the `score` that goes with the model."""

    sentence: str
    score: KeepScore


def compare_keep(keep: Keep, source: ModelSource, read: Read, run: Run, tracker: Tracker) -> KeepResult:
    """Have `read` read the set with the checkpoint `source`, and say in the run what was lost and won; raises whatever `read`
    raises. Weights that are those of before have lost nothing, and are not read again."""
    before = keep.before
    same = before if keep.sha256 and source.sha256 == keep.sha256 else None
    after = same or reading_of(keep.chosen, read(keep.chosen.paths))
    files, characters = write_keep(tracker.folder / FOLDER, after, before)
    for path in files:
        tracker.log_file(path, FOLDER)
    main = deciding_metric(after, run)
    fell = fallen(main, after, before)
    sentence = (
        f"{main} {same.figures.get(main, 0.0):.3f} on {len(same.scored)} samples, as before training: the best checkpoint is "
        "what training started from"
        if same
        else keep_sentence(main, after, before, characters)
    )
    if keep.missing:
        sentence += f"; {missing_sentence(keep)}"
    if fell > 0:
        sentence += f". {_FORGETS}"
    score = KeepScore(
        metric=main,
        before=before.figures.get(main) if before else None,
        after=after.figures.get(main, 0.0),
        digest=keep.digest,
        samples=len(after.scored),
    )
    if same is None:
        log_keep(tracker, after.figures, source.step, run.logged_until)
    # Where nothing fell that is said, too: a run that went on may have had another tag.
    fell_tag = "" if before is None else f"{main} by {fell:.4f}" if fell > 0 else "no"
    tracker.set_tags({"keep": sentence, "keep_fell": fell_tag, TAG: run_tag(score, source.step)})
    return KeepResult(sentence=sentence, score=score)


def deciding_metric(reading: KeepReading, run: Run) -> str:
    """The metric that decides; where the run's own is none of those that are counted here, the usual one of the task."""
    usual = "hmean" if run.task == "det" else "acc"
    return run.main_metric if run.main_metric in reading.figures else usual


def missing_sentence(keep: Keep) -> str:
    """Which of its characters cannot be read any more, in one clause."""
    named = [f"{visible(char)} ({count})" for char, count in keep.missing.items()][:_CHARACTERS_NAMED]
    more = f" and {len(keep.missing) - len(named)} more" if len(keep.missing) > len(named) else ""
    return f"{len(keep.missing)} of its characters are not in the dictionary and cannot be read: {', '.join(named)}{more}"


def log_keep(tracker: Tracker, figures: Mapping[str, float], step: int, logged: Mapping[str, int]) -> None:
    """The scores at `step` of the run, unless it has them."""
    new = {f"keep/{name}": value for name, value in figures.items() if logged.get(f"keep/{name}", -1) < step}
    if new:
        tracker.log_metrics(new, step=step, time_ms=int(time.time() * 1000))
