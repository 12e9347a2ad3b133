"""From a raw line of the trainer's output to the log records in it: what they say, and if they are whole.

PaddleOCR writes records to stdout ("[2026/11/22 12:27:57] ppocr INFO: <message>") and tqdm bars to stderr
("\\reval model::  50%|##   | 1/2 [00:01<00:01,  1.00it/s]"). Read through one pipe they share lines, so a
line is taken apart here: colours go, bars go, and every record is found wherever in the line it starts.
Sources: `ppocr/utils/logging.py` and `tools/program.py` of PaddleOCR 2.10, logs of 1.x to 2.10.

A record that merely *quotes* a log line must not be taken for one ("When parsing line <label text>, error
..." has the user's text in it). Therefore: a message counts only where one can start (line, after a bar,
after a prefix), what follows an ERROR or WARNING prefix is never a message of its own, and neither is what
stands behind a quote or a tab.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_COLOUR = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_COUNT = r"[\d.?]{1,12}[kMGT]?i?B?"
_BAR = re.compile(
    r"(?:(?:eval model|get center)::?\s{0,4}|^[\w .-]{0,40}:{1,2}\s{0,4})?"
    rf"\s{{0,3}}(?:\d{{1,3}}%\|[^|]{{0,1000}}\|\s{{0,4}}{_COUNT}/{_COUNT}|\b\d{{1,9}}it)\s\[[^\]]{{0,80}}\]",
    re.ASCII,
)
_PREFIX = re.compile(
    r"\[?(?:\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\] [\w.]{1,40} (?P<level>[A-Z]{4,8}): "
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}-(?P<level_1x>[A-Z]{4,8}): )",
    re.ASCII,
)
_DECORATION = " \t-*>"
"""What a quotation in an issue puts in front of a log line."""

_MESSAGE_START = re.compile(
    r"epoch: [\[\d]|cur met|best met|save model in |save best model |Already save |resume from |load pretrain"
    r"|train from scratch|Test iter: |metric eval \*"
)
_PREFIX_LIMIT = 120
_PREFIX_COLONS = 3
_WORD = re.compile(r"[^\s\[\]()<>|:,/-]+")


class Record(NamedTuple):
    """One log record, or one stretch of other text, without bars and colours.

    `message` is what the record says, empty where it cannot be a message of the trainer. `named` tells that
    a known prefix stood before it. `cut` tells that something else interrupts it, so that its end may be
    missing.
    """

    text: str
    message: str
    named: bool = False
    cut: bool = False


class _Piece(NamedTuple):
    """A stretch of a line between bars and carriage returns. `fresh`: nothing but bars precedes it."""

    text: str
    fresh: bool
    cut: bool


def split_line(text: str) -> list[Record]:
    """The records of one raw line, in order; none where the line is nothing but bar redraws.

    An empty line is one empty record: it is not a bar, so it is not lost.
    """
    plain = (_COLOUR.sub("", text) if "\x1b" in text else text).rstrip("\r\n")
    if plain and plain.isprintable() and "%|" not in plain and "it [" not in plain:
        # Nothing but one stretch of text, and most often one record, as nearly all lines are.
        first = _PREFIX.match(plain)
        if first is not None and plain.count(":", first.end()) < _PREFIX_COLONS and _is_said(first):
            return [Record(plain, plain[first.end() :].rstrip(), named=True)]
        if plain.strip():
            return _piece_records(_Piece(text=plain, fresh=True, cut=False), quoting=False)
    if not plain.strip() and "\r" not in text.rstrip("\r\n"):
        return [Record(text=plain, message="")]
    return [record for row in plain.split("\n") for record in _row_records(row)]


def _row_records(row: str) -> list[Record]:
    records: list[Record] = []
    quoting = False
    for piece in _pieces(row):
        found = _piece_records(piece, quoting=quoting)
        quoting = quoting or any(record.named and not record.message for record in found)
        records.extend(found)
    return records


def _pieces(row: str) -> Iterator[_Piece]:
    """What is left of a line when bars and carriage returns are taken out."""
    # A text, and whether a bar follows it.
    parts: list[tuple[str, bool]] = []
    for stretch in row.split("\r"):
        start = 0
        for bar in _BAR.finditer(stretch) if "%|" in stretch or "it [" in stretch else ():
            parts.append((stretch[start : bar.start()], True))
            start = bar.end()
        parts.append((stretch[start:], False))
    content = [index for index, (text, bar_follows) in enumerate(parts) if bar_follows or text.strip()]
    fresh = True
    for index, (text, bar_follows) in enumerate(parts):
        if text.strip():
            yield _Piece(text=text, fresh=fresh, cut=bar_follows or index < content[-1])
            fresh = False
        fresh = fresh or bar_follows


def _piece_records(piece: _Piece, *, quoting: bool) -> list[Record]:
    """The records of one piece; `quoting` tells that an ERROR or WARNING began earlier in the line."""
    text = piece.text
    starts = [] if quoting else [match for match in _prefixes(text) if _opens(text, match)]
    found: list[Record] = []
    lead = text[: starts[0].start()] if starts else text
    if lead.strip(_DECORATION) or not starts:
        message = _unnamed_message(lead) if piece.fresh and not quoting else ""
        found.append(Record(text=lead, message=message, cut=piece.cut and not starts))
    bounds = [*(match.start() for match in starts), len(text)]
    for match, end in zip(starts, bounds[1:], strict=True):
        if not _is_said(match):
            return [*found, Record(text=text[match.start() :], message="", named=True, cut=piece.cut)]
        message = text[match.end() : end].rstrip()
        cut = piece.cut and end == len(text)
        found.append(Record(text=text[match.start() : end], message=message, named=True, cut=cut))
    return found


def _prefixes(text: str) -> Iterable[re.Match[str]]:
    """All prefixes in a text. Each has three colons, and to count these is cheaper than to look for one at every place."""
    if text.count(":") < _PREFIX_COLONS:
        return ()
    first = _PREFIX.match(text)
    if first is not None and text.count(":", first.end()) < _PREFIX_COLONS:
        return (first,)
    return _PREFIX.finditer(text)


def _is_said(match: re.Match[str]) -> bool:
    """Whether what follows a prefix is a message, by its level: errors and warnings quote."""
    return (match["level"] or match["level_1x"]) in ("INFO", "DEBUG")


def _opens(text: str, match: re.Match[str]) -> bool:
    """Whether a record begins here, rather than a quotation of one."""
    before = text[max(0, match.start() - 8) : match.start()].rstrip(" ")
    return not before or before[-1] not in "'\"`\t=\\"


def _unnamed_message(text: str) -> str:
    """The message of a text without a known prefix; a prefix of another make is taken off.

    A prefix of another make consists of numbers, the level INFO and one name at most, in any arrangement:
    "INFO:ppocr:", "2026-11-22 12:27:57,001 | INFO | ppocr -", "[INFO] 12:27:57:".
    """
    body = text.strip(_DECORATION)
    start = _MESSAGE_START.search(body, 0, _PREFIX_LIMIT)
    if start is None or start.start() == 0:
        return body
    head = body[: start.start()]
    words = [word for word in _WORD.findall(head) if not word[0].isdigit()]
    names = [word for word in words if word != "INFO"]
    if head[-1] in " :]|" and len(words) > len(names) and len(names) <= 1:
        return body[start.start() :]
    return body
