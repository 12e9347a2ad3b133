"""Who becomes champion: the better one on the same data, and nobody else."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ocr_train.errors import ConfigError, DataError
from ocr_train.models.metadata import parts_of, read_part, tags_of
from ocr_train.models.promotion import Decision, promote
from tests.builders import MLFLOW_WARNING
from tests.cli_run import command
from tests.commands import client
from tests.exported_models import exported_folder, run_with

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)
DIGESTS = {"det": "d" * 32, "rec": "e" * 32}


@pytest.fixture
def store(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client on an empty store, which is MLflow's own, too, with the registered model `ocr`."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store_folder / 'mlflow.db'}")
    monkeypatch.chdir(store_folder)
    store = client(f"sqlite:///{store_folder / 'mlflow.db'}")
    store.create_registered_model("ocr")
    return store


def version(store: Any, folder: Path, alias: str = "", **said: Any) -> str:
    """A version of `ocr` from a run of its own, whose tags say what its model.json did; the run's id."""
    run_id = run_with(store)
    part = read_part(exported_folder(folder / run_id, run_id=run_id, **said))
    made = store.create_model_version("ocr", f"s3://bucket/{run_id}", run_id=run_id, tags=tags_of([part]))
    if alias:
        store.set_registered_model_alias("ocr", alias, made.version)
    return run_id


def pair(store: Any, folder: Path, alias: str = "", *, hmean: float, acc: float) -> str:
    """A version of a detection and a recognition together; the detection's run."""
    runs = {task: run_with(store, task=task) for task in DIGESTS}
    values = {"det": {"hmean": hmean}, "rec": {"acc": acc}}
    parts = [
        read_part(
            exported_folder(
                folder / runs[task],
                task,
                run_id=runs[task],
                metrics=values[task],
                dataset_digest=DIGESTS[task],
                checkpoint_sha256=f"{task}-{values[task]}",
            )
        )
        for task in DIGESTS
    ]
    made = store.create_model_version(
        "ocr", f"s3://bucket/{runs['det']}", run_id=runs["det"], tags=tags_of(parts)
    )
    if alias:
        store.set_registered_model_alias("ocr", alias, made.version)
    return runs["det"]


def champion(store: Any) -> str:
    """The version that is champion."""
    return str(store.get_model_version_by_alias("ocr", "champion").version)


def test_without_a_champion_the_alias_moves(store: Any, tmp_path: Path) -> None:
    """The first one is the best so far."""
    run_id = version(store, tmp_path, metrics={"hmean": 0.1})
    decision = promote(store, run_id, metric="best/hmean")
    assert (decision.moved, decision.version, decision.champion) == (True, "1", "")
    assert champion(store) == "1"


@pytest.mark.parametrize(
    ("before", "after", "moves"),
    [
        (0.5, 0.6, True),
        (0.5, 0.4, False),
        (0.5, 0.5, False),
        (0.5, math.nan, False),
        (math.nan, 0.1, True),
        (math.nan, math.nan, False),
    ],
)
def test_only_the_better_one_wins(
    store: Any, tmp_path: Path, before: float, after: float, moves: bool
) -> None:
    """A tie does not, and NaN never does."""
    version(store, tmp_path, "champion", metrics={"hmean": before})
    run_id = version(store, tmp_path, metrics={"hmean": after})
    decision = promote(store, run_id, metric="best/hmean")
    assert decision.moved is moves
    assert decision.why
    assert champion(store) == ("2" if moves else "1")


def test_nan_does_not_win_where_there_is_no_champion(store: Any, tmp_path: Path) -> None:
    """A model that diverged is no champion."""
    run_id = version(store, tmp_path, metrics={"hmean": math.nan})
    assert not promote(store, run_id, metric="best/hmean").moved


def test_other_data_is_refused(store: Any, tmp_path: Path) -> None:
    """A better figure on easier data says nothing."""
    version(store, tmp_path, "champion", metrics={"hmean": 0.1}, dataset_digest="other")
    run_id = version(store, tmp_path, metrics={"hmean": 0.9})
    with pytest.raises(DataError, match="measured on other data"):
        promote(store, run_id, metric="best/hmean")
    assert champion(store) == "1"


def test_more_training_data_are_no_other_data(store: Any, tmp_path: Path) -> None:
    """A team labels more each time, and measures on the same samples; another validation set is other data."""
    alike = {"val_digest": "f" * 32, "dataset_digest": "of before"}
    version(store, tmp_path, "champion", metrics={"hmean": 0.1}, **alike)
    run_id = version(store, tmp_path, metrics={"hmean": 0.9}, val_digest="f" * 32)
    assert promote(store, run_id, metric="best/hmean").moved
    other = version(store, tmp_path, metrics={"hmean": 0.95}, val_digest="0" * 32)
    with pytest.raises(DataError, match="measured on other data"):
        promote(store, other, metric="best/hmean")


def test_another_task_is_refused(store: Any, tmp_path: Path) -> None:
    """Whoever serves the champion expects its columns."""
    version(store, tmp_path, "champion", task="rec", metrics={"hmean": 0.1})
    run_id = version(store, tmp_path, metrics={"hmean": 0.9})
    with pytest.raises(DataError, match="a model of rec, this one of det"):
        promote(store, run_id, metric="best/hmean")


def test_a_champion_whose_run_is_gone_is_compared_all_the_same(store: Any, tmp_path: Path) -> None:
    """Its version says how good it was."""
    gone = version(store, tmp_path, "champion", metrics={"hmean": 0.5})
    store.delete_run(gone)
    better = version(store, tmp_path, metrics={"hmean": 0.6})
    assert promote(store, better, metric="best/hmean").moved


def test_a_champion_that_nothing_is_known_of_is_not_overthrown(store: Any, tmp_path: Path) -> None:
    """Somebody registered it by hand, and its run is no more."""
    made = store.create_model_version("ocr", "s3://bucket/x", run_id="0" * 32)
    store.set_registered_model_alias("ocr", "champion", made.version)
    run_id = version(store, tmp_path, metrics={"hmean": 0.9})
    with pytest.raises(DataError, match="its run is deleted"):
        promote(store, run_id, metric="best/hmean")


def test_a_champion_without_tags_is_asked_of_its_run(store: Any, tmp_path: Path) -> None:
    """It was registered by hand, and the run has task, digest and metric."""
    made = store.create_model_version("ocr", "s3://bucket/x", run_id=run_with(store, hmean=0.95))
    store.set_registered_model_alias("ocr", "champion", made.version)
    run_id = version(store, tmp_path, metrics={"hmean": 0.9})
    decision = promote(store, run_id, metric="best/hmean")
    assert (decision.moved, decision.champion_value) == (False, 0.95)


def test_a_metric_of_evaluate_is_the_runs(store: Any, tmp_path: Path) -> None:
    """What was measured later is on the run, not on the version."""
    runs = [version(store, tmp_path, alias) for alias in ("champion", "")]
    for run_id, value in zip(runs, (0.3, 0.7), strict=True):
        store.log_metric(run_id, "evaluate/hmean", value)
    assert (
        promote(store, runs[1], metric="evaluate/hmean").why
        == "evaluate/hmean 0.7000 against 0.3000: better."
    )


@pytest.mark.parametrize("metric", ["train/loss", "best/loss", "a/b/c", ""])
def test_what_is_better_when_smaller_is_refused(store: Any, metric: str) -> None:
    """It would promote the worst."""
    with pytest.raises(ConfigError, match="greater"):
        promote(store, "0" * 32, metric=metric)


def test_a_metric_that_the_model_does_not_have_is_named(store: Any, tmp_path: Path) -> None:
    """With those that it has."""
    with pytest.raises(ConfigError, match="no metric 'acc'") as caught:
        promote(store, version(store, tmp_path), metric="best/acc")
    assert caught.value.hint == "It has: fps, hmean."


@pytest.mark.parametrize(
    ("hmean", "acc", "moves"), [(0.6, 0.5, True), (0.6, 0.7, True), (0.6, 0.4, False), (0.4, 0.9, False)]
)
def test_a_pair_wins_only_where_its_other_part_is_not_worse(
    store: Any, tmp_path: Path, hmean: float, acc: float, moves: bool
) -> None:
    """Better boxes do not pay for worse texts."""
    pair(store, tmp_path, "champion", hmean=0.5, acc=0.5)
    decision = promote(store, pair(store, tmp_path, hmean=hmean, acc=acc), metric="best/hmean")
    assert decision.moved is moves


def test_tags_say_what_model_json_said(tmp_path: Path) -> None:
    """Of both parts, NaN included."""
    parts = [
        read_part(
            exported_folder(tmp_path / task, task, run_id=task, metrics={"hmean": math.nan, "acc": 0.25})
        )
        for task in ("det", "rec")
    ]
    back = parts_of(tags_of(parts))
    assert [(one.task, one.run_id, one.step, one.dataset_digest) for one in back] == [
        (one.task, one.run_id, one.step, one.dataset_digest) for one in parts
    ]
    assert back[1].value == 0.25
    assert math.isnan(back[0].metrics["hmean"])


def test_the_command_says_what_it_did(store: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In words and as JSON; not better is no failure, other data is."""
    first = version(store, tmp_path, metrics={"hmean": 0.5})
    done = command(capsys, "promote", first, "--if-better", "best/hmean", "--json", "-")
    assert (done.code, done.json["moved"], done.json["champion_value"]) == (0, True, "nan")
    assert "ocr version 1 is champion now" in done.err
    again = command(capsys, "promote", first, "--if-better", "best/hmean")
    assert (again.code, again.out.split(":")[0]) == (0, "ocr version 1 stays champion")
    worse = version(store, tmp_path, metrics={"hmean": 0.4})
    done = command(capsys, "promote", worse, "--if-better", "best/hmean", "--name", "ocr")
    assert (done.code, "nothing was moved" in done.out) == (0, True)
    other = version(store, tmp_path, metrics={"hmean": 0.9}, dataset_digest="other")
    done = command(capsys, "promote", other, "--if-better", "best/hmean")
    assert (done.code, "not promoted" in done.err) == (3, True)
    unregistered = run_with(store)
    done = command(capsys, "promote", unregistered, "--if-better", "best/hmean")
    assert (done.code, f"register {unregistered} --name" in done.err) == (2, True)


def test_a_decision_as_json_has_no_nan() -> None:
    """JSON has none."""
    decision = Decision(moved=False, why="", name="ocr", alias="champion", version="1")
    assert decision.to_json()["value"] == "nan"
