"""A sweep in three pictures: the scores one after the other, which values go with good ones, and which of them matter."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.drawing.plots import new_figure, plotting, save_plot
from ocr_train.sweep.dimensions import ChoiceList, Dimension, NumberRange
from ocr_train.sweep.plan import SweepPlan
from ocr_train.sweep.rows import FAILED, FINISHED, PRUNED, TrialRow, best_first, tried_rows
from ocr_train.sweep.table import short_names, value_text

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes

HISTORY, PARALLEL, IMPORTANCE = "history.png", "parallel_coordinates.png", "importance.png"
_BLUE, _GREY, _RED, _GREEN = "#1f6fb4", "#9a9a9a", "#c0392b", "#2e7d32"
_STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}


def draw_sweep(
    rows: Sequence[TrialRow], plan: SweepPlan, folder: Path, importances: dict[str, float]
) -> list[Path]:
    """Draw what there is enough of; the paths of the pictures."""
    found = []
    with plotting(_STYLE):
        if any(row.score is not None for row in tried_rows(rows)):
            found.append(_history(rows, plan, folder / HISTORY))
        if best_first(rows):
            found.append(_parallel(rows, plan, folder / PARALLEL))
        if importances:
            found.append(_importance(importances, plan, folder / IMPORTANCE))
    return found


def importances_of(study: optuna.Study) -> dict[str, float]:
    """How much of the differences between scores each name explains, together 1; nothing where that cannot be told yet."""
    from optuna.importance import get_param_importances

    with contextlib.suppress(Exception), warnings.catch_warnings():
        # Too few trials, or all with the same score or the same values: there is nothing to tell.
        warnings.simplefilter("ignore")
        found = get_param_importances(study)
        if (
            len(found) > 1
            and all(math.isfinite(value) for value in found.values())
            and sum(found.values()) > 0
        ):
            return dict(found)
    return {}


def _history(rows: Sequence[TrialRow], plan: SweepPlan, path: Path) -> Path:
    from matplotlib.ticker import MaxNLocator

    figure, (axes,) = new_figure(8, 4.2)
    looks = ((FINISHED, _BLUE, "o"), (PRUNED, _GREY, "v"), (FAILED, _RED, "x"))
    for state, color, marker in looks:
        points = [row for row in tried_rows(rows) if row.state == state and row.score is not None]
        if points:
            axes.scatter(
                [row.number for row in points],
                [row.score or 0.0 for row in points],
                color=color,
                marker=marker,
                label=state,
                zorder=3,
            )
    best: list[tuple[int, float]] = []
    for row in sorted(best_first(rows), key=lambda row: row.number):
        score = row.score or 0.0
        best.append((row.number, max(score, best[-1][1]) if best else score))
    if best:
        last = max(row.number for row in tried_rows(rows))
        axes.step(
            [*(number for number, _ in best), last],
            [*(score for _, score in best), best[-1][1]],
            where="post",
            color=_GREEN,
            label="best so far",
        )
    axes.set(xlabel="trial", ylabel=plan.metric, title=f"{len(tried_rows(rows))} trials, one after the other")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return save_plot(figure, path)


def _parallel(rows: Sequence[TrialRow], plan: SweepPlan, path: Path) -> Path:
    """One line a trial through its values to its score: the darker, the better."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    done = [row for row in tried_rows(rows) if row.score is not None]
    scores = [row.score or 0.0 for row in done]
    low, high = min(scores), max(scores)
    norm = Normalize(low, high if high > low else low + 1e-6)
    colors = colormaps["viridis_r"]
    scales = [_scale(one) for one in plan.dimensions]
    figure, (axes,) = new_figure(max(6.5, 2.1 * (len(scales) + 1)), 4.6)
    for row in sorted(done, key=lambda row: row.score or 0.0):
        places = [scale(row.values.get(one.name)) for scale, one in zip(scales, plan.dimensions, strict=True)]
        finished = row.state == FINISHED
        axes.plot(
            range(len(places) + 1),
            [*places, norm(row.score or 0.0)],
            color=colors(norm(row.score or 0.0)),
            linewidth=1.8 if finished else 1.0,
            linestyle="-" if finished else ":",
            alpha=0.9 if finished else 0.6,
        )
    for place, one in enumerate(plan.dimensions):
        _axis(axes, place, one)
    _marks(axes, len(scales), [(norm(score), f"{score:.3g}") for score in (low, high)])
    names = [*short_names(plan).values(), plan.metric]
    axes.set_xticks(range(len(names)), names)
    axes.set(yticks=[], xlim=(-0.35, len(names) - 0.55), ylim=(-0.06, 1.06))
    axes.spines["left"].set_visible(False)
    axes.set_title("Values of each trial and what they came to (dotted: pruned)")
    if high > low:
        figure.colorbar(ScalarMappable(norm, colors), ax=axes, label=plan.metric, pad=0.02)
    return save_plot(figure, path)


def _scale(one: Dimension) -> Callable[[Any], float]:
    """From a value to its height between 0 and 1."""
    if isinstance(one, ChoiceList):
        texts = one.texts
        return lambda value: texts.index(value) / (len(texts) - 1) if value in texts else 0.5
    return lambda value: _height(one, float(value)) if isinstance(value, int | float) else 0.5


def _height(one: NumberRange, value: float) -> float:
    if one.log:
        return math.log(value / one.low) / math.log(one.high / one.low)
    return (value - one.low) / (one.high - one.low)


def _axis(axes: Axes, place: int, one: Dimension) -> None:
    if isinstance(one, ChoiceList):
        count = len(one.texts) - 1
        _marks(axes, place, [(number / count, text or "''") for number, text in enumerate(one.texts)])
    else:
        middle = math.sqrt(one.low * one.high) if one.log else (one.low + one.high) / 2
        values = (one.low, middle, one.high)
        _marks(axes, place, [(_height(one, value), value_text(float(value))) for value in values])


def _marks(axes: Axes, place: int, marks: Sequence[tuple[float, str]]) -> None:
    axes.axvline(place, color="#444444", linewidth=0.8, zorder=0)
    for height, text in marks:
        axes.text(
            place - 0.04,
            height,
            text if len(text) < 18 else f"{text[:15]}...",
            ha="right",
            va="center",
            fontsize=8,
            color="#333333",
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1},
        )


def _importance(importances: dict[str, float], plan: SweepPlan, path: Path) -> Path:
    figure, (axes,) = new_figure(7, 1.4 + 0.42 * len(importances))
    names = short_names(plan)
    pairs = sorted(importances.items(), key=lambda pair: pair[1])
    bars = axes.barh([names.get(name, name) for name, _ in pairs], [value for _, value in pairs], color=_BLUE)
    axes.bar_label(bars, labels=[f"{value:.0%}" for _, value in pairs], padding=3)
    axes.set(xlabel=f"share of the differences in {plan.metric}", title="What matters")
    axes.set_xlim(0, max(value for _, value in pairs) * 1.15)
    return save_plot(figure, path)
