"""A second place for a run's checkpoints on this machine, in the layout of the artifacts, and how to go on from it.

    <folder>/checkpoints/run.json                          which run on a server it belongs to, where there is one
    <folder>/checkpoints/step_00000120/, latest.json, ...  as in the artifacts of a run (`store`)

A spot instance keeps such a folder over an interruption, and may bring it back in part: a set counts only where its
manifest is there and every sum is right.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.atomic_files import write_text
from ocr_train.checkpoints.address import step_in
from ocr_train.checkpoints.manifest import BEST, LATEST, ROOT, CheckpointManifest
from ocr_train.checkpoints.reader import alias_values, candidates, manifest_at, manifest_of, step_folders
from ocr_train.disk import sha256_of
from ocr_train.ocr_engine.documents import read_json
from ocr_train.tracking.artifacts import ArtifactSink, FolderArtifacts
from ocr_train.trainer.files import SUFFIXES

NOTE = f"{ROOT}/run.json"


@dataclass(frozen=True, kw_only=True)
class CopiedSet:
    """The set to go on from, in `folder`; `passed_over` says which newer ones are not whole, and why."""

    folder: Path
    manifest: CheckpointManifest
    passed_over: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class CopiesFound:
    """What a folder of copies has: `newest` is None where no set is whole, `torn` says what is wrong with the others."""

    newest: CopiedSet | None
    torn: Sequence[str] = ()


def holds_copies(root: Path) -> bool:
    """Whether `root` is a folder with checkpoints in the layout of the artifacts, whole or not."""
    return (root / ROOT).is_dir() and bool(step_folders(FolderArtifacts(root)))


def newest_whole(root: Path, *, epochs: int | None = None) -> CopiesFound:
    """The newest whole set to continue from; with `epochs` the newest that leaves one of them to train.

    Where none leaves any, the newest one all the same: who asks says so.
    """
    artifacts = FolderArtifacts(root)
    torn = [
        f"{folder} has no complete manifest"
        for folder in reversed(step_folders(artifacts))
        if step_in(folder) is not None and manifest_at(artifacts, folder) is None
    ]
    whole: list[CheckpointManifest] = []
    for manifest in candidates(artifacts, LATEST):
        problem = _problem(root, manifest)
        if problem:
            torn.append(problem)
            continue
        whole.append(manifest)
        if epochs is None or manifest.epoch < epochs:
            break
    chosen = next((one for one in whole if epochs is None or one.epoch < epochs), whole[0] if whole else None)
    if chosen is None:
        return CopiesFound(newest=None, torn=tuple(torn))
    newest = CopiedSet(folder=root / chosen.folder, manifest=chosen, passed_over=tuple(torn))
    return CopiesFound(newest=newest, torn=tuple(torn))


def remove_torn(root: Path) -> Sequence[str]:
    """Delete the sets that are not whole, so that no later set takes bytes of theirs for its own; what was deleted.

    Raises `OSError`.
    """
    artifacts = FolderArtifacts(root)
    removed = []
    for folder in step_folders(artifacts):
        manifest = manifest_at(artifacts, folder)
        if manifest is None or _problem(root, manifest, also_base=True):
            artifacts.delete(folder)
            removed.append(folder)
    return tuple(removed)


def note_run(root: Path, run_id: str) -> None:
    """Note whose checkpoints these are; raises `OSError`."""
    write_text(root / NOTE, json.dumps({"run_id": run_id}) + "\n")


def noted_run(root: Path) -> str:
    """The id of the run on a server that the copies in `root` belong to; empty where there is none."""
    try:
        values = read_json(root / NOTE)
    except (OSError, ValueError):
        return ""
    return str(values.get("run_id") or "") if isinstance(values, dict) else ""


def best_copy(root: Path) -> CheckpointManifest | None:
    """The best set among the copies, where it is whole."""
    artifacts = FolderArtifacts(root)
    manifest = manifest_of(artifacts, alias_values(artifacts, BEST))
    return None if manifest is None or _problem(root, manifest, also_base=True) else manifest


def bring_best(root: Path, sink: ArtifactSink) -> None:
    """Store the best set of the copies in `root` with another run, as its best; nothing where there is no whole one.

    Raises as `sink` does, and `OSError`.
    """
    manifest = best_copy(root)
    if manifest is None:
        return
    for entry in manifest.files:
        where = Path(entry.path or f"{manifest.folder}/{entry.name}")
        if (root / where).is_file():
            sink.upload(root / where, where.parent.as_posix())
    with tempfile.TemporaryDirectory() as scratch:
        for name, text, folder in (
            ("manifest.json", manifest.to_json(), manifest.folder),
            (f"{BEST}.json", json.dumps(manifest.alias(), indent=1, sort_keys=True), ROOT),
        ):
            (Path(scratch) / name).write_text(text, encoding="utf-8")
            sink.upload(Path(scratch) / name, folder)


def _problem(root: Path, manifest: CheckpointManifest, *, also_base: bool = False) -> str:
    """What keeps the set from being continued from; empty where nothing does.

    `also_base`: the weights that a fine-tune began with, which have no optimizer, are whole, too.
    """
    names = {entry.name for entry in manifest.files}
    missing = [suffix for suffix in SUFFIXES if f"model{suffix}" not in names]
    if missing and not also_base:
        return f"{manifest.folder} has no {' and no '.join(missing)}"
    for entry in manifest.files:
        path = (root / (entry.path or f"{manifest.folder}/{entry.name}")).resolve()
        if path.suffix not in SUFFIXES:
            continue
        if not path.is_relative_to(root.resolve()) or not path.is_file():
            return f"{manifest.folder}: {entry.name} is missing"
        if path.stat().st_size != entry.size or sha256_of(path) != entry.sha256:
            return f"{manifest.folder}: {entry.name} is torn (its SHA-256 is not the one in the manifest)"
    return ""
