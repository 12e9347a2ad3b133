"""What a short training is started with, and how it ends."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.config.overrides import get_key, set_key
from ocr_train.config.parameters import Launch
from ocr_train.errors import TrainingFailed
from ocr_train.ocr_engine.networks import cpu_count
from ocr_train.trainer.device import Device
from ocr_train.trainer.paddleocr import PaddleOcr
from ocr_train.tuning.decide import Wish, decide, own_setting
from ocr_train.tuning.measurement import Setting
from ocr_train.tuning.remembered import busy, key_of, machine, recall, remember_setting
from ocr_train.tuning.trial import Bench, MemoryPeak, measure, short_config, write_samples
from tests.commands import SCRIPTED

CPU = Device(gpus=(), note="")


def bench(folder: Path, device: Device = CPU, **env: str) -> Bench:
    """A bench with the stand-in of a trainer and eight samples."""
    config: dict[str, Any] = dict(load_experiment(Launch(model="rec", data="/data"), EXPERIMENTS).trainer)
    set_key(config, "Train.loader.batch_size_per_card", 4)
    set_key(config, "Train.loader.num_workers", 0)
    labels = folder / "train.txt"
    labels.write_text("".join(f"{number}.jpg\tword\n" for number in range(8)), encoding="utf-8")
    return Bench(
        config=config,
        labels=(labels,),
        python=Path(sys.executable),
        paddleocr=PaddleOcr(root=SCRIPTED, version=""),
        device=device,
        env={**os.environ, "SCRIPTED_STEPS": "40", "SCRIPTED_PAUSE_S": "0", **env},
        folder=folder / "tuning",
    )


def test_samples_are_repeated_until_there_are_enough(tmp_path: Path) -> None:
    """Each of them as often as the others, and always in the same order."""
    labels = tmp_path / "train.txt"
    labels.write_bytes(b"a\tA\r\nb\tB\n\nc\tC")
    write_samples([labels], tmp_path / "out.txt", 7)
    write_samples([labels], tmp_path / "again.txt", 7)
    lines = (tmp_path / "out.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(set(lines)) == ["a\tA", "b\tB", "c\tC"]
    assert len(lines) == 7
    assert (tmp_path / "again.txt").read_bytes() == (tmp_path / "out.txt").read_bytes()


def test_a_short_training_evaluates_and_keeps_nothing(tmp_path: Path) -> None:
    """One epoch, each step logged; the training's own configuration stays as it is."""
    one = bench(tmp_path)
    config = short_config(one, Setting(batch=16, workers=2))
    assert get_key(config, "Train.loader.batch_size_per_card") == 16
    assert get_key(config, "Train.loader.num_workers") == 2
    assert get_key(config, "Global.print_batch_step") == 1
    assert get_key(config, "Global.eval_batch_step")[1] > 10**6
    assert own_setting(one) == Setting(batch=4, workers=0)


def test_processes_on_the_cpu_share_the_batch(tmp_path: Path) -> None:
    """As in a training: what the parameter says is that of all of them."""
    one = bench(tmp_path, Device(gpus=(), cpus=2, note=""))
    assert own_setting(one) == Setting(batch=8, workers=0)
    assert get_key(short_config(one, Setting(batch=8, workers=0)), "Train.loader.batch_size_per_card") == 4


def test_a_setting_is_measured_by_its_log(tmp_path: Path) -> None:
    """Seconds and samples are those that the trainer prints; no process and no file but the log is left."""
    one = bench(tmp_path, SCRIPTED_COSTS='{"4/0": [0.5, 0.1]}')
    found = measure(one, Setting(batch=4, workers=0), deadline=time.monotonic() + 60)
    assert found is not None
    assert found.step_s == pytest.approx(0.5)
    assert found.samples_per_s == pytest.approx(8.0)
    assert found.reader_share == pytest.approx(0.2)
    assert {path.suffix for path in one.folder.iterdir() if path.is_file()} == {".log"}


def test_want_of_memory_is_a_measurement(tmp_path: Path) -> None:
    """With its reason."""
    one = bench(tmp_path, SCRIPTED_COSTS='{"4/0": null}')
    found = measure(one, Setting(batch=4, workers=0), deadline=time.monotonic() + 60)
    assert found is not None
    assert found.failure == "cuda_oom"


def test_without_time_there_is_no_measurement(tmp_path: Path) -> None:
    """A trainer that has not begun by then is ended."""
    one = bench(tmp_path, SCRIPTED_PAUSE_S="30")
    assert measure(one, Setting(batch=4, workers=0), deadline=time.monotonic() + 0.2) is None


def test_a_trainer_that_fails_at_once_is_no_setting_to_choose_from(tmp_path: Path) -> None:
    """It would fail with any: the error says why."""
    one = bench(tmp_path, SCRIPTED_FAULT="crash", SCRIPTED_STEPS="1")
    with pytest.raises(TrainingFailed, match="the scripted fault"):
        decide(one, 100, Wish(), deadline=time.monotonic() + 60, on_measured=lambda _: None)


def test_memory_of_a_process_is_seen() -> None:
    """Our own, at least some megabytes; a process that is gone has none."""
    ours, gone = MemoryPeak(os.getpid()), MemoryPeak(2**22 - 1)
    ours.look()
    gone.look()
    assert ours.peak is not None
    assert ours.peak > 10_000_000
    assert gone.peak is None


def test_a_decision_is_remembered_by_all_that_it_depends_on(tmp_path: Path) -> None:
    """Other facts are another key; a damaged file is none."""
    key = key_of({"model": "rec"})
    assert key != key_of({"model": "det"})
    assert recall(tmp_path, key) is None
    remember_setting(tmp_path, key, Setting(batch=8, workers=2))
    found = recall(tmp_path, key)
    assert found is not None
    assert found.setting == Setting(batch=8, workers=2)
    (tmp_path / "tuning" / f"{key}.json").write_text('{"batch_size": 0, "num_workers": 1, "when": ""}')
    assert recall(tmp_path, key) is None


def test_a_busy_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few more processes than cores are the training's own preparation."""
    monkeypatch.setattr(os, "getloadavg", lambda: (float(cpu_count()), 0.0, 0.0))
    assert busy() == ""
    monkeypatch.setattr(os, "getloadavg", lambda: (4.0 * cpu_count(), 0.0, 0.0))
    assert "measure again when it is quiet" in busy()


def test_a_machine_is_its_hardware() -> None:
    """Not its name, which a container gets anew at each start."""
    assert set(machine()) == {"processor", "cores", "memory_gib"}
