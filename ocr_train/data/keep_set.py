"""Labels of what a model could read before its training: checked like data to train on, or drawn.

None of them is trained on, so that there is no split, and no dictionary that they must keep to: characters that the model
lacks are among what it cannot read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from ocr_train.atomic_files import write_bytes
from ocr_train.config.fine_tune import NONE
from ocr_train.config.requests import LabelChoices
from ocr_train.config.started import this_start
from ocr_train.data.checks.duplicates import KEEP
from ocr_train.data.checks.policy import counts_text, echo_source, write_clean
from ocr_train.data.checks.problems import ERROR
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.checks.validation_report import left_out_kinds
from ocr_train.data.demo.demo_set import DemoSpec
from ocr_train.data.for_training import draw_beside
from ocr_train.data.formats.converted import as_paddleocr
from ocr_train.data.labels import LabelLine
from ocr_train.data.layout import find_layout
from ocr_train.data.samples import read_samples
from ocr_train.data.sets import labels_text
from ocr_train.errors import ConfigError, DataError, SetupError
from ocr_train.run import Echo

SEED = 20_240_917
"""Of the drawn set, whatever the run's is: all runs have the same one."""
DRAWN = {"rec": 100, "det": 8}
"""So many samples are drawn of each language; models of other tasks have no drawn set."""
THAI = frozenset(map(chr, range(0x0E01, 0x0E5C)))
LATIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, kw_only=True)
class KeepLabels:
    """A label file whose image paths are relative to `images`; `left_out` counts bad samples, `origin` is for people."""

    images: Path
    labels: Path
    samples: int
    left_out: int
    origin: str


def require_keep_path(keep: str) -> None:
    """Raise `ConfigError` where `keep` is a path and nothing is there; addresses are not looked up."""
    if keep in ("", NONE) or keep.startswith("s3://"):
        return
    path = Path(keep).expanduser().absolute()
    if not path.exists():
        raise ConfigError(
            f"keep: there is nothing at {str(path)!r}.",
            hint=this_start().where_from("keep", keep)
            or "Give a folder with labels and images, an archive of one, s3://bucket/prefix, or none.",
        )


def check_keep(folder: Path, origin: str, task: str, normalize: str, work: Path, echo: Echo) -> KeepLabels:
    """The good samples of the labels in `folder`, of its validation files where it has some; texts are spelled as
    `normalize` says. Label files go to `work`. Raises `DataError` where there are none, or no sample is good."""
    choices = LabelChoices(normalize=normalize, leaks=KEEP)
    source = as_paddleocr(folder, task, work / "converted")
    echo_source(source, echo)
    layout = find_layout(source.folder, task, choices, val_alone=True)
    files = layout.val or layout.train
    choices = replace(choices, strip=layout.strip)
    report = validate(files, layout.paths, Rules(task=task, choices=choices))
    clean = [work / f"clean-{number}.txt" for number in range(len(files))]
    kept = sum(
        write_clean(path, out, report.left_out, task, paths=layout.paths, choices=choices)
        for path, out in zip(files, clean, strict=True)
    )
    left_out = report.labels - kept
    costly = left_out_kinds(task, choices)
    why = counts_text(
        {
            kind: count
            for kind, count in report.counts.items()
            if report.severity(kind) == ERROR or kind in costly
        }
    )
    if not kept:
        raise DataError(
            f"keep: no sample of {origin} can be read{f' ({why})' if why else ''}.",
            hint=f"`python -m ocr_train validate {folder} --task {task}` lists every problem; keep=none does without.",
        )
    if left_out:
        echo(f"keep: {left_out} samples of {origin} are left out{f': {why}' if why else ''}")
    labels = work / "all.txt"
    write_bytes(labels, b"".join(path.read_bytes() for path in clean))
    return KeepLabels(images=layout.images, labels=labels, samples=kept, left_out=left_out, origin=origin)


def draw_keep(
    task: str, charset: frozenset[str] | None, languages: Sequence[str], cache: Path, work: Path, echo: Echo
) -> KeepLabels | None:
    """The drawn set: texts in `languages` of which `charset` (None: any) has every character, drawn once into `cache`; None
    where nothing can be drawn, which is said. The images of each language are in a folder named for it."""
    root = cache / "keep"
    lines = list(chain.from_iterable(_drawn(task, language, root, charset, echo) for language in languages))
    if not lines:
        return None
    labels = work / "all.txt"
    work.mkdir(parents=True, exist_ok=True)
    write_bytes(labels, labels_text(lines))
    return KeepLabels(
        images=root, labels=labels, samples=len(lines), left_out=0, origin="a set that is drawn"
    )


def languages_to_draw(task: str, charset: frozenset[str] | None, trained_on: str = "") -> tuple[str, ...]:
    """The languages of the drawn set: Latin, and Thai where the dictionary has Thai letters; `trained_on` is the one that the
    demo set of the run is in, whose validation images tell the same."""
    if task not in DRAWN:
        return ()
    has = {"en": charset is None or bool(charset & LATIN), "th": charset is not None and bool(charset & THAI)}
    return tuple(language for language, there in has.items() if there and language != trained_on)


def language_of(name: str) -> str:
    """The language of a drawn image, by its name in the label file."""
    return name.partition("-")[0]


def _drawn(
    task: str, language: str, root: Path, charset: frozenset[str] | None, echo: Echo
) -> Sequence[LabelLine]:
    """The samples of one language, their images relative to `root`."""
    spec = DemoSpec(task=task, language=language, train=1, val=DRAWN[task], seed=SEED)
    key = hashlib.sha256(repr(spec).encode()).hexdigest()[:12]
    folder = root / f"{language}-{task}-{key}"
    try:
        if not (folder / "train.txt").is_file():
            echo(f"keep: drawing {spec.val} samples of what can be read already ({language}) ...")
            draw_beside(folder, spec)
    except SetupError as exc:
        echo(f"keep: nothing is drawn in {language}: {exc.problem}")
        return ()
    return [
        replace(line, image=f"{folder.name}/{line.image}")
        for line in read_samples(folder / "val.txt")[0]
        if charset is None or charset.issuperset(line.label)
    ]
