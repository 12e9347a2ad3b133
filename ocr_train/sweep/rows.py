"""What is known of each trial, as values: for the table, the pictures, the budget and the decision what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ocr_train.cost import spent

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FINISHED, PRUNED, FAILED = "finished", "pruned", "failed"
RUNNING, WAITING = "running", "waiting"
INTERRUPTED, LOST, BUDGET, SURPLUS = "interrupted", "lost", "budget", "surplus"
COUNTED = (FINISHED, PRUNED, FAILED, RUNNING)
"""What uses up a budget of trials: one that was interrupted or lost is tried again, and counts then."""
SAME_FAILURE = 3


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A trial: `values` by name of the dimension, `score` its best one and `epoch` when; `scores` by epoch; `why` a sentence
    about its end. `continued`: another trial went on with it."""

    number: int
    state: str
    values: Mapping[str, Any]
    score: float | None = None
    epoch: int | None = None
    scores: Mapping[int, float] = field(default_factory=dict)
    run_id: str = ""
    seconds: float = 0.0
    reason: str = ""
    why: str = ""
    code: int = 0
    continued: bool = False


def rows_of(trials: Sequence[FrozenTrial]) -> list[TrialRow]:
    """The trials of a study, in the order of their numbers."""
    begun = (trial for trial in trials if trial.state.name != "WAITING")
    continued = {trial.user_attrs.get("continues") for trial in begun}
    return [_row(trial, trial.number in continued) for trial in trials]


def _row(trial: FrozenTrial, continued: bool) -> TrialRow:
    known = trial.user_attrs
    scores = {int(epoch): value for epoch, value in trial.intermediate_values.items()}
    best = max(scores, key=lambda epoch: (scores[epoch], -epoch), default=None)
    score = trial.value if trial.state.name == "COMPLETE" else None
    return TrialRow(
        number=trial.number,
        state=_state(trial),
        values=trial.params,
        score=score if score is not None else scores[best] if best is not None else None,
        epoch=best,
        scores=scores,
        run_id=str(known.get("run_id", "")),
        seconds=float(known.get("seconds", 0.0)),
        reason=str(known.get("reason", "")),
        why=str(known.get("why", "")),
        code=int(known.get("code", 0)),
        continued=continued,
    )


def _state(trial: FrozenTrial) -> str:
    state = {"RUNNING": RUNNING, "WAITING": WAITING, "COMPLETE": FINISHED, "PRUNED": PRUNED}.get(
        trial.state.name
    )
    return state or str(trial.user_attrs.get("outcome", FAILED))


def counted(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Those that use up a budget of trials."""
    return [row for row in rows if row.state in COUNTED]


def tried_rows(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Those that people see: one line for what was tried, however often it was interrupted."""
    return [row for row in rows if row.state not in (WAITING, SURPLUS) and not row.continued]


def best_first(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Finished trials, the best first; of equal ones the earlier."""
    done = [row for row in rows if row.state == FINISHED and row.score is not None]
    return sorted(done, key=lambda row: (-(row.score or 0.0), row.number))


def counts(rows: Sequence[TrialRow]) -> dict[str, int]:
    """How many of those that are shown are in each state; none is left out that there is."""
    found: dict[str, int] = {}
    for row in tried_rows(rows):
        found[row.state] = found.get(row.state, 0) + 1
    return found


def common_failure(rows: Sequence[TrialRow]) -> TrialRow | None:
    """The last of the first three trials where all of them failed for the same reason: the others would, too."""
    first = [row for row in counted(rows) if row.state != RUNNING][:SAME_FAILURE]
    if len(first) < SAME_FAILURE or {row.state for row in first} != {FAILED}:
        return None
    return first[-1] if len({row.reason for row in first}) == 1 else None


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a sweep may use in all, over every start and every worker; None for no limit. Hours are those of trainings."""

    trials: int | None = None
    hours: float | None = None
    usd: float | None = None
    hourly_usd: float | None = None

    def used(self, rows: Sequence[TrialRow], more_s: float = 0.0) -> dict[str, float]:
        """Hours, and money where an hour has a price, of all trials; `more_s` are not noted in a row yet."""
        return spent(sum(row.seconds for row in rows) + more_s, self.hourly_usd)

    def over(self, rows: Sequence[TrialRow], more_s: float = 0.0) -> str:
        """What of it is used up, in words for people; nothing where there is some left."""
        return self.time_over(rows, more_s) or (
            f"{self.trials} trials" if self.trials is not None and len(counted(rows)) >= self.trials else ""
        )

    def time_over(self, rows: Sequence[TrialRow], more_s: float = 0.0) -> str:
        """The same for what a running trial uses, too."""
        used = self.used(rows, more_s)
        if self.hours is not None and used["time/hours"] >= self.hours:
            return f"{self.hours:g} hours"
        if self.usd is not None and used.get("cost/usd", 0.0) >= self.usd:
            return f"{self.usd:g} USD"
        return ""

    def __str__(self) -> str:
        parts = [
            f"{self.trials} trials" if self.trials is not None else "",
            f"{self.hours:g} hours" if self.hours is not None else "",
            f"{self.usd:g} USD" if self.usd is not None else "",
        ]
        return ", ".join(filter(None, parts)) or "all combinations of the grid"
