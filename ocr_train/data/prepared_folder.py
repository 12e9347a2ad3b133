"""A folder that training takes as it is: checked, split, with copies of its images and one digest.

    train.txt  val.txt      labels, image paths relative to the folder
    <images>                under the paths that their labels have
    dict.txt                recognition: the dictionary
    problems.json  report.html  quarantine.tsv      what was found, for machines and for people
    manifest.jsonl          every file with its hash; written last: a folder without it is not whole
    .ocr-train/             our own: what was fetched from S3, and that this folder is ours to fill

Images are copied, since the manifest would lie where somebody turned a picture in place later, as labelling
tools do. Files that nobody else writes (fetched or cut out by us) are hard-linked where the disk can do it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ocr_train.atomic_files import write_bytes
from ocr_train.config.requests import LabelChoices
from ocr_train.data.checks.policy import (
    STOP,
    all_counts,
    decide_on_findings,
    echo_source,
    write_findings,
    write_quarantine,
)
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.checks.validation_report import ValidationReport
from ocr_train.data.dictionary import Dictionary, first_dictionary, read_dictionary, say_dictionary
from ocr_train.data.files.archive_source import is_archive_path, unpack_once, unpacked_name
from ocr_train.data.fill import DICTIONARY, MANIFEST, Filled, fill, put_findings
from ocr_train.data.formats.converted import LabelSource, as_paddleocr, map_to_source_lines
from ocr_train.data.layout import Layout, find_layout, require_folder, say_layout
from ocr_train.data.rare_characters import character_use
from ocr_train.data.sets import Sets, clean_sets
from ocr_train.data.table_files import place_tables
from ocr_train.errors import DataError
from ocr_train.run import Echo
from ocr_train.storage.keys import PRIVATE_FOLDER, is_s3_uri
from ocr_train.storage.local import exclusive

Fetch = Callable[[str, Path, Echo], Path]
MARKER = "prepare"


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """What to prepare: `data` is a folder, an archive or an S3 address, `source_format` "auto" or a tool's.

    `dictionary` None means dict.txt beside the data, which the folder gets a copy of; else characters are
    checked against `model_dictionary`, or not at all. `rules` makes the rules of the dictionary. `val` is the
    share to validate on where the data do not say. `choices` say how labels are read. `link` hard-links images of a local folder, too.
    """

    data: str
    task: str
    source_format: str = "auto"
    format_options: Mapping[str, object] = field(default_factory=dict)
    choices: LabelChoices = field(default_factory=LabelChoices)
    dictionary: Path | None = None
    model_dictionary: Path | None = None
    use_space_char: bool = False
    rules: Callable[[Dictionary | None], Rules]
    val: float = 0.2
    seed: int = 0
    group_by: str | None = None
    on_bad_sample: str = STOP
    link: bool = False
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class PreparedFolder:
    """What the folder holds now. `quarantined` counts samples left out, `counts` problems by kind;
    `written` images are new here, `kept` ones were already there, `removed` are gone."""

    folder: Path
    format: str
    digest: str
    train: int
    val: int
    images: int
    written: int
    kept: int
    removed: int
    quarantined: int
    dictionary: Path | None
    counts: Mapping[str, int]
    notes: tuple[str, ...]


def prepare_folder(options: PrepareOptions, out: Path, *, fetch: Fetch, echo: Echo) -> PreparedFolder:
    """Make `out` hold what `options` asks for; the same data and options give the same digest everywhere.

    Raises `DataError` with every problem of the labels (then `out` has problems.json and report.html), where
    `out` holds other data, or a set of another digest and `options.overwrite` is not set; `StorageError` where
    data cannot be fetched. A second call goes on from where the first was interrupted.
    """
    local = None if is_s3_uri(options.data) else Path(options.data).expanduser()
    archive = local if local is not None and is_archive_path(local) else None
    if local is not None and archive is None:
        require_folder(local)
    _claim(out, None if archive else local)
    with exclusive(out):
        private = out / PRIVATE_FOLDER
        work = private / "work"
        shutil.rmtree(work, ignore_errors=True)
        try:
            if archive is not None:
                folder = unpack_once(archive, _only(private / "source", unpacked_name(archive)))
            else:
                folder = local or _fetch(options.data, private / "source", fetch, echo)
            source = as_paddleocr(
                folder,
                options.task,
                work / "converted",
                source_format=options.source_format,
                options={**options.format_options, **options.choices.of_formats},
            )
            echo_source(source, echo)
            return _prepare(options, out, work, source, ours=folder != local or source.converted, echo=echo)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _fetch(uri: str, cache: Path, fetch: Fetch, echo: Echo) -> Path:
    """What is below `uri`, in a folder of its own: files of another address must not mix with it."""
    name = hashlib.sha256(uri.encode()).hexdigest()[:16]
    return fetch(uri, _only(cache, name) / name, echo)


def _only(cache: Path, name: str) -> Path:
    """The folder `cache` without what other data left in it."""
    for other in cache.iterdir() if cache.is_dir() else ():
        if other.name != name:
            shutil.rmtree(other)
    return cache


def _claim(out: Path, source: Path | None) -> None:
    """Make `out` ours, or raise `DataError` where it is somebody's."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{str(out)!r} is a file.", hint="Name a new folder for the prepared data.")
    if source is not None:
        inner, outer = sorted((source.resolve(), out.resolve()), key=lambda path: len(path.parts))
        if inner == outer or inner in outer.parents:
            raise DataError(
                f"{str(out)!r} and the data {str(source)!r} are one inside the other.",
                hint="Name a folder beside the data.",
            )
    marker = out / PRIVATE_FOLDER / MARKER
    if not marker.is_file():
        found = (
            sorted(path.name for path in out.iterdir() if path.name != PRIVATE_FOLDER) if out.exists() else []
        )
        if found:
            raise DataError(
                f"{str(out)!r} has other data ({', '.join(found[:5])}); it was not changed.",
                hint="Name a new or an empty folder.",
            )
        write_bytes(marker, b"This folder was filled by `prepare`, which may fill it anew.\n")


def _prepare(
    options: PrepareOptions, out: Path, work: Path, source: LabelSource, *, ours: bool, echo: Echo
) -> PreparedFolder:
    layout = find_layout(source.folder, options.task, source.choices_for(options.choices))
    if not source.converted:
        say_layout(layout, echo)
    if options.task == "table":
        layout, source = place_tables(layout, source, work / "tables", echo)
    dictionary, copied = _dictionary(options, layout, echo)
    files = (*layout.train, *layout.val)
    known = dictionary.problems if dictionary else ()
    report = validate(files, layout.paths, options.rules(dictionary), held=layout.val, known=known)
    shown = map_to_source_lines(report, source)
    write_findings(work / "findings", shown, source, layout.images)
    whole = (out / MANIFEST).exists()
    try:
        quarantined = decide_on_findings(report, shown, source, options.on_bad_sample, echo)
    except DataError as exc:
        # What a set says of itself is not replaced by what a failed attempt found.
        if whole:
            raise
        put_findings(work / "findings", out)
        raise DataError(exc.problem, hint=f"{exc.hint}\nWith pictures: {out / 'report.html'}") from exc
    if quarantined:
        write_quarantine(files, work / "findings" / "quarantine.tsv", report.bad_lines, source)
    sets = clean_sets(
        layout,
        report,
        task=options.task,
        val=options.val,
        seed=options.seed,
        group_by=options.group_by,
        work=work,
    )
    if dictionary is not None:
        train, val = ((line.label for line in lines) for lines in (sets.train, sets.val))
        for sentence in character_use(train, dictionary.charset, val).sentences():
            echo(f"characters: {sentence}")
    done = fill(
        out,
        sets,
        layout.images,
        work=work,
        dictionary=dictionary.path.read_bytes() if dictionary and copied else None,
        link=ours or options.link,
        overwrite=options.overwrite,
    )
    put_findings(work / "findings", out)
    return _result(out, source, sets, done, quarantined, shown)


def _result(
    out: Path, source: LabelSource, sets: Sets, done: Filled, quarantined: int, shown: ValidationReport
) -> PreparedFolder:
    dictionary = out / DICTIONARY
    return PreparedFolder(
        folder=out,
        format=source.format,
        digest=done.manifest.digest,
        train=len(sets.train),
        val=len(sets.val),
        images=len(sets.images),
        written=done.written,
        kept=done.kept,
        removed=done.removed,
        quarantined=quarantined,
        dictionary=dictionary if dictionary.is_file() else None,
        counts=all_counts(shown, source),
        notes=sets.notes,
    )


def _dictionary(options: PrepareOptions, layout: Layout, echo: Echo) -> tuple[Dictionary | None, bool]:
    """The dictionary of recognition labels, and whether the folder gets a copy: a model's own needs none."""
    if options.task != "rec":
        return None, False
    path = first_dictionary(
        named=options.dictionary, beside=layout.dictionary, model=options.model_dictionary
    )
    echo(say_dictionary(path, options.rules(None).charset))
    if path is None:
        return None, False
    return read_dictionary(path, use_space_char=options.use_space_char), path != options.model_dictionary
