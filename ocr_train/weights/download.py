"""Weights that a configuration names by an address: fetched before PaddleOCR would, so that they can be screened.

PaddleOCR downloads a pickle and loads it, and where the address cannot be reached it tries for most of a minute after
everything else is done. Here the address is asked first, for a few seconds, through the machine's own proxies and
certificates (those of `requests`, which PaddleOCR uses, too).

    the cache -> the mirror in S3 (OCR_TRAIN_WEIGHTS_MIRROR) -> the address
    length and SHA-256 as before, where it was fetched before -> out of its archive -> screened -> the cache
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.disk import human, sha256_of
from ocr_train.errors import DataError, MissingWeights, StorageError
from ocr_train.redaction.addresses import without_password
from ocr_train.run import Echo
from ocr_train.storage.archive import SUFFIXES, extract_archive, is_archive
from ocr_train.storage.local import require_space
from ocr_train.trainer.files import BEST_NAME, WEIGHTS
from ocr_train.weights import http_file
from ocr_train.weights.http_file import NOTHING, Begun, FileVersion
from ocr_train.weights.known_sums import LOCK, Fetched, KnownSums
from ocr_train.weights.mirror import Mirror, named_mirror

ANSWER_TIMEOUT_S = 8.0
"""For the first bytes of all addresses together, name look-up included: a machine without a network goes no further."""
IN_ARCHIVES = (f"student{WEIGHTS}", f"{BEST_NAME}{WEIGHTS}")
"""What PaddleOCR's older archives (`..._train.tar`) call the weights to start from; a student is one network of several."""

_MOST_BYTES = 10 * 10**9
"""Of what an archive holds: the largest of PaddleOCR's have a few hundred megabytes."""


def is_address(value: object) -> bool:
    """Whether PaddleOCR would download it."""
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def fetch_weights(addresses: Mapping[str, str], cache: Path, echo: Echo) -> dict[str, Path]:
    """The files of `addresses` (by the key that names them), screened, in the folder `cache` or in PaddleOCR's own.

    Raises `MissingWeights` with all that cannot be had, `DataError` for what is no harmless pickle or has other bytes than
    the same address gave before, `ConfigError` for a mirror that is no S3 address.
    """
    urls = list(dict.fromkeys(addresses.values()))
    mirror = named_mirror() if urls else Mirror()
    kept = _Cache(folder=cache, sums=KnownSums(cache.parent / LOCK), mirror=mirror, echo=echo)
    found = {url: path for url in urls if (path := kept.find(url))}
    for path in found.values():
        screen(path)
    try:
        found |= {url: path for url in urls if url not in found and (path := kept.fetch_from_mirror(url))}
        answers = _ask({url: http_file.read_begun(kept.part(url)) for url in urls if url not in found})
        problems = {url: answer for url, (answer, _) in answers.items() if isinstance(answer, str)}
        if problems:
            for answer, _ in answers.values():
                if not isinstance(answer, str):
                    answer.close()
            raise _missing(addresses, problems, mirror)
        for url, (answer, begun) in answers.items():
            found[url] = kept.fetch(url, answer, begun)
    except OSError as exc:
        # The errors of `requests` are, too.
        url = next(url for url in urls if url not in found)
        raise _missing(addresses, {url: http_file.said(exc)}, mirror) from exc
    return {key: found[url] for key, url in addresses.items()}


def find_fetched(url: str, cache: Path, echo: Echo) -> Path | None:
    """The weights of an address that are on this machine already; None where they must be fetched."""
    kept = _Cache(folder=cache, sums=KnownSums(cache.parent / LOCK), mirror=Mirror(), echo=echo)
    return kept.find(url)


def ask_addresses(urls: Iterable[str]) -> dict[str, str]:
    """Why the weights at each address cannot be fetched now, empty where its server gives them; nothing is fetched."""
    answers = _ask(dict.fromkeys(urls, NOTHING))
    for answer, _ in answers.values():
        if not isinstance(answer, str):
            answer.close()
    return {url: answer if isinstance(answer, str) else "" for url, (answer, _) in answers.items()}


def mirrored(url: str, mirror: Mirror) -> str:
    """Where the mirror has the weights of an address, empty where it does not; raises `StorageError`."""
    return mirror.place(url, _name(url)) if mirror.has(url, _name(url)) else ""


def _name(url: str) -> str:
    """The last part of an address."""
    return PurePosixPath(urlsplit(url).path).name


@dataclass(frozen=True, kw_only=True)
class _Cache:
    """The folder where weights are kept, and what is known of them; `echo` says what takes a while."""

    folder: Path
    sums: KnownSums
    mirror: Mirror
    echo: Echo

    def place(self, url: str) -> Path:
        """Its weights: two addresses may end in the same word."""
        name = _name(url)
        ending = next((end for end in SUFFIXES if name.lower().endswith(end)), WEIGHTS)
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
        return self.folder / f"{_sum(url)}-{name or 'weights'}{WEIGHTS}"

    def part(self, url: str) -> Path:
        """What came so far of an address."""
        return self.folder / f".{_sum(url)}.part"

    def find(self, url: str) -> Path | None:
        """The file that was downloaded before, by us or by PaddleOCR, which goes by the name alone."""
        before = self.sums.of(url)
        home = os.environ.get("PADDLE_OCR_BASE_DIR") or str(Path.home() / ".paddleocr")
        theirs = Path(home) / "models" / f"{_name(url).removesuffix(WEIGHTS) or 'weights'}{WEIGHTS}"
        places = (self.place(url),) if is_archive(_name(url)) else (self.place(url), theirs)
        for path in places:
            if not path.is_file():
                continue
            if before is None or sha256_of(path) == before.file_sha256:
                return path
            self.echo(f"{path} is not what {without_password(url)} gave before (sha256): it is not used")
        return None

    def fetch_from_mirror(self, url: str) -> Path | None:
        """The weights as the mirror has them; None where it does not."""
        if not self.mirror.bucket:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        copy = self.part(url).with_suffix(".mirror")
        with _held(self.part(url), self.echo):
            try:
                if not self.mirror.fetch(url, _name(url), copy, self.echo):
                    return None
                source = self.mirror.place(url, _name(url))
                self.echo(f"the weights {without_password(url)} are those of the mirror: {source}")
                return self._keep(url, copy, FileVersion(), source)
            finally:
                copy.unlink(missing_ok=True)
                _remove_empty(self.part(url))

    def fetch(self, url: str, answer: Any, begun: Begun) -> Path:
        """Bring the file whole: by another name until its length and sum are right and it is screened."""
        part, shown = self.part(url), without_password(url)
        self.folder.mkdir(parents=True, exist_ok=True)
        with _held(part, self.echo), closing(answer):
            try:
                # Another process may have had it meanwhile.
                if there := self.find(url):
                    return there
                if http_file.read_begun(part) != begun:
                    answer.close()
                    answer, begun = http_file.request_file(url), NOTHING
                self.echo(f"fetching the weights {shown}{self._size(answer, begun)} ...")
                version = http_file.bring(url, part, self.echo, answer=answer, begun=begun)
                return self._keep(url, part, version, shown, store=True)
            finally:
                _remove_empty(part)

    def _size(self, answer: Any, begun: Begun) -> str:
        """The length for people, where it is known and there is room for it."""
        left = http_file.version_of(answer).length
        require_space(self.folder, left)
        if answer.status_code == 206:
            return f" from {human(begun.size)} of {human(begun.size + left)} on"
        return f" ({human(left)})" if left else ""

    def _keep(self, url: str, source: Path, version: FileVersion, shown: str, *, store: bool = False) -> Path:
        """Make a whole file that came from `url` its weights in the cache; it is gone from its place, after an error, too.

        `store`: in the mirror as well, as it came.
        """
        scratch = self.part(url).with_suffix(".members")
        try:
            length, sha256 = source.stat().st_size, sha256_of(source)
            self.sums.require_same(url, sha256, length)
            weights, member = source, ""
            if is_archive(_name(url)):
                weights, member = _take_out(source, scratch, shown)
            _screen(weights, f"{shown}{member and f' ({member})'}", length)
            if store:
                self.mirror.store(url, _name(url), source, self.echo)
            fetched = Fetched(
                length=length,
                sha256=sha256,
                fetched=datetime.now(timezone.utc).isoformat(timespec="seconds"),
                etag=version.etag,
                member=member,
                member_sha256=sha256_of(weights) if member else "",
            )
            weights.replace(self.place(url))
            self.sums.remember(url, fetched)
            return self.place(url)
        finally:
            http_file.remove_part(source)
            shutil.rmtree(scratch, ignore_errors=True)


def _sum(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:12]


@contextmanager
def _held(part: Path, echo: Echo) -> Iterator[None]:
    """The file `part` is made, and ours alone: another process waits here, and then finds the weights in the cache."""
    while True:
        with part.open("ab") as stream:
            _lock(stream, echo)
            if _is_still(part, stream):
                yield
                return


def _is_still(path: Path, stream: BinaryIO) -> bool:
    """Whether `path` is still the open file: whoever had it may have moved it to its place, at any moment."""
    try:
        return path.stat().st_ino == os.fstat(stream.fileno()).st_ino
    except FileNotFoundError:
        return False


def _lock(stream: BinaryIO, echo: Echo) -> None:
    # Windows, or a network disk without locks.
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            echo("another process fetches the same weights; waiting for it ...")
            fcntl.flock(stream, fcntl.LOCK_EX)


def _remove_empty(part: Path) -> None:
    if part.is_file() and not part.stat().st_size:
        http_file.remove_part(part)


def _take_out(archive: Path, scratch: Path, shown: str) -> tuple[Path, str]:
    """The weights in an archive of PaddleOCR's, in the folder `scratch`, and what they are called there."""
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "tree").mkdir(parents=True)
    (scratch / "parts").mkdir()
    try:
        made = extract_archive(
            archive, scratch / "tree", parts=scratch / "parts", shown=shown, limit_bytes=_MOST_BYTES
        )
    except StorageError as exc:
        raise DataError(exc.problem, hint=exc.hint) from exc
    names = sorted(made)
    weights = [name for name in names if name.endswith(WEIGHTS)]
    wanted = [name for known in IN_ARCHIVES for name in weights if PurePosixPath(name).name == known]
    if not wanted and len(weights) == 1:
        wanted = weights
    if not wanted:
        raise DataError(
            f"{shown} has no {' or '.join(IN_ARCHIVES)} in it; it has {', '.join(names[:10])}.",
            hint="Give an archive of training weights (..._train.tar); one of an inference model (..._infer.tar) "
            "is another thing.",
        )
    return scratch / "tree" / wanted[0], wanted[0]


def _screen(weights: Path, shown: str, length: int) -> None:
    try:
        screen(weights)
    except DataError as exc:
        hint = f"{exc.hint} It came whole: {length} bytes, as many as the server named, if it named a length."
        raise DataError(exc.problem.replace(str(weights), shown), hint=hint.strip()) from exc


def _ask(wanted: Mapping[str, Begun]) -> dict[str, tuple[Any, Begun]]:
    """The open answer of each address, or a text that says why there is none; all at once, and never for longer than
    `ANSWER_TIMEOUT_S`: looking up a name has no time limit of its own."""
    answers: dict[str, Any] = dict.fromkeys(wanted, f"no answer within {ANSWER_TIMEOUT_S:g} s")
    asking = [
        threading.Thread(target=_open, args=(url, begun, answers), name="weights", daemon=True)
        for url, begun in wanted.items()
    ]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    for thread in asking:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {url: (answers[url], begun) for url, begun in wanted.items()}


def _open(url: str, begun: Begun, answers: dict[str, Any]) -> None:
    for pause in (*http_file.PAUSES_S, None):
        try:
            answers[url] = http_file.request_file(url, begun)
        except (OSError, ValueError) as exc:
            answers[url] = http_file.said(exc)
            if pause is not None and http_file.may_pass(exc):
                time.sleep(pause)
                continue
        return


def _missing(addresses: Mapping[str, str], problems: Mapping[str, str], mirror: Mirror) -> MissingWeights:
    """What cannot be had, by address, with the keys that name it."""
    keys = {url: [key for key, other in addresses.items() if other == url] for url in problems}
    lines = [
        f"  - {' and '.join(keys[url])} names weights at {without_password(url)}: {why}"
        for url, why in problems.items()
    ]
    key = next(iter(keys.values()))[0]
    places = ", ".join(mirror.place(url, _name(url)) for url in problems)
    share = (
        f"Or store what you have downloaded in the mirror, where it is looked for first: {places}."
        if mirror.bucket
        else "Machines that reach an S3 store can share what one of them has fetched: "
        "OCR_TRAIN_WEIGHTS_MIRROR=s3://bucket/prefix."
    )
    return MissingWeights(
        "the weights to start from cannot be fetched:\n" + "\n".join(lines),
        hint="Download them on a machine that reaches the address and give the file: "
        f"overrides='{key}=/path/to/it{WEIGHTS}'; or start from scratch: overrides='{key}='. Nothing was trained.\n"
        + share,
    )
