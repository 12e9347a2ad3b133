"""What SageMaker is told to look for is what a training prints."""

from __future__ import annotations

import io
import re
from pathlib import Path

from callbacks.progress import ProgressCallback
from ocr_train.cluster.sagemaker.metrics import METRIC_DEFINITIONS
from ocr_train.events import EvalCompleted, RunFinished, TrainProgress
from tests.builders import make_run


def test_every_metric_is_found_in_the_lines_of_the_progress(tmp_path: Path) -> None:
    """With the value that was printed."""
    stream = io.StringIO()
    callback = ProgressCallback(stream)
    callback.open(make_run(tmp_path, main_metric="hmean"))
    metrics = {"train/loss": 0.000123, "train/acc": 0.75, "train/ips": 41.5}
    callback.on_train_progress(TrainProgress(epoch=2, epochs=4, step=7, metrics=metrics))
    callback.on_eval_completed(EvalCompleted(metrics={"eval/hmean": 0.5}))
    callback.on_run_finished(RunFinished(status="FINISHED"))
    found = {}
    for definition in METRIC_DEFINITIONS:
        match = re.search(definition["Regex"], stream.getvalue())
        assert match, (definition, stream.getvalue())
        found[definition["Name"]] = float(match[1])
    assert found == {
        "train:loss": 0.000123,
        "train:acc": 0.75,
        "train:samples_per_s": 41.5,
        "eval:score": 0.5,
        "eval:best": 0.5,
    }
