"""PaddleOCR itself, real photographs in a real S3 bucket, a real MLflow server: train, look, resume.

Small settings: a few of the wire photographs, small crops, one epoch and then another.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ocr_train.server.serve import ServerAddress
from tests.commands import artifacts, client, ocr_train_here, points
from tests.servers import bucket_keys

pytestmark = pytest.mark.slow

REC = (
    "--batch-size",
    "16",
    "--overrides",
    "Global.print_batch_step=1 Train.loader.num_workers=1 Eval.loader.num_workers=0",
)
DET = (
    *("--batch-size", "4", "--overrides"),
    "Global.print_batch_step=1 Train.loader.num_workers=1 Eval.loader.num_workers=0 "
    "Train.dataset.transforms.EastRandomCropData.size=[160,160] "
    "Eval.dataset.transforms.DetResizeForTest.image_shape=[160,160]",
)


def sample(source: Path, folder: Path, *, train: int, val: int) -> Path:
    """The first samples of a real set, copied."""
    for part, count in (("train", train), ("val", val)):
        lines = (source / f"{part}.txt").read_text(encoding="utf-8").splitlines(keepends=True)[:count]
        folder.mkdir(exist_ok=True)
        (folder / f"{part}.txt").write_text("".join(lines), encoding="utf-8")
        (folder / part).mkdir(exist_ok=True)
        for line in lines:
            image = line.split("\t")[0]
            shutil.copyfile(source / image, folder / image)
    return folder


@pytest.mark.parametrize(
    ("task", "model", "settings", "train", "val", "steps", "score"),
    [
        ("rec", "rec_mv3_none_bilstm_ctc", REC, 64, 16, 4, "eval/acc"),
        ("det", "det_mv3_db", DET, 12, 2, 3, "eval/hmean"),
    ],
)
def test_training_on_s3_data_is_tracked_and_resumable(
    tmp_path: Path,
    shared: Path,
    servers: ServerAddress,
    task: str,
    model: str,
    settings: tuple[str, ...],
    train: int,
    val: int,
    steps: int,
    score: str,
) -> None:
    """Data from the bucket, metrics and system metrics in MLflow, checkpoints in the bucket, and a second run
    that goes on at the right epoch and step."""
    env = {
        **servers.env(),
        "MLFLOW_EXPERIMENT_NAME": f"wires-{model}",
        "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "1",
    }
    folder = sample(shared / "data" / "wires" / task, tmp_path / task, train=train, val=val)
    uri = f"s3://{servers.bucket}/data/wires/{task}"
    pushed = ocr_train_here("push", folder, uri, cwd=tmp_path, env=env)
    assert pushed.returncode == 0, pushed.stderr

    launch = ("train", "--model", model, "--data", uri, *settings)
    backup = f"s3://{servers.bucket}/kept"
    bare = ("--export", "false", "--evaluation-images", "0", "--sample-images", "0")
    first = ocr_train_here(*launch, *bare, "--epochs", "1", "--backup", backup, cwd=tmp_path, env=env)
    assert first.returncode == 0, first.stdout + first.stderr
    mlflow = client(servers.tracking_uri)
    experiment = mlflow.get_experiment_by_name(f"wires-{model}").experiment_id
    run = mlflow.search_runs([experiment])[0]
    assert run.info.status == "FINISHED"
    loss = points(servers.tracking_uri, run.info.run_id, "train/loss")
    assert [step for step, _ in loss] == list(range(1, steps + 1))
    assert [step for step, _ in points(servers.tracking_uri, run.info.run_id, score)] == [steps]
    assert any(key.startswith("system/cpu") for key in run.data.metrics)
    assert run.inputs.dataset_inputs[0].dataset.source == uri
    kept = run.data.tags["backup"]
    assert kept == f"{backup}/{run.data.tags['dataset_digest']}"
    assert f"{kept.removeprefix(f's3://{servers.bucket}/')}/manifest.jsonl" in bucket_keys(servers)
    stored = f"checkpoints/step_{steps:08d}"
    assert f"{stored}/manifest.json" in artifacts(servers.tracking_uri, run.info.run_id, "checkpoints")
    assert f"{stored}/model.pdparams" in keys_of_run(servers, run.info.run_id)

    ends = ("--epochs", "2", "--register", f"wires-{model}@challenger", "--hourly-usd", "36", "--keep", uri)
    second = ocr_train_here(*launch, *ends, "--resume", run.info.run_id, cwd=tmp_path, env=env)
    assert second.returncode == 0, second.stdout + second.stderr
    newest = mlflow.search_runs([experiment], order_by=["attributes.start_time DESC"])[0]
    epochs = points(servers.tracking_uri, newest.info.run_id, "usage/epoch")
    assert epochs == [(step, 2.0) for step in range(steps + 1, 2 * steps + 1)]
    assert newest.data.tags["resumed_from"] == run.info.run_id
    path = mlflow.download_artifacts(newest.info.run_id, "checkpoints/latest.json", str(tmp_path))
    assert json.loads(Path(path).read_text())["step"] == 2 * steps
    assert "0 files fetched" in second.stdout
    ends_in_a_model(servers, newest, model)


def ends_in_a_model(servers: ServerAddress, run: Any, model: str) -> None:
    """The validation images seen while it trained, the evaluation at the end, and a model that was compared with
    its checkpoint, in the bucket and in the registry."""
    names = set(artifacts(servers.tracking_uri, run.info.run_id))
    assert "evaluation/evaluation.json" in names
    assert "samples/latest.json" in names
    assert ("val/cer" in run.data.metrics) == model.startswith("rec")
    assert "evaluation/keep_predictions.csv" in names
    assert any(name.startswith("images/val_sample") for name in names)
    assert run.data.tags["exported"] == "agrees"
    version = client(servers.tracking_uri).get_model_version_by_alias(f"wires-{model}", "challenger")
    assert version.tags["val_digest"] == run.data.tags["val_digest"] != ""
    assert version.run_id == run.info.run_id
    # A training from nothing has read nothing before it.
    assert float(version.tags["keep.after"]) == run.data.metrics[f"keep/{version.tags['keep.metric']}"]
    assert version.tags["keep.digest"] == run.data.tags["keep_digest"]
    assert "keep.before" not in version.tags
    assert any(
        "inference.pdiparams" in key and version.source.split("/")[-1] in key for key in bucket_keys(servers)
    )
    hours = run.data.metrics["usage/hours"]
    assert run.data.metrics["usage/usd"] == pytest.approx(36 * hours)
    assert 0 <= run.data.metrics["usage/reader_share"] <= 1


def keys_of_run(servers: ServerAddress, run_id: str) -> set[str]:
    """What the bucket itself holds of a run, below its artifact folder."""
    return {key.split("/artifacts/", 1)[1] for key in bucket_keys(servers) if f"/{run_id}/artifacts/" in key}
