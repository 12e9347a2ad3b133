"""The whole page: one HTML file that needs no script, no network and no other file."""

from __future__ import annotations

import base64
import difflib
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from ocr_train.checkpoints.manifest import CheckpointManifest
from ocr_train.compare import figures
from ocr_train.compare.chart import COLOURS, curve_notes, dots_of, panels
from ocr_train.compare.differences import DIGEST, differences, digests_differ
from ocr_train.compare.results import columns, ranked, tiles
from ocr_train.compare.scores import scores, target, winners
from ocr_train.compare.values import SHORT_ID, Picture, RunData, is_finite, label_of, scored_on
from ocr_train.config.experiment import PARAMETERS, Launch
from ocr_train.config.parameters import start_of
from ocr_train.disk import human
from ocr_train.drawing.html_pages import render

TEMPLATE = Path(__file__).with_name("page.html.jinja")
MAX_PICTURES = 96
MAX_IMAGES = 8
MAX_CHECKPOINTS = 12
_SCORES = ("hmean", "acc", "precision", "recall", "norm_edit_dis")
_NOT_SHOWN = frozenset({"step", "seed", "index"})
_LONG = 240
_DIGEST_SHOWN = 16
_NOT_REPEATED = ("resume", "weights_only", "resume_mode", "offline")
"""Parameters that say how the run itself began: not how training continues from it."""


def images_each(count: int) -> int:
    """How many validation images are shown of each of `count` runs."""
    return max(2, min(MAX_IMAGES, MAX_PICTURES // max(1, count)))


def make_page(runs: Sequence[RunData], *, notes: Sequence[str], source: str, now: float) -> str:
    """The page of `runs`, made at `now` (Unix seconds) from the server `source`; `notes` say what was left out."""
    found = scores(runs)
    goal = target(runs, found)
    images = Counter(picture.name for run in runs for picture in run.samples.pictures)
    return render(
        TEMPLATE,
        filters={
            "dots": dots_of,
            "duration": figures.duration,
            "human": human,
            "moment": figures.moment,
            "number": figures.format_number,
            "shortened": shortened,
        },
        runs=runs,
        short_id=SHORT_ID,
        label_of=label_of,
        colours=COLOURS,
        title=f"Report on {runs[0].label}" if len(runs) == 1 else f"{len(runs)} runs compared",
        lead=_lead(runs, source, now),
        digests=_digests(runs),
        notes=[*warnings(runs), *notes],
        tiles=tiles(runs, found, goal),
        columns=columns(found, goal),
        ranked=[runs[place] for place in ranked(found)],
        winners=winners(found),
        panels=(drawn := panels(runs)),
        curve_notes=curve_notes(runs, drawn),
        topics=differences(runs),
        # Those that most runs have, in the order of the first run that has them.
        images=[name for name, _ in images.most_common(images_each(len(runs)))],
        pictures_of={run.run_id: {one.name: one for one in run.samples.pictures} for run in runs},
        picture_source=picture_source,
        picture_scores=picture_scores,
        compared_pieces=compared_pieces,
        checkpoints_of=checkpoints_to_show,
        checkpoint_scores=checkpoint_scores,
        resume_command=resume_command,
        line_of=line_of,
        line_cost=line_cost,
    )


def _lead(runs: Sequence[RunData], source: str, now: float) -> str:
    models = sorted({run.model for run in runs if run.model})
    experiments = ", ".join(sorted({run.experiment for run in runs}))
    parts = [f"{'Model' if len(models) == 1 else 'Models'} {', '.join(models)}"] if models else []
    parts += [f"experiment {experiments}", *([f"from {source}"] if source else [])]
    return " · ".join([*parts, f"made {figures.moment(now)}"])


def _digests(runs: Sequence[RunData]) -> dict[str, str]:
    """Each dataset's digest with the runs that were scored on it; nothing where all were on the same."""
    labels: dict[str, list[str]] = {}
    digests = scored_on(runs)
    for run in runs if digests_differ(runs) else ():
        labels.setdefault(digests[run.run_id], []).append(run.label)
    return {digest[:_DIGEST_SHOWN] or "no digest": ", ".join(names) for digest, names in labels.items()}


def warnings(runs: Sequence[RunData]) -> list[str]:
    """What makes the runs less than comparable, or figures less than final."""
    found = []
    metrics = sorted({run.main_metric for run in runs if run.main_metric})
    tasks = sorted({run.task for run in runs if run.task})
    if len(metrics) > 1 or len(tasks) > 1:
        what = f"tasks ({', '.join(tasks)})" if len(tasks) > 1 else f"main metrics ({', '.join(metrics)})"
        found.append(
            f"The runs have different {what}: they are compared in what they share, such as loss, time and cost; a best "
            "run is marked only among those with the same metric."
        )
    if running := [run.label for run in runs if run.status == "RUNNING"]:
        found.append(f"Still running: {', '.join(running)}. Their values are those of this moment.")
    if bare := [run.label for run in runs if not run.series]:
        found.append(f"Without metrics: {', '.join(bare)}.")
    return found


def shortened(value: str, name: str) -> str:
    """The value of the row `name`, cut where it is long."""
    most = _DIGEST_SHOWN if name == DIGEST else _LONG
    return value if len(value) <= most else f"{value[:most]}…"


def picture_source(picture: Picture) -> str:
    """The picture as a data address; empty where it cannot be shown."""
    image = base64.b64encode(picture.image).decode("ascii")
    return f"data:image/jpeg;base64,{image}" if image else ""


def picture_scores(picture: Picture) -> str:
    """Its scores in words."""
    return " · ".join(
        f"{name.replace('_', ' ')} {figures.format_number(value)}"
        for name, value in picture.scores.items()
        if is_finite(value) and name not in _NOT_SHOWN
    )


def compared_pieces(picture: Picture) -> list[tuple[str, bool]]:
    """The prediction in pieces, each with whether it is right; a caret stands where letters are missing."""
    matcher = difflib.SequenceMatcher(None, picture.truth, picture.prediction, autojunk=False)
    return [
        (picture.prediction[start:end] or "‸", kind == "equal")
        for kind, _, _, start, end in matcher.get_opcodes()
        if picture.prediction
    ]


def checkpoints_to_show(run: RunData) -> list[tuple[CheckpointManifest, list[str]]]:
    """The run's newest checkpoints, newest first, and whatever an alias names, with their aliases."""
    aliases = run.checkpoints.aliases
    newest = sorted(run.checkpoints.manifests, key=lambda one: (one.step, one.place), reverse=True)
    found = [(one, [alias for alias, folder in aliases.items() if folder == one.folder]) for one in newest]
    return [(one, names) for place, (one, names) in enumerate(found) if place < MAX_CHECKPOINTS or names]


def checkpoint_scores(checkpoint: CheckpointManifest) -> str:
    """Its scores in words."""
    known = checkpoint.metrics
    return (
        ", ".join(f"{name} {figures.format_score(known[name])}" for name in _SCORES if name in known) or "–"
    )


def resume_command(run: RunData, checkpoint: CheckpointManifest) -> str:
    """The command that continues from `checkpoint`, begun as the run's own was; twice the epochs where the run has had all of its."""
    given = {
        name: run.params[name] for name in PARAMETERS if name not in _NOT_REPEATED and run.params.get(name)
    }
    given.setdefault("model", run.model or checkpoint.model)
    epochs = _whole(run.params.get("cfg/Global.epoch_num", "")) or _whole(given.get("epochs", ""))
    if epochs and checkpoint.epoch >= epochs:
        given["epochs"] = str(2 * epochs)
    start, options = start_of(run.tags.get("launch_command", ""))
    return Launch(**given, resume=f"{run.run_id}:step {checkpoint.step}").command(start, options=options)


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def line_of(runs: Collection[RunData], run: RunData) -> list[RunData]:
    """The run and, one by one, those that it was resumed from, as far as they are here."""
    known = {one.run_id: one for one in runs}
    found = [run]
    while (parent := known.get(found[-1].parent)) is not None and parent not in found:
        found.append(parent)
    return found


def line_cost(line: Sequence[RunData]) -> str:
    """What the runs cost together; a dash where that is not known of all."""
    known = [one.cost_usd for one in line if one.cost_usd is not None]
    return figures.dollars(sum(known)) if len(known) == len(line) else "–"
