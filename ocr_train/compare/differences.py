"""In what the runs differ: configuration, launch, data, code, environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ocr_train.compare.values import RunData, is_finite, scored_on
from ocr_train.config.experiment import Launch

CONFIG_PREFIX = "cfg/"
_CODE = (
    ("project commit", "git_commit"),
    ("MLflow's source commit", "mlflow.source.git.commit"),
    ("repository", "mlflow.source.git.repoURL"),
    ("branch", "mlflow.source.git.branch"),
)
_MACHINE = ("device", "warning", "degraded")
DIGEST = "dataset digest"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing and what each run has of it, in the runs' order; None where a run says nothing."""

    name: str
    values: Sequence[str | None]

    @property
    def differs(self) -> bool:
        """Whether not all runs have the same."""
        return len(set(self.values)) > 1


@dataclass(frozen=True, kw_only=True)
class Topic:
    """What the runs have of one thing, and a note on what is the same in all of them."""

    key: str
    title: str
    rows: Sequence[Row]
    note: str = ""


def differences(runs: Sequence[RunData]) -> list[Topic]:
    """In what `runs` differ, data first, because scores depend on it. Of configuration and launch only what differs;
    folders of a run's own are the same thing for each."""
    data = [row for row in _data(runs) if any(row.values) or row.name == DIGEST]
    code = _known(_tag_row(runs, name, key) for name, key in _CODE)
    environment = _known([*(_tag_row(runs, name, name) for name in _MACHINE), *_rows(runs, _versions)])
    return [
        Topic(key="data", title="Data", rows=data),
        _settings("config", "Configuration", "settings", _rows(runs, _config)),
        _settings("launch", "Launch parameters", "parameters", _rows(runs, _launch)),
        Topic(
            key="code",
            title="Code version",
            rows=code,
            note="" if code else "no run says which commit it was started from",
        ),
        Topic(
            key="environment",
            title="Environment",
            rows=environment,
            note="" if environment else "no run says its versions",
        ),
    ]


def digests_differ(runs: Sequence[RunData]) -> bool:
    """Whether scores come from different data."""
    return len(set(scored_on(runs).values())) > 1


def _settings(key: str, title: str, what: str, rows: Sequence[Row]) -> Topic:
    differing = [row for row in rows if row.differs]
    same = len(rows) - len(differing)
    if rows and len(rows[0].values) == 1:
        note = f"{same} {what}: they are in MLflow"
    elif differing:
        note = f"{same} other {what} are the same"
    else:
        note = f"nothing differs: {same} {what} are the same" if same else f"no run has {what}"
    return Topic(key=key, title=title, rows=differing, note=note)


def _known(rows: Iterable[Row]) -> list[Row]:
    """Without what no run says anything of."""
    return [row for row in rows if any(row.values)]


def _rows(runs: Sequence[RunData], read: Callable[[RunData], Mapping[str, str]]) -> list[Row]:
    columns = [read(run) for run in runs]
    names = sorted({name for column in columns for name in column})
    return [Row(name=name, values=[column.get(name) for column in columns]) for name in names]


def _config(run: RunData) -> dict[str, str]:
    return {
        key.removeprefix(CONFIG_PREFIX): _without_folders(value, run)
        for key, value in run.params.items()
        if key.startswith(CONFIG_PREFIX)
    }


def _without_folders(value: str, run: RunData) -> str:
    """`value` with the folder that the run was trained in as one word: it is another for each run."""
    return re.sub(rf"[^\s'\",\[\]]*{re.escape(run.run_id)}", "<run>", value)


def _launch(run: RunData) -> dict[str, str]:
    """The launch as all runs can be asked for it: what was not given is the default."""
    defaults = vars(Launch())
    given = {
        key: _without_folders(value, run) for key, value in run.params.items() if CONFIG_PREFIX not in key
    }
    if not any(key in defaults for key in given):
        # No run of ours: it has params of its own.
        return given
    whole = {**defaults, **{key: value for key, value in given.items() if value or key not in defaults}}
    return {key: value for key, value in whole.items() if key not in ("output", "resume_mode")}


def _versions(run: RunData) -> dict[str, str]:
    return {
        f"version of {key.removeprefix('version.')}": value
        for key, value in run.tags.items()
        if key.startswith("version.")
    }


def _tag_row(runs: Sequence[RunData], name: str, key: str) -> Row:
    return Row(name=name, values=[run.tags.get(key) or None for run in runs])


def _data(runs: Sequence[RunData]) -> list[Row]:
    return [
        Row(name=DIGEST, values=[run.digest or None for run in runs]),
        Row(name="validation digest", values=[run.val_digest or None for run in runs]),
        Row(name="dataset", values=[", ".join(run.datasets) or None for run in runs]),
        *(
            Row(name=name, values=[_count(run, key) for run in runs])
            for name, key in (
                ("training samples", "data/train_samples"),
                ("validation samples", "data/val_samples"),
                ("samples left out (quarantine)", "data/quarantined"),
                ("validation samples that are trained on", "data/leaked_val_samples"),
            )
        ),
    ]


def _count(run: RunData, key: str) -> str | None:
    value = run.last.get(key)
    return f"{value:,.0f}" if value is not None and is_finite(value) else None
