"""Tracking in MLflow's own sqlite store, and against ports where no MLflow answers."""

from __future__ import annotations

import http.server
import json
import math
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.checkpoints.reader import find, restore
from ocr_train.errors import ConfigError, TrackingError
from ocr_train.redaction.addresses import without_password
from ocr_train.tracking import preflight
from ocr_train.tracking.artifacts import RunArtifacts
from ocr_train.tracking.metric_names import MetricNames, legal_name
from ocr_train.tracking.mlflow_client import connect, get_run, runs_of_model
from ocr_train.tracking.outbox import DatasetInput, File
from ocr_train.tracking.tracker import Tracker
from tests.builders import MLFLOW_WARNING, mlflow_store, set_bytes, snapshot_of, store_on

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)
SECRET = "open-sesame"


@pytest.fixture(scope="module")
def store_uri(tmp_path_factory: pytest.TempPathFactory, _store_template: Path) -> str:
    """One empty store for this file; each test has an experiment of its own in it."""
    return mlflow_store(tmp_path_factory.mktemp("store"), _store_template)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No MLflow variable from outside; what `connect` sets is gone after the test."""
    for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", "")
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}")
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return monkeypatch


@pytest.fixture
def client(environment: pytest.MonkeyPatch, store_uri: str, tmp_path: Path, request: Any) -> Any:
    """A connected client; new runs go to an experiment with its artifacts in tmp_path."""
    environment.setenv("MLFLOW_TRACKING_URI", store_uri)
    client = connect()
    name = str(request.node.nodeid)
    client.create_experiment(name, artifact_location=str(tmp_path / "artifacts"))
    environment.setenv("MLFLOW_EXPERIMENT_NAME", name)
    return client


@pytest.fixture
def tracker(client: Any, tmp_path: Path) -> Iterator[Tracker]:
    """A started run; finished at the end where the test has not."""
    tracker = Tracker.start(client, tmp_path / "runs", name="det demo")
    yield tracker
    tracker._delivery.close()
    tracker._files.close()
    tracker._journal.close()
    tracker._lock.release()


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NotMlflow(http.server.BaseHTTPRequestHandler):
    """Answers everything with a web page and `status`."""

    status = 200

    def do_GET(self) -> None:
        """Any GET."""
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"<html>It works!</html>")

    def do_POST(self) -> None:
        """Any POST."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to the terminal."""


@pytest.fixture(params=[200, 404, 401])
def other_server(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a web server that is no MLflow."""
    handler = type("Handler", (NotMlflow,), {"status": request.param})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


class TestConnect:
    """The first contact."""

    def test_a_dead_port_fails_within_seconds(self, environment: pytest.MonkeyPatch) -> None:
        """No answer: a TrackingError that names the address, tells what to do and hides the password."""
        uri = f"http://me:{SECRET}@127.0.0.1:{free_port()}"
        environment.setenv("MLFLOW_TRACKING_URI", uri)
        started = time.monotonic()
        with pytest.raises(TrackingError, match="no MLflow server answers at http://127") as caught:
            connect()
        assert time.monotonic() - started < preflight.CONNECT_TIMEOUT_S
        assert SECRET not in str(caught.value)
        assert "MLFLOW_TRACKING_URI" in caught.value.hint
        assert caught.value.exit_code == 8

    def test_a_server_that_is_no_mlflow_fails_within_seconds(
        self, environment: pytest.MonkeyPatch, other_server: int
    ) -> None:
        """Something else on the port: a TrackingError, without the password."""
        environment.setenv("MLFLOW_TRACKING_URI", f"http://me:{SECRET}@127.0.0.1:{other_server}")
        started = time.monotonic()
        with pytest.raises(TrackingError) as caught:
            connect()
        assert time.monotonic() - started < 15
        assert SECRET not in str(caught.value)
        assert f"127.0.0.1:{other_server}" in caught.value.problem
        assert "MLFLOW_TRACKING_URI" in caught.value.hint


class TestStart:
    """Whose run it is."""

    def test_a_new_run_is_in_the_named_experiment(
        self, client: Any, tracker: Tracker, tmp_path: Path
    ) -> None:
        """Without MLFLOW_RUN_ID: a run of our own name, RUNNING, its files in a folder of its own."""
        run = client.get_run(tracker.run_id)
        assert (run.info.run_name, run.info.status) == ("det demo", "RUNNING")
        assert client.get_experiment(run.info.experiment_id).name.endswith("named_experiment")
        assert tracker.folder == tmp_path / "runs" / tracker.run_id

    def test_a_missing_experiment_is_made(
        self, client: Any, environment: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """MLFLOW_EXPERIMENT_NAME may name one that nobody has made yet."""
        environment.setenv("MLFLOW_EXPERIMENT_NAME", "receipts")
        tracker = Tracker.start(client, tmp_path, name="x")
        tracker.finish("FINISHED")
        assert client.get_experiment(tracker.experiment_id).name == "receipts"

    @pytest.mark.parametrize(("given_name", "name"), [("bold-ant-123", "det demo"), ("my run", "my run")])
    def test_the_run_of_mlflow_run_is_reused(
        self, client: Any, environment: pytest.MonkeyPatch, tmp_path: Path, given_name: str, name: str
    ) -> None:
        """MLFLOW_RUN_ID is taken over; its name is replaced only where MLflow made it up."""
        experiment = client.create_experiment(f"x {given_name}", artifact_location=str(tmp_path / "other"))
        made = client.create_run(experiment, run_name=given_name)
        environment.setenv("MLFLOW_RUN_ID", made.info.run_id)
        tracker = Tracker.start(client, tmp_path, name="det demo")
        tracker.finish("FINISHED")
        assert (tracker.run_id, tracker.experiment_id) == (made.info.run_id, experiment)
        assert client.get_run(made.info.run_id).info.run_name == name
        assert len(client.search_runs([experiment])) == 1

    def test_an_unknown_run_is_a_tracking_error(
        self, client: Any, environment: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """MLFLOW_RUN_ID of another server."""
        environment.setenv("MLFLOW_RUN_ID", "f" * 32)
        with pytest.raises(TrackingError, match="cannot be started") as caught:
            Tracker.start(client, tmp_path, name="x")
        assert "MLFLOW_RUN_ID" in caught.value.hint


class TestRecords:
    """Metrics, params and tags, through the journal."""

    def test_metrics_arrive_with_their_step_and_time(self, client: Any, tracker: Tracker) -> None:
        """Each point has the step and the time at which it was printed, not at which it was sent."""
        for step, time_ms in ((10, 1_700_000_000_123), (20, 1_700_000_060_456)):
            tracker.log_metrics({"train/loss": step / 4, "train/lr": 1e-7}, step=step, time_ms=time_ms)
        delivered = tracker.finish("FINISHED")
        points = client.get_metric_history(tracker.run_id, "train/loss")
        assert [(p.step, p.timestamp, p.value) for p in points] == [
            (10, 1_700_000_000_123, 2.5),
            (20, 1_700_000_060_456, 5.0),
        ]
        assert client.get_run(tracker.run_id).data.metrics["train/lr"] == 1e-7
        assert (delivered.pending_bytes, delivered.refused, delivered.status_set) == (0, 0, True)

    def test_nan_and_infinities_arrive(self, client: Any, tracker: Tracker) -> None:
        """A diverging loss shows as what it is; MLflow's SQL store keeps infinities as the largest float."""
        for step, value in enumerate((math.nan, math.inf, -math.inf)):
            tracker.log_metrics({"train/loss": value}, step=step, time_ms=1000 + step)
        assert tracker.finish("FINISHED").refused == 0
        nan, high, low = (p.value for p in client.get_metric_history(tracker.run_id, "train/loss"))
        assert math.isnan(nan)
        assert client.get_run(tracker.run_id).data.tags["nonfinite.train/loss"] == "nan at step 0"
        assert high > 1e308
        assert low < -1e308

    def test_long_params_and_tags_are_cut(self, client: Any, tracker: Tracker, tmp_path: Path) -> None:
        """At MLflow's limits, with a mark, and params whole as an artifact; None is an empty param, an empty tag is left out."""
        tracker.log_params({"overrides": "x" * 6001, "just": "y" * 6000, "nothing": None, "epochs": 3})
        tracker.set_tags({"warning": "z" * 8001, "empty": ""})
        assert tracker.finish("FINISHED").refused == 0
        data = client.get_run(tracker.run_id).data
        assert data.params == {
            "overrides": "x" * 5999 + "…",
            "just": "y" * 6000,
            "nothing": "",
            "epochs": "3",
        }
        assert data.tags["warning"] == "z" * 7999 + "…"
        path = tracker.download("config/long_params.json", tmp_path / "got")
        assert json.loads(path.read_text()) == {"overrides": "x" * 6001}
        assert "empty" not in data.tags

    def test_a_refused_value_does_not_hold_up_the_others(self, client: Any, tracker: Tracker) -> None:
        """A param that is immutable by now is counted as refused; the rest of its batch arrives."""
        client.log_param(tracker.run_id, "epochs", "3")
        tracker.log_params({"epochs": 4, "model": "det"})
        tracker.log_metrics({"train/loss": 1.0}, step=1, time_ms=1)
        delivered = tracker.finish("FINISHED")
        data = client.get_run(tracker.run_id).data
        assert (delivered.refused, delivered.pending_bytes, delivered.status_set) == (1, 0, True)
        assert "epochs" in delivered.last_error
        assert data.params == {"epochs": "3", "model": "det"}
        assert data.metrics["train/loss"] == 1.0

    def test_names_that_mlflow_refuses_arrive_apart(self, client: Any, tracker: Tracker) -> None:
        """Two names that become the same legal one stay two curves."""
        tracker.log_metrics({"train/acc@1": 0.1, "train/acc#1": 0.2}, step=1, time_ms=1)
        tracker.log_metrics({"train/acc#1": 0.4, "train/acc@1": 0.3}, step=2, time_ms=2)
        assert tracker.finish("FINISHED").refused == 0
        first, second = (
            [p.value for p in client.get_metric_history(tracker.run_id, key)]
            for key in ("train/acc_1", "train/acc_1_2")
        )
        assert (first, second) == ([0.1, 0.3], [0.2, 0.4])
        assert client.get_run(tracker.run_id).data.tags["renamed.train/acc_1_2"] == "train/acc#1"


class Spy:
    """Stands in for the client and passes on to the real one: notes the order of calls, fails where told."""

    def __init__(self, client: Any, *failing: str) -> None:
        self._client = client
        self.failing = set(failing)
        self.calls: list[str] = []
        self.tracking_uri = client.tracking_uri

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            if name in self.failing:
                raise ConnectionError(f"{name}: connection refused\nand a second line")
            return getattr(self._client, name)(*args, **kwargs)

        return call


class TestFinish:
    """The end of a run."""

    @pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
    def test_the_status_is_set_after_everything_is_delivered(
        self, client: Any, tmp_path: Path, status: str
    ) -> None:
        """Whoever sees a final status sees all metrics."""
        spy = Spy(client)
        tracker = Tracker.start(spy, tmp_path, name="x")
        tracker.log_metrics({"train/loss": 1.0}, step=1, time_ms=1)
        tracker.set_tags({"failure_reason": "oom"})
        tracker.finish(status)
        assert [name for name in spy.calls if name != "get_run"][-1] == "set_terminated"
        run = client.get_run(tracker.run_id)
        assert run.info.status == status
        assert run.data.metrics == {"train/loss": 1.0}
        assert run.data.tags["failure_reason"] == "oom"

    def test_a_server_that_is_gone_leaves_the_records_pending(self, client: Any, tmp_path: Path) -> None:
        """Nothing is raised or lost: bytes pending, the cause named, the records in the journal."""
        spy = Spy(client)  # a stand-in: a real server that is gone is tried where the whole pipeline is
        tracker = Tracker.start(spy, tmp_path, name="x")
        spy.failing = {"log_batch", "set_terminated"}
        tracker.log_metrics({"train/loss": 1.0}, step=1, time_ms=1)
        delivered = tracker.finish("FINISHED", timeout_s=0.3)
        journal = tracker.folder / "journal.jsonl"
        assert delivered.pending_bytes == journal.stat().st_size > 0
        assert not delivered.status_set
        assert "connection refused" in delivered.last_error
        assert "set_terminated" not in spy.calls
        assert client.get_run(tracker.run_id).info.status == "RUNNING"

    def test_a_status_that_cannot_be_set_is_reported(self, client: Any, tmp_path: Path) -> None:
        """The records arrived, the status did not: said, not raised."""
        tracker = Tracker.start(Spy(client, "set_terminated"), tmp_path, name="x")
        tracker.log_metrics({"train/loss": 1.0}, step=1, time_ms=1)
        delivered = tracker.finish("FINISHED")
        assert (delivered.pending_bytes, delivered.status_set) == (0, False)
        assert delivered.last_error == "set_terminated: connection refused"

    def test_a_server_that_comes_back_gets_everything(
        self, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Records of an outage arrive with their original times when it is over."""
        monkeypatch.setattr("ocr_train.tracking.journal_delivery.RETRY_S", (0.05,))
        spy = Spy(client)
        tracker = Tracker.start(spy, tmp_path, name="x")
        spy.failing = {"log_batch"}
        for step in range(30):
            tracker.log_metrics({"train/loss": float(step)}, step=step, time_ms=1000 + step)
        assert not tracker._delivery.flush(0.2)
        spy.failing = set()
        delivered = tracker.finish("FINISHED")
        assert (delivered.pending_bytes, delivered.status_set) == (0, True)
        points = client.get_metric_history(tracker.run_id, "train/loss")
        assert [(p.step, p.timestamp) for p in points] == [(step, 1000 + step) for step in range(30)]


class TestArtifacts:
    """Files of a run."""

    def test_upload_list_and_download(self, tracker: Tracker, tmp_path: Path) -> None:
        """What is stored is listed with its size, folders with a slash, and comes back."""
        path = tmp_path / "config.yml"
        path.write_text("Global: {}")
        tracker.artifacts.upload(path, "config")
        tracker.artifacts.upload(path)
        assert tracker.artifacts.list("") == {"config/": 0, "config.yml": 10}
        assert tracker.artifacts.list("config") == {"config/config.yml": 10}
        assert tracker.artifacts.list("nothing") == {}
        assert tracker.download("config/config.yml", tmp_path / "got").read_text() == "Global: {}"

    def test_what_is_not_there_is_a_tracking_error(self, tracker: Tracker, tmp_path: Path) -> None:
        """Named with artifact and run."""
        with pytest.raises(TrackingError, match=rf"config/none\.yml of run {tracker.run_id}"):
            tracker.download("config/none.yml", tmp_path)
        with pytest.raises(TrackingError, match=r"logs/none\.txt cannot be stored"):
            tracker.artifacts.upload(tmp_path / "none.txt", "logs")

    @pytest.mark.parametrize("path", ["../../secret.txt", "/etc/hostname"])
    def test_a_path_out_of_the_artifacts_is_refused(
        self, tracker: Tracker, tmp_path: Path, path: str
    ) -> None:
        """A manifest that names other places of the machine gets nothing from there."""
        (tmp_path / "secret.txt").write_text("secret")
        with pytest.raises(TrackingError):
            tracker.download(path, tmp_path / "got")

    def test_checkpoints_go_to_mlflow_and_back(self, client: Any, tracker: Tracker, tmp_path: Path) -> None:
        """The checkpoint store on real artifacts: put, point, find from another client, restore."""
        store = store_on(tracker.artifacts)
        first = store.put(snapshot_of(tmp_path, step=10, seed=1), step=10, epoch=1)
        store.point(BEST, first)
        second = store.put(snapshot_of(tmp_path, step=20, seed=2), step=20, epoch=2)
        store.point(LATEST, second)
        artifacts = RunArtifacts(client, tracker.run_id)
        assert find(artifacts, BEST) == first
        assert find(artifacts, LATEST) == second
        prefix = restore(artifacts, second, tmp_path / "back")
        assert set_bytes(prefix) == set_bytes(tmp_path / "trainer" / "latest")

    def test_a_dataset_is_tied_to_the_run(self, client: Any, tracker: Tracker) -> None:
        """Name, digest and source can be read back from the run."""
        tracker.log_dataset(name="det-demo", digest="abc123", source="s3://bucket/x", profile='{"train": 4}')
        tracker.finish("FINISHED")
        (logged,) = client.get_run(tracker.run_id).inputs.dataset_inputs
        assert (logged.dataset.name, logged.dataset.digest) == ("det-demo", "abc123")
        assert logged.dataset.source == "s3://bucket/x"

    def test_what_the_server_cannot_take_now_is_pending(self, client: Any, tmp_path: Path) -> None:
        """Dataset and files neither raise nor wait; they are on the list for `sync`."""
        tracker = Tracker.start(Spy(client, "log_inputs", "log_artifact"), tmp_path, name="x")
        tracker.log_dataset(name="x", digest="y", source="z", profile="{}")
        path = tracker.folder / "config.yml"
        path.write_text("Global: {}")
        tracker.log_file(path, "config")
        delivered = tracker.finish("FAILED", timeout_s=0.3)
        assert (delivered.pending_items, delivered.status_set) == (2, True)
        assert "refused" in delivered.last_error
        assert set(tracker.outbox.pending().values()) == {
            DatasetInput(name="x", digest="y", source="z", profile="{}"),
            File(path="config.yml", folder="config"),
        }

    def test_a_file_arrives_while_the_run_goes_on(self, client: Any, tracker: Tracker) -> None:
        """Nobody has to ask twice."""
        path = tracker.folder / "config.yml"
        path.write_text("Global: {}")
        tracker.log_file(path, "config")
        deadline = time.monotonic() + 10
        while not tracker.artifacts.list("config") and time.monotonic() < deadline:
            time.sleep(0.02)
        assert tracker.artifacts.list("config") == {"config/config.yml": 10}


class TestLookups:
    """Finding runs."""

    def test_runs_of_a_model_newest_first(self, client: Any, tracker: Tracker) -> None:
        """Only this experiment's runs with the model's tag."""
        made = [
            client.create_run(tracker.experiment_id, start_time=start, tags={"model": model}).info.run_id
            for start, model in ((1000, "det"), (3000, "det"), (2000, "rec"), (2500, "det"))
        ]
        client.create_run("0", tags={"model": "det"})
        found = [run.info.run_id for run in runs_of_model(client, "det")]
        assert found == [made[1], made[3], made[0]]

    def test_an_unknown_run_is_a_config_error(self, client: Any) -> None:
        """The message says where run ids are found."""
        with pytest.raises(ConfigError, match="there is no run") as caught:
            get_run(client, "f" * 32)
        assert "MLFLOW_TRACKING_URI" in caught.value.hint


class TestNames:
    """Names that MLflow accepts."""

    @given(st.text(max_size=60))
    @example("a//b")
    @example("../x")
    @example("/abs/")
    @example("train/ips@64(gpu)")
    @example(" . / .. ")
    @example("ความแม่นยำ")
    def test_a_legal_name_is_accepted_by_mlflow(self, name: str) -> None:
        """Whatever is printed as a metric's name, MLflow's own check takes what becomes of it."""
        from mlflow.utils.validation import _validate_metric_name, _validate_param_name

        _validate_metric_name(legal_name(name))
        _validate_param_name(legal_name(name))

    @pytest.mark.parametrize("name", ["train/loss", "eval/hmean", "version.paddle", "a b-c_d:e", "准确率"])
    def test_a_name_that_is_fine_stays(self, name: str) -> None:
        """Nothing is changed without need."""
        assert legal_name(name) == name

    @given(st.lists(st.text(max_size=8), unique=True, max_size=20))
    def test_different_names_stay_different(self, names: list[str]) -> None:
        """No two curves become one, and a name keeps its legal one."""
        given_names = MetricNames()
        legal = [given_names.legal(name) for name in names]
        assert len(set(legal)) == len(names)
        assert [given_names.legal(name) for name in names] == legal


class TestWithoutPassword:
    """What may be printed of an address."""

    @pytest.mark.parametrize(
        ("uri", "shown"),
        [
            ("http://me:secret@host:5000/x", "http://host:5000/x"),
            ("https://me:se@cret@host/x?token=secret#secret", "https://host/x"),
            ("postgresql://u:secret@db:5432/mlflow?password=secret", "postgresql://db:5432/mlflow"),
            ("http://host:5000", "http://host:5000"),
            ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
            ("", ""),
        ],
    )
    def test_user_password_and_query_are_left_out(self, uri: str, shown: str) -> None:
        """Scheme, host, port and path stay."""
        assert without_password(uri) == shown
