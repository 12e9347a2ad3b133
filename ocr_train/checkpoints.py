"""Checkpoints as artifacts: snapshot -> hash -> store -> verify -> manifest -> alias; and back for a resume.

    checkpoints/config.yml, dict.txt       once a run
    checkpoints/step_00000120/model.pdparams .pdopt .states, manifest.json (written last)
    checkpoints/latest.json, best.json     small aliases: {"step", "path", "manifest_sha256", ...}

A checkpoint without a manifest, or whose sums do not match, does not exist for a resume. Bytes that the run has
stored before are not stored again: the manifest entry's `path` says where they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.artifacts import Artifacts, ArtifactSink, sha256_of, upload_verified
from ocr_train.errors import DataError, OcrTrainError
from ocr_train.states import read_states

__all__ = [
    "BEST",
    "LATEST",
    "ROOT",
    "SUFFIXES",
    "ArtifactSink",
    "Artifacts",
    "CheckpointStore",
    "Manifest",
    "Snapshot",
    "StoredFile",
    "alias_values",
    "all_manifests",
    "candidates",
    "check_sums",
    "find",
    "open_snapshot",
    "restore",
    "sha256_of",
    "take_snapshot",
]

ROOT = "checkpoints"
SUFFIXES = (".pdparams", ".pdopt", ".states")
LATEST, BEST = "latest", "best"
SNAPSHOT_TRIES = 5
SNAPSHOT_PAUSE_S = 0.2


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
    `place` is the artifact folder where it is not the step's own: a run that goes on comes by a step again.
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
    def from_json(cls, text: str) -> Manifest:
        """Read what `to_json` wrote; raises `DataError` for anything else."""
        try:
            values = json.loads(text)
            files = tuple(StoredFile(**entry) for entry in values.pop("files"))
            manifest = cls(**values, files=files)
            _check_types(manifest)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise DataError(f"this is no checkpoint manifest: {exc}") from exc
        return manifest


def _check_types(manifest: Manifest) -> None:
    """Raise `TypeError` for a value that is not of its type: a manifest comes from outside."""
    numbers = [manifest.step, manifest.epoch, *(entry.size for entry in manifest.files)]
    texts = [manifest.kind, manifest.model, manifest.dataset_digest, manifest.place]
    texts += [text for entry in manifest.files for text in (entry.name, entry.sha256, entry.path)]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise TypeError("a step, epoch or size is no whole number")
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name, sum or path is no text")
    if not isinstance(manifest.metrics, dict) or not isinstance(manifest.versions, dict):
        raise TypeError("metrics or versions are no mapping")
    if not all(type(value) in (int, float) for value in manifest.metrics.values()):
        raise TypeError("a metric is no number")


def step_folder(step: int) -> str:
    """The artifact folder of the checkpoint at `step`."""
    return f"{ROOT}/step_{step:08d}"


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


def take_snapshot(prefix: Path, kind: str, parent: Path, *, link: bool = False) -> Snapshot:
    """Copy the set at `prefix` (.pdparams, .pdopt, .states) into a new folder under `parent`.

    The trainer writes `.states` last and in place; a set that changes while it is copied is copied again.
    `link` takes no room: only for sets that the trainer will not write again.
    Raises `DataError` where files are missing, `OSError` where they cannot be copied.
    """
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix.name}-", dir=parent))
    try:
        _copy_set(prefix, folder, os.link if link else shutil.copyfile)
        return open_snapshot(folder, kind, prefix.name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def open_snapshot(folder: Path, kind: str, name: str) -> Snapshot:
    """The snapshot that lies in `folder`; raises `DataError` where it is no whole one."""
    files = tuple(path for path in (folder / f"model{suffix}" for suffix in SUFFIXES) if path.is_file())
    if not any(path.suffix == ".pdparams" for path in files):
        raise DataError(f"there is no checkpoint in {folder}.")
    states = folder / "model.states"
    read = read_states(states) if states.is_file() else None
    return Snapshot(
        folder=folder,
        kind=kind,
        name=name,
        epoch=read.epoch if read else None,
        step=read.step if read else None,
        metrics=read.metrics if read else {},
        files=tuple(sorted(files)),
    )


def _copy_set(prefix: Path, folder: Path, copy: Callable[[Path, Path], object]) -> None:
    """Copy the set as model.* into `folder`, again and again until it was at rest meanwhile."""
    for _ in range(SNAPSHOT_TRIES):
        sources = [path for path in (Path(f"{prefix}{suffix}") for suffix in SUFFIXES) if path.is_file()]
        if not any(path.suffix == ".pdparams" for path in sources):
            raise DataError(
                f"the checkpoint {prefix} has no .pdparams: it was removed before it could be kept."
            )
        before = _fingerprint(sources)
        for source in sources:
            target = folder / f"model{source.suffix}"
            target.unlink(missing_ok=True)
            copy(source, target)
        if _fingerprint(sources) == before:
            return
        time.sleep(SNAPSHOT_PAUSE_S)
    raise DataError(f"the checkpoint {prefix} changed each time it was copied: the trainer saves too often.")


def _fingerprint(paths: Sequence[Path]) -> list[tuple[int, int]]:
    return [(stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in paths)]


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
        self._loaded = False

    def put(self, snapshot: Snapshot, *, step: int, epoch: int) -> Manifest:
        """Store `snapshot` as the checkpoint at `step` (of the run, not of the trainer).

        Every byte is read back and compared before the manifest is written. A checkpoint that is there already,
        with the same weights, is not stored again; other weights at its step go beside it, because an alias may
        name the first. Raises `TrackingError`.
        """
        self._load()
        known = self._manifests.get(step)
        hashed = [(path, sha256_of(path)) for path in snapshot.files]
        if known is not None and _weights(known) == _weights_of(hashed):
            return known
        place = "" if known is None else f"{step_folder(step)}_{hashed[0][1][:12]}"
        files = [self._put_file(path, sha, place or step_folder(step)) for path, sha in hashed]
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
        """What the run has stored before, in another process: after a `sync`, or where a run itself goes on."""
        if self._loaded:
            return
        for manifest in all_manifests(self._artifacts):
            self._manifests[manifest.step] = manifest
            for entry in manifest.files:
                self._stored[entry.sha256] = entry.path or f"{manifest.folder}/{entry.name}"
        self._loaded = True

    def point(self, alias: str, manifest: Manifest) -> None:
        """Make the alias ("latest" or "best") name `manifest`; raises `TrackingError`."""
        self._put_text(json.dumps(manifest.alias(), indent=1, sort_keys=True), f"{alias}.json", ROOT)

    def _put_file(self, path: Path, sha256: str, folder: str) -> StoredFile:
        home = folder
        where = self._stored.get(sha256)
        if where is None:
            where = f"{folder}/{path.name}"
            if where in self._stored.values():  # other bytes of this name, which a manifest may rely on
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


def _weights(manifest: Manifest) -> dict[str, str]:
    return {
        entry.name: entry.sha256 for entry in manifest.files if entry.name.endswith((".pdparams", ".pdopt"))
    }


def _weights_of(hashed: Sequence[tuple[Path, str]]) -> dict[str, str]:
    return {path.name: sha for path, sha in hashed if path.suffix in (".pdparams", ".pdopt")}


def find(artifacts: Artifacts, which: str) -> Manifest | None:
    """The first of `candidates`; None where the run has no whole checkpoint."""
    return next(candidates(artifacts, which), None)


def candidates(artifacts: Artifacts, which: str) -> Iterator[Manifest]:
    """The checkpoints of a run that "latest" or "best" can mean, the one that its alias names first.

    For "latest" the older ones follow, newest first; sets without a whole manifest are passed over.
    """
    names = set(artifacts.list(ROOT))
    alias = f"{ROOT}/{which}.json"
    named = ""
    with tempfile.TemporaryDirectory() as parent:
        if alias in names:
            values = _read_json(artifacts, alias, Path(parent))
            wanted = str(values.get("manifest_sha256", ""))
            found = _manifest(artifacts, str(values.get("path", "")), Path(parent), sha256=wanted)
            if found is not None:
                named = found.folder
                yield found
        if which == BEST:
            return
        for folder in sorted((name for name in names if name.startswith(f"{ROOT}/step_")), reverse=True):
            found = (
                None
                if folder.rstrip("/") == named
                else _manifest(artifacts, folder.rstrip("/"), Path(parent))
            )
            if found is not None:
                yield found


def all_manifests(artifacts: Artifacts) -> list[Manifest]:
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


def manifest_at(artifacts: Artifacts, folder: str, *, sha256: str = "") -> Manifest | None:
    """The manifest in the artifact folder; None where there is no whole one, or not that of the sum `sha256`."""
    with tempfile.TemporaryDirectory() as parent:
        return _manifest(artifacts, folder, Path(parent), sha256=sha256)


def _manifest(artifacts: Artifacts, folder: str, scratch: Path, *, sha256: str = "") -> Manifest | None:
    if not folder:
        return None
    try:
        path = artifacts.download(f"{folder}/manifest.json", scratch)
        if sha256 and sha256_of(path) != sha256:
            return None
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


def check_sums(manifest: Manifest, folder: Path) -> None:
    """Compare the model's files in `folder` with `manifest`; raises `DataError` where one differs."""
    for entry in manifest.files:
        path = folder / Path(entry.name).name
        if path.suffix in SUFFIXES and path.is_file() and sha256_of(path) != entry.sha256:
            raise DataError(
                f"{path} is damaged: its SHA-256 is not the one in {folder / 'manifest.json'}.",
                hint="Download the checkpoint again.",
            )
