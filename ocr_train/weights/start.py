"""The weights that a configuration names to start from: whether they fit is known, and said, before training.

    Global.pretrained_model                   the whole model's
    Architecture.Models.NAME.pretrained       those of one network of a distillation

PaddleOCR passes over what does not fit, with a warning among thousands of lines, and trains on with random layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.pickle_scan import Array, screen
from ocr_train.config.overrides import flatten, set_key
from ocr_train.errors import ConfigError
from ocr_train.run import Echo
from ocr_train.trainer.files import WEIGHTS
from ocr_train.weights.compatibility import ModelToTrain, compare_layers, require_some, take_network
from ocr_train.weights.download import fetch_weights, is_address

WHOLE = "Global.pretrained_model"
_NAMES = ("pretrained_model", "pretrained")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A .pdparams file that was screened: `arrays` are its layers, `source` what people call it, `config` and
    `dictionary` what it was trained with, where that is known."""

    path: Path
    arrays: Mapping[str, Array]
    source: str
    config: Path | None = None
    dictionary: Path | None = None


def named_weights(config: Mapping[str, Any]) -> dict[str, str]:
    """The files and addresses that `config` names to start from, by dotted key."""
    return {
        key: value
        for key, value in flatten(config)
        if key.rpartition(".")[2] in _NAMES and isinstance(value, str) and value
    }


def weights_file(value: str) -> Path:
    """The file that PaddleOCR takes a path for, with or without its ending."""
    return Path(value.removesuffix(WEIGHTS) + WEIGHTS)


def screen_named(config: Mapping[str, Any]) -> None:
    """Screen the files among them, and a backbone's `checkpoints`; raises `DataError`."""
    for key, value in flatten(config):
        if key.rpartition(".")[2] in (*_NAMES, "checkpoints") and isinstance(value, str):
            path = weights_file(value)
            if path.is_file():
                screen(path)


def fetch_named(config: Mapping[str, Any], cache: Path, echo: Echo, *, whole: bool = True) -> dict[str, Path]:
    """What `config` names by an address, fetched and screened, by key; without `whole` all but the whole model's."""
    addresses = {
        key: value
        for key, value in named_weights(config).items()
        if is_address(value) and (whole or key != WHOLE)
    }
    return fetch_weights(addresses, cache, echo)


def clear_pretrained(config: dict[str, Any]) -> None:
    """Name none: every layer comes from the checkpoint."""
    for key in named_weights(config):
        set_key(config, key, None)


def settle(
    config: dict[str, Any], model: ModelToTrain, folder: Path, echo: Echo, *, given: Weights | None = None
) -> dict[str, str]:
    """Compare the weights that the rendered `config` names with the model, and say what is not taken over; the tags
    that say it, too.

    `given` is what is known of the whole model's, where a resume chose it. Of several networks in one file the one
    that fits is taken: it is written to a file of its own in `folder`, which `config` then names. Raises
    `ConfigError` where no layer fits.
    """
    left_out, taken = [], []
    for key, value in named_weights(config).items():
        weights = given if given and key == WHOLE else _read(weights_file(value))
        if weights is None:
            # PaddleOCR says what it cannot find.
            continue
        fit = compare_layers(
            model,
            arrays=weights.arrays,
            config=weights.config,
            dictionary=weights.dictionary,
            cut=True,
            part=_part(key),
        )
        if fit.note:
            echo(fit.note)
        if note := require_some(fit, weights.source):
            left_out.append(note)
        if fit.prefix:
            target = folder / f"{key}{WEIGHTS}"
            take_network(model, weights.path, fit.prefix, target)
            screen(target)
            set_key(config, key, str(target))
            taken.append(f"of {weights.source} the network {fit.prefix.rstrip('.')} is taken: its layers fit")
    for line in (*taken, *left_out):
        echo(line)
    return {"weights_left_out": "; ".join(left_out), "weights_taken": "; ".join(taken)}


def _read(path: Path) -> Weights | None:
    if not path.is_file():
        return None
    arrays = screen(path)
    if not arrays:
        raise ConfigError(
            f"{path} has no layers, so nothing can be taken from it.",
            hint="Give a .pdparams file of a model: overrides='Global.pretrained_model=/path/to/it.pdparams'.",
        )
    dictionary = path.parent / "dict.txt"
    return Weights(
        path=path,
        arrays=arrays,
        source=str(path),
        dictionary=dictionary if dictionary.is_file() else None,
    )


def _part(key: str) -> str:
    """How the model names the layers that the weights at `key` are for: "Teacher." of one network, else all."""
    head, _, rest = key.removeprefix("Architecture.").partition(".")
    if key.startswith("Architecture.Models."):
        return f"{rest.partition('.')[0]}."
    return "" if key == WHOLE else f"{head.lower()}."
