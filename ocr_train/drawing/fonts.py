"""The fonts that the demo set is drawn with, and the proof that a font has the glyphs of a text.

DejaVu and STIX come with matplotlib (Latin only), Sarabun with `fontpkg-sarabun` (Thai and Latin).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from ocr_train.errors import SetupError

if TYPE_CHECKING:
    from PIL import ImageFont

_LATIN_FILES = (
    "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf",
    "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSerif-Italic.ttf",
    "STIXGeneral.ttf", "STIXGeneralBol.ttf", "STIXGeneralItalic.ttf",
)  # fmt: skip
_TOO_THIN = ("Thin", "ExtraLight")
"""Weights whose strokes vanish at the sizes drawn here: their texts could not be read."""


@dataclass(frozen=True, kw_only=True)
class Typeface:
    """One font file and the characters it has glyphs for."""

    path: Path
    characters: frozenset[str]

    def covers(self, text: str) -> bool:
        """Whether every character of `text` has a glyph."""
        return self.characters.issuperset(text)


def find_typefaces(language: str) -> tuple[Typeface, ...]:
    """The fonts for texts in `language`, in a fixed order.

    Raises `SetupError` where a package that brings fonts is missing and, for Thai, where Pillow cannot
    shape complex scripts: it would set tone marks on top of vowels, and the picture would not show its label.
    """
    if language == "th":
        require_raqm()
        paths = _sarabun_paths()
    else:
        paths = _matplotlib_paths() + _sarabun_paths()
    return tuple(Typeface(path=path, characters=_characters(path)) for path in paths)


def require_raqm() -> None:
    """Raise `SetupError` unless Pillow's Raqm layout, which Thai needs, works on this machine."""
    from PIL import features

    if not features.check("raqm"):
        raise SetupError(
            "Thai text cannot be drawn: Pillow's Raqm layout is not available, most often because the"
            " system's library libfribidi is missing. Without it tone marks collide with vowels.",
            hint="Install it: `apt-get install libfribidi0` (Debian, Ubuntu), `dnf install fribidi`"
            " (Fedora), `brew install fribidi` (macOS) or `conda install -c conda-forge fribidi`."
            " Or draw English texts.",
        )


def choose_typeface(rng: Random, typefaces: tuple[Typeface, ...], text: str) -> Typeface:
    """A random one of `typefaces` that has every glyph of `text`; raises `SetupError` where none has."""
    able = [typeface for typeface in typefaces if typeface.covers(text)]
    if not able:
        known: frozenset[str] = frozenset().union(*(typeface.characters for typeface in typefaces))
        missing = "".join(char for char in dict.fromkeys(text) if char not in known)
        raise SetupError(
            f"None of the {len(typefaces)} demo fonts can draw {text!r}; no font has {missing!r}.",
            hint="Reinstall matplotlib and fontpkg-sarabun: their font files are damaged or changed.",
        )
    return rng.choice(able)


@lru_cache(maxsize=512)
def load_font(path: Path, size_px: int, *, shaped: bool) -> ImageFont.FreeTypeFont:
    """The font at `size_px` pixels an em; `shaped` asks for Raqm, which sets Thai marks in their places."""
    from PIL import ImageFont

    # The layout is always named: left to itself, Pillow spaces letters differently where Raqm is missing.
    layout = ImageFont.Layout.RAQM if shaped else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(path), size_px, layout_engine=layout)


def _matplotlib_paths() -> list[Path]:
    if find_spec("matplotlib") is None:
        raise _missing_package("matplotlib", "DejaVu and STIX")
    import matplotlib as mpl

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    return [folder / name for name in _LATIN_FILES if (folder / name).is_file()]


def _sarabun_paths() -> list[Path]:
    spec = find_spec("fontpkg_sarabun")
    if spec is None or spec.origin is None:
        raise _missing_package("fontpkg-sarabun", "Sarabun")
    files = sorted((Path(spec.origin).parent / "files").glob("*.ttf"))
    return [path for path in files if not any(weight in path.stem for weight in _TOO_THIN)]


def _missing_package(package: str, fonts: str) -> SetupError:
    return SetupError(
        f"The demo set cannot be drawn: {package!r}, which has the fonts {fonts}, is not installed.",
        hint=f"`python -m pip install {package}`",
    )


@lru_cache(maxsize=64)
def _characters(path: Path) -> frozenset[str]:
    """What the font's character map names; `SetupError` where the file is no font."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(chr(code) for code in FT2Font(str(path)).get_charmap())
    except (OSError, RuntimeError) as exc:
        raise SetupError(
            f"{path}: cannot be read as a font: {exc}", hint="Reinstall the package it belongs to."
        ) from exc
