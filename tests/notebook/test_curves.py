"""Curves are read from the journal while it is written."""

from __future__ import annotations

import math
from pathlib import Path

from ocr_train.notebook.curves import LiveCurves
from ocr_train.tracking.journal import Journal, Metric, Tag
from ocr_train.tracking.run_folder import JOURNAL


def metric(key: str, value: float, step: int) -> Metric:
    """A point."""
    return Metric(key=key, value=value, step=step, time_ms=0)


def test_what_is_new_is_added(tmp_path: Path) -> None:
    """Each point once; what is not finite is no point."""
    curves = LiveCurves(folder=tmp_path)
    assert not curves.read()
    journal = Journal(tmp_path / JOURNAL)
    journal.append([metric("train/loss", 3.0, 1), Tag(key="primary_metric", value="best/hmean")])
    assert curves.read()
    assert not curves.read()
    journal.append(
        [metric("train/loss", math.nan, 2), metric("train/loss", 2.0, 3), metric("eval/hmean", 0.5, 3)]
    )
    journal.append([metric("eval/hmean", 0.4, 6)])
    journal.close()
    assert curves.read()
    assert curves.points["train/loss"] == [(1, 3.0), (3, 2.0)]
    assert (curves.score, curves.last("eval/hmean"), curves.best()) == ("eval/hmean", (6, 0.4), 0.5)


def test_the_curves_are_a_picture_from_the_first_point_on(tmp_path: Path) -> None:
    """One point, or none yet, is drawn, too."""
    curves = LiveCurves(folder=tmp_path, points={"train/loss": [(1, 2.0)]})
    assert curves.png().startswith(b"\x89PNG")
    assert curves.score == "eval/acc"
