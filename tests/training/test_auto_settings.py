"""What batch_size=auto changes of a training, and what it must not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from ocr_train.config.experiment import EXPERIMENTS, Experiment, load_experiment
from ocr_train.config.parameters import Launch
from ocr_train.resume.resolve import ResumePoint
from ocr_train.trainer.device import Device
from ocr_train.training.auto_settings import digest_of, taken_over

CPU = Device(gpus=(), note="")


def experiment(**launch: str) -> Experiment:
    """The recogniser on data of one's own."""
    return load_experiment(Launch(model="rec", data="/data", **launch), EXPERIMENTS)


def point_at(config: Path | None) -> ResumePoint:
    """A checkpoint with that configuration."""
    return cast(ResumePoint, SimpleNamespace(config=config, weights_only=False, source="the run before"))


def taken(wanted: Experiment, point: ResumePoint | None, samples: int = 1000) -> tuple[Experiment, list[str]]:
    """The experiment after the run before was looked at, and what is said."""
    said: list[str] = []
    tracker: Any = SimpleNamespace(set_tags=lambda _: None)
    dataset: Any = SimpleNamespace(train_parts=(SimpleNamespace(samples=samples),))
    return taken_over(wanted, point, dataset, CPU, tracker, said.append), said


def test_the_same_training_is_known_again_whatever_is_measured() -> None:
    """resume=auto goes by the digest: it has that the batch is measured, and not what came of it."""
    auto = digest_of(experiment(batch_size="auto"), None)
    assert auto == digest_of(experiment(batch_size="auto", num_workers="auto"), None)
    assert auto != digest_of(experiment(), None)
    assert digest_of(experiment(num_workers="auto"), None) == digest_of(experiment(num_workers="3"), None)


def test_a_run_that_goes_on_has_the_batch_that_it_had(tmp_path: Path) -> None:
    """From the configuration of its checkpoint, which is not run."""
    config = tmp_path / "config.yml"
    loader = {"batch_size_per_card": 24, "num_workers": 3}
    config.write_text(yaml.safe_dump({"Train": {"loader": loader}}), encoding="utf-8")
    found, said = taken(experiment(batch_size="auto", num_workers="auto"), point_at(config))
    assert (found.batch_size, found.trainer["Train"]["loader"]["num_workers"]) == (24, 3)
    assert found.automatic == ()
    assert said == ["auto: batch_size=24, num_workers=3 (as in the run before, not measured again)"]


def test_a_checkpoint_without_a_configuration_leaves_the_experiments_batch() -> None:
    """A resume is never measured."""
    found, _ = taken(experiment(batch_size="auto"), point_at(None))
    assert (found.batch_size, found.automatic) == (experiment().batch_size, ())


def test_a_batch_that_the_data_do_not_fill_is_where_nothing_begins() -> None:
    """32 of 20 samples would not make a step: with auto that is no error."""
    found, _ = taken(experiment(batch_size="auto"), None, samples=20)
    assert found.batch_size == 2
    assert found.automatic == ("batch_size",)


def test_a_batch_is_chosen_for_what_an_epoch_takes() -> None:
    """Of 1000 samples with a ratio there are 20."""
    wanted = experiment(batch_size="auto", overrides="Train.dataset.ratio_list=[0.02]")
    assert taken(wanted, None, samples=1000)[0].batch_size == 2


@pytest.mark.parametrize(
    ("launch", "per_batch"),
    [({}, 16), ({"learning_rate": "0.01"}, None), ({"overrides": "Optimizer.lr.learning_rate=0.01"}, None)],
)
def test_the_users_own_rate_is_never_scaled(launch: dict[str, str], per_batch: int | None) -> None:
    """The experiment's is for its batch."""
    found, _ = taken(experiment(batch_size="auto", **launch), None, samples=20)
    assert found.rate_batch == per_batch
