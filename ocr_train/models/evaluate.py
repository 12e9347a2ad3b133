"""PaddleOCR's own evaluation of a checkpoint: tools/eval.py as a child process, its log parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocr_train.analysis.report import analyse_validation
from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.config.overrides import get_key, set_key
from ocr_train.errors import DataError
from ocr_train.events import EvalCompleted
from ocr_train.models.inference import read_images
from ocr_train.models.source import ModelSource, read_config
from ocr_train.models.validation_data import ValidationData
from ocr_train.run import Echo
from ocr_train.trainer.configurations import for_a_tool, require_known
from ocr_train.trainer.files import weights_of
from ocr_train.trainer.log_parser import parse_lines
from ocr_train.trainer.paddleocr import write_config
from ocr_train.trainer.tools import Trainer, failed, require_tool, require_weights_loaded, run_tool

EVALUATE_TIMEOUT_S = 6 * 3600.0
LOG_NAME = "evaluate"


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """What tools/eval.py came to: `metrics` by PaddleOCR's names, such as hmean; `seconds` it took in all."""

    metrics: Mapping[str, float]
    main_metric: str
    samples: int
    seconds: float
    log: Path
    config: Path


def evaluate(
    source: ModelSource,
    data: ValidationData,
    *,
    trainer: Trainer,
    use_gpu: bool,
    work: Path,
    echo: Echo,
    timeout_s: float = EVALUATE_TIMEOUT_S,
) -> EvaluationResult:
    """Evaluate the checkpoint `source` on `data`; configuration and log go to `work`.

    Raises `TrainingFailed` with the tool's last lines where it fails or says no metric, or where layers of the
    checkpoint do not fit; `DataError` where the checkpoint is damaged or harmful.
    """
    screen(weights_of(source.path))
    script = require_tool(trainer, "eval.py")
    config = _read(source)
    path = work / "evaluate.yml"
    document = evaluate_config(config, source, data, use_gpu=use_gpu)
    require_known(document, source.config, trainer.paddleocr.root)
    write_config(document, path)
    echo(f"evaluating {source.description} on {data.samples} samples ...")
    argv = [str(trainer.python), str(script), "-c", str(path)]
    run = run_tool(argv, trainer, work=work, name=LOG_NAME, timeout_s=timeout_s)
    what = f"the evaluation of {source.description} with tools/eval.py"
    if not run.ok:
        raise failed(run, what, "The last lines say why.")
    require_weights_loaded(run, what)
    found = [event for event in parse_lines(run.lines) if isinstance(event, EvalCompleted)]
    if not found:
        raise failed(run, f"{what} gave no metric: it", "Check the labels and images.")
    return EvaluationResult(
        metrics={name.removeprefix("eval/"): value for name, value in found[-1].metrics.items()},
        main_metric=str(get_key(config, "Metric.main_indicator", "acc")),
        samples=data.samples,
        seconds=run.seconds,
        log=work / f"{LOG_NAME}.log",
        config=path,
    )


def with_analysis(
    done: EvaluationResult, source: ModelSource, trainer: Trainer, out: Path, *, use_gpu: bool, echo: Echo
) -> EvaluationResult:
    """Read the images that `done` was evaluated on one by one, and write tables and plots to the folder `out`; the result
    with the figures that PaddleOCR does not have. Raises `DataError` where `out` is a file or the model cannot be used,
    `SetupError` where the images cannot be read."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{str(out)!r} is a file.", hint="Name a folder for the tables and plots.")
    model = source.model(trainer.python, trainer.paddleocr.root, trainer.env)
    report = analyse_validation(
        done.config,
        source.task,
        lambda chosen: read_images(
            model, chosen.paths, use_gpu=use_gpu, timeout_s=EVALUATE_TIMEOUT_S, texts=chosen.texts
        ),
        out,
        limit=done.samples,
    )
    echo(f"{report.sentence} Tables and plots: {out}")
    return replace(done, metrics={**report.figures, **done.metrics})


def evaluate_config(
    config: Mapping[str, Any], source: ModelSource, data: ValidationData, *, use_gpu: bool
) -> dict[str, Any]:
    """The configuration that tools/eval.py reads: the run's own, with these weights and these labels."""
    document = for_a_tool(config, source.path, use_gpu=use_gpu)
    if source.dictionary is not None:
        set_key(document, "Global.character_dict_path", str(source.dictionary))
    dataset = document["Eval"]["dataset"]
    dataset["data_dir"] = str(data.images)
    dataset["label_file_list"] = [str(data.labels)]
    if dataset.get("name") == "LMDBDataSet":
        # Our data are label files.
        dataset["name"] = "SimpleDataSet"
    if dataset.get("ratio_list") is not None:
        # Every sample is evaluated, whatever share a training took.
        dataset["ratio_list"] = [1.0]
    return document


def _read(source: ModelSource) -> dict[str, Any]:
    config = read_config(source.config, hint="A checkpoint is evaluated with the config.yml beside it.")
    if not isinstance(get_key(config, "Eval.dataset", None), dict):
        raise DataError(f"the checkpoint's configuration {source.config} has no 'Eval.dataset'.")
    if get_key(config, "Eval.dataset.data", None) is not None:
        # `LaTeXOCRDataSet`: a pickle, and no label file, is what it reads.
        raise DataError(
            f"the checkpoint's configuration {source.config} names a pickle with samples of its own, which PaddleOCR "
            "would load: Eval.dataset.data.",
            hint="Models that are evaluated on label files are evaluated here.",
        )
    return config
