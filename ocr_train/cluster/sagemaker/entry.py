"""What a training job's container runs: `train` as a child, and around it what SageMaker's contract asks for.

    read_job -> plan_job -> GPUs? -> whole checkpoints? -> train -> /opt/ml/model, /opt/ml/output

The child's output is the container's own: nothing is captured. SIGTERM goes on to the child, which has DEADLINE_S to
keep what is finished; then it is ended, because SageMaker kills the container 120 s after its SIGTERM.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from ocr_train.checkpoints.copies import newest_whole, noted_run
from ocr_train.cluster.failure_file import write_failure
from ocr_train.cluster.sagemaker.channels import LINKS, data_of
from ocr_train.cluster.sagemaker.contract import TrainingJob, read_job
from ocr_train.cluster.sagemaker.plan import SCRATCH, JobPlan, plan_job
from ocr_train.cluster.sagemaker.results import CACHE, copy_model, keep_pending, run_folder_of
from ocr_train.cluster.sagemaker.tracking_address import is_managed
from ocr_train.config.fine_tune import is_of_a_run
from ocr_train.config.parameter_values import truth
from ocr_train.config.parameters import Launch
from ocr_train.errors import SIGINT_EXIT_CODE, SIGTERM_EXIT_CODE, SetupError
from ocr_train.run import Echo
from ocr_train.trainer.interpreter import Facts, interpreter, probe
from ocr_train.trainer.stop_signals import StopFlag

DEADLINE_S = 100.0
"""From SIGTERM until what is left is killed; SageMaker does that after 120 s."""
STOPPED = (128 + signal.SIGHUP, SIGINT_EXIT_CODE, SIGTERM_EXIT_CODE)
"""Exit codes of a training that was asked to stop: no failure."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def gpu_devices() -> int:
    """How many NVIDIA GPUs this container was given: the device files that the driver makes."""
    return sum(path.name.removeprefix("nvidia").isdecimal() for path in Path("/dev").glob("nvidia*"))


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the entry needs of the world: the environment, whom to tell, the trainer's interpreter, GPUs."""

    environ: Mapping[str, str]
    echo: Echo
    probe: Callable[[Path], Facts] = probe
    gpu_devices: Callable[[], int] = gpu_devices
    scratch: Path = SCRATCH
    deadline_s: float = DEADLINE_S


def run_job(root: Path, around: Surroundings) -> int:
    """Run the training job that `root` (/opt/ml) describes; the exit status of its training.

    Raises `OcrTrainError` for what keeps it from being started, and `StopRequested` after a signal before or after its
    training.
    """
    # The first process of a container does not even get a signal that it has no handler for.
    with StopFlag().installed():
        return _run(root, around)


def _run(root: Path, around: Surroundings) -> int:
    job = read_job(root)
    plan = plan_job(job, around.environ, scratch=around.scratch)
    for note in (_headline(job, plan), *plan.notes):
        around.echo(note)
    require_tracking(plan.env)
    require_gpus(job, plan, around)
    launch = replace(plan.launch, data=plan.launch.data or data_of(plan.channels, plan.output))
    launch = going_on(job, plan, launch, around)
    started = time.time()
    code = _run_child(train_argv(launch), plan.env, around)
    if code != 0:
        around.echo(f"training ended with exit code {code}")
    if code not in (0, *STOPPED):
        # Where `train` had time to say why, this changes nothing.
        write_failure(job.places.failure, _unsaid(code))
    # In the job's output they would be packed and sent to S3.
    for name in (CACHE, LINKS) if plan.output.is_relative_to(job.places.output) else ():
        shutil.rmtree(plan.output / name, ignore_errors=True)
    if job.leads:
        _keep_results(job, plan, launch, around, started=started, code=code)
    return code


def _unsaid(code: int) -> str:
    """What can be said of a training that could not say it itself."""
    if code == 128 + signal.SIGKILL:
        return (
            "The training was killed by SIGKILL: most likely the instance had no memory left.\n"
            "Choose a larger instance, a smaller batch_size, or fewer Train.loader.num_workers."
        )
    return f"The training ended with exit code {code}.\nThe job's log in CloudWatch says why."


def _headline(job: TrainingJob, plan: JobPlan) -> str:
    place = f"host {job.current_host} ({job.rank + 1} of {len(job.hosts)}{', it leads' if job.leads else ''})"
    copies = f"; checkpoints are copied to {plan.copies}" if plan.copies else ""
    kind = f" on {job.instance_type}" if job.instance_type else ""
    return f"SageMaker training job{kind}, {place}; files of the run in {plan.output}{copies}"


def require_tracking(env: Mapping[str, str]) -> None:
    """Raise `SetupError` where the MLflow server is a managed one and this image cannot speak to it."""
    if (
        is_managed(env.get("MLFLOW_TRACKING_URI", ""))
        and importlib.util.find_spec("sagemaker_mlflow") is None
    ):
        raise SetupError(
            "MLFLOW_TRACKING_URI is the ARN of a managed MLflow server, and this image has no sagemaker-mlflow.",
            hint="Build the image with --build-arg SAGEMAKER_MLFLOW=0.5.0 (docs/image.md).",
        )


def require_gpus(job: TrainingJob, plan: JobPlan, around: Surroundings) -> None:
    """Raise `SetupError` where there are GPUs, paid for, and Paddle would train on the CPU or on fewer of them."""
    devices = around.gpu_devices()
    asked_for_cpu = plan.launch.gpus == "cpu" or bool(plan.launch.cpus)
    if not plan.needs_gpu and (not devices or asked_for_cpu):
        return
    where = job.instance_type or f"this machine, which has {devices} GPU(s),"
    facts = around.probe(interpreter(plan.launch.trainer_python))
    if not facts.cuda:
        raise SetupError(
            f"{where} has GPUs, but paddlepaddle {facts.paddle or '(none)'} in this image is a CPU build: training would "
            "run on the CPU and cost the same.",
            hint="Use the image with paddlepaddle-gpu (docker/Dockerfile, --build-arg DEVICE=gpu), or a CPU instance.",
        )
    if not facts.gpus:
        raise SetupError(
            f"{where} has GPUs, but Paddle {facts.paddle} sees none: training would run on the CPU and cost the same.",
            hint="The image's CUDA must fit the driver of the instance: `python -m ocr_train doctor` in the container tells more.",
        )
    if facts.gpus < devices and plan.launch.gpus == "auto":
        raise SetupError(
            f"{where} has {devices} GPUs, but Paddle sees {facts.gpus}.",
            hint="Check CUDA_VISIBLE_DEVICES in the job's Environment; gpus=0,1 uses some of them on purpose.",
        )


def going_on(job: TrainingJob, plan: JobPlan, launch: Launch, around: Surroundings) -> Launch:
    """The launch, continued from the newest whole checkpoint that SageMaker has brought back, if there is one."""
    root = job.places.checkpoints
    if not root.is_dir():
        return launch
    found = newest_whole(root)
    for line in found.torn if found.newest is None else ():
        around.echo(f"{root}: passed over: {line}")
    if found.newest is None:
        if found.torn:
            around.echo(f"{root}: no checkpoint is whole; training starts from the beginning")
        return launch
    run_id = "" if truth(launch.offline, "offline", []) else noted_run(root)
    around.echo(
        f"{root}: this job was interrupted; it goes on from the checkpoint at step {found.newest.manifest.step}"
        + (f" in the run {run_id}" if run_id else "")
    )
    mode = "same" if run_id else "new"
    # What a fine-tune began with counts no more; of two checkpoints to start from `train` would take neither.
    pretrained = "" if is_of_a_run(launch.pretrained) else launch.pretrained
    return replace(launch, resume=str(root), resume_mode=mode, weights_only="", pretrained=pretrained)


def train_argv(launch: Launch) -> list[str]:
    """The command that trains as `launch` says."""
    return [sys.executable, "-m", "ocr_train", "train", *launch.arguments()]


def _run_child(argv: Sequence[str], env: Mapping[str, str], around: Surroundings) -> int:
    """Run it to its end, with signals passed on; its exit status, 128 + N after signal N.

    Where we ended it because it did not stop in time, that is the exit status of a stop.
    """
    asked_at: list[float] = []
    process: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        asked_at.append(time.monotonic())
        for one in process:
            with contextlib.suppress(OSError):
                one.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _SIGNALS}
    try:
        if asked_at:
            return SIGTERM_EXIT_CODE
        # A session of its own: a Ctrl-C at a terminal comes once, from us.
        process.append(subprocess.Popen(argv, env=dict(env), start_new_session=True))
        child = process[0]
        if asked_at:
            child.terminate()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.wait(timeout=1.0)
                return code if code >= 0 else 128 - code
            if asked_at and time.monotonic() - asked_at[0] > around.deadline_s:
                around.echo(f"not finished {around.deadline_s:g} s after the signal to stop: ended")
                child.kill()
                child.wait()
                return SIGTERM_EXIT_CODE
    finally:
        for one in process:
            if one.poll() is None:
                one.kill()
                one.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _keep_results(
    job: TrainingJob, plan: JobPlan, launch: Launch, around: Surroundings, *, started: float, code: int
) -> None:
    """Put the model into /opt/ml/model, and what MLflow does not have into /opt/ml/output/data."""
    folder = run_folder_of(plan.output, since=started)
    if folder is None:
        return
    try:
        if kept := keep_pending(folder, job.places.output):
            around.echo(f"MLflow does not have everything of this run: {kept} goes to the job's output")
        if code != 0:
            return
        copied = copy_model(folder, job.places.model)
    except OSError as exc:
        raise SetupError(
            f"the results of the run in {folder} cannot be written: {exc}",
            hint="A larger VolumeSizeInGB gives the job more room.",
        ) from exc
    if copied:
        around.echo(f"the exported model is in {job.places.model}: {', '.join(copied)}")
    elif launch.export.lower() not in ("false", "no", "0"):
        around.echo(
            f"WARNING: there is no exported model: {job.places.model} stays as it is; the lines above say why"
        )
