"""MLflow: the only module that starts runs and writes params, metrics, tags and artifacts.

Metrics, params and tags go through the journal (`spool`) and never wait for the server. Artifacts go to the
server directly, from whichever thread uploads them.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import re
import ssl
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.errors import ConfigError, TrackingError
from ocr_train.spool import Batch, Delivery, Journal, Metric, Param, RefusedRecords, Tag

PARAM_LIMIT = 6000
TAG_LIMIT = 8000
NAME_LIMIT = 250
CONNECT_TIMEOUT_S = 5.0
FLUSH_TIMEOUT_S = 60.0
_GENERATED_NAME = re.compile(r"[a-z]+-[a-z]+-\d+")


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What became of a run's records: `pending_bytes` of the journal have not reached the server."""

    pending_bytes: int = 0
    refused: int = 0
    last_error: str = ""
    status_set: bool = True


def connect() -> Any:
    """An `MlflowClient` on MLFLOW_TRACKING_URI; raises `TrackingError` at once where no server answers."""
    # MLflow's own patience (7 tries with growing pauses) would hang a start by minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    _check_answers(uri)
    import mlflow
    from mlflow.exceptions import MlflowException

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # not its "creating tables" and the like
    try:
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
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
    return client


def _check_answers(uri: str) -> None:
    """Ask for anything once, without MLflow's retries: whether something speaks HTTP there, and soon."""
    try:
        parts = urllib.parse.urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        with contextlib.closing(kind(parts.hostname, parts.port, timeout=CONNECT_TIMEOUT_S)) as connection:
            connection.request("GET", (parts.path.rstrip("/") or "") + "/health")
            connection.getresponse()
    except ValueError as exc:
        raise TrackingError(
            f"{without_password(uri)!r} is no address of an MLflow server: {exc}",
            hint="Correct MLFLOW_TRACKING_URI, as in http://host:5000.",
        ) from exc
    except ssl.SSLError:
        return  # something answers; certificates are between it and MLflow's own client
    except (OSError, http.client.HTTPException) as exc:
        raise TrackingError(
            f"no MLflow server answers at {without_password(uri)}: {exc}",
            hint="Start it (`python -m ocr_train server --dir server`), or correct MLFLOW_TRACKING_URI; "
            "unset, runs go to sqlite:///mlflow.db in the current folder.",
        ) from exc


def without_password(uri: str) -> str:
    """`uri` without user name, password and query: what may be printed."""
    try:
        parts = urllib.parse.urlsplit(uri)
    except ValueError:
        return redacted(uri)
    if not parts.netloc:
        return uri
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def first_line(exc: BaseException) -> str:
    """The first line of an exception's text, for a message, without passwords."""
    return redacted((str(exc).strip().splitlines() or [type(exc).__name__])[0])


def redacted(text: str) -> str:
    """`text` without the user names and passwords of the addresses in it: MLflow's messages quote them."""
    return re.sub(r"(://)[^/\s]*@", r"\1", text)


class Tracker:
    """One run: records through the journal, artifacts directly, the final status last."""

    def __init__(self, client: Any, run_id: str, experiment_id: str, folder: Path) -> None:
        self.client = client
        self.run_id = run_id
        self.experiment_id = experiment_id
        self.folder = folder
        self._artifacts = RunArtifacts(client, run_id)
        self._journal = Journal(folder / "journal.jsonl")
        self._names = _Names()
        self._delivery = Delivery(self._journal.path, self._send)
        self._delivery.start()

    @classmethod
    def start(cls, client: Any, output: Path, *, name: str) -> Tracker:
        """The run that `mlflow run` made (MLFLOW_RUN_ID), or a new one called `name`.

        Its files go to `output`/<run id>. Raises `TrackingError`.
        """
        from mlflow.exceptions import MlflowException

        run_id = os.environ.get("MLFLOW_RUN_ID", "")
        try:
            if run_id:
                run = client.get_run(run_id)
                if _GENERATED_NAME.fullmatch(run.info.run_name or ""):
                    client.set_tag(run_id, "mlflow.runName", name)
            else:
                run = client.create_run(_experiment_id(client), run_name=name)
        except MlflowException as exc:
            raise TrackingError(
                f"the run cannot be started in MLflow: {first_line(exc)}",
                hint="Check MLFLOW_EXPERIMENT_NAME, MLFLOW_RUN_ID and the server's log.",
            ) from exc
        _call_it_training(client, run.info.experiment_id)
        return cls(client, run.info.run_id, run.info.experiment_id, output / run.info.run_id)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        """Note `metrics` at `step`; returns at once."""
        self._journal.append(
            Metric(key=self._names.legal(key), value=float(value), step=step, time_ms=time_ms)
            for key, value in metrics.items()
        )

    def log_params(self, params: Mapping[str, object]) -> None:
        """Note `params`; values are cut at MLflow's limit, the artifacts have them whole."""
        self._journal.append(
            Param(key=legal_name(key), value=cut(_text(value), PARAM_LIMIT)) for key, value in params.items()
        )

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Note `tags`; empty values are left out."""
        self._journal.append(
            Tag(key=legal_name(key), value=cut(str(value), TAG_LIMIT))
            for key, value in tags.items()
            if str(value)
        )

    def log_dataset(self, *, name: str, digest: str, source: str, profile: str) -> None:
        """Tie the run to its dataset, so that runs on different data show it. Raises `TrackingError`."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(name=name, digest=digest, source_type="uri", source=source, profile=profile)
        tags = [InputTag(key="mlflow.data.context", value="training")]
        try:
            self.client.log_inputs(self.run_id, datasets=[DatasetInput(dataset=dataset, tags=tags)])
        except Exception as exc:
            raise TrackingError(f"the dataset cannot be logged: {first_line(exc)}") from exc

    def upload(self, local: Path, folder: str = "") -> None:
        """Store `local` as the artifact `folder`/<its name>; raises `TrackingError`."""
        try:
            self.client.log_artifact(self.run_id, str(local), folder or None)
        except Exception as exc:
            raise TrackingError(
                f"the artifact {folder}/{local.name} cannot be stored: {first_line(exc)}"
            ) from exc

    def list(self, folder: str) -> dict[str, int]:
        """This run's artifacts in `folder`; see `RunArtifacts.list`."""
        return self._artifacts.list(folder)

    def download(self, path: str, folder: Path) -> Path:
        """Fetch one of this run's artifacts; see `RunArtifacts.download`."""
        return self._artifacts.download(path, folder)

    def finish(self, status: str, *, timeout_s: float = FLUSH_TIMEOUT_S) -> Delivered:
        """Deliver what is pending, then set the run's final status; never raises."""
        delivered = self._delivery.flush(timeout_s)
        status_set = False
        if delivered:
            try:
                self.client.set_terminated(self.run_id, status=status)
                status_set = True
            except Exception as exc:  # noqa: BLE001 - reported, not raised: the training itself is over
                self._delivery.last_error = first_line(exc)
        self._delivery.close()
        self._journal.close()
        return Delivered(
            pending_bytes=self._delivery.pending_bytes,
            refused=self._delivery.refused,
            last_error=redacted(self._delivery.last_error),
            status_set=status_set,
        )

    def _send(self, batch: Batch) -> None:
        from mlflow.entities import Metric as MlflowMetric
        from mlflow.entities import Param as MlflowParam
        from mlflow.entities import RunTag
        from mlflow.exceptions import MlflowException

        try:
            self.client.log_batch(
                self.run_id,
                metrics=[MlflowMetric(m.key, m.value, m.time_ms, m.step) for m in batch.metrics],
                params=[MlflowParam(p.key, p.value) for p in batch.params],
                tags=[RunTag(t.key, t.value) for t in batch.tags],
            )
        except MlflowException as exc:
            if exc.error_code == "INVALID_PARAMETER_VALUE":
                raise RefusedRecords(first_line(exc)) from exc
            raise


class RunArtifacts:
    """The artifacts of one run, to read: what a resume starts from."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def list(self, folder: str) -> dict[str, int]:
        """Files in `folder` with their sizes in bytes; folders end in "/" and have size 0."""
        try:
            infos = self._client.list_artifacts(self.run_id, folder)
        except Exception as exc:
            raise TrackingError(
                f"the artifacts of run {self.run_id} cannot be listed: {first_line(exc)}"
            ) from exc
        return {info.path + ("/" if info.is_dir else ""): int(info.file_size or 0) for info in infos}

    def download(self, path: str, folder: Path) -> Path:
        """Fetch the artifact `path` into `folder`; the local path. Raises `TrackingError`."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return Path(self._client.download_artifacts(self.run_id, path, str(folder)))
        except Exception as exc:
            raise TrackingError(
                f"the artifact {path} of run {self.run_id} cannot be read: {first_line(exc)}"
            ) from exc


def _call_it_training(client: Any, experiment_id: str) -> None:
    """Have MLflow's page open on runs and curves instead of on its GenAI views, unless somebody chose a kind."""
    from mlflow.exceptions import MlflowException

    kind = "mlflow.experimentKind"
    with contextlib.suppress(MlflowException):  # a nicety: some are not allowed to
        if kind not in client.get_experiment(experiment_id).tags:
            client.set_experiment_tag(experiment_id, kind, "custom_model_development")


def _experiment_id(client: Any) -> str:
    """The experiment that MLflow's own variables name, as `mlflow run` chooses it."""
    if experiment_id := os.environ.get("MLFLOW_EXPERIMENT_ID", ""):
        return experiment_id
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "")
    if not name:
        return "0"
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def experiment_of(client: Any) -> str:
    """The id of the experiment that MLflow's own variables name; raises `TrackingError`."""
    try:
        return _experiment_id(client)
    except Exception as exc:
        raise TrackingError(f"the experiment cannot be found: {first_line(exc)}") from exc


def runs_of_model(client: Any, model: str, *, limit: int = 200) -> Sequence[Any]:
    """This experiment's runs of `model`, the newest first."""
    try:
        found = client.search_runs(
            [_experiment_id(client)],
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


def legal_name(name: str) -> str:
    """`name` with what MLflow refuses replaced: letters, digits and `_ - . : /` and spaces stay."""
    cleaned = re.sub(r"[^\w\-. :/]", "_", name)
    cleaned = re.sub(r"/{2,}", "/", cleaned).strip("/ ")
    parts = [
        part if part not in (".", "..", "") else "_" for part in cleaned[:NAME_LIMIT].rstrip("/").split("/")
    ]
    return "/".join(parts)


class _Names:
    """Legal metric names, one for each name that was asked for: no two share one."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def legal(self, name: str) -> str:
        """The legal name of `name`; a second name that would become the same gets a number."""
        if name not in self._given:
            legal = wanted = legal_name(name)
            number = 2
            while legal in self._given.values():
                end = f"_{number}"
                legal = wanted[: NAME_LIMIT - len(end)] + end
                number += 1
            self._given[name] = legal
        return self._given[name]


def cut(text: str, limit: int) -> str:
    """`text` cut to `limit` characters, marked where it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text(value: object) -> str:
    return "" if value is None else str(value)
