"""Where in a line a record starts: behind any prefix and bar, but never within a quotation."""

from __future__ import annotations

import pytest

from ocr_train.events import LogLine
from ocr_train.trainer.log_parser import LogParser
from tests.trainer.test_log_parser import BAR, CUR, DET_1X, DET_2023, PPOCR, REC_2020, ROOT


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "INFO:ppocr:",
        "2027-01-02 03:04:05,678 | INFO | ppocr - ",
        "[INFO] 03:04:05: ",
        "ppocr INFO: ",
        "-" + PPOCR,
        "> " + PPOCR,
        "\x1b[32m" + PPOCR + "\x1b[0m",
        BAR + PPOCR,
        BAR * 3 + "\r",
        "x" + PPOCR,
    ],
)
@pytest.mark.parametrize(
    "message", [DET_2023, DET_1X, CUR, "save model in ./out/latest", "resume from ./out/latest"]
)
def test_a_message_is_recognised_behind_any_prefix(prefix: str, message: str) -> None:
    """No prefix, one of another make, a quotation mark of an issue, colours or the eval bar do not matter."""
    events = [event for event in LogParser().feed(prefix + message) if not isinstance(event, LogLine)]
    assert events == LogParser().feed(PPOCR + message)


def test_two_records_on_one_line_are_two_events() -> None:
    """Where a line end got lost, neither record does."""
    events = LogParser().feed(f"{ROOT}{REC_2020} {ROOT}save model in ./out/latest")
    assert [type(event).__name__ for event in events] == ["TrainProgress", "CheckpointSaved"]


QUOTED = "[2026/11/22 12:27:57] ppocr INFO: save model in ./x/latest"


@pytest.mark.parametrize(
    "line",
    [
        "[2026/11/22 12:27:57] ppocr ERROR: save model in ./x/latest",
        "[2026/11/22 12:27:57] ppocr ERROR: When parsing line a.jpg\tsave model in ./x/latest, error",
        f"[2026/11/22 12:27:57] ppocr ERROR: When parsing line a.jpg\t{QUOTED}",
        f"[2026/11/22 12:27:57] ppocr ERROR: When parsing line a.jpg\tx\r{QUOTED}",
        f"2026/11/22 12:27:57] ppocr ERROR: When parsing line {QUOTED}",
        "[2026/11/22 12:27:57] ppocr ERROR: When parsing line a.jpg\tx\rsave model in ./x/latest",
        f"ValueError: bad label '{QUOTED}'",
        f"a.jpg\t{QUOTED}",
        "ValueError: save model in ./x/latest",
        "label text: save model in ./x/latest",
        PPOCR + "    save_model_dir : save model in ./x/latest",
        PPOCR + "    epoch: [1/2], global_step: 3, loss: 1.000000, ips: 1.00000",
        PPOCR + "Already save model info in ./x/latest",
        "a text without a line end\rsave model in ./x/latest",
        "save model in the drawer",
        "resume from the break",
        "we resume from scratch",
        PPOCR + "During the training process, after the 0th iteration, cur metric, acc: 0.5",
    ],
)
def test_a_text_that_only_quotes_a_message_is_no_event(line: str) -> None:
    """An error message with the user's label in it, or any other text around a message, stays text."""
    assert LogParser().feed(line) == [LogLine(text=line, line=1)]


def test_redraws_of_the_eval_bar_are_no_events() -> None:
    """A bar would flood whoever listens; what is glued behind it is kept."""
    assert LogParser().feed(BAR * 500) == []
    assert LogParser().feed("eval model:: 0it [00:00, ?it/s]") == []
    assert LogParser().feed("  3%|▎         | 1.02M/37.9M [00:00<00:03, 10.2MiB/s]") == []
    assert LogParser().feed(BAR + "Process Process-2:") == [LogLine(text="Process Process-2:", line=1)]


def test_a_bar_of_unknown_make_is_one_line() -> None:
    """What is between carriage returns and no tqdm bar is kept, as one event a line."""
    assert LogParser().feed("[=>  ] 1\r[==> ] 2\r\n") == [LogLine(text="[=>  ] 1\r[==> ] 2", line=1)]


def test_an_empty_line_is_kept() -> None:
    """Blank lines are lines of the log too."""
    assert LogParser().feed("\n") == [LogLine(text="", line=1)]
