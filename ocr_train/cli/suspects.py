"""`predict --labels`: which labels look wrong to a trained model."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.atomic_files import write_bytes
from ocr_train.cli.output import print_json, require_apart, require_labels, table
from ocr_train.cli.reading import find_models, read_with_progress, require_all_read
from ocr_train.errors import ConfigError

if TYPE_CHECKING:
    from ocr_train.analysis.predictions import Scored
    from ocr_train.analysis.suspects import Suspect
    from ocr_train.labelling.labelled_images import LabelledImages
    from ocr_train.models.source import ModelSource

_SHOWN = 20


def add_suspect_options(parser: argparse.ArgumentParser) -> None:
    """Add what is compared with what the model reads, and where to write what differs."""
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="LABELS",
        help="instead of images: a label file, or a data folder (its validation labels), to find labels that look wrong",
    )
    parser.add_argument(
        "--suspects",
        metavar="FILE",
        help="with --labels: write the labels that look wrong to this CSV file, the most suspect first "
        "('-': stdout; default: suspects.csv)",
    )
    parser.add_argument(
        "--images",
        dest="images_dir",
        type=Path,
        metavar="DIR",
        help="with --labels: the folder that image paths are relative to (default: that of LABELS, or the one above it)",
    )


def predict_suspects(arguments: argparse.Namespace) -> int:
    """Read the labelled images and list the labels that look wrong; the exit status is 3 where one cannot be read."""
    from ocr_train.analysis.predictions import score_all, totals
    from ocr_train.analysis.suspects import find_suspects

    target = arguments.suspects or "suspects.csv"
    if arguments.labels.is_file():
        require_apart([arguments.labels], [target, arguments.json])
    with tempfile.TemporaryDirectory(prefix="predict-") as work:
        models = find_models(arguments, Path(work), arguments.model, tasks=("det", "rec", "cls"))
        found = _labelled(arguments, models.model)
        chosen = found.samples
        answers = list(read_with_progress(arguments, models, chosen.paths, texts=chosen.texts))
    scored = score_all(chosen, answers)
    suspects = find_suspects(scored)
    _give(arguments, suspects, found, target)
    for line in _summary(suspects, scored, found, totals(scored, chosen.task), target):
        print(line, file=sys.stderr)
    failed = [
        (f"{found.places[one.sample.name]} {one.sample.name}", one.answer.error)
        for one in scored
        if one.answer.error
    ]
    require_all_read(failed, len(answers), "The others were read and compared with their labels.")
    return 0


def _labelled(arguments: argparse.Namespace, model: ModelSource) -> LabelledImages:
    from ocr_train.analysis.text_scores import text_rules
    from ocr_train.config.requests import LabelChoices
    from ocr_train.data.files.image_paths import paths_of
    from ocr_train.data.layout import find_layout
    from ocr_train.labelling.labelled_images import read_labelled
    from ocr_train.models.source import read_config

    rules = text_rules(read_config(model.config), model.task)
    if arguments.labels.is_dir():
        choices = LabelChoices(images=str(arguments.images_dir or ""))
        layout = find_layout(arguments.labels, model.task, choices)
        return read_labelled(layout.val or layout.train, layout.paths, model.task, rules)
    require_labels(arguments.labels)
    paths = paths_of([arguments.labels], arguments.images_dir, "")
    return read_labelled([arguments.labels], paths, model.task, rules)


def _give(
    arguments: argparse.Namespace, suspects: Sequence[Suspect], found: LabelledImages, target: str
) -> None:
    from ocr_train.analysis.suspects import write_suspects

    if target == "-":
        with tempfile.TemporaryDirectory() as folder:
            path = write_suspects(Path(folder) / "suspects.csv", suspects, found.places)
            print(path.read_text(encoding="utf-8"), end="")
    else:
        write_suspects(Path(target), suspects, found.places)
    if arguments.json is None:
        return
    lines = [
        json.dumps({"line": found.places.get(one.name, ""), **asdict(one)}, ensure_ascii=False)
        for one in suspects
    ]
    if arguments.json == "-":
        for line in lines:
            print_json(line)
    else:
        text = "".join(f"{line}\n" for line in lines)
        write_bytes(Path(arguments.json), text.encode("utf-8", "backslashreplace"))


def _summary(
    suspects: Sequence[Suspect],
    scored: Sequence[Scored],
    found: LabelledImages,
    figures: dict[str, float],
    target: str,
) -> list[str]:
    rows = [("line", "label", "read", "confidence", "why")]
    rows += [
        (found.places.get(one.name, ""), one.label, one.read, f"{one.confidence:.2f}", one.why)
        for one in suspects[:_SHOWN]
    ]
    lines = table(rows) if suspects else []
    if len(suspects) > _SHOWN:
        lines.append(f"... and {len(suspects) - _SHOWN} more")
    score = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
    lines.append(f"{len(scored)} labels: {score}; {len(suspects)} of them may be wrong: {target}")
    if found.bad_lines:
        lines.append(f"{found.bad_lines} line(s) hold no sample: `validate` says why")
    return lines


def require_one_of(arguments: argparse.Namespace) -> None:
    """Raise `ConfigError` unless there are either images or labels, and only what goes with them."""
    if bool(arguments.images) == (arguments.labels is not None):
        raise ConfigError(
            "predict needs images to read, or labels to compare with.",
            hint="predict MODEL IMAGES..., or predict MODEL --labels val.txt --suspects suspects.csv",
        )
    alone = {"--suspects": arguments.suspects, "--images": arguments.images_dir}
    wrong = [name for name, value in alone.items() if value is not None]
    if arguments.labels is None and wrong:
        raise ConfigError(f"{' and '.join(wrong)} need --labels.", hint="Name a label file: --labels val.txt")
    if arguments.labels is not None and (arguments.out is not None or arguments.rec):
        raise ConfigError(
            "--labels goes with neither --out nor --rec: labels are compared with what one model reads.",
            hint="Give the detection labels to a detection model and the texts to a recognition model.",
        )
