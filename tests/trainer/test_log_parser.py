"""One line in, the events it says out: every format of the epoch line, evaluations, checkpoints, damage."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_train.events import (
    BestUpdated,
    CheckpointSaved,
    EvalCompleted,
    Event,
    LogLine,
    TrainProgress,
    WeightsLoaded,
)
from ocr_train.trainer.log_parser import LogParser, parse_lines, to_json

PPOCR = "[2026/11/22 12:27:57] ppocr INFO: "
ROOT = "[2021/02/23 22:52:57] root INFO: "
BAR = "\reval model::  50%|█████     | 1/2 [00:01<00:01,  1.66it/s]"
DET_2023 = (
    "epoch: [4/500], global_step: 172, lr: 0.000100, loss: 1.250000, loss_shrink_maps: 0.500000, "
    "avg_reader_cost: 0.04024 s, avg_batch_cost: 0.05132 s, avg_samples: 0.9, ips: 17.53771 samples/s, "
    "eta: 1 day, 2:48:41, max_mem_reserved: 6177 MB, max_mem_allocated: 5281 MB"
)
REC_2020 = (
    "epoch: [5/500], iter: 11550, lr: 0.001000, loss: 4.880471, acc: 0.598958, norm_edit_dis: 0.877949, "
    "reader_cost: 5.33854 s, batch_cost: 5.97875 s, samples: 960, ips: 16.05686"
)
DET_1X = (
    "epoch: 39, iter: 112400, 'lr': 1e-04, 'total_loss': 1.244469, 'loss_binary_maps': 0.142, time: 0.654"
)
CUR = "cur metric, precision: 0.5, recall: 0.25, hmean: 0.333, fps: 6.358296325689887"
REAL_LINES = [
    PPOCR + DET_2023,
    ROOT + REC_2020,
    "2020-08-14 21:26:02,336-INFO: " + DET_1X,
    PPOCR + CUR,
    PPOCR + "best metric, hmean: 0.333, is_float16: False, fps: 6.35, best_epoch: 45",
    PPOCR + "save model in ./output/det v1/iter_epoch_12",
    PPOCR + "resume from ./output/latest",
    BAR + BAR + "[2026/11/22 12:27:58] ppocr ERROR: When parsing line a.jpg\tx",
]


def the_event(line: str) -> Event:
    """The only event of a line fed to a new parser."""
    (event,) = LogParser().feed(line)
    return event


def progress(line: str) -> TrainProgress:
    """The only event of a line, which must be progress."""
    event = the_event(line)
    assert isinstance(event, TrainProgress), event
    return event


def test_an_epoch_line_since_2023_gives_losses_costs_eta_and_memory() -> None:
    """All numbers of the newest format are read, a day in the eta and the units included."""
    event = progress(PPOCR + DET_2023)
    assert (event.epoch, event.epochs, event.step, event.line) == (4, 500, 172, 1)
    assert event.metrics == {
        "train/lr": 0.0001,
        "train/loss": 1.25,
        "train/loss_shrink_maps": 0.5,
        "train/reader_cost_s": 0.04024,
        "train/batch_cost_s": 0.05132,
        "train/samples": 0.9,
        "train/ips": 17.53771,
        "train/eta_s": 86400 + 2 * 3600 + 48 * 60 + 41,
        "train/gpu_mem_reserved_mb": 6177.0,
        "train/gpu_mem_allocated_mb": 5281.0,
    }


def test_an_epoch_line_of_2020_gives_the_same_names() -> None:
    """`iter`, `reader_cost` and an `ips` without a unit are the same things under older names."""
    event = progress(ROOT + REC_2020)
    assert (event.epoch, event.epochs, event.step) == (5, 500, 11550)
    assert event.metrics == {
        "train/lr": 0.001,
        "train/loss": 4.880471,
        "train/acc": 0.598958,
        "train/norm_edit_dis": 0.877949,
        "train/reader_cost_s": 5.33854,
        "train/batch_cost_s": 5.97875,
        "train/samples": 960.0,
        "train/ips": 16.05686,
    }


def test_an_epoch_line_of_1x_gives_loss_under_its_common_name() -> None:
    """Quoted keys, an exponent and no number of epochs; `total_loss` is also `train/loss`."""
    event = progress("2020-08-14 21:26:02,336-INFO: " + DET_1X)
    assert (event.epoch, event.epochs, event.step) == (39, None, 112400)
    assert event.metrics == {
        "train/lr": 1e-04,
        "train/total_loss": 1.244469,
        "train/loss": 1.244469,
        "train/loss_binary_maps": 0.142,
        "train/batch_cost_s": 0.654,
    }


@pytest.mark.parametrize(
    ("eta", "seconds"),
    [("0:00:01", 1), ("15:13:26", 54806), ("1 day, 0:00:00", 86400), ("12 days, 1:02:03", 1040523)],
)
def test_an_eta_is_seconds(eta: str, seconds: int) -> None:
    """Whatever `datetime.timedelta` prints is read, with the comma in it and the one after it on CPU."""
    line = f"{PPOCR}epoch: [1/2], global_step: 7, loss: 0.500000, ips: 1.00000 samples/s, eta: {eta},  "
    assert progress(line).metrics == {"train/loss": 0.5, "train/ips": 1.0, "train/eta_s": seconds}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nanxxx", math.nan),
        ("Nanxxx ", math.nan),
        ("nan", math.nan),
        ("infxxx", math.inf),
        ("-infxx", -math.inf),
        ("'0.25'", 0.25),
        ("-1.5e-3", -0.0015),
        ("340282346638528859811.000000", 3.402823466385289e20),
    ],
)
def test_a_value_is_read_as_the_trainer_pads_it(text: str, value: float) -> None:
    """NaN and infinities padded with x stay NaN and infinities; quotes and exponents are understood."""
    found = progress(f"{PPOCR}epoch: [1/2], global_step: 7, loss: {text}, ips: 1.00000").metrics["train/loss"]
    assert found == value or (math.isnan(found) and math.isnan(value))


def test_values_that_are_no_numbers_are_left_out() -> None:
    """Booleans, lists, tensors and FCE's texts do not become metrics, nor do numbers inside them."""
    line = (
        "cur metric, thr 0.3: precision:0.57252 recall:0.60823 hmean:0.58984, ok: True, list: [a: 1, b: 2], "
        "t: Tensor(shape=[1], place=Place(gpu:0), x: 3), hmean: 0.6194921647786499, fps: 11.25"
    )
    event = the_event(PPOCR + line)
    assert isinstance(event, EvalCompleted)
    assert event.metrics == {"eval/hmean": 0.6194921647786499, "eval/fps": 11.25}


def test_names_that_mlflow_refuses_are_spelt_otherwise() -> None:
    """The metrics of formula models have "<=" in their names, which MLflow does not take."""
    event = the_event(PPOCR + "cur metric, edit distance: 0.5, exp_rate: 0.25, exp_rate<=1 : 0.75, fps: 1.5")
    assert isinstance(event, EvalCompleted)
    assert set(event.metrics) == {"eval/edit distance", "eval/exp_rate", "eval/exp_rate_le_1", "eval/fps"}


def test_a_progress_line_cut_anywhere_never_gives_a_wrong_number() -> None:
    """However a terminal or a full disk shortens an epoch line, what is read of it is true."""
    for whole in REAL_LINES[:3]:
        full = progress(whole)
        for length in range(len(whole)):
            event = the_event(whole[:length])
            if isinstance(event, TrainProgress):
                assert (event.epoch, event.step) == (full.epoch, full.step)
                assert event.metrics.items() <= full.metrics.items(), whole[:length]
            else:
                assert isinstance(event, LogLine)


def test_a_line_broken_in_two_loses_only_the_number_at_the_break() -> None:
    """The first half is progress without the broken number; the second half is kept as text."""
    parser = LogParser()
    (first,) = parser.feed(PPOCR + "epoch: [1199/1200], global_step: 451990, lr: 0.001000, loss: 0.77")
    (second,) = parser.feed("1113, avg_reader_cost: 0.18651 s, ips: 6.54906 samples/s, eta: 0:02:04")
    assert isinstance(first, TrainProgress)
    assert first.metrics == {"train/lr": 0.001}
    assert isinstance(second, LogLine)


def test_a_record_interrupted_by_the_bar_never_gives_a_wrong_value() -> None:
    """A value or a path that the eval bar cuts off is left out, and the rest of the record is kept."""
    for whole in REAL_LINES[:7]:
        full = the_event(whole)
        for length in range(len(PPOCR), len(whole)):
            for event in LogParser().feed(whole[:length] + BAR + whole[length:]):
                if isinstance(event, TrainProgress | EvalCompleted | BestUpdated):
                    assert isinstance(full, type(event))
                    assert event.metrics.items() <= full.metrics.items(), whole[:length]
                else:
                    assert isinstance(event, LogLine), whole[:length]


def test_a_new_statistic_at_the_end_of_the_line_is_kept_unless_interrupted() -> None:
    """What a coming version adds behind the known fields is read, but not where a bar cuts it."""
    line = PPOCR + "epoch: [1/2], global_step: 7, ips: 1.00000 samples/s, eta: 0:00:01, gpu_temp: 55"
    assert progress(line).metrics == {"train/ips": 1.0, "train/eta_s": 1.0, "train/gpu_temp": 55.0}
    assert progress(line + BAR).metrics == {"train/ips": 1.0, "train/eta_s": 1.0}


def test_an_evaluation_and_its_best_know_the_step_they_belong_to() -> None:
    """Evaluation, best and checkpoint carry step and epoch of the last progress line; extras are dropped."""
    parser = LogParser()
    parser.feed(PPOCR + DET_2023)
    (evaluation,) = parser.feed(PPOCR + CUR, time_ms=1_700_000_000_000)
    assert evaluation == EvalCompleted(
        metrics={
            "eval/precision": 0.5,
            "eval/recall": 0.25,
            "eval/hmean": 0.333,
            "eval/fps": 6.358296325689887,
        },
        step=172,
        epoch=4,
        line=2,
        time_ms=1_700_000_000_000,
    )
    line = "best metric, hmean: 0.333, is_float16: False, fps: 6.0, best_epoch: 3, start_epoch: 4, acc: 0.0"
    (best,) = parser.feed(PPOCR + line)
    assert best == BestUpdated(metrics={"best/hmean": 0.333, "best/fps": 6.0}, best_epoch=3, step=172, line=3)


def test_an_accuracy_of_zero_is_kept_where_it_is_the_models_own() -> None:
    """For recognition `acc: 0.0` is the truth, not a leftover of a resume."""
    event = the_event(
        PPOCR + "best metric, acc: 0.0, norm_edit_dis: 0.01, fps: 7.5, best_epoch: 3, start_epoch: 3"
    )
    assert isinstance(event, BestUpdated)
    assert event.metrics == {"best/acc": 0.0, "best/norm_edit_dis": 0.01, "best/fps": 7.5}


@pytest.mark.parametrize(
    "line",
    [
        "best metric, acc: 0, is_float16: False",
        "best metric, hmean: 0, is_float16: False",
        "best metric, acc: 0.0, start_epoch: 3, is_float16: False",
        "best metric, acc: 0.0, norm_edit_dis: 0.97, fps: 7.5, best_epoch: 2, start_epoch: 3, is_float16: False",
    ],
)
def test_what_paddleocr_begins_with_is_no_best(line: str) -> None:
    """Without an evaluation before it, it is PaddleOCR's initial value, or the 0 that a resume puts in its place."""
    assert [type(event).__name__ for event in parse_lines([PPOCR + line])] == ["LogLine"]


def test_after_an_evaluation_a_best_without_its_epoch_is_one() -> None:
    """As older versions write it."""
    lines = [PPOCR + "cur metric, acc: 0.0", PPOCR + "best metric, acc: 0.0"]
    assert [type(event).__name__ for event in parse_lines(lines)] == ["EvalCompleted", "BestUpdated"]


def test_the_misspelt_metric_lines_of_2_0_are_read() -> None:
    """PaddleOCR 2.0 wrote "metirc"."""
    events = list(parse_lines([ROOT + "cur metirc, acc: 0.5, fps: 2.0", ROOT + "best metirc, acc: 0.5"]))
    assert [type(event).__name__ for event in events] == ["EvalCompleted", "BestUpdated"]


def test_an_evaluation_of_1x_recognition_is_two_events() -> None:
    """The line of 1.x names the evaluation and the best in one; counts are no metrics."""
    line = (
        "Test iter: 2000, acc:0.512000, best_acc:0.600000, best_epoch:3, best_batch_id:1500, sample_num:2077"
    )
    assert LogParser().feed("2020-08-14 21:21:39,616-INFO: " + line) == [
        EvalCompleted(metrics={"eval/acc": 0.512}, step=2000, line=1),
        BestUpdated(metrics={"best/acc": 0.6}, best_epoch=3, step=2000, line=1),
    ]


def test_the_table_of_a_standalone_evaluation_is_one_event() -> None:
    """The rows of `tools/eval.py` are kept as text until the last of them, fps, completes the evaluation."""
    rows = ["metric in ckpt ***************", "hmean:0.9", "metric eval ***************"]
    rows += ["thr 0.3:precision:0.83179 recall:0.84911", "hmean:0.5", "fps:15.5", "fps:99.0"]
    events = list(parse_lines(PPOCR + row for row in rows))
    assert [isinstance(event, LogLine) for event in events] == [True] * 5 + [False, True]
    assert events[5] == EvalCompleted(metrics={"eval/hmean": 0.5, "eval/fps": 15.5}, line=6)


def test_a_table_interrupted_in_its_last_row_is_no_evaluation() -> None:
    """The last row, cut off by a bar, could be any number."""
    rows = [PPOCR + "metric eval ***************", PPOCR + "hmean:0.5", PPOCR + "fps:1" + BAR + "5.5"]
    assert all(isinstance(event, LogLine) for event in parse_lines(rows))


@pytest.mark.parametrize(
    ("message", "name", "kind"),
    [
        ("save model in ./out/b/latest", "latest", "latest"),
        ("save model in ./out/b/iter_epoch_120", "iter_epoch_120", "epoch"),
        ("save best model is to ./out/b/best_accuracy", "best_accuracy", "best"),
        (r"save model in D:\งาน ocr\output\iter_epoch_3", "iter_epoch_3", "epoch"),
        ("save best model is to /data/ผลลัพธ์ ใหม่/best_accuracy", "best_accuracy", "best"),
        ("Already save model in ./output/rec/iter_epoch_0", "iter_epoch_0", "epoch"),
    ],
)
def test_a_saved_checkpoint_is_named_by_the_end_of_its_path(message: str, name: str, kind: str) -> None:
    """Windows paths, spaces and Thai are kept as they are logged."""
    event = the_event(PPOCR + message)
    prefix = message.split(" in ", 1)[-1].split(" is to ", 1)[-1]
    assert event == CheckpointSaved(name=name, kind=kind, prefix=prefix, line=1)


@pytest.mark.parametrize(
    ("message", "how", "path"),
    [
        ("resume from ./out/a/latest", "resume", "./out/a/latest"),
        (
            "load pretrain successful from C:\\my models\\best_accuracy",
            "pretrained",
            "C:\\my models\\best_accuracy",
        ),
        ("load pretrained model from ['./pretrain/best']", "pretrained", "./pretrain/best"),
        ("resume from latest", "resume", "latest"),
        ("train from scratch", "scratch", ""),
    ],
)
def test_the_weights_that_training_starts_from_are_named(message: str, how: str, path: str) -> None:
    """Resume, pretrained weights and scratch are told apart."""
    assert the_event(PPOCR + message) == WeightsLoaded(how=how, path=path, line=1)


def test_lines_are_counted() -> None:
    """Redraws of a bar too, which make no event."""
    events = parse_lines([PPOCR + DET_2023, "Traceback (most recent call last):", BAR, PPOCR + CUR])
    assert [(event.line, type(event)) for event in events] == [
        (1, TrainProgress),
        (2, LogLine),
        (4, EvalCompleted),
    ]


def test_an_event_becomes_one_line_of_json() -> None:
    """Its type, its fields, the line; numbers that JSON lacks are strings, Thai stays readable."""
    line = "epoch: [1/2], global_step: 2, loss: nanxxx, acc: infxxx, db: -infxx, lr: 0.5, ips: 1.00000"
    assert json.loads(to_json(the_event(PPOCR + line))) == {
        "event": "TrainProgress",
        "epoch": 1,
        "epochs": 2,
        "step": 2,
        "metrics": {
            "train/loss": "nan",
            "train/acc": "inf",
            "train/db": "-inf",
            "train/lr": 0.5,
            "train/ips": 1.0,
        },
        "line": 1,
    }
    assert to_json(LogLine(text="ก\n", line=3)) == '{"event": "LogLine", "text": "ก\\n", "line": 3}'
    assert json.loads(to_json(LogLine(text="x", time_ms=5)))["time_ms"] == 5


def test_json_of_bytes_that_are_no_text_can_be_written() -> None:
    """A log that is not UTF-8 still gives lines that any file takes."""
    event = the_event(b"\xff save".decode("utf-8", "surrogateescape"))
    assert json.loads(to_json(event).encode("utf-8"))["text"] == "\udcff save"


@st.composite
def damaged_lines(draw: st.DrawFn) -> str:
    """A real line with a stretch of it replaced by any text, or by a stretch of another real line."""
    line, other = draw(st.sampled_from(REAL_LINES)), draw(st.sampled_from(REAL_LINES))
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(line))] * 2)))
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(other))] * 2)))
    return line[:start] + draw(st.one_of(st.text(), st.just(other[first:last]))) + line[end:]


@given(st.one_of(st.text(), damaged_lines()))
def test_no_line_raises_and_none_is_lost(line: str) -> None:
    """Whatever is fed gives at least one event, bars excepted, and each can be written as JSON."""
    events = LogParser().feed(line)
    assert events or "[" in line or "\r" in line
    for event in events:
        assert event.line == 1
        assert json.loads(to_json(event).encode("utf-8"))["line"] == 1


@pytest.mark.parametrize(
    "unit",
    [
        "1%|",
        "1%|| 1/1 [",
        " ",
        "a",
        "a\r",
        "\x1b[",
        "[",
        PPOCR,
        "a: 1, ",
        "(",
        ",",
        "eta: 1 ",
        "eval model::",
        "9",
        "x: ",
    ],
)
def test_a_line_of_any_length_takes_linear_time(unit: str) -> None:
    """Thirty thousand repetitions of anything take well under a second; quadratic time would be minutes."""
    started = time.process_time()
    for start in (
        "",
        PPOCR + "epoch: [1/2], global_step: 3, ",
        PPOCR + "cur metric, a: ",
        PPOCR + "save model in ",
    ):
        LogParser().feed(start + unit * 30_000)
    assert time.process_time() - started < 10
