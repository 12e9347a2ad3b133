"""`python -m benchmarks.checkpoint_upload`: a finished checkpoint into S3, against `boto3.upload_file` of the same bytes.

Ours is all of it: the copy out of the trainer's reach, sums, the upload, every byte read back and compared, the
manifest, `latest.json`, and MLflow asked whether it has the run. boto3's is its upload alone.
"""

from __future__ import annotations

import pickle
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.program import Scene, run, say
from benchmarks.s3_mlflow import Counter, environment, running_mlflow
from benchmarks.table import Row, at_most
from ocr_train.checkpoints.manifest import LATEST
from ocr_train.checkpoints.snapshots import take_snapshot
from ocr_train.checkpoints.store import CheckpointStore
from ocr_train.server.serve import ServerAddress
from ocr_train.tracking.artifacts import RunArtifacts
from ocr_train.tracking.mlflow_client import connect
from ocr_train.trainer.files import files_of
from tests.servers import running_s3

SIZES_MB = (22, 200, 1000)
NAMES = (LATEST, "best_accuracy", "iter_epoch_1")
_BLOCK_BYTES = 1 << 20


def measure(scene: Scene) -> Iterator[Row]:
    """Each size with a server of its own, so that what is thrown away takes no room; then what is sent of one save."""
    for size_mb in SIZES_MB[:2] if scene.quick else SIZES_MB:
        folder = scene.folder / str(size_mb)
        with running_s3(folder / "s3") as s3, running_mlflow(folder / "mlflow", s3) as address:
            with environment(address.env()):
                yield from _against_boto3(folder, address, size_mb, scene.rounds)
            if size_mb == SIZES_MB[0]:
                yield _sent(folder, address, size_mb)
        shutil.rmtree(folder)


def _against_boto3(folder: Path, address: ServerAddress, size_mb: int, rounds: int) -> Iterator[Row]:
    import boto3

    client = boto3.client("s3")
    store = _store()
    ours, theirs = [], []
    # One more at the beginning, in which both load what they need and open their connections.
    for turn in range(rounds + 1):
        prefix = write_set(folder / "trainer" / LATEST, size_mb * 1_000_000, turn)
        start = time.perf_counter()
        snapshot = take_snapshot(prefix, LATEST, folder / "snapshots")
        store.point(LATEST, store.put(snapshot, step=turn, epoch=1))
        middle = time.perf_counter()
        for path in sorted(files_of(prefix)):
            client.upload_file(str(path), address.bucket, f"boto3/{turn}/{path.name}")
        end = time.perf_counter()
        snapshot.discard()
        if turn:
            ours.append(middle - start)
            theirs.append(end - middle)
            say(f"  {size_mb} MB, round {turn} of {rounds}: ours {ours[-1]:.2f} s, boto3 {theirs[-1]:.2f} s")
    yield Row(
        name=f'"save model" to verified in S3, {size_mb} MB: time / boto3.upload_file',
        samples=[one / two for one, two in zip(ours, theirs, strict=True)],
        unit="x",
        bar=at_most(1.2),
    )
    yield Row(name=f"  ours: {size_mb} MB", samples=ours, unit="s")
    yield Row(name=f"  boto3.upload_file: {size_mb} MB", samples=theirs, unit="s")


def _sent(folder: Path, address: ServerAddress, size_mb: int) -> Row:
    """What goes over the line for three names of one save, HTTP's own lines and the manifest included."""
    prefixes: Sequence[Path] = [folder / "same" / name for name in NAMES]
    for prefix in prefixes:
        write_set(prefix, size_mb * 1_000_000, 99)
    distinct = sum(path.stat().st_size for path in files_of(prefixes[0]))
    with Counter(address.s3_endpoint) as counter:
        through = {"AWS_ENDPOINT_URL_S3": counter.endpoint, "MLFLOW_S3_ENDPOINT_URL": counter.endpoint}
        with environment({**address.env(), **through}):
            store = _store()
            for prefix in prefixes:
                snapshot = take_snapshot(prefix, LATEST, folder / "snapshots")
                store.point(LATEST, store.put(snapshot, step=7, epoch=1))
                snapshot.discard()
        sent = counter.sent_bytes
    return Row(
        name=f"bytes sent for latest, best and iter_epoch of one save, {size_mb} MB / distinct bytes",
        samples=[sent / distinct],
        unit="x",
        # 1.0, with HTTP's own lines and the manifest.
        bar=at_most(1.005),
        note=f"{sent:,} of {distinct:,}",
    )


def _store() -> CheckpointStore:
    """The checkpoints of a new run."""
    client: Any = connect()
    artifacts = RunArtifacts(client, client.create_run("0").info.run_id)
    return CheckpointStore(artifacts, model="rec", dataset_digest="", versions={}, common=())


def write_set(prefix: Path, size_bytes: int, seed: int) -> Path:
    """A set of this size with bytes of its own at `prefix`: a third weights, two thirds the optimizer's, as with Adam."""
    import numpy as np

    prefix.parent.mkdir(parents=True, exist_ok=True)
    for suffix, share in ((".pdparams", size_bytes // 3), (".pdopt", size_bytes - size_bytes // 3)):
        block = np.random.default_rng([seed, share]).bytes(_BLOCK_BYTES)
        with Path(f"{prefix}{suffix}").open("wb") as stream:
            for number in range(-(-share // _BLOCK_BYTES)):
                head = f"{seed} {suffix} {number} ".encode()
                stream.write((head + block[len(head) :])[: share - number * _BLOCK_BYTES])
    states = {"best_model_dict": {"acc": 0.5, "best_epoch": 1}, "epoch": 1, "global_step": seed}
    Path(f"{prefix}.states").write_bytes(pickle.dumps(states, protocol=2))
    return prefix


if __name__ == "__main__":
    sys.exit(run("checkpoint_upload", __doc__, measure))
