"""The files of the sample at one step, as they are stored:

samples/step_00000120/samples.json, 000.png ...     worst first; what `compare` reads
samples/latest.json                                 {"path": "samples/step_00000120"}
images/...                                          what MLflow shows by step
samples.json                                        MLflow's table, all steps so far
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.analysis import mlflow_images, tables
from ocr_train.analysis.box_scores import BoxScore
from ocr_train.analysis.pictures import draw_boxes, draw_crop, draw_text, save_png
from ocr_train.analysis.predictions import Scored, score_columns, totals, worst_first
from ocr_train.analysis.sampling import ValidationSet

if TYPE_CHECKING:
    from PIL import Image

SAMPLES = "samples"
TABLE = "samples.json"


@dataclass(frozen=True, kw_only=True)
class StepFiles:
    """What was written at one step: `files` with the artifact folder of each, `rows` for the table, `metrics`."""

    step: int
    time_ms: int
    files: tuple[tuple[Path, str], ...]
    rows: tuple[tables.Row, ...]
    metrics: dict[str, float]


def write_step(
    chosen: ValidationSet, scored: Sequence[Scored], root: Path, *, step: int, time_ms: int
) -> StepFiles:
    """Draw and write everything of one step below `root`, laid out as the artifacts will be."""
    place = f"{SAMPLES}/step_{step:08d}"
    files: list[tuple[Path, str]] = []
    entries: list[dict[str, Any]] = []
    rows: list[tables.Row] = []
    for rank, one in enumerate(worst_first(scored)):
        shown, kept = _draw(one)
        picture = save_png(kept, root / place / f"{rank:03d}.png")
        names = _write_shown(one, shown, picture if shown is kept else None, root, step, time_ms)
        files += [
            (picture, place),
            *((root / mlflow_images.FOLDER / name, mlflow_images.FOLDER) for name in names),
        ]
        entries.append(_entry(one, picture.name, chosen.task))
        rows.append(_row(one, [f"{mlflow_images.FOLDER}/{name}" for name in names], chosen.task, step))
    document = {"step": step, "task": chosen.task, "seed": chosen.seed, "images": entries}
    files.append((tables.write_json(root / place / "samples.json", document), place))
    files.append((tables.write_json(root / SAMPLES / "latest.json", {"path": place}), SAMPLES))
    metrics = {f"sample/{name}": value for name, value in totals(scored, chosen.task).items()}
    return StepFiles(step=step, time_ms=time_ms, files=tuple(files), rows=tuple(rows), metrics=metrics)


def _draw(one: Scored) -> tuple[Image.Image, Image.Image]:
    """The picture that MLflow shows, and the one beside samples.json: the same for boxes; a bare crop for texts,
    which stand beside it."""
    if isinstance(one.score, BoxScore):
        picture = draw_boxes(one.sample, one.answer, one.score)
        return picture, picture
    return draw_text(one.sample, one.score, error=one.answer.error), draw_crop(one.sample)


def _write_shown(
    one: Scored, shown: Image.Image, same: Path | None, root: Path, step: int, time_ms: int
) -> tuple[str, str]:
    """The picture and its thumbnail under MLflow's names; `same` is a file that has the picture already."""
    names = mlflow_images.artifact_names(mlflow_images.image_key(one.index, one.sample.name), step, time_ms)
    folder = root / mlflow_images.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    if same is None:
        save_png(shown, folder / names[0])
    else:
        (folder / names[0]).unlink(missing_ok=True)
        # Neither is ever written again.
        (folder / names[0]).hardlink_to(same)
    mlflow_images.thumbnail(shown).save(folder / names[1], "WEBP")
    return names


def _entry(one: Scored, picture: str, task: str) -> dict[str, Any]:
    truth, prediction = one.shown_pair
    entry = {"name": one.sample.name, "picture": picture, "truth": truth, "prediction": prediction}
    return {**entry, **score_columns(one, task), **({"error": one.answer.error} if one.answer.error else {})}


def _row(one: Scored, pictures: Sequence[str], task: str, step: int) -> tables.Row:
    truth, prediction = one.shown_pair
    values = {
        "step": step,
        "image": tables.image_cell(*pictures),
        "name": one.sample.name,
        "truth": truth,
        "prediction": prediction,
        "error": one.answer.error,
        **score_columns(one, task),
    }
    return [values[column] for column in tables.COLUMNS[task]]
