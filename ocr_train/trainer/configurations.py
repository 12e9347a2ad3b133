"""PaddleOCR configurations that come with an artifact, or that a user gives, screened before PaddleOCR sees them.

The rules are `ocr_engine.screening`, which also holds where a model is served without the rest of us.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from ocr_train.config.overrides import get_key, set_key
from ocr_train.errors import ConfigError, DataError
from ocr_train.ocr_engine.documents import DocumentError, read_yaml
from ocr_train.ocr_engine.errors import EngineError
from ocr_train.ocr_engine.screening import HINT, problems, refusal, require_harmless
from ocr_train.ocr_engine.settings import without_pretrained
from ocr_train.ocr_engine.vocabulary import read_vocabulary

_ELSEWHERE = ("Train", "Optimizer", "Loss", "wandb")
"""Sections that neither evaluation nor export reads, or that send something to another server."""


def for_a_tool(config: Mapping[str, Any], weights: Path, *, use_gpu: bool) -> dict[str, Any]:
    """What PaddleOCR's eval.py and export_model.py are given of an artifact's configuration: its model with `weights`
    (a path without `.pdparams`), no other weights and no other place to write or send to."""
    document = deepcopy({key: value for key, value in config.items() if key not in _ELSEWHERE})
    document["Architecture"] = without_pretrained(document.get("Architecture"))
    settings = {
        "pretrained_model": str(weights),
        "checkpoints": None,
        "use_gpu": use_gpu,
        "distributed": False,
    }
    settings |= {
        name: False for name in ("use_wandb", "use_visualdl") if get_key(config, f"Global.{name}", False)
    }
    for name, value in settings.items():
        set_key(document, f"Global.{name}", value)
    return document


def require_plain(values: Any, file: Path) -> None:
    """Raise `DataError` for a configuration that holds code, whichever PaddleOCR would read it."""
    if found := problems(values):
        raise DataError(f"{refusal(file, found)}.", hint=HINT)


def require_plain_file(file: Path) -> None:
    """The same for a file that is only compared with; one that cannot be read holds nothing to compare with."""
    with contextlib.suppress(OSError, DocumentError):
        require_plain(read_yaml(file), file)


def require_known(used: Mapping[str, Any], file: Path, root: Path) -> None:
    """Raise `DataError` where `used`, made from the artifact's `file`, holds what the PaddleOCR in `root` would run as
    code or does not know."""
    try:
        require_harmless(file, used, used, str(root))
    except EngineError as exc:
        raise DataError(f"{exc}.", hint=exc.hint) from exc


def require_own_words(trainer: Mapping[str, Any], file: Path, root: Path) -> None:
    """The same for what a user asks for, as `ConfigError`; a PaddleOCR of another kind may know other names."""
    if not (root / "ppocr" / "data" / "imaug" / "__init__.py").is_file():
        return
    config = deepcopy(dict(trainer))
    for part in ("Train", "Eval"):
        dataset = config[part].get("dataset") if isinstance(config.get(part), dict) else None
        if isinstance(dataset, dict) and dataset.get("name") == "LMDBDataSet":
            # Our data are label files.
            dataset["name"] = "SimpleDataSet"
    if found := problems(config, read_vocabulary(str(root / "ppocr"))):
        raise ConfigError(
            f"{refusal(file, found)}.",
            hint="Check the spelling; another version of PaddleOCR may know it: paddleocr=FOLDER.",
        )
