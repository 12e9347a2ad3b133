"""The parser on real logs: every typed event of every excerpt, its values read off and typed in by hand."""

from __future__ import annotations

from math import isnan, nan
from pathlib import Path
from typing import Any

import pytest

from ocr_train.events import Event, LogLine
from ocr_train.trainer.log_parser import LogParser

LOGS = Path(__file__).resolve().parents[2] / ".." / "shared" / "logs"

Expected = tuple[int, str, dict[str, Any]]
"""Line, event, and values: attributes, metrics by name, "n" for how many metrics there are."""

PROGRESS, SAVED, EVAL = "TrainProgress", "CheckpointSaved", "EvalCompleted"
BEST, LOADED = "BestUpdated", "WeightsLoaded"

EXCERPTS: dict[str, tuple[int, list[Expected]]] = {  # how many LogLines, and the other events
    "03.txt": (
        1,
        [
            (2, PROGRESS, {"epoch": 4, "epochs": 500, "step": 172, "n": 13, "train/lr": 0.0001}),
            (3, SAVED, {"name": "latest", "kind": "latest", "step": 172, "epoch": 4}),
            (4, PROGRESS, {"epoch": 5, "epochs": 500, "step": 180, "n": 13, "train/eta_s": 10162.0}),
            (
                5,
                PROGRESS,
                {"epoch": 5, "step": 190, "n": 13, "train/loss": 1.0, "train/loss_shrink_maps": 0.0}
                | {"train/reader_cost_s": 0.43728, "train/batch_cost_s": 0.51183, "train/samples": 8.0}
                | {"train/ips": 15.63033, "train/eta_s": 10197.0, "train/gpu_mem_reserved_mb": 6177.0}
                | {"train/gpu_mem_allocated_mb": 5281.0, "train/loss_binary_maps": 1.0},
            ),
        ],
    ),
    "06.txt": (
        5,
        [
            (3, SAVED, {"name": "latest", "prefix": "./output/czp/latest", "step": None, "epoch": None}),
            (5, SAVED, {"kind": "latest", "prefix": "./output/czp/latest"}),
            (7, SAVED, {"kind": "latest"}),
            (9, SAVED, {"kind": "latest"}),
        ],
    ),
    "09.txt": (
        1,
        [
            (
                2,
                PROGRESS,
                {"epoch": 0, "epochs": None, "step": 2, "n": 4, "train/loss": nan, "train/acc": 0.0},
            ),
            (3, PROGRESS, {"epoch": 0, "step": 4, "train/lr": 2e-06, "train/batch_cost_s": 2.36}),
        ],
    ),
    "12.txt": (
        1,
        [
            (
                2,
                PROGRESS,
                {"epoch": 1, "epochs": 400, "step": 5, "n": 9, "train/reader_cost_s": nan}
                | {"train/structure_loss": 131.377853, "train/batch_cost_s": 2.47813, "train/ips": 7.74779},
            ),
        ],
    ),
    "15.txt": (19, []),
    "18.txt": (2, []),
    "21.txt": (
        11,
        [
            (
                10,
                LOADED,
                {"how": "pretrained", "path": "./pretrain_models/MobileNetV3_large_x0_5_pretrained"},
            ),
        ],
    ),
    "24.txt": (
        1,
        [
            (2, PROGRESS, {"step": 190, "n": 14, "train/loss": 1.4e-05, "train/Teacher_acc": 0.375}),
            (3, PROGRESS, {"step": 195, "n": 14, "train/loss_ctc_Student_0_0": 18.239758}),
            (4, PROGRESS, {"step": 200, "n": 14, "train/Teacher_norm_edit_dis": 0.700838}),
        ],
    ),
    "27.txt": (
        1,
        [
            (2, PROGRESS, {"epoch": 3, "epochs": 5000, "step": 10300, "n": 15, "train/loss": 7.461492}),
            (3, PROGRESS, {"step": 10320, "n": 15, "train/db_Student2_loss_shrink_maps": 1.522676}),
        ],
    ),
    "30.txt": (
        1,
        [
            (2, EVAL, {"n": 4, "eval/hmean": 0.0, "eval/fps": 6.358296325689887, "step": None}),
            (3, SAVED, {"name": "best_accuracy", "kind": "best"}),
            (4, BEST, {"n": 4, "best/hmean": 0.0, "best/recall": 0.0, "best_epoch": 45, "step": None}),
        ],
    ),
    "33.txt": (
        1,
        [
            (2, EVAL, {"n": 3, "eval/precision": 0.7235177971076365, "step": 112000, "epoch": None}),
            (2, BEST, {"n": 1, "best/hmean": 0.66647, "best_epoch": 39, "step": 112000}),
            (3, PROGRESS, {"epoch": 39, "epochs": None, "step": 112400, "n": 7, "train/lr": 0.0001}),
            (4, PROGRESS, {"step": 112800, "train/total_loss": 1.236913, "train/loss": 1.236913}),
            (5, PROGRESS, {"step": 113200, "train/batch_cost_s": 0.671}),
            (6, PROGRESS, {"step": 113600, "train/loss_binary_maps": 0.13131}),
        ],
    ),
    "36.txt": (16, []),
    "39.txt": (
        1,
        [
            (2, PROGRESS, {"epoch": 1, "epochs": 10, "step": 480, "n": 13, "train/eta_s": 1300.0}),
            (3, PROGRESS, {"step": 500, "train/CTCLoss": 12.910041, "train/NRTRLoss": 1.939107}),
            (4, PROGRESS, {"step": 520, "train/acc": 0.399999, "train/norm_edit_dis": 0.797943}),
            (5, PROGRESS, {"step": 540, "train/samples": 5.55, "train/gpu_mem_allocated_mb": 1350.0}),
        ],
    ),
    "42.txt": (11, []),
    "45.txt": (
        9,
        [
            (2, PROGRESS, {"epoch": 1199, "step": 451990, "n": 4, "train/loss_threshold_maps": 0.292224}),
            (4, PROGRESS, {"epoch": 1199, "step": 452000, "n": 4, "train/loss": 0.75485}),
        ],
    ),
    "48.txt": (11, []),
    "51.txt": (
        14,
        [(2, PROGRESS, {"epoch": 278, "epochs": 1200, "step": 5000, "n": 15, "train/lr": 0.000888})],
    ),
    "54.txt": (
        8,
        [(9, LOADED, {"path": "./pretrained_models/ch_PP-OCRv3_det_distill_train/best_accuracy"})],
    ),
    "57.txt": (
        5,
        [
            (
                2,
                LOADED,
                {"how": "resume", "path": "pretrain_models/ch_PP-OCRv2_det_distill_train/best_accuracy"},
            ),
            (8, EVAL, {"n": 4, "eval/precision": 0.0, "eval/fps": 15.99793361651514, "step": None}),
        ],
    ),
    "60.txt": (
        1,
        [
            (2, PROGRESS, {"epoch": 5, "epochs": 500, "step": 11550, "n": 8, "train/loss": 4.880471}),
            (3, PROGRESS, {"step": 11560, "train/acc": 0.604167}),
            (4, PROGRESS, {"step": 11570, "train/norm_edit_dis": 0.884872}),
            (5, PROGRESS, {"step": 11580, "train/samples": 960.0, "train/ips": 21.83531}),
        ],
    ),
    "63.txt": (
        2,
        [
            (2, PROGRESS, {"epoch": 8, "epochs": 10, "step": 57, "n": 7, "train/ips": 5630.64681}),
            (3, PROGRESS, {"step": 58, "train/reader_cost_s": 5.46194}),
            (4, PROGRESS, {"step": 59}),
            (5, PROGRESS, {"step": 60, "train/lr": 0.00018}),
            (6, PROGRESS, {"step": 61}),
            (7, PROGRESS, {"step": 62, "train/acc": 0.613281}),
            (8, SAVED, {"name": "latest", "kind": "latest", "step": 62, "epoch": 8}),
            (
                9,
                SAVED,
                {"name": "iter_epoch_8", "kind": "epoch", "prefix": "./output/cls/zt2mv3/iter_epoch_8"},
            ),
        ],
    ),
    "66.txt": (17, []),
    "resume_2.10.log": (
        104,
        [
            (104, LOADED, {"how": "resume", "path": "./out/a/latest"}),
            (106, PROGRESS, {"epoch": 3, "epochs": 3, "step": 1, "n": 9, "train/loss": 59.984516}),
            (
                107,
                PROGRESS,
                {"step": 2, "train/norm_edit_dis": 0.0, "train/samples": 32.0, "train/eta_s": 0.0},
            ),
            (109, EVAL, {"n": 3, "eval/norm_edit_dis": 0.013889505207948072, "step": 2, "epoch": 3}),
            (110, SAVED, {"name": "best_accuracy", "kind": "best", "prefix": "./out/b/best_accuracy"}),
            (111, BEST, {"n": 3, "best/acc": 0.0, "best/fps": 77.46214436759531, "best_epoch": 3}),
            (112, SAVED, {"name": "latest", "kind": "latest", "step": 2, "epoch": 3}),
            (113, SAVED, {"name": "iter_epoch_3", "kind": "epoch", "step": 2, "epoch": 3}),
            (114, BEST, {"n": 3, "best_epoch": 3, "step": 2}),
        ],
    ),
}


def parsed(name: str) -> tuple[LogParser, list[Event]]:
    """The parser after a whole excerpt, and all events; carriage returns are kept."""
    path = LOGS / name
    if not path.exists():
        pytest.skip(f"../shared/logs/{name} is absent")
    parser = LogParser()
    lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    return parser, [event for line in lines for event in parser.feed(line)]


def value_of(event: Event, name: str) -> Any:
    """An attribute, a metric, or the number of metrics ("n")."""
    if name == "n":
        return len(getattr(event, "metrics"))  # noqa: B009 - only some events have it
    return getattr(event, "metrics")[name] if "/" in name else getattr(event, name)  # noqa: B009 - as above


@pytest.mark.parametrize("name", EXCERPTS)
def test_an_excerpt_yields_the_events_read_off_by_hand(name: str) -> None:
    """Each line of a real log becomes the event, with the values, that a person reads in it."""
    log_lines, expected = EXCERPTS[name]
    _, events = parsed(name)
    typed = [event for event in events if not isinstance(event, LogLine)]
    assert [(event.line, type(event).__name__) for event in typed] == [row[:2] for row in expected]
    assert len(events) - len(typed) == log_lines
    for event, (_, _, wanted) in zip(typed, expected, strict=True):
        for key, value in wanted.items():
            found = value_of(event, key)
            same = isnan(found) if isinstance(value, float) and isnan(value) else found == value
            assert same, f"{name}:{event.line} {key}: {found!r}, expected {value!r}"


def test_every_excerpt_has_an_expectation() -> None:
    """No real log is left unread."""
    if not LOGS.exists():
        pytest.skip("../shared/logs is absent")
    assert {path.name for path in LOGS.iterdir()} == set(EXCERPTS)


def test_the_share_of_matched_lines_is_counted() -> None:
    """Of the 114 lines of a resumed run 9 say something about training."""
    _, events = parsed("resume_2.10.log")
    assert len({event.line for event in events if not isinstance(event, LogLine)}) == 9
    assert max(event.line for event in events) == 114
