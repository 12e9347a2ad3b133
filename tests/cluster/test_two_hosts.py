"""PaddleOCR itself on several processes and on two hosts: network namespaces of this machine, with a cable between."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from tests.cluster.sagemaker.opt_ml import hosts as opt_ml_hosts
from tests.cluster.sagemaker.opt_ml import opt_ml
from tests.commands import (
    SCRIPTED,
    artifacts,
    environment,
    none_of,
    ocr_train_here,
    only_run,
    points,
    processes_of,
    store,
)

pytestmark = pytest.mark.slow
HOSTS = {"a": "10.77.31.1", "b": "10.77.31.2"}
OVERRIDES = "Global.print_batch_step=1 Train.loader.num_workers=0 Eval.loader.num_workers=0"


def words(folder: Path) -> Path:
    """A few drawn words."""
    make_demo(folder, DemoSpec(task="rec", train=16, val=4))
    return folder


def arguments(data: Path, *more: str) -> list[str]:
    """One epoch of 4 steps."""
    return [
        *("train", "--model", "rec_mv3_none_bilstm_ctc", "--data", str(data), "--epochs", "1"),
        *("--batch-size", "4", "--overrides", OVERRIDES, "--gpus", "cpu"),
        *("--export", "false", "--evaluation-images", "0", "--sample-images", "0", *more),
    ]


def link_of(letter: str) -> str:
    """The network interface of a host."""
    return f"oct{os.getpid() % 100000}{letter}"


def ip(*words: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


@pytest.fixture(scope="module")
def hosts() -> Iterator[Mapping[str, str]]:
    """Two hosts by their namespaces' names; skips, saying why, where none can be made."""
    if not shutil.which("ip") or os.geteuid() != 0:
        pytest.skip("network namespaces need root and `ip`: training on two hosts is NOT tested here")
    names = {letter: f"ocr_train_{os.getpid()}_{letter}" for letter in HOSTS}
    links = {letter: link_of(letter) for letter in HOSTS}
    made = []
    try:
        for name in names.values():
            ip("netns", "add", name)
            made.append(name)
        ip("link", "add", links["a"], "type", "veth", "peer", "name", links["b"])
        for letter, name in names.items():
            ip("link", "set", links[letter], "netns", name)
            ip("-n", name, "addr", "add", f"{HOSTS[letter]}/24", "dev", links[letter])
            for link in ("lo", links[letter]):
                ip("-n", name, "link", "set", link, "up")
    except subprocess.CalledProcessError as exc:
        for name in made:
            ip("netns", "del", name)
        pytest.skip(f"no network namespaces here: training on two hosts is NOT tested ({exc.stderr!r})")
    # `ip netns exec` shows these as /etc/hosts to what it runs.
    folders = [Path("/etc/netns") / name for name in names.values()]
    for folder in folders:
        folder.mkdir(parents=True)
        lines = (f"{address} algo-{number}" for number, address in enumerate(HOSTS.values(), 1))
        (folder / "hosts").write_text("127.0.0.1 localhost\n" + "\n".join(lines) + "\n")
    yield names
    for folder in folders:
        shutil.rmtree(folder)
    for name in names.values():
        ip("netns", "del", name)


def start(
    host: str, folder: Path, *words: str, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Our command on a host, its output in the folder."""
    folder.mkdir(exist_ok=True)
    log = (folder / "output.log").open("w")
    with log:
        return subprocess.Popen(
            ["ip", "netns", "exec", host, sys.executable, "-m", "ocr_train", *words],
            cwd=folder,
            env=environment({"MLFLOW_TRACKING_URI": store(folder.parent), **(env or {})}),
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )


def test_two_processes_on_the_cpu_train_one_model(store_folder: Path) -> None:
    """One run, the same number of steps as with one process, and a log of each process."""
    data = words(store_folder / "words")
    done = ocr_train_here(*arguments(data, "--cpus", "2"), cwd=store_folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "effective batch: 4 samples a step, 2 on each of 2 processes on the CPU" in done.stdout
    run = only_run(store(store_folder))
    assert run.data.tags["device"] == "cpu:2"
    assert (run.data.params["cfg/Train.loader.batch_size_per_card"], run.data.params["effective_batch"]) == (
        "2",
        "4",
    )
    assert [step for step, _ in points(store(store_folder), run.info.run_id, "train/loss")] == [1, 2, 3, 4]
    assert {"logs/workerlog.0", "logs/workerlog.1"} <= set(artifacts(store(store_folder), run.info.run_id))


def test_two_hosts_of_a_job_train_one_model(hosts: Mapping[str, str], store_folder: Path) -> None:
    """The entry of a training job on both, one of them late: one run, with the logs and system metrics of both, and
    checkpoints for a restart on the first host alone."""
    data = words(store_folder / "words")
    parameters = {"model": "rec_mv3_none_bilstm_ctc", "epochs": 1, "batch_size": 4, "gpus": "cpu"}
    parameters |= {"overrides": OVERRIDES, "export": "false", "evaluation_images": 0, "sample_images": 0}
    jobs = []
    for number, letter in enumerate(HOSTS, 1):
        resources = opt_ml_hosts(2, number, network_interface_name=link_of(letter))
        folder = store_folder / letter / "ml"
        root = opt_ml(folder, parameters, channels={"train": data}, resources=resources, spot=True)
        env = {
            "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "1",
            "OCR_TRAIN_OUTPUT": str(store_folder / letter / "outputs"),
        }
        command = ("sagemaker", "entry", "--root", str(root))
        jobs.append(start(hosts[letter], store_folder / letter, *command, env=env))
        time.sleep(3)
    codes = (jobs[0].wait(240), jobs[1].wait(60))
    said = [(store_folder / name / "output.log").read_text() for name in HOSTS]
    assert codes == (0, 0), "\n".join(said)
    assert "FINISHED: node 0 (10.77.31.1) has the run" in said[1]
    run = only_run(store(store_folder))
    assert run.data.tags["device"] == "2xcpu"
    assert [step for step, _ in points(store(store_folder), run.info.run_id, "train/loss")] == [1, 2, 3, 4]
    logs = set(artifacts(store(store_folder), run.info.run_id))
    assert {"logs/workerlog.0", "logs/node_1/workerlog.0"} <= logs
    assert any(name.startswith("system/node_1/") for name in run.data.metrics)
    kept = [list((store_folder / name / "ml" / "checkpoints").rglob("*.pdparams")) for name in HOSTS]
    assert kept[0]
    assert not kept[1]
    assert none_of(store_folder)


@pytest.mark.parametrize("killed", ["processes", "command"])
def test_a_host_that_dies_ends_the_training_and_is_named(
    hosts: Mapping[str, str], store_folder: Path, killed: str
) -> None:
    """Its trainer alone, or all of it: within a minute, with nothing left on either host. The trainer is a stand-in,
    under Paddle's own launcher."""
    data = words(store_folder / "words")
    command = arguments(
        data, "--nodes", ",".join(HOSTS.values()), "--paddleocr", str(SCRIPTED), "--epochs", "1000"
    )
    env = {"SCRIPTED_PAUSE_S": "0.5"}
    leader = start(hosts["a"], store_folder / "a", *command, env=env)
    follower = start(hosts["b"], store_folder / "b", *command, env=env)
    output = store_folder / "a" / "output.log"
    deadline = time.monotonic() + 120
    while "epoch 1" not in output.read_text() or len(_trainers(store_folder / "b")) < 1:
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.2)
    for pid in _trainers(store_folder / "b") if killed == "processes" else [follower.pid]:
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    assert leader.wait(60) == 6
    follower.wait(60)
    assert time.monotonic() - began < 60
    run = only_run(store(store_folder))
    assert (run.info.status, run.data.tags["failure_reason"]) == ("FAILED", "node_lost")
    assert "node 1 (10.77.31.2)" in run.data.tags["failure_explanation"]
    assert none_of(store_folder)


def _trainers(folder: Path) -> list[int]:
    """The trainers that Paddle's launcher has started below `folder`, without the launcher itself."""
    return [
        each.pid
        for each in processes_of(folder)
        if "paddle.distributed.launch" not in each.cmdline()
        and any(word.endswith("train.py") for word in each.cmdline())
    ]
