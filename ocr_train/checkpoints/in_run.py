"""A run's checkpoints to start from: the wanted one, else the newest good one before it; and the best of its line.

A run that continues another has in `checkpoints/best.json` the best of both: an alias with a `run_id` names a
checkpoint of that run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.address import step_in
from ocr_train.checkpoints.manifest import BEST, LATEST, ROOT, CheckpointManifest
from ocr_train.checkpoints.on_disk import refuse_missing
from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.checkpoints.reader import (
    alias_values,
    all_manifests,
    candidates,
    manifest_at,
    manifest_of,
    restore,
    step_folders,
)
from ocr_train.checkpoints.states_file import read_states
from ocr_train.errors import ConfigError, DataError, OcrTrainError
from ocr_train.tracking.artifacts import Artifacts, RunArtifacts
from ocr_train.tracking.mlflow_client import get_run
from ocr_train.trainer.files import OPTIMIZER, SUFFIXES, states_of


@dataclass(frozen=True, kw_only=True)
class FoundCheckpoint:
    """A checkpoint of the run `run_id`, on this machine; `passed_over` says which were not good, and why.

    `weights_only`: there is no more, or no more was asked for.
    """

    run_id: str
    prefix: Path
    manifest: CheckpointManifest
    passed_over: Sequence[str] = ()
    weights_only: bool = False


def fetch_checkpoint(
    client: Any, run: Any, folder: Path, *, which: str, step: int | None, weights_only: bool
) -> FoundCheckpoint | None:
    """The checkpoint `which` ("latest", "best") or at `step` of `run`, else the newest good one before it.

    None where the run has none at all. Raises `ConfigError` for a step that it does not have, `DataError` where
    none is good.
    """
    owner = run.info.run_id
    if which == BEST and step is None:
        owner, _, wanted = _line_best(client, owner)
    else:
        wanted = None
    artifacts = RunArtifacts(client, owner)
    torn: list[str] = []
    bad: list[str] = []
    for manifest in _in_order(artifacts, which, step, wanted, torn):
        alone = weights_only or _is_base(manifest)
        try:
            prefix = _fetch(artifacts, manifest, folder, weights_only=alone)
        except DataError as exc:
            bad.append(exc.problem)
            continue
        return FoundCheckpoint(
            run_id=owner,
            prefix=prefix,
            manifest=manifest,
            passed_over=(*torn, *bad),
            weights_only=alone,
        )
    if bad:
        raise DataError(
            f"no checkpoint of the run {run.info.run_name!r} can be resumed from: {'; '.join(bad)}",
            hint="Choose another run, or leave resume empty.",
        )
    return None


def _is_base(manifest: CheckpointManifest) -> bool:
    """Whether it is what a fine-tune started from: weights that no optimizer has touched yet."""
    return manifest.step == 0 and not any(entry.name.endswith(OPTIMIZER) for entry in manifest.files)


def _fetch(artifacts: Artifacts, manifest: CheckpointManifest, folder: Path, *, weights_only: bool) -> Path:
    """Restore the set, compare its sums and screen it; raises `DataError`."""
    suffixes = SUFFIXES[:1] if weights_only else SUFFIXES
    there = {entry.name for entry in manifest.files}
    refuse_missing(manifest.folder, [suffix for suffix in suffixes if f"model{suffix}" not in there])
    if weights_only:
        unused = {f"model{suffix}" for suffix in SUFFIXES[1:]}
        manifest = replace(
            manifest, files=tuple(entry for entry in manifest.files if entry.name not in unused)
        )
    prefix = restore(artifacts, manifest, folder)
    # The sums say that it is what was stored, not that it is harmless.
    for suffix in suffixes:
        screen(Path(f"{prefix}{suffix}"))
    if not weights_only:
        read_states(states_of(prefix))
    return prefix


def _in_order(
    artifacts: Artifacts, which: str, step: int | None, wanted: CheckpointManifest | None, torn: list[str]
) -> Iterator[CheckpointManifest]:
    """What can be meant, the best guess first; `torn` takes what has no complete manifest."""
    if step is not None:
        yield from _from_step(artifacts, step, torn)
    elif which == BEST:
        if wanted is not None:
            yield wanted
            yield from (other for other in _newest_first(artifacts) if other.step < wanted.step)
    else:
        whole = candidates(artifacts, LATEST)
        first = next(whole, None)
        torn += _torn(artifacts, after=first.step if first else -1)
        if first is not None:
            yield first
        yield from whole


def _from_step(artifacts: Artifacts, step: int, torn: list[str]) -> Iterator[CheckpointManifest]:
    manifests = [manifest for manifest in _newest_first(artifacts) if manifest.step <= step]
    steps = sorted({found for folder in step_folders(artifacts) if (found := step_in(folder)) is not None})
    if step not in steps:
        raise ConfigError(
            f"the run has no checkpoint at step {step}.",
            hint=f"It has: {', '.join(map(str, steps)) or 'none'}.",
        )
    if not any(manifest.step == step for manifest in manifests):
        torn.append(f"{ROOT}/step_{step:08d} has no complete manifest")
    yield from manifests


def _newest_first(artifacts: Artifacts) -> list[CheckpointManifest]:
    # Of two at one step the one with a place of its own came later.
    return sorted(all_manifests(artifacts), key=lambda one: (one.step, one.place), reverse=True)


def _torn(artifacts: Artifacts, *, after: int) -> list[str]:
    """What tells that storing a newer checkpoint than `after` was never finished."""
    return [
        f"{folder} has no complete manifest"
        for folder in reversed(step_folders(artifacts))
        if (step := step_in(folder)) is not None and step > after
        if manifest_at(artifacts, folder) is None
    ]


def _line_best(client: Any, run_id: str) -> tuple[str, Mapping[str, Any], CheckpointManifest | None]:
    """The run that has the best checkpoint of `run_id` and those it continued from, what best.json says, and the
    manifest."""
    values = alias_values(RunArtifacts(client, run_id), BEST)
    owner = str(values.get("run_id") or run_id)
    if owner != run_id:
        get_run(client, owner)
    return owner, values, manifest_of(RunArtifacts(client, owner), values)


def best_known(
    client: Any, run_id: str, main_metric: str, *, up_to: int | None = None
) -> tuple[float | None, Mapping[str, Any] | None]:
    """The main metric of the best checkpoint, still there, of a run and of those it continued from, and what a best.json
    says of that checkpoint; (None, None) without one.

    `up_to` leaves out what came after that step: who goes back to a step on purpose starts a branch there.
    """
    artifacts = RunArtifacts(client, run_id)
    try:
        owner, values, manifest = _line_best(client, run_id)
    except OcrTrainError:
        # The other run is gone, and its best checkpoint with it.
        owner, values, manifest = run_id, {}, None
    value = _number(values.get("metrics"), main_metric)
    if manifest is not None and value is not None and (up_to is None or manifest.step <= up_to):
        return value, {**values, "run_id": owner}
    return (None, None) if up_to is None else _best_before(artifacts, run_id, main_metric, up_to)


def _best_before(
    artifacts: Artifacts, run_id: str, main_metric: str, up_to: int
) -> tuple[float | None, Mapping[str, Any] | None]:
    scored = [
        (value, manifest.step, manifest)
        for manifest in all_manifests(artifacts)
        if manifest.kind == BEST
        and manifest.step <= up_to
        and (value := _number(manifest.metrics, main_metric)) is not None
    ]
    if not scored:
        return None, None
    value, _, manifest = max(scored, key=lambda item: item[:2])
    return value, {**manifest.alias(), "run_id": run_id}


def _number(metrics: object, name: str) -> float | None:
    value = metrics.get(name) if isinstance(metrics, Mapping) else None
    return float(value) if isinstance(value, (int, float)) else None
