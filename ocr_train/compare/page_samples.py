"""The same validation images side by side, as each run sees them."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Sequence

from ocr_train.compare.markup import Html, el, joined
from ocr_train.compare.page_parts import Shown, matrix, section
from ocr_train.compare.scale import number
from ocr_train.compare.values import Picture, is_real

_NOT_SHOWN = frozenset({"step", "seed", "index"})


def common_names(runs: Shown, most: int) -> list[str]:
    """The images that most runs have, in the order of the first run that has them."""
    counts: dict[str, int] = {}
    for run in runs.runs:
        for picture in run.samples.pictures:
            counts[picture.name] = counts.get(picture.name, 0) + 1
    return sorted(counts, key=lambda name: -counts[name])[:most]


def samples(runs: Shown, *, most: int) -> Html:
    """The section: a row for each image, a column for each run that has looked at images."""
    missing = [
        el("li", f"{runs.labels[place]}: {run.samples.problem}", class_="sub")
        for place, run in enumerate(runs.runs)
        if run.samples.problem
    ]
    rest = [el("ul", *missing, class_="plain")] if missing else []
    names = common_names(runs, most)
    sub = (
        "A fixed sample, the same in every run on the same data, as the newest look of each run shows it "
        f"({', '.join(_step(runs, place) for place in range(len(runs.runs)) if runs.runs[place].samples.pictures)})."
    )
    if not names:
        text = "No run has sample pictures." if len(runs.runs) > 1 else "The run has no sample pictures."
        return section("samples", "Validation images", el("p", text, class_="empty"), *rest)
    places = [place for place, run in enumerate(runs.runs) if run.samples.pictures]
    tables = el("div", _table(runs, places, names), class_="shots")
    return section("samples", "Validation images", tables, *rest, sub=sub)


def _step(runs: Shown, place: int) -> str:
    return f"{runs.labels[place]} at step {runs.runs[place].samples.step:,}"


def _table(runs: Shown, places: Sequence[int], names: Sequence[str]) -> Html:
    by_name = [{picture.name: picture for picture in run.samples.pictures} for run in runs.runs]

    def cell(row: int, place: int) -> Html:
        picture = by_name[place].get(names[row])
        if picture is not None:
            return _picture(picture)
        return el("td", el("span", "not in its sample", class_="empty"))

    return matrix(runs, "Image", names, places, cell)


def _picture(picture: Picture) -> Html:
    if picture.image:
        source = f"data:{picture.mime};base64,{base64.b64encode(picture.image).decode('ascii')}"
        image = el("img", src=source, alt=picture.name, loading="lazy")
    else:
        image = el("p", "the picture cannot be read", class_="empty")
    figures = [
        f"{name.replace('_', ' ')} {number(value)}"
        for name, value in picture.scores.items()
        if is_real(value) and name not in _NOT_SHOWN
    ]
    parts = [image, *_text(picture)]
    if figures:
        parts.append(el("div", " · ".join(figures), class_="scores"))
    return el("td", *parts)


def _text(picture: Picture) -> list[Html]:
    """The prediction with what is wrong in it marked, and the truth where it is another."""
    if not picture.prediction and not picture.truth:
        return []
    if not picture.text:
        truth = f"truth: {picture.truth}" if picture.truth else ""
        return [
            el("div", picture.prediction or "nothing found", class_="text"),
            el("div", truth, class_="scores"),
        ]
    if picture.prediction == picture.truth:
        return [
            el("div", picture.prediction, " ", el("span", "✓", class_="ok", title="correct"), class_="text")
        ]
    marked = _marked(picture.truth, picture.prediction) if picture.prediction else Html("<i>nothing read</i>")
    return [
        el("div", marked, class_="text"),
        el("div", f"truth: {picture.truth or '(no text)'}", class_="scores"),
    ]


def _marked(truth: str, prediction: str) -> Html:
    matcher = difflib.SequenceMatcher(None, truth, prediction, autojunk=False)
    parts: list[Html | str] = []
    for kind, _, _, start, end in matcher.get_opcodes():
        if kind == "equal":
            parts.append(prediction[start:end])
        else:
            parts.append(el("mark", prediction[start:end] or "‸"))
    return joined(parts)
