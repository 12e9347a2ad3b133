"""Plots of an evaluation as PNG files, drawn without a display and without matplotlib's global state."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.analysis.characters import code, visible
from ocr_train.analysis.error_analysis import ClassRow, Confusion, LengthRow
from ocr_train.drawing.fonts import FAMILIES, label_font_files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

CONFUSIONS_SHOWN = 20
GOOD, BAD = "#00963c", "#dc1e1e"
_BINS = [step / 20 for step in range(21)]


def plot_by_length(rows: Sequence[LengthRow], path: Path) -> Path:
    """Bars of accuracy by text length; above each how many texts it stands for."""
    figure, axes = _start("Accuracy by text length", "characters in the truth", "texts read right")
    bars = axes.bar([row.length for row in rows], [row.accuracy for row in rows], color=GOOD)
    _whole_numbers(axes.xaxis)
    if len(rows) <= 30:
        axes.bar_label(bars, [str(row.texts) for row in rows], fontsize=8)
    axes.set_ylim(0, 1.08)
    return _save(figure, path)


def plot_by_class(rows: Sequence[ClassRow], path: Path) -> Path:
    """Bars of the share of characters read right, for each class the truth has; above each how many those are."""
    rows = [row for row in rows if row.characters]
    figure, axes = _start("Accuracy by character class", "", "characters read right")
    bars = axes.bar([row.name for row in rows], [row.accuracy or 0.0 for row in rows], color=GOOD)
    axes.bar_label(bars, [f"{row.characters:,}" for row in rows], fontsize=9)
    axes.set_ylim(0, 1.08)
    return _save(figure, path)


def plot_confusions(rows: Sequence[Confusion], path: Path) -> Path:
    """Bars of the most frequent confusions, the worst on top."""
    worst = rows[:CONFUSIONS_SHOWN]
    figure, axes = _start("What is read as what", "times", "", height=1.5 + 0.28 * max(len(worst), 4))
    labels = [f"{_label(row.truth)}  →  {_label(row.prediction)}" for row in worst]
    bars = axes.barh(range(len(worst)), [row.count for row in worst], color=BAD)
    axes.bar_label(bars, [str(row.count) for row in worst], fontsize=9, padding=2)
    axes.set_yticks(range(len(worst)), labels)
    axes.invert_yaxis()
    _whole_numbers(axes.xaxis)
    return _save(figure, path)


def plot_hmeans(hmeans: Sequence[float], path: Path) -> Path:
    """How many images have which hmean."""
    figure, axes = _start("Score of each image", "hmean of the image", "images")
    axes.hist(hmeans, bins=_BINS, color=GOOD)
    _whole_numbers(axes.yaxis)
    return _save(figure, path)


def plot_confidences(true: Sequence[float], false: Sequence[float], path: Path) -> Path:
    """How sure the model is of boxes that are true and of boxes that are false."""
    figure, axes = _start("Confidence of the boxes", "score of the box", "boxes")
    axes.hist([true, false], bins=_BINS, color=[GOOD, BAD], label=["true", "false"], stacked=True)
    axes.legend()
    _whole_numbers(axes.yaxis)
    return _save(figure, path)


def _label(char: str) -> str:
    """A character for a plot: a mark sits on a hyphen, which its own font has (matplotlib shapes both together, and
    no font here has Thai marks and the dotted circle), with its code."""
    return f"-{char} {code(char)}" if char and unicodedata.category(char)[0] == "M" else visible(char)


def _whole_numbers(axis: Axis) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _start(title: str, x: str, y: str, *, height: float = 4.0) -> tuple[Figure, Axes]:
    from matplotlib import font_manager, rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for file in label_font_files():
        if str(file) not in known:
            font_manager.fontManager.addfont(str(file))
    there = {entry.name for entry in font_manager.fontManager.ttflist}
    with rc_context({"font.family": [name for name in FAMILIES if name in there]}):
        figure = Figure(figsize=(7.0, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes: Any = figure.add_subplot()
        axes.set_title(title)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, path: Path) -> Path:
    from matplotlib import font_manager, rc_context

    there = {entry.name for entry in font_manager.fontManager.ttflist}
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), rc_context({"font.family": [n for n in FAMILIES if n in there]}):
        # A character that no font has is drawn as a box.
        warnings.simplefilter("ignore")
        figure.savefig(path, format="png", dpi=100)
    return path
