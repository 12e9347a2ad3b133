"""The lower sections of the page as values: what differs, validation images, checkpoints, resumed runs."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ocr_train.checkpoints.store import CheckpointManifest
from ocr_train.compare.differences import DIGEST, Differences, Row
from ocr_train.compare.resume_command import resume_command
from ocr_train.compare.scale import figure, format_number
from ocr_train.compare.shown import SHORT_ID, Shown, dollars, duration
from ocr_train.compare.values import Picture, RunData, is_finite
from ocr_train.disk import human

MAX_CHECKPOINTS = 12
_SCORES = ("hmean", "acc", "precision", "recall", "norm_edit_dis")
_NOT_SHOWN = frozenset({"step", "seed", "index"})
_LONG = 240
_DIGEST_SHOWN = 16


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A group of differences: its title, a note on what is the same, and its rows."""

    title: str
    note: str
    rows: Sequence[Row]


def topics(runs: Shown, found: Differences) -> list[Topic]:
    """Data first, because scores hang on it; of one run alone, what it was made with."""
    alone = len(runs.runs) == 1
    config, launch = ([], []) if alone else (found.config, found.launch)
    return [
        Topic(title="Data", note="", rows=found.data),
        Topic(
            title="Configuration",
            note=_same(found.same_config, config, "settings", alone=alone),
            rows=config,
        ),
        Topic(
            title="Launch parameters",
            note=_same(found.same_launch, launch, "parameters", alone=alone),
            rows=launch,
        ),
        Topic(
            title="Code version",
            note="" if found.code else "no run says which commit it was started from",
            rows=found.code,
        ),
        Topic(
            title="Environment",
            note="" if found.environment else "no run says its versions",
            rows=found.environment,
        ),
    ]


def _same(count: int, rows: Sequence[Row], what: str, *, alone: bool) -> str:
    if alone:
        return f"{count} {what}: they are in MLflow"
    if not rows:
        return f"nothing differs: {count} {what} are the same" if count else f"no run has {what}"
    return f"{count} other {what} are the same"


def shortened(value: str, name: str) -> str:
    """The value of the row `name`, cut where it is long."""
    most = _DIGEST_SHOWN if name == DIGEST else _LONG
    return value if len(value) <= most else f"{value[:most]}…"


@dataclass(frozen=True, kw_only=True)
class PictureShown:
    """A validation image as one run sees it: `source` is a data address, `marked` the prediction in pieces, each
    right or wrong; `verdict` is "right" or "wrong" of a text, and empty of boxes."""

    name: str
    source: str
    verdict: str
    prediction: str
    truth: str
    marked: Sequence[tuple[str, bool]]
    figures: str


def picture_names(runs: Shown, most: int) -> list[str]:
    """The images that most runs have, in the order of the first run that has them."""
    counts: dict[str, int] = {}
    for run in runs.runs:
        for picture in run.samples.pictures:
            counts[picture.name] = counts.get(picture.name, 0) + 1
    return sorted(counts, key=lambda name: -counts[name])[:most]


def pictures(run: RunData) -> dict[str, PictureShown]:
    """The run's validation images by name."""
    return {picture.name: _picture(picture) for picture in run.samples.pictures}


def _picture(picture: Picture) -> PictureShown:
    figures = [
        f"{name.replace('_', ' ')} {format_number(value)}"
        for name, value in picture.scores.items()
        if is_finite(value) and name not in _NOT_SHOWN
    ]
    image = base64.b64encode(picture.image).decode("ascii")
    known = bool(picture.text and (picture.prediction or picture.truth))
    right = picture.prediction == picture.truth
    return PictureShown(
        name=picture.name,
        source=f"data:{picture.mime};base64,{image}" if image else "",
        verdict=("right" if right else "wrong") if known else "",
        prediction=picture.prediction,
        truth=picture.truth,
        marked=_marked(picture.truth, picture.prediction) if known and not right else (),
        figures=" · ".join(figures),
    )


def _marked(truth: str, prediction: str) -> list[tuple[str, bool]]:
    """The prediction in pieces, each with whether it is right; a caret stands where letters are missing."""
    matcher = difflib.SequenceMatcher(None, truth, prediction, autojunk=False)
    return [
        (prediction[start:end] or "‸", kind == "equal")
        for kind, _, _, start, end in matcher.get_opcodes()
        if prediction
    ]


@dataclass(frozen=True, kw_only=True)
class CheckpointRow:
    """A stored checkpoint, and the command that resumes from it."""

    step: int
    epoch: int
    scores: str
    aliases: Sequence[str]
    size: str
    command: str


def checkpoint_rows(run: RunData) -> list[CheckpointRow]:
    """The run's newest checkpoints, newest first, and whatever an alias names."""
    found = run.checkpoints
    return [
        CheckpointRow(
            step=manifest.step,
            epoch=manifest.epoch,
            scores=", ".join(
                f"{name} {figure(manifest.metrics[name])}" for name in _SCORES if name in manifest.metrics
            )
            or "–",
            aliases=[alias for alias, named in found.aliases.items() if named == manifest.folder],
            size=human(sum(entry.size for entry in manifest.files)),
            command=resume_command(run, manifest),
        )
        for manifest in to_show(found.manifests, found.aliases.values())
    ]


def to_show(manifests: Sequence[CheckpointManifest], named: Collection[str]) -> list[CheckpointManifest]:
    """The newest ones, newest first, and whatever an alias names."""
    newest = sorted(manifests, key=lambda one: (one.step, one.place), reverse=True)
    return [one for place, one in enumerate(newest) if place < MAX_CHECKPOINTS or one.folder in named]


@dataclass(frozen=True, kw_only=True)
class LineRow:
    """A resumed run: where it comes from, what has changed since, and what the whole line took."""

    place: int
    parent: str
    changed: str
    time: str
    cost: str


def lineage(runs: Shown) -> list[LineRow]:
    """Which run was resumed from which."""
    return [_line_row(runs, place) for place, run in enumerate(runs.runs) if run.parent]


def _line_row(runs: Shown, place: int) -> LineRow:
    run = runs.runs[place]
    line = line_of(runs, run)
    known = [one.cost_usd for one in line if one.cost_usd is not None]
    here = any(one.run_id == run.parent for one in runs.runs)
    parent = runs.label(run.parent) if here else f"{run.parent[:SHORT_ID]} (not compared here)"
    return LineRow(
        place=place,
        parent=f"{parent}, step {run.parent_step:,}",
        changed=run.tags.get("param_drift", "nothing"),
        time=duration(sum(one.hours for one in line)),
        cost=dollars(sum(known)) if len(known) == len(line) else "–",
    )


def line_of(runs: Shown, run: RunData) -> list[RunData]:
    """The run and, one by one, those that it was resumed from, as far as they are here."""
    known = {one.run_id: one for one in runs.runs}
    found = [run]
    while (parent := known.get(found[-1].parent)) is not None and parent not in found:
        found.append(parent)
    return found
