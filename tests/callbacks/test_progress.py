"""What a person sees: plain lines in a log file, one live line on a terminal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from callbacks.progress import PLAIN_INTERVAL_S, ProgressCallback
from ocr_train.events import (
    CheckpointSaved,
    EvalCompleted,
    LogLine,
    RunFinished,
    Tick,
    TrainProgress,
    WeightsLoaded,
)
from tests.builders import make_run


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Screen:
    """A progress callback on a stream, and its clock."""

    def __init__(self, stream: io.StringIO, folder: Path, **run: Any) -> None:
        self.stream = stream
        self.clock = Clock()
        self.callback = ProgressCallback(stream, clock=self.clock)
        self.callback.open(make_run(folder, **run))

    def progress(self, step: int, **metrics: float) -> None:
        """A progress line of the trainer."""
        named = {f"train/{key}": value for key, value in metrics.items()}
        self.callback.handle(TrainProgress(epoch=1 + step // 10, epochs=4, step=step, metrics=named))

    @property
    def lines(self) -> list[str]:
        """What was written, line by line."""
        return self.stream.getvalue().splitlines()


@pytest.fixture
def plain(tmp_path: Path) -> Screen:
    """No terminal: `mlflow run` in a pipe, a file, a CI log."""
    return Screen(io.StringIO(), tmp_path)


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")
    return Screen(Terminal(), tmp_path)


class TestPlain:
    """Not a terminal."""

    def test_a_line_says_where_the_training_is(self, plain: Screen) -> None:
        """Epoch, step of all steps, loss, accuracy, speed, time to go."""
        plain.progress(12, loss=1.23456, acc=0.5, ips=33.333, eta_s=3725.0)
        assert plain.lines == ["epoch 2/4  step 12/40  loss 1.235  acc 0.500  33.3 samples/s  ETA 1:02:05"]

    def test_there_is_at_most_one_in_15_seconds(self, plain: Screen) -> None:
        """Progress each second for two minutes is 8 lines, and no control characters."""
        for second in range(120):
            plain.clock.now = 1000.0 + second
            plain.progress(second, loss=1.0)
        assert PLAIN_INTERVAL_S == 15
        assert [line.split("  ")[1] for line in plain.lines] == [f"step {n}/40" for n in range(0, 120, 15)]
        assert not {"\r", "\x1b"} & set(plain.stream.getvalue())

    def test_ticks_write_nothing(self, plain: Screen) -> None:
        """A log is not filled with waiting."""
        plain.callback.handle(Tick())
        assert plain.lines == []

    def test_a_score_has_its_line_whatever_the_clock_says(self, plain: Screen) -> None:
        """Evaluations are rare and matter; the best one so far stays."""
        plain.progress(10)
        plain.callback.handle(EvalCompleted(metrics={"eval/hmean": 0.5}))
        plain.callback.handle(EvalCompleted(metrics={"eval/hmean": 0.25}))
        assert plain.lines[1:] == [
            "evaluated: hmean 0.5000 (best 0.5000)",
            "evaluated: hmean 0.2500 (best 0.5000)",
        ]

    def test_after_a_resume_steps_and_best_are_the_runs(self, tmp_path: Path) -> None:
        """Step and best score go on from the checkpoint."""
        screen = Screen(io.StringIO(), tmp_path, step_offset=20, best=0.75)
        screen.progress(5)
        screen.callback.handle(EvalCompleted(metrics={"eval/hmean": 0.5}))
        assert "step 25/40" in screen.lines[0]
        assert screen.lines[1] == "evaluated: hmean 0.5000 (best 0.7500)"

    def test_paddleocrs_count_of_steps_wins(self, tmp_path: Path) -> None:
        """Where it is not the one that was worked out, that is said, and steps are shown by it from then on."""
        screen = Screen(io.StringIO(), tmp_path, step_offset=20, epochs_done=2)
        screen.callback.handle(LogLine(text="[2026/11/25 22:42:43] ppocr INFO: train dataloader has 3 iters"))
        screen.progress(5)
        assert "an epoch has 3 steps, as PaddleOCR counts them, and not the calculated 10" in screen.lines[0]
        assert "step 25/26" in screen.lines[1]

    def test_a_count_as_expected_is_no_news(self, tmp_path: Path) -> None:
        """Nothing is said."""
        screen = Screen(io.StringIO(), tmp_path)
        screen.callback.handle(
            LogLine(text="[2026/11/25 22:42:43] ppocr INFO: train dataloader has 10 iters")
        )
        assert screen.lines == []

    @pytest.mark.parametrize(
        ("how", "path", "said"),
        [
            ("scratch", "", "training starts from scratch"),
            ("pretrained", "pre/det", "training starts from the weights pre/det"),
            ("resume", "old/latest", "training starts from the checkpoint old/latest"),
        ],
    )
    def test_the_start_is_named(self, plain: Screen, how: str, path: str, said: str) -> None:
        """A user sees at once whether the weights they meant were taken."""
        plain.callback.handle(WeightsLoaded(how=how, path=path))
        assert plain.lines == [said]

    def test_a_checkpoint_is_named(self, plain: Screen) -> None:
        """With PaddleOCR's own name for it."""
        plain.callback.handle(CheckpointSaved(name="iter_epoch_3", kind="epoch"))
        assert plain.lines == ["checkpoint iter_epoch_3 saved; it goes to the artifact store"]

    def test_the_last_numbers_are_said_at_the_end(self, plain: Screen) -> None:
        """Whenever the line before was; a run that never progressed has none."""
        plain.progress(10)
        plain.progress(40, loss=0.5)
        plain.callback.handle(RunFinished(status="FINISHED"))
        plain.callback.handle(RunFinished(status="FINISHED"))
        assert len(plain.lines) == 2
        assert "step 40/40  loss 0.5" in plain.lines[-1]

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_diverging_loss_is_shown(self, plain: Screen, value: float) -> None:
        """As what it is."""
        plain.progress(10, loss=value)
        assert f"loss {value}" in plain.lines[0]


class TestLive:
    """A terminal."""

    def test_one_line_is_rewritten(self, live: Screen) -> None:
        """Each update starts with a carriage return, ends without a newline, and covers the one before."""
        live.progress(10, loss=1.0)
        live.progress(11, loss=0.5)
        written = live.stream.getvalue()
        assert "\n" not in written
        first, second = written.split("\r")[1:]
        assert len(first) == len(second) == 99
        assert first.startswith("epoch 2/4  step 10/40  loss 1 ")
        assert second.startswith("epoch 2/4  step 11/40  loss 0.5 ")

    def test_the_score_joins_the_line(self, live: Screen) -> None:
        """And stays in it."""
        live.progress(10)
        live.callback.handle(EvalCompleted(metrics={"eval/hmean": 0.5}))
        live.progress(11)
        updates = live.stream.getvalue().split("\r")
        assert all(update.rstrip().endswith("hmean 0.5000 (best 0.5000)") for update in updates[2:])
        assert len(updates) == 4

    def test_a_narrow_terminal_gets_a_short_line(self, live: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
        """A longer one would wrap, and each update would leave a line behind."""
        monkeypatch.setenv("COLUMNS", "20")
        live.progress(10, loss=1.0)
        assert live.stream.getvalue() == "\repoch 2/4  step 10/"

    def test_waiting_for_the_first_numbers_shows_life(self, live: Screen) -> None:
        """Seconds count up until the first progress line, and no longer."""
        live.clock.now += 7
        live.callback.handle(Tick())
        assert live.stream.getvalue().rstrip() == "\rstarting the trainer ... 7 s".rstrip()
        live.progress(1)
        size = len(live.stream.getvalue())
        live.callback.handle(Tick())
        assert len(live.stream.getvalue()) == size

    def test_a_message_clears_the_live_line_first(self, live: Screen) -> None:
        """What is said for good does not end in what was there."""
        live.callback.handle(Tick())
        live.callback.handle(WeightsLoaded(how="scratch"))
        assert live.stream.getvalue().endswith("\r\x1b[Ktraining starts from scratch\n")

    def test_checkpoints_do_not_break_the_line(self, live: Screen) -> None:
        """They are frequent; the summary counts them."""
        live.callback.handle(CheckpointSaved(name="latest", kind="latest"))
        assert live.stream.getvalue() == ""

    def test_the_end_ends_the_line(self, live: Screen) -> None:
        """What is printed next starts on a line of its own."""
        live.progress(40, loss=0.5)
        live.callback.handle(RunFinished(status="FINISHED"))
        assert live.stream.getvalue().endswith("\n")
        assert live.stream.getvalue().count("\n") == 1
