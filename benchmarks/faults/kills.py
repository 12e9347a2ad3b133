"""SIGKILL at random moments of PaddleOCR runs, and at chosen moments that chance would rarely find."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks.faults.broken_server import BrokenServer
from benchmarks.faults.cases import MIDDLE, RANDOM, START, Case
from benchmarks.faults.scene import Command, Result, Scene
from tests.commands import environment, none_of, trainer_of
from tests.faults import fill

STEPS = 12
"""Of a PaddleOCR run here."""
RESUMED = 5
"""Every so many killed trainers the run is resumed, as its user would."""


def random_moment(choose: random.Random, scene: Scene, command: Command) -> str:
    """Wait for it: in the preparation, after a random step, or at the end; in words."""
    place, rest = divmod(choose.uniform(0, STEPS + 2), 1)
    if place < 1:
        time.sleep(6 * rest)
        return f"{6 * rest:.1f} s after its start"
    count, wait = min(int(place), STEPS), (6 if place > STEPS else 1) * rest
    command.until(scene.printed_steps(count))
    time.sleep(wait)
    return f"{wait:.1f} s after step {count}"


def kill_tracker(seed: int, number: int) -> Callable[[Scene], Result]:
    """The tracking process; then `sync`, and `runs --reap` for a run that came to no folder."""

    def play(scene: Scene) -> Result:
        with scene.command(scene.arguments(), scene.env()) as command:
            scene.notes.append(random_moment(random.Random(f"{seed} {number}"), scene, command))
            command.kill()
        return _after_the_tracker(scene)

    return play


def _after_the_tracker(scene: Scene) -> Result:
    if not none_of(scene.folder):
        scene.problems.append("a process is left")
    scene.run("sync")
    scene.reap()
    return scene.result(reasons=("tracker_lost",))


def kill_trainer(seed: int, number: int) -> Callable[[Scene], Result]:
    """The trainer; every fifth run is resumed and has to come to its end."""

    def play(scene: Scene) -> Result:
        with scene.command(scene.arguments(), scene.env()) as command:
            command.until(lambda: bool(_trainer(command)))
            scene.notes.append(random_moment(random.Random(f"{seed} {number}"), scene, command))
            pid = _trainer(command)
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            scene.check(command.end(), (6, 0))
        scene.run("sync")
        if number % RESUMED == 0:
            _resume(scene)
        return scene.result(reasons=("trainer_killed",))

    return play


def _resume(scene: Scene) -> None:
    """Continue the run where it has a checkpoint; one that was killed after its last epoch needs another one."""
    (folder,) = [path.parent for path in scene.folder.glob("outputs/*/run.json")]
    log = (folder / "train.log").read_text(encoding="utf-8", errors="replace")
    if "save model in" in log:
        more = ("--epochs", "4") if "iter_epoch_3" in log else ()
        scene.run(*scene.arguments("--resume", folder.name, *more))
        scene.notes.append("resumed")


def _trainer(command: Command) -> int:
    """The trainer's process id, 0 where there is none."""
    try:
        return trainer_of(command.pid)
    except Exception:  # noqa: BLE001 - not yet, or not any more
        return 0


def undisturbed(scene: Scene) -> Result:
    """No fault at all: what the program itself makes of a good run."""
    scene.run(*scene.arguments())
    scene.run("sync")
    return scene.result()


def between_run_and_tag(scene: Scene) -> Result:
    """The server has made the run; the tracker dies before it can say anything of it."""
    made = threading.Event()

    def saw(_method: str, path: str) -> None:
        if path.split("?", maxsplit=1)[0].endswith("/runs/create"):
            server.kind = "accepts and never answers"
            made.set()

    with BrokenServer(scene.servers.uri, saw=saw) as server:
        with scene.command(scene.arguments(), scene.env(MLFLOW_TRACKING_URI=server.uri)) as command:
            command.until(made.is_set)
            time.sleep(0.5)
            command.kill()
        server.mend()
        scene.run("sync", MLFLOW_TRACKING_URI=server.uri)
    scene.reap()
    return scene.result(reasons=("tracker_lost",))


def while_the_terminal_hangs(scene: Scene) -> Result:
    """Nobody reads the command's output (Ctrl-S): it stands still, training goes on, and then it is killed."""
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen(
        [sys.executable, "-m", "ocr_train", *scene.arguments()],
        cwd=scene.folder,
        env=environment(scene.env()),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.STDOUT,
    )
    os.set_blocking(ours, False)
    os.set_blocking(theirs, True)
    try:
        _until(lambda: _drained(ours) or scene.steps() >= 3, process)
        fill(theirs)
        _until(lambda: scene.steps() >= 16, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    return _after_the_tracker(scene)


def _until(seen: Callable[[], bool], process: subprocess.Popen[bytes], within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not seen() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def _drained(pipe: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        os.read(pipe, 65536)
    return False


def sync_killed(scene: Scene) -> Result:
    """The MLflow server is away from step 3 on; then `sync` is killed four times on its way, and does it at last."""
    with scene.command(scene.arguments(), scene.env(OCR_TRAIN_PATIENCE_S="2")) as command:
        command.until(scene.printed_steps(3))
        scene.servers.kill("mlflow")
        scene.check(command.end())
    scene.servers.start_mlflow()
    choose = random.Random(scene.folder.name)
    for _ in range(4):
        with scene.command(["sync"], scene.env()) as command:
            command.until(partial(_has_begun, command))
            time.sleep(choose.uniform(0, 2))
    scene.run("sync")
    return scene.result()


def _has_begun(command: Command) -> bool:
    return "outputs" in command.said


def kills(seed: int, count: int) -> Iterator[Case]:
    """The random ones, trackers and trainers in turn, and the chosen ones."""
    yield Case(fault="none", when="", play=undisturbed, scripted=False, quick=True)
    for number in range(count):
        tracker = number % 2 == 0
        yield Case(
            fault=f"SIGKILL of the {'tracking process' if tracker else 'trainer'}",
            when=RANDOM,
            play=(kill_tracker if tracker else kill_trainer)(seed, number),
            scripted=False,
            number=number,
            quick=number < 2,
        )
    yield from CHOSEN


CHOSEN: Sequence[Case] = (
    Case(fault="SIGKILL before the run's first tag", when=START, play=between_run_and_tag),
    Case(fault="SIGKILL while the terminal hangs", when=MIDDLE, play=while_the_terminal_hangs),
    Case(fault="SIGKILL of sync, four times", when="after the run", play=sync_killed),
)
