"""The page review.html of a folder of pre-labels: its pictures with what was read, the least sure first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_train.analysis.predictions import Reading
from ocr_train.atomic_files import write_text
from ocr_train.drawing.boxes import outline_box
from ocr_train.drawing.html_pages import render
from ocr_train.labelling.confidence import SURE
from ocr_train.labelling.prelabels import PreLabel, ScoredBoxes

TEMPLATE = Path(__file__).parent / "review.html.jinja"
SHOWN = 300
"""More pictures make a page that browsers open slowly."""
_SIDE_PX = 720
_LINES = 6
_LOW = 0.5
_COLOURS = {"low": (198, 40, 40), "middle": (230, 140, 0), "high": (46, 125, 50)}


@dataclass(frozen=True, kw_only=True)
class ReviewCard:
    """One picture of the page; `texts` are its least sure lines with their confidence and its level."""

    name: str
    picture: str
    least: float
    level: str
    why: str
    texts: tuple[tuple[str, float, str], ...]


def level_of(confidence: float) -> str:
    """A word for a confidence, which has a colour on the page: low below 0.5, high from 0.9 on."""
    return "low" if confidence < _LOW else "high" if confidence >= SURE else "middle"


def write_card(folder: Path, one: PreLabel, picture: Any, boxes: ScoredBoxes, task: str) -> ReviewCard:
    """Draw the boxes into a small copy of `picture` (BGR) in `folder`/review, which no labelling tool looks into."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture[:, :, ::-1])
    scale = min(1.0, _SIDE_PX / max(image.size))
    small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    pen = ImageDraw.Draw(small)
    for box, score in boxes if task != "rec" else ():
        outline_box(
            pen, [(x * scale, y * scale) for x, y in box.points], small.size, _COLOURS[level_of(score)]
        )
    # Another name than the image has: images are looked for by name where a folder was called something else.
    target = folder / "review" / f"{Path(one.name).stem}_review.jpg"
    target.parent.mkdir(parents=True, exist_ok=True)
    small.save(target, "JPEG", quality=80)
    read = [(box.transcription, score) for box, score in boxes if task != "det"]
    worst = sorted(read, key=lambda line: line[1])[:_LINES]
    return ReviewCard(
        name=one.name,
        picture=f"review/{target.name}",
        least=one.confidence.least,
        level=level_of(one.confidence.least),
        why=one.confidence.why,
        texts=tuple((text or "(nothing)", score, level_of(score)) for text, score in worst),
    )


def write_page(
    folder: Path,
    cards: Sequence[ReviewCard],
    *,
    total: int,
    failed: Sequence[Reading],
    summary: str,
    models: str,
) -> Path:
    """Write review.html to `folder`."""
    page = render(
        TEMPLATE,
        filters={},
        cards=list(cards),
        total=total,
        failed=[(str(one.image), one.error) for one in failed],
        summary=summary,
        models=models,
    )
    write_text(folder / "review.html", page)
    return folder / "review.html"
