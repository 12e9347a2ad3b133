"""Tables as MLflow shows and loads them.

    samples.json = {"columns": [...], "data": [[...], ...]}       a picture is {"type": "image", "filepath": ...}
    tag mlflow.loggedArtifacts = [{"path": "samples.json", "type": "table"}]

Source of the format: `MlflowClient.log_table` of MLflow 3.17 (`mlflow/tracking/client.py`), which is pandas'
`to_json(orient="split", index=False)`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ocr_train.atomic_files import write_bytes

TAG = "mlflow.loggedArtifacts"
COLUMNS = {
    "det": (
        *("step", "image", "name", "truth", "prediction"),
        *("recall", "precision", "hmean", "missed", "false", "error"),
    ),
    "rec": ("step", "image", "name", "truth", "prediction", "edit_distance", "score", "error"),
    "cls": ("step", "image", "name", "truth", "prediction", "right", "score", "error"),
}
"""The columns of `samples.json`; `truth` and `prediction` are boxes in number, texts or classes."""

Row = Sequence[Any]


def table_tag(paths: Iterable[str]) -> dict[str, str]:
    """The tag that makes MLflow show and load the artifacts `paths` as tables: all tables of a run at once."""
    return {TAG: json.dumps([{"path": path, "type": "table"} for path in paths])}


def image_cell(picture: str, small: str) -> dict[str, str]:
    """A cell that shows the artifact `picture`; `small` is its thumbnail."""
    return {"type": "image", "filepath": picture, "compressed_filepath": small}


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> Path:
    """Write an MLflow table, whole or not at all."""
    document = {"columns": list(columns), "data": [list(row) for row in rows]}
    return write_json(path, document, indent=None)


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a table that `write_table` wrote with these columns; none from anything else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        rows = document["data"] if document["columns"] == list(columns) else []
        return [row for row in rows if isinstance(row, list) and len(row) == len(columns)]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def write_json(path: Path, document: Any, *, indent: int | None = 1) -> Path:
    """Write JSON, whole or not at all; Thai stays readable."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    write_bytes(path, text.encode("utf-8", "backslashreplace"))
    return path


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> Path:
    """Write a CSV file in UTF-8; None is an empty cell, decimals have four digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in rows)
    return path


def _cell(value: object) -> object:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else value
