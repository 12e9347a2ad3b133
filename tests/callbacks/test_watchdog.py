"""When the watchdog ends a training, and when it must not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from callbacks.watchdog import WatchdogCallback
from ocr_train.errors import TrainingStopped
from ocr_train.events import CheckpointSaved, EvalCompleted, Event, LogLine, Tick, TrainProgress
from tests.builders import make_run

BAR = "eval model::  10%|#         | {}/{} [00:01<?, ?it/s]"


@dataclass
class Dog:
    """A watchdog with a clock of its own; `reason` is why it stopped the training, empty if it did not."""

    stall_timeout_s: float = 60.0
    nan_windows: int = 5
    step: int = 0
    now: float = 0.0
    reason: str = ""
    said: str = ""
    callback: WatchdogCallback = field(init=False)

    def __post_init__(self) -> None:
        self.callback = WatchdogCallback(
            stall_timeout_s=self.stall_timeout_s, nan_windows=self.nan_windows, clock=lambda: self.now
        )
        self.callback.open(make_run(Path("run"), step_offset=100))

    def see(self, *events: Event) -> Dog:
        """Hand events over as the dispatcher does."""
        for event in events:
            try:
                self.callback.handle(event)
            except TrainingStopped as exc:
                assert not self.reason, "it stopped the training twice"
                self.reason, self.said = exc.reason, str(exc)
        return self

    def train(self, *losses: float) -> Dog:
        """Progress lines with these losses."""
        for loss in losses:
            self.step += 1
            self.see(TrainProgress(epoch=1, epochs=2, step=self.step, metrics={"train/loss": loss}))
        return self

    def wait(self, seconds: int, unfinished: str = "") -> Dog:
        """So many seconds, one tick each."""
        for _ in range(seconds):
            self.now += 1
            self.see(Tick(unfinished=unfinished))
        return self


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_stays_no_number_ends_the_training(value: float) -> None:
    """At the fifth line in a row, with the run's own step."""
    dog = Dog().train(1.0, *[value] * 4)
    assert not dog.reason
    assert dog.train(value).reason == "nan_loss"
    assert "step 106" in dog.said


def test_a_loss_that_recovers_does_not() -> None:
    """Only lines in a row count."""
    assert not Dog().train(*[math.nan] * 4, 1.0, *[math.nan] * 4).reason


def test_any_loss_counts_and_nothing_else() -> None:
    """Detection prints three losses; an accuracy or a cost that is NaN is none."""

    def lines(name: str) -> list[TrainProgress]:
        return [TrainProgress(epoch=1, epochs=1, step=n, metrics={name: math.nan}) for n in range(5)]

    assert Dog().see(*lines("train/loss_shrink_maps")).reason == "nan_loss"
    assert not Dog().see(*lines("train/acc")).reason


def test_how_many_lines_is_for_the_user_to_say() -> None:
    """`nan_windows`; 0 is never."""
    assert Dog(nan_windows=1).train(math.nan).reason == "nan_loss"
    assert not Dog(nan_windows=0).train(*[math.nan] * 50).reason


def scale(value: str) -> LogLine:
    """What Paddle's scaler prints."""
    return LogLine(text=f"Found inf or nan, current scale is: {value}, decrease to: {value}*0.5")


def test_a_loss_scale_at_its_end_ends_the_training() -> None:
    """Five times at the lowest scale; progress lines in between change nothing."""
    dog = Dog()
    for _ in range(5):
        assert not dog.reason
        dog.see(scale("1.0")).train(2.0)
    assert dog.reason == "amp_scale"


def test_a_loss_scale_that_finds_its_level_does_not() -> None:
    """Halving from 65536 is how AMP begins, and a scale that has risen again starts the count anew."""
    dog = Dog().see(*[scale(str(2.0**power)) for power in range(16, 0, -1)])
    assert not dog.see(*[scale("1.0")] * 4, scale("2.0"), *[scale("1.0")] * 4).reason


def test_silence_ends_the_training() -> None:
    """After the timeout, once; the message names step, limit and where the stack is."""
    dog = Dog().train(1.0).wait(60)
    assert not dog.reason
    assert dog.wait(2).reason == "stall"
    assert "step 101 in epoch 1" in dog.said
    assert "stall_timeout_s=60" in dog.said
    assert "stacks.txt" in dog.said
    dog.wait(100)


def test_no_timeout_is_for_ever() -> None:
    """0."""
    assert not Dog(stall_timeout_s=0).train(1.0).wait(5000).reason


@pytest.mark.parametrize(
    "event",
    [
        TrainProgress(epoch=1, epochs=2, step=2),
        EvalCompleted(metrics={"eval/acc": 0.5}),
        CheckpointSaved(name="latest", kind="latest"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_progress_starts_the_wait_anew(event: Event) -> None:
    """A step, an evaluation, a checkpoint."""
    assert not Dog().train(1.0).wait(50).see(event).wait(50).reason


def test_talk_is_no_progress_once_there_were_steps() -> None:
    """A loop that prints the same warning for ever is a stall."""
    dog = Dog().train(1.0)
    for _ in range(70):
        dog.see(LogLine(text="warning")).wait(1)
    assert dog.reason == "stall"


def test_the_start_has_more_patience() -> None:
    """Three timeouts before the first step, and any line is a sign of life then."""
    assert not Dog().wait(170).see(LogLine(text="loading")).wait(170).reason
    assert Dog().wait(185).reason == "stall"


def test_a_trainer_that_prints_rarely_is_not_taken_for_dead() -> None:
    """Three of its own longest intervals are granted where that is more."""
    dog = Dog().train(1.0).wait(50).train(1.0).wait(149)
    assert not dog.reason
    assert dog.wait(3).reason == "stall"


def test_time_in_which_we_were_asleep_does_not_count() -> None:
    """A suspended laptop, a tracker stopped with Ctrl-Z: the trainer could not be heard."""
    dog = Dog().train(1.0)
    dog.now += 5000
    assert not dog.wait(30).reason


def test_an_evaluation_that_counts_on_may_take_its_time() -> None:
    """A large validation set on a CPU takes longer than any timeout."""
    dog = Dog().train(1.0)
    for batch in range(20):
        dog.wait(50, BAR.format(batch, 20))
    assert not dog.reason


@pytest.mark.parametrize("redraw", [BAR.format(3, 10), BAR.format(3, 10) + "\r" + BAR.format(3, 10)])
def test_a_bar_that_only_redraws_is_an_endless_evaluation(redraw: str) -> None:
    """Its clock goes on, its count does not."""
    dog = Dog().train(1.0)
    for second in range(70):
        dog.wait(1, redraw + " " * (second % 2))
    assert dog.reason == "endless_evaluation"
    assert "3/10" in dog.said


def test_a_bar_beyond_its_total_is_an_endless_evaluation() -> None:
    """A loader that never ends."""
    dog = Dog().train(1.0)
    for batch in range(1, 100):
        dog.wait(1, BAR.format(batch, 10))
    assert dog.reason == "endless_evaluation"


def test_after_an_evaluation_a_stall_is_a_stall() -> None:
    """What the bar showed is forgotten with the evaluation's end."""
    dog = Dog().train(1.0).wait(5, BAR.format(1, 10)).see(EvalCompleted(metrics={})).wait(70)
    assert dog.reason == "stall"


def test_a_download_before_the_first_step_is_a_sign_of_life() -> None:
    """Pretrained weights come with a bar, too."""
    dog = Dog()
    for part in range(400):
        dog.wait(1, f"{part}%|# | {part}.0M/400M")
    assert not dog.reason
