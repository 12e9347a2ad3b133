"""A model that reads what a test says, in place of the process that reads images."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ocr_train.analysis.predictions import Reading
from ocr_train.cli.reading import ReadingModels
from ocr_train.models.source import ModelSource


def model_of(task: str, identity: str = "1") -> ModelSource:
    """A model of that task."""
    return ModelSource(
        kind="checkpoint",
        path=Path("model"),
        config=Path("config.yml"),
        dictionary=None,
        task=task,
        sha256=identity,
        description=f"the {task} model",
    )


class ScriptedModel:
    """Stands for `find_models` and `read_with_progress` of a command; `asked` are the images that it was given."""

    def __init__(self, task: str, answer: Callable[[Path], Reading]) -> None:
        self.models = ReadingModels(
            model=model_of("det" if task == "lines" else task),
            rec=model_of("rec") if task == "lines" else None,
        )
        self.asked: list[Path] = []
        self._answer = answer

    def install(self, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
        """Put it in place of the real one of `ocr_train.cli.<command>`."""
        monkeypatch.setattr(f"ocr_train.cli.{command}.find_models", lambda *_, **__: self.models)
        monkeypatch.setattr(f"ocr_train.cli.{command}.read_with_progress", self._read)

    def _read(
        self, _arguments: argparse.Namespace, _models: ReadingModels, images: Sequence[Path], **_: Any
    ) -> Iterator[Reading]:
        for image in images:
            self.asked.append(image)
            yield self._answer(image)
