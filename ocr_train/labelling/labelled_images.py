"""The samples of label files as they are, to compare each label with what a model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.analysis.sampling import Sample, ValidationSet, make_sample
from ocr_train.analysis.text_scores import TextRules
from ocr_train.data.files.image_paths import ImagePaths
from ocr_train.data.samples import image_names, read_samples
from ocr_train.errors import DataError


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """The samples, with the file and line (`val.txt:12`) of each image in `places`; `bad_lines` hold none."""

    samples: ValidationSet
    places: Mapping[str, str]
    bad_lines: int


def read_labelled(files: Sequence[Path], paths: ImagePaths, task: str, rules: TextRules) -> LabelledImages:
    """Read the label files; an image that several lines name counts with the first.

    Raises `DataError` where a file cannot be read or there is no sample.
    """
    samples: dict[str, Sample] = {}
    places: dict[str, str] = {}
    bad = 0
    for file in files:
        lines, broken = read_samples(file)
        bad += len(broken)
        for line in lines:
            name = image_names(line.image)[0]
            if name in samples:
                continue
            samples[name] = make_sample(name, line.label.strip(), paths.root / paths.usable_name(name), task)
            places[name] = f"{file.name}:{line.line}"
    if not samples:
        raise DataError(
            f"{', '.join(map(str, files))}: there is no label.",
            hint="Give a label file with an image, a tab and a label a line.",
        )
    chosen = ValidationSet(task=task, samples=tuple(samples.values()), total=len(samples), rules=rules)
    return LabelledImages(samples=chosen, places=places, bad_lines=bad)
