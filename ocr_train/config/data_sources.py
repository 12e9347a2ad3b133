"""Where the data come from: `data` names one source, or several with the share of each in an epoch.

    data="s3://bucket/own 1.0, data/general 0.2"

PaddleOCR draws `round(samples * ratio)` lines of each training label file, anew in each epoch, with `random.sample`, which
fails on more than all of them (ppocr/data/simple_dataset.py): a ratio is more than 0 and at most 1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ocr_train.config.overrides import get_key, set_key
from ocr_train.config.parameter_values import address as written
from ocr_train.config.requests import DataSource
from ocr_train.errors import ConfigError
from ocr_train.redaction.dataset_names import LIMIT, data_name

RATIOS = "Train.dataset.ratio_list"
_S3 = "s3://"
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|\.\d+)(e[-+]?\d+)?%?|[-+]?(nan|inf|infinity)", re.IGNORECASE)
_LAST_WORD = re.compile(r"(?P<address>.*\S)\s+(?P<word>\S+)", re.DOTALL)
_WHAT = "a ratio is more than 0 and at most 1, such as 0.2"


def parse_sources(
    text: str, problems: list[str], *, is_there: Callable[[str], bool] | None = None
) -> tuple[DataSource, ...]:
    """The sources that `data` names, none where it is empty; what is wrong is added to `problems`.

    `is_there` says whether a path exists: one that does is taken as it is, commas and numbers in its name included.
    """
    there = is_there or _is_there
    if not text:
        return ()
    if there(text):
        return (DataSource(address=written(text)),)
    parts = list(_parts(text, there))
    sources = tuple(_source(part, problems, there, alone=len(parts) == 1) for part in parts)
    return sources if len(sources) == 1 else _without_doubles(sources, problems)


def sources_text(sources: Sequence[DataSource]) -> str:
    """The sources as `data` takes them; that of one whole source is its address."""
    if len(sources) == 1 and sources[0].ratio == 1:
        return sources[0].address
    return ", ".join(f"{source.address} {source.ratio:g}" for source in sources)


def source_names(sources: Sequence[DataSource]) -> tuple[str, ...]:
    """What the sources are called, each by another name: after the last part of the address, else the last two."""
    last = [data_name(source.address) for source in sources]
    above = [data_name(source.address.rstrip("/").rpartition("/")[0]) for source in sources]
    often = Counter(last)
    names = [
        f"{before}-{name}" if often[name] > 1 and before != "data" else name
        for before, name in zip(above, last, strict=True)
    ]
    often = Counter(names)
    return tuple(
        f"{name}-{number}" if often[name] > 1 else name for number, name in enumerate(names, start=1)
    )


def require_one_source(text: str, name: str, hint: str) -> None:
    """Raise `ConfigError` where `text`, the value of `name`, is several sources, or has a ratio: only a training mixes."""
    problems: list[str] = []
    sources = parse_sources(text, problems)
    if len(sources) > 1 or problems or any(one.ratio != 1 for one in sources):
        raise ConfigError(
            f"{name}: {text!r} was read as {len(sources)} source(s) with ratios "
            f"({', '.join(f'{one.address!r} {one.ratio:g}' for one in sources)}); one source and no ratio is taken here.",
            hint=hint,
        )


def joined_name(sources: Sequence[DataSource]) -> str:
    """What all of them together are called, such as wires+general."""
    return "+".join(source_names(sources))[:LIMIT].rstrip("+-.")


def settle_ratios(
    trainer: dict[str, Any],
    sources: Sequence[DataSource],
    overrides: Mapping[str, Any],
    problems: list[str],
) -> None:
    """Give the configuration the ratios of `data`; that it has others already is a problem, and nothing is replaced."""
    if all(source.ratio == 1 for source in sources) and len(sources) < 2:
        return
    named = next((f"overrides: {key}" for key in overrides if key.lstrip("+") == RATIOS), "")
    shares = get_key(trainer, RATIOS, None)
    plain = shares is None or all(share == 1 for share in (shares if isinstance(shares, list) else [shares]))
    if named or not plain:
        problems.append(
            f"{named or f'the configuration: {RATIOS}'} is {shares!r}, and data names the ratios of its sources, "
            f"{sources_text(sources)!r}: give them in one place, in data"
        )
        return
    set_key(trainer, RATIOS, [source.ratio for source in sources])


def _is_there(path: str) -> bool:
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _parts(text: str, there: Callable[[str], bool]) -> Iterator[str]:
    """The text between the commas that part sources. The longest path that exists is one, with its commas; in an S3
    address a comma with neither a blank nor another source behind it belongs to the address."""
    pieces = text.split(",")
    start = 0
    while start < len(pieces):
        end = next(
            (
                end
                for end in range(len(pieces), start + 1, -1)
                if _names_path(",".join(pieces[start:end]).strip(), there)
            ),
            start + 1,
        )
        first = pieces[start].strip()
        if _with_ratio(first):
            # 0,5 is meant for 0.5, and is named as that.
            end += end < len(pieces) and bool(re.fullmatch(r"\d+%?", pieces[end]))
        elif written(first).startswith(_S3):
            while end < len(pieces) and _goes_on(pieces[end], there):
                end += 1
        yield ",".join(pieces[start:end]).strip()
        start = end


def _names_path(text: str, there: Callable[[str], bool]) -> bool:
    return bool(text) and (there(text) or bool((found := _with_ratio(text)) and there(found["address"])))


def _goes_on(piece: str, there: Callable[[str], bool]) -> bool:
    """Whether what follows a comma is part of the address before it."""
    if not piece or piece[0].isspace() or written(piece).startswith(_S3) or piece[0] in "/~.":
        return False
    return not _names_path(piece.strip(), there)


def _with_ratio(text: str) -> re.Match[str] | None:
    """The address and the number behind it; None where none is."""
    found = _LAST_WORD.fullmatch(text)
    return found if found and _NUMBER.fullmatch(found["word"]) else None


def _source(part: str, problems: list[str], there: Callable[[str], bool], *, alone: bool) -> DataSource:
    if not part:
        where = "it is blank" if alone else "nothing is between two commas"
        problems.append(f"data: {where}: give a folder, an archive or s3://bucket/prefix")
    if there(part):
        return DataSource(address=written(part))
    found = _LAST_WORD.fullmatch(part)
    if not found:
        return DataSource(address=written(part))
    address, word = written(found["address"]), found["word"]
    if _NUMBER.fullmatch(word):
        return DataSource(address=address, ratio=_ratio(word, address, problems))
    meant = "/" not in word and (there(address) or (address.startswith(_S3) and not alone))
    if not meant:
        return DataSource(address=written(part))
    problems.append(
        f"data: {word!r} behind {address!r} is not a number: {_WHAT}; where it belongs to the name, put a ratio behind it"
    )
    return DataSource(address=address)


def _ratio(word: str, address: str, problems: list[str]) -> float:
    """The ratio, 1 where it is none."""
    try:
        value = float(word)
    except ValueError:
        plain = word.rstrip("%").replace(",", ".")
        try:
            meant = f" (you may mean {float(plain) / (100 if word.endswith('%') else 1):g})"
        except ValueError:
            meant = ""
        problems.append(f"data: {word!r} behind {address!r} is not a ratio: {_WHAT}{meant}")
        return 1.0
    if 0 < value <= 1:
        return value
    more = "; PaddleOCR takes no sample twice in an epoch" if value > 1 else ""
    problems.append(
        f"data: the ratio {word!r} of {address!r}: {_WHAT}{more}; where it belongs to the name, put a ratio behind it"
    )
    return 1.0


def _without_doubles(sources: tuple[DataSource, ...], problems: list[str]) -> tuple[DataSource, ...]:
    seen: dict[str, str] = {}
    for source in sources:
        place = source.address.rstrip("/") if source.is_s3 else _real(source.address)
        if source.address and place in seen:
            problems.append(
                f"data: {source.address!r} is named twice{'' if seen[place] == source.address else f', as {seen[place]!r}, too'}: "
                "give each source once, with one ratio"
            )
        seen.setdefault(place, source.address)
    return sources


def _real(path: str) -> str:
    try:
        return str(Path(path).expanduser().resolve())
    except (OSError, ValueError, RuntimeError):
        return path
