"""A run's curves, read from its journal while it is written: no server is asked."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from pathlib import Path

from ocr_train.drawing.plots import new_figure, plotting
from ocr_train.tracking.journal import read_batch
from ocr_train.tracking.run_folder import JOURNAL

LOSS = "train/loss"
RATE = "train/lr"
_STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e7ec",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
}
_COLOUR = "#2563c9"


@dataclass(kw_only=True)
class LiveCurves:
    """What the journal in `folder` says so far: points (step, value) by metric, and tags."""

    folder: Path
    points: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    _read_bytes: int = 0

    def read(self) -> bool:
        """Read what is new; whether there was a metric in it."""
        new = False
        while True:
            try:
                batch, end = read_batch(self.folder / JOURNAL, self._read_bytes)
            except OSError:
                return new
            if end == self._read_bytes:
                return new
            self._read_bytes = end
            self.tags.update({tag.key: tag.value for tag in batch.tags})
            for metric in batch.metrics:
                if math.isfinite(metric.value):
                    self.points.setdefault(metric.key, []).append((metric.step, metric.value))
                    new = True

    @property
    def score(self) -> str:
        """The metric that decides which checkpoint is best: eval/hmean or eval/acc."""
        main = self.tags.get("primary_metric", "").rpartition("/")[2]
        if main:
            return f"eval/{main}"
        return next((name for name in self.points if name.startswith("eval/")), "eval/acc")

    def last(self, name: str) -> tuple[int, float] | None:
        """The newest point of a metric."""
        return points[-1] if (points := self.points.get(name)) else None

    def best(self) -> float | None:
        """The best score so far."""
        return max((value for _, value in self.points.get(self.score, [])), default=None)

    def png(self) -> bytes:
        """Loss and score by step, side by side."""
        from matplotlib.ticker import MaxNLocator

        with plotting(_STYLE):
            figure, plots = new_figure(9.0, 2.6, 2)
            for plot, name in zip(plots, (LOSS, self.score), strict=True):
                points = self.points.get(name, [])
                plot.set_title(name)
                plot.set_xlabel("step")
                plot.xaxis.set_major_locator(MaxNLocator(6, integer=True))
                if points:
                    dots = "o" if len(points) <= 60 else None
                    plot.plot(
                        *zip(*points, strict=True), color=_COLOUR, linewidth=1.5, marker=dots, markersize=3
                    )
                if points and name != LOSS:
                    values = [value for _, value in points]
                    plot.set_ylim(max(0.0, min(values) - 0.05), max(values) + 0.05)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
        return buffer.getvalue()
