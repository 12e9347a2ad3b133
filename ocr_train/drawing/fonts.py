"""The fonts for the demo set, for pictures and for plots, and whether a font has the glyphs of a text.

DejaVu and STIX come with matplotlib (Latin only), Sarabun with `fontpkg-sarabun` (Thai and Latin).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from ocr_train.errors import DataError, SetupError

if TYPE_CHECKING:
    from PIL import ImageFont

FAMILIES = ("Sarabun", "DejaVu Sans")
"""For matplotlib, which takes each character from the first of them that has it."""
_FOLDERS = {"fontpkg_sarabun": "files", "matplotlib": "mpl-data/fonts/ttf"}
"""Packages with fonts and the folder in each."""
_LABEL_FILES = {"fontpkg_sarabun": "Sarabun-Regular.ttf", "matplotlib": "DejaVuSans.ttf"}
"""Packages and their font for labels, the one with Thai first."""
_LATIN_FILES = (
    "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans-Oblique.ttf",
    "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSerif-Italic.ttf",
    "STIXGeneral.ttf", "STIXGeneralBol.ttf", "STIXGeneralItalic.ttf",
)  # fmt: skip
_SUFFIXES = (".ttf", ".otf", ".ttc")
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
    paths = [] if language == "th" else [_folder("matplotlib") / name for name in _LATIN_FILES]
    sarabun = sorted(_folder("fontpkg_sarabun").glob("*.ttf"))
    paths += [path for path in sarabun if not any(weight in path.stem for weight in _TOO_THIN)]
    return tuple(Typeface(path=path, characters=_characters(path)) for path in paths if path.is_file())


def typefaces_in(folder: Path) -> tuple[tuple[Typeface, ...], tuple[str, ...]]:
    """The fonts (.ttf, .otf, .ttc) in `folder` and below it, by their paths; and what is wrong with those that are none.

    Raises `DataError` where there is no font.
    """
    if not folder.is_dir():
        raise DataError(
            f"there is no folder {str(folder)!r} with fonts.", hint="Give a folder with .ttf or .otf files."
        )
    files = [
        path for path in sorted(folder.rglob("*")) if path.suffix.lower() in _SUFFIXES and path.is_file()
    ]
    found: list[Typeface] = []
    broken: list[str] = []
    for path in files:
        try:
            found.append(Typeface(path=path, characters=_characters(path)))
        except SetupError:
            broken.append(f"{path}: not a font, or a damaged one")
    if not found:
        raise DataError(
            f"{str(folder)!r} has no font: {broken[0] if broken else 'no file there ends in .ttf, .otf or .ttc'}.",
            hint="Give a folder with .ttf or .otf files.",
        )
    return tuple(found), tuple(broken)


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


def label_font_files() -> list[Path]:
    """The font files for labels in pictures that are installed, the one with Thai first."""
    paths = [_folder(package) / name for package, name in _LABEL_FILES.items() if find_spec(package)]
    return [path for path in paths if path.is_file()]


@lru_cache(maxsize=16)
def load_label_font(size_px: int, *, text: str = "") -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font for Pillow that has the characters of `text`, else the first there is, else Pillow's own.

    Thai marks are set in their places where Pillow's Raqm layout works; a picture is drawn without it, too.
    """
    from PIL import ImageFont, features

    files = label_font_files()
    if not files:
        return ImageFont.load_default()
    path = next((path for path in files if _characters(path).issuperset(text)), files[0])
    return load_font(path, size_px, shaped=features.check("raqm"))


def _folder(package: str) -> Path:
    """The folder with the fonts of an installed package."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        name = package.replace("_", "-")
        raise SetupError(
            f"The demo set cannot be drawn: {name!r}, which has the fonts, is not installed.",
            hint=f"`python -m pip install {name}`",
        )
    return Path(spec.origin).parent / _FOLDERS[package]


@lru_cache(maxsize=64)
def _characters(path: Path) -> frozenset[str]:
    """What the font's character map names; `SetupError` where the file is not a font."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(chr(code) for code in FT2Font(str(path)).get_charmap())
    except (OSError, RuntimeError) as exc:
        raise SetupError(
            f"{path}: cannot be read as a font: {exc}", hint="Reinstall the package it belongs to."
        ) from exc
