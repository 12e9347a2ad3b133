"""A run before its journal works: taken over from `mlflow run`, and ended with a reason where nothing comes of it.

`mlflow run` tags its run with the project's address as it was given, such as https://TOKEN@host/team/project, and with
that of the project's git remote; and it logs every `-P` value as a param, before we are started.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ocr_train.disk import refused
from ocr_train.errors import OcrTrainError
from ocr_train.redaction.redactor import redactor
from ocr_train.tracking.holder import HOLDER_TAG, read_holder, this_process
from ocr_train.trainer.outcome import FAILED, KILLED, failure_reason_of, stopped
from ocr_train.trainer.stop_signals import StopRequested

_GENERATED_NAME = re.compile(r"[a-z]+-[a-z]+-\d+")
_TAG_LIMIT = 5000


def take_over(client: Any, run_id: str, name: str, tags: Mapping[str, str]) -> Any:
    """The run `run_id` that `mlflow run` made, RUNNING and with `tags`; called `name` where MLflow made up its own.

    Raises what MLflow raises.
    """
    from mlflow.entities import RunTag

    run = client.get_run(run_id)
    if _GENERATED_NAME.fullmatch(run.info.run_name or ""):
        tags = {**tags, "mlflow.runName": name}
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    # Making the environment took so long that `runs --reap` marked it as lost.
    if run.info.status != "RUNNING":
        client.update_run(run_id, status="RUNNING")
    return run


@contextlib.contextmanager
def ended_by_failure(client: Any, run_id: str) -> Iterator[None]:
    """End the run, with the reason as tags, where the block fails; an `OSError` becomes a `StorageError`."""
    try:
        yield
    except OSError as exc:
        error = refused(exc)
        end(client, run_id, error)
        raise error from exc
    except BaseException as exc:
        end(client, run_id, exc)
        raise


def end(client: Any, run_id: str, error: BaseException) -> None:
    """Note in the run why nothing came of it, unless that is noted already; a server that is away is not waited for."""
    status, reason, text = _why(error)
    # The error itself is what the user must see.
    with contextlib.suppress(Exception):
        if "failure_reason" in client.get_run(run_id).data.tags:
            return
        client.set_tag(run_id, "failure_reason", reason)
        client.set_tag(run_id, "failure_explanation", redactor().text(text)[:_TAG_LIMIT])
        client.set_terminated(run_id, status=status)


def _why(error: BaseException) -> tuple[str, str, str]:
    """Status, reason and explanation."""
    if isinstance(error, StopRequested):
        asked = stopped(error.number)
        return KILLED, asked.reason, asked.explanation
    text = str(error) if isinstance(error, OcrTrainError) else f"{type(error).__name__}: {error}"
    return FAILED, failure_reason_of(error), text


@contextlib.contextmanager
def mlflow_run_ended_by_failure(connect: Callable[[], Any]) -> Iterator[None]:
    """End the run that `mlflow run` made for this launch with the reason, where the block fails before it has one.

    It is left alone where another process tracks it.
    """
    try:
        yield
    except BaseException as exc:
        end_mlflow_run(connect, exc)
        raise


def end_mlflow_run(connect: Callable[[], Any], error: BaseException) -> None:
    """The same for an error that is known already; nothing happens without MLFLOW_RUN_ID, or without a server."""
    run_id = os.environ.get("MLFLOW_RUN_ID", "")
    if not run_id or isinstance(error, SystemExit):
        return
    # The error itself is what the user must see.
    with contextlib.suppress(Exception):
        client = connect()
        holder = read_holder(client.get_run(run_id).data.tags.get(HOLDER_TAG, ""))
        if holder is None or holder.token == this_process(Path(), now=0).token:
            end(client, run_id, error)


def hide_in_tags(client: Any, run_id: str) -> None:
    """Overwrite those tags of the run that hold credentials; a server that refuses is asked no more."""
    redact = redactor()
    # Whoever needs the run next says what is wrong with it.
    with contextlib.suppress(Exception):
        for key, value in client.get_run(run_id).data.tags.items():
            if (clean := redact.text(value)) != value:
                client.set_tag(run_id, key, clean)


def exposed_params(params: Mapping[str, str]) -> str:
    """A sentence on the params that hold credentials, for MLflow never changes a param; nothing where none does."""
    redact = redactor()
    exposed = [key for key, value in params.items() if redact.value(key, value) != value]
    if not exposed:
        return ""
    return (
        f"warning: `mlflow run` has logged a credential in the param(s) {', '.join(sorted(exposed))}, and params cannot "
        "be changed. Delete this run and change that credential; give it in the environment, or launch with "
        "`python -m ocr_train train`, which logs it as ***."
    )
