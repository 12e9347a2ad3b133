"""The first step: a kernel that cannot train says what to type."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ocr_train.notebook import environment
from ocr_train.notebook.cells import CellStopped
from ocr_train.notebook.choices import Choices
from ocr_train.notebook.environment import check_environment, place
from tests.commands import REPO
from tests.notebook.conftest import Shown


def test_a_kernel_with_all_packages_shows_where_it_is(choices: Choices, shown: Shown) -> None:
    """Versions, the folder, and where runs go."""
    check_environment(choices)
    assert "paddlepaddle 3" in shown.text
    assert str(choices.folder / "mlflow.db") in shown.text


def test_a_server_is_shown_without_its_password(
    choices: Choices, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs of cells are sent around."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:hunter2@mlflow.example.com")
    check_environment(choices)
    assert "mlflow.example.com" in shown.text
    assert "hunter2" not in shown.text + shown.html


def test_a_kernel_that_lacks_packages_says_what_to_type(
    choices: Choices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The missing ones by name, `make kernel`, and where to choose it."""
    monkeypatch.setattr(environment, "NEEDED", ("json", "no_such_module"))
    with pytest.raises(CellStopped) as stopped:
        check_environment(choices)
    assert "has no no_such_module" in stopped.value.problem
    assert f"cd {REPO} && make kernel" in stopped.value.hint
    assert "Select Kernel" in stopped.value.hint


@pytest.mark.parametrize("version", [(3, 9), (3, 13)])
def test_another_python_is_refused(
    version: tuple[int, int], choices: Choices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where all packages seem to be there."""
    monkeypatch.setattr(sys, "version_info", (*version, 0))
    with pytest.raises(CellStopped, match="cannot train"):
        check_environment(choices)


def test_the_first_steps_need_no_package() -> None:
    """They run in a kernel that has nothing: `-S` leaves out everything that is installed."""
    script = "from ocr_train import notebook; c = notebook.choose(); notebook.check_environment(c)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert "has no yaml, mlflow, paddle" in done.stderr
    assert "make kernel" in done.stderr
    assert "ModuleNotFoundError" not in done.stderr


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"ResourceName": "my-notebook"}, "SageMaker notebook instance my-notebook"),
        ({"DomainId": "d-1", "SpaceName": "ocr", "ResourceName": "default"}, "SageMaker Studio ocr"),
        ({}, "SageMaker notebook instance"),
        ([], "CPUs"),
    ],
)
def test_sagemaker_is_told_apart(facts: object, said: str, tmp_path: Path) -> None:
    """By the file that both have."""
    (tmp_path / "metadata.json").write_text(json.dumps(facts), encoding="utf-8")
    assert said in place(tmp_path / "metadata.json")
    assert "SageMaker" not in place(tmp_path / "none.json")
