"""Checkpoints as artifacts: snapshot -> hash -> store -> verify -> manifest -> alias; and back for a resume.

    checkpoints/config.yml, dict.txt       once a run
    checkpoints/step_00000120/model.pdparams .pdopt .states, manifest.json (written last)
    checkpoints/latest.json, best.json     small aliases: {"step", "path", "manifest_sha256", ...}

A checkpoint without a manifest, or whose sums do not match, does not exist for a resume. Bytes that the run has
stored before are not stored again: the manifest entry's `path` says where they are.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ocr_train.errors import DataError, OcrTrainError, TrackingError

ROOT = "checkpoints"
SUFFIXES = (".pdparams", ".pdopt", ".states")
LATEST, BEST = "latest", "best"
SNAPSHOT_TRIES = 5
SNAPSHOT_PAUSE_S = 0.2


class Artifacts(Protocol):
    """Where a run keeps its artifacts."""

    def list(self, folder: str) -> dict[str, int]:
        """Files in `folder` with sizes in bytes; folders end in "/"."""

    def download(self, path: str, folder: Path) -> Path:
        """Fetch one artifact into `folder`; the local path."""


class ArtifactSink(Artifacts, Protocol):
    """The same, to write."""

    def upload(self, local: Path, folder: str = "") -> None:
        """Store `local` under `folder`, with its own name."""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file of a checkpoint; `path` is its artifact path where it is not beside the manifest."""

    name: str
    size: int
    sha256: str
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A whole checkpoint. `step` and `epoch` count from the very beginning, over all resumes.

    `kind` is "latest", "best" or "epoch"; `metrics` are the trainer's own best values, such as {"hmean": 0.5}.
    """

    step: int
    epoch: int
    kind: str
    metrics: Mapping[str, float]
    files: Sequence[StoredFile]
    model: str = ""
    dataset_digest: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The artifact folder of this checkpoint."""
        return step_folder(self.step)

    def to_json(self) -> str:
        """The shape that DESIGN.md fixes; `path` only where it says something."""
        values = asdict(self)
        for entry in values["files"]:
            if not entry["path"]:
                del entry["path"]
        return json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read what `to_json` wrote; raises `DataError` for anything else."""
        try:
            values = json.loads(text)
            files = tuple(StoredFile(**entry) for entry in values.pop("files"))
            return cls(**values, files=files)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise DataError(f"this is no checkpoint manifest: {exc}") from exc


def step_folder(step: int) -> str:
    """The artifact folder of the checkpoint at `step`."""
    return f"{ROOT}/step_{step:08d}"


@dataclass(frozen=True, kw_only=True)
class States:
    """What a `.states` file says: epoch, the trainer's own global step, and its best metrics so far."""

    epoch: int
    step: int
    metrics: Mapping[str, float]


# What numpy needs to rebuild a scalar: the only thing besides plain values that a .states file holds.
_SAFE_GLOBALS = {
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),
}


class _SafeUnpickler(pickle.Unpickler):
    """Refuses every import but those above, so that reading a foreign file runs nothing of it."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _SAFE_GLOBALS:
            raise pickle.UnpicklingError(f"it would import {module}.{name}")
        return super().find_class(module, name)


def read_states(path: Path) -> States:
    """Read PaddleOCR's `.states` pickle without running what it says; raises `DataError`.

    Format: `{"best_model_dict": {...}, "epoch": int, "global_step": int}`, PaddleOCR ppocr/utils/save_load.py.
    """
    try:
        values = _SafeUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
        best = values.get("best_model_dict") or {}
        metrics = {
            str(key): float(value)
            for key, value in best.items()
            if key not in ("start_epoch", "best_epoch", "epoch", "global_step") and _is_number(value)
        }
        return States(epoch=int(values["epoch"]), step=int(values.get("global_step", 0)), metrics=metrics)
    except (
        OSError,
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as exc:
        raise DataError(
            f"{path} is not a PaddleOCR .states file: {exc}", hint="Resume from another checkpoint."
        ) from exc


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return False
    return isinstance(value, (int, float)) or hasattr(value, "dtype")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A copy of a finished checkpoint on this machine, which the trainer will not overwrite.

    `step` is the trainer's own, None where the `.states` file does not say.
    """

    folder: Path
    kind: str
    name: str
    epoch: int | None
    step: int | None
    metrics: Mapping[str, float]
    files: Sequence[Path]

    def discard(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self.folder, ignore_errors=True)


def take_snapshot(prefix: Path, kind: str, parent: Path) -> Snapshot:
    """Copy the set at `prefix` (.pdparams, .pdopt, .states) into a new folder under `parent`.

    The trainer writes `.states` last and in place; a set that changes while it is copied is copied again.
    Raises `DataError` where files are missing, `OSError` where they cannot be copied.
    """
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix.name}-", dir=parent))
    for _ in range(SNAPSHOT_TRIES):
        sources = [path for path in (Path(f"{prefix}{suffix}") for suffix in SUFFIXES) if path.is_file()]
        if not any(path.suffix == ".pdparams" for path in sources):
            shutil.rmtree(folder)
            raise DataError(
                f"the checkpoint {prefix} has no .pdparams: it was removed before it could be kept."
            )
        before = _fingerprint(sources)
        for source in sources:
            shutil.copyfile(source, folder / f"model{source.suffix}")
        if _fingerprint(sources) == before:
            break
        time.sleep(SNAPSHOT_PAUSE_S)
    else:
        shutil.rmtree(folder)
        raise DataError(
            f"the checkpoint {prefix} changed each time it was copied: the trainer saves too often."
        )
    states = folder / "model.states"
    read = read_states(states) if states.is_file() else None
    return Snapshot(
        folder=folder,
        kind=kind,
        name=prefix.name,
        epoch=read.epoch if read else None,
        step=read.step if read else None,
        metrics=read.metrics if read else {},
        files=tuple(sorted(folder.iterdir())),
    )


def _fingerprint(paths: Sequence[Path]) -> list[tuple[int, int]]:
    return [(stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in paths)]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


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
        self._manifests: dict[int, Manifest] = {}

    def put(self, snapshot: Snapshot, *, step: int, epoch: int) -> Manifest:
        """Store `snapshot` as the checkpoint at `step` (of the run, not of the trainer).

        Every byte is read back and compared before the manifest is written. A checkpoint that is there already,
        with the same weights, is not stored again. Raises `TrackingError`.
        """
        known = self._manifests.get(step)
        hashed = [(path, sha256_of(path)) for path in snapshot.files]
        if known is not None and _weights(known) == _weights_of(hashed):
            return known
        files = [self._put_file(path, sha, step_folder(step)) for path, sha in hashed]
        files += [self._put_file(path, sha256_of(path), ROOT) for path in self._common]
        manifest = Manifest(
            step=step,
            epoch=epoch,
            kind=snapshot.kind,
            metrics=dict(snapshot.metrics),
            files=tuple(files),
            model=self._model,
            dataset_digest=self._dataset_digest,
            versions=self._versions,
        )
        self._put_text(manifest.to_json(), "manifest.json", manifest.folder)
        self._manifests[step] = manifest
        return manifest

    def point(self, alias: str, manifest: Manifest) -> None:
        """Make the alias ("latest" or "best") name `manifest`; raises `TrackingError`."""
        text = manifest.to_json()
        values = {
            "step": manifest.step,
            "epoch": manifest.epoch,
            "path": manifest.folder,
            "metrics": manifest.metrics,
            "manifest_sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
        self._put_text(json.dumps(values, indent=1, sort_keys=True), f"{alias}.json", ROOT)

    def _put_file(self, path: Path, sha256: str, folder: str) -> StoredFile:
        where = self._stored.get(sha256)
        if where is None:
            where = f"{folder}/{path.name}"
            self._artifacts.upload(path, folder)
            self._verify(where, sha256)
            self._stored[sha256] = where
        beside = where.rpartition("/")[0] == folder and folder != ROOT
        return StoredFile(
            name=path.name, size=path.stat().st_size, sha256=sha256, path="" if beside else where
        )

    def _verify(self, where: str, sha256: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            got = sha256_of(self._artifacts.download(where, Path(folder)))
        if got != sha256:
            raise TrackingError(f"{where} came back from the artifact store with other bytes than were sent.")

    def _put_text(self, text: str, name: str, folder: str) -> None:
        with tempfile.TemporaryDirectory() as parent:
            path = Path(parent) / name
            path.write_text(text, encoding="utf-8")
            self._artifacts.upload(path, folder)


def _weights(manifest: Manifest) -> dict[str, str]:
    return {
        entry.name: entry.sha256 for entry in manifest.files if entry.name.endswith((".pdparams", ".pdopt"))
    }


def _weights_of(hashed: Sequence[tuple[Path, str]]) -> dict[str, str]:
    return {path.name: sha for path, sha in hashed if path.suffix in (".pdparams", ".pdopt")}


def find(artifacts: Artifacts, which: str) -> Manifest | None:
    """The newest ("latest") or best whole checkpoint of a run; None where it has none.

    A broken alias or manifest counts as none there: for "latest" the next older checkpoint is taken.
    """
    names = set(artifacts.list(ROOT))
    alias = f"{ROOT}/{which}.json"
    with tempfile.TemporaryDirectory() as parent:
        if alias in names:
            values = _read_json(artifacts, alias, Path(parent))
            found = _manifest(artifacts, str(values.get("path", "")), Path(parent))
            if found is not None:
                return found
        if which == BEST:
            return None
        for folder in sorted((name for name in names if name.startswith(f"{ROOT}/step_")), reverse=True):
            found = _manifest(artifacts, folder.rstrip("/"), Path(parent))
            if found is not None:
                return found
    return None


def _manifest(artifacts: Artifacts, folder: str, scratch: Path) -> Manifest | None:
    if not folder:
        return None
    try:
        path = artifacts.download(f"{folder}/manifest.json", scratch)
        return Manifest.from_json(path.read_text(encoding="utf-8"))
    except (OcrTrainError, OSError, UnicodeDecodeError):
        return None


def _read_json(artifacts: Artifacts, path: str, scratch: Path) -> dict[str, Any]:
    try:
        values = json.loads(artifacts.download(path, scratch).read_text(encoding="utf-8"))
    except (OcrTrainError, OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def restore(artifacts: Artifacts, manifest: Manifest, folder: Path) -> Path:
    """Fetch the files of `manifest` into `folder` and compare their sums; the prefix to resume from.

    Raises `DataError` where a sum differs, `TrackingError` where a file cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for entry in manifest.files:
        if "/" in entry.name or entry.name in ("", ".", ".."):
            raise DataError(
                f"the manifest of {manifest.folder} names the file {entry.name!r}: that is no file name."
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
