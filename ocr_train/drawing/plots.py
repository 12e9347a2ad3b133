"""Plots as PNG files, drawn without a display and without matplotlib's global state."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.atomic_files import whole_file
from ocr_train.drawing.fonts import FAMILIES, label_font_files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@contextlib.contextmanager
def plotting(style: Mapping[Any, Any] | None = None) -> Iterator[None]:
    """Inside, figures have this style (matplotlib's rcParams) and fonts with Thai, as far as they are installed.

    No warning is shown: a character without a glyph is drawn as a box.
    """
    from matplotlib import font_manager, rc_context

    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    regular = label_font_files()
    bold = [file.with_name(file.name.replace("-Regular", "-Bold")) for file in regular]
    for file in (*regular, *bold):
        if str(file) not in known and file.is_file():
            font_manager.fontManager.addfont(str(file))
    there = {entry.name for entry in font_manager.fontManager.ttflist}
    families = [name for name in FAMILIES if name in there]
    with warnings.catch_warnings(), rc_context({"font.family": families, **(style or {})}):
        warnings.simplefilter("ignore")
        yield


def new_figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of that size in inches, with its axes side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def save_plot(figure: Figure, path: Path, *, dpi: int = 100) -> Path:
    """Write the figure as PNG, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=dpi, metadata={"Software": None})
    return path
