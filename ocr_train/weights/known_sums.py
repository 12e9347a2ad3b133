"""What was fetched from an address before: its length and SHA-256, in a file beside the cache.

Nobody publishes sums of the official weights. So the first fetch counts: other bytes from the same address later are
said, and not taken. An address stands there without user name, password and query.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ocr_train.atomic_files import write_text
from ocr_train.errors import DataError
from ocr_train.ocr_engine.documents import read_json
from ocr_train.redaction.addresses import without_password
from ocr_train.redaction.names import is_secret_query

LOCK = "weights.lock.json"
_MOST_BYTES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What came from an address at the time `fetched` (UTC): `member` is what was taken out, where it is an archive."""

    length: int
    sha256: str
    fetched: str
    etag: str = ""
    member: str = ""
    member_sha256: str = ""

    @property
    def file_sha256(self) -> str:
        """Of the weights in the cache."""
        return self.member_sha256 or self.sha256


def identity(url: str) -> str:
    """What an address is called in the file and in a mirror: no secret, and different where another file is meant.

    What is no secret in its query is there as a short sum.
    """
    asked = [(name, value) for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)]
    rest = urlencode([pair for pair in asked if not is_secret_query(pair[0])])
    return without_password(url) + (f"?{hashlib.sha256(rest.encode()).hexdigest()[:12]}" if rest else "")


class KnownSums:
    """The file `path`, read when it is needed; raises `DataError` where it is not one of ours."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, url: str) -> Fetched | None:
        """What came from `url` before, if anything did."""
        entry = self._read().get(identity(url))
        try:
            return None if entry is None else Fetched(**entry)
        except TypeError as exc:
            raise self._broken() from exc

    def require_same(self, url: str, sha256: str, length: int) -> None:
        """Raise `DataError` where other bytes have come than before."""
        before = self.of(url)
        if before is not None and before.sha256 != sha256:
            raise DataError(
                f"the weights at {without_password(url)} are not those of before: sha256 {sha256} ({length} bytes), "
                f"where {before.fetched} gave {before.sha256} ({before.length} bytes). They were not taken.",
                hint=f"Ask whoever keeps them. To take the new ones, remove the entry {identity(url)!r} of {self.path}.",
            )

    def remember(self, url: str, fetched: Fetched) -> None:
        """Write it down, unless it is known."""
        known = self._read()
        entry = {name: value for name, value in dataclasses.asdict(fetched).items() if value}
        if identity(url) not in known:
            text = json.dumps({**known, identity(url): entry}, indent=1, sort_keys=True)
            write_text(self.path, f"{text}\n")

    def _read(self) -> dict[str, Any]:
        try:
            content = read_json(self.path, _MOST_BYTES)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as exc:
            raise self._broken() from exc
        if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
            raise self._broken()
        return content

    def _broken(self) -> DataError:
        return DataError(
            f"{self.path} cannot be read: it is not the list of fetched weights.",
            hint="Correct it, or remove it: sums are then taken from the next fetch.",
        )
