"""The same curves as PNG files, for slides and documents: one file an axis, and one with the best scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.compare.axes import AXES, LABELS, Curve
from ocr_train.compare.chart import MAX_DOTS, lines_of, main_metrics, scale_for
from ocr_train.compare.figures import format_number
from ocr_train.compare.scores import Score
from ocr_train.compare.values import RunData
from ocr_train.drawing.plots import new_figure, plotting, save_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = (
    *("#2563c9", "#d8642b", "#13855f", "#a03fa6", "#b08800"),
    *("#c2255c", "#0e8aa8", "#6b5a4c", "#6a52d1", "#5c8a1e"),
)
DPI = 130
_DASHES = ("-", "--", ":")
_STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e7ec",
    "axes.edgecolor": "#8592a3",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "text.parse_math": False,
}


def load_plotting() -> None:
    """Import what draws, for whoever has something to wait for meanwhile."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure
    import matplotlib.font_manager  # noqa: F401


def write_plots(runs: Sequence[RunData], scores: Sequence[Score], folder: Path) -> list[Path]:
    """Write curves_step.png, curves_epoch.png, curves_time.png, curves_cost.png and scores.png into `folder`; what
    no run has anything of is left out. Raises `OSError`."""
    written = []
    with plotting(_STYLE):
        figures = {f"curves_{axis}": _curves(runs, axis) for axis in AXES}
        figures["scores"] = _scores(runs, scores)
        for name, figure in figures.items():
            if figure is not None:
                written.append(save_plot(figure, folder / f"{name}.png", dpi=DPI))
    return written


def _curves(runs: Sequence[RunData], axis: str) -> Figure | None:
    lines = {metric: lines_of(runs, metric, axis) for metric in main_metrics(runs)}
    panels = {metric: there for metric, there in lines.items() if there}
    if not panels:
        return None
    rows = -(-len(runs) // 4)
    figure, plots = new_figure(4.9 * len(panels), 3.7 + 0.22 * rows, len(panels))
    for plot, (metric, there) in zip(plots, panels.items(), strict=True):
        for line in there:
            _draw(plot, line)
        heights = [y for line in there for _, y in line.points]
        if scale_for(heights, log="loss" in metric).log:
            plot.set_yscale("log")
        plot.grid(axis="x", visible=False)
        plot.set_title(metric)
        plot.set_xlabel(LABELS[axis])
    handles = {
        text: handle for plot in plots for handle, text in zip(*plot.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=min(4, len(handles))
    )
    return figure


def _draw(plot: Axes, line: Curve) -> None:
    inherited, place = line.inherited, line.run.place
    for number, piece in enumerate(line.pieces):
        alone = len(piece) == 1
        plot.plot(
            *zip(*piece, strict=True),
            color=PALETTE[place % len(PALETTE)],
            linestyle=(0, (2.5, 3)) if inherited else _DASHES[min(2, place // len(PALETTE))],
            linewidth=1.5 if inherited else 1.8,
            zorder=3 if inherited else 2,
            marker="o" if alone or len(line.points) <= MAX_DOTS else None,
            markersize=5 if alone else 3,
            label=None if inherited or number else line.run.label,
        )


def _scores(runs: Sequence[RunData], scores: Sequence[Score]) -> Figure | None:
    known = [(run, score) for run, score in zip(runs, scores, strict=True) if score.best is not None]
    metrics = {score.metric for _, score in known}
    if len(metrics) != 1:
        return None
    figure, (plot,) = new_figure(8.5, 1.5 + 0.38 * len(known))
    values = [score.best or 0.0 for _, score in known]
    colours = [PALETTE[run.place % len(PALETTE)] for run, _ in known]
    bars = plot.barh(range(len(known)), values, color=colours, height=0.62)
    plot.set_yticks(range(len(known)), [run.label for run, _ in known])
    plot.bar_label(bars, [format_number(value) for value in values], padding=4)
    plot.invert_yaxis()
    plot.grid(axis="y", visible=False)
    plot.margins(x=0.12)
    different = len({score.group for _, score in known}) > 1
    plot.set_title(f"best {metrics.pop()}" + (" (not scored on the same data)" if different else ""))
    return figure
