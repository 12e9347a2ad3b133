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
import threading
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
from ocr_train.storage.parallel import results_in_order, run_all
from ocr_train.tracking.artifacts import ArtifactSink, upload_verified
from ocr_train.trainer.files import OPTIMIZER, WEIGHTS

FILES_AT_ONCE = 2
"""The files of a set go out together: while one is read back the others are on their way."""


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
        hashed = _sums(snapshot.files)
        if known is not None and _weights(known) == _weights_of(hashed):
            return known
        place = "" if known is None else f"{step_folder(step)}_{hashed[0][1][:12]}"
        files = [(path, sha, place or step_folder(step)) for path, sha in hashed]
        files += [(path, sha, ROOT) for path, sha in _sums(self._common)]
        self._store_new(files)
        manifest = CheckpointManifest(
            step=step,
            epoch=epoch,
            kind=snapshot.kind,
            metrics=dict(snapshot.metrics),
            files=tuple(self._entry(*file) for file in files),
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

    def _store_new(self, files: Sequence[tuple[Path, str, str]]) -> None:
        """Store what the run does not have of these (path, sum, folder), at the same time, and read it back.

        What is verified counts as stored, also where another file of the set fails: it is not sent again then.
        """
        places: dict[str, tuple[Path, str]] = {}
        taken = set(self._stored.values())
        for path, sha256, folder in files:
            if sha256 in self._stored or sha256 in places:
                continue
            # Other bytes of this name, which a manifest may rely on.
            home = f"{folder}/{sha256[:12]}" if f"{folder}/{path.name}" in taken else folder
            places[sha256] = path, home
            taken.add(f"{home}/{path.name}")

        def store(sha256: str) -> str:
            path, home = places[sha256]
            upload_verified(self._artifacts, path, home, sha256=sha256)
            return sha256

        def note(sha256: str) -> None:
            path, home = places[sha256]
            self._stored[sha256] = f"{home}/{path.name}"

        run_all(places, store, workers=FILES_AT_ONCE, stop=threading.Event(), on_result=note)

    def _entry(self, path: Path, sha256: str, folder: str) -> StoredFile:
        where = self._stored[sha256]
        beside = where == f"{folder}/{path.name}" and folder != ROOT
        return StoredFile(
            name=path.name, size=path.stat().st_size, sha256=sha256, path="" if beside else where
        )

    def _put_text(self, text: str, name: str, folder: str) -> None:
        with tempfile.TemporaryDirectory() as parent:
            path = Path(parent) / name
            path.write_text(text, encoding="utf-8")
            upload_verified(self._artifacts, path, folder)


def _sums(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    return list(zip(paths, results_in_order(paths, sha256_of, ahead=2), strict=True))


def _weights(manifest: CheckpointManifest) -> dict[str, str]:
    return {entry.name: entry.sha256 for entry in manifest.files if entry.name.endswith((WEIGHTS, OPTIMIZER))}


def _weights_of(hashed: Sequence[tuple[Path, str]]) -> dict[str, str]:
    return {path.name: sha for path, sha in hashed if path.suffix in (WEIGHTS, OPTIMIZER)}
