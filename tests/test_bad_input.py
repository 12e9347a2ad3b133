"""What users get wrong: one paragraph that says what, where and what to do, the right exit code, no traceback."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.server.serve import ServerAddress
from tests.commands import SCRIPTED, client, ocr_train, ocr_train_here, only_run

pytestmark = pytest.mark.slow
TRAIN = (
    "train",
    "--model",
    "rec_mv3_none_bilstm_ctc",
    "--paddleocr",
    str(SCRIPTED),
    "--batch-size",
    "4",
    "--epochs",
    "1",
)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small clean recognition set."""
    folder = tmp_path_factory.mktemp("bad") / "words"
    make_demo(folder, DemoSpec(task="rec", train=8, val=4))
    return folder


@dataclass(frozen=True)
class Case:
    """How a clean data folder is spoiled, and what the message must say."""

    code: int
    words: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    spoil: Callable[[Path], None] = field(default=lambda _: None)


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    """Change the text of a label file."""

    def spoil(folder: Path) -> None:
        path = folder / name
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    return spoil


CASES = {
    "missing folder": Case(3, ("nowhere", "s3://bucket/prefix"), ("--data", "nowhere")),
    "empty label file": Case(3, ("train.txt", "empty"), spoil=edit("train.txt", lambda _: "")),
    "spaces for the tab": Case(
        3, ("train.txt:1", "no_tab"), spoil=edit("train.txt", lambda text: text.replace("\t", "    ", 1))
    ),
    "image missing": Case(
        3,
        ("train.txt:1", "image_missing", "00000.jpg"),
        spoil=lambda folder: (folder / "train/00000.jpg").unlink(),
    ),
    "character outside the dictionary": Case(
        3, ("val.txt:1", "ก"), spoil=edit("val.txt", lambda text: text.replace("\t", "\tก", 1))
    ),
    "no set to keep": Case(2, ("keep: there is nothing at", "nowhere", "or none"), ("--keep", "nowhere")),
    "unknown model": Case(2, ("'recc'", "Did you mean 'rec'?"), ("--model", "recc")),
    "unknown override": Case(
        2,
        ("Global.print_batch_steps", "Did you mean 'Global.print_batch_step'?"),
        ("--overrides", "Global.print_batch_steps=5"),
    ),
    "every problem of the parameters at once": Case(
        2,
        ("3 problem(s)", "epochs: 'many'", "batch_size: '0'", "gpus: 'all'"),
        ("--epochs", "many", "--batch-size", "0", "--gpus", "all"),
    ),
    "GPU that is not there": Case(5, ("gpus=7", "gpus=cpu"), ("--gpus", "7")),
    "no such run to resume": Case(2, ("0123456789abcdef", "run id"), ("--resume", "0123456789abcdef" * 2)),
    "no checkpoint to resume at all": Case(2, ("resume=latest", "no run"), ("--resume", "latest")),
    "batch larger than the data": Case(
        2, ("8 training samples", "batch of 256", "batch_size=8"), ("--batch-size", "256")
    ),
    "trainer_python that is none": Case(5, ("/bin/false", "interpreter"), ("--trainer-python", "/bin/false")),
    "paddleocr without a trainer": Case(5, ("tools/train.py",), ("--paddleocr", "/")),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_a_clear_paragraph_and_exit_code(name: str, store_folder: Path, words: Path) -> None:
    """Each mistake ends before training, with its place, its mend and DESIGN.md's exit code."""
    case = CASES[name]
    data = shutil.copytree(words, store_folder / "data")
    case.spoil(data)
    done = ocr_train_here(*TRAIN, "--data", data, *case.arguments, cwd=store_folder)
    assert done.returncode == case.code, done.stdout + done.stderr
    for word in case.words:
        assert word in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "global_step" not in done.stdout


def test_unknown_option_names_the_nearest(tmp_path: Path) -> None:
    """An option that does not exist is a usage error that names the one that was meant."""
    done = ocr_train("train", "--modell", "det", cwd=tmp_path)
    assert done.returncode == 2
    assert "Did you mean '--model'?" in done.stderr


def test_run_that_fails_on_its_data_says_so_in_mlflow(store_folder: Path, words: Path) -> None:
    """Bad labels end the run as FAILED with the reason, never as RUNNING."""
    data = shutil.copytree(words, store_folder / "data")
    (data / "train/00001.jpg").unlink()
    ocr_train_here(*TRAIN, "--data", data, cwd=store_folder)
    run = only_run(f"sqlite:///{store_folder / 'mlflow.db'}")
    assert run.info.status == "FAILED"
    assert run.data.tags["failure_reason"] == "data_error"
    assert "image_missing" in run.data.tags["failure_explanation"]


def test_resume_from_a_run_without_checkpoints(store_folder: Path, words: Path) -> None:
    """A run that never saved anything cannot be resumed, and the message says so."""
    store = f"sqlite:///{store_folder / 'mlflow.db'}"
    run = client(store).create_run("0", run_name="empty-one")
    done = ocr_train_here(*TRAIN, "--data", words, "--resume", run.info.run_id, cwd=store_folder)
    assert done.returncode == 2
    assert "'empty-one' has no complete checkpoint" in done.stderr


def test_missing_bucket_and_wrong_credentials(tmp_path: Path, servers: ServerAddress) -> None:
    """Both end at once with exit 4 and name what is wrong, without the secret."""
    env = servers.env()
    missing = ocr_train_here(
        "train",
        "--model",
        "rec_mv3_none_bilstm_ctc",
        "--data",
        "s3://no-such-bucket/x",
        cwd=tmp_path,
        env=env,
    )
    assert missing.returncode == 4, missing.stderr
    assert "no-such-bucket" in missing.stderr
    wrong = {**env, "AWS_SECRET_ACCESS_KEY": "canary-not-the-secret"}
    denied = ocr_train_here(
        "train",
        "--model",
        "rec_mv3_none_bilstm_ctc",
        "--data",
        f"s3://{servers.bucket}/x",
        cwd=tmp_path,
        env=wrong,
    )
    assert denied.returncode == 4, denied.stderr
    assert "AWS_SECRET_ACCESS_KEY" in denied.stderr
    assert "canary" not in denied.stdout + denied.stderr
    assert "Traceback" not in missing.stderr + denied.stderr


def test_tracking_server_down_at_the_start(store_folder: Path, words: Path) -> None:
    """Nothing is fetched or trained when no server answers: exit 8 within seconds."""
    env = {"MLFLOW_TRACKING_URI": "http://user:canary@127.0.0.1:9"}
    done = ocr_train(*TRAIN, "--data", words, cwd=store_folder, env=env, timeout_s=60)
    assert done.returncode == 8
    assert "127.0.0.1:9" in done.stderr
    assert "MLFLOW_TRACKING_URI" in done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert not list(store_folder.glob("outputs/*"))
