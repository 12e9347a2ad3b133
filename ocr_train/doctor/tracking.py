"""The tracking server: reachable, which version, whether its artifact store takes files, whether its clock is right."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ocr_train.doctor.rows import CheckRow, fine, problem, warning
from ocr_train.doctor.s3 import clock_rows, s3_rows
from ocr_train.errors import TrackingError
from ocr_train.redaction.addresses import first_line, without_password
from ocr_train.storage.rights import WRITING
from ocr_train.tracking.artifacts import try_artifact_store
from ocr_train.tracking.preflight import is_http, server_facts

SUBJECT = "MLflow"
STORE = "artifact store"


def tracking_rows(uri: str, connect: Callable[[], Any]) -> list[CheckRow]:
    """Ask the server at `uri`, or the database, and try its artifact store; no run is made."""
    try:
        rows = _server_rows(uri) if is_http(uri) else []
        if not rows and (new := _new_database(uri)):
            return [new]
        client = connect()
        rows = rows or [fine(SUBJECT, f"{without_password(uri)} can be opened")]
        return [*rows, *_store_rows(client, uri)]
    except TrackingError as exc:
        return [problem(SUBJECT, exc)]


def _server_rows(uri: str) -> list[CheckRow]:
    facts = server_facts(uri)
    shown = without_password(uri)
    version = f"MLflow {facts.version}" if facts.version else "it does not tell its version"
    skew = clock_rows(shown, time.time() - facts.clock_s) if facts.clock_s is not None else []
    return [fine(SUBJECT, f"{shown}: {version}"), *skew]


def _new_database(uri: str) -> CheckRow | None:
    """A row about a SQLite file that the first run will make; None where there is one, or it is another database."""
    file = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or file.exists():
        return None
    folder = next(place for place in file.absolute().parents if place.exists())
    if os.access(folder, os.W_OK):
        return fine(SUBJECT, f"{uri} will be made by the first run; runs stay on this machine")
    return problem(
        SUBJECT,
        TrackingError(
            f"{uri} cannot be made: {folder} cannot be written.",
            hint="Start from another folder, or set MLFLOW_TRACKING_URI.",
        ),
    )


def _store_rows(client: Any, uri: str) -> list[CheckRow]:
    location, experiment = _location(client)
    kind = urlsplit(location).scheme
    if kind == "s3":
        return s3_rows(STORE, location, WRITING)
    if kind in ("", "file") and is_http(uri):
        return [
            warning(
                STORE,
                f"{location} is a folder of the server's machine: what is stored from here would be in a folder of that "
                "name on this one",
                "Start the server with --artifacts-destination, as `python -m ocr_train server` does.",
            )
        ]
    try:
        try_artifact_store(location, uri)
    except TrackingError as exc:
        return [problem(STORE, exc)]
    return [
        fine(STORE, f"{without_password(location)} ({experiment}): a file was stored, read back and removed")
    ]


def _location(client: Any) -> tuple[str, str]:
    """Where artifacts of the experiment go that MLflow's variables name, and a word on which one it is: none is made."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "")
    try:
        if number := os.environ.get("MLFLOW_EXPERIMENT_ID", ""):
            return str(client.get_experiment(number).artifact_location), f"experiment {number}"
        found = client.get_experiment_by_name(name) if name else None
        if found is not None:
            return str(found.artifact_location), f"experiment {name!r}"
        word = f"the default one; {name!r} will be made by the first run" if name else "the default one"
        return str(client.get_experiment("0").artifact_location), word
    except Exception as exc:
        raise TrackingError(
            f"the experiment {name or number or '0'!r} cannot be found: {first_line(exc)}",
            hint="Check MLFLOW_EXPERIMENT_NAME, MLFLOW_EXPERIMENT_ID and the server's log.",
        ) from exc
