"""The judge of `make faults` notices what a fault has cost, and a broken server is as broken as it says."""

from __future__ import annotations

import http.client
import http.server
import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.faults.broken_server import KINDS, REFUSED, BrokenServer
from benchmarks.faults.judge import Kept, Printed, Saved, Stored, judge
from benchmarks.faults.report import draw
from benchmarks.faults.scene import Result
from tests.commands import REPO

PRINTED = Printed(
    points={
        ("train/loss", 1): [2.5],
        ("train/loss", 2): [math.nan],
        ("train/lr", 2): [math.inf],
        ("eval/acc", 2): [0.5],
    },
    saved=(
        Saved(name="best_accuracy", kind="best", step=2),
        Saved(name="latest", kind="latest", step=2),
        Saved(name="iter_epoch_1", kind="epoch", step=2, sha256="aa"),
        Saved(name="latest", kind="latest", step=4),
    ),
    finished=True,
)
KEPT = Kept(
    points={**PRINTED.points, ("train/lr", 2): [1.7976931348623157e308], ("system/cpu", 0): [1.0]},
    checkpoints=(Stored(step=2, whole=True, sha256="aa"), Stored(step=4, whole=True, sha256="bb")),
    status="FINISHED",
)


def without(point: tuple[str, int], *values: float) -> Kept:
    """A run that has `values` at that point instead."""
    return replace(KEPT, points={**KEPT.points, point: values})


def test_a_run_that_kept_everything_is_good() -> None:
    """NaN is NaN, infinity is what MLflow's stores make of it, and what the log does not name is nobody's loss."""
    verdict = judge(PRINTED, KEPT, reasons=())
    assert (verdict.points, verdict.checkpoints) == (4, 3)
    assert (verdict.points_lost, verdict.points_doubled, verdict.checkpoints_lost, verdict.lie) == (
        0,
        0,
        0,
        "",
    )


@pytest.mark.parametrize(
    ("kept", "lost", "doubled"),
    [
        (without(("train/loss", 1)), 1, 0),
        (without(("train/loss", 2)), 1, 0),
        (without(("train/loss", 1), 2.5, 2.5), 0, 1),
        (without(("train/loss", 1), 2.6), 1, 1),
    ],
    ids=["missing", "NaN missing", "twice", "another value"],
)
def test_a_lost_a_doubled_and_a_changed_point_are_noticed(kept: Kept, lost: int, doubled: int) -> None:
    """Each by its name and step."""
    verdict = judge(PRINTED, kept, reasons=())
    assert (verdict.points_lost, verdict.points_doubled) == (lost, doubled)
    assert any("train/loss at step" in line for line in verdict.details)


@pytest.mark.parametrize(
    ("checkpoints", "why"),
    [
        (KEPT.checkpoints[:1], "latest at step 4 is not stored"),
        (
            (replace(KEPT.checkpoints[0], whole=False), KEPT.checkpoints[1]),
            "best_accuracy at step 2 is damaged",
        ),
        (
            (replace(KEPT.checkpoints[0], sha256="cc"), KEPT.checkpoints[1]),
            "iter_epoch_1 at step 2 holds other",
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_had_is_noticed(checkpoints: tuple[Stored, ...], why: str) -> None:
    """Missing, damaged, or not the trainer's bytes."""
    verdict = judge(PRINTED, replace(KEPT, checkpoints=checkpoints), reasons=())
    assert verdict.checkpoints_lost >= 1
    assert any(line.startswith(why) for line in verdict.details)


@pytest.mark.parametrize(
    ("finished", "status", "reason", "lie"),
    [
        (False, "FINISHED", "", "did not come to its end"),
        (True, "RUNNING", "", "nobody tracks it"),
        (False, "FAILED", "", "true: trainer_killed"),
        (False, "KILLED", "tracker_lost", "true: trainer_killed"),
        (False, "FAILED", "trainer_killed", ""),
    ],
)
def test_a_status_that_is_not_true_is_noticed(finished: bool, status: str, reason: str, lie: str) -> None:
    """FINISHED needs a trainer that finished, every other status a reason that the fault explains."""
    verdict = judge(
        replace(PRINTED, finished=finished),
        replace(KEPT, status=status, reason=reason),
        reasons=("trainer_killed",),
    )
    assert (lie in verdict.lie) if lie else not verdict.lie


def test_the_table_counts_what_was_lost() -> None:
    """A line a fault, the sums below, and the first of what went wrong."""
    good = judge(PRINTED, KEPT, reasons=())
    bad = judge(PRINTED, without(("train/loss", 1)), reasons=())
    results = [
        Result(fault="a fault", when="at random", trainer="PaddleOCR", verdicts=[verdict])
        for verdict in (good, bad)
    ]
    assert [result.good for result in results] == [True, False]
    assert Result.from_json(results[1].to_json()).to_json() == results[1].to_json()
    lines = draw(results)
    assert lines[2].split()[:10] == ["a", "fault", "at", "random", "PaddleOCR", "2", "8", "1", "0", "6"]
    assert "NOT: lost: train/loss at step 1" in lines[2]
    assert lines[3].split() == ["all", "2", "8", "1", "0", "6", "0", "2", "of", "2"]


class _Real(http.server.BaseHTTPRequestHandler):
    """Answers as MLflow does to a batch."""

    asked = 0

    def do_POST(self) -> None:
        """Count the request."""
        type(self).asked += 1
        self.send_response(200)
        self.send_header("Content-Length", "17")
        self.end_headers()
        self.wfile.write(b'{"answer": "true"}'[:17])

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to the terminal."""


@pytest.fixture
def real() -> Iterator[str]:
    """The address of a server that always answers."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Real)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def ask(uri: str) -> bytes:
    """What a client that is patient for half a second gets of a write."""
    connection = http.client.HTTPConnection(uri.removeprefix("http://"), timeout=0.5)
    try:
        connection.request("POST", "/api/2.0/mlflow/runs/log-batch", body=b"{}")
        answer = connection.getresponse()
        return answer.read() if answer.status == 200 else b""
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        connection.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_server_gives_no_good_answer_until_it_is_mended(real: str, kind: str) -> None:
    """Before and after it does, at the same address."""
    with BrokenServer(real) as server:
        whole = ask(server.uri)
        assert whole.startswith(b'{"answer"')
        server.break_as(kind)
        assert ask(server.uri) != whole
        server.mend()
        assert ask(server.uri) == whole


def test_a_server_that_does_not_say_so_has_done_it(real: str) -> None:
    """The request reaches the server behind; with one that refuses connections it does not."""
    with BrokenServer(real) as server:
        before = _Real.asked
        for kind in ("does it, never says so", REFUSED):
            server.break_as(kind)
            assert ask(server.uri) == b""
        assert _Real.asked == before + 1


def test_the_program_needs_nothing_that_only_tests_need() -> None:
    """`make faults` works in the environment of `make run`: pytest is not there."""
    script = "import sys\nsys.modules['pytest'] = None\nimport benchmarks.faults.__main__"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
