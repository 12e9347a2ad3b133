"""One real S3 server for the session; each test has a prefix of its own in its one bucket."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ocr_train.server.serve import ServerAddress
from tests.servers import running_s3
from tests.storage.fake_s3 import FakeS3

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Prefix:
    """A prefix of the test bucket, with a boto3 client to look at it from outside."""

    bucket: str
    prefix: str
    client: Any

    @property
    def uri(self) -> str:
        """The address of the prefix."""
        return f"s3://{self.bucket}/{self.prefix}"

    def put(self, name: str, body: bytes) -> None:
        """Store an object below the prefix."""
        self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}", Body=body)

    def delete(self, name: str) -> None:
        """Remove an object below the prefix."""
        self.client.delete_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}")

    def all(self) -> dict[str, bytes]:
        """All objects below the prefix by name."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{self.prefix}/"
        )
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {
            key[len(self.prefix) + 1 :]: self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            for key in keys
        }


def use(monkeypatch: pytest.MonkeyPatch, env: dict[str, str]) -> None:
    """Make these the AWS settings of this process, without what a developer's shell has."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name, value in env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerAddress]:
    """A real S3 server on loopback."""
    with running_s3(tmp_path_factory.mktemp("weed")) as address:
        yield address


@pytest.fixture
def prefix(s3_server: ServerAddress, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prefix]:
    """An empty prefix; the AWS variables point to its server."""
    import boto3

    use(monkeypatch, s3_server.env())
    client = boto3.client("s3")
    yield Prefix(s3_server.bucket, f"test-{next(_NUMBERS)}/data", client)
    client.close()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    """A stand-in for an S3 server that misbehaves as told; the AWS variables point to it."""
    with FakeS3() as server:
        keys = {"AWS_ACCESS_KEY_ID": "AKFAKE", "AWS_SECRET_ACCESS_KEY": "very-secret"}
        use(monkeypatch, {**keys, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL_S3": server.endpoint})
        yield server
