"""Servers that break and come back, or do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.faults.broken_server import KINDS, BrokenServer
from benchmarks.faults.cases import MIDDLE, START, Case
from benchmarks.faults.scene import Result, Scene

BREAKS_AT, MENDED_AT = 3, 16
"""Steps of the scripted trainer's 24."""
RECOVERS_S = 25.0
"""A server that was broken at the start is mended after that."""


def broken_at_the_start(kind: str) -> Callable[[Scene], Result]:
    """The server is broken before the command starts: refused with exit 8 and a sentence, or started once it is
    mended; no run is left behind that says RUNNING."""

    def play(scene: Scene) -> Result:
        with BrokenServer(scene.servers.uri) as server:
            server.break_as(kind)
            env = scene.env(MLFLOW_TRACKING_URI=server.uri)
            with scene.command(scene.arguments(), env) as command:
                refused = command.until(command.over, within_s=RECOVERS_S)
                server.mend()
                ended = scene.check(command.end(), (0, 8))
        if refused and ended.code == 0:
            scene.problems.append("it trained while the server was broken")
        if ended.code == 8:
            scene.notes.append(f"exit 8 after {ended.seconds:.0f} s")
            if "error:" not in ended.said:
                scene.problems.append("it does not say why")
        else:
            scene.notes.append("waited, and trained when it was mended")
            scene.run("sync")
        scene.reap()
        return scene.result(reasons=("tracker_lost", "tracking"))

    return play


def broken_in_the_middle(kind: str) -> Callable[[Scene], Result]:
    """Broken at step 3, mended at step 16 of 24; then whatever is pending is brought by `sync`."""

    def play(scene: Scene) -> Result:
        with BrokenServer(scene.servers.uri) as server:
            env = scene.env(MLFLOW_TRACKING_URI=server.uri)
            with scene.command(scene.arguments(), env) as command:
                command.until(scene.printed_steps(BREAKS_AT))
                server.break_as(kind)
                command.until(scene.printed_steps(MENDED_AT))
                server.mend()
                scene.check(command.end())
        return synced(scene)

    return play


def synced(scene: Scene, reasons: Sequence[str] = ()) -> Result:
    """Bring what is pending, and judge."""
    scene.check_speed()
    done = scene.run("sync")
    scene.notes.append("all there before sync" if "nothing is pending" in done.said else "the rest by sync")
    return scene.result(reasons=reasons)


def s3_back(scene: Scene) -> Result:
    """The S3 server is killed at step 3 and started at step 16."""
    with scene.command(scene.arguments(), scene.env()) as command:
        command.until(scene.printed_steps(BREAKS_AT))
        scene.servers.kill("s3")
        command.until(scene.printed_steps(MENDED_AT))
        scene.servers.start_s3()
        scene.check(command.end())
    return synced(scene)


def s3_away(scene: Scene) -> Result:
    """The S3 server is killed at step 3 and comes back when the run is over."""
    with scene.command(scene.arguments(), scene.env(OCR_TRAIN_PATIENCE_S="2")) as command:
        command.until(scene.printed_steps(BREAKS_AT))
        scene.servers.kill("s3")
        scene.check(command.end())
    scene.run("sync", codes=(8,))
    scene.servers.start_s3()
    return synced(scene)


def s3_away_at_the_start(scene: Scene) -> Result:
    """The S3 server is not there until step 16."""
    scene.servers.kill("s3")
    with scene.command(scene.arguments(), scene.env()) as command:
        command.until(scene.printed_steps(MENDED_AT))
        scene.servers.start_s3()
        scene.check(command.end())
    return synced(scene)


def mlflow_back(scene: Scene) -> Result:
    """The MLflow server's process gets SIGKILL at step 3, on its SQLite file, and is started at step 16."""
    with scene.command(scene.arguments(), scene.env()) as command:
        command.until(scene.printed_steps(BREAKS_AT))
        scene.servers.kill("mlflow")
        command.until(scene.printed_steps(MENDED_AT))
        scene.servers.start_mlflow()
        scene.check(command.end())
    return synced(scene)


def mlflow_away(scene: Scene) -> Result:
    """The MLflow server's process gets SIGKILL at step 3 and comes back when the run is over."""
    with scene.command(scene.arguments(), scene.env(OCR_TRAIN_PATIENCE_S="2")) as command:
        command.until(scene.printed_steps(BREAKS_AT))
        scene.servers.kill("mlflow")
        scene.check(command.end())
    scene.run("sync", codes=(8,))
    scene.servers.start_mlflow()
    return synced(scene)


SERVERS: Sequence[Case] = (
    *(
        Case(fault=kind, when=START, play=broken_at_the_start(kind), quick=kind in KINDS[:1])
        for kind in KINDS
    ),
    *(
        Case(fault=kind, when=MIDDLE, play=broken_in_the_middle(kind), quick=kind in KINDS[3:4])
        for kind in KINDS
    ),
    Case(fault="S3 server away, started later", when=START, play=s3_away_at_the_start),
    Case(fault="S3 server killed, started again", when=MIDDLE, play=s3_back, quick=True),
    Case(fault="S3 server killed for good", when=MIDDLE, play=s3_away),
    Case(fault="MLflow server killed, started again", when=MIDDLE, play=mlflow_back),
    Case(fault="MLflow server killed for good", when=MIDDLE, play=mlflow_away),
)
