"""What a stored checkpoint says of itself: its manifest, and the names of the folders it is in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ocr_train.errors import DataError
from ocr_train.ocr_engine.documents import parse_json

ROOT = "checkpoints"
LATEST, BEST = "latest", "best"


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file of a checkpoint; `path` is its artifact path where it is not beside the manifest."""

    name: str
    size: int
    sha256: str
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckpointManifest:
    """A whole checkpoint. `step` and `epoch` count from the very beginning, over all resumes.

    `kind` is "latest", "best" or "epoch"; `metrics` are the trainer's own best values, such as {"hmean": 0.5}.
    `place` is the artifact folder where it is not the step's own: a run that is continued comes by a step again.
    """

    step: int
    epoch: int
    kind: str
    metrics: Mapping[str, float]
    files: Sequence[StoredFile]
    model: str = ""
    dataset_digest: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    place: str = ""

    @property
    def folder(self) -> str:
        """The artifact folder of this checkpoint."""
        return self.place or step_folder(self.step)

    def to_json(self) -> str:
        """The shape that DESIGN.md fixes; `path` only where it says something."""
        values = asdict(self)
        for entry in values["files"]:
            if not entry["path"]:
                del entry["path"]
        if not self.place:
            del values["place"]
        return json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True)

    def alias(self) -> dict[str, Any]:
        """What an alias ("latest", "best") says of this checkpoint."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "path": self.folder,
            "metrics": dict(self.metrics),
            "manifest_sha256": hashlib.sha256(self.to_json().encode()).hexdigest(),
        }

    @classmethod
    def from_json(cls, text: str) -> CheckpointManifest:
        """Read what `to_json` wrote; raises `DataError` for anything else."""
        try:
            values = parse_json(text)
            files = tuple(StoredFile(**entry) for entry in values.pop("files"))
            manifest = cls(**values, files=files)
            _check_types(manifest)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise DataError(f"this is not a checkpoint manifest: {exc}") from exc
        return manifest


def _check_types(manifest: CheckpointManifest) -> None:
    """Raise `TypeError` for a value that is not of its type: a manifest comes from outside."""
    numbers = [manifest.step, manifest.epoch, *(entry.size for entry in manifest.files)]
    texts = [manifest.kind, manifest.model, manifest.dataset_digest, manifest.place]
    texts += [text for entry in manifest.files for text in (entry.name, entry.sha256, entry.path)]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise TypeError("a step, epoch or size is not a whole number")
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name, checksum or path is not text")
    if not isinstance(manifest.metrics, dict) or not isinstance(manifest.versions, dict):
        raise TypeError("metrics or versions are not a mapping")
    if not all(type(value) in (int, float) for value in manifest.metrics.values()):
        raise TypeError("a metric is not a number")


def step_folder(step: int) -> str:
    """The artifact folder of the checkpoint at `step`."""
    return f"{ROOT}/step_{step:08d}"
