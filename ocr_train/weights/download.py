"""Weights that a configuration names by an address: fetched before PaddleOCR would, so that they can be screened.

PaddleOCR downloads a pickle and loads it, and where the address cannot be reached it tries for most of a minute after
everything else is done. Here the address is asked first, for a few seconds, through the machine's own proxies and
certificates (those of `requests`, which PaddleOCR uses, too).
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from ocr_train.atomic_files import whole_file
from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.disk import human
from ocr_train.errors import DataError, MissingWeights
from ocr_train.redaction.addresses import first_line, redacted, without_password
from ocr_train.run import Echo
from ocr_train.trainer.files import WEIGHTS

ANSWER_TIMEOUT_S = 8.0
"""For the first bytes of all addresses together, name look-up included: a machine without a network goes no further."""
READ_TIMEOUT_S = 30.0
_CHUNK_BYTES = 1 << 20


def is_address(value: object) -> bool:
    """Whether PaddleOCR would download it."""
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def fetch_weights(addresses: Mapping[str, str], cache: Path, echo: Echo) -> dict[str, Path]:
    """The files of `addresses` (by the key that names them), screened, in the folder `cache` or in PaddleOCR's own.

    Raises `MissingWeights` with all that cannot be had, `DataError` for what is no harmless pickle.
    """
    found = {key: path for key, url in addresses.items() if (path := _cached(url, cache))}
    for path in found.values():
        screen(path)
    wanted = list(dict.fromkeys(url for key, url in addresses.items() if key not in found))
    answers = _ask(wanted)
    problems = {url: answer for url, answer in answers.items() if isinstance(answer, str)}
    if problems:
        raise _missing(addresses, problems)
    for url, answer in answers.items():
        try:
            path = _download(url, answer, cache, echo)
        except OSError as exc:
            # The errors of `requests` are, too.
            raise _missing(addresses, {url: first_line(exc)}) from exc
        found |= {key: path for key, other in addresses.items() if other == url}
    return found


def _cached(url: str, cache: Path) -> Path | None:
    """The file that was downloaded before, by us or by PaddleOCR, which goes by the name alone."""
    home = os.environ.get("PADDLE_OCR_BASE_DIR") or str(Path.home() / ".paddleocr")
    theirs = Path(home) / "models" / _name(url)
    return next((path for path in (_place(url, cache), theirs) if path.is_file()), None)


def _place(url: str, cache: Path) -> Path:
    """Its name in the cache: two addresses may end in the same word."""
    return cache / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{_name(url)}"


def _name(url: str) -> str:
    return f"{PurePosixPath(urlsplit(url).path).name.removesuffix(WEIGHTS) or 'weights'}{WEIGHTS}"


def _ask(urls: list[str]) -> dict[str, Any]:
    """The open answer of each address, or a text that says why there is none; all at once, and never for longer than
    `ANSWER_TIMEOUT_S`: looking up a name has no time limit of its own."""
    answers: dict[str, Any] = dict.fromkeys(urls, f"no answer within {ANSWER_TIMEOUT_S:g} s")
    if not urls:
        return answers
    asking = [
        threading.Thread(target=_open, args=(url, answers), name="weights", daemon=True) for url in urls
    ]
    for thread in asking:
        thread.start()
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    for thread in asking:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(answers)


def _open(url: str, answers: dict[str, Any]) -> None:
    import requests

    try:
        # Uncompressed, so that its length is that of the file.
        answer = requests.get(
            url,
            stream=True,
            timeout=(ANSWER_TIMEOUT_S, READ_TIMEOUT_S),
            headers={"Accept-Encoding": "identity"},
        )
    except (OSError, ValueError) as exc:
        answers[url] = _said(exc)
        return
    answers[url] = answer if answer.status_code == 200 else f"the server answers {answer.status_code}"


def _said(exc: BaseException) -> str:
    """Why it cannot be reached, in the words of the innermost cause: `requests` wraps it three times."""
    inner = getattr(exc.args[0], "reason", None) if exc.args else None
    return redacted(first_line(inner or exc).rpartition(">: ")[2])


def _download(url: str, answer: Any, cache: Path, echo: Echo) -> Path:
    """Bring the file whole: by another name until its length is right and it is screened."""
    length = int(answer.headers.get("Content-Length") or 0)
    shown = without_password(url)
    echo(f"fetching the weights {shown}{f' ({human(length)})' if length else ''} ...")
    cache.mkdir(parents=True, exist_ok=True)
    target = _place(url, cache)
    with closing(answer), whole_file(target) as part:
        with part.open("wb") as stream:
            for chunk in answer.iter_content(_CHUNK_BYTES):
                stream.write(chunk)
        size = part.stat().st_size
        if length and size != length:
            raise OSError(f"{size} of {length} bytes came")
        _screen(part, shown)
    return target


def _screen(part: Path, shown: str) -> None:
    try:
        screen(part)
    except DataError as exc:
        raise DataError(exc.problem.replace(str(part), shown), hint=exc.hint) from exc


def _missing(addresses: Mapping[str, str], problems: Mapping[str, str]) -> MissingWeights:
    """What cannot be had, by address, with the keys that name it."""
    keys = {url: [key for key, other in addresses.items() if other == url] for url in problems}
    lines = [
        f"  - {' and '.join(keys[url])} names weights at {without_password(url)}: {why}"
        for url, why in problems.items()
    ]
    key = next(iter(keys.values()))[0]
    return MissingWeights(
        "the weights to start from cannot be fetched:\n" + "\n".join(lines),
        hint="Download them on a machine that reaches the address and give the file: "
        f"overrides='{key}=/path/to/it{WEIGHTS}'; or start from scratch: overrides='{key}='. Nothing was trained.",
    )
