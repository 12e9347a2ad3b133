"""MLflow's client: opening it where a server answers, and the few calls that are not about a run of our own.

Every call raises an error of ours, with what to do, where MLflow raises one of its many.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ocr_train.errors import ConfigError, TrackingError
from ocr_train.redaction.addresses import first_line, without_password
from ocr_train.redaction.redactor import redactor
from ocr_train.tracking.experiments import experiments_searched
from ocr_train.tracking.journal import Batch, Metric, Tag
from ocr_train.tracking.journal_delivery import RefusedRecords
from ocr_train.tracking.launched_run import hide_in_tags
from ocr_train.tracking.metric_names import TAG_LIMIT, legal_name
from ocr_train.tracking.preflight import check_answers
from ocr_train.tracking.refusals import check_run, raise_if_refused


def connect(uri: str = "") -> Any:
    """An `MlflowClient` on MLFLOW_TRACKING_URI, else on `uri`; raises `TrackingError` at once where no server
    answers."""
    # MLflow's own patience (7 tries with growing pauses) would hang a start by minutes; what matters is tried
    # again by us.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Our summary has it.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    uri = os.environ.get("MLFLOW_TRACKING_URI", "") or uri
    check_answers(uri)
    if managed := uri.startswith("arn:"):
        _require_plugin(uri)
    with _without_collections():
        import mlflow
        from mlflow.exceptions import MlflowException

    # Not its "creating tables" and the like.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    try:
        if managed:
            # Its plug-in takes the address from here alone: a client that is given the ARN raises an IndexError.
            mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient(tracking_uri=None if managed else uri or None)
        _require_mlflow(client)
    except MlflowException as exc:
        raise TrackingError(
            f"the MLflow server at {without_password(mlflow.get_tracking_uri())} does not answer as one: "
            f"{first_line(exc)}",
            hint="Check MLFLOW_TRACKING_URI and the credentials in MLFLOW_TRACKING_USERNAME/_PASSWORD or _TOKEN.",
        ) from exc
    except Exception as exc:
        raise TrackingError(
            f"the tracking store {without_password(mlflow.get_tracking_uri())} cannot be opened: {first_line(exc)}",
            hint="Check MLFLOW_TRACKING_URI; unset, runs go to sqlite:///mlflow.db in the current folder.",
        ) from exc
    if launched_as := os.environ.get("MLFLOW_RUN_ID", ""):
        hide_in_tags(client, launched_as)
    return client


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Nothing of what an import makes is garbage, and looking for it takes a tenth of the time of MLflow's 1,700 modules.
    What was made then is not looked at again, either."""
    wanted = gc.isenabled() and "mlflow" not in sys.modules
    if not wanted:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _require_plugin(arn: str) -> None:
    """Raise `TrackingError` where what knows MLflow servers that SageMaker manages is not installed."""
    from importlib.metadata import entry_points

    if not any(one.name == "arn" for one in entry_points(group="mlflow.tracking_store")):
        raise TrackingError(
            f"{arn} is an MLflow server that Amazon SageMaker manages, and the package for these is not installed.",
            hint="Install the extra, `pip install 'ocr-train[sagemaker]'` or `pip install sagemaker-mlflow==0.5.0`, or "
            "give an http(s) address in MLFLOW_TRACKING_URI.",
        )


def _require_mlflow(client: Any) -> None:
    """Raise `TrackingError` where what answers says yes to everything, as other services and proxies do: a server
    without any experiment answers `{}` when it is asked for them, and names an error when it is asked for one."""
    from mlflow.exceptions import MlflowException, RestException

    if any(one.experiment_id for one in client.search_experiments(max_results=1)):
        return
    # An error in MLflow's own words.
    with contextlib.suppress(RestException):
        if client.get_experiment("0").experiment_id != "0":
            raise MlflowException("another service answers there, or a proxy in front of it")


def send_batch(client: Any, run_id: str, batch: Batch) -> None:
    """Bring one batch to the server, also one that it has in part or as a whole.

    Raises `RefusedRecords` where it says no to it, `RunRefused` where it says no to the run, anything else where it
    is away.
    """
    from mlflow.exceptions import MlflowException

    try:
        try:
            _log(client, run_id, batch)
        except MlflowException as exc:
            if not _is_there_already(exc):
                raise
            _log_missing(client, run_id, batch)
    except MlflowException as exc:
        raise_if_refused(exc, run_id)
        if exc.error_code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
            check_run(client, run_id)
        if exc.error_code == "INVALID_PARAMETER_VALUE":
            raise RefusedRecords(first_line(exc)) from exc
        raise
    _require_taken(client, run_id, batch)


def _require_taken(client: Any, run_id: str, batch: Batch) -> None:
    """Raise `TrackingError` where the run lacks something of the batch that was just sent: a param, a tag, or a metric
    as far as its last step. `{}` is all that MLflow answers to a write, and anything may say `{}`; MLflow tells no more
    of a run in one call."""
    data = check_run(client, run_id).data
    steps = {metric.key: metric.step for metric in data.to_proto().metrics}
    lacking = [
        *(metric.key for metric in batch.metrics if steps.get(metric.key, metric.step - 1) < metric.step),
        *(param.key for param in batch.params if param.key not in data.params),
        *(tag.key for tag in batch.tags if tag.key not in data.tags),
    ]
    if lacking:
        raise TrackingError(
            f"the MLflow server confirmed {len(batch)} value(s), but does not have {lacking[0]!r}."
        )


def end_run(client: Any, run_id: str, status: str, end_time: int) -> None:
    """Give the run its final status; raises `TrackingError` where it has another one then."""
    client.set_terminated(run_id, status=status, end_time=end_time)
    there = str(check_run(client, run_id).info.status)
    if there != status:
        raise TrackingError(f"the MLflow server confirmed the status {status}, but shows {there!r}.")


def add_to_run(
    client: Any,
    run_id: str,
    *,
    metrics: Mapping[str, float] | None = None,
    step: int = 0,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log `metrics` at `step` and set `tags`, without secrets, on a run that is over: at once, without a journal.

    Raises `TrackingError` where the server does not take them.
    """
    now = int(time.time() * 1000)
    redact = redactor()
    batch = Batch(
        metrics=[
            Metric(key=legal_name(key), value=float(value), step=step, time_ms=now)
            for key, value in (metrics or {}).items()
        ],
        tags=[
            Tag(key=key, value=redact.text(value).encode()[:TAG_LIMIT].decode("utf-8", "ignore"))
            for key, value in (tags or {}).items()
        ],
    )
    try:
        send_batch(client, run_id, batch)
    except Exception as exc:
        raise TrackingError(
            f"the run {run_id} does not accept what was found out: {first_line(exc)}",
            hint="Check MLFLOW_TRACKING_URI and that the run is not deleted.",
        ) from exc


def _log(client: Any, run_id: str, batch: Batch) -> None:
    from mlflow.entities import Metric as MlflowMetric
    from mlflow.entities import Param as MlflowParam
    from mlflow.entities import RunTag

    client.log_batch(
        run_id,
        metrics=[MlflowMetric(m.key, m.value, m.time_ms, m.step) for m in batch.metrics],
        params=[MlflowParam(p.key, p.value) for p in batch.params],
        tags=[RunTag(t.key, t.value) for t in batch.tags],
    )


def _is_there_already(exc: BaseException) -> bool:
    """Whether a database reports that a row is in it: SQLite, PostgreSQL, MySQL and SQL Server in their own words.

    A server before MLflow 3 gives that to the client for NaN and for more than 100 metrics, where a batch comes again
    whose answer was lost.
    """
    return bool(re.search(r"IntegrityError|UNIQUE constraint|duplicate (key|entry)", str(exc), re.IGNORECASE))


def _log_missing(client: Any, run_id: str, batch: Batch) -> None:
    """Send what of `batch` the server does not have: it is asked which points there are."""
    from mlflow.exceptions import MlflowException

    there = {
        key: {_identity(point.value, point.step, point.timestamp) for point in points}
        for key in {metric.key for metric in batch.metrics}
        for points in [client.get_metric_history(run_id, key)]
    }
    missing = {
        (metric.key, *_identity(metric.value, metric.step, metric.time_ms)): metric
        for metric in batch.metrics
        if _identity(metric.value, metric.step, metric.time_ms) not in there[metric.key]
    }
    together = Batch(metrics=tuple(missing.values()), params=batch.params, tags=batch.tags)
    # Somebody else may be sending them, too: then one by one, and a point that conflicts alone is there.
    for piece in (together, *(Batch(metrics=(metric,)) for metric in missing.values())):
        try:
            _log(client, run_id, piece)
        except MlflowException as exc:
            if not _is_there_already(exc):
                raise
        else:
            if piece is together:
                return


def _identity(value: float, step: int, time_ms: int) -> tuple[str, int, int]:
    """What makes a point of a metric: MLflow's stores keep infinities as the largest float."""
    largest = sys.float_info.max
    return repr(value if math.isnan(value) else min(max(value, -largest), largest)), step, time_ms


def check_writable(client: Any, run_id: str) -> None:
    """Write something that changes nothing; raises where the run, or the server, takes nothing now."""
    from mlflow.entities import RunTag

    tags = check_run(client, run_id).data.tags
    key = "mlflow.user" if "mlflow.user" in tags else next(iter(tags), "ocr_train.writable")
    client.log_batch(run_id, tags=[RunTag(key, tags.get(key, "true"))])


def every_page(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """The entries of all pages; `ask` takes the token of a page, None for the first."""
    token = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def runs_found(
    client: Any, experiments: Sequence[str], filter_string: str = "", *, page_size: int = 500
) -> Iterator[Any]:
    """The runs of these experiments that match, the newest first, so many a request; raises `TrackingError`."""
    try:
        yield from every_page(
            lambda token: client.search_runs(
                list(experiments),
                filter_string=filter_string,
                order_by=["attributes.start_time DESC"],
                max_results=page_size,
                page_token=token,
            )
        )
    except Exception as exc:
        raise TrackingError(f"the runs cannot be searched: {first_line(exc)}") from exc


def runs_of_model(client: Any, model: str, *, limit: int = 200) -> Sequence[Any]:
    """The runs of `model` in the experiments that are searched, the newest first."""
    searched = experiments_searched(client)
    try:
        found = client.search_runs(
            searched,
            filter_string=f"tags.model = '{model}'",
            order_by=["attributes.start_time DESC"],
            max_results=limit,
        )
    except Exception as exc:
        raise TrackingError(f"the runs of model {model!r} cannot be searched: {first_line(exc)}") from exc
    return list(found)


def get_run(client: Any, run_id: str) -> Any:
    """The run with this id; raises `ConfigError` where there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as exc:
        raise ConfigError(
            f"there is no run {run_id!r} in this MLflow: {first_line(exc)}",
            hint="Copy the run id from the MLflow page, and check that MLFLOW_TRACKING_URI names the same server.",
        ) from exc
