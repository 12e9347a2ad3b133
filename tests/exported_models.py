"""Exported folders as far as the registry looks at them: what model.json says, and files that nothing loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DIGEST = "a" * 32


def exported_folder(folder: Path, task: str = "det", **said: Any) -> Path:
    """A folder of an exported model whose model.json says `said` on top of what one always says."""
    folder.mkdir(parents=True)
    metric = {"det": "hmean", "rec": "acc"}.get(task, "acc")
    document = {
        "task": task,
        "model": task,
        "run_id": "",
        "step": 10,
        "checkpoint_sha256": f"{task}-weights",
        "dataset_digest": DIGEST,
        "main_metric": metric,
        "metrics": {metric: 0.5, "fps": 12.0},
        "versions": {"python": "3.11.1", "paddle": "3.0.0", "paddleocr": "2.10.0"},
        **said,
    }
    (folder / "model.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "dict.txt").write_text("ก\nข\na\n", encoding="utf-8")
    (folder / "config.yml").write_text("Global: {aws_secret_access_key: very-secret}\n", encoding="utf-8")
    (folder / "inference.pdiparams").write_bytes(b"weights")
    return folder


def run_with(
    client: Any, *, task: str = "det", step: int = 10, digest: str = DIGEST, **metrics: float
) -> str:
    """A finished run with evaluations at `step`; its id."""
    tags = {"launch_command": "mlflow run .", "model": task, "task": task, "dataset_digest": digest}
    run_id = str(client.create_run("0", run_name=f"{task}-run", tags=tags).info.run_id)
    for name, value in metrics.items():
        client.log_metric(run_id, f"eval/{name}", value, step=step)
        client.log_metric(run_id, f"best/{name}", value, step=step)
    client.set_terminated(run_id, status="FINISHED")
    return run_id
