"""Two starts that want to go on with one run: exactly one does."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ocr_train.errors import ConfigError, TrackingError
from ocr_train.resume.automatic import Waiter
from ocr_train.resume.claim import CLAIM, ROUNDS, claim, require_idle
from ocr_train.tracking.holder import HOLDER_TAG, Holder, read_holder, this_process
from tests.builders import MLFLOW_WARNING, mlflow_store
from tests.commands import client

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)
SHORT = Waiter(sleep=lambda _seconds: time.sleep(0.2))


def holder(name: str, *, since: float = 1_790_000_000.0) -> Holder:
    """A process on a machine of this name."""
    return Holder(host=name, pid=41, folder=f"/data/{name}", token=name, since=since)


@pytest.fixture
def store(tmp_path: Path, _store_template: Path) -> Any:
    """A client on a real store."""
    return client(mlflow_store(tmp_path, _store_template))


@pytest.fixture
def run(store: Any) -> Any:
    """A run that was interrupted."""
    made = store.create_run("0")
    store.set_terminated(made.info.run_id, status="KILLED")
    return store.get_run(made.info.run_id)


def claims_of(store: Any, run: Any) -> list[str]:
    """The claims that are still in the run's tags."""
    return [tag for tag in store.get_run(run.info.run_id).data.tags if tag.startswith(CLAIM)]


def test_one_alone_goes_on(store: Any, run: Any) -> None:
    """RUNNING, with a heartbeat and its name from that moment; its claim is gone."""
    claim(store, run, holder("a"), SHORT)
    now = store.get_run(run.info.run_id)
    assert now.info.status == "RUNNING"
    assert read_holder(now.data.tags[HOLDER_TAG]) == holder("a")
    assert now.data.tags["heartbeat"].endswith("Z")
    assert claims_of(store, run) == []


@pytest.mark.parametrize("gaps", [(0.0, 0.0), (0.0, 0.1), (0.1, 0.0), (0.0, 0.3)])
def test_of_two_starts_exactly_one_goes_on(store: Any, run: Any, gaps: tuple[float, float]) -> None:
    """In the same moment, or one before the other, with clocks that agree with that or not."""

    def start(name: str, gap: float, since: float) -> str:
        time.sleep(gap)
        try:
            claim(store, run, holder(name, since=since), SHORT)
        except ConfigError as exc:
            return str(exc)
        return "goes on"

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(start, "ab", gaps, (1_790_000_001.0, 1_790_000_000.0)))
    assert sorted(answer == "goes on" for answer in answers) == [False, True], answers
    (refused,) = [answer for answer in answers if answer != "goes on"]
    winner = "ab"[answers.index("goes on")]
    assert f"host {winner}, process 41, files in /data/{winner}" in refused
    assert "resume_mode=new" in refused
    assert claims_of(store, run) == []
    (held,) = [read_holder(store.get_run(run.info.run_id).data.tags[HOLDER_TAG])]
    assert held is not None
    assert held.token == winner


def test_one_that_looked_before_another_took_it_is_refused(store: Any, run: Any) -> None:
    """It has seen an idle run, and was slow."""
    claim(store, run, holder("first", since=1_790_000_009.0), SHORT)
    with pytest.raises(ConfigError, match="host first"):
        claim(store, run, holder("second", since=1_790_000_000.0), SHORT)


def test_the_claim_of_a_killed_start_is_waited_out(store: Any, run: Any) -> None:
    """It stands in nobody's way for good, and is cleared away."""
    waits: list[float] = []
    store.set_tag(run.info.run_id, f"{CLAIM}dead", holder("dead", since=5.0).to_tag())
    claim(store, run, holder("a"), Waiter(sleep=waits.append))
    assert len(waits) == ROUNDS
    assert claims_of(store, run) == []


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"host": 1}', "null"])
def test_a_claim_that_says_nothing_counts_for_nothing(store: Any, run: Any, text: str) -> None:
    """Tags can be edited by hand."""
    assert read_holder(text) is None
    store.set_tag(run.info.run_id, f"{CLAIM}odd", text)
    claim(store, run, holder("a"), SHORT)


def test_a_server_that_goes_away_is_a_tracking_error(run: Any) -> None:
    """The run cannot be opened."""

    class Away:
        def set_tag(self, *_: object) -> None:
            raise ConnectionError("refused")

    with pytest.raises(TrackingError, match="cannot be opened again: refused"):
        claim(Away(), run, holder("a"), SHORT)


def test_a_run_whose_heart_beats_names_who_trains_it(store: Any, run: Any) -> None:
    """Host, process, folder, and how long to wait."""
    claim(store, run, holder("gpu-7"), SHORT)
    ended = threading.Event()

    def beat() -> None:
        number = 0
        while not ended.wait(0.05):
            number += 1
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + number))
            store.set_tag(run.info.run_id, "heartbeat", moment)

    heartbeat = threading.Thread(target=beat)
    heartbeat.start()
    try:
        with pytest.raises(ConfigError, match="host gpu-7, process 41, files in /data/gpu-7") as caught:
            require_idle(store, run.info.run_id, SHORT)
    finally:
        ended.set()
        heartbeat.join()
    assert "waits 95 s" in caught.value.hint


def test_a_process_has_one_token(tmp_path: Path) -> None:
    """Its own, and its process id."""
    first, second = (this_process(tmp_path, now=moment) for moment in (1.0, 2.0))
    assert first.token == second.token
    assert first.folder == str(tmp_path)
