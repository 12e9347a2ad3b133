"""`tune` and `auto` from the command line to what they leave: the trainer is a stand-in whose speeds a table has."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.commands import none_of, ocr_train_here, only_run, store, train_arguments

COSTS = {
    # batch/workers: seconds of a step, those that wait for data
    "2/0": [0.5, 0.0],
    "2/1": [0.5, 0.0],
    "4/0": [0.9, 0.5],
    "4/1": [0.8, 0.1],
    "8/0": [1.4, 0.7],
    "8/1": [0.8, 0.02],
}
ENV = {
    "SCRIPTED_COSTS": json.dumps(COSTS),
    "SCRIPTED_STEPS": "24",
    "SCRIPTED_PAUSE_S": "0",
    "SCRIPTED_RANGE": "1",
}
WORKERS = "Train.loader.num_workers"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough samples for eight steps of eight."""
    from ocr_train.data.demo.demo_set import DemoSpec, make_demo

    folder = tmp_path_factory.mktemp("data") / "words"
    make_demo(folder, DemoSpec(task="rec", train=64, val=4))
    return folder


def arguments(command: str, data: Path, *more: str) -> list[str]:
    """A launch of the stand-in with one worker, on a batch of 4."""
    words = train_arguments(data, *more)
    place = words.index("--overrides") + 1
    words[place] = f"{words[place]} {WORKERS}=1" if "--num-workers" not in more else words[place]
    return [command, *words[1:]]


def test_tune_says_what_to_set_and_with_which_command(tmp_path: Path, words: Path) -> None:
    """The batch that is faster, the rate of the range test, a command with both, a picture; no run and no process is left."""
    env = {**ENV, "SCRIPTED_STEPS": "300"}
    done = ocr_train_here(
        *arguments("tune", words, "--json", "answer.json", "--batch-sizes", "4,8"), cwd=tmp_path, env=env
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    assert (answer["before"], answer["chosen"]) == (
        {"batch": 4, "workers": 1},
        {"batch": 8, "workers": 1},
    )
    assert answer["set"]["batch_size"] == "8"
    # The stand-in's loss falls most at 0.001, is lowest at 0.02 and lost at 0.1.
    assert 5e-4 < float(answer["set"]["learning_rate"]) < 0.02
    assert "--batch-size 8 --learning-rate" in answer["command"]
    assert answer["epoch_s"]["chosen"] < answer["epoch_s"]["before"]
    assert sorted(path.name for path in (tmp_path / "tune").iterdir()) == [
        *("learning_rate.png", "speed.png", "tune.json")
    ]
    assert not (tmp_path / "mlflow.db").exists()
    assert [path.name for path in (tmp_path / "outputs").iterdir() if path.name != "cache"] == []
    assert none_of(tmp_path)


def test_auto_is_measured_once_remembered_and_kept_on_a_resume(
    store_folder: Path, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start measures, the second need not, a resume must not: its steps are those of the run before."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    auto = ("--batch-size", "auto", "--num-workers", "auto")
    launch = arguments("train", words, *auto, "--epochs", "1", "--export", "false")
    first = ocr_train_here(*launch, cwd=store_folder, env=ENV)
    assert first.returncode == 0, first.stdout + first.stderr
    run = only_run(store(store_folder))
    assert run.data.tags["auto/batch_size"] == run.data.params["cfg/Train.loader.batch_size_per_card"] == "8"
    assert run.data.tags["auto/num_workers"] == run.data.params[f"cfg/{WORKERS}"] == "1"
    assert run.data.params["batch_size"] == "auto"
    assert run.data.tags["auto/how"].startswith("measured in")
    # The experiment's own rate is for its batch of 256, and smaller by the root for a smaller one: Adam.
    assert "for batches of 256, scaled to 8" in first.stdout

    again = ocr_train_here(*launch, cwd=store_folder, env=ENV)
    assert "on a machine like this one" in again.stdout
    assert "short trainings" not in again.stdout

    shutil.rmtree(store_folder / "outputs" / "cache" / "tuning")
    resumed = ocr_train_here(*launch, "--epochs", "2", "--resume", run.info.run_id, cwd=store_folder, env=ENV)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "not measured again" in resumed.stdout
    newest = only_run(store(store_folder))
    assert newest.data.params["cfg/Train.loader.batch_size_per_card"] == "8"
    assert "Train.loader" not in newest.data.tags.get("param_drift", "")


@pytest.mark.parametrize(
    ("options", "words_of_it"),
    [
        (
            ("--nodes", "10.0.0.1,10.0.0.2", "--batch-size", "auto"),
            "batch_size=auto: several machines need a number",
        ),
        (("--num-workers", "auto", "--overrides", f"{WORKERS}=2"), "give one"),
        (("--num-workers", "-1"), "num_workers: '-1' is too small"),
    ],
)
def test_what_auto_cannot_mean_is_said_at_once(
    tmp_path: Path, options: tuple[str, ...], words_of_it: str
) -> None:
    """Exit 2, before anything is fetched or measured."""
    done = ocr_train_here("train", "--model", "rec", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert words_of_it in done.stderr
