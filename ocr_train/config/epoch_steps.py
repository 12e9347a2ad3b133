"""How many optimizer steps an epoch has, and which key of a PaddleOCR configuration sets the size of a batch.

What makes the batches decides both. PaddleOCR's `build_dataloader` (ppocr/data/__init__.py) does not look at
`Train.loader.batch_size_per_card` wherever there is a `Train.sampler` (2.7 and later; 2.6 knows no sampler).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.config.overrides import get_key
from ocr_train.errors import ConfigError

LOADER_BATCH = "Train.loader.batch_size_per_card"
MULTI_SCALE = "MultiScaleSampler"
_LOGGED = re.compile(r"(?:^|INFO: )train dataloader has (\d{1,9}) iters\s*$", re.ASCII)
_PADDLES_OWN = ("DistributedBatchSampler", "BatchSampler")
_FIRST_BATCH = 128
"""`first_bs` where a configuration does not name it."""


@dataclass(frozen=True, kw_only=True)
class SamplerScale:
    """One size of image (pixels) that a multi-scale sampler makes batches of, and how many samples they have."""

    width: int
    height: int
    batch: int


def sampler_of(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """`Train.sampler`, None where the loader makes the batches."""
    sampler = get_key(config, "Train.sampler", None)
    return sampler if isinstance(sampler, Mapping) and sampler else None


def batch_key(config: Mapping[str, Any]) -> str:
    """The key that sets how many training samples a step has; empty where that is not known."""
    sampler = sampler_of(config)
    if sampler is not None:
        if sampler.get("name") == MULTI_SCALE:
            return "Train.sampler.first_bs"
        return "Train.sampler.batch_size" if sampler.get("name") in _PADDLES_OWN else ""
    if get_key(config, "Train.dataset.name", "") == "LaTeXOCRDataSet":
        return "Train.dataset.batch_size_per_pair"
    return LOADER_BATCH


def batch_size(config: Mapping[str, Any]) -> int:
    """Training samples in one step on one device; of the first scale where a sampler varies it."""
    return int(get_key(config, batch_key(config) or LOADER_BATCH, _FIRST_BATCH))


def most_samples(config: Mapping[str, Any]) -> int:
    """Training samples in the largest step on one device, where a sampler varies it."""
    sampler = sampler_of(config)
    if sampler is not None and sampler.get("name") == MULTI_SCALE:
        return max(scale.batch for scale in scales_of(sampler))
    return batch_size(config)


def is_known(config: Mapping[str, Any]) -> bool:
    """Whether `steps_per_epoch` counts as PaddleOCR does; else it is a guess, and PaddleOCR's log has the number."""
    return batch_key(config) in (LOADER_BATCH, "Train.sampler.first_bs", "Train.sampler.batch_size")


def reads_sampler(paddleocr: Path) -> bool:
    """Whether the PaddleOCR in that folder knows `Train.sampler`; where its code cannot be read, that it does."""
    try:
        code = (paddleocr / "ppocr" / "data" / "__init__.py").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return True
    return re.search(r"""['"]sampler['"]""", code) is not None


def samples_per_epoch(config: Mapping[str, Any], counts: Sequence[int]) -> int:
    """How many of the samples an epoch takes: of each label file its share in `Train.dataset.ratio_list`.

    `counts` are the samples of each label file. Source: `SimpleDataSet.get_image_info_list`, as in every version.
    """
    ratios = get_key(config, "Train.dataset.ratio_list", None)
    if not isinstance(ratios, list):
        ratios = [1.0 if ratios is None else ratios]
    if len(ratios) != len(counts):
        ratios = [ratios[0] if len(set(ratios)) == 1 else 1.0] * len(counts)
    return sum(round(count * float(ratio)) for count, ratio in zip(counts, ratios, strict=True))


def steps_per_epoch(config: Mapping[str, Any], counts: Sequence[int], devices: int) -> int:
    """Optimizer steps in one epoch on each of `devices` devices; `counts` are the samples of each label file.

    Source: paddle.io's DistributedBatchSampler and BatchSampler, PaddleOCR's MultiScaleSampler. Raises
    `ConfigError` for scales that no batch can be made of.
    """
    samples, devices = samples_per_epoch(config, counts), max(1, devices)
    sampler = sampler_of(config)
    if sampler is not None and sampler.get("name") == MULTI_SCALE:
        scales = scales_of(sampler)
        return math.ceil(samples // devices / sum(scale.batch for scale in scales)) * len(scales)
    options = sampler if sampler is not None else get_key(config, "Train.loader")
    shared = 1 if sampler is not None and sampler.get("name") == "BatchSampler" else devices
    exact = math.ceil(samples / shared) / batch_size(config)
    return math.floor(exact) if options.get("drop_last", False) else math.ceil(exact)


def logged_steps(text: str) -> int | None:
    """The steps of an epoch in the line in which PaddleOCR tells them, None for any other (tools/train.py)."""
    found = _LOGGED.search(text)
    return int(found[1]) if found else None


def scales_of(sampler: Mapping[str, Any]) -> tuple[SamplerScale, ...]:
    """The batches that one round of a MultiScaleSampler has, in order; raises `ConfigError` where it would fail.

    The first scale has `first_bs` samples; with `fix_bs` all have, else as many as make the same number of pixels.
    Source: ppocr/data/multi_scale_sampler.py, the same from 2.7 to 3.x.
    """
    first = int(sampler.get("first_bs", _FIRST_BATCH))
    factor = sampler.get("divided_factor") or [8, 16]
    try:
        sides = [
            (int(side), int(side)) if isinstance(side, int) else (int(side[0]), int(side[1]))
            for side in sampler["scales"]
        ]
        pixels = sides[0][0] * sides[0][1] * first
        if not sampler.get("is_training", True):
            return (SamplerScale(width=sides[0][0], height=sides[0][1], batch=first),)
        floored = [(w // factor[0] * factor[0], h // factor[1] * factor[1]) for w, h in sides]
        # No pixels: no batch, fixed or not.
        batches = [max(1, pixels // (w * h)) for w, h in floored]
        return tuple(
            SamplerScale(width=w, height=h, batch=first if sampler.get("fix_bs", True) else batch)
            for (w, h), batch in zip(floored, batches, strict=True)
        )
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as exc:
        raise ConfigError(
            f"Train.sampler.scales is {sampler.get('scales')!r} with divided_factor {factor!r}: "
            f"{MULTI_SCALE} cannot make batches of it.",
            hint="Give [width, height] pairs of at least the factor, such as [[320, 32], [320, 48]].",
        ) from exc


def describe_sampler(config: Mapping[str, Any], steps: int) -> str:
    """One line on batches of which a sampler varies the size, nothing where it does not."""
    sampler = sampler_of(config)
    if sampler is None:
        return ""
    if sampler.get("name") != MULTI_SCALE:
        known = "" if is_known(config) else "; PaddleOCR's log will say how many steps an epoch has"
        return f"batches are made by Train.sampler ({sampler.get('name')}){known}"
    batches = ", ".join(f"{one.batch} of {one.width}x{one.height}" for one in scales_of(sampler))
    return f"batches are made by Train.sampler ({MULTI_SCALE}), which varies them: {batches}; {steps} steps an epoch"
