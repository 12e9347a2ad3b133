"""The wheel: built, installed into an environment of its own, and used from a folder that is no project."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.commands import REPO, environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what is in this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(REPO)]
    done = subprocess.run([*pip, *build], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return found


def test_every_file_that_the_code_reads_is_in_the_wheel(wheel: Path) -> None:
    """Experiments, dictionaries, word lists, templates and style sheets, and no test."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder, prefix in (
        ("ocr_train", "ocr_train"),
        ("callbacks", "callbacks"),
        ("experiments", "ocr_train/experiments"),
    ):
        files = [
            path for path in (REPO / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        ]
        assert {f"{prefix}/{path.relative_to(REPO / folder)}" for path in files} - names == set()
    assert "ocr_train/paddle_ocr_training.ipynb" in names
    assert not [name for name in names if name.startswith("tests/")]


def with_few_words(environment: Path) -> None:
    """Make the recognition demo set of an installed wheel one batch."""
    [experiment] = environment.glob("lib/python*/site-packages/ocr_train/experiments/rec.yaml")
    text = experiment.read_text(encoding="utf-8")
    assert "  train: 320\n  val: 96\n" in text
    # Not in place: uv may have linked the file to its cache.
    experiment.unlink()
    experiment.write_text(
        text.replace("  train: 320\n  val: 96\n", "  train: 16\n  val: 4\n"), encoding="utf-8"
    )


def test_an_installed_wheel_trains_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment: the command has its help, and fine-tunes the weights that come with it on the demo set."""
    uv = shutil.which("uv", path=environment()["PATH"])
    assert uv is not None, "uv is in requirements.txt"
    env = environment({"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"})
    del env["PYTHONPATH"]
    place = tmp_path / "environment"
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(place)],
        [
            "pip",
            "install",
            "--quiet",
            "--python",
            str(place),
            "-c",
            str(REPO / "requirements.txt"),
            str(wheel),
        ],
    ):
        done = subprocess.run([uv, *words], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    with_few_words(place)
    command = str(place / "bin" / "ocr-train")
    helped = subprocess.run(
        [command, "--help"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert "train" in helped.stdout, helped.stderr
    small = "Train.loader.num_workers=0 Eval.loader.num_workers=0 Global.print_batch_step=1"
    argv = [
        command,
        "train",
        "--model",
        "rec",
        "--epochs",
        "1",
        "--export",
        "false",
        "--overrides",
        small,
    ]
    trained = subprocess.run(
        [*argv, "--evaluation-images", "0", "--sample-images", "0"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert "FINISHED" in trained.stdout
    assert "base: acc" in trained.stdout
