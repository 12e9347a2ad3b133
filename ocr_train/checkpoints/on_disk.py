"""A checkpoint outside of MLflow: a folder as we store it or PaddleOCR's own prefix, on this machine or in S3."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ocr_train.checkpoints.manifest import ROOT, CheckpointManifest
from ocr_train.checkpoints.reader import check_sums
from ocr_train.errors import ConfigError, DataError, StorageError
from ocr_train.ocr_engine.files import read_regular
from ocr_train.trainer.files import BEST_NAME, LATEST_NAME, SUFFIXES, WEIGHTS, weights_of

BESIDE = ("config.yml", "dict.txt")
"""What tells a checkpoint's configuration and dictionary, where they are kept with it."""


@dataclass(frozen=True, kw_only=True)
class LocalCheckpoint:
    """A checkpoint copied as model.* under `prefix`; `manifest` is None where it has none."""

    prefix: Path
    source: str
    manifest: CheckpointManifest | None


def from_path(text: str, folder: Path, *, weights_only: bool) -> LocalCheckpoint:
    """Copy the checkpoint at the path `text` into `folder`.

    Raises `ConfigError` where there is none, `DataError` where a file is missing or not the one that was stored.
    """
    path = Path(text).expanduser().absolute()
    prefix = _prefix(path)
    if prefix is None:
        raise ConfigError(
            f"resume={text!r} is not a run id, not auto, latest or best, and not a checkpoint on this machine "
            f"(looked for {path}.pdparams and {path}/model.pdparams).",
            hint="Give a run id from the MLflow page, or the path of a checkpoint without its suffix.",
        )
    return _copy(prefix, folder, weights_only=weights_only)


def from_s3(uri: str, folder: Path, *, weights_only: bool) -> LocalCheckpoint:
    """Fetch the checkpoint below `uri` (a folder as we store it, or PaddleOCR's own) into `folder`.

    Raises as `from_path`, and `StorageError`.
    """
    from ocr_train.storage.fetch import fetch

    place = PurePosixPath(uri.removeprefix("s3://"))
    home = folder / "s3"
    ours = len(place.parts) > 2 and place.parts[-2] == ROOT
    local = home / ROOT / place.name if ours else home
    local.mkdir(parents=True, exist_ok=True)
    fetch(uri, local)
    if ours and (manifest := _manifest(local)) is not None:
        # Bytes that an earlier checkpoint had, too, lie there.
        for entry in manifest.files:
            where = PurePosixPath(entry.path)
            if entry.path and ".." not in where.parts and not where.is_absolute():
                target = home / where.parent
                target.mkdir(parents=True, exist_ok=True)
                fetch(f"s3://{place.parents[1] / where}", target)
    prefix = _prefix(local)
    if prefix is None:
        raise StorageError(
            f"resume={uri}: there is no .pdparams directly below it.",
            hint="Give the folder of one checkpoint, such as s3://bucket/.../checkpoints/step_00000120.",
        )
    placed = _copy(prefix, folder, weights_only=weights_only)
    return LocalCheckpoint(prefix=placed.prefix, source=uri, manifest=placed.manifest)


def _prefix(path: Path) -> Path | None:
    if path.suffix == WEIGHTS:
        path = path.with_suffix("")
    for prefix in (path, path / "model", path / LATEST_NAME, path / BEST_NAME, path / path.name):
        if weights_of(prefix).is_file():
            return prefix
    manifest = _manifest(path)
    if manifest is not None and _stored_at(path, manifest, f"model{WEIGHTS}") is not None:
        return path / "model"
    return None


def _manifest(folder: Path) -> CheckpointManifest | None:
    path = folder / "manifest.json"
    if not path.is_file():
        return None
    try:
        return CheckpointManifest.from_json(read_regular(path).decode("utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"{path} cannot be read: {exc}", hint="Download the checkpoint again.") from exc


def _stored_at(folder: Path, manifest: CheckpointManifest, name: str) -> Path | None:
    """Where the file `name` of the set in `folder` lies: beside the manifest, or where another set keeps it."""
    entry = next((entry for entry in manifest.files if entry.name == name), None)
    places = [folder / name]
    if entry is not None and entry.path and ".." not in PurePosixPath(entry.path).parts:
        places.append(folder.parent.parent / entry.path.lstrip("/"))
    return next((place for place in places if place.is_file()), None)


def _copy(prefix: Path, folder: Path, *, weights_only: bool) -> LocalCheckpoint:
    home = prefix.parent
    manifest = _manifest(home)
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for suffix in SUFFIXES[:1] if weights_only else SUFFIXES:
        source = Path(f"{prefix}{suffix}")
        if not source.is_file() and manifest is not None:
            source = _stored_at(home, manifest, f"model{suffix}") or source
        if source.is_file():
            shutil.copyfile(source, folder / f"model{suffix}")
        else:
            missing.append(suffix)
    refuse_missing(str(prefix), missing)
    if manifest is not None:
        check_sums(manifest, folder)
    for name in BESIDE:
        found = _stored_at(home, manifest, name) if manifest is not None else home / name
        if found is not None and found.is_file():
            shutil.copyfile(found, folder / name)
    return LocalCheckpoint(prefix=folder / "model", source=str(prefix), manifest=manifest)


def refuse_missing(checkpoint: str, missing: list[str]) -> None:
    """Raise `DataError` where files of a checkpoint are missing: PaddleOCR continues silently with less state."""
    if missing:
        raise DataError(
            f"the checkpoint {checkpoint} has no {' and no '.join(missing)}: training cannot continue from it.",
            hint="weights_only=true starts a new training from its weights alone.",
        )
