"""The same curves as PNG files, for slides and documents: one file an axis, and one with the best scores."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ocr_train.atomic_files import whole_file
from ocr_train.compare.axes import AXES, LABELS
from ocr_train.compare.chart import MAX_DOTS, Drawn
from ocr_train.compare.curves import drawn, main_metrics
from ocr_train.compare.scale import format_number, scale_for
from ocr_train.compare.scores import Score
from ocr_train.compare.shown import Shown

PALETTE = (
    *("#2563c9", "#d8642b", "#13855f", "#a03fa6", "#b08800"),
    *("#c2255c", "#0e8aa8", "#6b5a4c", "#6a52d1", "#5c8a1e"),
)
DPI = 130
_DASHES = ("-", "--", ":")


def write_plots(runs: Shown, scores: Sequence[Score], folder: Path) -> list[Path]:
    """Write curves_step.png, curves_epoch.png, curves_time.png, curves_cost.png and scores.png into `folder`; what
    no run has anything of is left out. Raises `OSError`."""
    written = []
    with warnings.catch_warnings():
        # A character without a glyph, a log axis without room: the page has it all.
        warnings.simplefilter("ignore")
        for axis in AXES:
            figure = _curves(runs, axis)
            if figure is not None:
                written.append(_save(figure, folder / f"curves_{axis}.png"))
        figure = _scores(runs, scores)
        if figure is not None:
            written.append(_save(figure, folder / "scores.png"))
    return written


def _style() -> Any:
    return {
        "font.family": ["DejaVu Sans", *_thai_fonts()],
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "grid.color": "#e3e7ec",
        "axes.edgecolor": "#8592a3",
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "legend.frameon": False,
        "text.parse_math": False,
    }


def _thai_fonts() -> list[str]:
    """Sarabun, where the package that brings it is installed."""
    from matplotlib import font_manager

    spec = find_spec("fontpkg_sarabun")
    if spec is None or spec.origin is None:
        return []
    paths = sorted((Path(spec.origin).parent / "files").glob("*Sarabun-*.ttf"))
    paths = [path for path in paths if path.stem.endswith(("-Regular", "-Bold"))]
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in paths:
        if str(path) not in known:
            font_manager.fontManager.addfont(str(path))
    return list(dict.fromkeys(font_manager.FontProperties(fname=str(path)).get_name() for path in paths))


def _figure(width: float, height: float, columns: int) -> tuple[Any, list[Any]]:
    """A figure without a window or pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _curves(runs: Shown, axis: str) -> Any:
    import matplotlib as mpl

    panels = [(metric, lines) for metric in main_metrics(runs.runs) if (lines := drawn(runs, metric, axis))]
    if not panels:
        return None
    with mpl.rc_context(_style()):
        rows = -(-len(runs.runs) // 4)
        figure, plots = _figure(4.9 * len(panels), 3.7 + 0.22 * rows, len(panels))
        for plot, (metric, lines) in zip(plots, panels, strict=True):
            for one in lines:
                _draw(plot, one)
            heights = [y for one in lines for _, y in one.line.points]
            if scale_for(heights, log="loss" in metric).log:
                plot.set_yscale("log")
            plot.set_title(metric)
            plot.set_xlabel(LABELS[axis])
        handles = {
            text: handle
            for plot in plots
            for handle, text in zip(*plot.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            list(handles.values()), list(handles), loc="outside lower center", ncols=min(4, len(handles))
        )
    return figure


def _draw(plot: Any, one: Drawn) -> None:
    style = {"color": PALETTE[one.colour % len(PALETTE)]}
    inherited = one.line.inherited
    for place, piece in enumerate(one.line.pieces):
        alone = len(piece) == 1
        plot.plot(
            [x for x, _ in piece],
            [y for _, y in piece],
            linestyle=(0, (2.5, 3)) if inherited else _DASHES[min(2, one.colour // len(PALETTE))],
            linewidth=1.5 if inherited else 1.8,
            zorder=3 if inherited else 2,
            marker="o" if alone or len(one.line.points) <= MAX_DOTS else None,
            markersize=5 if alone else 3,
            label=None if inherited or place else one.label,
            **style,
        )


def _scores(runs: Shown, scores: Sequence[Score]) -> Any:
    import matplotlib as mpl

    known = [(place, score) for place, score in enumerate(scores) if score.best is not None]
    if not known or len({score.metric for _, score in known}) > 1:
        return None
    with mpl.rc_context(_style() | {"axes.grid.axis": "x"}):
        figure, (plot,) = _figure(8.5, 1.5 + 0.38 * len(known), 1)
        names = [runs.labels[place] for place, _ in known]
        values = [score.best or 0.0 for _, score in known]
        colours = [PALETTE[place % len(PALETTE)] for place, _ in known]
        bars = plot.barh(range(len(known)), values, color=colours, height=0.62)
        plot.set_yticks(range(len(known)), names)
        plot.bar_label(bars, [format_number(value) for value in values], padding=4)
        plot.invert_yaxis()
        plot.margins(x=0.12)
        different = len({score.group for _, score in known}) > 1
        plot.set_title(f"best {known[0][1].metric}" + (" (not scored on the same data)" if different else ""))
    return figure


def _save(figure: Any, path: Path) -> Path:
    with whole_file(path) as part:
        figure.savefig(part, format="png", metadata={"Software": None})
    return path
