"""Fonts for texts in pictures and plots: Sarabun (Thai and Latin) where it is installed, matplotlib's DejaVu."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import ImageFont

FAMILIES = ("Sarabun", "DejaVu Sans")
"""For matplotlib, which takes each character from the first of them that has it."""


def font_files() -> list[Path]:
    """The font files that are there, the one with Thai first."""
    found = []
    spec = find_spec("fontpkg_sarabun")
    if spec is not None and spec.origin is not None:
        found.append(Path(spec.origin).parent / "files" / "Sarabun-Regular.ttf")
    if find_spec("matplotlib") is not None:
        import matplotlib as mpl

        found.append(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
    return [path for path in found if path.is_file()]


@lru_cache(maxsize=16)
def load_label_font(size_px: int, *, text: str = "") -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font for Pillow that has the characters of `text`, else the first there is, else Pillow's own.

    Thai marks are set in their places where Pillow's Raqm layout works; a picture is drawn without it, too.
    """
    from PIL import ImageFont, features

    files = font_files()
    if not files:
        return ImageFont.load_default()
    path = next((path for path in files if _characters(path).issuperset(text)), files[0])
    layout = ImageFont.Layout.RAQM if features.check("raqm") else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(path), size_px, layout_engine=layout)


@lru_cache(maxsize=4)
def _characters(path: Path) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    return frozenset(chr(character) for character in FT2Font(str(path)).get_charmap())
