"""Dotted keys into a PaddleOCR configuration: parse, look up, change, flatten.

A part of a dotted key is a mapping's key, a list's index, or, in a list of one-key mappings such as
`transforms`, the name of the operator: `Train.dataset.transforms.EastRandomCropData.size=[320,320]`.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Container, Iterator, Mapping
from copy import deepcopy
from typing import Any

from ocr_train.errors import ConfigError
from ocr_train.ocr_engine.documents import DocumentError, parse_yaml
from ocr_train.redaction.names import HIDDEN, is_secret_name

OPTIONAL_KEYS = frozenset(
    [
        f"Global.{key}"
        for key in (
            *(
                "amp_custom_black_list",
                "amp_custom_white_list",
                "amp_dtype",
                "amp_level",
                "calc_epoch_interval",
            ),
            *("character_dict_path", "class_path", "d2s_train_image_shape", "eval_batch_epoch"),
            *("export_with_pir", "find_unused_parameters", "infer_mode", "label_list", "log_ranks"),
            *("max_text_length", "pretrained_model", "print_mem_info", "save_res_path", "scale_loss", "seed"),
            *("to_static", "uniform_output_enabled", "use_amp", "use_dynamic_loss_scaling", "use_space_char"),
            *("use_sync_bn", "use_wandb"),
        )
    ]
    + [
        f"{part}.{key}"
        for part in ("Train", "Eval")
        for key in (
            *("dataset.delimiter", "dataset.ext_op_transform_idx", "dataset.ratio_list", "loader.collate_fn"),
            *("loader.num_workers", "loader.shuffle", "loader.drop_last", "loader.use_shared_memory"),
        )
    ]
    + [
        f"Optimizer.{key}"
        for key in (
            *(
                "clip_norm",
                "clip_norm_global",
                "grad_clip",
                "weight_decay",
                "momentum",
                "no_weight_decay_name",
            ),
            *("lr.name", "lr.warmup_epoch", "lr.decay_epochs", "lr.values", "lr.gamma", "lr.step_size"),
            *(
                "lr.power",
                "lr.end_lr",
                "lr.min_lr",
                "lr.decay_rate",
                "regularizer.name",
                "regularizer.factor",
            ),
        )
    ]
)
"""Keys that PaddleOCR 2.10 reads but that a configuration may leave out (read off tools/ and ppocr/)."""

RESERVED_KEYS = {
    "Global.save_model_dir": "checkpoints go to the run: set OCR_TRAIN_OUTPUT to move its folder",
    "Global.checkpoints": "use the parameter `resume`",
    "Global.use_gpu": "use the parameter `gpus`",
    "Global.distributed": "use the parameter `gpus`",
    "Train.dataset.data_dir": "use the parameter `data`",
    "Train.dataset.label_file_list": "use the parameter `data`",
    "Eval.dataset.data_dir": "use the parameter `data`",
    "Eval.dataset.label_file_list": "use the parameter `data`",
}
"""Keys that a run fills in itself, with what to use in their place."""


def parse_overrides(text: str) -> tuple[dict[str, Any], list[str]]:
    """Split `a.b=1 c.d=[1,2]` into keys and YAML values; the second value lists the problems."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    try:
        words = shlex.split(text)
    except ValueError as exc:
        return {}, [f"overrides: {text!r} cannot be split into words ({exc}): check the quotes"]
    for word in words:
        key, equals, raw = word.partition("=")
        if not equals or not key:
            problems.append(f"overrides: {word!r} is not KEY=VALUE, such as Global.print_batch_step=5")
            continue
        # From a command that we printed.
        if HIDDEN in raw:
            problems.append(f"overrides: {HIDDEN} in {key!r} stands for a secret: give the secret itself")
            continue
        try:
            values[key] = _value(raw)
        except DocumentError:
            shown = HIDDEN if is_secret_name(key) else raw
            problems.append(f"overrides: the value of {key!r} is not YAML: {shown!r}")
    return values, problems


def without_keys(text: str, keys: Container[str]) -> str:
    """The overrides in `text` without those of `keys`, which a parameter is to set."""
    words = shlex.split(text)
    kept = [word for word in words if word.partition("=")[0].removeprefix("+") not in keys]
    return text if kept == words else shlex.join(kept)


def _value(raw: str) -> Any:
    """The YAML value of `raw`; a number such as 1e-4 too, which YAML 1.1 takes for text."""
    value = parse_yaml(raw) if raw else None
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", raw, re.ASCII):
        return float(raw)
    return value


def with_overrides(
    config: Mapping[str, Any], values: Mapping[str, Any], *, where: str = "overrides"
) -> tuple[dict[str, Any], list[str]]:
    """A copy of `config` with `values` set, and one problem for each key that is unknown or reserved.

    A key is known when the configuration has it or PaddleOCR is known to read it; `+KEY` sets any key.
    """
    result = deepcopy(dict(config))
    problems = []
    for key, value in values.items():
        problem = _override(result, key, value)
        if problem:
            problems.append(f"{where}: {problem}")
    return result, problems


def _override(config: dict[str, Any], key: str, value: Any) -> str:
    forced = key.startswith("+")
    name = key.removeprefix("+")
    if name in RESERVED_KEYS:
        return f"{name!r} is filled in by the run: {RESERVED_KEYS[name]}"
    if not forced and name not in OPTIONAL_KEYS and not has_key(config, name):
        return f"unknown key {name!r}{_nearest(config, name)} (+{name}=... sets it anyway)"
    try:
        set_key(config, name, value)
    except ConfigError as exc:
        return exc.problem
    return ""


def _nearest(config: Mapping[str, Any], name: str) -> str:
    known = [*(key for key, _ in flatten(config)), *OPTIONAL_KEYS]
    return nearest(name, known)


def nearest(name: str, known: list[str]) -> str:
    """`. Did you mean 'x'?` with the known word nearest to `name`, or nothing."""
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    # A wrong case or a missing section outweighs the letters.
    if not matches:
        folded = {word.lower(): word for word in known}
        tails = {word.lower().rpartition(".")[2]: word for word in known}
        found = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=0.5)
        tail = difflib.get_close_matches(name.lower().rpartition(".")[2], list(tails), n=1, cutoff=0.7)
        matches = [folded[word] for word in found] or [tails[word] for word in tail]
    return f". Did you mean {matches[0]!r}?" if matches else ""


def has_key(config: Any, key: str) -> bool:
    """Whether the dotted `key` leads somewhere in `config`."""
    try:
        get_key(config, key)
    except ConfigError:
        return False
    return True


def get_key(config: Any, key: str, default: Any = ...) -> Any:
    """The value at the dotted `key`; `default` where given, else a `ConfigError`, where there is none."""
    current = config
    for part in key.split("."):
        try:
            container, index = _slot(current, part)
            current = container[index]
        except (KeyError, IndexError, TypeError):
            if default is not ...:
                return default
            raise ConfigError(f"there is no {key!r} in the configuration") from None
    return current


def set_key(config: Any, key: str, value: Any) -> None:
    """Set the value at the dotted `key`, making mappings on the way; raises `ConfigError` at a dead end."""
    current = config
    parts = key.split(".")
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        try:
            container, index = _slot(current, part)
            if last:
                container[index] = value
                return
            if isinstance(container, dict) and container.get(index) is None:
                container[index] = {}
            current = container[index]
        except (KeyError, IndexError, TypeError):
            raise ConfigError(
                f"{key!r} does not exist: {'.'.join(parts[:position])!r} has no {part!r}"
            ) from None


def _slot(current: Any, part: str) -> tuple[Any, Any]:
    """The container and the index that `part` means inside `current`."""
    if isinstance(current, list):
        if re.fullmatch(r"-?\d+", part, re.ASCII):
            return current, int(part)
        for item in current:
            if isinstance(item, dict) and part in item:
                return item, part
        raise KeyError(part)
    if isinstance(current, dict):
        return current, part
    raise TypeError(part)


def flatten(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of `config` with its dotted key; lists of one-key mappings go by operator name."""
    if isinstance(config, Mapping) and config:
        for key, value in config.items():
            yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(config, list) and _is_operator_list(config):
        for item in config:
            yield from flatten(item, prefix)
    else:
        yield prefix, config


def _is_operator_list(items: list[Any]) -> bool:
    """Whether these are distinct one-key mappings, as in `transforms`: then the names tell them apart."""
    names = [next(iter(item)) for item in items if isinstance(item, Mapping) and len(item) == 1]
    return bool(items) and len(names) == len(items) == len(set(names))
