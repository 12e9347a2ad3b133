"""What a configuration itself names to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.errors import DataError
from ocr_train.resume_start import screen_pretrained
from tests.builders import write_checkpoint

EVIL = b"cos\nsystem\n(S'true'\ntR."


@pytest.mark.parametrize("ending", ["", ".pdparams"])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: {"Global": {"pretrained_model": path}},
        lambda path: {"Architecture": {"Models": {"Teacher": {"pretrained": path}}}},
        lambda path: {"Architecture": {"Backbone": {"checkpoints": path}}},
    ],
    ids=["Global", "distillation", "backbone"],
)
def test_pretrained_weights_are_screened(tmp_path: Path, make: Any, ending: str) -> None:
    """PaddleOCR loads them with pickle as it does a checkpoint."""
    prefix = write_checkpoint(tmp_path / "pretrained")
    screen_pretrained(make(f"{prefix}{ending}"))
    Path(f"{prefix}.pdparams").write_bytes(EVIL)
    with pytest.raises(DataError, match=r"os\.system"):
        screen_pretrained(make(f"{prefix}{ending}"))


@pytest.mark.parametrize("value", [None, "", True, "https://host/weights.pdparams"])
def test_what_is_no_file_here_is_not_looked_at(value: Any) -> None:
    """PaddleOCR fetches addresses itself, and says what it cannot find."""
    screen_pretrained({"Global": {"pretrained_model": value}})
