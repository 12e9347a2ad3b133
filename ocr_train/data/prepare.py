"""From `data` to what the trainer reads: fetch -> find label files -> check -> split -> clean copies -> manifest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.config import TASKS, Demo, Experiment
from ocr_train.data.archive_source import is_archive, unpack_once
from ocr_train.data.demo import DemoSpec, make_demo
from ocr_train.data.dictionary import DEFAULT_CHARSET, Dictionary, read_dictionary
from ocr_train.data.labels import format_line
from ocr_train.data.layout import Layout, find_layout
from ocr_train.data.manifest import Manifest, build_manifest
from ocr_train.data.quarantine import apply_policy, write_clean, write_quarantine
from ocr_train.data.report import write_html
from ocr_train.data.samples import read_samples
from ocr_train.data.split import split
from ocr_train.data.validate import Report, Rules, validate
from ocr_train.overrides import get_key

Say = Callable[[str], None]
Fetch = Callable[[str, Path, Say], Path]
REPORTS = ("problems.json", "labels.html", "quarantine.txt")
"""What the check of the labels leaves in the work folder, for the run's artifacts."""
CTC_STRIDE = 4
"""Input pixels for one output step of CRNN's MobileNetV3, across the width."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Checked labels, ready to train on; image paths in `train` and `val` are relative to `images`."""

    source: str
    images: Path
    train: Path
    val: Path
    train_samples: int
    val_samples: int
    dictionary: Path | None
    manifest: Manifest
    report: Report | None
    quarantined: int
    reports: tuple[Path, ...]


def prepare(experiment: Experiment, work: Path, cache: Path, *, fetch: Fetch, say: Say) -> Dataset:
    """Bring the experiment's data into `work` (label files) and `cache` (fetched and drawn images).

    Raises `DataError` with every problem of the labels, `StorageError` where the data cannot be had.
    """
    folder, source = _locate(experiment, cache, fetch, say)
    layout = find_layout(folder, experiment.task)
    dictionary = _dictionary(experiment, layout, say)
    files = (*layout.train, *layout.val)
    report = _check(experiment, files, layout.images, dictionary, work)
    quarantined = 0
    if report is not None:
        quarantined = apply_policy(report, experiment.on_bad_sample)
        _say_report(report, quarantined, say)
        if quarantined:
            write_quarantine(files, work / "quarantine.txt", report.bad_lines)
    clean = work / "labels"
    clean.mkdir(parents=True, exist_ok=True)
    copies = {
        path: _clean_copy(path, clean / f"{number}.txt", report, experiment.task)
        for number, path in enumerate(files)
    }
    train, val = work / "train.txt", work / "val.txt"
    if layout.val:
        _join([copies[path] for path in layout.train], train)
        _join([copies[path] for path in layout.val], val)
    else:
        _split([copies[path] for path in layout.train], train, val, experiment, say)
    manifest = build_manifest(layout.images, {"train": train, "val": val}, workers=os.cpu_count() or 1)
    dataset = Dataset(
        source=source,
        images=layout.images,
        train=train,
        val=val,
        train_samples=_count(train),
        val_samples=_count(val),
        dictionary=dictionary,
        manifest=manifest,
        report=report,
        quarantined=quarantined,
        reports=tuple(path for name in REPORTS if (path := work / name).is_file()),
    )
    say(f"data: {dataset.train_samples} training and {dataset.val_samples} validation samples from {source}")
    return dataset


def _locate(experiment: Experiment, cache: Path, fetch: Fetch, say: Say) -> tuple[Path, str]:
    """The folder with the data on this machine, and where it came from, for people."""
    if experiment.demo is not None:
        return _draw_demo(
            experiment.task, experiment.demo, experiment.seed, cache, say
        ), "the built-in demo set"
    if experiment.data.startswith("s3://"):
        name = hashlib.sha256(experiment.data.encode()).hexdigest()[:16]
        return fetch(experiment.data, cache / "s3" / name, say), experiment.data
    folder = Path(experiment.data).expanduser().absolute()
    if is_archive(folder):
        say(f"data: unpacking {folder} ...")
        return unpack_once(folder, cache / "archives"), str(folder)
    return folder, str(folder)


def _draw_demo(task: str, demo: Demo, seed: int, cache: Path, say: Say) -> Path:
    spec = DemoSpec(
        task=task, language=demo.language, train=demo.train, val=demo.val, seed=seed, size=demo.size
    )
    key = hashlib.sha256(repr(spec).encode()).hexdigest()[:12]
    folder = cache / "demo" / f"{task}-{demo.language}-{key}"
    if not (folder / "train.txt").is_file():
        say(
            f"data: none given: drawing the demo set ({demo.train} training and {demo.val} validation images) ..."
        )
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_demo(folder, spec)
    return folder


def _dictionary(experiment: Experiment, layout: Layout, say: Say) -> Path | None:
    """The character dictionary: the one an override names, else the data's own dict.txt, else the experiment's."""
    if experiment.task != "rec":
        return None
    if layout.dictionary is not None and not experiment.dictionary_fixed:
        say(f"dictionary: {layout.dictionary}, which lies with the data")
        return layout.dictionary
    return Path(experiment.dictionary) if experiment.dictionary else None


def _check(
    experiment: Experiment, files: Sequence[Path], images: Path, dictionary: Path | None, work: Path
) -> Report | None:
    """Check the label files; models of other tasks than ours have labels that we do not know."""
    if experiment.task not in TASKS:
        return None
    use_space_char = bool(get_key(experiment.trainer, "Global.use_space_char", False))
    read = read_dictionary(dictionary, use_space_char=use_space_char) if dictionary else None
    rules = label_rules(experiment.task, experiment.trainer, read)
    report = validate(files, images, rules, known=read.problems if read else ())
    text = json.dumps(report.to_json(), ensure_ascii=False, indent=1)
    work.mkdir(parents=True, exist_ok=True)
    (work / "problems.json").write_text(text, encoding="utf-8")
    write_html(report, images, work / "labels.html")
    return report


def label_rules(task: str, trainer: Mapping[str, Any], dictionary: Dictionary | None) -> Rules:
    """What the labels of this PaddleOCR configuration must keep to."""
    if task == "cls":
        labels = get_key(trainer, "Global.label_list", None) or ()
        return Rules(task=task, label_list=tuple(str(label) for label in labels))
    if task != "rec":
        return Rules(task=task)
    return Rules(
        task=task,
        charset=dictionary.charset if dictionary else DEFAULT_CHARSET,
        use_space_char=bool(get_key(trainer, "Global.use_space_char", False)),
        lower=dictionary is None,
        max_text_length=get_key(trainer, "Global.max_text_length", None),
        ctc_steps=_ctc_steps(trainer),
    )


def _ctc_steps(trainer: Mapping[str, Any]) -> int | None:
    """Output steps of a CRNN with MobileNetV3; None for models whose stride is not known here."""
    shape = get_key(trainer, "Train.dataset.transforms.RecResizeImg.image_shape", None)
    if (
        get_key(trainer, "Architecture.algorithm", "") != "CRNN"
        or get_key(trainer, "Architecture.Backbone.name", "") != "MobileNetV3"
        or not isinstance(shape, list)
    ):
        return None
    return int(shape[-1]) // CTC_STRIDE


def _say_report(report: Report, quarantined: int, say: Say) -> None:
    if quarantined:
        say(f"data: {quarantined} bad samples are left out (on_bad_sample=quarantine); the run has the list")
    elif report.counts:
        say(f"data: checked {report.labels} labels: {report.summary(0).splitlines()[0]}")


def _clean_copy(path: Path, out: Path, report: Report | None, task: str) -> Path:
    if report is None:
        out.write_bytes(path.read_bytes())
    else:
        write_clean(path, out, report.bad_lines, task)
    return out


def _join(parts: Sequence[Path], out: Path) -> None:
    with out.open("wb") as joined:
        for part in parts:
            joined.write(part.read_bytes())


def _split(parts: Sequence[Path], train: Path, val: Path, experiment: Experiment, say: Say) -> None:
    lines = [line for part in parts for line in read_samples(part)[0]]
    done = split(lines, val=experiment.val_fraction, seed=experiment.seed)
    for path, samples in ((train, done.train), (val, done.val)):
        path.write_text("".join(format_line(line.image, line.label) for line in samples), encoding="utf-8")
    say(
        f"data: no validation labels: split into {len(done.train)} to train on and {len(done.val)} to validate"
    )
    for note in done.notes:
        say(f"data: {note}")


def _count(path: Path) -> int:
    with path.open("rb") as lines:
        return sum(1 for _ in lines)
