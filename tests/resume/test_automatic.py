"""Which interrupted run resume=auto picks up."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from ocr_train.errors import ConfigError
from ocr_train.resume.automatic import DEAD_AFTER_S, WATCH_S, Waiter, find_interrupted
from ocr_train.resume.claim import require_idle

NOW = 1_790_000_000.0
SAME = {"dataset_digest": "d", "config_digest": "c"}


class World:
    """A clock that only sleeping moves, and runs whose hearts beat by it."""

    def __init__(self) -> None:
        self.now = NOW
        self.said: list[str] = []
        self.beating: set[str] = set()
        self.ending: dict[str, str] = {}

    def run(
        self, name: str, status: str, *, age_s: float = 3600, beat_s: float | None = None, **tags: str
    ) -> Any:
        """A run that started `age_s` ago, whose last heartbeat was `beat_s` ago."""
        all_tags = {**SAME, **tags}
        if beat_s is not None:
            all_tags["heartbeat"] = self._time(self.now - beat_s)
        info = SimpleNamespace(run_id=name, status=status, start_time=int((NOW - age_s) * 1000))
        return SimpleNamespace(info=info, data=SimpleNamespace(tags=all_tags))

    @staticmethod
    def _time(moment: float) -> str:
        return datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def look_again(self, run: Any) -> Any:
        """The run as it is now."""
        name = run.info.run_id
        tags = dict(run.data.tags)
        if name in self.beating:
            tags["heartbeat"] = self._time(self.now)  # the clock moves only while somebody waits
        info = SimpleNamespace(**{**vars(run.info), "status": self.ending.get(name, run.info.status)})
        return SimpleNamespace(info=info, data=SimpleNamespace(tags=tags))

    def sleep(self, seconds: float) -> None:
        """Time goes by."""
        self.now += seconds

    def find(self, *runs: Any, without_checkpoint: tuple[str, ...] = ()) -> str | None:
        """What resume=auto finds among `runs`, the newest first."""
        return find_interrupted(
            runs,
            dataset_digest="d",
            config_digest="c",
            has_checkpoint=lambda run: run.info.run_id not in without_checkpoint,
            beat=self.look_again,
            waiter=Waiter(now=lambda: self.now, sleep=self.sleep, echo=self.said.append),
        )


def test_the_newest_interrupted_run_of_the_same_training() -> None:
    """KILLED or FAILED; other data and other configurations do not count."""
    world = World()
    found = world.find(
        world.run("other data", "KILLED", dataset_digest="x"),
        world.run("other config", "KILLED", config_digest="x"),
        world.run("newest", "FAILED"),
        world.run("older", "KILLED"),
    )
    assert found == "newest"


def test_one_without_a_checkpoint_gives_way_to_the_one_before() -> None:
    """A spot instance may be taken away twice in a row, the second time before the first checkpoint."""
    world = World()
    runs = [world.run("second", "KILLED"), world.run("first", "KILLED")]
    assert world.find(*runs, without_checkpoint=("second",)) == "first"


def test_one_that_a_sweep_has_pruned_is_passed_over() -> None:
    """It was no interruption: the one before it counts, and alone it counts as nothing."""
    world = World()
    pruned = world.run("pruned", "KILLED", failure_reason="pruned")
    assert world.find(pruned, world.run("killed", "KILLED")) == "killed"
    assert world.find(pruned) is None


def test_a_finished_one_is_done() -> None:
    """What was interrupted before it went on in it: it is not picked up again."""
    world = World()
    assert world.find(world.run("b", "FINISHED"), world.run("a", "KILLED")) is None
    assert "FINISHED" in world.said[-1]


def test_none_is_a_fresh_start_and_says_so() -> None:
    """The first start of a spot instance."""
    world = World()
    assert world.find() is None
    assert "from the beginning" in world.said[-1]


def test_a_running_one_without_heartbeats_for_long_is_taken_at_once() -> None:
    """Its machine was taken away."""
    world = World()
    assert world.find(world.run("lost", "RUNNING", beat_s=DEAD_AFTER_S + 1)) == "lost"
    assert world.now == NOW


def test_a_running_one_that_beats_is_left_alone() -> None:
    """Two trainers must not go on with one run."""
    world = World()
    world.beating.add("alive")
    assert world.find(world.run("alive", "RUNNING", beat_s=10), world.run("before", "KILLED")) is None
    assert "is being trained" in world.said[-1]


def test_a_running_one_whose_heart_stops_is_taken_after_a_while() -> None:
    """The instance came back within a minute: three beats are waited for."""
    world = World()
    assert world.find(world.run("dying", "RUNNING", beat_s=10)) == "dying"
    assert WATCH_S <= world.now - NOW < WATCH_S + 10


def test_a_clock_that_is_ahead_changes_nothing() -> None:
    """The other machine's heartbeat may be in our future: it moves or it does not."""
    world = World()
    world.beating.add("alive")
    assert world.find(world.run("alive", "RUNNING", beat_s=-7200)) is None


def test_a_running_one_that_ends_meanwhile_is_taken() -> None:
    """It was stopping."""
    world = World()
    world.ending["ends"] = "KILLED"
    assert world.find(world.run("ends", "RUNNING", beat_s=10)) == "ends"


def test_an_old_running_one_that_never_beat_is_taken() -> None:
    """It was killed before its first heartbeat, or is of an older version."""
    world = World()
    assert world.find(world.run("silent", "RUNNING", age_s=DEAD_AFTER_S + 1)) == "silent"


class Client:
    """As much of MLflow's client as `require_idle` asks."""

    def __init__(self, world: World, run: Any) -> None:
        self._world, self._run = world, run

    def get_run(self, run_id: str) -> Any:
        """The run as it is now."""
        return self._world.look_again(self._run)


def test_a_run_that_is_trained_does_not_go_on_twice() -> None:
    """resume_mode=same on a run whose heartbeat changes is refused, with a way out."""
    world = World()
    world.beating.add("alive")
    run = world.run("alive", "RUNNING", beat_s=10)
    waiter = Waiter(now=lambda: world.now, sleep=world.sleep)
    with pytest.raises(ConfigError, match="is being trained") as caught:
        require_idle(Client(world, run), "alive", waiter)
    assert "resume_mode=new" in caught.value.hint


@pytest.mark.parametrize("status", ["KILLED", "FAILED", "FINISHED"])
def test_a_run_that_has_ended_is_not_waited_for(status: str) -> None:
    """However fresh its last heartbeat."""
    world = World()
    world.beating.add("ended")
    run = world.run("ended", status, beat_s=1)
    require_idle(Client(world, run), "ended", Waiter(now=lambda: world.now, sleep=world.sleep))
    assert world.now == NOW
