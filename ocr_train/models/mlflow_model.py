"""An exported model as an MLflow model: with its signature, an example, its environment and its dictionary.

It holds the exported folders as they are and the package `ocr_engine` that reads them; MLflow's pyfunc loads that
by name, so nothing is pickled. It is logged through the client, not MLflow's active run: a run that is over stays
as it ended.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocr_train.disk import sha256_of
from ocr_train.errors import ConfigError, DataError, SetupError, TrackingError
from ocr_train.models.environment import ONNX_RUNTIME, ModelEnvironment, model_environment
from ocr_train.models.metadata import MODEL_FILE, PAIR, ModelPart, read_part, tags_of, task_of
from ocr_train.models.mlflow_trial import try_model
from ocr_train.models.model_metrics import tie_metrics
from ocr_train.models.source import read_config
from ocr_train.ocr_engine.backend import unchecked_onnx
from ocr_train.ocr_engine.files import read_regular
from ocr_train.ocr_engine.pyfunc import IMAGE, OUTPUTS
from ocr_train.redaction.addresses import first_line, is_unknown_call
from ocr_train.redaction.redactor import redactor
from ocr_train.tracking.mlflow_client import get_run
from ocr_train.trainer.files import SUFFIXES
from ocr_train.trainer.imports import requirements_of
from ocr_train.trainer.paddleocr import write_config

ENGINE = Path(__file__).parents[1] / "ocr_engine"
MODEL_TYPE = "ocr"
EXPORTED = "exported"
"""Inside the model the exported folders lie in data/exported/det, .../rec, .../cls."""
_EXAMPLE_SIDE = 640
_SETTINGS = ("config.yml", "inference.yml")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", *(f"*{suffix}" for suffix in SUFFIXES))


class NoLoggedModels(TrackingError):  # noqa: N818 - it is about the server, and nothing went wrong
    """The MLflow server is older than logged models."""


@dataclass(frozen=True, kw_only=True)
class LoggedModel:
    """A model in MLflow: `uri` is "models:/m-..."; `environment` says what there is to know of that, or nothing."""

    model_id: str
    uri: str
    name: str
    task: str
    run_id: str
    step: int
    size_bytes: int
    environment: str = ""


def log_model(
    client: Any,
    run_id: str,
    exported: Sequence[Path],
    *,
    name: str = "model",
    input_example: Path | None = None,
    step: int | None = None,
) -> LoggedModel:
    """Log exported folders (one, or a det and a rec that become one model) as an output of the run.

    `step` is the checkpoint's unless given. `input_example` is an image file: a page is made small. The model is
    READY only when all of it is stored. Raises `DataError` for folders that are no exported models or do not go
    together, `TrackingError` where MLflow does not take it.
    """
    parts = [read_part(folder) for folder in exported]
    task = task_of(parts)
    at = step if step is not None else (parts[0].step or 0)
    entry = _create_entry(client, run_id, name, tags_of(parts))
    try:
        with tempfile.TemporaryDirectory(prefix="ocr-model-") as scratch:
            folder, environment = _saved(Path(scratch), entry, exported, parts, _example(input_example))
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            client.log_model_artifacts(entry.model_id, str(folder))
        if environment:
            client.set_logged_model_tags(entry.model_id, {"environment": environment})
        client.finalize_logged_model(entry.model_id, "READY")
        _link(client, entry.model_id, [run_id, *(part.run_id for part in parts)], at)
    except Exception as exc:
        # The first error is the one to tell.
        with contextlib.suppress(Exception):
            client.finalize_logged_model(entry.model_id, "FAILED")
        if isinstance(exc, (DataError, SetupError)):
            raise
        raise TrackingError(f"the model of run {run_id} cannot be stored: {first_line(exc)}") from exc
    tie_metrics(client, entry.model_id, parts)
    return LoggedModel(
        model_id=entry.model_id,
        uri=f"models:/{entry.model_id}",
        name=name,
        task=task,
        run_id=run_id,
        step=at,
        size_bytes=size,
        environment=environment,
    )


def owner_of(client: Any, exported: Sequence[Path]) -> str:
    """The run that a model of these folders is logged to: that of the first whose run is on this server.

    Detection comes first. Raises `DataError` for what is not an exported model, `ConfigError` where there is no such run.
    """
    parts = sorted((read_part(folder) for folder in exported), key=lambda part: part.task)
    for part in parts:
        with contextlib.suppress(ConfigError):
            if part.run_id:
                return str(get_run(client, part.run_id).info.run_id)
    named = ", ".join(part.run_id or f"a {part.task} model without a run" for part in parts)
    raise ConfigError(
        f"an exported model is logged to the run it comes from, and that is not on this MLflow server: {named}.",
        hint="Check MLFLOW_TRACKING_URI, or export the model from its run again.",
    )


def newest_logged(client: Any, run_id: str) -> str:
    """The address of the newest whole model of one part that is logged to the run; "" where there is none.

    Raises `ConfigError` where there is no such run, `TrackingError`.
    """
    run = get_run(client, run_id)
    try:
        models = client.search_logged_models(
            [run.info.experiment_id], filter_string=f"source_run_id = '{run_id}'"
        )
    except Exception as exc:
        raise TrackingError(f"the models of run {run_id} cannot be searched: {first_line(exc)}") from exc
    whole = [
        model
        for model in models
        if str(getattr(model.status, "value", model.status)) == "READY"
        and model.model_type == MODEL_TYPE
        and model.tags.get("task") != PAIR
    ]
    newest = max(whole, key=lambda model: int(model.creation_timestamp), default=None)
    return "" if newest is None else f"models:/{newest.model_id}"


def save_model(
    folder: Path, exported: Sequence[Path], *, input_example: Path | None = None, mlflow_model: Any = None
) -> None:
    """Write the MLflow model into the new folder `folder`, without any server; raises `DataError`."""
    parts = [read_part(one) for one in exported]
    task_of(parts)
    with tempfile.TemporaryDirectory(prefix="ocr-model-") as scratch:
        _save(folder, Path(scratch), exported, parts, _example(input_example), mlflow_model)


def _create_entry(client: Any, run_id: str, name: str, tags: Mapping[str, str]) -> Any:
    """MLflow's entry for the model, still without files."""
    try:
        experiment_id = client.get_run(run_id).info.experiment_id
        return client.create_logged_model(
            experiment_id,
            name=name,
            source_run_id=run_id,
            tags=tags,
            params={key: value for key, value in tags.items() if not key.endswith("metrics")},
            model_type=MODEL_TYPE,
        )
    except Exception as exc:
        if is_unknown_call(exc):
            raise NoLoggedModels(
                "this MLflow server has no logged models, which came with MLflow 3.",
                hint="`predict` and `evaluate` read the exported folder; a newer server can have it as a model.",
            ) from exc
        raise TrackingError(f"the model cannot be logged to run {run_id}: {first_line(exc)}") from exc


def _saved(
    scratch: Path, entry: Any, exported: Sequence[Path], parts: Sequence[ModelPart], example: str
) -> tuple[Path, str]:
    from mlflow.models import Model

    # What mlflow.pyfunc.log_model writes into MLmodel, so that the file knows where it belongs.
    model = Model(
        artifact_path=entry.artifact_location,
        model_uuid=entry.model_id,
        run_id=entry.source_run_id,
        model_id=entry.model_id,
    )
    environment = _save(scratch / "model", scratch, exported, parts, example, model)
    return scratch / "model", environment


def _save(
    folder: Path,
    scratch: Path,
    exported: Sequence[Path],
    parts: Sequence[ModelPart],
    example: str,
    mlflow_model: Any,
) -> str:
    """Write the model; what is to be said of its environment."""
    import pandas

    carried = [one / "paddleocr" for one in exported if (one / "paddleocr").is_dir()]
    checked = {part.task for one, part in zip(exported, parts, strict=True) if not unchecked_onnx(one)}
    environment = model_environment(
        _with_requirements(exported, parts), own_paddleocr=bool(carried), onnx=bool(checked)
    )
    constraints = scratch / "constraints.txt"
    constraints.write_text("\n".join(environment.constraints) + "\n", encoding="utf-8")
    with _quiet():
        import mlflow.pyfunc

        mlflow.pyfunc.save_model(
            str(folder),
            loader_module="ocr_engine.pyfunc",
            data_path=str(_staged(scratch / EXPORTED, exported, parts)),
            code_paths=[str(_copied(ENGINE, scratch / "ocr_engine"))],
            mlflow_model=mlflow_model,
            signature=signature(task_of(parts)),
            metadata={"backend": _backends(parts, checked, environment)},
            input_example=pandas.DataFrame({IMAGE: [example]}) if example else None,
            pip_requirements=[*environment.requirements, f"-c {constraints}"],
        )
    return _environment_note(folder, environment, example, carried=bool(carried))


def _backends(
    parts: Sequence[ModelPart], checked: Collection[str], environment: ModelEnvironment
) -> dict[str, str]:
    """What runs each part's network in the environment that the model names, unless the server asks for another."""
    named = {line.partition("==")[0] for line in environment.requirements}
    onnx = checked if ONNX_RUNTIME in named else ()
    return {part.task: "onnx" if part.task in onnx else "paddle" for part in parts}


def _with_requirements(exported: Sequence[Path], parts: Sequence[ModelPart]) -> list[ModelPart]:
    """The parts; those that bring a PaddleOCR along and were exported before that was noted, with what it imports."""
    return [
        replace(part, requires=requirements_of(Path(sys.executable), one / "paddleocr", model_type=part.task))
        if (one / "paddleocr").is_dir() and not part.requires
        else part
        for one, part in zip(exported, parts, strict=True)
    ]


def _environment_note(folder: Path, environment: ModelEnvironment, example: str, *, carried: bool) -> str:
    """What is not as it was when the model was checked; a PaddleOCR that travels along is tried where that is
    possible: where this interpreter has what the model requires."""
    notes = list(environment.notes)
    if elsewhere := environment.elsewhere:
        notes.append(f"the model was not tried in the environment that it names: {', '.join(elsewhere)}")
    elif carried:
        try_model(folder / "code", folder / "data" / EXPORTED, example)
    return "; ".join(notes)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without MLflow's advice to programmers, and without its search for a uv.lock in the current folder: it would
    put that into the model, and rebuild it instead of what the model needs."""
    name = "MLFLOW_UV_AUTO_DETECT"
    before = os.environ.get(name)
    os.environ[name] = "false"
    # Says that there is no pip, as in an environment of uv.
    logger = logging.getLogger("mlflow.utils.environment")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _staged(target: Path, exported: Sequence[Path], parts: Sequence[ModelPart]) -> Path:
    """The folders under their tasks' names, without credentials."""
    for folder, part in zip(exported, parts, strict=True):
        _hide_secrets(_copied(folder, target / part.task))
    return target


def _hide_secrets(folder: Path) -> None:
    """Take credentials out of the settings in a copy of an exported folder, and correct their sums in model.json.

    What `export` makes has none and stays as it was checked: this is for what comes from elsewhere. Raises
    `DataError`.
    """
    redact = redactor()
    sums = {}
    for path in (folder / name for name in _SETTINGS):
        document = read_config(path) if path.is_file() else {}
        clean = redact.mapping(document)
        if clean != document:
            write_config(clean, path)
            sums[path.name] = sha256_of(path)
    path = folder / MODEL_FILE
    model = json.loads(path.read_text(encoding="utf-8"))
    files = model.get("files") if isinstance(model.get("files"), dict) else {}
    clean = redact.mapping({**model, "files": {**files, **sums}} if sums else model)
    if clean != model:
        text = json.dumps(clean, ensure_ascii=False, indent=1, sort_keys=True)
        path.write_text(text + "\n", encoding="utf-8")


def _copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, ignore=_LEFT_OUT)
    return target


def signature(task: str) -> Any:
    """Column `image` in (base64), the task's columns and `error` out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import Array, DataType, Object, Property

    box = Array(Array(DataType.double))
    line = Object(
        [
            Property("box", box),
            Property("score", DataType.double),
            Property("text", DataType.string),
            Property("text_score", DataType.double),
            Property("error", DataType.string, required=False),
        ]
    )
    types: dict[str, Any] = {
        "boxes": Array(box),
        "scores": Array(DataType.double),
        "lines": Array(line),
        "score": DataType.double,
    }
    outputs = [ColSpec(types.get(name, DataType.string), name) for name in (*OUTPUTS[task], "error")]
    return ModelSignature(inputs=Schema([ColSpec(DataType.string, IMAGE)]), outputs=Schema(outputs))


def _example(path: Path | None) -> str:
    """The image as base64, at most 640 pixels on its longer side; raises `DataError` where it is none."""
    if path is None:
        return ""
    import cv2
    import numpy as np

    try:
        data = read_regular(path)
    except OSError as exc:
        raise DataError(f"the input example {str(path)!r} cannot be read: {exc.strerror}.") from exc
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise DataError(f"the input example {str(path)!r} is not an image.", hint="Give a JPEG or PNG file.")
    side = max(image.shape[:2])
    if side > _EXAMPLE_SIDE:
        size = [max(1, round(length * _EXAMPLE_SIDE / side)) for length in image.shape[1::-1]]
        data = cv2.imencode(".jpg", cv2.resize(image, size, interpolation=cv2.INTER_AREA))[1].tobytes()
    return base64.b64encode(data).decode("ascii")


def _link(client: Any, model_id: str, run_ids: Sequence[str], step: int) -> None:
    """Make the model an output of its run, and of the other part's."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException

    first, *others = dict.fromkeys(run_id for run_id in run_ids if run_id)
    client.log_outputs(first, [LoggedModelOutput(model_id, step)])
    for run_id in others:
        # It may be of another server, or gone: the tags name it.
        with contextlib.suppress(MlflowException):
            client.log_outputs(run_id, [LoggedModelOutput(model_id, step)])
