"""One file at an address, brought whole: where the connection breaks, it is asked for from there on.

HTTP: RFC 9110, sections 13.1.5 (If-Range) and 14 (Range, Content-Range). Of which bytes a part is, is kept in
`<part>.json` beside it, so that the next start goes on with it; only where the server names a version of them.
"""

from __future__ import annotations

import dataclasses
import json
import re
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from ocr_train.atomic_files import write_text
from ocr_train.disk import human
from ocr_train.ocr_engine.documents import read_json
from ocr_train.redaction.addresses import first_line, redacted, without_password
from ocr_train.run import Echo

CONNECT_TIMEOUT_S = 8.0
READ_TIMEOUT_S = 30.0
PAUSES_S = (0.5, 1.5)
"""Between the tries: one more try than pauses. Whoever got further by a step has all of them again."""
_STEP_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 14
"""What is read at a time: so much may be lost where the connection breaks."""
_STATE_BYTES = 10_000
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers of a server that may give another one in a moment: RFC 9110, section 15; RFC 6585."""


class NotGiven(OSError):  # noqa: N818 - it says what happened
    """The server's answer is one that no further try changes."""


class _Again(OSError):  # noqa: N818 - it says what to do
    """The server's answer may be another one in a moment, or is not what was asked for."""


class _Short(OSError):  # noqa: N818 - it says what happened
    """The answer was closed after `came` bytes of the file, as if that was all."""

    def __init__(self, came: int, length: int) -> None:
        super().__init__(f"{came} of {length} bytes came")
        self.came = came


@dataclass(frozen=True, kw_only=True)
class FileVersion:
    """Which bytes an address has: their number (0: not said), and the server's names of them."""

    length: int = 0
    etag: str = ""
    modified: str = ""

    @property
    def validator(self) -> str:
        """What If-Range takes: a strong ETag, else the date of the change."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


@dataclass(frozen=True, kw_only=True)
class Begun:
    """So much of a version is there already."""

    size: int = 0
    version: FileVersion = FileVersion()


NOTHING = Begun()


def read_begun(part: Path) -> Begun:
    """What an earlier start has left of a file, where the server named its version: another one must not go on it."""
    begun = _so_far(part)
    return begun if begun.version.validator else NOTHING


def _so_far(part: Path) -> Begun:
    try:
        size = part.stat().st_size
        version = FileVersion(**read_json(_state(part), _STATE_BYTES))
    except (OSError, ValueError, TypeError):
        return NOTHING
    return Begun(size=size, version=version) if size else NOTHING


def remove_part(part: Path) -> None:
    """Remove what is there of a file."""
    part.unlink(missing_ok=True)
    _state(part).unlink(missing_ok=True)


def _state(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def request_file(url: str, begun: Begun = NOTHING) -> Any:
    """The open answer with the bytes of `url`, from `begun` on where the server can do that.

    Raises `OSError`; those of `requests` are, too.
    """
    import requests

    # Uncompressed, so that its length is that of the file.
    headers = {"Accept-Encoding": "identity"}
    if begun.size:
        headers["Range"] = f"bytes={begun.size}-"
        if begun.version.validator:
            headers["If-Range"] = begun.version.validator
    answer = requests.get(
        url,
        stream=True,
        timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
        headers=headers,
        hooks={"response": check_redirect},
    )
    if answer.status_code == 200 or (answer.status_code == 206 and begun.size):
        return answer
    answer.close()
    if begun.size and answer.status_code == 416:
        return request_file(url)
    problem = f"the server answers {answer.status_code}"
    raise _Again(problem) if answer.status_code in _LATER else NotGiven(problem)


def check_redirect(answer: Any, *_: Any, **__: Any) -> None:
    """Raise `NotGiven` where an answer leads to something else than http or https, or from https to http."""
    if not answer.is_redirect:
        return
    target = urljoin(answer.url, answer.headers["location"])
    secure = urlsplit(answer.url).scheme == "https"
    if urlsplit(target).scheme not in (("https",) if secure else ("http", "https")):
        answer.close()
        raise NotGiven(f"it leads on to {without_password(target)}, which is not followed")


def may_pass(exc: BaseException) -> bool:
    """Whether another try may succeed."""
    from requests.exceptions import ChunkedEncodingError, ConnectionError, Timeout

    return isinstance(exc, ChunkedEncodingError | ConnectionError | Timeout | _Again | _Short)


def bring(url: str, part: Path, echo: Echo, *, answer: Any = None, begun: Begun = NOTHING) -> FileVersion:
    """Make the file `part`, which exists, hold all bytes of `url`; `answer` is an open one to `request_file(url, begun)`.

    Raises `OSError` after the last try. What came until then stays for the next start where the server can go on from
    there, and never where its own words about the length are wrong.
    """
    failures = furthest = 0
    ended: list[int] = []
    while True:
        try:
            if answer is None:
                answer = request_file(url, begun)
            with closing(answer):
                return _receive(answer, part, begun)
        except OSError as exc:
            if not may_pass(exc):
                remove_part(part)
                raise
            reached = part.stat().st_size
            failures = 1 if reached >= furthest + _STEP_BYTES else failures + 1
            furthest = max(furthest, reached)
            if isinstance(exc, _Short):
                ended.append(exc.came)
            if failures > len(PAUSES_S):
                raise _given_up(exc, part, ended) from exc
            echo(
                f"the connection to {without_password(url)} broke ({human(reached)} are here); trying again ..."
            )
        time.sleep(PAUSES_S[failures - 1])
        answer, begun = None, _so_far(part)


def _given_up(exc: OSError, part: Path, ended: list[int]) -> OSError:
    tries = f"tried {len(PAUSES_S) + 1} times"
    if isinstance(exc, _Short) and len(ended) > 1 and len(set(ended)) == 1:
        remove_part(part)
        return OSError(
            f"{exc}, and never more ({tries}): the length that the server names (Content-Length) is wrong, or "
            "something on the way cuts it off there"
        )
    if not read_begun(part).size:
        remove_part(part)
    return OSError(f"{said(exc)} ({tries})")


def _receive(answer: Any, part: Path, begun: Begun) -> FileVersion:
    """Write the body to its place in `part`."""
    from requests.exceptions import ChunkedEncodingError

    if answer.status_code == 206:
        version, start = _continued(answer, part, begun), begun.size
    else:
        version, start = version_of(answer), 0
        write_text(_state(part), json.dumps(dataclasses.asdict(version)))
    with part.open("r+b") as stream:
        stream.truncate(start)
        stream.seek(start)
        try:
            for chunk in answer.iter_content(_CHUNK_BYTES):
                stream.write(chunk)
        except ChunkedEncodingError as exc:
            came = _came(exc)
            if not version.length or came is None:
                raise
            raise _Short(start + came, version.length) from exc
        size = stream.tell()
    if version.length and size != version.length:
        raise _Short(size, version.length)
    return version


def _came(exc: BaseException) -> int | None:
    """How many bytes came before the server closed the connection; None where it was torn."""
    from urllib3.exceptions import IncompleteRead

    inner = getattr(exc.args[0], "args", ()) if exc.args else ()
    return next((one.partial for one in inner if isinstance(one, IncompleteRead)), None)


def version_of(answer: Any) -> FileVersion:
    """What the answer says of its bytes: of the rest of them, where only that was asked for."""
    headers = answer.headers
    length = headers.get("Content-Length", "")
    encoded = headers.get("Content-Encoding", "identity").lower() != "identity"
    return FileVersion(
        length=int(length) if length.isdecimal() and not encoded else 0,
        etag=headers.get("ETag", ""),
        modified=headers.get("Last-Modified", ""),
    )


def _continued(answer: Any, part: Path, begun: Begun) -> FileVersion:
    """The version that the rest belongs to; where it is another one, or another place, everything is asked for again."""
    version, now = begun.version, version_of(answer)
    place = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    total = int(place[2]) if place and place[2].isdecimal() else 0
    if (
        place is None
        or int(place[1]) != begun.size
        or (version.length and total and total != version.length)
        or (version.etag and now.etag and now.etag != version.etag)
    ):
        remove_part(part)
        part.touch()
        raise _Again("the server gives another part than the one that was asked for")
    return dataclasses.replace(version, length=version.length or total)


def said(exc: BaseException) -> str:
    """Why it cannot be reached, in the words of the innermost cause: `requests` wraps it three times."""
    inner = getattr(exc.args[0], "reason", None) if exc.args else None
    return redacted(first_line(inner or exc).rpartition(">: ")[2])
