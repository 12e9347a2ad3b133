"""The study of a sweep, in Optuna's database: asks for what to try next, and is told what came of it.

Several processes may work on one study, on one machine or on several. A trial is held by one of them; one whose holder is
gone is given back and tried again with the same values, from where it was.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ocr_train.errors import ConfigError
from ocr_train.redaction.addresses import redacted
from ocr_train.sweep.database import PATIENCE_S, open_storage, patiently
from ocr_train.sweep.plan import SweepPlan
from ocr_train.sweep.processes import ProcessId, process_id, read_process
from ocr_train.sweep.rows import FAILED, LOST, RUNNING, SURPLUS, TrialRow, counted, rows_of
from ocr_train.sweep.sampling import make_sampler
from ocr_train.sweep.settings import GRID, MEDIAN

if TYPE_CHECKING:
    import optuna
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, Trial

PLAN, PARENT, CREATOR = "plan", "parent_run", "creator"
CREATION_S = 60.0
"""For so long another worker is waited for that has just made the study and not yet its parent run."""
SILENT_S = 120.0
"""Four beats: the holder of a trial on another machine is gone."""
SOON_S = 4.0
"""For so long a running trial may wait for the database: what cannot be noted then is noted later."""
MOST_ATTEMPTS = 3
"""A trial whose process was lost that often is not tried again: it may be what ends it."""


@dataclass(frozen=True)
class _Sign:
    """The sign of life of a trial on another machine, seen first at `since`; `beats`: it has changed before."""

    sign: object
    since: float
    beats: bool


@dataclass(frozen=True, kw_only=True)
class NextTrial:
    """A trial to run: `values` by name; `resume` is the run that it goes on with, `continues` the trial."""

    number: int
    values: Mapping[str, Any]
    resume: str = ""
    continues: int | None = None


@dataclass
class SweepStudy:
    """A study that this process works on; `created` says that it was the first."""

    study: optuna.Study
    storage: RDBStorage
    url: str
    plan: SweepPlan
    created: bool
    _trials: dict[int, Trial] = field(default_factory=dict)
    _signs: dict[int, _Sign] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called in its database."""
        return self.study.study_name

    @property
    def address(self) -> str:
        """Where it is kept, without secrets."""
        return redacted(self.url)

    def close(self) -> None:
        """Let go of the database."""
        self.storage.remove_session()
        self.storage.engine.dispose()

    def rows(self) -> list[TrialRow]:
        """All trials."""
        return rows_of(self._all())

    def note(self, **values: Any) -> None:
        """Keep `values` with the study."""
        for key, value in values.items():
            patiently(lambda key=key, value=value: self.study.set_user_attr(key, value), self.url)  # type: ignore[misc]

    def noted(self, key: str) -> Any:
        """What is kept with the study under `key`; None where there is nothing."""
        return patiently(lambda: self.study.user_attrs, self.url).get(key)

    def ask(self, most: int | None) -> NextTrial | None:
        """The next trial, held by this process from now on; None where another worker has taken the last of `most`."""
        trial = patiently(self.study.ask, self.url)
        attrs = trial.user_attrs
        values = {one.name: one.draw(trial) for one in self.plan.dimensions}
        self._note_trial(trial, holder=process_id().to_list())
        mine = [row.number for row in counted(self.rows())]
        late = most is not None and mine.index(trial.number) >= most
        if late or (self.plan.sampler.name == GRID and not attrs.get("planned")):
            if self._fail(trial.number, outcome=SURPLUS) and attrs.get("planned"):
                patiently(lambda: self.study.enqueue_trial(values, user_attrs=attrs), self.url)
            return None
        self._trials[trial.number] = trial
        continues = attrs.get("continues")
        for epoch, score in self._scores(continues).items():
            patiently(lambda score=score, epoch=epoch: trial.report(score, epoch), self.url)  # type: ignore[misc]
        return NextTrial(
            number=trial.number, values=values, resume=str(attrs.get("resume", "")), continues=continues
        )

    def report(self, number: int, score: float, epoch: int) -> str:
        """Note the score of an epoch; why the trial is hopeless, nothing where it is not."""
        trial = self._trials[number]

        def prunes() -> bool:
            trial.report(score, epoch)
            return trial.should_prune()

        if not patiently(prunes, self.url, patience_s=SOON_S):
            return ""
        others = [
            other.intermediate_values[epoch]
            for other in self._all()
            if other.number != number
            and other.state.name == "COMPLETE"
            and epoch in other.intermediate_values
        ]
        said = f"after epoch {epoch} {self.plan.metric} {score:.4g}"
        if self.plan.pruner.name == MEDIAN and others:
            return f"{said}, the median of the other trials is {statistics.median(others):.4g}"
        return f"{said}, and other trials were better" if others else said

    def beat(self, number: int, **values: Any) -> None:
        """Note `values` of a trial of ours, and that it lives."""
        self._note_trial(self._trials[number], patience_s=SOON_S, **values)

    def finish(self, number: int, score: float, **values: Any) -> None:
        """It was trained to its end."""
        self._note_trial(self._trials[number], **values)
        patiently(lambda: self.study.tell(number, score, skip_if_finished=True), self.url)

    def prune(self, number: int, **values: Any) -> None:
        """It was ended because others are better."""
        from optuna.trial import TrialState

        self._note_trial(self._trials[number], **values)
        patiently(lambda: self.study.tell(number, state=TrialState.PRUNED, skip_if_finished=True), self.url)

    def fail(self, number: int, **values: Any) -> None:
        """It failed: nothing is tried again."""
        self._fail(number, **{"outcome": FAILED, **values})

    def give_back(self, number: int, *, outcome: str, **values: Any) -> None:
        """It was interrupted: the same values are tried again, from where it was."""
        trial = self._all()[number]
        attempt = int(trial.user_attrs.get("attempt", 1))
        if outcome == LOST and attempt >= MOST_ATTEMPTS:
            lost = f"its process was lost {attempt} times"
            self._fail(number, **{**values, "outcome": FAILED, "reason": "tracker_lost", "why": lost})
            return
        if not self._fail(number, outcome=outcome, **values):
            return
        attrs = {
            "continues": number,
            "resume": str(values.get("run_id") or trial.user_attrs.get("run_id", "")),
            "attempt": attempt + (outcome == LOST),
            "planned": True,
        }
        patiently(lambda: self.study.enqueue_trial(dict(trial.params), user_attrs=attrs), self.url)

    def orphans(self) -> Iterator[tuple[TrialRow, ProcessId | None]]:
        """Running trials whose holder is gone, with the process that trained: it may still be about to end."""
        for trial, row in zip(self._all(), self.rows(), strict=False):
            if row.state == RUNNING and row.number not in self._trials and self._lives(trial) is False:
                yield row, read_process(trial.user_attrs.get("child"))

    def unsure(self) -> bool:
        """Whether another machine holds a trial of which it is not known yet whether it lives: `orphans` says it later."""
        return any(
            trial.state.name == "RUNNING" and trial.number not in self._trials and self._lives(trial) is None
            for trial in self._all()
        )

    def others_running(self) -> list[int]:
        """The trials that other workers are training."""
        return [row.number for row in self.rows() if row.state == RUNNING and row.number not in self._trials]

    def finish_lost(self, number: int, score: float) -> None:
        """The training of a trial had ended well before its holder was lost: that is what it came to."""
        patiently(lambda: self.study.tell(number, score, skip_if_finished=True), self.url)

    def _lives(self, trial: FrozenTrial) -> bool | None:
        """Whether the holder of a running trial lives; None as long as that is not known."""
        holder = read_process(trial.user_attrs.get("holder"))
        lives = holder.lives() if holder else None
        if lives is not None:
            return lives
        # Clocks of two machines need not agree: what counts is whether its sign changes while we look.
        sign, now = trial.user_attrs.get("seconds"), time.monotonic()
        before = self._signs.get(trial.number)
        if before is None or before.sign != sign:
            self._signs[trial.number] = before = _Sign(sign, now, beats=before is not None)
        if now - before.since > SILENT_S:
            return False
        return True if before.beats else None

    def _fail(self, number: int, **values: Any) -> bool:
        """Whether it was this process that ended it."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        trial = self._all()[number]
        if trial.state.is_finished():
            return False
        try:
            for key, value in values.items():
                self._note_of(number, key, value)
            patiently(lambda: self.study.tell(number, state=TrialState.FAIL), self.url)
        except (UpdateFinishedTrialError, ValueError):
            # Another worker was faster.
            return False
        return True

    def _scores(self, number: int | None) -> dict[int, float]:
        return {} if number is None else dict(self._all()[number].intermediate_values)

    def _note_trial(self, trial: Trial, *, patience_s: float = PATIENCE_S, **values: Any) -> None:
        for key, value in values.items():
            patiently(
                lambda key=key, value=value: trial.set_user_attr(key, value),  # type: ignore[misc]
                self.url,
                patience_s=patience_s,
            )

    def _note_of(self, number: int, key: str, value: Any) -> None:
        """Note a value of a trial, also of one that another process held."""

        def note() -> None:
            study_id = self.storage.get_study_id_from_name(self.name)
            trial_id = self.storage.get_trial_id_from_study_id_trial_number(study_id, number)
            self.storage.set_trial_user_attr(trial_id, key, value)

        patiently(note, self.url)

    def _all(self) -> Sequence[FrozenTrial]:
        return patiently(lambda: self.study.get_trials(deepcopy=False), self.url)


def open_study(
    url: str, name: str, plan: SweepPlan, *, sleep: Callable[[float], object] = time.sleep
) -> SweepStudy:
    """The study `name` in the database at `url`, made where there is none.

    Raises `ConfigError` where it was made with another space, `StorageError`.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(url)
    options: dict[str, Any] = {
        "storage": storage,
        "study_name": name,
        "sampler": make_sampler(plan.sampler),
        "pruner": plan.pruner.make(plan.epochs),
    }
    try:
        made = patiently(lambda: optuna.create_study(direction="maximize", **options), url)
    except optuna.exceptions.DuplicatedStudyError:
        found = patiently(lambda: optuna.load_study(**options), url)
        study = SweepStudy(study=found, storage=storage, url=url, plan=plan, created=False)
        _join(study, sleep)
        return study
    study = SweepStudy(study=made, storage=storage, url=url, plan=plan, created=True)
    _begin(study)
    return study


def _begin(study: SweepStudy) -> None:
    study.note(creator=process_id().to_list())
    if study.plan.sampler.name == GRID:
        for values in study.plan.grid():
            patiently(
                lambda values=values: study.study.enqueue_trial(values, user_attrs={"planned": True}),  # type: ignore[misc]
                study.url,
            )
    study.note(plan=json.dumps(study.plan.described(), ensure_ascii=False))


def _join(study: SweepStudy, sleep: Callable[[float], object]) -> None:
    """Wait until whoever made the study has said all of it, and compare; where that one is gone, do it ourselves."""
    deadline = time.monotonic() + CREATION_S
    while not (study.noted(PLAN) and study.noted(PARENT)):
        creator = read_process(study.noted(CREATOR))
        if (creator and creator.lives() is False) or time.monotonic() > deadline:
            study.created = True
            if not study.noted(PLAN):
                _begin(study)
            break
        sleep(0.3)
    _require_same(study)


def _require_same(study: SweepStudy) -> None:
    before, now = json.loads(study.noted(PLAN) or "{}"), study.plan.described()
    changed = [
        f"{key}: {before.get(key, 'nothing')} before, {now.get(key, 'nothing')} now"
        for key in dict.fromkeys([*before, *now])
        if before.get(key) != now.get(key)
    ]
    if changed:
        raise ConfigError(
            f"the study {study.name!r} in {study.address} was made for another sweep:\n"
            + "\n".join(f"  - {line}" for line in changed),
            hint="Its trials cannot be compared with new ones. Give the sweep a study of its own with --study NAME, or "
            "take the change back.",
        )
