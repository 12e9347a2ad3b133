"""Large artifacts of a run to S3 and back without MLflow's own transfer, where MLflow itself would talk to S3.

MLflow stores with boto3 (its CPU time is several times ours) and reads a whole file to the disk first. The objects are
the same: the same keys, below the run's own artifact address. Small files and every other store go MLflow's way.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ocr_train.errors import ConfigError, StorageError
from ocr_train.storage.keys import parse_s3_uri
from ocr_train.storage.s3 import PARTS_AT_A_TIME, S3Bucket

DIRECT_FROM_BYTES = 1 << 20
"""A smaller file costs a request either way."""
SMALLEST_PART_BYTES = 5 * 1024 * 1024
MOST_PARTS = 10_000
"""S3's limits: Amazon S3 User Guide, "Multipart upload limits"."""
_OWN_SETTINGS = (
    "MLFLOW_S3_IGNORE_TLS",
    "MLFLOW_S3_UPLOAD_EXTRA_ARGS",
    "MLFLOW_S3_EXPECTED_BUCKET_OWNER",
    "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE",
    "MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION",
)
"""What only MLflow's own transfer knows: with one of these set, it is left to it."""


class DirectS3:
    """The artifacts below one S3 address. Raises `StorageError`, `TransientStorageError` where trying again may help."""

    def __init__(self, uri: str) -> None:
        bucket, self._prefix = parse_s3_uri(uri)
        self._bucket = S3Bucket(
            bucket, workers=PARTS_AT_A_TIME, endpoint=os.environ.get("MLFLOW_S3_ENDPOINT_URL", "")
        )

    def store(self, local: Path, folder: str) -> None:
        """Store `local` as `folder`/<its name>; raises `OSError`, too."""
        part_bytes = max(SMALLEST_PART_BYTES, -(-local.stat().st_size // MOST_PARTS))
        self._bucket.put(self._key(f"{folder}/{local.name}"), local, part_bytes=part_bytes)

    def read_back(self, path: str, target: Path | None = None) -> str:
        """The SHA-256 of the object's bytes, which go to the file `target` if one is given; raises `OSError`, too.

        Empty where there is no such object: it may be a folder.
        """
        found = self._bucket.head(self._key(path))
        if found is None:
            return ""
        total = hashlib.sha256()
        with target.open("wb") if target else nullcontext() as file:
            for buffer in self._bucket.body(found, ahead=PARTS_AT_A_TIME):
                total.update(buffer)
                if file is not None:
                    file.write(buffer)
        return total.hexdigest()

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path.lstrip('/')}".lstrip("/")


def direct_s3(repository: Any) -> DirectS3 | None:
    """The way around MLflow's `repository`; None where that is not S3, or is set up as only MLflow can."""
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    # Not a plug-in's, which may do anything.
    if type(repository) is not S3ArtifactRepository or any(map(os.environ.get, _OWN_SETTINGS)):
        return None
    try:
        return DirectS3(repository.artifact_uri)
    except (ConfigError, StorageError):
        return None
