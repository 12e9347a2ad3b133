"""Steps of an epoch, as what makes PaddleOCR's batches counts them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ocr_train.config.epoch_steps import (
    batch_key,
    batch_size,
    describe_sampler,
    is_known,
    logged_steps,
    reads_sampler,
    samples_per_epoch,
    scales_of,
    steps_per_epoch,
)
from ocr_train.errors import ConfigError
from ocr_train.trainer.interpreter import probe
from ocr_train.trainer.paddleocr import find_paddleocr

V4 = {
    "name": "MultiScaleSampler",
    "scales": [[320, 32], [320, 48], [320, 64]],
    "first_bs": 96,
    "fix_bs": False,
    "divided_factor": [8, 16],
    "is_training": True,
}
"""That of en_PP-OCRv4_rec.yml."""

# PaddleOCR's own class, in a process of its own, with as many ranks as the case says.
SAMPLER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import paddle.distributed as dist
from types import SimpleNamespace
from ppocr.data.multi_scale_sampler import MultiScaleSampler
class Data:
    ds_width, seed = False, None
    def __init__(self, count): self.data_idx_order_list = list(range(count))
    def __len__(self): return len(self.data_idx_order_list)
counted = []
for options, count, devices in json.loads(sys.argv[2]):
    dist.get_world_size, dist.get_rank = (lambda: devices), (lambda: 0)
    sampler = MultiScaleSampler(Data(count), **options)
    counted.append([len(sampler), len(list(sampler)), sorted(len(batch) for batch in sampler)[-1]])
print(json.dumps(counted))
"""


def config_of(sampler: object = None, *, ratios: object = None, **loader: Any) -> dict[str, Any]:
    """A small PaddleOCR configuration."""
    train: dict[str, Any] = {
        "dataset": {"name": "MultiScaleDataSet", "ratio_list": ratios},
        "loader": {"batch_size_per_card": 16, "drop_last": False, **loader},
    }
    return {"Train": train | ({"sampler": sampler} if sampler else {})}


@pytest.mark.parametrize(
    ("sampler", "key", "size"),
    [
        (None, "Train.loader.batch_size_per_card", 16),
        (V4, "Train.sampler.first_bs", 96),
        ({"name": "MultiScaleSampler", "scales": [32]}, "Train.sampler.first_bs", 128),
        ({"name": "DistributedBatchSampler", "batch_size": 4}, "Train.sampler.batch_size", 4),
        ({"name": "RatioSampler"}, "", 16),
    ],
)
def test_the_key_of_a_batch_is_the_samplers(sampler: Any, key: str, size: int) -> None:
    """Where there is a sampler, PaddleOCR does not look at the loader's batch size."""
    config = config_of(sampler)
    assert (batch_key(config), batch_size(config)) == (key, size)
    assert is_known(config) == bool(key)


def test_formulas_come_in_pairs() -> None:
    """LaTeX-OCR's dataset makes its batches itself, of images of one size: their number is not known beforehand."""
    config = config_of()
    config["Train"]["dataset"] = {"name": "LaTeXOCRDataSet", "batch_size_per_pair": 56}
    assert (batch_key(config), batch_size(config)) == ("Train.dataset.batch_size_per_pair", 56)
    assert not is_known(config)


@pytest.mark.parametrize(("first", "batches"), [(96, [96, 64, 48]), (16, [16, 10, 8]), (1, [1, 1, 1])])
def test_scales_have_batches_of_as_many_pixels(first: int, batches: list[int]) -> None:
    """Rounded down, and one sample at least."""
    assert [scale.batch for scale in scales_of({**V4, "first_bs": first})] == batches


@pytest.mark.parametrize(
    ("samples", "devices", "steps"),
    [(64, 0, 3), (208, 1, 3), (209, 1, 6), (800, 1, 12), (416, 2, 3), (419, 2, 6)],
)
def test_a_multi_scale_sampler_goes_round_its_scales(samples: int, devices: int, steps: int) -> None:
    """Until each device has had its share, rounded down; a round that is begun is completed."""
    assert steps_per_epoch(config_of(V4), (samples,), devices) == steps


def test_a_share_of_the_samples_makes_shorter_rounds() -> None:
    """`ratio_list` comes before the sampler."""
    assert steps_per_epoch(config_of(V4, ratios=[0.25]), (800,), 1) == 3
    assert steps_per_epoch(config_of(V4, ratios=0.5), (800,), 1) == 6


@pytest.mark.slow
def test_steps_are_those_of_paddleocrs_own_sampler() -> None:
    """`MultiScaleSampler` itself, around every corner."""
    options: list[dict[str, Any]] = [
        V4,
        {**V4, "first_bs": 7},
        {**V4, "fix_bs": True},
        {**V4, "is_training": False},
        {
            "name": "MultiScaleSampler",
            "scales": [32, 48],
            "first_bs": 8,
            "fix_bs": False,
            "divided_factor": [32, 32],
        },
        {"name": "MultiScaleSampler", "scales": [[320, 48]], "first_bs": 8},
    ]
    cases = [
        (one, count, devices)
        for one in options
        for count in (3, 64, 207, 208, 209, 500)
        for devices in (1, 2, 3)
    ]
    plain = [({key: value for key, value in one.items() if key != "name"}, *rest) for one, *rest in cases]
    root = find_paddleocr("", probe(Path(sys.executable))).root
    argv = [sys.executable, "-c", SAMPLER, str(root), json.dumps(plain)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout.splitlines()[-1])
    for (sampler, count, devices), (steps, drawn, _) in zip(cases, counted, strict=True):
        assert steps == drawn
        assert steps_per_epoch(config_of(sampler), (count,), devices) == steps, (sampler, count, devices)


@pytest.mark.parametrize(
    ("ratios", "counts", "samples"),
    [
        ([0.1, 1.0], (1000, 1000), 1100),
        ([0.5], (3,), 2),
        ([0.5], (5,), 2),
        (0.5, (3, 5), 4),
        (None, (3, 5), 8),
        ([0.5], (3, 5), 4),
    ],
)
def test_each_label_file_gives_its_share(ratios: object, counts: tuple[int, ...], samples: int) -> None:
    """`round(lines * share)` of each, halves to the even side, as Python rounds."""
    assert samples_per_epoch(config_of(ratios=ratios), counts) == samples


@pytest.mark.parametrize(
    "changes", [{"scales": [[4, 32]]}, {"scales": []}, {"scales": None}, {"scales": "x"}]
)
def test_scales_that_make_no_batch_are_a_config_error(changes: dict[str, Any]) -> None:
    """PaddleOCR would divide by zero."""
    with pytest.raises(ConfigError, match=r"Train\.sampler\.scales"):
        scales_of({**V4, **changes})


def test_a_run_says_that_a_sampler_varies_the_batch() -> None:
    """With the size of each, and the steps that follow."""
    said = describe_sampler(config_of(V4), 3)
    assert "96 of 320x32, 64 of 320x48, 48 of 320x64; 3 steps an epoch" in said
    assert describe_sampler(config_of(), 3) == ""
    assert "PaddleOCR's log will say" in describe_sampler(config_of({"name": "RatioSampler"}), 3)


@pytest.mark.parametrize(
    ("code", "known"),
    [
        ('if "sampler" in config[mode]:', True),
        ("if 'sampler' in config[mode]:", True),
        ("batch_sampler = DistributedBatchSampler()\nbatch_sampler=batch_sampler", False),
    ],
)
def test_a_paddleocr_that_knows_no_sampler_is_told_by_its_code(
    tmp_path: Path, code: str, known: bool
) -> None:
    """2.6 does not."""
    (tmp_path / "ppocr" / "data").mkdir(parents=True)
    (tmp_path / "ppocr" / "data" / "__init__.py").write_text(code)
    assert reads_sampler(tmp_path) is known
    assert reads_sampler(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("line", "steps"),
    [
        ("[2026/11/25 22:42:43] ppocr INFO: train dataloader has 3 iters", 3),
        ("train dataloader has 120 iters\n", 120),
        ("[2026/11/25 22:42:43] ppocr INFO: valid dataloader has 3 iters", None),
        ("When parsing line a.png 'train dataloader has 3 iters', error", None),
    ],
)
def test_paddleocrs_log_tells_the_steps(line: str, steps: int | None) -> None:
    """In one line, before the first step."""
    assert logged_steps(line) == steps
