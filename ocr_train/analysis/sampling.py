"""Which validation images are read: the same ones in every run on the same data.

The images whose names have the smallest hashes are taken. No run's seed goes into that, nor the order of the label
file: runs with another seed on the same validation file have the same images, a larger sample holds the smaller
one, and a few images more or less in the file change a few of the sample. Where the split itself is ours (no
validation file in the data), another seed makes another validation file, and its sample is another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.analysis.text_scores import TextRules, text_rules
from ocr_train.data.boxes import read_boxes
from ocr_train.data.labels import Box, LabelLine
from ocr_train.data.samples import image_names, read_samples
from ocr_train.errors import DataError
from ocr_train.ocr_engine.documents import DocumentError, read_yaml

SEED = 0
"""Goes into every hash; fixed, so that runs can be compared picture by picture."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One validation image: `name` as the label file writes it, `text` (or class) or `boxes` as its truth."""

    name: str
    path: Path
    text: str = ""
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ValidationSet:
    """The chosen `samples` (in the order of their hashes) out of `total`, and how their texts are compared."""

    task: str
    samples: tuple[Sample, ...]
    total: int
    rules: TextRules
    seed: int = SEED

    @property
    def paths(self) -> list[Path]:
        """The images to read, in order."""
        return [sample.path for sample in self.samples]

    @property
    def texts(self) -> list[str]:
        """What the model is asked the probability of: the texts of recognition, in order; nothing else has any."""
        return [sample.text.strip() for sample in self.samples] if self.task == "rec" else []

    @property
    def capped(self) -> bool:
        """Whether there are more than were chosen."""
        return len(self.samples) < self.total


def validation_set(config: Path, task: str, *, limit: int) -> ValidationSet:
    """At most `limit` samples of the label files that the PaddleOCR configuration `config` evaluates on.

    Raises `DataError` where that names no label files we can read.
    """
    document = _read(config)
    folder, files = _labels(document, config)
    return choose_samples(files, folder, task, text_rules(document, task), limit=limit)


def choose_samples(
    files: Sequence[Path], folder: Path, task: str, rules: TextRules, *, limit: int
) -> ValidationSet:
    """At most `limit` samples of the label `files`, whose images are in `folder`; raises `DataError` for what is no label
    file."""
    chosen: dict[str, LabelLine] = {}
    for path in files:
        for line in read_samples(path)[0]:
            chosen.setdefault(image_names(line.image)[0], line)
    names = sorted(chosen, key=lambda name: (_rank(name), name))[: max(0, limit)]
    return ValidationSet(
        task=task,
        samples=tuple(make_sample(name, chosen[name].label, folder / name, task) for name in names),
        total=len(chosen),
        rules=rules,
    )


def _rank(name: str) -> str:
    return hashlib.sha256(f"{SEED}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()


def make_sample(name: str, label: str, path: Path, task: str) -> Sample:
    """The sample of a line: its boxes, or its text."""
    if task == "det":
        return Sample(name=name, path=path, boxes=read_boxes(label).boxes)
    return Sample(name=name, path=path, text=label)


def _read(config: Path) -> Mapping[str, Any]:
    try:
        document = read_yaml(config)
    except (OSError, DocumentError) as exc:
        raise DataError(f"{config} cannot be read: {exc}", hint="Check the configuration.") from exc
    return document if isinstance(document, Mapping) else {}


def _labels(document: Mapping[str, Any], config: Path) -> tuple[Path, list[Path]]:
    """The image folder and the label files of the section `Eval.dataset`."""
    evaluation = document.get("Eval")
    section = evaluation.get("dataset") if isinstance(evaluation, Mapping) else None
    section = section if isinstance(section, Mapping) else {}
    files = section.get("label_file_list") or []
    files = [files] if isinstance(files, str) else files
    folder = section.get("data_dir")
    if not isinstance(folder, str) or not files or not all(isinstance(name, str) for name in files):
        raise DataError(
            f"{config} has no data_dir and label_file_list under Eval.dataset: there are no labels to compare with."
        )
    return config.parent / folder, [config.parent / name for name in files]
