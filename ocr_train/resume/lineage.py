"""What a resumed run says of where it comes from: tags, what has changed since, and the best of its line."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.copies import bring_best
from ocr_train.checkpoints.manifest import BEST, ROOT
from ocr_train.errors import OcrTrainError
from ocr_train.ocr_engine.documents import DocumentError, read_yaml
from ocr_train.redaction.redactor import redactor
from ocr_train.resume.drift import drift, say_drift
from ocr_train.resume.resolve import ResumePoint
from ocr_train.run import Echo
from ocr_train.tracking.artifacts import RunArtifacts
from ocr_train.tracking.tracker import Tracker


def record_origin(point: ResumePoint, tracker: Tracker, echo: Echo) -> None:
    """Say and tag where the run starts."""
    origin = point.run_id or point.source
    if point.weights_only:
        echo(f"starting from the weights of {point.source}; steps and epochs count from 0")
        tracker.set_tags({"weights_from": origin})
    else:
        echo(f"resuming from {point.source}: continuing with epoch {point.epoch + 1} after step {point.step}")
        tracker.set_tags(
            {"resumed_from": origin, "resumed_from_step": point.step, "resumed_from_epoch": point.epoch}
        )
    if point.passed_over:
        tracker.set_tags({"resume_passed_over": "; ".join(point.passed_over)})


def record_drift(
    point: ResumePoint, config: Mapping[str, Any], facts: Mapping[str, str], tracker: Tracker, echo: Echo
) -> None:
    """Compare with the run (or the configuration beside the checkpoint) that training continues from.

    `config` is the resolved configuration without what a resume changes in it; `facts` are tags that may differ
    too, such as dataset_digest. Tag `param_drift` where something differs, artifact config/param_drift.json always.
    """
    old_config, old_facts = _before(point, tracker)
    if old_config is None:
        return
    redact = redactor()
    changed = drift(redact.mapping(old_config), redact.mapping(config))
    changed |= {
        name: {"old": old_facts[name], "new": value}
        for name, value in facts.items()
        if name in old_facts and old_facts[name] != value
    }
    document = {"from": point.run_id or redact.text(point.source), "step": point.step, "changed": changed}
    path = tracker.folder / "param_drift.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False, default=str), encoding="utf-8")
    tracker.artifacts.upload(path, "config")
    if changed:
        echo(f"changed since: {say_drift(changed)}")
        tracker.set_tags({"param_drift": say_drift(changed)})


def _before(point: ResumePoint, tracker: Tracker) -> tuple[Mapping[str, Any] | None, Mapping[str, str]]:
    """Configuration and tags of what training continues from; None where they are not known."""
    if point.run_id:
        try:
            tags = tracker.client.get_run(point.run_id).data.tags
            with tempfile.TemporaryDirectory() as folder:
                artifacts = RunArtifacts(tracker.client, point.run_id)
                document = _yaml(artifacts.download("config/experiment.yaml", Path(folder)))
            if isinstance(config := document.get("paddleocr"), dict):
                return config, tags
        except OcrTrainError:
            pass
    return (_yaml(point.config) or None) if point.config else None, {}


def _yaml(path: Path) -> dict[str, Any]:
    try:
        document = read_yaml(path)
    except (OSError, DocumentError):
        return {}
    return document if isinstance(document, dict) else {}


def inherit_best(point: ResumePoint, tracker: Tracker, echo: Echo) -> None:
    """Let the new run's `best` be that of its line until it has a better one: resume=<run id>:best finds it."""
    if point.copies is not None:
        try:
            bring_best(point.copies, tracker.artifacts)
        except (OcrTrainError, OSError) as exc:
            echo(f"the best checkpoint so far, in {point.copies}, could not be stored with this run: {exc}")
        return
    if point.best_alias is None or point.weights_only or point.best_alias.get("run_id") == tracker.run_id:
        return
    with tempfile.TemporaryDirectory() as parent:
        path = Path(parent) / f"{BEST}.json"
        path.write_text(json.dumps(point.best_alias, indent=1, sort_keys=True), encoding="utf-8")
        tracker.artifacts.upload(path, ROOT)
