"""Whole runs that are interrupted and go on: what is in MLflow and in S3 afterwards, point by point.

The trainer is a stand-in (tests/scripted_paddleocr); stores, data and signals are real. The command line runs in this
process; that a process of its own ends and goes on in the same way is in test_run.py and test_paddleocr.py.
"""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ocr_train.server.serve import ServerAddress
from tests.commands import (
    all_runs,
    artifacts,
    client,
    copy_store,
    ocr_train_here,
    ocr_train_here_until,
    only_run,
    points,
    store,
    train_arguments,
)
from tests.servers import bucket_keys

pytestmark = pytest.mark.slow
SCORES = {"SCRIPTED_SCORES": "0.1,0.5,0.2,0.4,0.3,0.3"}


def stopped(folder: Path, data: Path, *, epoch: int = 3, more: tuple[str, ...] = ()) -> str:
    """The id of a run that was stopped two steps into `epoch`: its newest checkpoint is that of the one before."""

    step = 4 * (epoch - 1) + 2

    def seen() -> bool:
        return any(f"global_step: {step}," in path.read_text() for path in folder.glob("outputs/*/train.log"))

    env = {"SCRIPTED_HOLD": str(step), **SCORES}
    done = ocr_train_here_until(seen, signal.SIGTERM, *train_arguments(data, *more), cwd=folder, env=env)
    assert done.returncode == 143, done.stdout
    run = only_run(store(folder))
    assert run.info.status == "KILLED"
    return str(run.info.run_id)


def go_on(folder: Path, data: Path, *more: str) -> Any:
    """The newest run after another launch, which ends well."""
    done = ocr_train_here(*train_arguments(data, *more), cwd=folder, env=SCORES)
    assert done.returncode == 0, done.stdout + done.stderr
    return only_run(store(folder))


def document(folder: Path, run_id: str, path: str) -> Any:
    """A JSON artifact."""
    return json.loads(
        Path(client(store(folder)).download_artifacts(run_id, path, str(folder / "got_"))).read_text()
    )


@pytest.fixture
def folder(store_folder: Path) -> Path:
    """A folder with an empty tracking store."""
    (store_folder / "got_").mkdir()
    return store_folder


@dataclass(frozen=True)
class Stopped:
    """A run that was stopped in its third epoch, and the folder that it was started in."""

    folder: Path
    run_id: str


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory, _store_template: Path, data: Path) -> Stopped:
    """The run that most tests go on with, as it was; nobody changes its folder."""
    home = tmp_path_factory.mktemp("stopped") / "home"
    (home / "got_").mkdir(parents=True)
    copy_store(_store_template, home)
    run_id = stopped(home, data)
    return Stopped(home.rename(home.with_name("kept")), run_id)


@pytest.fixture
def interrupted(stopped_once: Stopped, tmp_path: Path) -> Stopped:
    """A copy of it in the very place where it was stopped: a store names its files by absolute paths."""
    home = stopped_once.folder.with_name("home")
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(stopped_once.folder, home)
    # MLflow keeps what it has opened by address: each test has an address of its own.
    (tmp_path / "home").symlink_to(home)
    return Stopped(tmp_path / "home", stopped_once.run_id)


def test_the_run_itself_goes_on(interrupted: Stopped, data: Path) -> None:
    """resume_mode=same: one run, RUNNING again and FINISHED, every step once, nothing of its end left."""
    folder, first = interrupted.folder, interrupted.run_id
    before = points(store(folder), first, "train/loss")
    assert [step for step, _ in before][:10] == list(range(1, 11))
    run = go_on(folder, data, "--resume", first, "--resume-mode", "same", "--learning-rate", "0.0001")
    assert run.info.run_id == first
    assert len(all_runs(store(folder))) == 1
    assert run.info.status == "FINISHED"
    assert "failure_reason" not in run.data.tags
    after = points(store(folder), first, "train/loss")
    assert [step for step, _ in after] == list(range(1, 17))
    assert after[: len(before)] == before
    assert points(store(folder), first, "eval/acc") == [(4, 0.1), (8, 0.5), (12, 0.2), (16, 0.4)]
    assert points(store(folder), first, "best/acc") == [(4, 0.1), (8, 0.5)]
    system = [step for step, _ in points(store(folder), first, "system/cpu_utilization_percentage")]
    assert system == list(range(len(system)))
    assert run.data.params["cfg/Optimizer.lr.learning_rate"] == "0.0005"
    assert "Optimizer.lr.learning_rate 0.0005 -> 0.0001" in run.data.tags["param_drift"]
    assert run.data.tags["resumed_from_step"] == "8"
    assert document(folder, first, "checkpoints/best.json")["step"] == 8
    assert document(folder, first, "checkpoints/latest.json")["step"] == 16


def test_checkpoints_of_before_survive_in_a_run_that_goes_on(interrupted: Stopped, data: Path) -> None:
    """Other configuration bytes under the same name do not take their place: an old set is still whole."""
    folder, first = interrupted.folder, interrupted.run_id
    go_on(folder, data, "--resume", "latest", "--resume-mode", "same")
    run = go_on(folder, data, "--resume", f"{first}:best", "--epochs", "5")
    assert "resumed_from" in run.data.tags
    assert run.data.tags["resumed_from_step"] == "8"
    assert "resume_passed_over" not in run.data.tags


def test_the_log_of_a_run_that_goes_on_elsewhere_is_one_log(interrupted: Stopped, data: Path) -> None:
    """On another machine the run's folder is not there: the log's beginning is brought."""
    folder, first = interrupted.folder, interrupted.run_id
    shutil.rmtree(folder / "outputs")
    go_on(folder, data, "--resume", first, "--resume-mode", "same")
    path = client(store(folder)).download_artifacts(first, "logs/train.log", str(folder / "got_"))
    log = Path(path).read_text()
    assert log.count("train from scratch") == 1
    assert log.count("resume from") == 1
    assert [step for step, _ in points(store(folder), first, "train/loss")] == list(range(1, 17))


def test_a_linked_run_goes_on(interrupted: Stopped, data: Path) -> None:
    """The default: a run of its own whose steps follow, with what has changed and the best of both."""
    folder, first = interrupted.folder, interrupted.run_id
    run = go_on(folder, data, "--resume", first, "--learning-rate", "0.0001", "--seed", "7")
    second = run.info.run_id
    assert second != first
    assert run.data.tags["resumed_from"] == first
    assert "mlflow.parentRunId" not in run.data.tags
    assert [step for step, _ in points(store(folder), second, "train/loss")] == list(range(9, 17))
    changed = document(folder, second, "config/param_drift.json")["changed"]
    assert changed == {
        "Global.seed": {"old": 0, "new": 7},
        "Optimizer.lr.learning_rate": {"old": 0.0005, "new": 0.0001},
    }
    best = document(folder, second, "checkpoints/best.json")
    assert (best["run_id"], best["step"]) == (first, 8)
    third = go_on(folder, data, "--resume", f"{second}:best", "--epochs", "6")
    assert (third.data.tags["resumed_from"], third.data.tags["resumed_from_step"]) == (first, "8")
    assert client(store(folder)).get_run(first).info.status == "KILLED"


def test_without_a_server_training_goes_on_from_a_path(tmp_path: Path, data: Path) -> None:
    """offline=true twice, the server's address leading nowhere: the summary's own words are what is typed."""
    env = {**SCORES, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    offline = ("--offline", "true")
    first = ocr_train_here(*train_arguments(data, *offline, "--epochs", "2"), cwd=tmp_path, env=env)
    assert first.returncode == 0, first.stdout + first.stderr
    (home,) = tmp_path.glob("outputs/*/artifacts/checkpoints/step_00000008")
    assert f"--resume {home}" in first.stdout
    second = ocr_train_here(*train_arguments(data, *offline, "--resume", str(home)), cwd=tmp_path, env=env)
    assert second.returncode == 0, second.stdout + second.stderr
    (journal,) = [path for path in tmp_path.glob("outputs/*/journal.jsonl") if path.parent != home.parents[2]]
    records = [json.loads(line) for line in journal.read_text().splitlines() if line]
    assert [one["step"] for one in records if one["key"] == "train/loss"] == list(range(9, 17))
    assert {"resumed_from_step"} <= {one["key"] for one in records}


@pytest.mark.parametrize("mode", ["new", "same"])
def test_auto_is_what_a_spot_instance_needs(folder: Path, data: Path, mode: str) -> None:
    """The same command each time: afresh, then on with what was interrupted, then afresh, because that is done."""
    command = ("--resume", "auto", "--resume-mode", mode)
    first = stopped(folder, data, more=command)
    assert "resumed_from" not in client(store(folder)).get_run(first).data.tags
    second = go_on(folder, data, *command)
    assert (second.info.run_id == first) == (mode == "same")
    assert second.data.tags["resumed_from"] == first
    assert [step for step, _ in points(store(folder), second.info.run_id, "train/loss")][-1] == 16
    third = go_on(folder, data, *command)
    assert third.info.run_id not in (first, second.info.run_id)
    assert "resumed_from" not in third.data.tags
    assert not list((folder / "outputs").glob(".starting*"))


@pytest.mark.parametrize("change", [("--learning-rate", "0.01"), ("--seed", "5")])
def test_auto_leaves_other_configurations_alone(
    interrupted: Stopped, data: Path, change: tuple[str, str]
) -> None:
    """Another learning rate is another training; another seed, too."""
    folder = interrupted.folder
    run = go_on(folder, data, "--resume", "auto", *change)
    assert "resumed_from" not in run.data.tags
    assert points(store(folder), run.info.run_id, "train/loss")[0][0] == 1


def test_weights_only_is_a_new_training(interrupted: Stopped, data: Path) -> None:
    """Steps and epochs from 0, the weights as Global.pretrained_model, nothing of the old best."""
    folder, first = interrupted.folder, interrupted.run_id
    run = go_on(folder, data, "--resume", first, "--weights-only", "true")
    assert run.data.tags["weights_from"] == first
    assert "resumed_from" not in run.data.tags
    assert run.data.params["cfg/Global.checkpoints"] in ("", "None")
    assert run.data.params["cfg/Global.pretrained_model"].endswith("/resume/model")
    assert [step for step, _ in points(store(folder), run.info.run_id, "train/loss")] == list(range(1, 17))
    assert "run_id" not in document(folder, run.info.run_id, "checkpoints/best.json")


def test_another_dictionary_is_found_before_training(interrupted: Stopped, data: Path) -> None:
    """The first difference is named by line and character; the run is FAILED and trained nothing."""
    folder, first = interrupted.folder, interrupted.run_id
    other = folder / "other"
    shutil.copytree(data, other)
    path = client(store(folder)).download_artifacts(first, "checkpoints/dict.txt", str(folder / "got_"))
    characters = Path(path).read_text(encoding="utf-8").splitlines()
    swapped = [*characters[:10], characters[11], characters[10], *characters[12:]]
    (other / "dict.txt").write_text("\n".join(swapped) + "\n", encoding="utf-8")
    done = ocr_train_here(*train_arguments(other, "--resume", first), cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"line 11: {characters[10]!r} there, {characters[11]!r} here" in done.stderr
    run = only_run(store(folder))
    assert run.info.status == "FAILED"
    assert points(store(folder), run.info.run_id, "train/loss") == []


def test_another_architecture_is_found_before_training(interrupted: Stopped, data: Path) -> None:
    """The key is named with both values."""
    folder, first = interrupted.folder, interrupted.run_id
    words = "Global.save_epoch_step=2 Architecture.Neck.hidden_size=48"
    done = ocr_train_here(*train_arguments(data, "--resume", first, "--overrides", words), cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Architecture.Neck.hidden_size is 96 in the checkpoint, 48 here" in done.stderr


def test_a_damaged_newest_checkpoint_is_passed_over_and_that_is_said(
    interrupted: Stopped, data: Path
) -> None:
    """One flipped byte: the one before it, on the terminal and as a tag."""
    folder, first = interrupted.folder, interrupted.run_id
    home = client(store(folder)).get_run(first).info.artifact_uri.removeprefix("file://")
    weights = Path(home) / "checkpoints/step_00000008/model.pdparams"
    content = weights.read_bytes()
    weights.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    done = ocr_train_here(*train_arguments(data, "--resume", first), cwd=folder, env=SCORES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "step_00000008/model.pdparams is damaged" in done.stdout
    run = only_run(store(folder))
    assert run.data.tags["resumed_from_step"] == "4"
    assert "step_00000008" in run.data.tags["resume_passed_over"]
    assert "checkpoints/step_00000016/manifest.json" in artifacts(store(folder), run.info.run_id)


def newest(mlflow: Any, experiment: str) -> Any:
    """The newest run of the experiment."""
    return mlflow.search_runs([experiment], order_by=["attributes.start_time DESC"])[0]


def test_a_checkpoint_in_s3_and_a_registered_one(tmp_path: Path, data: Path, servers: ServerAddress) -> None:
    """By the address of its folder in the bucket, and by the alias of a model whose source it is."""
    env = {**servers.env(), **SCORES, "MLFLOW_EXPERIMENT_NAME": "resume-from-s3"}
    arguments = train_arguments(data, "--epochs", "2")
    done = ocr_train_here(*arguments, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    mlflow = client(servers.tracking_uri)
    experiment = mlflow.get_experiment_by_name("resume-from-s3").experiment_id
    first = newest(mlflow, experiment).info
    key = next(
        key
        for key in bucket_keys(servers)
        if key.endswith(f"{first.run_id}/artifacts/checkpoints/latest.json")
    )
    folder = f"s3://{servers.bucket}/{key.removesuffix('latest.json')}step_00000008"
    mlflow.create_registered_model("words")
    source = f"{first.artifact_uri}/checkpoints/step_00000008"
    version = mlflow.create_model_version("words", source, first.run_id).version
    mlflow.set_registered_model_alias("words", "good", version)
    for address, origin in ((folder, folder), ("models:/words@good", first.run_id)):
        done = ocr_train_here(*train_arguments(data, "--resume", address), cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        run = newest(mlflow, experiment)
        assert (run.data.tags["resumed_from"], run.data.tags["resumed_from_step"]) == (origin, "8")
        loss = points(servers.tracking_uri, run.info.run_id, "train/loss")
        assert [step for step, _ in loss] == list(range(9, 17))
