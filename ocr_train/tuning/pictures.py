"""What a range test and the short trainings have shown, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ocr_train.drawing.plots import new_figure, plotting, save_plot
from ocr_train.tuning.measurement import Measurement, averaged
from ocr_train.tuning.rate_range import RateRange

DOT, LINE, MARK, LOST = "#9bb7d4", "#1f5a96", "#00963c", "#dc1e1e"


def plot_rates(found: RateRange, path: Path, *, now: float | None = None) -> Path:
    """The loss against the learning rate, on a logarithmic axis, with the suggestion and the rate that is set `now`."""
    with plotting():
        figure, (axes,) = new_figure(7.5, 4.5)
        rates = [point.rate for point in found.points]
        axes.plot(rates, [point.loss for point in found.points], ".", color=DOT, label="loss of one step")
        axes.plot(rates, [point.average for point in found.points], color=LINE, label="average around it")
        axes.set_xscale("log")
        if found.suggested is not None:
            axes.axvline(found.suggested, color=MARK, label=f"suggested: {found.suggested:g}")
        if now is not None and rates and rates[0] <= now <= rates[-1]:
            axes.axvline(now, color="#666666", linestyle=":", label=f"set now: {now:g}")
        if found.diverged is not None:
            axes.axvline(found.diverged, color=LOST, linestyle="--", label=f"diverges: {found.diverged:.2g}")
        averages = sorted(point.average for point in found.points)
        if averages:
            # What comes after the loss has diverged would flatten all before it.
            usual = averages[: max(1, round(0.9 * len(averages)))]
            height = max(usual[-1] - usual[0], 1e-6)
            axes.set_ylim(usual[0] - 0.3 * height, usual[-1] + 0.6 * height)
        axes.set_title(
            "Learning rate range test" if found.suggested else "Learning rate range test: no clear answer"
        )
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=9)
        return save_plot(figure, path)


def plot_speeds(measurements: Sequence[Measurement], path: Path) -> Path:
    """Bars of samples a second, one for each setting in the order in which they were measured first."""
    settings = dict.fromkeys(one.setting for one in measurements if not one.failure)
    good = [averaged([one for one in measurements if one.setting == each]) for each in settings]
    with plotting():
        figure, (axes,) = new_figure(7.5, 1.5 + 0.4 * max(3, len(good)))
        labels = [f"batch {one.setting.batch}, {one.setting.workers} workers" for one in good]
        bars = axes.barh(range(len(good)), [one.samples_per_s for one in good], color=LINE)
        waits = [one.samples_per_s * one.reader_share for one in good]
        axes.barh(range(len(good)), waits, color=DOT)
        axes.bar_label(bars, [f"{one.samples_per_s:.3g}" for one in good], padding=3, fontsize=9)
        axes.set_yticks(range(len(good)), labels)
        axes.invert_yaxis()
        axes.set_title("Training speed")
        axes.set_xlabel("samples a second (light: the part of the time that waits for data)")
        axes.spines[["top", "right"]].set_visible(False)
        return save_plot(figure, path)
