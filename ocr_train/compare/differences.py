"""In what the runs differ: configuration, launch, data, code, environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ocr_train.compare.values import RunData, is_finite
from ocr_train.config.experiment import Launch

CONFIG_PREFIX = "cfg/"
_CODE = (
    ("project commit", "git_commit"),
    ("MLflow's source commit", "mlflow.source.git.commit"),
    ("repository", "mlflow.source.git.repoURL"),
    ("branch", "mlflow.source.git.branch"),
)
_MACHINE = (("device", "device"), ("warning", "warning"), ("degraded", "degraded"))


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
class Differences:
    """Rows by topic: of `config` and `launch` only those that differ, `same` counts the others."""

    config: Sequence[Row]
    launch: Sequence[Row]
    data: Sequence[Row]
    code: Sequence[Row]
    environment: Sequence[Row]
    same_config: int
    same_launch: int

    @property
    def digests_differ(self) -> bool:
        """Whether scores come from different data."""
        return any(row.name == DIGEST and row.differs for row in self.data)


DIGEST = "dataset digest"


def differences(runs: Sequence[RunData]) -> Differences:
    """What differs among `runs`; folders of a run's own are the same thing for each."""
    config = _rows(runs, _config)
    launch = _rows(runs, _launch)
    return Differences(
        config=[row for row in config if row.differs],
        launch=[row for row in launch if row.differs],
        data=_said([*_data(runs)], keep=(DIGEST,)),
        code=_said([_tag_row(runs, name, key) for name, key in _CODE]),
        environment=_said(
            [*(_tag_row(runs, name, key) for name, key in _MACHINE), *_rows(runs, _versions)],
        ),
        same_config=sum(not row.differs for row in config),
        same_launch=sum(not row.differs for row in launch),
    )


def _said(rows: Sequence[Row], keep: Sequence[str] = ()) -> list[Row]:
    """Without what no run says anything of."""
    return [row for row in rows if row.name in keep or any(row.values)]


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
        Row(name="dataset", values=[", ".join(run.datasets) or None for run in runs]),
        *(
            Row(name=name, values=[_count(run, key) for run in runs])
            for name, key in (
                ("training samples", "data/train_samples"),
                ("validation samples", "data/val_samples"),
                ("samples left out (quarantine)", "data/quarantined"),
            )
        ),
    ]


def _count(run: RunData, key: str) -> str | None:
    value = run.last.get(key)
    return f"{value:,.0f}" if value is not None and is_finite(value) else None
