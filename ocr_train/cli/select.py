"""The command `select`: which images to label next."""

from __future__ import annotations

import argparse
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.atomic_files import write_text
from ocr_train.cli.options import whole_number
from ocr_train.cli.output import Commands, add_json, echo_for, give_json, table
from ocr_train.cli.reading import (
    add_model_options,
    add_stall_option,
    add_unlabelled,
    find_models,
    images_below,
    local_places,
    progress_line,
    read_with_progress,
    require_all_read,
)
from ocr_train.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ocr_train.analysis.predictions import Reading
    from ocr_train.labelling.selection import Candidate, ImageSelection
    from ocr_train.labelling.thumbnails import ImageLook

COLUMNS = ("rank", "image", "confidence", "why", "source")
_SHOWN = 20


def add_commands(commands: Commands) -> None:
    """Add `select`."""
    parser = commands.add_parser(
        "select",
        command=_select,
        help="which images to label next: what a model is least sure of, spread over the data",
        description="Read unlabelled images with a trained model and choose those that it is least sure of, not a hundred "
        "alike, and say why for each. Exit status: 0, 3 where an image could not be read.",
    )
    add = parser.add_argument
    add_unlabelled(parser, "UNLABELLED")
    add("--count", type=whole_number(1), default=100, metavar="N", help="so many images (default: 100)")
    add(
        "--out",
        type=Path,
        metavar="PATH",
        help="a name with .txt: the list, one path a line; any other: a new folder with copies, the list and the reasons",
    )
    add_model_options(parser)
    add_stall_option(parser)
    add_json(parser)


@dataclass(kw_only=True)
class _Looked:
    """The images by what they hold: one of each content, how many `copies` it has, and those that cannot be read."""

    looks: dict[Path, ImageLook] = field(default_factory=dict)
    copies: dict[Path, int] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)


def _select(arguments: argparse.Namespace) -> int:
    from ocr_train.labelling.selection import select_spread

    echo = echo_for(arguments)
    out: Path | None = arguments.out
    if out is not None and out.suffix != ".txt" and out.exists():
        raise ConfigError(
            f"{str(out)!r} exists.", hint="Give a new folder, or a name with .txt for the list."
        )
    images = images_below(local_places(arguments.images, echo))
    with tempfile.TemporaryDirectory(prefix="select-") as work:
        models = find_models(arguments, Path(work), arguments.model, tasks=("det", "rec", "lines"))
        looked = _look(list(images))
        candidates = []
        for reading in read_with_progress(arguments, models, list(looked.looks)):
            if reading.error:
                looked.failed[reading.image] = reading.error
            else:
                candidates.append(_candidate(reading, models.task, looked))
    selection = select_spread(candidates, arguments.count)
    for line in _table(selection, images):
        echo(line)
    for line in _counts(selection, len(images), looked, arguments.count):
        echo(line)
    if out is not None:
        echo(_write(out, selection, images))
        if out.suffix != ".txt":
            rec = f" --rec {shlex.quote(arguments.rec)}" if arguments.rec else ""
            target = f"--with {shlex.quote(arguments.model)}{rec} --out {shlex.quote(f'{out}-labels')}"
            echo(f"next: python -m ocr_train label {shlex.quote(str(out))} {target}")
    give_json(arguments, _answer(selection, looked))
    require_all_read(list(looked.failed.items()), len(images), "They are not among the chosen ones.")
    return 0


def _look(images: Sequence[Path]) -> _Looked:
    """Each content once: an exact copy is never chosen beside its like."""
    from ocr_train.labelling.thumbnails import look_at

    found, firsts = _Looked(), dict[str, Path]()
    with progress_line("looked at", len(images)) as progress:
        for look in look_at(images, progress):
            if look.error:
                found.failed[look.image] = look.error
            elif look.digest in firsts:
                found.copies[firsts[look.digest]] += 1
            else:
                firsts[look.digest] = look.image
                found.looks[look.image] = look
                found.copies[look.image] = 0
    return found


def _candidate(reading: Reading, task: str, looked: _Looked) -> Candidate:
    """What is remembered of a reading: not its boxes, of which thousands of pages have many."""
    from ocr_train.labelling.confidence import confidence_of
    from ocr_train.labelling.selection import Candidate

    look, sure = looked.looks[reading.image], confidence_of(reading, task)
    if look.grey is None:
        raise DataError(f"{reading.image}: it cannot be read.")
    text = " ".join(line.text for line in reading.lines)[:2000] if task == "lines" else reading.text
    return Candidate(
        image=reading.image,
        grey=look.grey,
        aspect=look.aspect,
        text=text,
        boxes=len(reading.boxes) or len(reading.lines),
        confidence=sure.least,
        why=sure.why,
        copies=looked.copies[reading.image],
        empty=task != "rec" and not sure.parts,
    )


def _table(selection: ImageSelection, names: Mapping[Path, str]) -> list[str]:
    rows = [("rank", "image", "why")]
    rows += [
        (str(rank), names[one.candidate.image], one.reason)
        for rank, one in enumerate(selection.chosen[:_SHOWN], start=1)
    ]
    rest = len(selection.chosen) - _SHOWN
    return [*table(rows), *([f"... and {rest} more"] if rest > 0 else [])]


def _counts(selection: ImageSelection, images: int, looked: _Looked, wanted: int) -> list[str]:
    copies = sum(looked.copies.values())
    lines = [
        f"{len(selection.chosen)} of {images} images chosen; left out: {copies} exact copies, "
        f"{selection.nearly_same} nearly the same as a chosen one, {len(looked.failed)} that could not be read"
    ]
    if len(selection.chosen) < wanted:
        lines.append(f"{wanted} were asked for: there are no more that differ")
    return lines


def _write(out: Path, selection: ImageSelection, names: Mapping[Path, str]) -> str:
    """Write the list, or the folder; what was written."""
    from ocr_train.analysis.tables import write_csv
    from ocr_train.labelling.prelabels import names_of_copies

    chosen = [one.candidate.image for one in selection.chosen]
    if out.suffix == ".txt":
        write_text(out, "".join(f"{image}\n" for image in chosen))
        return f"list: {out}"
    copies = names_of_copies({image: names[image] for image in chosen})
    out.mkdir(parents=True)
    for image in chosen:
        shutil.copyfile(image, out / copies[image])
    rows = [
        (
            *(str(rank), copies[one.candidate.image], one.candidate.confidence),
            *(one.reason, str(one.candidate.image)),
        )
        for rank, one in enumerate(selection.chosen, start=1)
    ]
    write_csv(out / "selected.csv", COLUMNS, rows)
    write_text(out / "selected.txt", "".join(f"{image}\n" for image in chosen))
    return f"copies: {out}, with the reasons in selected.csv"


def _answer(selection: ImageSelection, looked: _Looked) -> dict[str, object]:
    return {
        "selected": [
            {
                "rank": rank,
                "image": str(one.candidate.image),
                "confidence": one.candidate.confidence,
                "why": one.reason,
                "alike": one.alike,
                "chosen_alike": one.chosen_alike,
                "copies": one.candidate.copies,
            }
            for rank, one in enumerate(selection.chosen, start=1)
        ],
        "nearly_same": selection.nearly_same,
        "failed": [{"image": str(image), "error": why} for image, why in looked.failed.items()],
    }
