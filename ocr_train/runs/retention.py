"""Which checkpoints may go: the newest N stay, the best, and whatever something else relies on.

what relies on it                      how that is seen
the aliases latest and best            checkpoints/latest.json, best.json
a registered model version, whatever   its source names the run's checkpoint, or all of the run
  alias or stage it has
a LoggedModel made from the run        a param or tag of it names the checkpoint
a run that continued from it           its best.json names the best of the whole line, with a `run_id`
another checkpoint that stays          its manifest's `path`: the bytes are stored once
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ocr_train.checkpoints.manifest import BEST, LATEST, CheckpointManifest
from ocr_train.checkpoints.reader import alias_values, all_manifests
from ocr_train.errors import TrackingError
from ocr_train.models.metadata import parts_of
from ocr_train.models.registry import versions_of_run
from ocr_train.redaction.addresses import first_line, is_unknown_call
from ocr_train.run import Retention
from ocr_train.tracking.artifacts import Artifacts, RunArtifacts

_STEP = re.compile(r"step_(\d{8,})")


class Deletable(Artifacts, Protocol):
    """Artifacts that can be deleted, too."""

    def delete(self, path: str) -> None:
        """Remove a file or a folder."""


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """What others rely on: `steps` with the reason, or `all_reason` where it may be any of the run."""

    steps: dict[int, str] = field(default_factory=dict)
    all_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RetentionPlan:
    """`keep` maps a step to why it stays; `prune` are the manifests that go, the oldest first."""

    keep: dict[int, str]
    prune: Sequence[CheckpointManifest]


def plan(
    manifests: Sequence[CheckpointManifest], aliases: dict[str, int], pinned: Pinned, retention: Retention
) -> RetentionPlan:
    """Which of a run's checkpoints stay.

    `aliases` maps "latest" and "best" to steps. A run that was resumed may have several checkpoints at one step:
    they stay or go together.
    """
    by_step: dict[int, list[CheckpointManifest]] = {}
    for manifest in manifests:
        by_step.setdefault(manifest.step, []).append(manifest)
    keep: dict[int, str] = {}
    for step in retention.newest(by_step):
        keep[step] = f"among the last {retention.keep_last}"
    for step, reason in pinned.steps.items():
        keep[step] = reason
    for alias, step in aliases.items():
        keep[step] = alias
    if pinned.all_reason:
        keep = {step: keep.get(step, pinned.all_reason) for step in by_step}
    _keep_referenced(by_step, keep)
    prune = tuple(manifest for step in sorted(by_step) if step not in keep for manifest in by_step[step])
    return RetentionPlan(keep={step: keep[step] for step in sorted(keep) if step in by_step}, prune=prune)


def _keep_referenced(by_step: Mapping[int, Sequence[CheckpointManifest]], keep: dict[int, str]) -> None:
    """Add what the kept ones take their bytes from, and what those do."""
    todo = [step for step in keep if step in by_step]
    while todo:
        step = todo.pop()
        for entry in (entry for manifest in by_step[step] for entry in manifest.files):
            match = _STEP.search(entry.path)
            if match and int(match[1]) in by_step and int(match[1]) not in keep:
                keep[int(match[1])] = f"has bytes of step {step}"
                todo.append(int(match[1]))


def plan_for(artifacts: Artifacts, pinned: Pinned, retention: Retention) -> RetentionPlan:
    """The plan for what a run has stored; raises `TrackingError` where that cannot be read."""
    aliases = {alias: alias_values(artifacts, alias).get("step") for alias in (LATEST, BEST)}
    steps = {alias: step for alias, step in aliases.items() if type(step) is int}
    return plan(all_manifests(artifacts), steps, pinned, retention)


def prune(artifacts: Deletable, going: Iterable[CheckpointManifest]) -> list[str]:
    """Delete checkpoints, the manifest first: half a deletion leaves no checkpoint that looks whole.

    The deleted artifact folders come back. Raises `TrackingError`, `OSError`.
    """
    gone = []
    for manifest in going:
        # An MLflow server before 3.0 deletes no single file of a local store: then the folder goes at once.
        with contextlib.suppress(TrackingError):
            artifacts.delete(f"{manifest.folder}/manifest.json")
        artifacts.delete(manifest.folder)
        gone.append(manifest.folder)
    return gone


def apply_retention(artifacts: Deletable, retention: Retention, client: Any | None, run_id: str) -> list[str]:
    """Delete what may go of what the run has stored; the artifact folders that are gone. `client` is MLflow's, None
    for a run that no server knows. Raises `TrackingError`, `OSError`."""
    pinned = Pinned() if client is None else pinned_by_others(client, run_id)
    return prune(artifacts, plan_for(artifacts, pinned, retention).prune)


def pinned_by_registry(client: Any, run_id: str) -> Pinned:
    """What registered models and LoggedModels rely on of a run; raises `TrackingError` where it cannot be asked."""
    steps: dict[int, str] = {}
    try:
        run = client.get_run(run_id)
        for version in versions_of_run(client, run_id):
            reason = f"registered as {version.name} version {version.version}"
            found = _steps_in(_texts_of(version.tags, [version.source or ""], run_id))
            if not found:
                return Pinned(steps=steps, all_reason=reason)
            steps.update(dict.fromkeys(found, reason))
        for model in _logged_models(client, run):
            texts = _texts_of(model.tags, [*(model.params or {}).values(), model.name or ""], run_id)
            steps.update(dict.fromkeys(_steps_in(texts), f"logged model {model.name}"))
    except Exception as exc:
        raise TrackingError(
            f"which checkpoints of run {run_id} the model registry relies on could not be read: {first_line(exc)}",
            hint="Nothing is deleted without knowing that.",
        ) from exc
    return Pinned(steps=steps)


def _logged_models(client: Any, run: Any) -> Sequence[Any]:
    """The models that are logged to the run; none where the server is older than logged models."""
    try:
        return list(
            client.search_logged_models(
                [run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'"
            )
        )
    except Exception as exc:
        if is_unknown_call(exc):
            return []
        raise


def _texts_of(tags: Mapping[str, str] | None, others: Sequence[str], run_id: str) -> Sequence[str]:
    """Where a model may name a checkpoint of this run: of two models together one may be another run's."""
    own = [part.checkpoint for part in parts_of(tags or {}) if part.run_id == run_id and part.checkpoint]
    return own or [*others, *(tags or {}).values()]


def pinned_by_others(client: Any, run_id: str) -> Pinned:
    """What the registry and the runs that continued from it rely on; raises `TrackingError`.

    Runs made with offline=true that no `sync` has brought to the server cannot be known.
    """
    registry = pinned_by_registry(client, run_id)
    return Pinned(steps={**pinned_by_runs(client, run_id), **registry.steps}, all_reason=registry.all_reason)


def pinned_by_runs(client: Any, run_id: str) -> dict[int, str]:
    """The steps of a run that the best.json of later runs of its line names; raises `TrackingError`."""
    pinned: dict[int, str] = {}
    try:
        experiments = [one.experiment_id for one in client.search_experiments()]
        line, todo = {run_id}, [run_id]
        while todo:
            children = client.search_runs(experiments, filter_string=f"tags.resumed_from = '{todo.pop()}'")
            todo += [run.info.run_id for run in children if run.info.run_id not in line]
            line.update(todo)
    except Exception as exc:
        raise TrackingError(
            f"which runs continued from the run {run_id} could not be read: {first_line(exc)}",
            hint="Nothing is deleted without knowing that.",
        ) from exc
    for child in sorted(line - {run_id}):
        values = alias_values(RunArtifacts(client, child), BEST)
        if values.get("run_id") == run_id and type(values.get("step")) is int:
            pinned[values["step"]] = f"the best of run {child}, which continued from it"
    return pinned


def _steps_in(texts: Iterable[object]) -> set[int]:
    return {int(match[1]) for text in texts for match in _STEP.finditer(str(text))}
