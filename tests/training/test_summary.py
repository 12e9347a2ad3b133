"""The last lines on the terminal."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from ocr_train.config.experiment import Launch
from ocr_train.config.started import Started
from ocr_train.run import Results
from ocr_train.tracking.tracker import Delivered
from ocr_train.trainer.outcome import Outcome, stopped
from ocr_train.training.finish import Finishing
from ocr_train.training.pipeline import Summary
from ocr_train.training.summary import summary_lines

RUN_ID = "0123456789abcdef0123456789abcdef"
SUMMARY = Summary(
    run_id=RUN_ID,
    folder=Path("runs") / RUN_ID,
    outcome=Outcome(status="FINISHED"),
    delivered=Delivered(),
    seconds=3725.4,
    last_lines=(),
    log=Path("runs") / RUN_ID / "train.log",
    experiment_id="7",
    main_metric="hmean",
    epochs=20,
    results=Results(best=0.87654, stored=3, kept=()),
)
LAUNCH = Launch(model="rec", data="s3://bucket/my data", epochs="20")


@pytest.fixture(autouse=True)
def on_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow on a server, its address with a password."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:open-sesame@mlflow.example:5000/")


def text_of(summary: Summary, launch: Launch = LAUNCH) -> str:
    """The lines as they are printed."""
    return "\n".join(summary_lines(summary, launch))


STOPPED = replace(SUMMARY, outcome=stopped(signal.SIGINT))


def test_a_finished_run_says_score_checkpoints_and_log() -> None:
    """Outcome and duration first, then what it came to."""
    text = text_of(SUMMARY)
    assert text.startswith("\nFINISHED after 1:02:05\n")
    assert "best hmean   0.8765" in text
    assert f"3 stored in runs:/{RUN_ID}/checkpoints" in text
    assert str(SUMMARY.log) in text
    assert not [word for word in ("pending", "refused", "not stored") if word in text]


def test_the_command_to_go_on_is_complete() -> None:
    """It resumes this very run with twice the epochs, and keeps what was given at the start."""
    assert (
        f"mlflow run . -P model=rec -P data='s3://bucket/my data' -P resume={RUN_ID} -P epochs=40"
        in text_of(SUMMARY)
    )


def test_an_interrupted_run_is_ended_as_it_was_meant() -> None:
    """Its own epochs: with others, every later learning rate would be another one."""
    for launch in (
        LAUNCH,
        replace(LAUNCH, epochs=""),
        replace(LAUNCH, epochs="", overrides="Global.epoch_num=20"),
    ):
        assert f"  resume with  {replace(launch, resume=RUN_ID).command()}\n" in text_of(STOPPED, launch)
    assert "The checkpoints stored before are complete: resume from them." in text_of(STOPPED)


def test_one_that_was_interrupted_after_its_last_epoch_needs_more() -> None:
    """Nothing is left to train in the epochs that it had."""
    results = Results(stored=3, trained_out=True)
    assert "-P epochs=40" in text_of(replace(STOPPED, results=results))


def test_the_epochs_of_a_finished_run_are_not_held_back_by_an_override() -> None:
    """It would win over the parameter."""
    launch = replace(LAUNCH, overrides="Global.epoch_num=20 Global.character_dict_path='a b.txt'")
    (line,) = [line for line in text_of(SUMMARY, launch).splitlines() if "resume with" in line]
    assert "epoch_num" not in line
    assert "a b.txt" in line
    assert "-P epochs=40" in line


@pytest.mark.parametrize("status", ["KILLED", "FAILED"])
def test_without_a_checkpoint_the_command_starts_again(status: str) -> None:
    """Nothing is promised that is not there."""
    text = text_of(
        replace(STOPPED, outcome=replace(STOPPED.outcome, status=status), results=Results(stored=0))
    )
    assert f"  start again  {LAUNCH.command()}\n" in text
    assert "resume" not in text


def test_a_checkpoint_that_waits_on_this_machine_is_gone_on_from_when_it_is_stored() -> None:
    """Starting again would lose it."""
    results = Results(stored=0, kept=(Path("runs/snapshots/latest-abc"),))
    text = text_of(replace(STOPPED, results=results))
    assert (
        f"  when stored  mlflow run . -P model=rec -P data='s3://bucket/my data' -P resume={RUN_ID}" in text
    )
    assert "resume from them" not in text


def test_commands_begin_as_the_run_was_started() -> None:
    """With the project's address, version and environment, or with our own command line."""
    words = ("mlflow", "run", "https://host/x#sub dir", "--env-manager", "uv")
    started = Started(words=words, mlflow_run=True)
    pending = replace(SUMMARY, delivered=Delivered(pending_bytes=5))
    text = "\n".join(summary_lines(pending, LAUNCH, started))
    assert "mlflow run 'https://host/x#sub dir' --env-manager uv -P model=rec" in text
    assert f"mlflow run 'https://host/x#sub dir' --env-manager uv -e sync -P run={SUMMARY.folder}" in text
    started = Started(words=("/opt/my env/python", "-m", "ocr_train"), mlflow_run=False)
    text = "\n".join(summary_lines(pending, LAUNCH, started))
    assert (
        f"'/opt/my env/python' -m ocr_train train --model rec --data 's3://bucket/my data' --resume {RUN_ID}"
        in text
    )
    assert f"'/opt/my env/python' -m ocr_train sync {SUMMARY.folder}" in text


def test_a_fine_tuned_run_goes_on_whole() -> None:
    """Its optimizer and its steps are its own: the weights alone were another's."""
    lines = summary_lines(SUMMARY, replace(LAUNCH, resume="latest", weights_only="true"))
    (command,) = [line for line in lines if "resume with" in line]
    assert f"resume={RUN_ID}" in command
    assert "weights_only" not in command


def test_the_model_and_what_was_not_done_are_said() -> None:
    """What the evaluation found, where the model is, and which command does what could not be done."""
    finishing = Finishing(
        finding="On 8 images ...",
        keep="acc 0.960 before training, 0.540 after it",
        model="models:/ocr-det/3",
        notes=("export: no disk.",),
    )
    text = text_of(replace(SUMMARY, finishing=finishing))
    assert "evaluation   On 8 images ..." in text
    assert "keep         acc 0.960 before training, 0.540 after it" in text
    assert "model        models:/ocr-det/3: gives the checkpoint's answers" in text
    assert "not done     export: no disk." in text


def test_a_model_that_was_made_is_tried_with_an_image_of_the_validation_set() -> None:
    """The picture of some answers stands before it."""
    finishing = Finishing(
        model="models:/ocr-det/3", picture=Path("runs/predictions.png"), example=Path("data/my page.png")
    )
    text = text_of(replace(SUMMARY, finishing=finishing))
    assert "picture      runs/predictions.png" in text
    assert f"read images  python -m ocr_train predict {RUN_ID} 'data/my page.png' --out seen" in text


def test_after_the_demo_set_come_one_s_own_data() -> None:
    """Whoever named data is not told to."""
    finished = replace(SUMMARY, finishing=Finishing(model="models:/ocr-det/3"))
    assert "your data    mlflow run . -P model=rec -P data=FOLDER" in text_of(finished, Launch(model="rec"))
    assert "your data" not in text_of(finished)


def test_a_starving_model_is_said() -> None:
    """In plain words, beside the score."""
    text = text_of(
        replace(SUMMARY, results=Results(starving="62% of each step waits for data: raise num_workers"))
    )
    assert "data loading 62% of each step waits for data" in text


def test_a_run_without_checkpoints_offers_no_resume() -> None:
    """There is nothing to go on from, and no score."""
    text = text_of(replace(SUMMARY, results=Results(best=None, stored=0)))
    assert "resume=" not in text
    assert "best hmean" not in text


@pytest.mark.parametrize("reason", ["pruned", "budget"])
def test_a_trial_that_its_sweep_ended_is_not_resumed_by_hand(reason: str) -> None:
    """The sweep goes on, and not this run."""
    outcome = Outcome(status="KILLED", reason=reason, explanation="after epoch 1 acc 0.5.")
    assert "resume" not in text_of(replace(SUMMARY, outcome=outcome))


def test_a_failed_run_says_why_and_what_to_do() -> None:
    """Explanation on the first line, the hint below it."""
    outcome = Outcome(status="FAILED", reason="oom", explanation="the GPU is full.", hint="A smaller batch.")
    lines = summary_lines(replace(SUMMARY, outcome=outcome, seconds=5), LAUNCH)
    assert lines[1:3] == ["FAILED after 0:00:05: the GPU is full.", "A smaller batch."]


def test_a_checkpoint_that_could_not_be_stored_is_named() -> None:
    """With the folder that has it."""
    kept = (Path("runs/snapshots/latest-abc"), Path("runs/snapshots/best-def"))
    text = text_of(replace(SUMMARY, results=Results(stored=1, kept=kept)))
    assert all(f"a checkpoint is kept in {path}" in text for path in kept)


@pytest.mark.parametrize(
    ("delivered", "what"),
    [
        (Delivered(pending_bytes=512, last_error="away"), "512 bytes of metrics and tags"),
        (Delivered(pending_items=3, last_error="away"), "3 file(s) or checkpoint(s)"),
        (Delivered(status_set=False, last_error="away"), "the final status"),
    ],
)
def test_what_mlflow_does_not_have_is_one_line_with_the_command(delivered: Delivered, what: str) -> None:
    """What is pending, why, and how it gets there."""
    (line,) = [line for line in summary_lines(replace(SUMMARY, delivered=delivered), LAUNCH) if what in line]
    assert f"{what} not in MLflow yet (away): mlflow run . -e sync -P run={SUMMARY.folder}" in line


def test_a_run_without_a_server_resumes_from_its_folder() -> None:
    """There is no page to look at yet, and no run id that a server would know."""
    results = Results(stored=3, latest_step=40)
    lines = summary_lines(replace(SUMMARY, results=results), replace(LAUNCH, offline="true"))
    assert f"resume={SUMMARY.folder}/artifacts/checkpoints/step_00000040" in "\n".join(lines)
    assert not [line for line in lines if line.startswith("  open ")]


def test_a_lost_checkpoint_is_named() -> None:
    """Neither stored nor kept."""
    assert "lost         the checkpoint best_accuracy" in text_of(
        replace(SUMMARY, results=Results(stored=1, lost=("best_accuracy",)))
    )


def test_refused_values_are_counted() -> None:
    """How many, and why."""
    text = text_of(replace(SUMMARY, delivered=Delivered(refused=2, last_error="immutable")))
    assert "MLflow refused 2 values: immutable" in text


def test_the_link_to_the_run_has_no_password() -> None:
    """It can be clicked, and pasted into a chat."""
    text = text_of(SUMMARY)
    assert f"http://mlflow.example:5000/#/experiments/7/runs/{RUN_ID}" in text
    assert "open-sesame" not in text


@pytest.mark.parametrize("uri", ["", "sqlite:///other.db"])
def test_without_a_server_it_says_how_to_look(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    """A store in a file: the command that shows it, and the address of the run there, in the model-training views."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    text = text_of(SUMMARY)
    assert f"mlflow ui --backend-store-uri {uri or 'sqlite:///mlflow.db'}" in text
    assert f"http://127.0.0.1:5000/#/experiments/7/runs/{RUN_ID}?workflowType=machine_learning" in text
