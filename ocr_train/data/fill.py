"""Fills a prepared folder: images first, label files later, the manifest last."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from ocr_train.atomic_files import whole_file, write_bytes
from ocr_train.data.manifest import (
    IMAGE,
    DatasetManifest,
    ManifestEntry,
    build_manifest,
    read_manifest,
    write_manifest,
)
from ocr_train.data.sets import Sets, labels_text
from ocr_train.disk import sha256_of
from ocr_train.errors import DataError

MANIFEST = "manifest.jsonl"
DICTIONARY = "dict.txt"
FINDINGS = ("problems.json", "report.html", "quarantine.tsv")
_BLOCK_BYTES = 1 << 20
_BATCH_FILES = 10_000


@dataclass(frozen=True, kw_only=True)
class Filled:
    """The `manifest` of what is there now; how many images were `written`, `kept` as they were, `removed`."""

    manifest: DatasetManifest
    written: int
    kept: int
    removed: int


def fill(
    out: Path,
    sets: Sets,
    images: Path,
    *,
    work: Path,
    dictionary: bytes | None,
    link: bool,
    overwrite: bool,
) -> Filled:
    """Put `sets`, the images that they name under `images`, and the `dictionary`'s content into `out`.

    Everything is hashed before anything is written, and images once more while they are copied. `link`
    hard-links them where the disk can. `work` is a folder for temporary files outside `images`.

    Raises `DataError` where an image changes meanwhile, or where `out` is whole with another content and
    `overwrite` is not set.
    """
    cpus = os.cpu_count() or 1
    texts = {"train": labels_text(sets.train)} | ({"val": labels_text(sets.val)} if sets.val else {})
    for name, text in texts.items():
        write_bytes(work / "sets" / f"{name}.txt", text)
    manifest = build_manifest(images, {name: work / "sets" / f"{name}.txt" for name in texts}, workers=cpus)
    removed = _make_room(out, manifest, dictionary, overwrite=overwrite)
    entries = list({entry.path: entry for entry in manifest.entries if entry.kind == IMAGE}.values())
    done: Counter[str] = Counter()
    with ThreadPoolExecutor(cpus, thread_name_prefix="copy") as pool:
        for batch in _batches(entries):
            done.update(pool.map(partial(_place, images=images, out=out, link=link), batch))
    if dictionary is not None:
        write_bytes(out / DICTIONARY, dictionary)
    for name, text in texts.items():
        write_bytes(out / f"{name}.txt", text)
    write_manifest(manifest, out / MANIFEST)
    return Filled(manifest=manifest, written=done["written"], kept=done["kept"], removed=removed)


def put_findings(findings: Path, out: Path) -> None:
    """Move what was found from the folder `findings` to `out`, in place of what an earlier check found."""
    for name in FINDINGS:
        if (findings / name).exists():
            write_bytes(out / name, (findings / name).read_bytes())
        else:
            (out / name).unlink(missing_ok=True)


def _make_room(out: Path, manifest: DatasetManifest, dictionary: bytes | None, *, overwrite: bool) -> int:
    """Remove what an earlier set has and the new one has not; the number of images.

    The old manifest goes last, so that a removal that is cut off can be gone on with.
    """
    if not (out / MANIFEST).exists():
        return 0
    try:
        old = read_manifest(out / MANIFEST)
    except DataError:
        if not overwrite:
            raise
        old = DatasetManifest(())
    if not overwrite and (old.digest != manifest.digest or _dictionary_of(out) != dictionary):
        what = (
            f"digest {old.digest}, not {manifest.digest}"
            if old.digest != manifest.digest
            else "another dict.txt"
        )
        raise DataError(
            f"{str(out)!r} has a prepared set with other content ({what}).",
            hint="Name a new folder, or replace the set with --overwrite.",
        )
    kept = {entry.path for entry in manifest.entries}
    stale = [entry for entry in old.entries if entry.path not in kept]
    # Label files first.
    for entry in sorted(stale, key=lambda entry: entry.kind == IMAGE):
        _remove(out, entry.path)
    if dictionary is None:
        (out / DICTIONARY).unlink(missing_ok=True)
    (out / MANIFEST).unlink()
    return len({entry.path for entry in stale if entry.kind == IMAGE})


def _dictionary_of(out: Path) -> bytes | None:
    path = out / DICTIONARY
    return path.read_bytes() if path.is_file() else None


def _remove(out: Path, name: str) -> None:
    """Remove a file of ours and the folders that this leaves empty."""
    path = out / name
    # Somebody edited the manifest.
    if not path.resolve().is_relative_to(out.resolve()):
        return
    path.unlink(missing_ok=True)
    # Not empty, or the folder itself.
    with suppress(OSError):
        while (path := path.parent) != out:
            path.rmdir()


def _batches(entries: Sequence[ManifestEntry]) -> Iterator[list[ManifestEntry]]:
    rest = iter(entries)
    while batch := list(islice(rest, _BATCH_FILES)):
        yield batch


def _place(entry: ManifestEntry, *, images: Path, out: Path, link: bool) -> str:
    """Put one image where its label says: "written" or, where it is there already, "kept"."""
    source, target = images / entry.path, out / entry.path
    if _is_there(target, entry) and (link or not target.samefile(source)):
        return "kept"
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as part:
        if not (link and _linked(source, part)):
            _copy(source, part, entry)
    return "written"


def _is_there(target: Path, entry: ManifestEntry) -> bool:
    if not target.is_file() or target.stat().st_size != entry.size_bytes:
        return False
    return sha256_of(target) == entry.sha256


def _linked(source: Path, target: Path) -> bool:
    """Whether a hard link could be made: not across disks, and not on every file system."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        return False
    return True


def _copy(source: Path, target: Path, entry: ManifestEntry) -> None:
    digest = hashlib.sha256()
    with source.open("rb") as file, target.open("wb") as copy:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            copy.write(block)
    if digest.hexdigest() != entry.sha256:
        raise DataError(f"{source} changed while it was copied.", hint="Run the command again.")
