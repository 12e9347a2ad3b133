"""`python -m benchmarks.resume`: from the command to the first step, with a checkpoint of 1 GB in S3.

CRNN whose two LSTM layers are so wide that weights and the optimizer's state have 1 GB together, trained for a step by
PaddleOCR and stored by a tracked run. Against `train --resume RUN` stands what one would type without it: `aws s3 cp` of the same
three files, and tools/train.py with the same configuration and `Global.checkpoints`. Both are ended when the first step
is in the log.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from benchmarks.program import Scene, run, say
from benchmarks.s3_mlflow import running_mlflow
from benchmarks.table import Row, at_most
from benchmarks.transfer import program
from ocr_train.server.serve import ServerAddress
from ocr_train.trainer.interpreter import probe
from ocr_train.trainer.paddleocr import TRAIN_SCRIPT, find_paddleocr
from tests.servers import running_s3

PROJECT = Path(__file__).resolve().parents[1]
WIDTH, QUICK_WIDTH = 1560, 300
FIRST_STEP = "global_step: 1,"
LIMIT_S = 300.0


def measure(scene: Scene) -> Iterator[Row]:
    """The ratio of the two, and what each took."""
    with running_s3(scene.folder / "s3") as s3, running_mlflow(scene.folder / "mlflow", s3) as address:
        env = _environment(address)
        stored = _train_once(scene.folder / "first", env, QUICK_WIDTH if scene.quick else WIDTH)
        size = sum(path.stat().st_size for path in (stored / "trainer").glob("latest.*"))
        say(f"a checkpoint of {size / 1e6:.0f} MB is in S3")
        ours, theirs = [], []
        for number in range(scene.rounds):
            one = _ours(scene.folder / f"{number}-ours", stored, env)
            other = _bare(scene.folder / f"{number}-bare", stored, address, env)
            say(f"  round {number}: ours {one:.1f} s, aws s3 cp and bare {other:.1f} s")
            ours.append(one)
            theirs.append(other)
    yield Row(
        name=f"resume to the first step, {size / 1e6:,.0f} MB: time / aws s3 cp and a bare start",
        samples=[one / other for one, other in zip(ours, theirs, strict=True)],
        unit="x",
        bar=at_most(1.1),
    )
    yield Row(name="  ours", samples=ours, unit="s")
    yield Row(name="  aws s3 cp and a bare start", samples=theirs, unit="s")


def _train_once(folder: Path, env: Mapping[str, str], width: int) -> Path:
    """A run of one step; its folder."""
    folder.mkdir()
    done = subprocess.run(
        _command("1", f"Architecture.Neck.hidden_size={width}"),
        cwd=folder,
        env=dict(env),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout[-2000:]}\n{done.stderr[-1000:]}")
    return next(folder.glob("outputs/*/train.log")).parent


def _ours(folder: Path, stored: Path, env: Mapping[str, str]) -> float:
    folder.mkdir()
    (folder / "outputs").mkdir()
    # The data that were drawn for all.
    (folder / "outputs" / "cache").symlink_to(stored.parent / "cache")
    overrides = yaml.safe_load((stored / "config.yml").read_text(encoding="utf-8"))
    width = overrides["Architecture"]["Neck"]["hidden_size"]
    argv = _command("2", f"Architecture.Neck.hidden_size={width}", "--resume", stored.name)
    start = time.perf_counter()
    return _until_first_step(argv, folder, env, start, "outputs/*/train.log")


def _bare(folder: Path, stored: Path, address: ServerAddress, env: Mapping[str, str]) -> float:
    folder.mkdir()
    place = f"s3://{address.bucket}/mlflow/"
    config = yaml.safe_load((stored / "config.yml").read_text(encoding="utf-8"))
    config["Global"] |= {
        "checkpoints": str(folder / "model"),
        "epoch_num": 2,
        "save_model_dir": str(folder / "out"),
    }
    (folder / "config.yml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    script = find_paddleocr("", probe(Path(sys.executable))).root / TRAIN_SCRIPT
    words = [program("aws"), "s3", "cp", place, str(folder / "got"), "--recursive", "--only-show-errors"]
    start = time.perf_counter()
    # Its files alone, by the name of the run that stored them.
    only = ["--exclude", "*", "--include", f"*{stored.name}/artifacts/checkpoints/step_*/model.*"]
    subprocess.run([*words, *only], env=dict(env), check=True, capture_output=True)
    for path in (folder / "got").rglob("model.*"):
        path.replace(folder / path.name)
    log = folder / "train.log"
    argv = [sys.executable, str(script), "-c", str(folder / "config.yml")]
    taken = _until_first_step(argv, folder, {**env, "OMP_NUM_THREADS": "1"}, start, log.name, output=log)
    shutil.rmtree(folder)
    return taken


def _until_first_step(
    argv: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    start: float,
    pattern: str,
    *,
    output: Path | None = None,
) -> float:
    """Seconds since `start` until a file of `pattern` has the first step; the command is ended then."""
    said = output or folder / "said.log"
    with said.open("wb") as stream:
        command = subprocess.Popen(
            argv,
            cwd=folder,
            env={**env, "PYTHONUNBUFFERED": "1"},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        while time.perf_counter() - start < LIMIT_S and command.poll() is None:
            if any(FIRST_STEP in path.read_text("utf-8", "replace") for path in folder.glob(pattern)):
                return time.perf_counter() - start
            time.sleep(0.05)
        raise SystemExit(said.read_text("utf-8", "replace")[-3000:])
    finally:
        os.killpg(command.pid, signal.SIGTERM)
        command.wait(timeout=120)


def _command(epochs: str, overrides: str, *more: str) -> list[str]:
    argv = [
        sys.executable,
        "-m",
        "ocr_train",
        "train",
        "--model",
        "rec_mv3_none_bilstm_ctc",
        "--epochs",
        epochs,
    ]
    argv += [
        "--batch-size",
        "4",
        "--sample-images",
        "0",
        "--evaluation-images",
        "0",
        "--export",
        "false",
        *more,
    ]
    few = "Train.dataset.ratio_list=[0.007] Global.print_batch_step=1 Eval.dataset.ratio_list=[0.05]"
    # One set and not three of the same bytes: the trainer writes as little as it can.
    return [*argv, "--overrides", f"{few} Global.save_epoch_step=100 {overrides}"]


def _environment(address: ServerAddress) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "AWS_")) and name != "OMP_NUM_THREADS"
    }
    return {
        **kept,
        **address.env(),
        "PYTHONPATH": str(PROJECT),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


if __name__ == "__main__":
    sys.exit(run("resume", __doc__, measure))
