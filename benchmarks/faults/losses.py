"""What is taken from under a run: the run itself, its experiment, the server's database, the disk; and an old server."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.faults.broken_server import BrokenServer
from benchmarks.faults.cases import MIDDLE, Case
from benchmarks.faults.scene import PAUSE_S, Ended, Result, Scene
from benchmarks.faults.servers import BREAKS_AT, MENDED_AT, synced
from tests.commands import client
from tests.faults import Servers, may_mount, on_a_small_disk
from tests.old_mlflow import OLD_VERSION, old_mlflow


def run_deleted(scene: Scene, *, restored_at: int | None = None) -> Result:
    """Somebody deletes the run on MLflow's page at step 3, and restores it: at a later step, or when it is over."""
    mlflow = client(scene.servers.uri)
    patience = "20" if restored_at else "2"
    with scene.command(scene.arguments(), scene.env(OCR_TRAIN_PATIENCE_S=patience)) as command:
        command.until(scene.printed_steps(BREAKS_AT))
        run_id = scene.run_id()
        mlflow.delete_run(run_id)
        if restored_at:
            command.until(scene.printed_steps(restored_at))
            mlflow.restore_run(run_id)
        scene.check(command.end())
    if not restored_at:
        scene.run("sync", codes=(8,))
        mlflow.restore_run(run_id)
    return synced(scene)


def run_deleted_and_back(scene: Scene) -> Result:
    """Restored while it trains."""
    return run_deleted(scene, restored_at=MENDED_AT)


def experiment_deleted(scene: Scene) -> Result:
    """The whole experiment is deleted at step 3, and restored when the run is over."""
    mlflow = client(scene.servers.uri)
    with scene.command(scene.arguments(), scene.env(OCR_TRAIN_PATIENCE_S="2")) as command:
        command.until(scene.printed_steps(BREAKS_AT))
        mlflow.delete_experiment(scene.experiment_id)
        scene.check(command.end())
    scene.run("sync", codes=(8,))
    mlflow.restore_experiment(scene.experiment_id)
    return synced(scene)


def database_lost(scene: Scene) -> Result:
    """The server comes back at step 3 with an empty database; the old one is put back when the run is over."""
    with scene.command(scene.arguments(), scene.env(OCR_TRAIN_PATIENCE_S="2")) as command:
        command.until(scene.printed_steps(BREAKS_AT))
        with _empty_database(scene.servers):
            scene.check(command.end())
            scene.run("sync", codes=(8,))
    return synced(scene)


def database_lost_for_good(scene: Scene) -> Result:
    """The same, and the old one never comes back: `sync --new-run` makes the run anew."""
    with scene.command(scene.arguments(), scene.env(OCR_TRAIN_PATIENCE_S="2")) as command:
        command.until(scene.printed_steps(BREAKS_AT))
        with _empty_database(scene.servers):
            scene.check(command.end())
            scene.experiment_id = str(client(scene.servers.uri).create_experiment(scene.experiment))
            (folder,) = [path.parent for path in scene.folder.glob("outputs/*/run.json")]
            scene.check_speed()
            scene.run("sync", str(folder), "--new-run")
            scene.notes.append("made anew by sync --new-run")
            return scene.result()


@contextlib.contextmanager
def _empty_database(servers: Servers) -> Iterator[None]:
    """Inside, the MLflow server has an empty one."""
    kept = servers.folder / "kept"
    kept.mkdir()
    servers.kill("mlflow")
    _move(servers.folder, kept)
    shutil.copyfile(servers.folder.parent / "template.db", servers.folder / "mlflow.db")
    servers.start_mlflow()
    try:
        yield
    finally:
        servers.kill("mlflow")
        for path in servers.folder.glob("mlflow.db*"):
            path.unlink()
        _move(kept, servers.folder)
        kept.rmdir()
        servers.start_mlflow()


def _move(source: Path, target: Path) -> None:
    for path in source.glob("mlflow.db*"):
        path.replace(target / path.name)


def old_server(scene: Scene) -> Result:
    """An old MLflow server that carries out writes without saying so for 2.5 s, and a loss of NaN from the first step
    on: points that are sent twice are an error to it."""
    old = Servers(scene.folder / "old", None, python=old_mlflow())
    try:
        old.start_mlflow()
        scene.servers = old
        scene.experiment_id = str(client(old.uri).create_experiment(scene.experiment))
        with BrokenServer(old.uri) as server:
            env = scene.env(MLFLOW_TRACKING_URI=server.uri, SCRIPTED_FAULT="nan")
            with scene.command(scene.arguments("--nan-windows", "0"), env) as command:
                command.until(scene.printed_steps(2))
                server.break_as("does it, never says so")
                command.until(scene.printed_steps(2 + int(2.5 / PAUSE_S)))
                server.mend()
                scene.check(command.end())
            return synced(scene)
    finally:
        old.stop()


def disk_full(scene: Scene) -> Result:
    """A disk of 8 MB (a tmpfs) that the trainer's own checkpoints fill: the run fails, and says for what."""
    env = scene.env(SCRIPTED_WEIGHTS="100000", SCRIPTED_PAUSE_S="0.3")
    more = ("--overrides", "Global.save_epoch_step=1", "--epochs", "4")
    with scene.command([*scene.arguments(*more), "--epochs", "1", "--output", "first"], env) as command:
        scene.check(command.end())  # it tells the next one how large a checkpoint is
    (scene.folder / "clock").unlink()
    outputs = scene.folder / "outputs"
    command_line = [sys.executable, "-m", "ocr_train", *scene.arguments(*more), "--output", str(outputs)]
    done: subprocess.CompletedProcess[str] = on_a_small_disk(outputs, "8m", command_line, scene.folder, env)
    scene.check(Ended(code=done.returncode, said=done.stdout + done.stderr, seconds=0.0), (6,))
    outputs.rmdir()
    Path(f"{outputs}.copy").replace(outputs)
    for folder in (scene.folder / "first").glob("*"):
        folder.replace(outputs / folder.name) if (folder / "run.json").is_file() else None
    return synced(scene, reasons=("disk_full",))


LOSSES: Sequence[Case] = (
    Case(fault="run deleted and restored", when=MIDDLE, play=run_deleted_and_back),
    Case(fault="run deleted, restored afterwards", when=MIDDLE, play=run_deleted, quick=True),
    Case(fault="experiment deleted, restored afterwards", when=MIDDLE, play=experiment_deleted),
    Case(fault="database lost, put back afterwards", when=MIDDLE, play=database_lost),
    Case(fault="database lost, sync --new-run", when=MIDDLE, play=database_lost_for_good),
    Case(fault=f"MLflow server {OLD_VERSION}, NaN, answers lost", when=MIDDLE, play=old_server),
    *([Case(fault="disk full", when=MIDDLE, play=disk_full)] if may_mount() else []),
)
