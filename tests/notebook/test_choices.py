"""The first cell: what it takes, and the environment that counts over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.notebook.cells import CellStopped
from ocr_train.notebook.choices import choose, project_folder
from tests.commands import REPO


def test_nothing_chosen_is_the_demo_set_in_the_projects_folder() -> None:
    """As `make run`."""
    choices = choose()
    assert (choices.model, choices.data, choices.folder) == ("det", "", REPO)
    assert choices.output == REPO / "outputs"
    assert project_folder() == REPO


def test_the_environment_counts_over_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is how CI runs the notebook on less."""
    monkeypatch.setenv("OCR_TRAIN_NOTEBOOK_MODEL", "rec")
    monkeypatch.setenv(
        "OCR_TRAIN_NOTEBOOK_PARAMETERS",
        "seed=3 overrides='Global.print_batch_step=1 Global.save_epoch_step=2'",
    )
    choices = choose(MODEL="det", EPOCHS=4, PARAMETERS={"seed": 1})
    assert (choices.model, choices.epochs) == ("rec", "4")
    assert choices.parameters == {
        "seed": "3",
        "overrides": "Global.print_batch_step=1 Global.save_epoch_step=2",
    }


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OCR_TRAIN_NOTEBOOK_MODLE", "rec", "OCR_TRAIN_NOTEBOOK_MODLE"),
        ("OCR_TRAIN_NOTEBOOK_PARAMETERS", "seed", "'seed' is not name=value"),
        ("OCR_TRAIN_NOTEBOOK_BUCKET", "my-bucket", "BUCKET is 'my-bucket'"),
    ],
)
def test_what_is_no_choice_is_said(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what there is instead."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(CellStopped) as stopped:
        choose()
    assert said in stopped.value.problem
    assert stopped.value.hint


def test_a_path_is_meant_from_the_notebooks_folder_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands run in another folder; names and addresses stay as they are."""
    monkeypatch.chdir(tmp_path)
    own = choose(MODEL="experiment.yaml", DATA="data", FOLDER=".")
    assert [own.model, own.data, own.folder] == [
        str(tmp_path / "experiment.yaml"),
        str(tmp_path / "data"),
        tmp_path,
    ]
    assert choose(MODEL="rec", DATA="s3://bucket/words").data == "s3://bucket/words"
