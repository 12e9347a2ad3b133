"""Stored checkpoints, to read: which there are, and their files back for a resume.

A checkpoint without a manifest, or whose sums do not match, does not exist here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.manifest import BEST, ROOT, CheckpointManifest
from ocr_train.disk import sha256_of
from ocr_train.errors import DataError, OcrTrainError
from ocr_train.ocr_engine.documents import read_json
from ocr_train.ocr_engine.files import read_regular
from ocr_train.tracking.artifacts import Artifacts
from ocr_train.trainer.files import SUFFIXES


def find(artifacts: Artifacts, which: str) -> CheckpointManifest | None:
    """The first of `candidates`; None where the run has no complete checkpoint."""
    return next(candidates(artifacts, which), None)


def candidates(artifacts: Artifacts, which: str) -> Iterator[CheckpointManifest]:
    """The checkpoints of a run that "latest" or "best" can mean, the one that its alias names first.

    For "latest" the older ones follow, newest first; sets without a whole manifest are passed over.
    """
    names = set(artifacts.list(ROOT))
    alias = f"{ROOT}/{which}.json"
    named = ""
    # No temporary folder is open while a caller holds one of them: who stops early leaves nothing behind.
    if alias in names:
        values = alias_values(artifacts, which)
        wanted = str(values.get("manifest_sha256", ""))
        found = manifest_at(artifacts, str(values.get("path", "")), sha256=wanted)
        if found is not None:
            named = found.folder
            yield found
    if which == BEST:
        return
    for name in sorted((name for name in names if name.startswith(f"{ROOT}/step_")), reverse=True):
        folder = name.rstrip("/")
        found = None if folder == named else manifest_at(artifacts, folder)
        if found is not None:
            yield found


def all_manifests(artifacts: Artifacts) -> list[CheckpointManifest]:
    """The manifests of a run's checkpoints, by step; raises `TrackingError` where they cannot be listed."""
    found = []
    with tempfile.TemporaryDirectory() as parent:
        for name in sorted(artifacts.list(ROOT)):
            if name.startswith(f"{ROOT}/step_") and name.endswith("/"):
                manifest = _manifest(artifacts, name.rstrip("/"), Path(parent))
                if manifest is not None:
                    found.append(manifest)
    return found


def alias_values(artifacts: Artifacts, alias: str) -> dict[str, Any]:
    """What the alias says (`step`, `path`, ...), nothing where there is none; raises `TrackingError`."""
    path = f"{ROOT}/{alias}.json"
    if path not in artifacts.list(ROOT):
        return {}
    with tempfile.TemporaryDirectory() as parent:
        return _read_json(artifacts, path, Path(parent))


def manifest_at(artifacts: Artifacts, folder: str, *, sha256: str = "") -> CheckpointManifest | None:
    """The manifest in the artifact folder; None where there is no whole one, or not that of the sum `sha256`."""
    with tempfile.TemporaryDirectory() as parent:
        return _manifest(artifacts, folder, Path(parent), sha256=sha256)


def _manifest(
    artifacts: Artifacts, folder: str, scratch: Path, *, sha256: str = ""
) -> CheckpointManifest | None:
    if not folder:
        return None
    try:
        path = artifacts.download(f"{folder}/manifest.json", scratch)
        if sha256 and sha256_of(path) != sha256:
            return None
        return CheckpointManifest.from_json(read_regular(path).decode("utf-8"))
    except (OcrTrainError, OSError, UnicodeDecodeError):
        return None


def _read_json(artifacts: Artifacts, path: str, scratch: Path) -> dict[str, Any]:
    try:
        values = read_json(artifacts.download(path, scratch))
    except (OcrTrainError, OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def restore(artifacts: Artifacts, manifest: CheckpointManifest, folder: Path) -> Path:
    """Fetch the files of `manifest` into `folder` and compare their sums; the prefix to resume from.

    Raises `DataError` where a sum differs, `TrackingError` where a file cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for entry in manifest.files:
        if "/" in entry.name or entry.name in ("", ".", ".."):
            raise DataError(
                f"the manifest of {manifest.folder} names the file {entry.name!r}: that is not a file name."
            )
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            got = artifacts.download(entry.path or f"{manifest.folder}/{entry.name}", Path(scratch))
            if sha256_of(got) != entry.sha256:
                raise DataError(
                    f"{manifest.folder}/{entry.name} is damaged: its SHA-256 is not the one in the manifest.",
                    hint="Resume from another checkpoint of the run.",
                )
            got.replace(folder / entry.name)
    return folder / "model"


def check_sums(manifest: CheckpointManifest, folder: Path) -> None:
    """Compare the model's files in `folder` with `manifest`; raises `DataError` where one differs."""
    for entry in manifest.files:
        path = folder / Path(entry.name).name
        if path.suffix in SUFFIXES and path.is_file() and sha256_of(path) != entry.sha256:
            raise DataError(
                f"{path} is damaged: its SHA-256 is not the one in {folder / 'manifest.json'}.",
                hint="Download the checkpoint again.",
            )
