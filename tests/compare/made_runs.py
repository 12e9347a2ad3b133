"""Runs as a training leaves them in MLflow, made without training: plausible histories in a real store."""

from __future__ import annotations

import io
import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.manifest import CheckpointManifest, StoredFile

START_S = 1_760_000_000
STEPS_PER_EPOCH = 50


@dataclass(frozen=True, kw_only=True)
class Made:
    """A detection run of `epochs` epochs whose hmean climbs to `top`; `hours` is how long it took."""

    name: str = "det-wires-1101-090000"
    top: float = 0.8
    epochs: int = 12
    hours: float = 2.0
    first_epoch: int = 1
    digest: str = "d1ge57000000000000000000000000000000"
    main: str = "hmean"
    model: str = "det"
    task: str = "det"
    status: str = "FINISHED"
    experiment: str = "0"
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    losses: Mapping[int, float] = field(default_factory=dict)
    every: int = 10
    """Steps between progress lines."""
    cost_per_hour: float = 0.0
    """Logged as cost/usd while it trains; 0: not logged."""


def make_run(store: Any, made: Made) -> str:
    """Log the run; its id."""
    tags = {
        "launch_command": "mlflow run . -P model=det_mv3_db",
        "model": made.model,
        "task": made.task,
        "device": "CPU",
        "dataset_digest": made.digest,
        "version.python": "3.11.9",
        "version.paddle": "3.0.0",
        "version.paddleocr": "2.10.0",
        "mlflow.source.git.commit": "8c1d2f7",
        **made.tags,
    }
    run = store.create_run(made.experiment, start_time=START_S * 1000, tags=tags, run_name=made.name)
    run_id = str(run.info.run_id)
    _log(store, run_id, _metrics(made), _params(made, run_id))
    if made.status != "RUNNING":
        store.set_terminated(run_id, status=made.status, end_time=int((START_S + made.hours * 3600) * 1000))
    return run_id


def _params(made: Made, run_id: str) -> dict[str, str]:
    return {
        "model": made.model,
        "data": "s3://labels/wires",
        "epochs": str(made.epochs),
        "overrides": "''",
        "cfg/Global.epoch_num": str(made.epochs),
        "cfg/Global.save_model_dir": f"/somewhere/outputs/{run_id}/trainer",
        "cfg/Optimizer.lr.learning_rate": "0.001",
        "cfg/Metric.main_indicator": made.main,
        **made.params,
    }


def _metrics(made: Made) -> list[tuple[str, float, int, float]]:
    """Name, value, step and time in seconds of every point."""
    first = (made.first_epoch - 1) * STEPS_PER_EPOCH
    last = made.epochs * STEPS_PER_EPOCH
    found = []
    for step in range(first + made.every, last + 1, made.every):
        done = (step - first) / max(1, last - first)
        moment = START_S + done * made.hours * 3600
        wave = 0.06 * math.sin(step * 1.7) * math.exp(-done)
        loss = made.losses.get(step, 1.2 - made.top + 4.5 * math.exp(-5 * step / last) + wave)
        rate = 0.001 * 0.5 * (1 + math.cos(math.pi * step / last))
        epoch = (step - 1) // STEPS_PER_EPOCH + 1
        found += [
            ("train/loss", loss, step, moment),
            ("train/loss_shrink_maps", loss * 0.6, step, moment),
            ("train/lr", rate, step, moment),
            ("train/epoch", float(epoch), step, moment),
            ("train/ips", 30.0 + wave * 20, step, moment),
        ]
        if made.cost_per_hour:
            found.append(("cost/usd", done * made.hours * made.cost_per_hour, step, moment))
        if step % STEPS_PER_EPOCH == 0:
            found += _evaluation(made, step, last, moment)
    return [*found, ("data/train_samples", 800.0, 0, START_S), ("data/val_samples", 120.0, 0, START_S)]


def _evaluation(made: Made, step: int, last: int, moment: float) -> list[tuple[str, float, int, float]]:
    value = made.top * (1 - math.exp(-4.5 * step / last)) / (1 - math.exp(-4.5))
    value -= 0.02 * (1 + math.sin(step)) * (step != last)
    return [
        (f"eval/{made.main}", value, step, moment + 20),
        ("eval/precision", min(1.0, value * 1.05), step, moment + 20),
        ("eval/recall", value * 0.95, step, moment + 20),
        (f"best/{made.main}", value, step, moment + 20),
    ]


def _log(
    store: Any, run_id: str, metrics: Sequence[tuple[str, float, int, float]], params: Mapping[str, str]
) -> None:
    from mlflow.entities import Metric, Param

    points = [Metric(name, value, int(moment * 1000), step) for name, value, step, moment in metrics]
    for start in range(0, len(points), 900):
        store.log_batch(run_id, metrics=points[start : start + 900])
    store.log_batch(run_id, params=[Param(key, value) for key, value in params.items()])


def log_text(store: Any, run_id: str, path: str, text: str | bytes) -> None:
    """Store an artifact of this content."""
    with tempfile.TemporaryDirectory() as parent:
        local = Path(parent) / Path(path).name
        local.write_bytes(text.encode() if isinstance(text, str) else text)
        folder = str(Path(path).parent)
        store.log_artifact(run_id, str(local), None if folder == "." else folder)


def add_checkpoints(store: Any, run_id: str, steps: Sequence[int], *, best: int, main: str = "hmean") -> None:
    """Manifests of checkpoints at `steps`, and both aliases; the weights themselves are not needed here."""
    made = {}
    for step in steps:
        made[step] = manifest = CheckpointManifest(
            step=step,
            epoch=step // STEPS_PER_EPOCH,
            kind="best" if step == best else "latest",
            metrics={main: 0.5},
            files=(StoredFile(name="model.pdparams", size=9_600_000, sha256="0" * 64),),
            model="det",
            dataset_digest="d",
            versions={},
        )
        log_text(store, run_id, f"{manifest.folder}/manifest.json", manifest.to_json())
    for alias, step in (("latest", steps[-1]), ("best", best)):
        log_text(store, run_id, f"checkpoints/{alias}.json", json.dumps(made[step].alias()))


def png(width: int = 320, height: int = 160, *, text: str = "", hue: int = 0) -> bytes:
    """A picture with something on it."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (width, height), (225, 228, 230))
    draw = ImageDraw.Draw(picture)
    for place in range(6):
        draw.line(
            [(0, 20 + place * 25), (width, 10 + place * 25 + hue)], fill=(90, 110 + place * 20, 130), width=7
        )
    draw.rectangle([30 + hue, 40, 130 + hue, 75], outline=(20, 150, 60), width=3)
    draw.rectangle([34, 43, 134, 79], outline=(210, 40, 40), width=3)
    draw.text((40, 50), text, fill=(0, 0, 0))
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def add_samples(
    store: Any, run_id: str, images: Sequence[Mapping[str, object]], *, step: int, task: str = "det"
) -> None:
    """The newest look at validation images, as a training leaves it; each image needs a `name`."""
    folder = f"samples/step_{step:08d}"
    entries = []
    for number, image in enumerate(images):
        picture = f"{number:03d}.png"
        log_text(store, run_id, f"{folder}/{picture}", png(text=str(image["name"]), hue=number * 9))
        entries.append({"picture": picture, **image})
    document = {"step": step, "task": task, "seed": 0, "images": entries}
    log_text(store, run_id, f"{folder}/samples.json", json.dumps(document, ensure_ascii=False))
    log_text(store, run_id, "samples/latest.json", json.dumps({"path": folder}))
