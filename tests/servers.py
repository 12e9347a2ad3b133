"""Starts the real servers that tests talk to: the S3 server alone (~1 s), or S3 with MLflow (~10 s)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocr_train.server.ports import LOOPBACK, choose_ports
from ocr_train.server.process import spawn
from ocr_train.server.serve import (
    LocalServers,
    ServerAddress,
    find_weed,
    probe_s3,
    remove_sockets,
    server_environment,
    weed_arguments,
)

ACCESS_KEY = "OCRTESTACCESSKEY"
SECRET_KEY = "only-a-test-secret"


@contextmanager
def running_s3(folder: Path, *, timeout_s: float = 60.0) -> Iterator[ServerAddress]:
    """A `weed` S3 server on loopback that keeps its data in `folder`; its bucket exists.

    Its `tracking_uri` is a port that nothing listens on: whoever uses it by mistake fails at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ports = choose_ports(0, 0, {})
    address = ServerAddress(
        s3_endpoint=f"http://{LOOPBACK}:{ports.s3}",
        tracking_uri=f"http://{LOOPBACK}:9",
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        bucket="ocr-train",
    )
    child = spawn(
        "s3",
        weed_arguments(find_weed(), folder, ports),
        log=folder / "weed.log",
        cwd=folder,
        env=server_environment(os.environ, address),
    )
    try:
        deadline = time.monotonic() + timeout_s
        while complaint := probe_s3(address):
            assert child.exit_status() is None, child.log_tail(40)
            assert time.monotonic() < deadline, f"{complaint}\n{child.log_tail(40)}"
            time.sleep(0.1)
        yield address
    finally:
        # Killed at once: the data is thrown away, and its orderly end takes 4 s.
        child.stop(terminate_s=0)
        remove_sockets(ports)


@contextmanager
def running_servers(folder: Path) -> Iterator[LocalServers]:
    """The S3 server and the MLflow server of `python -m ocr_train server`, in `folder`."""
    with LocalServers(folder) as servers:
        yield servers


def bucket_keys(servers: ServerAddress) -> set[str]:
    """Every key of the bucket."""
    import boto3

    s3 = boto3.client(
        "s3",
        endpoint_url=servers.s3_endpoint,
        aws_access_key_id=servers.access_key,
        aws_secret_access_key=servers.secret_key,
        region_name="us-east-1",
    )
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=servers.bucket)
    found = {item["Key"] for page in pages for item in page.get("Contents", [])}
    s3.close()
    return found
