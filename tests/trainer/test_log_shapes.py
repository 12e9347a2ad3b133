"""Progress lines whose shape was seen before: read at once, and as they are read the long way."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_train.events import Event, TrainProgress
from ocr_train.trainer.log_parser import LogParser
from ocr_train.trainer.log_shapes import ProgressShapes

PPOCR = "[2026/11/22 12:27:57] ppocr INFO: "
FORMATS = [
    PPOCR
    + "epoch: [4/500], global_step: 172, lr: 0.000100, loss: 1.250000, avg_reader_cost: 0.04024 s, avg_batch_cost: "
    "0.05132 s, avg_samples: 0.9, ips: 17.53771 samples/s, eta: 1 day, 2:48:41, max_mem_reserved: 6177 MB, "
    "max_mem_allocated: 5281 MB",
    PPOCR + "epoch: [1/2], global_step: 7, loss: 0.500000, ips: 1.00000 samples/s, eta: 0:00:01,  ",
    "[2021/02/23 22:52:57] root INFO: epoch: [5/500], iter: 11550, lr: 0.001000, loss: 4.880471, acc: 0.598958, "
    "reader_cost: 5.33854 s, batch_cost: 5.97875 s, samples: 960, ips: 16.05686",
    "2020-08-14 21:26:02,336-INFO: epoch: 39, iter: 112400, 'lr': 1e-04, 'total_loss': 1.244469, 'loss_binary_maps': "
    "0.142, time: 0.654",
]


def the_event(line: str, parser: LogParser | None = None) -> Event:
    """The only event of a line, by itself or after others."""
    (event,) = (parser or LogParser()).feed(line)
    return event


def known(line: str) -> bool:
    """Whether the line after it would be read at once."""
    parser = LogParser()
    parser.feed(line)
    return parser._shapes.read(line) is not None


@pytest.mark.parametrize("line", FORMATS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_every_format_is_learnt_from_its_first_line(line: str, end: str) -> None:
    """With the same numbers, in the same order, as the first one."""
    parser = LogParser()
    first, second = the_event(line + end, parser), the_event(line + end, parser)
    assert isinstance(first, TrainProgress)
    assert isinstance(second, TrainProgress)
    assert list(first.metrics.items()) == list(second.metrics.items())
    assert (second.line, second.step, second.epochs) == (2, first.step, first.epochs)
    assert parser._shapes.read(line + end) is not None


def test_other_numbers_are_read_from_the_lines_that_follow() -> None:
    """A time left with days or without, a negative number, one with an exponent."""
    parser = LogParser()
    parser.feed(FORMATS[0])
    other = (
        FORMATS[0].replace("[4/500], global_step: 172", "[12/500], global_step: 9172").replace("1 day, ", "")
    )
    event = the_event(other.replace("1.250000", "-0.5").replace("0.000100", "1e-05"), parser)
    assert isinstance(event, TrainProgress)
    assert (event.epoch, event.step) == (12, 9172)
    assert (event.metrics["train/loss"], event.metrics["train/lr"]) == (-0.5, 1e-05)
    assert event.metrics["train/eta_s"] == 2 * 3600 + 48 * 60 + 41


def test_what_an_evaluation_after_it_belongs_to_is_known() -> None:
    """A line that was read at once is the last progress, too."""
    parser = LogParser()
    parser.feed(FORMATS[0])
    parser.feed(FORMATS[0].replace("global_step: 172", "global_step: 180"))
    (event,) = parser.feed(PPOCR + "cur metric, hmean: 0.5, fps: 6.0")
    assert vars(event)["step"] == 180


@pytest.mark.parametrize(
    "line",
    [
        PPOCR + "epoch: [1/2], global_step: 7, loss: nanxxx, ips: 1.00000",
        PPOCR + "epoch: [1/2], global_step: 7, loss: [0.5], ips: 1.00000",
        PPOCR + "epoch: [1/2], global_step: 7, loss: 0.5, loss: 0.6, ips: 1.00000",
        "epoch: [1/2], global_step: 7, loss: 0.5, ips: 1.00000",
        FORMATS[0] + " [2026/11/22 12:27:57] ppocr INFO: save model in ./out/latest",
    ],
)
def test_an_unusual_line_teaches_nothing(line: str) -> None:
    """It is read the long way every time."""
    assert not known(line)


def test_a_last_number_with_fewer_decimals_may_go_on_in_the_next_line() -> None:
    """It is no number of that line, whatever was learnt."""
    parser = LogParser()
    parser.feed(FORMATS[2])
    event = the_event(FORMATS[2][:-1], parser)
    assert isinstance(event, TrainProgress)
    assert "train/ips" not in event.metrics


def test_few_shapes_are_kept() -> None:
    """A log of lines that are all different stays cheap to read."""
    parser = LogParser()
    for number in range(50):
        parser.feed(PPOCR + f"epoch: [1/2], global_step: 7, loss_{number}: 0.5, ips: 1.00000")
    assert len(parser._shapes._shapes) < 10


def test_nothing_is_learnt_that_does_not_say_the_same() -> None:
    """Names that are called otherwise are the reader's."""
    shapes, parser = ProgressShapes({}), LogParser()
    parser.feed(FORMATS[0])
    shapes.learn(FORMATS[0], parser._said)
    assert shapes.read(FORMATS[0]) is None


@st.composite
def changed_lines(draw: st.DrawFn) -> tuple[str, str]:
    """A real line, and the same with a stretch of it replaced."""
    line = draw(st.sampled_from(FORMATS))
    start = draw(st.integers(0, len(line)))
    end = draw(st.integers(start, min(len(line), start + 6)))
    return line, line[:start] + draw(st.text("0123456789.,:-e x[]'\"\r\nsMB", max_size=6)) + line[end:]


@given(changed_lines())
def test_a_line_after_another_says_what_it_says_alone(lines: tuple[str, str]) -> None:
    """What was learnt changes nothing."""
    first, second = lines
    parser = LogParser()
    parser.feed(first)
    after, alone = parser.feed(second), LogParser().feed(second)
    assert list(map(type, after)) == list(map(type, alone))
    for one, other in zip(after, alone, strict=True):
        if isinstance(one, TrainProgress) and isinstance(other, TrainProgress):
            assert (one.epoch, one.epochs, one.step) == (other.epoch, other.epochs, other.step)
            assert [*one.metrics] == [*other.metrics]
            pairs = zip(one.metrics.values(), other.metrics.values(), strict=True)
            assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in pairs)
