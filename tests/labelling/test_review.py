"""The page of pre-labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ocr_train.analysis.predictions import Reading
from ocr_train.labelling.prelabels import prelabel_boxes, rank_prelabels
from ocr_train.labelling.review import level_of, write_card, write_page
from tests.labelling.builders import draw_page, read_lines, text_line


def test_the_page_shows_pictures_with_their_least_sure_lines(tmp_path: Path) -> None:
    """Texts are escaped; the pictures are in a folder of their own."""
    image = draw_page(tmp_path / "a.png")
    reading = read_lines(image, text_line("sure", 0.99), text_line("<b>", 0.2, y=40))
    (one,) = rank_prelabels([reading], {image: "a.png"}, "lines", number=False)
    boxes, _ = prelabel_boxes(reading, "lines", (120, 80))
    card = write_card(tmp_path, one, np.full((80, 120, 3), 255, np.uint8), boxes, "lines")
    assert card.texts == (("<b>", 0.2, "low"), ("sure", 0.99, "high"))
    failed = Reading(image=Path("torn.png"), error="it is torn")
    page = write_page(tmp_path, [card], total=5, failed=[failed], summary="5 images", models="a model")
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert 'src="review/a_review.jpg"' in text
    assert (tmp_path / "review" / "a_review.jpg").is_file()
    assert "torn.png" in text
    assert "The 1 least sure of 5 images are shown" in text


def test_a_confidence_has_a_word() -> None:
    """Which has a colour."""
    assert [level_of(value) for value in (0.49, 0.5, 0.89, 0.9)] == ["low", "middle", "middle", "high"]
