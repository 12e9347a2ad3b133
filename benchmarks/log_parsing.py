"""`python -m benchmarks.log_parsing`: the trainer's log, read into events: lines a second, and memory over 10 million lines.

The lines are written here as PaddleOCR writes them. Real logs of it are read, too, where `../shared/logs` has them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.child import Cost
from benchmarks.child import measure as cost_of
from benchmarks.program import Scene, run, say
from benchmarks.table import Row, at_least, at_most
from ocr_train.trainer.log_parser import LogParser
from ocr_train.trainer.process import Child, Line

LOGS = Path(__file__).resolve().parents[2] / "shared" / "logs"
_WHOLE = "resume_2.10.log"
_PER_SECOND = 100_000
_PREFIX = "[2026/11/22 12:{:02d}:{:02d}] ppocr INFO: "
_CONFIGURATION = """Architecture :
    Backbone :
        model_name : large
        name : MobileNetV3
        scale : 0.5
    Transform : None
    algorithm : CRNN
Eval :
    dataset :
        data_dir : ./rec/
        label_file_list : ['./rec/val.txt']
        name : SimpleDataSet
train with paddle 3.0.0 and device Place(cpu)
Initialize indexs of datasets:['./rec/train.txt']
train dataloader has 1200 iters
train from scratch"""


def progress_line(step: int) -> str:
    """What PaddleOCR 2.10 prints of a step of recognition on a GPU."""
    return (
        f"{_PREFIX.format(step // 60 % 60, step % 60)}epoch: [{1 + step // 1200}/500], global_step: {step}, lr: 0.000{step % 1000:03d}, "
        f"acc: 0.{step * 7919 % 1000000:06d}, norm_edit_dis: 0.{step * 104729 % 1000000:06d}, CTCLoss: {step % 37}.{step % 1000000:06d}, "
        f"loss: {step % 37}.{step % 1000000:06d}, avg_reader_cost: 0.{step % 100000:05d} s, avg_batch_cost: 0.{step * 31 % 100000:05d} s, "
        f"avg_samples: 128.0, ips: {100 + step % 900}.{step % 100000:05d} samples/s, eta: {step % 24}:{step % 60:02d}:{step * 7 % 60:02d}, "
        "max_mem_reserved: 6177 MB, max_mem_allocated: 5281 MB"
    )


def training_log(lines: int) -> list[str]:
    """A training with a line of progress every ten steps: configuration, progress, evaluations with their bars, checkpoints."""
    log = [f"{_PREFIX.format(0, 0)}{text}" for text in _CONFIGURATION.split("\n")]
    step = 0
    while len(log) < lines:
        step += 10
        log.append(progress_line(step))
        if step % 1200 == 0:
            log += _evaluation(step)
    return log[:lines]


def _evaluation(step: int) -> Iterator[str]:
    prefix, epoch = _PREFIX.format(step // 60 % 60, step % 60), step // 1200
    for done in range(21):
        yield f"\reval model::  {5 * done:2d}%|{'█' * (done // 2)}{' ' * (10 - done // 2)}| {done}/20 [00:0{done % 10}<00:01,  1.66it/s]"
    yield f"{prefix}cur metric, acc: 0.{step % 1000000:06d}, norm_edit_dis: 0.5, fps: 1234.5"
    yield f"{prefix}best metric, acc: 0.{step % 1000000:06d}, is_float16: False, norm_edit_dis: 0.5, fps: 1234.5, best_epoch: {epoch}"
    yield f"{prefix}save best model is to ./output/best_accuracy"
    yield f"{prefix}save model in ./output/latest"


def measure(scene: Scene) -> Iterator[Row]:
    """Each kind of line in turns, then what a run does with them, then a whole process."""
    lines = 2_000 if scene.quick else 50_000
    logs: dict[str, Sequence[str]] = {
        "a training's log": training_log(lines),
        "progress lines alone": [progress_line(step) for step in range(1, lines + 1)],
        "configuration alone": training_log(16) * (lines // 16),
        "redraws of a bar alone": (list(_evaluation(1200))[:21] * lines)[:lines],
    }
    for name in (_WHOLE, "*.txt"):
        real = _real_lines(name)
        if real:
            what = "a real log" if name == _WHOLE else "parts of real logs of all versions"
            logs[f"{what} ({len(real):,} lines, again and again)"] = (real * (1 + lines // len(real)))[:lines]
        else:
            say(f"  ../shared/logs/{name} is absent: not read")
    yield from _speeds(logs, scene.rounds)
    yield _through_a_run(scene, logs["a training's log"])
    yield from _memory(scene, "\n".join(logs["a training's log"]).encode() + b"\n", lines)


def _real_lines(name: str) -> list[str]:
    found = sorted(LOGS.glob(name)) if LOGS.is_dir() else []
    return [line for path in found for line in path.read_bytes().decode("utf-8", "replace").split("\n")]


def _speeds(logs: dict[str, Sequence[str]], rounds: int) -> Iterator[Row]:
    """Lines of memory to events: by the CPU time of the one thread that does it."""
    found: dict[str, list[float]] = {name: [] for name in logs}
    for _ in range(rounds):
        for name, lines in logs.items():
            parser, start = LogParser(), time.thread_time()
            for line in lines:
                parser.feed(line, time_ms=1)
            found[name].append(len(lines) / (time.thread_time() - start))
    for name, samples in found.items():
        # No log has the parts' mixture of ten formats.
        bar = None if name.startswith("parts") else at_least(_PER_SECOND)
        yield Row(name=name, samples=samples, unit="lines/s", bar=bar)


def _through_a_run(scene: Scene, lines: Sequence[str]) -> Row:
    """A child that prints, the thread that reads and keeps its output, the parser: what a run does, in time that goes by."""
    text = scene.folder / "printed.txt"
    text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    samples = []
    for number in range(scene.rounds):
        start = time.perf_counter()
        child = Child.start(
            [
                sys.executable,
                "-S",
                "-c",
                f"import shutil, sys; shutil.copyfileobj(open({str(text)!r}, 'rb'), sys.stdout.buffer)",
            ],
            env=os.environ,
            cwd=scene.folder,
            log=scene.folder / f"{number}.log",
        )
        parser, count = LogParser(), 0
        for item in child.items():
            if isinstance(item, Line):
                parser.feed(item.text, time_ms=item.time_ms)
                count += 1
        child.close()
        samples.append(count / (time.perf_counter() - start))
    return Row(
        name="a training's log, through the reader of a run",
        samples=samples,
        unit="lines/s",
        note="with the start of two processes",
    )


def _memory(scene: Scene, block: bytes, lines: int) -> Iterator[Row]:
    """`parse-log` of a pipe into which the same lines are written again and again."""
    few, many = (lines * 5, lines * 20) if scene.quick else (1_000_000, 10_000_000)
    costs = [_parse(scene, block, count // lines) for count in (few, many)]
    peaks = [cost.peak_bytes / 1e6 for cost in costs]
    yield Row(
        name=f"parse-log --only EvalCompleted: peak memory, {many:,} lines / {few:,}",
        samples=[peaks[1] / peaks[0]],
        unit="x",
        bar=at_most(1.05),
        note=f"{peaks[0]:.1f} MB, {peaks[1]:.1f} MB",
    )
    yield Row(
        name=f"parse-log --only EvalCompleted, {many:,} lines",
        samples=[many / costs[1].cpu_s],
        unit="lines/s",
        bar=at_least(_PER_SECOND),
        note=f"of CPU time; {many / costs[1].wall_s:,.0f} in time that went by",
    )


def _parse(scene: Scene, block: bytes, times: int) -> Cost:
    pipe = scene.folder / "log.pipe"
    if not pipe.exists():
        os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb", buffering=0) as file:
            for _ in range(times):
                file.write(block)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    cost = cost_of(
        [sys.executable, "-m", "ocr_train", "parse-log", str(pipe), "--only", "EvalCompleted"],
        env=os.environ,
        cwd=Path(__file__).resolve().parents[1],
        log=scene.folder / "events.txt",
    )
    writer.join()
    return cost


if __name__ == "__main__":
    sys.exit(run("log_parsing", __doc__, measure))
