"""Runs side by side."""

from __future__ import annotations

from ocr_train.notebook.choices import Choices
from ocr_train.notebook.command import relative, run_command
from ocr_train.notebook.display import as_html, image_tag, show_html
from ocr_train.notebook.training import TrainedRun


def compare_runs(choices: Choices, *runs: TrainedRun) -> None:
    """Compare the runs on one page, show its curves here and link the page; raises `CellStopped`."""
    out = choices.work / "compare"
    run_command(choices, "compare", *(run.run_id for run in runs), "--out", out)
    pictures = [out / name for name in ("curves_step.png", "scores.png")]
    shown = "<br>".join(image_tag(path.read_bytes(), alt=path.stem) for path in pictures if path.is_file())
    page = relative(out / "index.html")
    show_html(
        f'{shown}<p>The whole page: <a href="{as_html(page)}">{as_html(page)}</a></p>',
        f"The whole page: {page}",
    )
