"""A prefix in an S3 store that keeps what was fetched from addresses: machines behind a closed network look there first."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ocr_train.errors import StorageError
from ocr_train.run import Echo
from ocr_train.storage.keys import parse_s3_uri
from ocr_train.storage.one_object import fetch_object, store_object
from ocr_train.weights.known_sums import identity

if TYPE_CHECKING:
    from ocr_train.storage.s3 import S3Bucket

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Below `s3://bucket/prefix`; without a bucket there is none, and nothing is found or kept."""

    bucket: str = ""
    prefix: str = ""

    def place(self, url: str, name: str) -> str:
        """The S3 address where the file `name` of `url` is kept; nothing where there is no mirror."""
        return f"s3://{self.bucket}/{self._key(url, name)}" if self.bucket else ""

    def _key(self, url: str, name: str) -> str:
        short = hashlib.sha256(identity(url).encode()).hexdigest()[:12]
        return "/".join(part for part in (self.prefix, f"{short}-{name}") if part)

    def fetch(self, url: str, name: str, part: Path, echo: Echo) -> bool:
        """Whether `part` now is the mirror's copy. A mirror that fails is said, and the address itself is asked."""
        return self._with(
            lambda bucket: fetch_object(bucket, self._key(url, name), part),
            f"the mirror {self.place(url, name)} cannot be asked",
            echo,
        )

    def has(self, url: str, name: str) -> bool:
        """Whether there is a copy; raises `StorageError` where the mirror cannot be asked."""
        from ocr_train.storage.s3 import S3Bucket

        if not self.bucket:
            return False
        bucket = S3Bucket(self.bucket, workers=1)
        try:
            return bucket.head(self._key(url, name)) is not None
        finally:
            bucket.close()

    def store(self, url: str, name: str, source: Path, echo: Echo) -> bool:
        """Whether a copy of `source` is kept now. That it is not keeps nobody from training."""
        return self._with(
            lambda bucket: store_object(bucket, self._key(url, name), source),
            f"the mirror did not take {self.place(url, name)}",
            echo,
        )

    def _with(self, work: Callable[[S3Bucket], bool], problem: str, echo: Echo) -> bool:
        from ocr_train.storage.s3 import S3Bucket

        if not self.bucket:
            return False
        try:
            bucket = S3Bucket(self.bucket, workers=1)
            try:
                return work(bucket)
            finally:
                bucket.close()
        except StorageError as exc:
            echo(f"note: {problem}: {exc.problem} {exc.hint}".rstrip())
            return False


def named_mirror() -> Mirror:
    """The mirror that the environment names; raises `ConfigError` where it is no S3 address."""
    uri = os.environ.get("OCR_TRAIN_WEIGHTS_MIRROR", "").strip()
    bucket, prefix = parse_s3_uri(uri) if uri else ("", "")
    return Mirror(bucket=bucket, prefix=prefix)
