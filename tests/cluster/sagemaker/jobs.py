"""A launch and options for tests, and what stands in for Amazon SageMaker and its logs."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.loaders

from ocr_train.cluster.sagemaker.options import JobOptions
from ocr_train.cluster.sagemaker.request import JobRequest, build
from ocr_train.config.parameters import Launch

NOW = datetime(2026, 11, 26, 12, 30, 45, tzinfo=timezone.utc)
REGISTRY = "123456789012.dkr.ecr.ap-southeast-1.amazonaws.com"
GPU_IMAGE = f"{REGISTRY}/ocr-train:1.0-gpu"
CPU_IMAGE = f"{REGISTRY}/ocr-train:1.0-cpu"
ROLE = "arn:aws:iam::123456789012:role/ocr-train-job"
MLFLOW = "http://mlflow.internal:5000"


def options(**chosen: Any) -> JobOptions:
    """A GPU job's, with what a test chooses."""
    return JobOptions(
        **{
            "instance": "ml.g5.xlarge",
            "image": GPU_IMAGE,
            "role": ROLE,
            "tracking_uri": MLFLOW,
            **chosen,
        }
    )


def job(launch: Launch | None = None, **chosen: Any) -> JobRequest:
    """The request for it."""
    return build(launch or Launch(model="rec", data="s3://wires/rec"), options(**chosen), {}, NOW)


one_loader = functools.cache(botocore.loaders.create_loader)
"""In place of botocore's own: it reads the description of SageMaker's API, 3 MB, once for all tests."""


class StandIn:
    """It stands in for SageMaker's API and CloudWatch's logs, which cannot be had here: it keeps the last request and
    answers from `description` and `lines`. It checks no signature and no right."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.description: dict[str, Any] = {}
        self.descriptions: list[dict[str, Any]] = []
        self.lines: dict[str, list[str]] = {}
        self.refusal: tuple[str, str] | None = None

    def answer(self, action: str, request: dict[str, Any]) -> dict[str, Any]:
        """What the service would say."""
        self.asked.append((action, request))
        if action == "CreateTrainingJob":
            self.description = {**request, "TrainingJobStatus": "InProgress", "SecondaryStatus": "Starting"}
            return {"TrainingJobArn": f"arn:aws:sagemaker:x:1:training-job/{request['TrainingJobName']}"}
        if action == "DescribeTrainingJob":
            if self.descriptions:
                self.description = {**self.description, **self.descriptions.pop(0)}
            return self.description
        if action == "DescribeLogStreams":
            return {"logStreams": [{"logStreamName": name} for name in self.lines]}
        if action == "GetLogEvents":
            return self._events(request)
        return {}

    def _events(self, request: dict[str, Any]) -> dict[str, Any]:
        lines = self.lines[request["logStreamName"]]
        start = int(request.get("nextToken", "0"))
        events = [{"message": line, "timestamp": 0} for line in lines[start:]]
        return {"events": events, "nextForwardToken": str(len(lines))}


@contextmanager
def stand_in() -> Iterator[tuple[StandIn, str]]:
    """The stand-in and its address, on loopback, until the end of the block."""
    service = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            action = self.headers["X-Amz-Target"].rpartition(".")[2]
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = service.answer(action, request)
            status = 200
            if service.refusal:
                status, answer = 400, dict(zip(("__type", "message"), service.refusal, strict=True))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: pytest's output is for results."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield service, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
