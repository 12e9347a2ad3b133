"""Metric histories of several runs: of an MLflow server in one request for all runs that have the metric, else one by one.

MLflow's own pages ask in this way (`/ajax-api/2.0/mlflow/metrics/get-history-bulk`); its client has no method for it. An answer is
cut off at 25,000 points, by run and time: the runs behind the cut are asked for again. Whatever is unusual in an answer, or missing
in it, is asked for with MLflow's client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ocr_train.errors import TrackingError
from ocr_train.redaction.addresses import first_line

_ENDPOINT = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
_RUNS_A_REQUEST = 100
_POINTS_AN_ANSWER = 25_000


class HistoryPoint(NamedTuple):
    """One point: Unix time in milliseconds."""

    step: int
    time_ms: int
    value: float


Histories = Mapping[tuple[str, str], Sequence[HistoryPoint]]
"""By the run's id and the metric's name."""


def read_histories(client: Any, wanted: Mapping[str, Sequence[str]], *, workers: int) -> Histories:
    """The histories that `wanted` names: the ids of the runs by metric. Raises `TrackingError`."""
    ask = _bulk_of(client)
    found: dict[tuple[str, str], Sequence[HistoryPoint]] = {}

    def one(key: str) -> dict[str, Sequence[HistoryPoint]]:
        together = _of_all(ask, sorted(wanted[key]), key) if ask else {}
        return {run_id: together.get(run_id) or _alone(client, run_id, key) for run_id in wanted[key]}

    with ThreadPoolExecutor(workers, thread_name_prefix="histories") as pool:
        for key, histories in zip(wanted, pool.map(one, wanted), strict=True):
            found |= {(run_id, key): points for run_id, points in histories.items()}
    return found


def _alone(client: Any, run_id: str, key: str) -> list[HistoryPoint]:
    try:
        points = client.get_metric_history(run_id, key)
    except Exception as exc:
        raise TrackingError(f"the metric {key} of run {run_id} cannot be read: {first_line(exc)}") from exc
    return [HistoryPoint(int(point.step), int(point.timestamp), float(point.value)) for point in points]


def _bulk_of(client: Any) -> Any:
    """What asks an MLflow server for a metric of several runs; None where there is no server."""
    store = getattr(getattr(client, "_tracking_client", None), "store", None)
    credentials = getattr(store, "get_host_creds", None)
    if credentials is None or not str(getattr(client, "tracking_uri", "")).startswith(
        ("http://", "https://")
    ):
        return None
    from mlflow.utils.rest_utils import http_request

    def ask(run_ids: Sequence[str], key: str) -> Any:
        asked = [("run_id", run_id) for run_id in run_ids]
        asked += [("metric_key", key), ("max_results", str(_POINTS_AN_ANSWER))]
        answer = http_request(credentials(), _ENDPOINT, "GET", params=asked)
        answer.raise_for_status()
        return answer.json()

    return ask


def _of_all(ask: Any, run_ids: Sequence[str], key: str) -> dict[str, list[HistoryPoint]]:
    """The histories of the runs that the server answered for, each as a whole; `run_ids` ascend."""
    found: dict[str, list[HistoryPoint]] = {}
    rest = list(run_ids)
    while rest:
        some = rest[:_RUNS_A_REQUEST]
        try:
            points = list(_points(ask(some, key), key))
        except Exception:  # noqa: BLE001 - an older server, another service: MLflow's client says what is wrong
            return found
        order = [run_id for run_id, _ in points]
        if order != sorted(order) or not set(order) <= set(some):
            return found
        whole = some
        if len(points) >= _POINTS_AN_ANSWER:
            # What comes after the last run that is in it was cut off, and perhaps a part of that one.
            whole = [run_id for run_id in some if run_id < order[-1]]
            if not whole:
                whole, points = some[:1], []
        wanted = set(whole)
        for run_id, point in points:
            if run_id in wanted:
                found.setdefault(run_id, []).append(point)
        rest = rest[len(whole) :]
    return found


def _points(answer: Any, key: str) -> Iterator[tuple[str, HistoryPoint]]:
    """The points of an answer with their runs; raises where it is none."""
    for point in answer["metrics"]:
        if point["key"] != key:
            raise ValueError(f"points of {point['key']!r} came for {key!r}")
        yield (
            str(point["run_id"]),
            HistoryPoint(int(point["step"]), int(point["timestamp"]), float(point["value"])),
        )
