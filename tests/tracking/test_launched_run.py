"""What `mlflow run` has logged of a launch: tags lose their credentials, params are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.tracking.launched_run import exposed_params
from ocr_train.tracking.mlflow_client import connect
from tests.commands import client, store


def test_the_address_of_a_project_loses_its_token(
    store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever command connects; everything else that MLflow tagged stays."""
    direct = client(store(store_folder))
    tags = {
        "mlflow.source.name": "https://CANARYtoken01234567@github.com/team/project#sub",
        "mlflow.source.git.repoURL": "https://me:CANARYpassword@github.com/team/project",
        "mlflow.project.entryPoint": "main",
    }
    run_id = direct.create_run("0", tags=tags).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(store_folder))
    connect()
    found = direct.get_run(run_id).data.tags
    assert found["mlflow.source.name"] == "https://***@github.com/team/project#sub"
    assert found["mlflow.source.git.repoURL"] == "https://***@github.com/team/project"
    assert found["mlflow.project.entryPoint"] == "main"


def test_a_param_that_cannot_be_changed_is_named() -> None:
    """With what to do; without its value."""
    said = exposed_params({"overrides": "'+Global.wandb_token=CANARY1'", "data": "s3://b/x", "epochs": "3"})
    assert "param(s) overrides," in said
    assert "CANARY" not in said
    assert exposed_params({"overrides": "'Global.x=1'", "data": "''", "resume": ""}) == ""
