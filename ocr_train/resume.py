"""Where a run starts from: a checkpoint artifact of an earlier run, or a checkpoint on this machine."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train import tracking
from ocr_train.checkpoints import BEST, LATEST, SUFFIXES, Manifest, candidates, check_sums, find, restore
from ocr_train.errors import ConfigError, DataError
from ocr_train.states import read_states

RUN_ID = re.compile(r"(?P<run_id>[0-9a-f]{32})(?::(?P<which>latest|best))?")


@dataclass(frozen=True, kw_only=True)
class ResumePoint:
    """A whole checkpoint on this machine: `prefix` is what PaddleOCR's Global.checkpoints takes.

    `step` and `epoch` are the run's; training goes on at epoch + 1. `best` is the main metric to beat.
    """

    prefix: Path
    step: int
    epoch: int
    best: float | None
    source: str
    run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ResumeRequest:
    """What `resume=` asks for, and what it is measured by."""

    text: str
    model: str
    main_metric: str
    epochs: int
    dataset_digest: str


def resolve(request: ResumeRequest, client: Any, folder: Path) -> ResumePoint:
    """Fetch the checkpoint that `request` names into `folder`.

    Raises `ConfigError` where there is none or it has no epoch left to train, `DataError` where it is damaged.
    """
    point = _find(request, client, folder)
    if point.epoch >= request.epochs:
        raise ConfigError(
            f"resume={request.text}: the checkpoint is at epoch {point.epoch}, and epochs={request.epochs}: "
            "nothing is left to train.",
            hint=f"epochs counts from the very beginning: give more than {point.epoch}.",
        )
    return point


def _find(request: ResumeRequest, client: Any, folder: Path) -> ResumePoint:
    if request.text == LATEST:
        return _latest(request, client, folder)
    if request.text == BEST:
        return _best(request, client, folder)
    match = RUN_ID.fullmatch(request.text)
    if match:
        run = tracking.get_run(client, match["run_id"])
        point = _of_run(client, run, match["which"] or LATEST, request, folder)
        if point is None:
            raise ConfigError(
                f"resume={request.text}: the run {run.info.run_name!r} has no whole checkpoint.",
                hint="A checkpoint is stored after the first epoch. Choose another run, or leave resume empty.",
            )
        return point
    return _local(request, folder)


def _latest(request: ResumeRequest, client: Any, folder: Path) -> ResumePoint:
    for run in tracking.runs_of_model(client, request.model):
        point = _of_run(client, run, LATEST, request, folder)
        if point is not None:
            return point
    raise ConfigError(
        f"resume=latest: no run of the model {request.model!r} in this experiment has a whole checkpoint.",
        hint="Check MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME, or leave resume empty.",
    )


def _best(request: ResumeRequest, client: Any, folder: Path) -> ResumePoint:
    metric = f"best/{request.main_metric}"
    same_data = [
        run
        for run in tracking.runs_of_model(client, request.model)
        if metric in run.data.metrics and run.data.tags.get("dataset_digest") == request.dataset_digest
    ]
    for run in sorted(same_data, key=lambda run: -float(run.data.metrics[metric])):
        point = _of_run(client, run, BEST, request, folder)
        if point is not None:
            return point
    raise ConfigError(
        f"resume=best: no run of the model {request.model!r} on this very dataset has a best checkpoint.",
        hint="Name a run: resume=<run id>:best, or use resume=latest.",
    )


def _of_run(client: Any, run: Any, which: str, request: ResumeRequest, folder: Path) -> ResumePoint | None:
    """The checkpoint `which` of a run; for "latest" an older whole one where the newest is damaged."""
    artifacts = tracking.RunArtifacts(client, run.info.run_id)
    damaged: list[str] = []
    for manifest in candidates(artifacts, which):
        try:
            prefix = restore(artifacts, manifest, folder)
            # The sums say that it is what was stored, not that it is harmless.
            read_states(Path(f"{prefix}.states"))
        except DataError as exc:
            damaged.append(exc.problem)
            continue
        best = find(artifacts, BEST)
        passed = f" (passed over: {'; '.join(damaged)})" if damaged else ""
        return ResumePoint(
            prefix=prefix,
            step=manifest.step,
            epoch=manifest.epoch,
            best=_best_metric(best or manifest, request.main_metric),
            source=f"run {run.info.run_id}, step {manifest.step}{passed}",
            run_id=run.info.run_id,
        )
    if damaged:
        raise DataError(
            f"resume={request.text}: no checkpoint of the run {run.info.run_name!r} is whole: {'; '.join(damaged)}",
            hint="Choose another run, or leave resume empty.",
        )
    return None


def _best_metric(manifest: Manifest, main_metric: str) -> float | None:
    return manifest.metrics.get(main_metric)


def _local(request: ResumeRequest, folder: Path) -> ResumePoint:
    """A checkpoint on this machine: a folder as we store it, or PaddleOCR's own prefix."""
    path = Path(request.text).expanduser().absolute()
    prefix = _prefix(path)
    if prefix is None:
        raise ConfigError(
            f"resume={request.text!r} is no run id, not latest or best, and no checkpoint on this machine "
            f"(looked for {path}.pdparams and {path}/model.pdparams).",
            hint="Give a run id from the MLflow page, or the path of a checkpoint without its ending.",
        )
    missing = [suffix for suffix in SUFFIXES if not Path(f"{prefix}{suffix}").is_file()]
    if missing:
        raise DataError(
            f"the checkpoint {prefix} has no {' and no '.join(missing)}: training cannot go on from it.",
            hint="To start from its weights alone: overrides=Global.pretrained_model=" + str(prefix),
        )
    states = read_states(Path(f"{prefix}.states"))
    manifest_file = prefix.parent / "manifest.json"
    manifest = (
        Manifest.from_json(manifest_file.read_text(encoding="utf-8")) if manifest_file.is_file() else None
    )
    if manifest is not None:
        check_sums(manifest, prefix.parent)
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in SUFFIXES:
        shutil.copyfile(f"{prefix}{suffix}", folder / f"model{suffix}")
    return ResumePoint(
        prefix=folder / "model",
        step=manifest.step if manifest else states.step or 0,
        epoch=states.epoch,
        best=states.metrics.get(request.main_metric),
        source=str(prefix),
    )


def _prefix(path: Path) -> Path | None:
    if path.suffix == ".pdparams":
        path = path.with_suffix("")
    for prefix in (path, path / "model", path / "latest", path / "best_accuracy"):
        if Path(f"{prefix}.pdparams").is_file():
            return prefix
    return None
