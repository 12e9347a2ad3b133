"""Checkpoints as artifacts: snapshot -> hash -> store -> verify -> manifest -> alias; and back for a resume.

    checkpoints/config.yml, dict.txt       once a run
    checkpoints/step_00000120/model.pdparams .pdopt .states, manifest.json (written last)
    checkpoints/latest.json, best.json     small aliases: {"step", "path", "manifest_sha256", ...}

A checkpoint without a manifest, or whose sums do not match, does not exist for a resume. Bytes that the run has
stored before are not stored again: the manifest entry's `path` says where they are.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ocr_train.checkpoints.manifest import (
    ROOT,
    CheckpointManifest,
    StoredFile,
    step_folder,
)
from ocr_train.checkpoints.reader import all_manifests
from ocr_train.checkpoints.snapshots import Snapshot
from ocr_train.disk import sha256_of
from ocr_train.tracking.artifacts import ArtifactSink, upload_verified
from ocr_train.trainer.files import OPTIMIZER, WEIGHTS


class CheckpointStore:
    """One run's checkpoints, to write. Not for several threads at once."""

    def __init__(
        self,
        artifacts: ArtifactSink,
        *,
        model: str,
        dataset_digest: str,
        versions: Mapping[str, str],
        common: Sequence[Path],
    ) -> None:
        self._artifacts = artifacts
        self._model = model
        self._dataset_digest = dataset_digest
        self._versions = dict(versions)
        self._common = list(common)
        self._stored: dict[str, str] = {}
        self._manifests: dict[int, CheckpointManifest] = {}
        self._loaded = False

    def put(self, snapshot: Snapshot, *, step: int, epoch: int) -> CheckpointManifest:
        """Store `snapshot` as the checkpoint at `step` (of the run, not of the trainer).

        Every byte is read back and compared before the manifest is written. A checkpoint that is there already,
        with the same weights, is not stored again; other weights at its step go beside it, because an alias may
        name the first. Raises `TrackingError`, for a run that the server has lost as well: then it is not stored.
        """
        manifest = self._put(snapshot, step=step, epoch=epoch)
        self._artifacts.require_run()
        return manifest

    def _put(self, snapshot: Snapshot, *, step: int, epoch: int) -> CheckpointManifest:
        self._load()
        known = self._manifests.get(step)
        hashed = [(path, sha256_of(path)) for path in snapshot.files]
        if known is not None and _weights(known) == _weights_of(hashed):
            return known
        place = "" if known is None else f"{step_folder(step)}_{hashed[0][1][:12]}"
        files = [self._put_file(path, sha, place or step_folder(step)) for path, sha in hashed]
        files += [self._put_file(path, sha256_of(path), ROOT) for path in self._common]
        manifest = CheckpointManifest(
            step=step,
            epoch=epoch,
            kind=snapshot.kind,
            metrics=dict(snapshot.metrics),
            files=tuple(files),
            model=self._model,
            dataset_digest=self._dataset_digest,
            versions=self._versions,
            place=place,
        )
        self._put_text(manifest.to_json(), "manifest.json", manifest.folder)
        self._manifests[step] = manifest
        return manifest

    def forget(self, folder: str) -> None:
        """Rely no more on what is in the artifact folder: it was deleted."""
        self._stored = {
            sha: where for sha, where in self._stored.items() if not where.startswith(f"{folder}/")
        }
        self._manifests = {
            step: manifest for step, manifest in self._manifests.items() if manifest.folder != folder
        }

    def _load(self) -> None:
        """What the run has stored before, in another process: after a `sync`, or where a run is continued."""
        if self._loaded:
            return
        for manifest in all_manifests(self._artifacts):
            self._manifests[manifest.step] = manifest
            for entry in manifest.files:
                self._stored[entry.sha256] = entry.path or f"{manifest.folder}/{entry.name}"
        self._loaded = True

    def point(self, alias: str, manifest: CheckpointManifest) -> None:
        """Make the alias ("latest" or "best") name `manifest`; raises `TrackingError`."""
        self._put_text(json.dumps(manifest.alias(), indent=1, sort_keys=True), f"{alias}.json", ROOT)

    def _put_file(self, path: Path, sha256: str, folder: str) -> StoredFile:
        home = folder
        where = self._stored.get(sha256)
        if where is None:
            where = f"{folder}/{path.name}"
            # Other bytes of this name, which a manifest may rely on.
            if where in self._stored.values():
                folder = f"{folder}/{sha256[:12]}"
                where = f"{folder}/{path.name}"
            upload_verified(self._artifacts, path, folder, sha256=sha256)
            self._stored[sha256] = where
        beside = where == f"{home}/{path.name}" and home != ROOT
        return StoredFile(
            name=path.name, size=path.stat().st_size, sha256=sha256, path="" if beside else where
        )

    def _put_text(self, text: str, name: str, folder: str) -> None:
        with tempfile.TemporaryDirectory() as parent:
            path = Path(parent) / name
            path.write_text(text, encoding="utf-8")
            upload_verified(self._artifacts, path, folder)


def _weights(manifest: CheckpointManifest) -> dict[str, str]:
    return {entry.name: entry.sha256 for entry in manifest.files if entry.name.endswith((WEIGHTS, OPTIMIZER))}


def _weights_of(hashed: Sequence[tuple[Path, str]]) -> dict[str, str]:
    return {path.name: sha for path, sha in hashed if path.suffix in (WEIGHTS, OPTIMIZER)}
