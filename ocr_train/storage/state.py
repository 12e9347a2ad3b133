"""What a folder holds of a source: the manifest by which a later fetch or push knows what it may skip or
delete.

One file a source in `FOLDER/.ocr-train/` (for a push: in a folder of our cache), JSON lines: a header `{"version": 1, "source": ...}`, then `[name,
size, etag, mtime_ns]` for each file, a later line replacing an earlier one of the same name. During a
transfer lines are appended, so that one that is cut off goes on where it stopped; at its end the file is
rewritten.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ocr_train.atomic_files import whole_file
from ocr_train.storage.keys import PRIVATE_FOLDER, name_problem

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

    def own(self, entry: TransferredFile) -> None:
        """Own a file, without a line in the journal: `close` writes it."""
        self.entries[entry.name] = entry
        self._changed = True

    def flush(self) -> None:
        """Bring what was recorded to the disk, so that a killed process loses nothing."""
        if self._journal is not None and self._unflushed:
            self._journal.flush()
            self._unflushed = 0

    def forget(self, name: str) -> None:
        """Own a file no longer."""
        self._changed = self.entries.pop(name, None) is not None or self._changed

    def replace(self, entries: list[TransferredFile], *, archive: str) -> None:
        """Own exactly these files, out of an archive with this ETag."""
        self.entries = {entry.name: entry for entry in entries}
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
