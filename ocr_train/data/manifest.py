"""What exactly a run was trained on: every label file and image with size and SHA-256, and one digest of all.

The digest is made from paths, hashes and sets only. Folder, machine, system, time stamps and order do not
count, so the same input has the same digest everywhere, and one changed byte gives another.

File format: JSON lines in UTF-8. The first is `{"format": "ocr_train/manifest", "version": 1, "digest": ...,
"files": N, "images": {set: N}}`, then one line a file: `{"path", "size", "sha256", "split", "kind"}`.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from ocr_train.atomic_files import write_bytes
from ocr_train.data.files.image_files import is_file, slashed
from ocr_train.data.samples import image_names, read_samples
from ocr_train.disk import sha256_of_stream
from ocr_train.errors import ConfigError, DataError
from ocr_train.ocr_engine.documents import parse_json
from ocr_train.ocr_engine.files import open_regular, read_regular

LABELS = "labels"
IMAGE = "image"

_FORMAT = "ocr_train/manifest"
_VERSION = 1
_BLOCK_BYTES = 1 << 20
_BATCH_FILES = 10_000
_DIGEST_CHARACTERS = 32


@dataclass(frozen=True, kw_only=True, order=True)
class ManifestEntry:
    """One file in one set: `path` with slashes, relative to the data folder, Unicode as written in the
    labels.

    `kind` is "labels" or "image". A file in two sets has two entries.
    """

    path: str
    split: str
    kind: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class DatasetManifest:
    """All files of a dataset, sorted by path and set."""

    entries: tuple[ManifestEntry, ...]

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal characters (MLflow allows a dataset digest 36) of all paths, hashes and sets."""
        total = hashlib.sha256()
        for line in sorted({f"{entry.path}\x00{entry.sha256}\x00{entry.split}\n" for entry in self.entries}):
            total.update(line.encode(errors="surrogatepass"))
        return total.hexdigest()[:_DIGEST_CHARACTERS]

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of different images in each set, by its name, in alphabetical order."""
        return dict(sorted(Counter(entry.split for entry in self.entries if entry.kind == IMAGE).items()))

    @property
    def size_bytes(self) -> int:
        """The size of all different files together."""
        return sum({entry.path: entry.size_bytes for entry in self.entries}.values())


def samples_digest(manifest: DatasetManifest, labels: Path, split: str) -> str:
    """32 hexadecimal characters of the samples in the label file of the set `split`: the bytes of their images and their
    labels. Names do not count, nor what is trained on: scores on the same samples can be compared."""
    sums = {entry.path: entry.sha256 for entry in manifest.entries if entry.split == split}
    samples = {
        "\x00".join(
            [*(sums.get(posixpath.normpath(name), "") for name in image_names(line.image)), line.label]
        )
        for line in read_samples(labels)[0]
    }
    total = hashlib.sha256()
    for sample in sorted(samples):
        total.update(f"{sample}\n".encode(errors="surrogatepass"))
    return total.hexdigest()[:_DIGEST_CHARACTERS]


def build_manifest(
    folder: Path, splits: Mapping[str, Path | Sequence[Path]], *, workers: int
) -> DatasetManifest:
    """Hash the label files `splits` (set name to path, or to several) and every image they name, with `workers` threads.

    Paths in a label file are relative to its own folder or, where the image is not there, to `folder`; both
    kinds of path come out relative to `folder`. Files are read in blocks, so memory does not grow with them.

    Raises `ConfigError` for fewer than one worker, and `DataError` that names what cannot be read.
    """
    if workers < 1:
        raise ConfigError(f"workers={workers!r} must be at least 1", hint="Give the number of CPU cores.")
    wanted: dict[tuple[str, str], tuple[str, Path]] = {}
    missing: list[str] = []
    for name, labels, own in _label_files(splits):
        wanted[_label_path(labels, folder, own), name] = (LABELS, labels)
        lines, _ = read_samples(labels)
        for line in lines:
            for image in image_names(line.image):
                path = _find(image, labels.parent, folder)
                if path is None:
                    missing.append(f"{labels}:{line.line} {image!r}")
                else:
                    wanted.setdefault((_relative(path, folder), name), (IMAGE, path))
    _require_all(missing)
    hashes = _hash_all({path for _, path in wanted.values()}, workers)
    return DatasetManifest(
        tuple(
            ManifestEntry(
                path=path, split=name, kind=kind, size_bytes=hashes[file][0], sha256=hashes[file][1]
            )
            for (path, name), (kind, file) in sorted(wanted.items(), key=lambda item: item[0])
        )
    )


def _label_files(splits: Mapping[str, Path | Sequence[Path]]) -> Iterator[tuple[str, Path, str]]:
    """Each label file with its set, and what it is called: after the set, and numbered where that has several."""
    for name, labels in splits.items():
        files = [labels] if isinstance(labels, Path) else labels
        for number, path in enumerate(files, start=1):
            yield name, path, name if len(files) == 1 else f"{name}_{number}"


def _label_path(labels: Path, folder: Path, name: str) -> str:
    """Label files of a run lie outside the data folder: they go by the name of their set, on any machine."""
    relative = _relative(labels, folder)
    return f"{name}.txt" if relative.startswith("../") else relative


def _find(image: str, own: Path, folder: Path) -> Path | None:
    candidates = (root / name for root in (own, folder) for name in (image, slashed(image)))
    return next((path for path in candidates if is_file(path)), None)


def _relative(path: Path, folder: Path) -> str:
    """`path` relative to `folder` by the names alone, so that links and their targets do not count."""
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:
        # Another drive on Windows.
        relative = str(path)
    return posixpath.normpath(Path(relative).as_posix())


def _require_all(missing: list[str]) -> None:
    if missing:
        shown = "\n".join(f"  {where}" for where in missing[:10])
        more = f"\n  and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise DataError(
            f"{len(missing)} images of the label files do not exist:\n{shown}{more}",
            hint="`python -m ocr_train validate` lists every problem of a label file.",
        )


def _hash_all(paths: set[Path], workers: int) -> dict[Path, tuple[int, str]]:
    """Size and SHA-256 of each file. Batches keep a million files from being a million waiting tasks."""
    hashes: dict[Path, tuple[int, str]] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="manifest") as pool:
        for batch in _batches(sorted(paths)):
            hashes.update(zip(batch, pool.map(_hash_file, batch), strict=True))
    return hashes


def _batches(paths: Iterable[Path]) -> Iterator[list[Path]]:
    rest = iter(paths)
    while batch := list(islice(rest, _BATCH_FILES)):
        yield batch


def _hash_file(path: Path) -> tuple[int, str]:
    try:
        with open_regular(path) as file:
            total = sha256_of_stream(file)
            return file.tell(), total
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}", hint="Check its permissions.") from exc


def write_manifest(manifest: DatasetManifest, path: Path) -> None:
    """Write the manifest as JSON lines, whole or not at all."""
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "digest": manifest.digest,
        "files": len(manifest.entries),
        "images": manifest.counts,
    }
    rows = (
        {
            "path": entry.path,
            "size": entry.size_bytes,
            "sha256": entry.sha256,
            "split": entry.split,
            "kind": entry.kind,
        }
        for entry in manifest.entries
    )
    lines = [json.dumps(row, ensure_ascii=False) for row in (header, *rows)]
    write_bytes(path, ("\n".join(lines) + "\n").encode(errors="surrogatepass"))


def read_manifest(path: Path) -> DatasetManifest:
    """Read what `write_manifest` wrote.

    Raises `DataError` where the file cannot be read, is no manifest, or its files do not give its digest.
    """
    try:
        header, *rows = [parse_json(line) for line in read_regular(path).splitlines()]
        if header["format"] != _FORMAT or header["version"] != _VERSION:
            raise DataError(
                f"{path} is format {header['format']!r}, version {header['version']!r}",
                hint=f"This version reads {_FORMAT!r}, version {_VERSION}: make the manifest again.",
            )
        manifest = DatasetManifest(tuple(_read_entry(row) for row in rows))
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}", hint="Check the path.") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise DataError(f"{path} is not a manifest: {exc!r}", hint="Make it again with `prepare`.") from exc
    if manifest.digest != header.get("digest"):
        raise DataError(
            f"{path} was changed: its files give digest {manifest.digest}, it says {header.get('digest')!r}",
            hint="Make it again with `prepare`.",
        )
    return manifest


def _read_entry(row: Mapping[str, object]) -> ManifestEntry:
    size = row["size"]
    if not isinstance(size, int):
        raise TypeError(f"size {size!r}")
    return ManifestEntry(
        path=str(row["path"]),
        split=str(row["split"]),
        kind=str(row["kind"]),
        size_bytes=size,
        sha256=str(row["sha256"]),
    )
