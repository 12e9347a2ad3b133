"""The command `doctor`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builders import MLFLOW_WARNING
from tests.commands import all_runs, ocr_train_here, store
from tests.s3 import Prefix

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


def test_all_problems_are_said_at_once(store_folder: Path, prefix: Prefix) -> None:
    """A wrong key for S3, at both addresses, with exit code 4; nothing is left, and the key is not shown."""
    done = ocr_train_here(
        *("doctor", "--model", "rec", "--data", prefix.uri, "--backup", prefix.uri, "--resume", "latest"),
        *("--json", "found.json", "--keep", prefix.uri),
        cwd=store_folder,
        env={"AWS_SECRET_ACCESS_KEY": "only-a-wrong-secret"},
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "problem  data in S3" in done.stdout
    assert "problem  backup" in done.stdout
    assert "problem  keep  " in done.stdout
    assert "ok       Paddle runs       a convolution forward and backward on cpu" in done.stdout
    assert "only-a-wrong-secret" not in done.stdout
    assert "warning  resume            'latest' is not looked up here" in done.stdout
    found = json.loads((store_folder / "found.json").read_text(encoding="utf-8"))
    assert (found["problems"], found["exit_code"], found["estimate"]) == (3, 4, None)
    # The last line counts what the machine has to warn of, whatever that is: its rows are in the answer.
    warnings = sum(row["status"] == "warning" for row in found["rows"])
    counted = f"3 problems, {warnings} warning{'s' if warnings > 1 else ''} (exit code 4)"
    assert done.stdout.splitlines()[-1] == counted, done.stdout
    assert {row["subject"] for row in found["rows"]} >= {
        "Python",
        "MLflow",
        "GPU",
        "disk",
    }
    assert all_runs(store(store_folder)) == []
    assert not (store_folder / "outputs").exists()


def test_a_wrong_configuration_is_a_row(tmp_path: Path) -> None:
    """With exit code 2, as `train` has it, and what can be checked without it."""
    done = ocr_train_here("doctor", "--model", "rec", "--epochs", "many", cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "problem  configuration" in done.stdout
    assert "ok       Python" in done.stdout


def test_it_takes_what_train_takes(tmp_path: Path) -> None:
    """The word `train` in a command becomes `doctor`, and nothing else."""
    from ocr_train.cli.main import make_parser
    from ocr_train.config.parameters import PARAMETERS

    words = ["doctor", *(f"--{name.replace('_', '-')}=x" for name in PARAMETERS)]
    assert vars(make_parser().parse_args(words))["trial"] is False
    assert make_parser().parse_args([*words, "--trial"]).trial is True
