"""What a folder holds of a source: the manifest by which a later fetch or push knows what it may skip or
delete.

One file a source in `FOLDER/.ocr-train/` (for a push: in a folder of our cache), JSON lines: a header `{"version": 1, "source": ...}`, then `[name,
size, etag, mtime_ns]` for each file, a later line replacing an earlier one of the same name. During a
transfer lines are appended, so that one that is cut off continues where it stopped; at its end the file is
rewritten.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ocr_train.atomic_files import whole_file
from ocr_train.storage.keys import PRIVATE_FOLDER, name_problem
from ocr_train.storage.local import LocalFile, local_file
from ocr_train.storage.progress import Meter, SyncResult

VERSION = 1
_FLUSH_EVERY = 200
_encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class TransferredFile:
    """A file that was transferred: `size` in bytes, the object's `etag`, the local file's `mtime_ns`."""

    name: str
    size: int
    etag: str
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Transferred:
    """What became of one file: its entry, and whether its bytes went over the network."""

    entry: TransferredFile
    transferred: bool


class SyncState:
    """The manifest of one folder and source; `kind` is "fetched" or "pushed".

    `archive` is the ETag of the archive that the files came out of, "" where they are objects of their own.
    """

    def __init__(self, folder: Path, source: str, *, kind: str) -> None:
        digest = hashlib.sha256(source.encode()).hexdigest()[:12]
        self.path = folder / PRIVATE_FOLDER / f"{kind}-{digest}.jsonl"
        self.source = source
        self.archive = ""
        self.entries: dict[str, TransferredFile] = {}
        self._journal: IO[str] | None = None
        self._unflushed = 0
        self._changed = False
        self._load()

    def record(self, entry: TransferredFile) -> None:
        """Own a file from now on."""
        if self.entries.get(entry.name) == entry:
            return
        self.entries[entry.name] = entry
        self._changed = True
        if self._journal is None:
            self._journal = self._open_journal()
        self._journal.write(_entry_line(entry))
        self._unflushed += 1
        if self._unflushed >= _FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        """Bring what was recorded to the disk, so that a killed process loses nothing."""
        if self._journal is not None and self._unflushed:
            self._journal.flush()
            self._unflushed = 0

    def forget(self, name: str) -> None:
        """Own a file no longer."""
        self._changed = self.entries.pop(name, None) is not None or self._changed

    def extracted(self, entries: Iterable[TransferredFile], *, archive: str) -> None:
        """Own these files too, out of an archive with this ETag."""
        self.entries |= {entry.name: entry for entry in entries}
        self.archive = archive
        self._changed = True

    def close(self) -> None:
        """Rewrite the file, whole or not at all, where anything changed."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if not self._changed:
            return
        with whole_file(self.path) as part, part.open("w", encoding="utf-8") as file:
            file.write(self._header())
            file.writelines(map(_entry_line, self.entries.values()))
            file.flush()
            os.fsync(file.fileno())
        self._changed = False

    def _header(self) -> str:
        return _encode({"version": VERSION, "source": self.source, "archive": self.archive}) + "\n"

    def _open_journal(self) -> IO[str]:
        fresh = not self.path.exists()
        journal = self.path.open("a", encoding="utf-8")
        # The empty line ends a line that a killed process left unfinished.
        journal.write(self._header() if fresh else "\n")
        return journal

    def _load(self) -> None:
        try:
            lines = self.path.read_text("utf-8", "replace").split("\n")
        except OSError:
            return
        header = _parse(lines[0])
        if not isinstance(header, dict) or (header.get("version"), header.get("source")) != (
            VERSION,
            self.source,
        ):
            self.path.unlink(missing_ok=True)
            return
        self.archive = str(header.get("archive", ""))
        for line in lines[1:]:
            entry = _entry(_parse(line))
            if entry is not None:
                self.entries[entry.name] = entry


class TransferCounts:
    """Counts files as they are done and records them in the manifest, in the calling thread."""

    def __init__(self, state: SyncState, meter: Meter) -> None:
        self._fetched = self._size_bytes = 0
        self._state = state
        self._meter = meter

    def __call__(self, done: Transferred) -> None:
        self._state.record(done.entry)
        if done.transferred:
            self._fetched += 1
            self._size_bytes += done.entry.size
        self._meter.tick()

    def wait(self) -> None:
        """Nothing came for a while: let what was recorded reach the disk."""
        self._state.flush()
        self._meter.tick()

    def result(self, *, files: int, deleted: int) -> SyncResult:
        """What the whole transfer did, of `files` at the source."""
        return SyncResult(
            files=files,
            bytes=self._size_bytes,
            fetched=self._fetched,
            skipped=files - self._fetched,
            deleted=deleted,
        )


def is_unchanged(size: int, etag: str, entry: TransferredFile | None, local: LocalFile | None) -> bool:
    """Whether object, manifest and local file agree: size and ETag, and the file's size and mtime."""
    return (
        entry is not None
        and local is not None
        and local.regular
        and (entry.size, entry.etag) == (size, etag)
        and (local.size, local.mtime_ns) == (size, entry.mtime_ns)
    )


def is_as_left(entry: TransferredFile, folder: Path) -> bool:
    """Whether the file in `folder` is as the transfer left it."""
    return is_unchanged(entry.size, entry.etag, entry, local_file(f"{folder}/{entry.name}"))


def _entry_line(entry: TransferredFile) -> str:
    """The entry as JSON. Encoding text alone is ten times as fast as encoding a list, and this runs twice a
    file."""
    return f"[{_encode(entry.name)}, {entry.size}, {_encode(entry.etag)}, {entry.mtime_ns}]\n"


def _parse(line: str) -> Any:
    try:
        return json.loads(line) if line else None
    except ValueError:
        return None


def _entry(value: Any) -> TransferredFile | None:
    """An entry, None for anything else: names decide about deletions, so a bad one must not get in."""
    match value:
        case [str(name), int(size), str(etag), int(mtime_ns)] if not name_problem(name):
            return TransferredFile(name, size, etag, mtime_ns)
    return None
