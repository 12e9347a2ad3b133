"""From `data` to what the trainer reads: fetch -> convert -> find label files -> check -> split -> manifest."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ocr_train.config.data_sources import source_names
from ocr_train.config.requests import DataRequest, DataSource, Demo
from ocr_train.config.started import this_start
from ocr_train.data.checks.duplicates import KEEP
from ocr_train.data.checks.policy import decide_on_findings, echo_source, write_findings, write_quarantine
from ocr_train.data.checks.problems import Problem
from ocr_train.data.checks.rules import is_checked, label_rules
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.data.dictionary import dictionary_as, first_dictionary
from ocr_train.data.files.archive_source import is_archive_path, unpack_once
from ocr_train.data.formats.converted import LabelSource, as_paddleocr, map_to_source_lines
from ocr_train.data.formats.table import PADDLEOCR
from ocr_train.data.layout import Layout, find_layout, say_layout
from ocr_train.data.manifest import DatasetManifest, build_manifest, samples_digest
from ocr_train.data.mixing import (
    MIXED,
    DatasetPart,
    FoundSource,
    link_name,
    mix_sources,
    parts_of_dataset,
    require_folders,
)
from ocr_train.data.ratios import Groups, LabelPart, label_groups, say_taken
from ocr_train.data.sets import clean_sets, labels_text
from ocr_train.data.table_files import place_tables
from ocr_train.errors import DataError
from ocr_train.run import Echo

Fetch = Callable[[str, Path, Echo], Path]
REPORTS = ("problems.json", "report.html", "quarantine.tsv")
"""What the check of the labels leaves in the work folder, for the run's artifacts."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Checked labels, ready to train on; image paths in `train` and `val` are relative to `images`.

    `was_split` says that the data named no validation samples, and these were split off; `leaked` validation samples have
    an image that is trained on, which was asked for (`leaks=keep`). `train_parts` and `val_parts`
    are what the trainer reads: `train` and `val` themselves, or, where `ratio_list` has a share for each label file of
    the data, the same samples file by file. `sources` are the parts of data that several sources have, empty for one;
    `val_digest` is the digest of the validation samples alone (`samples_digest`).
    """

    source: str
    images: Path
    train: Path
    val: Path
    train_samples: int
    val_samples: int
    dictionary: Path | None
    manifest: DatasetManifest
    val_digest: str
    quarantined: int
    reports: tuple[Path, ...]
    was_split: bool = False
    leaked: int = 0
    train_parts: tuple[LabelPart, ...] = ()
    val_parts: tuple[LabelPart, ...] = ()
    sources: tuple[DatasetPart, ...] = ()

    @property
    def label_files(self) -> dict[str, Path]:
        """The label files by their paths in the manifest, or by their sets."""
        parts = {
            f"train_{number}.txt": part.path
            for number, (part, _) in enumerate(zip(self.train_parts, self.sources, strict=False), start=1)
        }
        return {"train": self.train, "val": self.val, **parts}


def prepare(request: DataRequest, work: Path, cache: Path, *, fetch: Fetch, echo: Echo) -> Dataset:
    """Bring the requested data into `work` (label files) and `cache` (fetched and drawn images).

    Raises `DataError` with every problem of the labels, `StorageError` where the data cannot be had.
    """
    work.mkdir(parents=True, exist_ok=True)
    found = _find_sources(request, work, cache, fetch, echo)
    layout, source = found[0].layout, found[0].labels
    if len(found) > 1:
        layout, source = mix_sources(found, work / MIXED, echo)
    dictionary = dictionary_for(request, layout)
    if dictionary is not None:
        echo(
            f"dictionary: {dictionary}{', which is with the data' if dictionary == layout.dictionary else ''}"
        )
    checked = _check(request, layout, source, work, echo)
    train, val = work / "train.txt", work / "val.txt"
    groups = label_groups(request.trainer, layout, found)
    written = _write_labels(request, layout, groups, checked.report, work, echo)
    labels = [part.path for part in written[0]] if len(found) > 1 else [train]
    manifest = build_manifest(layout.images, {"train": labels, "val": [val]}, workers=os.cpu_count() or 1)
    parts = parts_of_dataset(found, [part.samples for part in written[0]], manifest)
    counts = [sum(part.samples for part in some) for some in written]
    origin = " and ".join(one.origin for one in found)
    echo(f"data: {counts[0]} training and {counts[1]} validation samples from {origin}")
    say_taken(request.trainer, groups, written, parts, echo)
    return Dataset(
        source=origin,
        images=layout.images,
        train=train,
        val=val,
        train_samples=counts[0],
        val_samples=counts[1],
        dictionary=dictionary,
        manifest=manifest,
        val_digest=samples_digest(manifest, val, "val"),
        quarantined=checked.quarantined,
        reports=tuple(path for name in REPORTS if (path := work / name).is_file()),
        was_split=not layout.val,
        leaked=_kept_leaks(checked.report),
        train_parts=written[0],
        val_parts=written[1],
        sources=parts,
    )


@dataclass(frozen=True, kw_only=True)
class _Checked:
    report: ValidationReport | None
    quarantined: int


def _as_paddleocr(request: DataRequest, folder: Path, work: Path, echo: Echo) -> LabelSource:
    """The data as PaddleOCR's labels; LabelMe's and PPOCRLabel's folders are converted in the run's folder."""
    if not is_checked(request.task, request.trainer) or not folder.is_dir():
        return LabelSource(folder=folder, origin=folder, format=PADDLEOCR)
    source = as_paddleocr(folder, request.task, work / "converted", options=request.choices.of_formats)
    echo_source(source, echo)
    return source


def _find_sources(
    request: DataRequest, work: Path, cache: Path, fetch: Fetch, echo: Echo
) -> tuple[FoundSource, ...]:
    """Every source on this machine, with its label files."""
    if request.demo is not None:
        folder = draw_demo(request.task, request.demo, request.seed, cache, echo)
        return (_found(request, None, "", folder, "the built-in demo set", work, echo),)
    if len(request.sources) == 1:
        source = request.sources[0]
        folder, origin = locate_data(source.address, cache, fetch, echo)
        return (_found(request, source, "", folder, origin, work, echo),)
    if not is_checked(request.task, request.trainer):
        raise DataError(
            f"data names {len(request.sources)} sources, and the labels of this model are not known: they cannot be put together.",
            hint="Give one source; labels of det, rec, cls, table and kie models can be mixed.",
        )
    require_folders(request.sources)
    found = []
    for number, (source, name) in enumerate(
        zip(request.sources, source_names(request.sources), strict=True), start=1
    ):
        say = partial(_say_of, name, echo)
        folder, origin = locate_data(source.address, cache, fetch, say)
        found.append(_found(request, source, name, folder, origin, work / link_name(number), say))
    return tuple(found)


def _say_of(name: str, echo: Echo, text: str) -> None:
    echo(f"{name}: {text}")


def _found(
    request: DataRequest,
    source: DataSource | None,
    name: str,
    folder: Path,
    origin: str,
    work: Path,
    echo: Echo,
) -> FoundSource:
    """What is in the folder of a source; what has to be written for it goes to `work`."""
    labels = _as_paddleocr(request, folder, work, echo)
    layout = find_layout(labels.folder, request.task, labels.choices_for(request.choices))
    if not labels.converted and request.demo is None:
        say_layout(layout, echo)
    if request.task == "table":
        layout, labels = place_tables(layout, labels, work / "tables", echo)
    return FoundSource(
        source=source or DataSource(address=""), name=name, origin=origin, layout=layout, labels=labels
    )


def locate_data(data: str, cache: Path, fetch: Fetch, echo: Echo) -> tuple[Path, str]:
    """The folder with `data` (a folder, an archive, an S3 address) on this machine, and where it came from, for people."""
    if data.startswith("s3://"):
        name = hashlib.sha256(data.encode()).hexdigest()[:16]
        return fetch(data, cache / "s3" / name, echo), data
    folder = Path(data).expanduser().absolute()
    if not folder.exists() and (place := this_start().where_from("data", data)):
        raise DataError(f"data: there is no folder {str(folder)!r}.", hint=place)
    if is_archive_path(folder):
        echo(f"data: unpacking {folder} ...")
        return unpack_once(folder, cache / "archives"), str(folder)
    return folder, str(folder)


def draw_demo(task: str, demo: Demo, seed: int, cache: Path, echo: Echo) -> Path:
    """The folder of `cache` with the demo set, drawn where it is not there yet."""
    spec = DemoSpec(
        task=task, language=demo.language, train=demo.train, val=demo.val, seed=seed, size=demo.size
    )
    key = hashlib.sha256(repr(spec).encode()).hexdigest()[:12]
    folder = cache / "demo" / f"{task}-{demo.language}-{key}"
    if not (folder / "train.txt").is_file():
        echo(
            f"data: none given: drawing the demo set ({demo.train} training and {demo.val} validation images) ..."
        )
        draw_beside(folder, spec)
    return folder


def draw_beside(folder: Path, spec: DemoSpec) -> None:
    """Draw the set under another name, then rename it: of two runs that draw at once neither reads half a set."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        drawn = Path(scratch) / folder.name
        make_demo(drawn, spec)
        if folder.is_dir() and not (folder / "train.txt").is_file():
            # An older version drew in place, and was cut off.
            shutil.rmtree(folder)
        try:
            drawn.replace(folder)
        except OSError:
            if not (folder / "train.txt").is_file():
                raise


def dictionary_for(request: DataRequest, layout: Layout) -> Path | None:
    """The character dictionary of a recognition model; one that an override names goes before that of the data."""
    if request.task != "rec":
        return None
    model = Path(request.dictionary) if request.dictionary else None
    fixed = request.dictionary_fixed
    return first_dictionary(
        named=model if fixed else None, beside=None if fixed else layout.dictionary, model=model
    )


def label_rules_for(request: DataRequest, layout: Layout) -> tuple[Rules, Sequence[Problem]]:
    """What the labels of `layout` are checked against, and what is wrong with the dictionary already."""
    path = dictionary_for(request, layout)
    read = dictionary_as(request.trainer, path) if path else None
    choices = replace(request.choices, strip=layout.strip)
    rules = replace(label_rules(request.task, request.trainer, read), choices=choices)
    return rules, read.problems if read else ()


def _check(
    request: DataRequest,
    layout: Layout,
    source: LabelSource,
    work: Path,
    echo: Echo,
) -> _Checked:
    """Check the label files; models of other tasks than ours have labels that we do not know."""
    if not is_checked(request.task, request.trainer):
        return _Checked(report=None, quarantined=0)
    files = (*layout.train, *layout.val)
    rules, known = label_rules_for(request, layout)
    report = validate(files, layout.paths, rules, held=layout.val, known=known)
    shown = map_to_source_lines(report, source)
    write_findings(work, shown, source, layout.images)
    quarantined = decide_on_findings(report, shown, source, request.on_bad_sample, echo)
    if quarantined:
        write_quarantine(files, work / "quarantine.tsv", report.bad_lines, source)
        echo(f"data: {quarantined} bad samples are left out; the run has the list (dataset/quarantine.tsv)")
    return _Checked(report=report, quarantined=quarantined)


def _kept_leaks(report: ValidationReport | None) -> int:
    leaks = report.leaks if report else None
    return leaks.val_lines if leaks and leaks.choice == KEEP else 0


def _write_labels(
    request: DataRequest,
    layout: Layout,
    groups: Groups,
    report: ValidationReport | None,
    work: Path,
    echo: Echo,
) -> tuple[tuple[LabelPart, ...], tuple[LabelPart, ...]]:
    """Write train.txt, val.txt and, where `groups` has label files, one file for each; what the trainer reads."""
    if report is None:
        content = {
            name: {path: _lines_of(path) for path in files}
            for name, files in (("train", layout.train), ("val", layout.val))
        }
    else:
        content = _clean_content(request, layout, report, work, echo)
    train, val = (_write_set(name, content[name], groups[name], work) for name in ("train", "val"))
    return train, val


def _lines_of(path: Path) -> list[bytes]:
    """The lines of a label file as they are, without blank ones: PaddleOCR says what is wrong with them."""
    return [line.rstrip(b"\r") + b"\n" for line in path.read_bytes().split(b"\n") if line.strip()]


def _clean_content(
    request: DataRequest, layout: Layout, report: ValidationReport, work: Path, echo: Echo
) -> dict[str, dict[Path, list[bytes]]]:
    """The lines of each set by the label file that they came from; what was split off has no file of its own."""
    sets = clean_sets(
        layout,
        report,
        task=request.task,
        val=request.val_fraction,
        seed=request.seed,
        work=work,
    )
    if sets.was_split:
        echo(
            f"data: no validation labels: split into {len(sets.train)} to train on and "
            f"{len(sets.val)} to validate"
        )
    for note in sets.notes:
        echo(f"data: {note}")
    held = dict(zip(layout.val, sets.val_parts, strict=True)) or {work / "val.txt": sets.val}
    by_file = {"train": dict(zip(layout.train, sets.train_parts, strict=True)), "val": held}
    return {
        name: {path: [labels_text([line]) for line in lines] for path, lines in files.items()}
        for name, files in by_file.items()
    }


def _write_set(
    name: str,
    content: Mapping[Path, Sequence[bytes]],
    groups: Sequence[tuple[str, Sequence[Path]]],
    work: Path,
) -> tuple[LabelPart, ...]:
    """All lines of a set in one file, and those of each group in a file of its own."""
    lines = [line for part in content.values() for line in part]
    if not lines:
        raise DataError(
            f"no label file for {name}.", hint="Models of this task need a train.txt and a val.txt."
        )
    whole = work / f"{name}.txt"
    whole.write_bytes(b"".join(lines))
    if not groups:
        return (LabelPart(path=whole, samples=len(lines)),)
    (work / name).mkdir(exist_ok=True)
    parts = []
    for file, paths in groups:
        own = [line for path in paths for line in content[path]]
        (work / name / file).write_bytes(b"".join(own))
        parts.append(LabelPart(path=work / name / file, samples=len(own)))
    return tuple(parts)
