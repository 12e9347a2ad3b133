"""The tracking server and its artifact store are tried, and no run is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from ocr_train.doctor.rows import OK, PROBLEM, WARNING
from ocr_train.doctor.tracking import tracking_rows
from ocr_train.server.serve import ServerAddress
from ocr_train.tracking.mlflow_client import connect
from tests.builders import MLFLOW_WARNING
from tests.commands import store
from tests.s3 import use
from tests.servers import bucket_keys

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)


class StandInClient:
    """A stand-in for MLflow's client, whose experiments keep their artifacts at `location`."""

    def __init__(self, location: str) -> None:
        self.artifact_location = location

    def get_experiment(self, _number: str) -> Any:
        """The same for each."""
        return self


def never() -> NoReturn:
    """Not to be called."""
    raise AssertionError("the store was opened")


def test_a_server_and_its_store_are_tried_and_left_as_they_were(
    servers: ServerAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one: version, a file stored, read back and removed; no run, no experiment, no object is left."""
    use(monkeypatch, servers.env())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", servers.tracking_uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "not there yet")
    client = connect()
    before = bucket_keys(servers), len(client.search_experiments()), len(client.search_runs(["0"]))
    rows = tracking_rows(servers.tracking_uri, lambda: client)
    assert [row.status for row in rows] == [OK, OK], rows
    assert "MLflow 3." in rows[0].found
    assert "'not there yet' will be made by the first run" in rows[1].found
    assert (bucket_keys(servers), len(client.search_experiments()), len(client.search_runs(["0"]))) == before


def test_a_server_that_is_away_is_a_problem() -> None:
    """Exit code 8, and how to start one."""
    (row,) = tracking_rows("http://127.0.0.1:9", never)
    assert (row.status, row.code) == (PROBLEM, 8)
    assert "no MLflow server answers" in row.found
    assert "ocr_train server" in row.todo


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """The first run makes it."""
    (row,) = tracking_rows(store(tmp_path), never)
    assert row.status == OK
    assert list(tmp_path.iterdir()) == []


def test_a_database_and_its_folder_are_tried(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left in the folder of artifacts."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(store_folder))
    rows = tracking_rows(store(store_folder), connect)
    assert [row.status for row in rows] == [OK, OK], rows
    assert [path for path in (store_folder / "mlruns").rglob("*") if path.is_file()] == []


def test_a_store_that_takes_nothing_is_a_problem(tmp_path: Path, store_folder: Path) -> None:
    """With the step that failed; the stand-in names a store below a file."""
    (tmp_path / "file").write_text("")
    rows = tracking_rows(store(store_folder), lambda: StandInClient(str(tmp_path / "file" / "below")))
    assert (rows[-1].status, rows[-1].code) == (PROBLEM, 8)
    assert "cannot be" in rows[-1].found


def test_a_servers_own_folder_is_a_warning(servers: ServerAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    """Artifacts would be stored on this machine, under the server's path, without an error; the stand-in says it is so."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    rows = tracking_rows(servers.tracking_uri, lambda: StandInClient("/srv/mlflow/0"))
    assert rows[-1].status == WARNING
    assert "a folder of the server's machine" in rows[-1].found
