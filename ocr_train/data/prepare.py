"""From `data` to what the trainer reads: fetch -> convert -> find label files -> check -> split -> manifest."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.config import TASKS, Demo, Experiment
from ocr_train.data.archive_source import is_archive, unpack_once
from ocr_train.data.converted import Source, as_paddleocr, in_words_of_source
from ocr_train.data.demo import DemoSpec, make_demo
from ocr_train.data.dictionary import read_dictionary
from ocr_train.data.findings import decide, list_quarantine, say_source, write_findings
from ocr_train.data.layout import Layout, find_layout
from ocr_train.data.manifest import Manifest, build_manifest
from ocr_train.data.rules import label_rules
from ocr_train.data.sets import clean_sets, labels_text
from ocr_train.data.source_format import PADDLEOCR
from ocr_train.data.validate import Report, validate
from ocr_train.errors import DataError
from ocr_train.overrides import get_key

Say = Callable[[str], None]
Fetch = Callable[[str, Path, Say], Path]
REPORTS = ("problems.json", "report.html", "quarantine.tsv")
"""What the check of the labels leaves in the work folder, for the run's artifacts."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Checked labels, ready to train on; image paths in `train` and `val` are relative to `images`.

    `was_split` says that the data named no validation samples, and these were split off.
    """

    source: str
    images: Path
    train: Path
    val: Path
    train_samples: int
    val_samples: int
    dictionary: Path | None
    manifest: Manifest
    quarantined: int
    reports: tuple[Path, ...]
    was_split: bool = False


def prepare(experiment: Experiment, work: Path, cache: Path, *, fetch: Fetch, say: Say) -> Dataset:
    """Bring the experiment's data into `work` (label files) and `cache` (fetched and drawn images).

    Raises `DataError` with every problem of the labels, `StorageError` where the data cannot be had.
    """
    work.mkdir(parents=True, exist_ok=True)
    folder, origin = _locate(experiment, cache, fetch, say)
    source = _as_paddleocr(experiment, folder, work, say)
    layout = find_layout(source.folder, experiment.task)
    dictionary = _dictionary(experiment, layout, say)
    checked = _check(experiment, layout, source, dictionary, work, say)
    train, val = work / "train.txt", work / "val.txt"
    counts = _write_labels(experiment, layout, checked.report, train, val, work, say)
    manifest = build_manifest(layout.images, {"train": train, "val": val}, workers=os.cpu_count() or 1)
    say(f"data: {counts[0]} training and {counts[1]} validation samples from {origin}")
    return Dataset(
        source=origin,
        images=layout.images,
        train=train,
        val=val,
        train_samples=counts[0],
        val_samples=counts[1],
        dictionary=dictionary,
        manifest=manifest,
        quarantined=checked.quarantined,
        reports=tuple(path for name in REPORTS if (path := work / name).is_file()),
        was_split=not layout.val,
    )


@dataclass(frozen=True, kw_only=True)
class _Checked:
    report: Report | None
    quarantined: int


def _as_paddleocr(experiment: Experiment, folder: Path, work: Path, say: Say) -> Source:
    """The data as PaddleOCR's labels; LabelMe's and PPOCRLabel's folders are converted in the run's folder."""
    if experiment.task not in TASKS or not folder.is_dir():
        return Source(folder=folder, origin=folder, format=PADDLEOCR)
    source = as_paddleocr(folder, experiment.task, work / "converted")
    say_source(source, say)
    return source


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
        _draw_beside(folder, spec)
    return folder


def _draw_beside(folder: Path, spec: DemoSpec) -> None:
    """Draw the set under another name, then rename it: of two runs that draw at once neither reads half a set."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        drawn = Path(scratch) / folder.name
        make_demo(drawn, spec)
        if folder.is_dir() and not (folder / "train.txt").is_file():
            shutil.rmtree(folder)  # an older version drew in place, and was cut off
        try:
            drawn.replace(folder)
        except OSError:
            if not (folder / "train.txt").is_file():
                raise


def _dictionary(experiment: Experiment, layout: Layout, say: Say) -> Path | None:
    """The character dictionary: the one an override names, else the data's own dict.txt, else the experiment's."""
    if experiment.task != "rec":
        return None
    if layout.dictionary is not None and not experiment.dictionary_fixed:
        say(f"dictionary: {layout.dictionary}, which lies with the data")
        return layout.dictionary
    return Path(experiment.dictionary) if experiment.dictionary else None


def _check(
    experiment: Experiment, layout: Layout, source: Source, dictionary: Path | None, work: Path, say: Say
) -> _Checked:
    """Check the label files; models of other tasks than ours have labels that we do not know."""
    if experiment.task not in TASKS:
        return _Checked(report=None, quarantined=0)
    files = (*layout.train, *layout.val)
    use_space_char = bool(get_key(experiment.trainer, "Global.use_space_char", False))
    read = read_dictionary(dictionary, use_space_char=use_space_char) if dictionary else None
    rules = label_rules(experiment.task, experiment.trainer, read)
    report = validate(files, layout.images, rules, known=read.problems if read else ())
    shown = in_words_of_source(report, source)
    write_findings(work, shown, source, layout.images)
    quarantined = decide(report, shown, source, experiment.on_bad_sample, say)
    if quarantined:
        list_quarantine(files, report, source, work / "quarantine.tsv")
        say(f"data: {quarantined} bad samples are left out; the run has the list (dataset/quarantine.tsv)")
    return _Checked(report=report, quarantined=quarantined)


def _write_labels(
    experiment: Experiment,
    layout: Layout,
    report: Report | None,
    train: Path,
    val: Path,
    work: Path,
    say: Say,
) -> tuple[int, int]:
    """Write the label files that the trainer reads; how many samples each has."""
    if report is None:
        return _join(layout.train, train), _join(layout.val, val)
    sets = clean_sets(
        layout,
        report,
        task=experiment.task,
        val=experiment.val_fraction,
        seed=experiment.seed,
        work=work,
    )
    if sets.was_split:
        say(
            f"data: no validation labels: split into {len(sets.train)} to train on and "
            f"{len(sets.val)} to validate"
        )
    for note in sets.notes:
        say(f"data: {note}")
    train.write_bytes(labels_text(sets.train))
    val.write_bytes(labels_text(sets.val))
    return len(sets.train), len(sets.val)


def _join(parts: Sequence[Path], out: Path) -> int:
    """Join label files that we do not know how to check; how many lines they have."""
    lines = [line for part in parts for line in part.read_bytes().splitlines() if line.strip()]
    if not lines:
        raise DataError(
            f"no label file for {out.stem}.", hint="Models of this task need a train.txt and a val.txt."
        )
    out.write_bytes(b"".join(line + b"\n" for line in lines))
    return len(lines)
