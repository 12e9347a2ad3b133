"""Events to callbacks: order, and what a callback that fails may and may not do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ocr_train.errors import CallbackFailed, TrainingStopped
from ocr_train.events import Event, LogLine, Tick
from ocr_train.run import Results, Run
from ocr_train.trainer.dispatch import MAX_FAILURES, Dispatcher

RUN = Run(
    run_id="r",
    folder=Path("/run"),
    model="det",
    task="det",
    main_metric="hmean",
    epochs=3,
    steps_per_epoch=7,
    config=Path("/run/config.yml"),
)


class Recorder:
    """A callback that writes down what happens to it; `failing` names the methods that raise."""

    def __init__(
        self, name: str, diary: list[str], *, critical: bool = False, failing: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.critical = critical
        self.failing = set(failing)
        self._diary = diary

    def _note(self, what: str) -> None:
        self._diary.append(f"{self.name} {what}")
        if what.split(maxsplit=1)[0] in self.failing:
            raise RuntimeError(f"{what} went wrong")

    def open(self, run: Run) -> None:
        """Written down."""
        self._note(f"open {run.run_id}")

    def handle(self, event: Event) -> None:
        """Written down with the event's class."""
        self._note(f"handle {type(event).__name__}")

    def close(self) -> None:
        """Written down."""
        self._note("close")

    def results(self, before: Results) -> Results:
        """The callback's own name, after those before."""
        if "results" in self.failing:
            raise RuntimeError("results went wrong")
        return replace(before, lost=(*before.lost, self.name))


@pytest.fixture
def diary() -> list[str]:
    """What happened, in order."""
    return []


@pytest.fixture
def said() -> list[str]:
    """What was reported."""
    return []


def test_callbacks_open_and_handle_in_order_and_close_in_reverse(diary: list[str], said: list[str]) -> None:
    """The one that opened first sees each event first and closes last."""
    dispatcher = Dispatcher([Recorder(name, diary) for name in "abc"], report=said.append)
    dispatcher.open(RUN)
    dispatcher.send(Tick())
    dispatcher.send(LogLine(text="x"))
    dispatcher.close()
    assert diary == [
        *("a open r", "b open r", "c open r"),
        *("a handle Tick", "b handle Tick", "c handle Tick"),
        *("a handle LogLine", "b handle LogLine", "c handle LogLine"),
        *("c close", "b close", "a close"),
    ]
    assert said == []


def test_a_failure_keeps_no_event_from_the_others(diary: list[str], said: list[str]) -> None:
    """It is reported with the callback's name and the error, and everybody else goes on."""
    dispatcher = Dispatcher(
        [Recorder("a", diary, failing=("handle",)), Recorder("b", diary)], report=said.append
    )
    dispatcher.open(RUN)
    dispatcher.send(Tick())
    assert diary[-2:] == ["a handle Tick", "b handle Tick"]
    assert said == ["callback a failed: RuntimeError: handle Tick went wrong"]
    assert dispatcher.disabled == []


def test_three_failures_in_a_row_disable_a_callback(diary: list[str], said: list[str]) -> None:
    """It sees no more events, and the run knows its name."""
    dispatcher = Dispatcher(
        [Recorder("a", diary, failing=("handle",)), Recorder("b", diary)], report=said.append
    )
    dispatcher.open(RUN)
    for _ in range(MAX_FAILURES + 2):
        dispatcher.send(Tick())
    assert diary.count("a handle Tick") == MAX_FAILURES == 3
    assert diary.count("b handle Tick") == MAX_FAILURES + 2
    assert dispatcher.disabled == ["a"]
    assert said[-1] == "callback a is disabled for the rest of this run"


def test_a_success_between_failures_starts_the_count_again(diary: list[str], said: list[str]) -> None:
    """Only failures in a row say that a callback is broken."""
    flaky = Recorder("a", diary)
    dispatcher = Dispatcher([flaky], report=said.append)
    dispatcher.open(RUN)
    for _ in range(4):
        flaky.failing = {"handle"}
        dispatcher.send(Tick())
        dispatcher.send(Tick())
        flaky.failing = set()
        dispatcher.send(Tick())
    assert dispatcher.disabled == []
    assert diary.count("a handle Tick") == 12


def test_a_disabled_callback_is_closed_all_the_same(diary: list[str], said: list[str]) -> None:
    """It may hold a thread or a file."""
    dispatcher = Dispatcher([Recorder("a", diary, failing=("handle",))], report=said.append)
    dispatcher.open(RUN)
    for _ in range(MAX_FAILURES):
        dispatcher.send(Tick())
    dispatcher.close()
    assert diary[-1] == "a close"


def test_a_callback_that_does_not_open_is_disabled_at_once(diary: list[str], said: list[str]) -> None:
    """It gets no events and no `close`; the others open."""
    dispatcher = Dispatcher(
        [Recorder("a", diary, failing=("open",)), Recorder("b", diary)], report=said.append
    )
    dispatcher.open(RUN)
    dispatcher.send(Tick())
    dispatcher.close()
    assert diary == ["a open r", "b open r", "b handle Tick", "b close"]
    assert dispatcher.disabled == ["a"]


@pytest.mark.parametrize("moment", ["open", "handle"])
def test_a_critical_callback_that_fails_raises(moment: str, diary: list[str], said: list[str]) -> None:
    """Training without it makes no sense: the error names it and keeps the cause."""
    dispatcher = Dispatcher([Recorder("a", diary, critical=True, failing=(moment,))], report=said.append)
    with pytest.raises(CallbackFailed, match=r"the callback a failed .*went wrong") as caught:
        dispatcher.open(RUN)
        dispatcher.send(Tick())
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert caught.value.exit_code == 9
    assert "resume" in caught.value.hint


def test_what_was_open_before_a_critical_failure_can_be_closed(diary: list[str], said: list[str]) -> None:
    """Those behind it never opened, and are not closed."""
    dispatcher = Dispatcher(
        [
            Recorder("a", diary),
            Recorder("b", diary, critical=True, failing=("open",)),
            Recorder("c", diary),
        ],
        report=said.append,
    )
    with pytest.raises(CallbackFailed):
        dispatcher.open(RUN)
    dispatcher.close()
    assert diary == ["a open r", "b open r", "a close"]


def test_a_failure_while_closing_keeps_no_other_from_closing(diary: list[str], said: list[str]) -> None:
    """Each is guarded; one that is not critical is reported, not raised."""
    dispatcher = Dispatcher(
        [Recorder("a", diary), Recorder("b", diary, failing=("close",)), Recorder("c", diary)],
        report=said.append,
    )
    dispatcher.open(RUN)
    dispatcher.close()
    assert diary[-3:] == ["c close", "b close", "a close"]
    assert said == ["callback b failed while closing: RuntimeError: close went wrong"]


def test_the_first_critical_failure_while_closing_is_raised_at_the_end(
    diary: list[str], said: list[str]
) -> None:
    """After everybody had their turn; a later failure does not hide it."""
    dispatcher = Dispatcher(
        [
            Recorder("a", diary, critical=True, failing=("close",)),
            Recorder("b", diary),
            Recorder("c", diary, critical=True, failing=("close",)),
        ],
        report=said.append,
    )
    dispatcher.open(RUN)
    with pytest.raises(CallbackFailed, match="the callback c failed"):
        dispatcher.close()
    assert diary[-3:] == ["c close", "b close", "a close"]
    assert len(said) == 2


def test_closing_twice_closes_each_once(diary: list[str], said: list[str]) -> None:
    """The second `close` finds nothing to do."""
    dispatcher = Dispatcher([Recorder("a", diary)], report=said.append)
    dispatcher.open(RUN)
    dispatcher.close()
    dispatcher.close()
    assert diary.count("a close") == 1


def test_results_of_all_callbacks_are_together(diary: list[str], said: list[str]) -> None:
    """The summary at the end takes them from one place."""
    dispatcher = Dispatcher([Recorder("a", diary), Recorder("b", diary)], report=said.append)
    dispatcher.open(RUN)
    dispatcher.close()
    assert dispatcher.results() == Results(lost=("a", "b"))


def test_a_run_counts_its_steps_from_the_very_beginning() -> None:
    """Epochs times steps, a resume or not."""
    assert RUN.total_steps == 21


def test_a_callback_without_results_takes_none_from_the_others(diary: list[str], said: list[str]) -> None:
    """The outcome of a training that is over is not lost to it; it is reported."""
    broken = Recorder("a", diary, failing=("results",))
    dispatcher = Dispatcher([broken, Recorder("b", diary)], report=said.append)
    dispatcher.open(RUN)
    dispatcher.close()
    assert dispatcher.results() == Results(lost=("b",))
    assert said == ["callback a has no results: RuntimeError: results went wrong"]


def test_two_callbacks_of_one_name_are_disabled_one_by_one(diary: list[str], said: list[str]) -> None:
    """The name is for messages; the object is what failed."""
    dispatcher = Dispatcher(
        [Recorder("a", diary, failing=("handle",)), Recorder("a", diary)], report=said.append
    )
    dispatcher.open(RUN)
    for _ in range(MAX_FAILURES + 1):
        dispatcher.send(Tick())
    assert diary.count("a handle Tick") == MAX_FAILURES + (MAX_FAILURES + 1)


def test_a_callback_may_ask_for_the_end(diary: list[str], said: list[str]) -> None:
    """TrainingStopped comes through from a callback that is not critical, and is no failure of it."""

    class Watchdog(Recorder):
        def handle(self, event: Event) -> None:
            raise TrainingStopped("no progress", reason="stall")

    dispatcher = Dispatcher([Watchdog("dog", diary)], report=said.append)
    dispatcher.open(RUN)
    for _ in range(MAX_FAILURES + 1):
        with pytest.raises(TrainingStopped):
            dispatcher.send(Tick())
    assert dispatcher.disabled == []
    assert said == []
