"""A stand-in for PaddleOCR's tools/train.py, for faults that the real one cannot be made to have on demand.

It reads the same configuration, prints the lines of PaddleOCR 2.10 and writes real checkpoint files (small
pickles), in seconds. SCRIPTED_FAULT in the environment chooses how it misbehaves.
"""

import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import yaml


def log(text: str) -> None:
    """Print a line as PaddleOCR's logger does."""
    print(f"[2026/11/22 12:00:00] ppocr INFO: {text}", flush=True)


def save(folder: str, name: str, epoch: int, step: int, best: dict[str, float]) -> None:
    """Write a checkpoint set in PaddleOCR's order: .pdopt, .pdparams, .states."""
    os.makedirs(folder, exist_ok=True)
    prefix = os.path.join(folder, name)
    weights = {"layer": [float(epoch)] * int(os.environ.get("SCRIPTED_WEIGHTS", "1000")), "step": step}
    for suffix, value in ((".pdopt", {"moment": weights}), (".pdparams", weights)):
        with open(prefix + suffix, "wb") as stream:
            pickle.dump(value, stream, protocol=2)
        if os.environ.get("SCRIPTED_FAULT") == "kill_mid_save" and suffix == ".pdparams" and epoch == 2:
            os.truncate(prefix + suffix, os.path.getsize(prefix + suffix) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        # SCRIPTED_SAVE_S: a save that takes its time, so that a stop can meet it half done.
        time.sleep(float(os.environ.get("SCRIPTED_SAVE_S", "0")))
    with open(prefix + ".states", "wb") as stream:
        pickle.dump({"best_model_dict": best, "epoch": epoch, "global_step": step}, stream, protocol=2)
    log(f"save {'best model is to' if name == 'best_accuracy' else 'model in'} {prefix}")


def start(config: dict[str, Any]) -> tuple[int, dict[str, float]]:
    """Epoch to start with and best metrics so far, as PaddleOCR 2.10 restores them: acc back at 0, step at 0."""
    checkpoint = config["Global"].get("checkpoints")
    if not checkpoint:
        log("train from scratch")
        return 1, {}
    with open(checkpoint + ".states", "rb") as stream:
        states = pickle.load(stream)
    log(f"resume from {checkpoint}")
    return states["epoch"] + 1, {**states["best_model_dict"], "acc": 0.0}


def fail(fault: str) -> None:
    """What goes wrong after the first epoch's steps, where `fault` names it: an end, or none."""
    if fault == "crash":
        raise RuntimeError("the scripted fault")
    if fault == "recursion":
        fail_again(0)
    if fault == "memory":
        bytearray(1 << 60)
    if fault == "hunger":  # until the system ends it, or 4 GB: the rest of the machine is not to suffer
        blocks = [bytearray(32 << 20) for _ in range(128)]
        raise AssertionError(f"{len(blocks)} blocks of 32 MB did not hurt")
    if fault in SIGNALS:
        os.kill(os.getpid(), SIGNALS[fault])
    if fault in EXITS:
        text, code = EXITS[fault]
        print(text, flush=True)
        sys.exit(code)
    hang(fault)


SIGNALS = {"kill": signal.SIGKILL, "bus_error": signal.SIGBUS}
EXITS = {
    "cuda_oom": (
        "ResourceExhaustedError: \n\nOut of memory error on GPU 0. Cannot allocate 128.0MB memory",
        1,
    ),
    "shared_memory": ("ERROR: Unexpected BUS error encountered in DataLoader worker.", 1),
    "exit_137": ("Killed", 137),
}


def hang(fault: str) -> None:
    """Neither go on nor end, where `fault` says so."""
    if fault == "reader_thread":
        threading.Thread(target=os.environ.__getitem__, args=("SCRIPTED_SAMPLE",)).start()
    if fault in ("hang", "reader_thread"):
        time.sleep(600)
    while fault == "chatter":
        log("still here")
        time.sleep(0.2)
    for batch in (
        range(1, 6000)
        if fault == "endless_evaluation"
        else range(1, 11)
        if fault == "slow_evaluation"
        else ()
    ):
        shown = batch if fault == "slow_evaluation" else 1
        sys.stderr.write(f"\reval model::  10%|#         | {shown}/10 [00:0{batch % 9}<?, ?it/s]")
        sys.stderr.flush()
        time.sleep(0.4)


def fail_again(depth: int) -> None:
    """A sample that is replaced by another bad one, again and again, as in SimpleDataSet."""
    fail_again(depth + 1)


def stand_firm(fault: str) -> None:
    """Ignore signals, or start processes that outlive their parent unless somebody looks for them."""
    if fault == "stubborn":
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    if fault == "ranks":
        for new_session in (False, True):
            subprocess.Popen(
                [sys.executable, "-c", "import time; time.sleep(600)", os.getcwd()],
                start_new_session=new_session,
            )


def costs(config: dict[str, Any]) -> tuple[float, float, int]:
    """Seconds of a step, those of them that wait for data, and samples: SCRIPTED_COSTS has the first two by
    "batch/workers" (null: no memory for it; a tenth of a second a sample where it has none), SCRIPTED_STEPS how many steps an epoch has."""
    table = json.loads(os.environ.get("SCRIPTED_COSTS", "{}"))
    loader = config["Train"]["loader"]
    batch = loader["batch_size_per_card"]
    setting = f"{batch}/{loader['num_workers']}"
    if not table:
        return 0.2, 0.01, 4
    if table.get(setting, "") is None:
        fail("cuda_oom")
    return (*table.get(setting, (0.1 * batch, 0.0)), batch)


def loss_at(config: dict[str, Any], step: int) -> float | None:
    """With SCRIPTED_RANGE a loss that follows from a rate of each step: best at 0.01, lost above 0.1."""
    schedule = config["Optimizer"]["lr"]
    if not os.environ.get("SCRIPTED_RANGE") or schedule.get("name") != "Piecewise":
        return None
    decades = math.log10(schedule["values"][min(step - 1, len(schedule["values"]) - 1)])
    wave = 0.02 * math.sin(7 * step)
    return 5.0 + wave - 3 / (1 + math.exp(-3 * (decades + 3))) + math.exp(6 * min(1.0, decades + 1))


def main() -> None:
    """Train, or fail as SCRIPTED_FAULT says."""
    fault = os.environ.get("SCRIPTED_FAULT", "")
    for line in os.environ.get("SCRIPTED_LEAK", "").splitlines():
        log(line)
    pause_s = float(os.environ.get("SCRIPTED_PAUSE_S", "0.02"))
    scores = [float(value) for value in os.environ.get("SCRIPTED_SCORES", "0.1,0.3,0.2,0.4").split(",")]
    with open(sys.argv[sys.argv.index("-c") + 1], encoding="utf-8") as stream:
        config = yaml.safe_load(stream)
    if fault == "no_images":
        print("[2026/11/22 12:00:00] ppocr ERROR: No Images in train dataset, please ensure", flush=True)
        return
    if fault == "silent":
        return
    epochs, folder = config["Global"]["epoch_num"], config["Global"]["save_model_dir"]
    first, best = start(config)
    main_metric = config["Metric"]["main_indicator"]
    best.setdefault(main_metric, 0.0)
    step = 0
    stand_firm(fault)
    step_s, reader_s, samples = costs(config)
    for epoch in range(first, epochs + 1):
        for _ in range(int(os.environ.get("SCRIPTED_STEPS", "4"))):
            step += 1
            time.sleep(pause_s)
            if clock := os.environ.get(
                "SCRIPTED_CLOCK"
            ):  # the trainer's own, which nobody else can slow down
                with open(clock, "a", encoding="ascii") as stream:
                    stream.write(f"{time.monotonic()}\n")
            if fault == "amp":
                print("Found inf or nan, current scale is: 1.0, decrease to: 1.0*0.5", flush=True)
            value = loss_at(config, step)
            loss = "nanxxx" if fault == "nan" else f"{10.0 / (epoch * step) if value is None else value:.6f}"
            log(
                f"epoch: [{epoch}/{epochs}], global_step: {step}, lr: 0.001000, acc: 0.250000, loss: {loss}, "
                f"avg_reader_cost: {reader_s:.5f} s, avg_batch_cost: {step_s:.5f} s, avg_samples: {samples:.1f}, "
                "ips: 20.00000 samples/s, "
                "eta: 0:00:09,  "
            )
            # SCRIPTED_HOLD: stand still after this step until somebody ends it.
            if step == int(os.environ.get("SCRIPTED_HOLD", "0")):
                signal.pause()
        if epoch == first:
            fail(fault)
        score = scores[(epoch - 1) % len(scores)]
        sys.stderr.write(
            "\reval model::   0%|          | 0/1\reval model:: 100%|##########| 1/1 [00:00<00:00]"
        )
        sys.stderr.flush()
        log(f"cur metric, {main_metric}: {score}, fps: 25.5")
        if score >= best[main_metric]:
            best.update({main_metric: score, "fps": 25.5, "best_epoch": epoch})
            save(folder, "best_accuracy", epoch, step, best)
        log(f"best metric, {', '.join(f'{key}: {value}' for key, value in best.items())}")
        save(folder, "latest", epoch, step, best)
        if epoch % config["Global"]["save_epoch_step"] == 0:
            save(folder, f"iter_epoch_{epoch}", epoch, step, best)
    log(f"best metric, {', '.join(f'{key}: {value}' for key, value in best.items())}")


main()
