"""Plots of an evaluation as PNG files."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.analysis.error_analysis import ClassRow, Confusion, LengthRow
from ocr_train.data.character_classes import char_code, visible
from ocr_train.drawing.plots import new_figure, plotting, save_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

CONFUSIONS_SHOWN = 20
GOOD, BAD = "#00963c", "#dc1e1e"
_BINS = [step / 20 for step in range(21)]


def plot_by_length(rows: Sequence[LengthRow], path: Path) -> Path:
    """Bars of accuracy by text length; above each how many texts it stands for."""
    with _plot(path, "Accuracy by text length", "characters in the truth", "texts read right") as axes:
        bars = axes.bar([row.length for row in rows], [row.accuracy for row in rows], color=GOOD)
        _whole_numbers(axes.xaxis)
        if len(rows) <= 30:
            axes.bar_label(bars, [str(row.texts) for row in rows], fontsize=8)
        axes.set_ylim(0, 1.08)
    return path


def plot_by_class(rows: Sequence[ClassRow], path: Path) -> Path:
    """Bars of the share of characters read right, for each class the truth has; above each how many those are."""
    rows = [row for row in rows if row.characters]
    with _plot(path, "Accuracy by character class", "", "characters read right") as axes:
        bars = axes.bar([row.name for row in rows], [row.accuracy or 0.0 for row in rows], color=GOOD)
        axes.bar_label(bars, [f"{row.characters:,}" for row in rows], fontsize=9)
        axes.set_ylim(0, 1.08)
    return path


def plot_confusions(rows: Sequence[Confusion], path: Path) -> Path:
    """Bars of the most frequent confusions, the worst on top."""
    worst = rows[:CONFUSIONS_SHOWN]
    with _plot(path, "What is read as what", "times", "", height=1.5 + 0.28 * max(len(worst), 4)) as axes:
        labels = [f"{_label(row.truth)}  →  {_label(row.prediction)}" for row in worst]
        bars = axes.barh(range(len(worst)), [row.times for row in worst], color=BAD)
        axes.bar_label(bars, [str(row.times) for row in worst], fontsize=9, padding=2)
        axes.set_yticks(range(len(worst)), labels)
        axes.invert_yaxis()
        _whole_numbers(axes.xaxis)
    return path


def plot_hmeans(hmeans: Sequence[float], path: Path) -> Path:
    """How many images have which hmean."""
    with _plot(path, "Score of each image", "hmean of the image", "images") as axes:
        axes.hist(hmeans, bins=_BINS, color=GOOD)
        _whole_numbers(axes.yaxis)
    return path


def plot_confidences(true: Sequence[float], false: Sequence[float], path: Path) -> Path:
    """How sure the model is of boxes that are true and of boxes that are false."""
    with _plot(path, "Confidence of the boxes", "score of the box", "boxes") as axes:
        axes.hist([true, false], bins=_BINS, color=[GOOD, BAD], label=["true", "false"], stacked=True)
        axes.legend()
        _whole_numbers(axes.yaxis)
    return path


def _label(char: str) -> str:
    """A character for a plot: a mark sits on a hyphen, which its own font has (matplotlib shapes both together, and
    no font here has Thai marks and the dotted circle), with its code."""
    return f"-{char} {char_code(char)}" if char and unicodedata.category(char)[0] == "M" else visible(char)


def _whole_numbers(axis: Axis) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


@contextlib.contextmanager
def _plot(path: Path, title: str, x: str, y: str, *, height: float = 4.0) -> Iterator[Axes]:
    """The axes to draw on; at the end the plot is in `path`."""
    with plotting():
        figure, (axes,) = new_figure(7.0, height)
        axes.set_title(title)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.spines[["top", "right"]].set_visible(False)
        yield axes
        save_plot(figure, path)
