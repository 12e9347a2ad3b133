"""Where training runs: GPUs, processes on the CPU, several machines, and the environment that says so."""

from __future__ import annotations

import pytest

from ocr_train.errors import SetupError
from ocr_train.trainer.device import Device, choose_device, trainer_env
from ocr_train.trainer.interpreter import Facts

CPU_BUILD = Facts(paddle="3.0.0")
NO_DRIVER = Facts(paddle="2.6.2", cuda=True)
TWO_GPUS = Facts(paddle="2.6.2", cuda=True, gpus=2, names=("NVIDIA A10G", "NVIDIA L4"))
CPU = Device(gpus=(), note="")
ONE_GPU = Device(gpus=(1,), note="")


def test_the_cpu_is_used_when_asked_for() -> None:
    """`gpus=cpu` holds even where there are GPUs."""
    device = choose_device("cpu", TWO_GPUS)
    assert (device.gpus, device.name, device.warning) == ((), "cpu", "")
    assert "as asked" in device.note


def test_auto_takes_every_gpu() -> None:
    """And names them, so that a person sees on what the money goes."""
    device = choose_device("auto", TWO_GPUS)
    assert (device.gpus, device.name, device.warning) == ((0, 1), "gpu:0,1", "")
    assert device.note == "training on GPU 0 (NVIDIA A10G), GPU 1 (NVIDIA L4)"


def test_auto_takes_the_cpu_of_a_cpu_build() -> None:
    """Without a warning: there is nothing wrong."""
    device = choose_device("auto", CPU_BUILD)
    assert (device.gpus, device.warning) == ((), "")
    assert "paddlepaddle 3.0.0 is a CPU build" in device.note


def test_auto_warns_where_a_gpu_build_finds_no_gpu() -> None:
    """Training goes on, on the CPU, and the run says that it was not meant so."""
    device = choose_device("auto", NO_DRIVER)
    assert device.gpus == ()
    assert "no GPU can be used" in device.warning
    assert device.warning in device.note


def test_numbers_choose_gpus() -> None:
    """In the order in which they were given."""
    device = choose_device((1,), TWO_GPUS)
    assert (device.gpus, device.name, device.note) == ((1,), "gpu:1", "training on GPU 1 (NVIDIA L4)")


def test_gpus_without_names_are_numbered() -> None:
    """An old Paddle does not know the names."""
    assert choose_device((0,), Facts(cuda=True, gpus=1)).note == "training on GPU 0"


@pytest.mark.parametrize(
    ("gpus", "facts", "problem", "hint"),
    [
        ((0,), CPU_BUILD, "gpus=0, but paddlepaddle 3.0.0 is a CPU build", "make gpu"),
        ((0, 2, 3), TWO_GPUS, "gpus=0,2,3, but Paddle sees 2 GPU(s): no GPU 2, 3", "nvidia-smi"),
        ((0,), NO_DRIVER, "Paddle sees 0 GPU(s): no GPU 0", "gpus=auto"),
    ],
)
def test_gpus_that_are_not_there_are_a_setup_error(
    gpus: tuple[int, ...], facts: Facts, problem: str, hint: str
) -> None:
    """Who asks for a GPU by number does not get the CPU in silence."""
    with pytest.raises(SetupError) as caught:
        choose_device(gpus, facts)
    assert problem in caught.value.problem
    assert hint in caught.value.hint


def test_the_trainer_does_not_track() -> None:
    """No MLFLOW_ variable reaches it, the password among them; the rest does."""
    env = trainer_env(
        {"MLFLOW_TRACKING_URI": "x", "MLFLOW_RUN_ID": "y", "MLFLOW_TRACKING_PASSWORD": "z", "PATH": "/bin"},
        CPU,
    )
    assert not [name for name in env if name.startswith("MLFLOW")]
    assert env["PATH"] == "/bin"


def test_the_trainer_prints_at_once_and_in_utf8() -> None:
    """Buffered lines would arrive minutes late; another encoding would tear Thai texts."""
    env = trainer_env({"PYTHONUNBUFFERED": "", "PYTHONIOENCODING": "latin-1"}, CPU)
    assert env["PYTHONUNBUFFERED"] == "1"
    assert env["PYTHONIOENCODING"] == "utf-8"


def test_one_thread_is_the_default_on_the_cpu_alone() -> None:
    """It is faster there; who sets another number keeps it, and a GPU run is left alone."""
    assert trainer_env({}, CPU)["OMP_NUM_THREADS"] == "1"
    assert trainer_env({"OMP_NUM_THREADS": "8"}, CPU)["OMP_NUM_THREADS"] == "8"
    assert "OMP_NUM_THREADS" not in trainer_env({}, ONE_GPU)


@pytest.mark.parametrize(
    ("visible", "number", "expected"),
    [
        (None, 1, "1"),
        ("4,6", 1, "6"),
        ("4,6", 0, "4"),
        (" 4 , 6 ", 1, "6"),
        ("GPU-8a1b,GPU-9c2d", 1, "GPU-9c2d"),
    ],
)
def test_the_chosen_gpu_counts_among_the_visible_ones(
    visible: str | None, number: int, expected: str
) -> None:
    """Somebody's CUDA_VISIBLE_DEVICES is honoured: its second GPU is number 1."""
    base = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    env = trainer_env(base, Device(gpus=(number,), note=""))
    assert env["CUDA_VISIBLE_DEVICES"] == expected


def test_several_chosen_gpus_are_made_the_visible_ones() -> None:
    """Paddle's launcher trains on every visible GPU."""
    env = trainer_env({"CUDA_VISIBLE_DEVICES": "4,6,7"}, Device(gpus=(0, 2), note=""))
    assert env["CUDA_VISIBLE_DEVICES"] == "4,7"


def test_the_environment_that_was_given_is_left_as_it_was() -> None:
    """It is ours, not the trainer's."""
    base = {"MLFLOW_RUN_ID": "y"}
    trainer_env(base, ONE_GPU)
    assert base == {"MLFLOW_RUN_ID": "y"}


def test_processes_share_the_cpu_where_they_are_asked_for() -> None:
    """Even where there are GPUs: `cpus` says so."""
    device = choose_device("cpu", TWO_GPUS, cpus=2)
    assert (device.gpus, device.name, device.here, device.processes) == ((), "cpu:2", 2, 2)
    assert device.note == "training on the CPU in 2 processes, as asked (cpus=2)"


def test_machines_multiply_the_processes() -> None:
    """All machines are alike: two GPUs on each of three are six processes."""
    device = choose_device("auto", TWO_GPUS, nodes=3)
    assert (device.name, device.here, device.processes) == ("3xgpu:0,1", 2, 6)
    assert device.note.endswith("and the same on 2 more machine(s)")


@pytest.mark.parametrize(
    "name", ["PADDLE_TRAINER_ID", "PADDLE_MASTER", "PADDLE_NNODES", "POD_IP", "FLAGS_selected_gpus"]
)
def test_what_an_earlier_launcher_left_is_not_handed_on(name: str) -> None:
    """It would have precedence over the launcher's own arguments, and a training would wait for machines of another one."""
    assert name not in trainer_env({name: "10.0.0.9"}, CPU)


def test_variables_of_paddleocr_are_kept() -> None:
    """They say where it keeps its files, and begin with the same word."""
    env = trainer_env({"PADDLE_OCR_BASE_DIR": "/models", "PADDLE_PDX_MODEL_SOURCE": "x"}, CPU)
    assert env["PADDLE_OCR_BASE_DIR"] == "/models"
    assert env["PADDLE_PDX_MODEL_SOURCE"] == "x"


def test_processes_on_the_cpu_hear_of_no_gpu() -> None:
    """Paddle's launcher gives each process a GPU where it sees the variable, even an empty one."""
    device = choose_device("cpu", CPU_BUILD, cpus=2)
    assert "CUDA_VISIBLE_DEVICES" not in trainer_env({"CUDA_VISIBLE_DEVICES": ""}, device)
    env = trainer_env({}, choose_device("cpu", TWO_GPUS, cpus=3))
    assert (env["CUDA_VISIBLE_DEVICES"], env["PADDLE_DISTRI_BACKEND"]) == ("-1,-1,-1", "gloo")
