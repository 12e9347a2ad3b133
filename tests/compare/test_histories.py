"""Metric histories: of a server in one answer for many runs, whole or asked for again; else one by one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ocr_train.compare import histories
from ocr_train.compare.histories import HistoryPoint, read_histories
from ocr_train.errors import TrackingError


class Server:
    """What an MLflow server has: so many points of one metric a run; it counts what it is asked."""

    def __init__(self, points: dict[str, int]) -> None:
        self.points = points
        self.together: list[list[str]] = []
        self.alone: list[str] = []
        self.tracking_uri = "http://127.0.0.1:1"
        self._tracking_client = SimpleNamespace(store=SimpleNamespace(get_host_creds=lambda: None))

    def answer(self, run_ids: list[str], most: int) -> list[dict[str, Any]]:
        """The points by run and time, cut off."""
        self.together.append(run_ids)
        found = [
            {"key": "train/loss", "run_id": run_id, "step": n, "timestamp": n, "value": float(n)}
            for run_id in sorted(run_ids)
            for n in range(self.points[run_id])
        ]
        return found[:most]

    def get_metric_history(self, run_id: str, _key: str) -> list[Any]:
        """As MLflow's client gives it."""
        self.alone.append(run_id)
        if run_id not in self.points:
            raise ValueError("no such run")
        return [SimpleNamespace(step=n, timestamp=n, value=float(n)) for n in range(self.points[run_id])]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a server answers, by `change`; it takes `most` points an answer."""
    how: dict[str, Any] = {"most": 10, "change": lambda answer: answer}

    def http_request(
        _credentials: object, _endpoint: str, _method: str, *, params: list[tuple[str, str]]
    ) -> Any:
        server = how["server"]
        run_ids = [value for name, value in params if name == "run_id"]
        answer = how["change"]({"metrics": server.answer(run_ids, how["most"])})
        return SimpleNamespace(raise_for_status=lambda: None, json=lambda: answer)

    monkeypatch.setattr("mlflow.utils.rest_utils.http_request", http_request)
    monkeypatch.setattr(histories, "_POINTS_AN_ANSWER", how["most"])
    return how


def read(server: Server) -> dict[str, int]:
    """How many points of each run came, in order."""
    found = read_histories(server, {"train/loss": list(server.points)}, workers=2)
    for points in found.values():
        assert points == [HistoryPoint(n, n, float(n)) for n in range(len(points))]
    return {run_id: len(points) for (run_id, _), points in found.items()}


@pytest.mark.parametrize(
    ("points", "requests", "alone"),
    [
        ({"a": 3, "b": 3, "c": 3}, 1, []),
        ({"c": 6, "b": 6, "a": 6}, 3, []),
        ({"a": 12, "b": 2}, 2, ["a"]),
        ({"a": 10}, 1, ["a"]),
        ({"a": 5, "b": 5}, 2, []),
    ],
)
def test_every_history_is_whole_however_an_answer_is_cut(
    asked: dict[str, Any], points: dict[str, int], requests: int, alone: list[str]
) -> None:
    """What is behind the cut is asked for again; what fills an answer by itself comes from MLflow's client."""
    asked["server"] = server = Server(points)
    assert read(server) == points
    assert (len(server.together), server.alone) == (requests, alone)


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: {},
        lambda answer: {"metrics": answer["metrics"][::-1]},
        lambda answer: {"metrics": [{**point, "key": "train/lr"} for point in answer["metrics"]]},
        lambda answer: {"metrics": [{**point, "run_id": "z"} for point in answer["metrics"]]},
        lambda answer: {"metrics": []},
    ],
)
def test_what_is_unusual_in_an_answer_is_not_believed(asked: dict[str, Any], change: Any) -> None:
    """MLflow's client is asked then."""
    asked["server"] = server = Server({"a": 3, "b": 3})
    asked["change"] = change
    assert read(server) == {"a": 3, "b": 3}
    assert sorted(server.alone) == ["a", "b"]


def test_a_store_without_a_server_is_asked_one_by_one() -> None:
    """There is nothing else to ask."""
    server = Server({"a": 3, "b": 3})
    server.tracking_uri = "sqlite:///mlflow.db"
    assert read(server) == {"a": 3, "b": 3}
    assert server.together == []


def test_a_history_that_nobody_has_is_an_error() -> None:
    """With the metric and the run."""
    server = Server({})
    server.tracking_uri = "sqlite:///mlflow.db"
    with pytest.raises(TrackingError, match=r"train/loss of run a cannot be read: no such run"):
        read_histories(server, {"train/loss": ["a"]}, workers=1)
