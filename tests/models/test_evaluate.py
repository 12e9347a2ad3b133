"""Evaluating with a stand-in for eval.py: the configuration it gets, the metrics that are read, what is a failure."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ocr_train.errors import TrainingFailed
from ocr_train.models.evaluate import EvaluationResult, evaluate
from ocr_train.models.source import ModelSource
from ocr_train.models.validation_data import ValidationData
from ocr_train.trainer.tools import Trainer
from tests.models.export.test_run import make_source, make_trainer

LOG = """
[2026/11/22 12:27:57] ppocr INFO: load pretrain successful from model
[2026/11/22 12:27:59] ppocr INFO: metric eval ***************
[2026/11/22 12:27:59] ppocr INFO: acc:0.5
[2026/11/22 12:27:59] ppocr INFO: norm_edit_dis:0.75
[2026/11/22 12:27:59] ppocr INFO: fps:12.5
"""


def evaluating(folder: Path, script: str) -> tuple[EvaluationResult, ModelSource]:
    """Evaluate a checkpoint with an eval.py that is `script`."""
    trainer: Trainer = make_trainer(folder / "ocr")
    (folder / "ocr" / "tools" / "eval.py").write_text(script)
    source = make_source(folder / "checkpoint")
    data = ValidationData(
        images=folder / "images", labels=folder / "val.txt", samples=4, digest="d", origin="x", own=True
    )
    work = folder / "work"
    work.mkdir()
    done = evaluate(
        source, data, trainer=trainer, use_gpu=False, work=work, echo=lambda _: None, timeout_s=20
    )
    return done, source


def test_the_metrics_are_those_that_the_tool_prints(tmp_path: Path) -> None:
    """By PaddleOCR's names, with the one that decides."""
    done, _ = evaluating(tmp_path, f"print('''{LOG}''')")
    assert done.metrics == {"acc": 0.5, "norm_edit_dis": 0.75, "fps": 12.5}
    assert (done.main_metric, done.samples) == ("acc", 4)
    assert "metric eval" in done.log.read_text()


def test_the_tool_gets_the_runs_configuration_with_these_weights_and_labels(tmp_path: Path) -> None:
    """What the run was trained on is not read again."""
    _, source = evaluating(tmp_path, f"print('''{LOG}''')")
    config = yaml.safe_load((tmp_path / "work" / "evaluate.yml").read_text())
    assert config["Global"]["pretrained_model"] == str(source.path)
    assert config["Global"]["character_dict_path"] == str(source.dictionary)
    assert config["Global"]["use_gpu"] is False
    assert config["Eval"]["dataset"]["label_file_list"] == [str(tmp_path / "val.txt")]
    assert config["Eval"]["dataset"]["data_dir"] == str(tmp_path / "images")
    assert "Train" not in config


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("raise ValueError('no such file')", "ValueError: no such file"),
        ("print('No Images in eval dataset')", "No Images in eval dataset"),
        (f"print('''{LOG}'''); print('The pretrained params a.b not in model')", "a.b not in model"),
    ],
)
def test_an_evaluation_that_is_none_fails(tmp_path: Path, script: str, words: str) -> None:
    """An error, no metric at all, or weights that were left out: exit code 6, with the tool's own words."""
    with pytest.raises(TrainingFailed) as failed:
        evaluating(tmp_path, script)
    assert words in str(failed.value)
