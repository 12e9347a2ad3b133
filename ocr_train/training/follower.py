"""A machine that takes part in a training which another one leads: it has no run, no checkpoint and no MLflow of its own.

cli -> follow_training(experiment, ...) -> nothing; raises what went wrong
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.cluster.follower import Follower
from ocr_train.cluster.handout import take_in
from ocr_train.config.experiment import Experiment
from ocr_train.data.for_training import prepare
from ocr_train.errors import OcrTrainError, TrainingFailed
from ocr_train.trainer.configurations import require_own_words
from ocr_train.trainer.files import SUFFIXES
from ocr_train.trainer.paddleocr import trainer_argv, write_config
from ocr_train.trainer.process import Child, Line
from ocr_train.trainer.ranks import fresh_folder, rank_logs
from ocr_train.training.services import LaunchRequest, Services
from ocr_train.training.setup import check_machine, launch_request

METRICS_S = 10.0
FIRST_METRICS_S = 2.0
"""A training may be over before the first interval is."""
GRACE_S = 10.0
LAST_LINES = 15


def node_folder(output: Path, rank: int) -> Path:
    """A new folder for what this machine keeps of the training."""
    return output / f"node_{rank}-{time.strftime('%Y%m%d-%H%M%S')}"


def follow_training(
    experiment: Experiment, output: Path, folder: Path, services: Services, follower: Follower
) -> None:
    """Take part until the first machine ends the training; raises `OcrTrainError` where it did not finish."""
    echo = services.echo
    echo(f"node {follower.rank}: {follower.leader} leads; logs are in {folder}")
    try:
        check_machine(experiment, output, services)
        launch = launch_request(experiment, services)
        echo(launch.device.note)
        dataset = prepare(
            experiment.data_request, folder / "data", output / "cache", fetch=services.fetch, echo=echo
        )
        follower.ready(dataset.manifest.digest)
        echo("ready; waiting for the other machines ...")
        job = follower.wait_for_job()
        argv = _argv(job, launch, folder, dataset.images, follower)
    except OcrTrainError as exc:
        follower.failed(exc.problem)
        raise
    echo("training; progress is shown by the machine that leads")
    with services.stop.deferred():
        how, lines, why = _run(argv, launch, folder, services, follower)
        logs = {path.name: path for path in rank_logs(folder)}
        follower.tell_end(how, lines, logs)
        follower.wait_for_end(lambda: services.stop.number is not None)
    why = why or follower.over()
    follower.close()
    if not follower.finished:
        ended = "" if how == "exit code 0" else f"this machine's trainer ended with {how}"
        raise TrainingFailed(
            why or ended or f"{follower.leader} did not say how the training ended.",
            hint=f"The logs of this machine's processes are in {folder}; the run is that of {follower.leader}.",
        )
    echo(f"FINISHED: {follower.leader} has the run, its checkpoints and its model")


def _argv(
    job: Mapping[str, Any], launch: LaunchRequest, folder: Path, images: Path, follower: Follower
) -> Sequence[str]:
    """The command of this machine's launcher, from what the first one handed out. What was sent is screened as anything
    from elsewhere is."""
    sent, config_path = folder / "sent", folder / "config.yml"
    config = take_in(job["config"], images, sent, folder / "trainer")
    require_own_words(config, config_path, launch.paddleocr.root)
    for path in sent.rglob("*"):
        if path.suffix in SUFFIXES:
            screen(path)
    write_config(config, config_path)
    script_job = sent / Path(str(job["script_job"])).name if job.get("script_job") else None
    return trainer_argv(
        launch.python,
        launch.paddleocr,
        config_path,
        launch.device,
        log_dir=fresh_folder(folder),
        script_job=script_job,
        rendezvous=follower.rendezvous,
    )


def _run(
    argv: Sequence[str], launch: LaunchRequest, folder: Path, services: Services, follower: Follower
) -> tuple[str, Sequence[str], str]:
    """Run this machine's processes to their end: how they ended, their last lines, and why we stopped them, if we did."""
    from callbacks.system import read_monitors, system_monitors

    monitors = system_monitors(launch.visible_gpus)
    read_monitors(monitors)
    lines: list[str] = []
    why, next_metrics = "", time.monotonic() + FIRST_METRICS_S
    child = Child.start(argv, env=launch.env, cwd=folder, log=folder / "train.log")
    try:
        for item in child.items():
            if isinstance(item, Line):
                lines = [*lines[1 - LAST_LINES :], item.text]
                continue
            if time.monotonic() >= next_metrics:
                next_metrics += METRICS_S
                follower.metrics(read_monitors(monitors))
            if not why and (why := follower.over() or _asked(services)):
                services.echo(f"stopping this machine's trainer: {why} ...")
                child.stop(grace_s=GRACE_S)
        how = _asked(services) or str(child.exit)
    finally:
        child.close()
    return how, lines, why if not follower.finished else ""


def _asked(services: Services) -> str:
    number = services.stop.number
    return "" if number is None else f"a signal to stop ({number})"
