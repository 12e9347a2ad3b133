"""What images look like."""

from __future__ import annotations

from pathlib import Path

from ocr_train.labelling.thumbnails import look_at
from tests.labelling.builders import draw_page


def test_images_are_looked_at_in_their_order(tmp_path: Path) -> None:
    """The same bytes have the same digest; what is no image says why; how far it is is told."""
    first = draw_page(tmp_path / "a.png", (120, 60))
    copy = tmp_path / "copy.png"
    copy.write_bytes(first.read_bytes())
    torn = tmp_path / "torn.png"
    torn.write_bytes(b"torn")
    told: list[int] = []
    looks = list(look_at([first, copy, torn, tmp_path / "gone.png"], told.append))
    assert looks[0].digest == looks[1].digest
    assert looks[0].grey is not None
    assert looks[0].grey.shape == (32, 32)
    assert looks[0].aspect == 2.0
    assert [bool(one.error) for one in looks] == [False, False, True, True]
    assert "it cannot be read: No such file" in looks[3].error
    assert told == [4]
