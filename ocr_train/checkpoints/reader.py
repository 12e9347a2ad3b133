"""Stored checkpoints, to read: which there are, and their files back for a resume.

A checkpoint without a manifest, or whose sums do not match, does not exist here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
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
    named = manifest_of(artifacts, alias_values(artifacts, which))
    if named is not None:
        yield named
    for folder in reversed(step_folders(artifacts)) if which != BEST else ():
        found = None if named and folder == named.folder else manifest_at(artifacts, folder)
        if found is not None:
            yield found


def step_folders(artifacts: Artifacts) -> list[str]:
    """The artifact folders of a run's checkpoints, sorted, whole or not; raises `TrackingError`."""
    names = (name.rstrip("/") for name in artifacts.list(ROOT) if name.endswith("/"))
    return sorted(name for name in names if name.startswith(f"{ROOT}/step_"))


def all_manifests(artifacts: Artifacts) -> list[CheckpointManifest]:
    """The manifests of a run's checkpoints, by step; raises `TrackingError` where they cannot be listed."""
    found = (manifest_at(artifacts, folder) for folder in step_folders(artifacts))
    return [manifest for manifest in found if manifest is not None]


def alias_values(artifacts: Artifacts, alias: str) -> dict[str, Any]:
    """What the alias says (`step`, `path`, ...), nothing where there is none; raises `TrackingError`."""
    path = f"{ROOT}/{alias}.json"
    if path not in artifacts.list(ROOT):
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            values = read_json(artifacts.download(path, Path(scratch)))
        except (OcrTrainError, OSError, ValueError):
            return {}
    return values if isinstance(values, dict) else {}


def manifest_of(artifacts: Artifacts, alias: Mapping[str, Any]) -> CheckpointManifest | None:
    """The manifest that the values of an alias name; None where it is not there, or another one by now."""
    folder, sha256 = str(alias.get("path", "")), str(alias.get("manifest_sha256", ""))
    return manifest_at(artifacts, folder, sha256=sha256) if folder else None


def manifest_at(artifacts: Artifacts, folder: str, *, sha256: str = "") -> CheckpointManifest | None:
    """The manifest in the artifact folder; None where there is no whole one, or not that of the sum `sha256`."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            path = artifacts.download(f"{folder}/manifest.json", Path(scratch))
            if sha256 and sha256_of(path) != sha256:
                return None
            return CheckpointManifest.from_json(read_regular(path).decode("utf-8"))
        except (OcrTrainError, OSError, UnicodeDecodeError):
            return None


def restore(artifacts: Artifacts, manifest: CheckpointManifest, folder: Path) -> Path:
    """Fetch the files of `manifest` into `folder` and compare their sums; the prefix to resume from.

    Raises `DataError` where a sum differs, `TrackingError` where a file cannot be fetched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for entry in manifest.files:
        if "/" in entry.name or entry.name in ("", ".", ".."):
            raise DataError(
                f"the manifest of {manifest.folder} names the file {entry.name!r}: that is not a file name."
            )
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            got = Path(scratch) / entry.name
            if artifacts.read_back(entry.path or f"{manifest.folder}/{entry.name}", got) != entry.sha256:
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
