"""Moving an alias such as @champion to a version that is better, on the same data, and to no other.

What decides is written on the versions themselves (`model_parts`), so that a champion whose run is gone can still
be compared; only for versions that say nothing is the run asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ocr_train.config.registry_names import parse_target
from ocr_train.errors import ConfigError, DataError, TrackingError
from ocr_train.models.keep_rule import why_not_kept
from ocr_train.models.keep_score import keep_of_run
from ocr_train.models.metadata import ModelPart, numeric_values, parts_of
from ocr_train.models.registry import find_version
from ocr_train.redaction.addresses import first_line

_METRIC = re.compile(r"(?:(?P<where>best|eval|evaluate)/)?(?P<name>[^/]+)")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether the alias moved, and why; `version` is the challenger, `champion` had the alias before ("": none did)."""

    moved: bool
    why: str
    name: str
    alias: str
    version: str
    champion: str = ""
    value: float = math.nan
    champion_value: float = math.nan

    def to_json(self) -> Mapping[str, Any]:
        """For `--json`: NaN and infinities as texts."""
        return {
            key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in vars(self).items()
        }


def promote(
    client: Any,
    run_or_version: str,
    *,
    metric: str,
    name: str = "",
    alias: str = "champion",
    keep_tolerance: float | None = None,
) -> Decision:
    """Move `alias` to the version where its `metric` is greater than the champion's, and say why it did or not.

    `run_or_version` is a run id (its newest version), models:/NAME/VERSION or models:/NAME@ALIAS. `best/hmean` and
    `eval/hmean` are the model's own hmean at its checkpoint; `evaluate/hmean` is what the command `evaluate` left
    in its run. Without a champion the alias moves; on a tie it does not; NaN never wins. Of a detection and a
    recognition together the other part must not be worse. With `keep_tolerance` it must also read what it could read before
    (`keep_rule`), but for so much of its score.
    Raises `ConfigError` where there is no such version or metric, `DataError` where the two must not be compared:
    other tasks, other data, or a champion that nothing is known of; and where `keep_tolerance` is given for a version
    that says nothing of a keep set.
    """
    wanted = _metric(metric)
    challenger = find_version(client, run_or_version, name=name)
    parse_target(f"{challenger.name}@{alias}")
    mine = _parts(client, challenger, wanted)
    part = _part_with(mine, wanted, challenger)
    value = part.metrics[wanted]
    decision = Decision(
        moved=False, why="", name=challenger.name, alias=alias, version=str(challenger.version), value=value
    )
    champion = _holder(client, challenger.name, alias)
    if champion is not None:
        decision = replace(decision, champion=str(champion.version))
    if math.isnan(value):
        return replace(decision, why=f"its {metric} is NaN, which never wins.")
    if decision.champion == decision.version:
        return replace(decision, why=f"version {decision.version} is {alias} already.", champion_value=value)
    theirs = _parts(client, champion, wanted) if champion is not None else ()
    if champion is not None:
        _refuse_incomparable(mine, theirs, wanted, champion)
    if forgotten := why_not_kept(mine, theirs, keep_tolerance, challenger):
        return replace(decision, why=forgotten)
    if champion is None:
        _move(client, decision)
        return replace(decision, moved=True, why=f"{alias} was free; {metric} is {value:.4f}.")
    other = next(one for one in theirs if one.task == part.task).metrics[wanted]
    won, why = _won(mine, theirs, part.task, wanted, value, other)
    if won:
        _move(client, decision)
    return replace(decision, moved=won, why=f"{metric} {why}", champion_value=other)


def _metric(text: str) -> str:
    """The name under which parts hold the metric: `hmean`, or `evaluate/hmean`."""
    match = _METRIC.fullmatch(text)
    if match is None or "loss" in text:
        raise ConfigError(
            f"{text!r} is not a metric to promote by: the greater one must be the better one.",
            hint="Give best/hmean for detection, best/acc for recognition, or one of evaluate/...",
        )
    return text if match["where"] == "evaluate" else match["name"]


def _parts(client: Any, version: Any, wanted: str) -> tuple[ModelPart, ...]:
    """What the version says of itself, with what its runs know of the wanted metric."""
    parts = parts_of(version.tags or {}) or _of_run(client, version)
    return tuple(
        replace(part, metrics={**part.metrics, wanted: value})
        if wanted not in part.metrics and (value := _run_metric(client, part.run_id, wanted)) is not None
        else part
        for part in parts
    )


def _of_run(client: Any, version: Any) -> tuple[ModelPart, ...]:
    """A version that somebody else registered: its run's best values, where the run is there."""
    run = _run(client, version.run_id or "")
    if run is None:
        return ()
    metrics = {
        key.removeprefix("best/"): value for key, value in run.data.metrics.items() if key.startswith("best/")
    }
    tags = run.data.tags
    return (
        ModelPart(
            task=tags.get("task", ""),
            run_id=run.info.run_id,
            dataset_digest=tags.get("dataset_digest", ""),
            val_digest=tags.get("val_digest", ""),
            metrics=numeric_values(metrics),
            keep=keep_of_run(tags),
        ),
    )


def _run_metric(client: Any, run_id: str, wanted: str) -> float | None:
    run = _run(client, run_id) if "/" in wanted else None
    return None if run is None else run.data.metrics.get(wanted)


def _run(client: Any, run_id: str) -> Any:
    """The run; None where it is gone for good. One that is only marked as deleted can still be asked."""
    from mlflow.exceptions import MlflowException

    if not run_id:
        return None
    try:
        return client.get_run(run_id)
    except MlflowException as exc:
        if exc.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise TrackingError(f"run {run_id} cannot be read: {first_line(exc)}") from exc


def _part_with(parts: Sequence[ModelPart], wanted: str, version: Any) -> ModelPart:
    found = [part for part in parts if wanted in part.metrics]
    if len(found) != 1:
        known = sorted({name for part in parts for name in part.metrics})
        raise ConfigError(
            f"{version.name} version {version.version} has no metric {wanted!r}."
            if not found
            else f"both parts of {version.name} version {version.version} have a metric {wanted!r}.",
            hint=f"It has: {', '.join(known) or 'none'}.",
        )
    return found[0]


def _holder(client: Any, name: str, alias: str) -> Any:
    """The version that has the alias, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as exc:
        if exc.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise TrackingError(f"the version {name}@{alias} could not be read: {first_line(exc)}") from exc


def _refuse_incomparable(
    mine: Sequence[ModelPart], theirs: Sequence[ModelPart], wanted: str, champion: Any
) -> None:
    """Raise `DataError` where the two are not of one sort and on the same data."""
    who = f"the champion, {champion.name} version {champion.version},"
    by_hand = "To let it win anyway, move the alias by hand on the Models page of MLflow."
    others = {part.task: part for part in theirs}
    if set(others) != {part.task for part in mine}:
        raise DataError(
            f"not promoted: {who} is a model of {'+'.join(sorted(others)) or 'an unknown kind (its run is deleted)'}, "
            f"this one of {'+'.join(sorted(part.task for part in mine))}.",
            hint=by_hand,
        )
    for part in mine:
        other = others[part.task]
        if not _measured_alike(part, other):
            raise DataError(
                f"not promoted: {who} was measured on other data ({part.task}: "
                f"{other.dataset_digest or 'unknown'}, here {part.dataset_digest or 'unknown'}): the two "
                "figures cannot be compared.",
                hint=f"Train or evaluate both on the same data. {by_hand}",
            )
    if not any(wanted in part.metrics for part in theirs):
        raise DataError(f"not promoted: {who} has no {wanted!r} to compare with.", hint=by_hand)


def _measured_alike(part: ModelPart, other: ModelPart) -> bool:
    """Whether both were measured on the same samples. What they were trained on may differ: a team adds to it each time."""
    if part.val_digest and other.val_digest:
        return part.val_digest == other.val_digest
    return bool(part.dataset_digest) and part.dataset_digest == other.dataset_digest


def _won(
    mine: Sequence[ModelPart],
    theirs: Sequence[ModelPart],
    task: str,
    wanted: str,
    value: float,
    other: float,
) -> tuple[bool, str]:
    compared = f"{value:.4f} against {other:.4f}"
    if value == other:
        return False, f"{compared}: a tie does not move it."
    if not (value > other or math.isnan(other)):
        return False, f"{compared}: not better."
    for part in mine:
        rival = next(one for one in theirs if one.task == part.task)
        same = part.checkpoint_sha256 and part.checkpoint_sha256 == rival.checkpoint_sha256
        if part.task != task and not same and not part.value >= rival.value:
            worse = f"{part.main_metric} {part.value:.4f} against {rival.value:.4f}"
            return False, f"{compared}, but {part.task} is worse: {worse}."
    return True, f"{compared}: better."


def _move(client: Any, decision: Decision) -> None:
    try:
        client.set_registered_model_alias(decision.name, decision.alias, decision.version)
    except Exception as exc:
        raise TrackingError(
            f"{decision.name}@{decision.alias} cannot be moved to version {decision.version}: {first_line(exc)}"
        ) from exc
