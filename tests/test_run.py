"""Whole runs through the command line with a scripted trainer: what is in MLflow afterwards, point by point.

The trainer is a stand-in (tests/scripted_paddleocr); the MLflow store and the data are real. Where the process is the
point, as in a stop, the command has one of its own; otherwise it runs in that of the tests.
"""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from tests.commands import (
    artifacts,
    client,
    none_of,
    ocr_train,
    ocr_train_here,
    ocr_train_until,
    only_run,
    points,
    store,
    train_arguments,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one finished run."""
    folder = tmp_path_factory.mktemp("finished")
    done = ocr_train(*train_arguments(data), cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FINISHED" in done.stdout
    return folder


def test_every_printed_number_is_in_mlflow_at_its_step(finished: Path) -> None:
    """16 progress lines and 4 evaluations give 16 and 4 points, at the trainer's global steps."""
    run_id = only_run(store(finished)).info.run_id
    loss = points(store(finished), run_id, "train/loss")
    assert [step for step, _ in loss] == list(range(1, 17))
    assert loss[0][1] == 10.0
    assert points(store(finished), run_id, "eval/acc") == [(4, 0.1), (8, 0.3), (12, 0.2), (16, 0.4)]
    assert points(store(finished), run_id, "best/acc") == [(4, 0.1), (8, 0.3), (16, 0.4)]
    assert points(store(finished), run_id, "usage/eta_s")[0] == (1, 9.0)


def test_run_says_what_it_was(finished: Path) -> None:
    """Status, tags, resolved configuration as params and artifact, dataset, whole log and last lines."""
    run = only_run(store(finished))
    assert run.info.status == "FINISHED"
    assert run.data.params["cfg/Global.epoch_num"] == "4"
    assert run.data.params["cfg/Optimizer.lr.learning_rate"] == "0.0005"
    assert run.data.tags["model"] == "rec_mv3_none_bilstm_ctc"
    assert run.data.tags["device"] == "cpu"
    assert run.inputs.dataset_inputs[0].dataset.digest == run.data.tags["dataset_digest"]
    files = artifacts(store(finished), run.info.run_id)
    assert {"config/config.yml", "config/experiment.yaml", "logs/train.log", "logs/last_lines.txt"} <= set(
        files
    )
    assert any(key.startswith("system/cpu") for key in run.data.metrics)


def test_a_run_says_how_many_validation_samples_are_trained_on(data: Path, tmp_path: Path) -> None:
    """With leaks=keep the score is too good, and the run has the number; else it is 0."""
    leaky = shutil.copytree(data, tmp_path / "leaky")
    held = (leaky / "val.txt").read_text(encoding="utf-8").splitlines()
    trained = (leaky / "train.txt").read_text(encoding="utf-8").splitlines()
    (leaky / "val.txt").write_text("\n".join([*held, trained[0], f"./{trained[1]}"]) + "\n", encoding="utf-8")
    done = ocr_train_here(*train_arguments(leaky, "--leaks", "keep"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of " in done.stdout
    assert "the scores are too good, and the run says so" in done.stdout
    assert only_run(store(tmp_path)).data.params["data/leaked_val_samples"] == "2"


def test_a_training_that_gets_no_better_is_finished_and_keeps_its_best(data: Path, tmp_path: Path) -> None:
    """The trainer would go on for an hour; the run says why it ended, and its best checkpoint is that of the best epoch."""
    done = ocr_train_here(
        *train_arguments(data, "--epochs", "1000", "--patience", "2"),
        cwd=tmp_path,
        env={"SCRIPTED_SCORES": "0.1,0.3,0.2", "SCRIPTED_PAUSE_S": "0.05"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = only_run(store(tmp_path))
    assert (run.info.status, run.data.tags["stop_reason"]) == ("FINISHED", "early_stop")
    assert "better than 0.3000 in 2 evaluations" in run.data.tags["stop_explanation"]
    assert "failure_reason" not in run.data.tags
    path = client(store(tmp_path)).download_artifacts(run.info.run_id, "checkpoints/best.json", str(tmp_path))
    assert json.loads(Path(path).read_text())["step"] == 8


def test_checkpoints_are_artifacts_by_step_without_stored_twins(finished: Path) -> None:
    """Four steps, one set each although best, latest and iter_epoch were saved; aliases name the right ones."""
    run_id = only_run(store(finished)).info.run_id
    files = artifacts(store(finished), run_id, "checkpoints")
    weights = [path for path in files if path.endswith(".pdparams")]
    assert set(weights) >= {f"checkpoints/step_{step:08d}/model.pdparams" for step in (4, 8, 16)}
    assert len(weights) == len({path.split("/")[1] for path in weights})
    path = client(store(finished)).download_artifacts(run_id, "checkpoints/best.json", str(finished))
    assert json.loads(Path(path).read_text())["step"] == 16
    assert "checkpoints/step_00000008/manifest.json" in files


def test_resumed_run_goes_on_at_the_next_step(finished: Path, data: Path) -> None:
    """The trainer counts from 1 again; MLflow shows 17 and on, the best stays, and the origin is named."""
    first = only_run(store(finished))
    done = ocr_train(
        *train_arguments(data, "--resume", first.info.run_id, "--epochs", "6"),
        cwd=finished,
        env={"SCRIPTED_SCORES": "0.1,0.3,0.2,0.4,0.05,0.06"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    second = only_run(store(finished))
    run_id = second.info.run_id
    assert [step for step, _ in points(store(finished), run_id, "train/loss")] == list(range(17, 25))
    assert points(store(finished), run_id, "usage/epoch")[0] == (17, 5.0)
    assert second.data.tags["resumed_from"] == first.info.run_id
    assert second.data.tags["resumed_from_step"] == "16"
    assert points(store(finished), run_id, "best/acc") == []
    files = artifacts(store(finished), run_id, "checkpoints")
    assert "checkpoints/step_00000024/model.pdopt" in files
    path = client(store(finished)).download_artifacts(run_id, "checkpoints/best.json", str(finished))
    assert json.loads(Path(path).read_text())["run_id"] == first.info.run_id


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [
        ("no_images", "no_images", "No Images"),
        ("silent", "no_training", "no training step"),
        ("crash", "python_traceback", "RuntimeError"),
        ("cuda_oom", "cuda_oom", "batch_size"),
        ("kill", "trainer_killed", "SIGKILL"),
    ],
)
def test_failed_training_is_a_failed_run(
    store_folder: Path, data: Path, fault: str, reason: str, words: str
) -> None:
    """Whatever the exit code, the run is FAILED, says why, keeps the last lines, and the command exits 6."""
    done = ocr_train_here(*train_arguments(data), cwd=store_folder, env={"SCRIPTED_FAULT": fault})
    assert done.returncode == 6, done.stdout + done.stderr
    assert "Traceback" not in done.stderr.replace("  | Traceback", "")
    assert words in done.stderr
    run = only_run(store(store_folder))
    assert run.info.status == "FAILED"
    assert run.data.tags["failure_reason"] == reason
    assert "logs/last_lines.txt" in artifacts(store(store_folder), run.info.run_id, "logs")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_training_is_a_killed_run(
    store_folder: Path, data: Path, number: signal.Signals, code: int
) -> None:
    """Ctrl-C and SIGTERM end the trainer too; what was saved before is stored, and the run is KILLED."""

    def saved() -> bool:
        return any(store_folder.glob("outputs/*/trainer/iter_epoch_2.states"))

    done = ocr_train_until(
        saved, number, *train_arguments(data), cwd=store_folder, env={"SCRIPTED_PAUSE_S": "0.4"}
    )
    assert done.returncode == code, done.stdout
    run = only_run(store(store_folder))
    assert run.info.status == "KILLED"
    assert run.data.tags["failure_reason"] == ("interrupted" if number == signal.SIGINT else "terminated")
    assert "checkpoints/step_00000008/manifest.json" in artifacts(
        store(store_folder), run.info.run_id, "checkpoints"
    )
    assert none_of(store_folder)
