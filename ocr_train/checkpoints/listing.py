"""A run's checkpoints as a list: what each is, how large, and whether it is whole."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ocr_train.checkpoints.manifest import BEST, LATEST, CheckpointManifest
from ocr_train.checkpoints.reader import alias_values, all_manifests, step_folders
from ocr_train.disk import human, sha256_of
from ocr_train.errors import TrackingError
from ocr_train.tracking.artifacts import Artifacts


@dataclass(frozen=True, kw_only=True)
class ListedCheckpoint:
    """One checkpoint; `size` in bytes is that of its files, wherever they are stored. `problems` is empty for a
    whole one; `verified` says that its bytes were read and compared."""

    folder: str
    step: int | None
    epoch: int | None = None
    kind: str = ""
    aliases: Sequence[str] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    size: int = 0
    problems: Sequence[str] = ()
    verified: bool = False

    def row(self) -> tuple[str, ...]:
        """The cells of a table."""
        whole = "NO" if self.problems else ("verified" if self.verified else "yes")
        return (
            *("?" if value is None else str(value) for value in (self.step, self.epoch)),
            self.kind,
            ",".join(self.aliases),
            human(self.size),
            whole,
            " ".join(f"{name}={value:.4g}" for name, value in self.metrics.items()),
        )

    def to_json(self) -> dict[str, Any]:
        """The shape that machines read."""
        return {**vars(self), "whole": not self.problems}


def list_checkpoints(artifacts: Artifacts, *, verify: bool) -> list[ListedCheckpoint]:
    """All checkpoints of a run by step, sets without a manifest last; raises `TrackingError`.

    Without `verify` files are looked up and their sizes compared; with it every byte is read.
    """
    manifests = all_manifests(artifacts)
    aliases = {alias: alias_values(artifacts, alias).get("step") for alias in (LATEST, BEST)}
    sums: dict[str, str] = {}
    entries = [
        ListedCheckpoint(
            folder=manifest.folder,
            step=manifest.step,
            epoch=manifest.epoch,
            kind=manifest.kind,
            aliases=tuple(alias for alias, step in aliases.items() if step == manifest.step),
            metrics=manifest.metrics,
            size=sum(entry.size for entry in manifest.files),
            problems=_problems(artifacts, manifest, sums, verify=verify),
            verified=verify,
        )
        for manifest in manifests
    ]
    known = {manifest.folder for manifest in manifests}
    entries += [
        ListedCheckpoint(folder=folder, step=None, problems=("it has no complete manifest",))
        for folder in step_folders(artifacts)
        # Some stores go on listing a folder whose files are deleted.
        if folder not in known and artifacts.list(folder)
    ]
    return entries


def _problems(
    artifacts: Artifacts, manifest: CheckpointManifest, sums: dict[str, str], *, verify: bool
) -> list[str]:
    """What is wrong with a checkpoint's files; `sums` remembers those that several checkpoints share."""
    problems = []
    sizes: dict[str, int] = {}
    for entry in manifest.files:
        where = entry.path or f"{manifest.folder}/{entry.name}"
        folder = str(PurePosixPath(where).parent)
        if where not in sizes:
            sizes.update(artifacts.list(folder))
        if where not in sizes:
            problems.append(f"{where} is missing")
        elif sizes[where] != entry.size:
            problems.append(f"{where} has {sizes[where]} bytes instead of {entry.size}")
        elif verify and _sum_of(artifacts, where, sums) != entry.sha256:
            problems.append(f"{where} is damaged: its SHA-256 is not the one in the manifest")
    return problems


def _sum_of(artifacts: Artifacts, where: str, sums: dict[str, str]) -> str:
    if where not in sums:
        try:
            with tempfile.TemporaryDirectory() as folder:
                sums[where] = sha256_of(artifacts.download(where, Path(folder)))
        except TrackingError as exc:
            sums[where] = exc.problem
    return sums[where]
