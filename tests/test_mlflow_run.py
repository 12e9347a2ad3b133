"""`mlflow run` itself, as users type it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.builders import mlflow_store
from tests.commands import (
    REPO,
    SCRIPTED,
    artifacts,
    client,
    environment,
    ocr_train_here,
    points,
    store,
    train_arguments,
)

pytestmark = pytest.mark.slow
SMALL = (
    "Global.print_batch_step=1 Train.loader.num_workers=1 Eval.loader.num_workers=0 "
    "Train.dataset.transforms.EastRandomCropData.size=[96,96] "
    "Eval.dataset.transforms.DetResizeForTest.limit_side_len=96"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, without its environment and runs, whose detection demo set is tiny."""
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=REPO, capture_output=True, text=True, check=True
    )
    folder = tmp_path / "project"
    for name in files.stdout.splitlines():
        if (REPO / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPO / name, folder / name)
    experiment = folder / "experiments" / "det.yaml"
    text = experiment.read_text(encoding="utf-8")
    assert "  train: 40\n  val: 8\n" in text
    experiment.write_text(text.replace("  train: 40\n  val: 8\n", "  train: 8\n  val: 2\n"), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("manager", "weights"), [("local", "none"), ("uv", "")])
def test_mlflow_run_trains_in_its_environment(
    project: Path, tmp_path: Path, manager: str, weights: str, _store_template: Path
) -> None:
    """`mlflow run .` trains PaddleOCR on the demo set: in this environment from nothing, and in a fresh one from
    conda.yaml from the weights that come with it."""
    if manager == "uv" and shutil.which("uv", path=environment()["PATH"]) is None:
        pytest.skip("uv is not installed: `make test` installs it")
    store = mlflow_store(tmp_path, _store_template)
    env = environment({"MLFLOW_TRACKING_URI": store, "MLFLOW_ENV_ROOT": str(tmp_path / "envs")})
    del env["PYTHONPATH"]
    done = subprocess.run(
        [
            "mlflow",
            "run",
            ".",
            "--env-manager",
            manager,
            "-P",
            "model=det",
            "-P",
            "epochs=1",
            "-P",
            f"overrides={SMALL}",
            *("-P", "export=false", "-P", "evaluation_images=0", "-P", "sample_images=0"),
            *("-P", f"pretrained={weights}"),
        ],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    [run] = client(store).search_runs(["0"])
    assert run.info.status == "FINISHED"
    assert run.info.run_name.startswith("det-demo-")
    assert run.data.params["model"] == "det"
    assert run.data.metrics["train/loss"] > 0
    assert "checkpoints/step_00000002/manifest.json" in artifacts(store, run.info.run_id, "checkpoints")


def sync_by_mlflow(folder: Path, uri: str, *parameters: str) -> None:
    """`mlflow run . -e sync` with the runs in `folder`, to its good end."""
    # `mlflow run` makes a run for the command itself, too: elsewhere.
    command = [
        *("mlflow", "run", str(REPO), "-e", "sync", "--env-manager", "local"),
        *("--experiment-name", "commands", *parameters),
    ]
    env = {"MLFLOW_TRACKING_URI": uri, "OCR_TRAIN_OUTPUT": str(folder / "outputs")}
    synced = subprocess.run(
        command, cwd=folder, env=environment(env), capture_output=True, text=True, timeout=300, check=False
    )
    assert synced.returncode == 0, synced.stdout[-3000:] + synced.stderr[-3000:]
    assert "all of it is in MLflow" in synced.stdout + synced.stderr


def test_mlflow_run_brings_an_offline_run_to_the_server(
    tmp_path: Path, data: Path, _store_template: Path
) -> None:
    """`mlflow run . -e sync`, as the guides have it, after a training with offline=true: the run is there, with its
    points and checkpoints; and with new_run=true on a server that does not know it, once more."""
    launch = train_arguments(data, "--offline", "true", "--epochs", "1")
    done = ocr_train_here(*launch, cwd=tmp_path, env={"MLFLOW_TRACKING_URI": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    (facts,) = (tmp_path / "outputs").glob("*/run.json")
    (tmp_path / "new").mkdir()
    for uri, parameters in (
        (store(tmp_path), []),
        (
            mlflow_store(tmp_path / "new", _store_template),
            ["-P", f"run={facts.parent}", "-P", "new_run=true"],
        ),
    ):
        sync_by_mlflow(tmp_path, uri, *parameters)
        mlflow = client(uri)
        home = mlflow.get_experiment_by_name("paddleocr-rec").experiment_id
        [run] = mlflow.search_runs(
            [home], filter_string=f"tags.`ocr_train.offline_id` = '{facts.parent.name}'"
        )
        assert run.info.status == "FINISHED"
        assert [step for step, _ in points(uri, run.info.run_id, "train/loss")] == [1, 2, 3, 4]
        stored = artifacts(uri, run.info.run_id, "checkpoints")
        assert "checkpoints/step_00000004/manifest.json" in stored


def git_address(project: Path) -> dict[str, str]:
    """Make `project` a repository that git finds at https://git.example/ocr; the environment in which it does."""
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all")):
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments],
            cwd=project,
            check=True,
        )
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{project}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://git.example/ocr",
    }


def typed(command: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What a user types into a shell in `folder`, to its end."""
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def test_a_project_at_an_address_leaves_its_runs_where_it_was_typed(
    project: Path, tmp_path: Path, data: Path
) -> None:
    """MLflow clones it into a temporary folder: runs and store are in the user's own, and the printed command, typed
    there again, goes on. A relative folder of data is said to be meant from the project."""
    env = environment(git_address(project))
    del env["PYTHONPATH"]
    user = tmp_path / "the user's"
    shutil.copytree(data, user / "words")
    start = "mlflow run https://git.example/ocr --env-manager local --experiment-name mine -P model=rec_mv3_none_bilstm_ctc"
    given = f"-P paddleocr={SCRIPTED} -P epochs=2 -P batch_size=4 -P export=false -P evaluation_images=0 -P val=0.25"
    refused = typed(f"{start} {given} -P data=words", user, env)
    assert refused.returncode != 0
    assert f"It is in {user}, where the command was typed" in refused.stderr
    done = typed(f'{start} {given} -P data="$PWD/words"', user, env)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    output = done.stdout + done.stderr
    (line,) = [line for line in output.splitlines() if "resume with" in line]
    command = line.partition("resume with")[2].strip()
    assert command.startswith(start)
    assert "-P val=0.25" in command
    found = client(store(user)).search_runs(
        [client(store(user)).get_experiment_by_name("mine").experiment_id],
        filter_string="attributes.status = 'FINISHED'",
    )
    (first,) = found
    assert (user / "outputs" / first.info.run_id / "journal.jsonl").is_file()
    assert first.data.tags["launch_command"].startswith(start)
    again = typed(command, user, env)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    assert f"resuming from run {first.info.run_id}" in again.stdout + again.stderr
