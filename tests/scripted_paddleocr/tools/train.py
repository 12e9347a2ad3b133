"""A stand-in for PaddleOCR's tools/train.py, for faults that the real one cannot be made to have on demand.

It reads the same configuration, prints the lines of PaddleOCR 2.10 and writes real checkpoint files (small
pickles), in seconds. SCRIPTED_FAULT in the environment chooses how it misbehaves.
"""

import os
import pickle
import signal
import sys
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


def main() -> None:
    """Train, or fail as SCRIPTED_FAULT says."""
    fault = os.environ.get("SCRIPTED_FAULT", "")
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
    for epoch in range(first, epochs + 1):
        for _ in range(4):
            step += 1
            time.sleep(pause_s)
            loss = "nanxxx" if fault == "nan" else f"{10.0 / (epoch * step):.6f}"
            log(
                f"epoch: [{epoch}/{epochs}], global_step: {step}, lr: 0.001000, acc: 0.250000, loss: {loss}, "
                "avg_reader_cost: 0.01000 s, avg_batch_cost: 0.20000 s, avg_samples: 4.0, ips: 20.00000 samples/s, "
                "eta: 0:00:09,  "
            )
        if epoch == first and fault == "crash":
            raise RuntimeError("the scripted fault")
        if epoch == first and fault == "cuda_oom":
            print(
                "ResourceExhaustedError: \n\nOut of memory error on GPU 0. Cannot allocate 128.0MB memory",
                flush=True,
            )
            sys.exit(1)
        if epoch == first and fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if epoch == first and fault == "hang":
            time.sleep(600)
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
