"""The command `label`: what a model reads in images, as labels for people to correct in PPOCRLabel."""

from __future__ import annotations

import argparse
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli.output import Commands, add_json, echo_for, give_json
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
from ocr_train.data.files.image_files import safe_name
from ocr_train.errors import ConfigError

if TYPE_CHECKING:
    from ocr_train.analysis.predictions import Reading
    from ocr_train.cli.reading import ReadingModels
    from ocr_train.labelling.ppocrlabel_folder import WrittenPrelabels
    from ocr_train.labelling.prelabels import PreLabel
    from ocr_train.run import Echo

_PAGES, _LINES = 100, 500
"""Images a process: what an interruption loses at most. A page takes a second or two, a line some hundredths."""


def add_commands(commands: Commands) -> None:
    """Add `label`."""
    parser = commands.add_parser(
        "label",
        command=_label,
        help="labels made by a model, for people to correct in PPOCRLabel, the least sure first",
        description="Read images with a trained model and write what PPOCRLabel opens: copies of the images, Label.txt, "
        "crops, the confidence of each image, and a page with the least sure first. Exit status: 0, 3 where an image "
        "could not be read.",
    )
    add = parser.add_argument
    add_unlabelled(parser, "IMAGES")
    add("--out", type=Path, required=True, metavar="DIR", help="the folder to write, for PPOCRLabel to open")
    add(
        "--number",
        action="store_true",
        help="begin the names of the copies with their rank: PPOCRLabel sorts by name",
    )
    add("--overwrite", action="store_true", help="write pre-labels anew that nobody has changed")
    add_model_options(parser)
    add_stall_option(parser)
    add_json(parser)


def _label(arguments: argparse.Namespace) -> int:
    from ocr_train.labelling.ppocrlabel_folder import require_new_or_untouched
    from ocr_train.labelling.prelabels import rank_prelabels

    echo = echo_for(arguments)
    out = arguments.out.absolute()
    _require_name(out)
    images = images_below(local_places(arguments.images, echo))
    _require_outside(list(images), out)
    require_new_or_untouched(out, overwrite=arguments.overwrite)
    part = out.with_name(f".{out.name}.part")
    with tempfile.TemporaryDirectory(prefix="label-") as work:
        models = find_models(arguments, Path(work), arguments.model, tasks=("det", "rec", "lines"))
        readings = _read(arguments, models, list(images), part, echo)
    ranked = rank_prelabels(readings, images, models.task, number=arguments.number)
    written, sure = _write(part, out, ranked, models, echo)
    answer = {
        "folder": str(out),
        "task": models.task,
        "images": written.images,
        "boxes": written.boxes,
        "crops": written.crops,
        "sure": sure,
        "failed": [{"image": str(one.image), "error": one.error} for one in written.failed],
        "lost_boxes": dict(written.lost),
    }
    give_json(arguments, answer)
    failed = [(one.image, one.error) for one in written.failed]
    require_all_read(failed, len(ranked), "They are in confidence.csv; the others have labels.")
    return 0


def _require_name(out: Path) -> None:
    if safe_name(out.name) != out.name or out.name.startswith("."):
        raise ConfigError(
            f"{out.name!r} cannot be the name of the folder: it is in every line of Label.txt.",
            hint=f"Give another one, such as {safe_name(out.name).lstrip('._') or 'labels'!r}.",
        )


def _require_outside(images: Sequence[Path], out: Path) -> None:
    inside = next((image for image in images if image.is_relative_to(out)), None)
    if inside is not None:
        raise ConfigError(
            f"{str(inside)!r} lies in the folder that would be written.",
            hint="Give another folder with --out.",
        )


def _read(
    arguments: argparse.Namespace, models: ReadingModels, images: Sequence[Path], part: Path, echo: Echo
) -> list[Reading]:
    """What is known of an earlier call that was stopped, and the rest read now; kept as it comes."""
    from ocr_train.labelling.kept_readings import KeptReadings

    kept = KeptReadings(part, models.identity)
    found = {image: reading for image in images if (reading := kept.get(image)) is not None}
    if found:
        echo(f"{len(found)} of {len(images)} images were read by an earlier call that was stopped")
    rest = [image for image in images if image not in found]
    chunk = _LINES if models.task == "rec" else _PAGES
    for reading in read_with_progress(arguments, models, rest, chunk=chunk):
        kept.add(reading)
        found[reading.image] = reading
    return [found[image] for image in images]


def _write(
    part: Path, out: Path, ranked: Sequence[PreLabel], models: ReadingModels, echo: Echo
) -> tuple[WrittenPrelabels, int]:
    """Write everything beside its place and move it there when it is whole; how many images are surely right."""
    from ocr_train.labelling import review
    from ocr_train.labelling.confidence import SURE
    from ocr_train.labelling.ppocrlabel_folder import (
        require_new_or_untouched,
        write_prelabels,
        write_record,
    )

    folder = part / "folder"
    shutil.rmtree(folder, ignore_errors=True)
    cards: list[review.ReviewCard] = []
    with progress_line("wrote", len(ranked)) as progress:
        written = write_prelabels(
            folder,
            ranked,
            models.task,
            name=out.name,
            progress=progress,
            seen=lambda one, picture, boxes: (
                cards.append(review.write_card(folder, one, picture, boxes, models.task))
                if len(cards) < review.SHOWN
                else None
            ),
        )
    sure = sum(not one.reading.error and one.confidence.least >= SURE for one in ranked)
    summary = (
        f"{written.images} images with {written.boxes} boxes; in {sure} of them ({sure / max(1, written.images):.0%}) "
        f"the model is sure of everything (confidence of {SURE:g} or more): begin with the others."
    )
    review.write_page(
        folder, cards, total=written.images, failed=written.failed, summary=summary, models=models.description
    )
    write_record(folder, models.task, models.description)
    if out.exists():
        # Reading takes hours, in which somebody may have begun to correct what is there.
        require_new_or_untouched(out, overwrite=True)
        shutil.rmtree(out)
    folder.rename(out)
    shutil.rmtree(part, ignore_errors=True)
    for line in _what_next(out, summary, written, models.task):
        echo(line)
    return written, sure


def _what_next(out: Path, summary: str, written: WrittenPrelabels, task: str) -> list[str]:
    lines = [summary]
    if written.lost:
        listed = ", ".join(f"{kind}: {count}" for kind, count in sorted(written.lost.items()))
        lines.append(f"boxes that cannot be used and were left out: {listed}")
    train = "rec" if task == "rec" else "det"
    folder, back = shlex.quote(str(out)), shlex.quote(f"{out}-corrected")
    run = "python -m ocr_train"
    lines += [
        f"look:      {out / 'review.html'} and {out / 'confidence.csv'}, the least sure first",
        f"correct:   PPOCRLabel --lang en, Open Dir {out}; Check confirms an image",
        f"read back: {run} convert ppocrlabel {folder} {back} --only-confirmed",
    ]
    if task != "det":
        lines.append(f"cut:       {run} crop {back}/det/Label.txt {back}/rec")
        lines.append(f"train:     {run} train --model rec --data {back}/rec")
    if task != "rec":
        lines.append(f"train:     {run} train --model det --data {back}/det")
    lines.append(f'better:    with earlier labels: --data "EARLIER_FOLDER 1.0, {out}-corrected/{train} 1.0"')
    return lines
