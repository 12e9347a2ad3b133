"""How far the server has a journal: `journal.sent`, a number of bytes, and `journal.aside`, what is left out of it.

A record that the server cannot take goes to `journal.aside`, in the journal's own form, before the number moves
past it: whatever ends the process in between, the record is in one of the two, or in both and sent twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from ocr_train.atomic_files import write_bytes
from ocr_train.tracking.journal import Record, Tag, batches_of, encoded, whole_size


class Sent:
    """What the server has of the journal at `path`. A full disk is not an error: the files then say less than it has."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._position_file = journal.with_suffix(".sent")
        self._aside_file = journal.with_suffix(".aside")
        self.position = read_position(self._position_file)
        if self.position > journal.stat().st_size:
            # Noted for another journal.
            self.position = 0
        self._aside = b""
        with contextlib.suppress(OSError):
            self._aside = self._aside_file.read_bytes()
            # A crash may have torn off the last line.
            self._aside = self._aside[: self._aside.rfind(b"\n") + 1]

    @property
    def aside(self) -> bytes:
        """The records that the server could not take, as lines of a journal."""
        return self._aside

    @property
    def pending_journal(self) -> int:
        """How many bytes of the journal are behind the position."""
        if self._journal.stat().st_size <= self.position:
            return 0
        return max(0, whole_size(self._journal) - self.position)

    @property
    def pending_bytes(self) -> int:
        """How much the server does not have yet, in bytes."""
        return self.pending_journal + len(self._aside)

    def move(self, position: int, aside: Iterable[Record] = ()) -> None:
        """The server has the journal up to the byte `position`, but for the records in `aside`."""
        if more := encoded(aside):
            self._aside += more
            with contextlib.suppress(OSError), self._aside_file.open("ab") as stream:
                stream.write(more)
        self.position = position
        with contextlib.suppress(OSError):
            write_position(self._position_file, position)

    def replace_aside(self, records: Iterable[Record]) -> None:
        """Of what was aside only `records` are left."""
        data = encoded(records)
        if data == self._aside:
            return
        self._aside = data
        with contextlib.suppress(OSError):
            write_bytes(self._aside_file, data)

    def drop_aside_tags(self, keys: set[str]) -> None:
        """Forget tags that are aside and have a later value: it must not be written over."""
        if self._aside and keys:
            records = [record for batch in batches_of(self._aside) for record in batch.records]
            self.replace_aside(
                record for record in records if not isinstance(record, Tag) or record.key not in keys
            )

    def forget(self) -> None:
        """Another server is to have all of the journal."""
        self.replace_aside(())
        self.position = 0
        write_position(self._position_file, 0)


def read_position(path: Path) -> int:
    """The byte up to which the server has the journal; 0 where that is not known."""
    with contextlib.suppress(OSError, ValueError):
        return max(0, int(path.read_text(encoding="ascii")))
    return 0


def write_position(path: Path, position: int) -> None:
    """Note the byte up to which the server has the journal, whole or not at all."""
    write_bytes(path, str(position).encode("ascii"))
