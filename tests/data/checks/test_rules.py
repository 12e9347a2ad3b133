"""What the labels of the shipped recognisers must keep to."""

from __future__ import annotations

import pytest

from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.data.checks.rules import label_rules


@pytest.mark.parametrize(
    ("model", "width", "steps"),
    [
        ("rec_th", 160, 20),
        ("rec_th", 320, 40),
        ("rec_th", 640, 40),
        ("rec_mv3_none_bilstm_ctc", 100, 25),
        ("rec_mv3_none_bilstm_ctc", 320, 80),
    ],
)
def test_a_text_has_the_output_steps_that_training_has(model: str, width: int, steps: int) -> None:
    """PP-OCRv4 pools to 40 in training: a wider input would only seem to have room for more."""
    shape = f"Train.dataset.transforms.RecResizeImg.image_shape=[3,48,{width}]"
    trainer = load_experiment(Launch(model=model, overrides=shape), EXPERIMENTS).trainer
    assert label_rules("rec", trainer, None).ctc_steps == steps
