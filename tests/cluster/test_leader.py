"""Two machines of a training, here two addresses of the loopback: what each learns of the other."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocr_train.cluster import leader, messages
from ocr_train.cluster.follower import Follower
from ocr_train.cluster.leader import Leader
from ocr_train.config.nodes import Nodes
from ocr_train.errors import DataError, SetupError, TrainingFailed

HOSTS = ("127.0.0.1", "127.0.0.2")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(seen: Callable[[], object]) -> None:
    """Wait for something that other threads bring about."""
    deadline = time.monotonic() + 10
    while not seen():
        assert time.monotonic() < deadline, "it did not come within 10 s"
        time.sleep(0.02)


class Pair:
    """A leader and what is needed to join it."""

    def __init__(self, folder: Path, *, timeout_s: float = 10.0) -> None:
        self.folder = folder
        self.nodes = Nodes(hosts=HOSTS, port=free_port(), rank=None, timeout_s=timeout_s)
        self.leader = Leader(self.nodes, HOSTS)
        self.said: list[str] = []

    def join(self, rank: int = 1) -> Follower:
        """Another machine."""
        return Follower(self.nodes, HOSTS, rank, self.folder / f"of_{rank}")

    def gather(self, follower: Follower) -> None:
        """Both are ready, with the same data."""
        follower.ready("digest")
        self.leader.wait_for_all("digest", self.folder / "run", self.said.append)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """A leader that is closed at the end, and does not wait for logs that nobody sends."""
    monkeypatch.setattr(leader, "_GOODBYE_S", 0.2)
    made = Pair(tmp_path)
    yield made
    made.leader.close("FINISHED", "")


def test_the_training_and_its_files_are_handed_out(pair: Pair, tmp_path: Path) -> None:
    """The files are there before the job that names them."""
    follower = pair.join()
    pair.gather(follower)
    assert pair.said == ["nodes: node 1 (127.0.0.2) is ready (2 of 2)"]
    weights = tmp_path / "w.pdparams"
    weights.write_bytes(bytes(range(256)) * 20_000)
    pair.leader.start({"config": {"a": 1}}, {"0/w.pdparams": weights}, lambda _: None)
    assert follower.wait_for_job() == {"config": {"a": 1}}
    assert (tmp_path / "of_1" / "0" / "w.pdparams").read_bytes() == weights.read_bytes()
    assert follower.rendezvous.master == f"127.0.0.1:{pair.nodes.port + 1}"
    assert follower.rendezvous.host == "127.0.0.2"


def test_metrics_of_another_machine_have_its_name(pair: Pair) -> None:
    """Beside those of the first one, which keep MLflow's names."""
    found: list[dict[str, float]] = []
    follower = pair.join()
    pair.gather(follower)
    pair.leader.start({}, {}, lambda values: found.append(dict(values)))
    follower.metrics({"system/cpu_utilization_percentage": 50.0})
    until(lambda: found)
    assert found == [{"system/node_1/cpu_utilization_percentage": 50.0}]


def test_a_machine_whose_processes_fail_is_named_with_their_last_lines(pair: Pair, tmp_path: Path) -> None:
    """And its logs are kept with the run's."""
    follower = pair.join()
    pair.gather(follower)
    pair.leader.start({}, {}, lambda _: None)
    log = tmp_path / "workerlog.0"
    log.write_text("Traceback ...")
    follower.tell_end("exit code 1", ["RuntimeError: no memory"], {"workerlog.0": log})
    assert pair.leader.cause(wait_s=10) == (
        "node 1 (127.0.0.2) ended with exit code 1:\n  | RuntimeError: no memory"
    )
    assert (tmp_path / "run" / "workers" / "node_1" / "workerlog.0").read_text() == "Traceback ..."


def test_logs_of_a_machine_that_was_ready_first_are_kept(pair: Pair, tmp_path: Path) -> None:
    """The first machine may still be busy with its data when another one has nothing more to say until the end."""
    follower = pair.join()
    follower.ready("digest")
    until(lambda: pair.leader._followers.get(1) and pair.leader._followers[1].digest)
    pair.leader.wait_for_all("digest", tmp_path / "run", pair.said.append)
    pair.leader.start({}, {}, lambda _: None)
    log = tmp_path / "workerlog.0"
    log.write_text("its log")
    follower.tell_end("exit code 0", [], {"workerlog.0": log})
    until(lambda: pair.leader._followers[1].ended)
    assert (tmp_path / "run" / "workers" / "node_1" / "workerlog.0").read_text() == "its log"


def test_a_machine_that_ended_well_is_no_problem(pair: Pair) -> None:
    """Its processes may be done a little before the first one's."""
    follower = pair.join()
    pair.gather(follower)
    pair.leader.start({}, {}, lambda _: None)
    follower.tell_end("exit code 0", [], {})
    follower.close()
    time.sleep(0.2)
    assert pair.leader.problem() == ""


def test_a_machine_that_is_killed_is_missed_at_once(pair: Pair) -> None:
    """Its connection is closed by its system."""
    follower = pair.join()
    pair.gather(follower)
    follower.close()
    until(pair.leader.problem)
    assert pair.leader.problem() == "node 1 (127.0.0.2) is gone: its connection was closed"


def test_a_machine_that_falls_silent_is_missed(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """One without power or network closes nothing."""
    monkeypatch.setattr(messages, "LOST_S", 0.5)
    link = socket.create_connection(("127.0.0.1", pair.nodes.port))
    link.sendall(b'{"hello": 1}\n{"ready": "digest"}\n')
    pair.leader.wait_for_all("digest", pair.folder, pair.said.append)
    until(pair.leader.problem)
    assert "node 1 (127.0.0.2) is gone: nothing was heard of it for" in pair.leader.problem()
    link.close()


def test_a_machine_that_never_comes_is_named(tmp_path: Path) -> None:
    """Within the time that was given, not after Paddle's half hour."""
    pair = Pair(tmp_path, timeout_s=0.3)
    with pytest.raises(SetupError, match=r"node 1 \(127\.0\.0\.2\) did not come within 0\.3 s") as caught:
        pair.leader.wait_for_all("digest", tmp_path, pair.said.append)
    assert "peers_timeout_s=" in caught.value.hint
    pair.leader.close("FAILED", "")


def test_a_machine_that_comes_late_takes_part(pair: Pair) -> None:
    """Machines are not started in the same second."""
    joined: list[Follower] = []

    def come() -> None:
        time.sleep(0.5)
        joined.append(pair.join())
        joined[0].ready("digest")

    thread = threading.Thread(target=come)
    thread.start()
    pair.leader.wait_for_all("digest", pair.folder, pair.said.append)
    thread.join()
    assert pair.leader.problem() == ""


def test_a_machine_with_other_data_is_refused(pair: Pair) -> None:
    """Each would train on its own share of another set."""
    pair.join().ready("another")
    with pytest.raises(DataError, match=r"node 1 \(127\.0\.0\.2\): the data there are not those of node 0"):
        pair.leader.wait_for_all("digest", pair.folder, pair.said.append)


def test_a_machine_that_cannot_start_says_why_to_the_first_one(pair: Pair) -> None:
    """Nobody looks at its terminal."""
    pair.join().failed("paddle is not installed")
    with pytest.raises(SetupError, match="could not start: paddle is not installed"):
        pair.leader.wait_for_all("digest", pair.folder, pair.said.append)


def test_the_same_machine_twice_is_refused(pair: Pair) -> None:
    """Two with one node_rank: the second is told."""
    first, second = pair.join(), pair.join()
    with pytest.raises(SetupError, match=r"there is a node 1 .* already: node_rank must differ"):
        second.wait_for_job()
    pair.gather(first)


def test_a_stranger_on_the_port_changes_nothing(pair: Pair) -> None:
    """Whatever scans ports is not a machine of ours, and a file with a path out of its folder is not taken."""
    for words in (
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"file": "../../x", "size": 1}\nx',
        b'{"hello": 7}\n',
        b'["hello"]\n',
    ):
        with socket.create_connection(("127.0.0.1", pair.nodes.port)) as link:
            link.sendall(words)
            link.settimeout(5)
            while link.recv(1000):
                pass
    pair.gather(pair.join())
    assert not (pair.folder.parent / "x").exists()


def test_a_stranger_writes_no_file(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither before it has said who it is, nor before a training has a folder for logs."""
    monkeypatch.chdir(tmp_path)
    for greeting in (b"", b'{"hello": 1}\n'):
        with socket.create_connection(("127.0.0.1", pair.nodes.port)) as link:
            link.sendall(greeting + b'{"file": "stolen/MLproject", "size": 1}\nx')
            link.settimeout(5)
            while link.recv(1000):
                pass
    assert not list(tmp_path.rglob("MLproject"))


def test_the_others_hear_of_the_end(pair: Pair) -> None:
    """With the reason, so that their output names it, too."""
    follower = pair.join()
    pair.gather(follower)
    pair.leader.close("FAILED", "the loss is NaN")
    with pytest.raises(
        TrainingFailed, match=r"node 0 \(127\.0\.0\.1\) ended the training: FAILED \(the loss is NaN\)"
    ):
        follower.wait_for_job()


def test_a_first_machine_that_is_killed_is_missed(pair: Pair) -> None:
    """The others end within seconds, and say which one it was."""
    follower = pair.join()
    pair.gather(follower)
    pair.leader._followers[1].connection.close()
    until(follower.over)
    assert follower.over() == "node 0 (127.0.0.1), which leads, is gone: its connection was closed"


def test_a_first_machine_that_does_not_answer_is_named() -> None:
    """After the time that was given."""
    nodes = Nodes(hosts=HOSTS, port=free_port(), rank=None, timeout_s=0.3)
    with pytest.raises(
        SetupError, match=r"node 0 \(127\.0\.0\.1\), which leads, did not answer on port \d+ within 0\.3 s"
    ):
        Follower(nodes, HOSTS, 1, Path())


def test_a_port_that_is_taken_is_said() -> None:
    """With another one to use."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(SetupError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            Leader(Nodes(hosts=HOSTS, port=port, rank=0, timeout_s=1), HOSTS)
    assert f"nodes=127.0.0.1:{port + 100}" in caught.value.hint
