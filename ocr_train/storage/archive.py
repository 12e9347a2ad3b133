"""A `.tar` (also compressed: `.tar.gz`, `.tar.xz`, `.tar.bz2`) or `.zip` as a data set: checked as a whole, then extracted without surprises.

Refused, all at once and by name: paths out of the folder, links, devices, encrypted members, two members that
would be one file, more bytes than the limit (counted while they are written: a header may lie).
"""

from __future__ import annotations

import contextlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ocr_train.errors import ConfigError, StorageError
from ocr_train.ocr_engine.files import open_regular
from ocr_train.storage.keys import KeyProblem, check_names, refuse
from ocr_train.storage.local import (
    Written,
    make_parents,
    place_problems,
    require_space,
    storage_errors,
    write_part,
)

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".zip")
UNREAD_SUFFIXES = (".rar", ".7z", ".zst", ".gz", ".bz2", ".xz", ".lzma", ".cab", ".arj")
"""Archives of kinds that are not read."""
DEFAULT_LIMIT_BYTES = 50 * 10**9
"""A data set of text images is smaller; for a larger one raise the limit."""

_BLOCK_BYTES = 1024 * 1024
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)

OnMember = Callable[[int], None]


@dataclass(frozen=True)
class Member:
    """One regular file of an archive; `open` gives its bytes."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def is_archive(name: str) -> bool:
    """Whether a file's name says that it is an archive that can be extracted."""
    return name.lower().endswith(SUFFIXES)


def is_any_archive(name: str) -> bool:
    """Whether a file's name says that it is an archive of any kind."""
    return name.lower().endswith((*SUFFIXES, *UNREAD_SUFFIXES))


def refuse_unread(name: str, shown: str) -> None:
    """Raise `ConfigError` for an archive (by its name) of a kind that is not read."""
    if not is_archive(name) and name.lower().endswith(UNREAD_SUFFIXES):
        raise ConfigError(
            f"{shown} is an archive of a kind that is not read.",
            hint=f"Unpack it and give the folder, or pack it as one of {', '.join(SUFFIXES)}.",
        )


def extract_archive(
    archive: Path,
    folder: Path,
    *,
    parts: Path,
    shown: str = "",
    limit_bytes: int = DEFAULT_LIMIT_BYTES,
    on_member: OnMember = lambda _size: None,
) -> dict[str, Written]:
    """Extract `archive` into `folder` by way of the folder `parts` (same disk), all files or none; the files by name.

    `shown` names the archive in messages. `on_member` is called with each file's size once it is written.
    Raises StorageError for a broken archive, for members that are refused, and beyond `limit_bytes`.
    """
    shown = shown or str(archive)
    try:
        with _members(archive, shown) as members:
            _check(members, folder, shown, limit_bytes)
            too_large = _too_large(shown, limit_bytes)
            made = _write(members, parts, limit_bytes, too_large, on_member)
            make_parents(folder, made)
            for number, name in enumerate(made):
                with storage_errors(folder / name):
                    (parts / f"x{number}").replace(folder / name)
            return made
    except _BROKEN as exc:
        raise StorageError(
            f"{shown} is not a complete archive: {exc or type(exc).__name__}.",
            hint="Make it again and upload it again.",
        ) from exc
    except (OSError, RuntimeError) as exc:
        raise StorageError(f"{shown} cannot be extracted: {exc}.") from exc


def _check(members: list[Member], folder: Path, shown: str, limit_bytes: int) -> None:
    if not members:
        raise StorageError(f"{shown} has no file in it.", hint="Check how it was made.")
    names = [member.name for member in members]
    refuse(check_names(names), where=shown)
    refuse(place_problems(folder, names), where=shown)
    size = sum(member.size for member in members)
    if size > limit_bytes:
        raise _too_large(shown, limit_bytes)
    require_space(folder, size)


def _too_large(shown: str, limit_bytes: int) -> StorageError:
    return StorageError(
        f"{shown} would become larger than the limit of {limit_bytes / 1e9:g} GB.",
        hint="Raise the limit if you trust the archive.",
    )


def _write(
    members: list[Member], parts: Path, left: int, too_large: StorageError, on_member: OnMember
) -> dict[str, Written]:
    """Write every member to `parts`, numbered; no more than `left` bytes in all."""
    made = {}
    for number, member in enumerate(members):
        with member.open() as stream:
            written = write_part(parts / f"x{number}", _blocks(stream, left, too_large))
        if written.size != member.size:
            raise EOFError(f"{member.name!r} ends after {written.size} of {member.size} bytes")
        left -= written.size
        made[member.name] = written
        on_member(written.size)
    return made


def _blocks(stream: IO[bytes], left: int, too_large: StorageError) -> Iterator[bytes]:
    while block := stream.read(_BLOCK_BYTES):
        left -= len(block)
        if left < 0:
            raise too_large
        yield block


@contextlib.contextmanager
def _members(archive: Path, shown: str) -> Iterator[list[Member]]:
    """The regular files of an archive; other kinds of members are refused here, folders passed over."""
    with open_regular(archive) as stream:
        if zipfile.is_zipfile(stream):
            with zipfile.ZipFile(stream) as opened:
                yield _zip_members(opened, shown)
        else:
            stream.seek(0)
            with tarfile.open(fileobj=stream) as opened_tar:
                yield _tar_members(opened_tar, shown)


def _tar_members(opened: tarfile.TarFile, shown: str) -> list[Member]:
    problems, members = [], []
    for info in opened:
        name = _plain(info.name)
        if info.isdir():
            continue
        if not info.isreg():
            kind = "a link" if info.issym() or info.islnk() else "not a regular file"
            problems.append(KeyProblem(name=name, reason=f"it is {kind}"))
            continue
        members.append(Member(name, info.size, _tar_opener(opened, info)))
    refuse(problems, where=shown)
    return members


def _tar_opener(opened: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    def open_member() -> IO[bytes]:
        stream = opened.extractfile(info)
        if stream is None:
            raise tarfile.ReadError(f"{info.name!r} has no content")
        return stream

    return open_member


def _zip_members(opened: zipfile.ZipFile, shown: str) -> list[Member]:
    problems, members = [], []
    for info in opened.infolist():
        name = _plain(_zip_name(info))
        mode = info.external_attr >> 16
        if info.is_dir() or name.endswith("/"):
            continue
        if info.flag_bits & 0x1:
            problems.append(KeyProblem(name=name, reason="it is encrypted"))
        elif stat.S_ISLNK(mode):
            problems.append(KeyProblem(name=name, reason="it is a link"))
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            problems.append(KeyProblem(name=name, reason="it is not a regular file"))
        else:
            members.append(Member(name, info.file_size, lambda info=info: opened.open(info)))  # type: ignore[misc]
    refuse(problems, where=shown)
    return members


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The member's name; many tools write UTF-8 (Thai names, say) without setting the flag that says so.

    Between folders stands a slash (APPNOTE 4.4.17.1), where old tools on Windows wrote a backslash, which is kept in no
    file's name here. What comes out is checked as every name is.
    """
    name = info.orig_filename
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _plain(name: str) -> str:
    """`./a/b` as `a/b`: the way `tar -C folder .` writes names."""
    while name.startswith("./"):
        name = name[2:]
    return name
