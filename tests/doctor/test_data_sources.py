"""Each source of mixed data is looked at by itself; what an epoch takes is said where all are known."""

from __future__ import annotations

from pathlib import Path

from ocr_train.config.experiment import EXPERIMENTS, Experiment, load_experiment
from ocr_train.config.parameters import Launch
from ocr_train.doctor.data_sample import DataFound
from ocr_train.doctor.data_sources import join_found, look_at_source
from ocr_train.doctor.rows import OK, PROBLEM, CheckRow
from ocr_train.doctor.trial import TrialResult, estimate_rows
from tests.s3 import Prefix


def looked_at(experiment: Experiment, work: Path) -> tuple[list[CheckRow], list[DataFound | None]]:
    """All rows of the sources, and what was found in each."""
    rows: list[CheckRow] = []
    found: list[DataFound | None] = []
    for number, source in enumerate(experiment.sources):
        some, one = look_at_source(experiment.data_request, source, work / str(number), lambda _: None)
        rows += some
        found.append(one)
    return rows, found


def test_a_folder_and_s3_are_looked_at_and_counted(data: Path, prefix: Prefix, tmp_path: Path) -> None:
    """Of others than the first all samples are trained on where no label file is for validation."""
    for path in data.rglob("*"):
        if path.is_file() and path.name != "val.txt":
            prefix.put(path.relative_to(data).as_posix(), path.read_bytes())
    experiment = load_experiment(Launch(model="rec", data=f"{data}, {prefix.uri} 0.25"), EXPERIMENTS)
    rows, found = looked_at(experiment, tmp_path)
    assert {row.status for row in rows} == {OK}, rows
    joined = join_found(experiment.sources, [one for one in found if one])
    assert (joined.train, joined.val, joined.parts) == (32, 4, (16, 16))
    name = prefix.uri.rpartition("/")[2]
    assert joined.rows[0].found == f"an epoch takes about 16 of 16 from words and 4 of 16 from {name}"


def test_a_source_that_is_not_there_is_a_problem_of_its_own(data: Path, tmp_path: Path) -> None:
    """The others are looked at, too."""
    launch = Launch(model="rec", data=f"{tmp_path / 'none'}, {data} 0.5")
    rows, found = looked_at(load_experiment(launch, EXPERIMENTS), tmp_path / "work")
    assert [row.status for row in rows] == [PROBLEM, OK]
    assert str(tmp_path / "none") in rows[0].found
    assert len(found) == 2


def test_time_is_that_of_the_samples_that_an_epoch_takes() -> None:
    """A quarter of the second source."""
    experiment = load_experiment(
        Launch(model="rec", data="/own, /general 0.25", epochs="1", batch_size="4"), EXPERIMENTS
    )
    trial = TrialResult(seconds_per_sample=1.0, evaluation_s_per_sample=0.0, start_s=0.0, batch=4, steps=4)
    _, estimate = estimate_rows(
        experiment, trial, train=32, val=4, processes=1, machines=1, about=False, parts=(16, 16)
    )
    assert estimate is not None
    assert estimate.total_s == 20.0
