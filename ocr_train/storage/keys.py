"""Which S3 addresses and object keys may become files below a folder. Pure: nothing here touches a disk.

An object's *name* is its key without the prefix that is fetched: relative, `/` between its parts, unicode as
it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ocr_train.errors import ConfigError, StorageError

PRIVATE_FOLDER = ".ocr-train"
"""Where a synchronised folder keeps its state; no object may be stored there."""

LONGEST_PART_BYTES = 255
"""NAME_MAX of the usual file systems, in bytes of UTF-8."""

LONGEST_NAME_BYTES = 3_000
"""PATH_MAX is 4096 with the folder's own path; S3 allows keys of 1024 bytes."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, kw_only=True)
class KeyProblem:
    """A name that cannot become a file, and why."""

    name: str
    reason: str


def is_s3_uri(text: str) -> bool:
    """Whether `text` is meant as an S3 address."""
    return text[:5].lower() == "s3://"


def parse_s3_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/some/prefix/` as ("bucket", "some/prefix"); raises ConfigError on anything else."""
    hint = "Write it as s3://bucket/prefix."
    if not is_s3_uri(uri):
        raise ConfigError(f"{uri!r} is not an S3 address.", hint=hint)
    bucket, _, prefix = uri[5:].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError(f"{uri!r} does not name a valid bucket: {bucket!r}.", hint=hint)
    prefix = prefix[:-1] if prefix.endswith("/") else prefix
    problem = name_problem(prefix) if prefix else ""
    if problem:
        raise ConfigError(f"{uri!r} has a prefix that cannot be used: {problem}.", hint=hint)
    return bucket, prefix


def name_problem(name: str) -> str:
    """Why one name cannot be a file below a folder, "" if it can."""
    for found, reason in (
        ("\0" in name, "it has a NUL character"),
        ("\\" in name, "it has a backslash, which separates folders on Windows"),
        (name.startswith("/"), "it is absolute"),
        (_DRIVE.match(name), "it begins with a drive letter"),
    ):
        if found:
            return reason
    try:
        length = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return "it is not valid unicode"
    return (
        _part_problem(name)
        if length <= LONGEST_NAME_BYTES
        else f"it is longer than {LONGEST_NAME_BYTES} bytes"
    )


def _part_problem(name: str) -> str:
    parts = name.split("/")
    for part in parts:
        if not part:
            return "it has an empty part ('//')" if len(parts) > 1 else "it is empty"
        if part in (".", ".."):
            return f"it has the part {part!r}"
        if len(part) * 4 > LONGEST_PART_BYTES and len(part.encode("utf-8")) > LONGEST_PART_BYTES:
            return f"one part is longer than {LONGEST_PART_BYTES} bytes"
    if parts[0] == PRIVATE_FOLDER:
        return f"{PRIVATE_FOLDER!r} is kept for our own records"
    return ""


def check_names(names: Sequence[str]) -> list[KeyProblem]:
    """Every name that cannot be a file, and every two that would be one file, in order of the names."""
    problems = [KeyProblem(name=name, reason=reason) for name in names if (reason := name_problem(name))]
    bad = {problem.name for problem in problems}
    return problems + _collisions([name for name in names if name not in bad] if bad else names)


def _collisions(names: Sequence[str]) -> list[KeyProblem]:
    """Names that differ only in case or unicode form, and names that are another one's folder."""
    first: dict[str, str] = {}
    problems = []
    for name in names:
        folded = _folded(name)
        if folded not in first:
            first[folded] = name
        elif first[folded] == name:
            problems.append(KeyProblem(name=name, reason="it is there twice"))
        else:
            other = first[folded]
            reason = f"it would be the same file as {other!r} where case or unicode form does not count"
            problems.append(KeyProblem(name=name, reason=reason))
    folders: dict[str, str] = {}
    for folded, name in first.items():
        while (cut := folded.rfind("/")) > 0:
            folded = folded[:cut]  # noqa: PLW2901 - it climbs to the root
            if folded in folders:
                break
            folders[folded] = name
    for folded, name in first.items():
        if folded in folders:
            problems.append(
                KeyProblem(name=name, reason=f"it would be a file and the folder of {folders[folded]!r}")
            )
    return problems


def _folded(name: str) -> str:
    """What a case-insensitive, normalising file system (macOS, Windows) compares."""
    if name.isascii():
        lower = name.lower()
        # No second copy of each name is kept.
        return name if lower == name else lower
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def refuse(problems: Iterable[KeyProblem], *, where: str) -> None:
    """Raise one StorageError that lists all of them; do nothing where there are none."""
    lines = [f"    {problem.name!r}: {problem.reason}" for problem in problems]
    if lines:
        raise StorageError(
            f"{len(lines)} name(s) in {where} cannot be kept as files:\n" + "\n".join(lines),
            hint="Rename or remove them at their source. Nothing was transferred.",
        )
