"""What a run is told of data that several sources have: dataset/parts.json, a param, and a dataset input for each.

parts.json: `{"digest": that of all, "parts": [{"name", "source", "ratio", "train_samples", "drawn_per_epoch", "digest", "images"}]}`;
`images` is the folder below that of all images, as paths in labels and in manifest.jsonl begin with it.
"""

from __future__ import annotations

import json
from collections.abc import Container
from pathlib import Path

from ocr_train.atomic_files import write_text
from ocr_train.data.for_training import Dataset
from ocr_train.redaction.redactor import redactor
from ocr_train.tracking.tracker import Tracker

PARTS = "parts.json"


def spell_parts(dataset: Dataset) -> str:
    """Such as `wires: 320 of 320, general: 50 of 200`: what an epoch takes of each source."""
    return ", ".join(f"{one.name}: {one.drawn} of {one.samples}" for one in dataset.sources)


def write_parts(dataset: Dataset, path: Path) -> tuple[Path, ...]:
    """Write parts.json, without what is secret in an address; nothing for data of one source."""
    if not dataset.sources:
        return ()
    redact = redactor()
    parts = [
        {
            "name": one.name,
            "source": redact.text(one.origin),
            "ratio": one.source.ratio,
            "train_samples": one.samples,
            "drawn_per_epoch": one.drawn,
            "digest": one.digest,
            "images": one.link,
        }
        for one in dataset.sources
    ]
    document = {"digest": dataset.manifest.digest, "parts": parts}
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return (path,)


def log_parts_as_inputs(dataset: Dataset, tracker: Tracker, known: Container[str]) -> None:
    """Tie the run to each of several sources, too; not to those that are `known` by their digests."""
    for one in dataset.sources:
        if one.digest not in known:
            profile = json.dumps({"train": one.samples, "ratio": one.source.ratio, "drawn": one.drawn})
            tracker.log_dataset(name=one.name, digest=one.digest, source=one.origin, profile=profile)
