"""No credential reaches MLflow or the terminal: whole runs with canaries in the environment, address and overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.data.demo import DemoSpec, make_demo
from tests.commands import SCRIPTED, ocr_train

pytestmark = pytest.mark.slow
CANARIES = ("canary-aws-secret-1", "canary-session-2", "canary-override-3", "canary-password-4")


@pytest.mark.parametrize("fault", ["", "crash"])
def test_canaries_are_nowhere_in_mlflow_or_on_the_terminal(store_folder: Path, fault: str) -> None:
    """Params, tags, metrics, the logged configuration, the log, the last lines and every message are clean."""
    data = store_folder / "words"
    make_demo(data, DemoSpec(task="rec", train=8, val=4))
    done = ocr_train(
        *(
            "train",
            "--model",
            "rec",
            "--data",
            data,
            "--paddleocr",
            SCRIPTED,
            "--epochs",
            "1",
            "--batch-size",
            "4",
        ),
        *("--overrides", f"+Global.wandb_token={CANARIES[2]} +Global.mirror=http://me:{CANARIES[3]}@host/x"),
        cwd=store_folder,
        env={
            "AWS_SECRET_ACCESS_KEY": CANARIES[0],
            "AWS_SESSION_TOKEN": CANARIES[1],
            "SCRIPTED_FAULT": fault,
            "SCRIPTED_LEAK": " ".join(CANARIES),
        },
    )
    assert done.returncode == (6 if fault else 0), done.stdout + done.stderr
    stored = [
        store_folder / "mlflow.db",
        *(path for path in (store_folder / "mlruns").rglob("*") if path.is_file()),
    ]
    assert len(stored) > 5
    for path in stored:
        content = path.read_bytes()
        assert not [canary for canary in CANARIES if canary.encode() in content], path
    assert not [canary for canary in CANARIES if canary in done.stdout + done.stderr]
