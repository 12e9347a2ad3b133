"""What MLflow's pages of a registered model and its versions say: how good it is, on what data, and how to serve it."""

from __future__ import annotations

from ocr_train.models.metadata import PAIR, ModelPart, parts_of

_TASKS = {
    "det": "text detection: boxes in an image",
    "rec": "text recognition: the text of a crop",
    "cls": "text direction: the class of a crop",
    PAIR: "detection and recognition: lines of text in an image",
}


def name_card(name: str, task: str) -> str:
    """Markdown for the page of the registered model."""
    return (
        f"PaddleOCR, {_TASKS.get(task, task)}. Each version says its score, its data and its dictionary; an alias such as "
        f"`@challenger` or `@champion` points to one of them.\n\n{_serving(f'models:/{name}@ALIAS')}"
    )


def version_card(name: str, version: str, tags: dict[str, str], *, experiment_id: str) -> str:
    """Markdown for the page of one version, from its tags; `experiment_id` is that of its run, "" where it is not known."""
    parts = "\n\n".join(_part(part, experiment_id) for part in parts_of(tags))
    return f"{parts}\n\n{_serving(f'models:/{name}/{version}')}".strip()


def _part(part: ModelPart, experiment_id: str) -> str:
    scores = ", ".join(
        f"**{name} {value:.4f}**" if name == part.main_metric else f"{name} {value:.4f}"
        for name, value in sorted(part.metrics.items(), key=lambda item: item[0] != part.main_metric)
        if name != "fps"
    )
    rows = [
        f"{_TASKS.get(part.task, part.task)}, model `{part.model}`"
        if part.model
        else _TASKS.get(part.task, part.task),
        f"score on its validation data: {scores}" if scores else "",
        f"data digest: `{part.dataset_digest}`" if part.dataset_digest else "",
        f"what it could read before: {part.keep} (keep set `{part.keep.digest}`)" if part.keep else "",
        f"dictionary: {part.characters} characters" if part.characters else "",
        f"weights (SHA-256): `{part.checkpoint_sha256}`" if part.checkpoint_sha256 else "",
        f"from {_run(part, experiment_id)}" if part.run_id else "",
    ]
    return "\n".join(f"- {row}" for row in rows if row)


def _run(part: ModelPart, experiment_id: str) -> str:
    at = "" if part.step is None else f", step {part.step}"
    if not experiment_id:
        return f"the run `{part.run_id}`{at}"
    page = f"#/experiments/{experiment_id}/runs/{part.run_id}?workflowType=machine_learning"
    return f"[the run {part.run_id[:8]}]({page}){at}"


def _serving(uri: str) -> str:
    """Commands that work where the model's environment can be built; `local` takes the current one."""
    return (
        f"Serve it: `mlflow models serve -m {uri} --env-manager uv -p 8080` (or `--env-manager local`), with MLFLOW_TRACKING_URI "
        "naming this server. It takes `image`, a picture as base64, on `/invocations`.\n\n"
        f'In Python: `mlflow.pyfunc.load_model("{uri}").predict({{"image": [base64_text]}})`'
    )
