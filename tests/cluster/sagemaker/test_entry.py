"""The very entry of the image, run against folders laid out like /opt/ml.

One training is a real one. In the others the trainer is a stand-in (tests/scripted_paddleocr); the entry, its child, the
signals, the checkpoints and the MLflow store are real.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ocr_train.checkpoints.copies import note_run
from ocr_train.cluster.sagemaker import entry
from ocr_train.cluster.sagemaker.contract import Places, read_job
from ocr_train.cluster.sagemaker.entry import Surroundings, going_on, require_gpus, run_job
from ocr_train.cluster.sagemaker.plan import plan_job
from ocr_train.errors import SetupError
from ocr_train.tracking.artifacts import FolderArtifacts
from ocr_train.trainer.interpreter import Facts
from ocr_train.trainer.stop_signals import StopRequested
from tests.builders import snapshot_of, store_on
from tests.cluster.sagemaker.opt_ml import hosts, opt_ml
from tests.commands import (
    SCRIPTED,
    all_runs,
    client,
    copy_store,
    ocr_train,
    ocr_train_until,
    only_run,
    points,
    store,
)

SMALL = {
    "model": '"rec_mv3_none_bilstm_ctc"',
    "epochs": "4",
    "batch_size": "4",
    "overrides": "Global.save_epoch_step=1",
    "sample_images": "0",
    "evaluation_images": "0",
}
SCRIPTED_JOB = {**SMALL, "paddleocr": str(SCRIPTED), "export": "false"}
GPU_HOST = hosts(1, current_instance_type="ml.g5.xlarge")


def facts(**values: Any) -> Facts:
    """What an interpreter has."""
    plain: dict[str, Any] = {"python": "3.11", "paddle": "3.0.0", "cuda": False, "gpus": 0, "error": ""}
    return Facts(**{**plain, "roots": {}, "versions": {}, "names": (), **values})


def around(**changes: Any) -> Surroundings:
    """Surroundings without a GPU."""
    values: dict[str, Any] = {
        "environ": {"MLFLOW_TRACKING_URI": "http://mlflow:5000"},
        "echo": lambda text: None,
        "gpu_devices": lambda: 0,
        "probe": lambda python: facts(),
    }
    return Surroundings(**{**values, **changes})


def checkpoints_in(root: Path) -> list[str]:
    """The whole sets of the job's checkpoint folder."""
    return sorted(path.parent.name for path in root.glob("checkpoints/checkpoints/step_*/manifest.json"))


@pytest.mark.slow
def test_a_real_job_leaves_its_model_its_run_and_its_checkpoints(tmp_path: Path, data: Path) -> None:
    """Two channels in, an exported and checked model out; without a server the run is in the output, to be synced."""
    held = tmp_path / "held"
    held.mkdir()
    (held / "label.txt").write_text((data / "val.txt").read_text())
    (held / "label.txt").write_text((data / "val.txt").read_text())
    for name in {line.split("/")[0] for line in (data / "val.txt").read_text().splitlines()}:
        (held / name).symlink_to(data / name)
    trained = tmp_path / "trained"
    trained.mkdir()
    for path in data.iterdir():
        if path.name != "val.txt":
            (trained / path.name).symlink_to(path)
    root = opt_ml(
        tmp_path / "ml",
        {**SMALL, "epochs": "1"},
        channels={"train": trained, "validation": held},
        resources=hosts(1),
        spot=True,
    )
    done = ocr_train("sagemaker", "entry", "--root", root, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING: MLFLOW_TRACKING_URI is not set" in done.stdout
    assert "16 training and 4 validation samples" in done.stdout
    model = root / "model"
    assert {path.name for path in model.iterdir()} >= {"inference.pdiparams", "config.yml", "model.json"}
    told = json.loads((model / "model.json").read_text())
    (run,) = (root / "output/data/ocr-train").glob("*/run.json")
    assert json.loads(run.read_text())["status"] == "FINISHED"
    assert (told["model"], told["epoch"]) == ("rec_mv3_none_bilstm_ctc", 1)
    assert checkpoints_in(root) == ["step_00000004"]
    assert not (root / "output/failure").exists()
    assert not (root / "output/data/ocr-train/cache").exists()


def test_an_interrupted_spot_job_goes_on_from_its_last_whole_checkpoint(
    tmp_path: Path, data: Path, _store_template: Path
) -> None:
    """It writes into the run that its submitter made. SIGTERM: the trainer is stopped in time and what is finished is kept. The next start passes over a set that came
    back torn, and continues the same run: no second run, and no step logged twice."""
    copy_store(_store_template, tmp_path)
    submitted = client(store(tmp_path)).create_run("0").info.run_id
    server = {
        "MLFLOW_TRACKING_URI": store(tmp_path),
        "MLFLOW_RUN_ID": submitted,
        "OCR_TRAIN_OUTPUT": str(tmp_path / "first"),
    }
    root = opt_ml(tmp_path / "ml", SCRIPTED_JOB, channels={"train": data}, resources=hosts(1), spot=True)
    begun = time.monotonic()
    done = ocr_train_until(
        lambda: len(checkpoints_in(root)) >= 2,
        signal.SIGTERM,
        *("sagemaker", "entry", "--root", root),
        cwd=tmp_path,
        env={**server, "SCRIPTED_PAUSE_S": "0.2"},
    )
    assert (done.returncode, time.monotonic() - begun < 100) == (143, True), done.stdout
    assert not (root / "output/failure").exists()
    run = only_run(store(tmp_path))
    assert (run.info.run_id, run.info.status) == (submitted, "KILLED")

    newest = root / "checkpoints/checkpoints" / checkpoints_in(root)[-1]
    before = checkpoints_in(root)[-2]
    weights = newest / "model.pdparams"
    weights.write_bytes(weights.read_bytes()[:100])
    again = ocr_train(
        *("sagemaker", "entry", "--root", root),
        cwd=tmp_path,
        env={**server, "OCR_TRAIN_OUTPUT": str(tmp_path / "second")},
    )
    said = again.stdout + again.stderr
    assert again.returncode == 0, said
    step = int(before.removeprefix("step_"))
    assert f"this job was interrupted; it goes on from the checkpoint at step {step} in the run" in said
    assert f"{newest.name}: model.pdparams is torn" in said
    continued = only_run(store(tmp_path))
    assert (continued.info.run_id, continued.info.status) == (submitted, "FINISHED")
    assert len(all_runs(store(tmp_path))) == 1
    steps = [step for step, _ in points(store(tmp_path), run.info.run_id, "train/loss")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 16
    assert newest.name in checkpoints_in(root) or "step_00000016" in checkpoints_in(root)


def test_a_job_that_goes_on_leaves_what_it_began_with(tmp_path: Path) -> None:
    """A fine-tune from a run's weights goes on from its own checkpoint: `train` takes one of the two."""
    given = {"pretrained": f"runs:/{'a' * 32}", "weights_only": "true"}
    root = opt_ml(tmp_path, given, spot=True)
    store_on(FolderArtifacts(root / "checkpoints")).put(snapshot_of(tmp_path / "set"), step=10, epoch=1)
    note_run(root / "checkpoints", "b" * 32)
    said: list[str] = []
    here = around(echo=said.append)
    job = read_job(root)
    plan = plan_job(job, here.environ)
    launch = going_on(job, plan, plan.launch, here)
    assert (launch.resume, launch.resume_mode) == (str(root / "checkpoints"), "same")
    assert (launch.pretrained, launch.weights_only) == ("", "")
    assert "goes on from the checkpoint at step 10 in the run bbbb" in said[0]


def test_a_job_whose_checkpoints_are_all_torn_starts_from_the_beginning(tmp_path: Path) -> None:
    """And says which they were."""
    root = opt_ml(tmp_path, spot=True)
    (root / "checkpoints/checkpoints/step_00000010").mkdir(parents=True)
    said: list[str] = []
    here = around(echo=said.append)
    job = read_job(root)
    plan = plan_job(job, here.environ)
    assert going_on(job, plan, plan.launch, here) == plan.launch
    assert "step_00000010 has no complete manifest" in said[0]
    assert "no checkpoint is whole; training starts from the beginning" in said[1]


def test_what_is_wrong_with_the_data_is_the_jobs_failure_reason(tmp_path: Path) -> None:
    """In 1,024 characters, with what to do; what is there already is not overwritten."""
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "train.txt").write_text("".join(f"img/{n}.jpg\ttext\n" for n in range(100)))
    root = opt_ml(tmp_path / "ml", SCRIPTED_JOB, channels={"train": tmp_path / "bad"}, resources=hosts(1))
    done = ocr_train("sagemaker", "entry", "--root", root, cwd=tmp_path)
    said = (root / "output/failure").read_text()
    assert done.returncode == 3
    assert "img/0.jpg" in said
    assert "-P images=FOLDER" in said
    assert 100 < len(said) <= 1024


def run_script(root: Path, script: str, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> int:
    """The job's exit status with a small program in place of `train`."""
    monkeypatch.setattr(entry, "train_argv", lambda launch: [sys.executable, "-c", script])
    return run_job(root, around(**changes))


def test_a_training_that_the_system_killed_has_a_reason_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not say anything itself: an instance without memory is the usual cause."""
    root = opt_ml(tmp_path)
    assert run_script(root, "import os; os.kill(os.getpid(), 9)", monkeypatch) == 137
    assert (
        "killed by SIGKILL: most likely the instance had no memory left"
        in (root / "output/failure").read_text()
    )


def test_a_reason_that_is_there_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one is the cause."""
    root = opt_ml(tmp_path)
    (root / "output/failure").write_text("the cause")
    assert run_script(root, "raise SystemExit(6)", monkeypatch) == 6
    assert (root / "output/failure").read_text() == "the cause"


def test_a_training_that_does_not_stop_in_time_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before SageMaker kills the container: it is a stop, and no failure."""
    root = opt_ml(tmp_path)
    ready = tmp_path / "ready"
    script = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )

    def stop() -> None:
        while not ready.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    said: list[str] = []
    stopping = threading.Thread(target=stop)
    stopping.start()
    try:
        code = run_script(root, script, monkeypatch, deadline_s=0.3, echo=said.append)
    finally:
        ready.touch()
        stopping.join()
    assert code == 143
    assert "not finished 0.3 s after the signal to stop: ended" in said
    assert not (root / "output/failure").exists()


def test_a_mistyped_hyperparameter_is_the_jobs_failure_reason(tmp_path: Path) -> None:
    """Nothing was started for it."""
    root = opt_ml(tmp_path / "ml", {"epoch": "1"})
    done = ocr_train("sagemaker", "entry", "--root", root, cwd=tmp_path)
    assert done.returncode == 2
    assert "Did you mean 'epochs'?" in (root / "output/failure").read_text()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"probe": lambda python: facts()},
            "ml.g5.xlarge has GPUs, but paddlepaddle 3.0.0 in this image is a CPU build",
        ),
        ({"probe": lambda python: facts(cuda=True)}, "ml.g5.xlarge has GPUs, but Paddle 3.0.0 sees none"),
        (
            {"probe": lambda python: facts(cuda=True, gpus=1), "gpu_devices": lambda: 4},
            "ml.g5.xlarge has 4 GPUs, but Paddle sees 1",
        ),
    ],
)
def test_a_gpu_instance_never_trains_on_the_cpu(
    tmp_path: Path, changes: Mapping[str, Any], said: str
) -> None:
    """It ends before the data are looked at."""
    root = opt_ml(tmp_path, resources=GPU_HOST)
    with pytest.raises(SetupError, match=said):
        run_job(root, around(**changes))


def test_gpus_that_paddle_sees_are_enough(tmp_path: Path) -> None:
    """The check lets a working image through, and asks nothing on a CPU instance."""
    job = read_job(opt_ml(tmp_path / "gpu", resources=GPU_HOST))
    working = around(probe=lambda python: facts(cuda=True, gpus=1), gpu_devices=lambda: 1)
    require_gpus(job, plan_job(job, working.environ), working)
    job = read_job(opt_ml(tmp_path / "cpu", resources=hosts(1)))
    require_gpus(job, plan_job(job, working.environ), around(probe=lambda python: pytest.fail("was asked")))


def test_gpus_in_a_container_that_says_no_type_are_seen_too(tmp_path: Path) -> None:
    """SageMaker's local mode does not name the instance."""
    job = read_job(opt_ml(tmp_path))
    with pytest.raises(SetupError, match=r"this machine, which has 2 GPU\(s\)"):
        require_gpus(job, plan_job(job, {}), around(gpu_devices=lambda: 2))


def test_a_signal_before_the_training_ends_the_job(tmp_path: Path) -> None:
    """A container's first process gets no signal that it does not ask for: it would go on and be killed later."""

    def stop(python: Path) -> Facts:
        signal.raise_signal(signal.SIGTERM)
        return facts()

    root = opt_ml(tmp_path, resources=GPU_HOST)
    with pytest.raises(StopRequested) as caught:
        run_job(root, around(probe=stop))
    assert caught.value.number == signal.SIGTERM
    assert not (root / "output/failure").exists()


def test_a_managed_mlflow_server_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before anything is paid for."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/team"
    with pytest.raises(SetupError, match="this image has no sagemaker-mlflow"):
        run_job(opt_ml(tmp_path), around(environ={"MLFLOW_TRACKING_URI": arn}))


def test_places_are_those_of_the_contract() -> None:
    """SageMaker looks for them there and nowhere else."""
    places = Places(root=Path("/opt/ml"))
    assert [str(path) for path in (places.checkpoints, places.model, places.output, places.failure)] == [
        "/opt/ml/checkpoints",
        "/opt/ml/model",
        "/opt/ml/output/data",
        "/opt/ml/output/failure",
    ]
