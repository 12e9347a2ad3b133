"""Whether a job on AWS can reach the MLflow server at an address."""

from __future__ import annotations

import ipaddress
import urllib.parse

from ocr_train.redaction.addresses import without_password


def check_tracking(uri: str, problems: list[str], notes: list[str]) -> None:
    """Add to `problems` why a job cannot write to `uri`, and to `notes` what must be there for it."""
    if not uri:
        problems.append(
            "--tracking-uri: without an MLflow server the run would be lost with the machine: give its address, set "
            "MLFLOW_TRACKING_URI, or train with --offline true"
        )
        return
    if is_managed(uri):
        notes.append(
            "the MLflow server is a managed one: the image needs the extra `sagemaker`, and the role the actions of "
            "`sagemaker policies --mlflow-arn`"
        )
        return
    shown = without_password(uri)
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        problems.append(
            f"--tracking-uri: {shown} is on this machine, which the job does not see: give http(s)://host or the ARN of a "
            "managed server"
        )
    elif _is_loopback(parts.hostname):
        problems.append(
            f"--tracking-uri: {shown} is this machine's own address: inside the job it is the job itself"
        )


def is_managed(uri: str) -> bool:
    """Whether `uri` is the ARN of an MLflow server that SageMaker manages."""
    return uri.startswith("arn:")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
