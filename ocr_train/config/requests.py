"""What one room is asked for, of all that a run is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ocr_train.config.overrides import get_key


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The built-in demo set: `train` and `val` count pages (det) or crops; `size` is (w, h) in pixels."""

    language: str = "en"
    train: int = 40
    val: int = 8
    size: tuple[int, int] = (320, 320)


@dataclass(frozen=True, kw_only=True)
class LabelChoices:
    """How labels are read where there are several ways to; the parameters of these names say what each value means.

    `images` and `strip` are empty where paths are as they should be, `text_from` and `difficult` "auto" where the
    format decides.
    """

    text_from: str = "auto"
    difficult: str = "auto"
    normalize: str = "none"
    placeholders: str = "drop"
    leaks: str = "stop"
    empty_pages: bool = False
    images: str = ""
    strip: str = ""

    @property
    def of_formats(self) -> dict[str, object]:
        """Those that a conversion of another tool's labels takes as options, where they were chosen."""
        chosen = {
            "text_from": self.text_from,
            "difficult": self.difficult,
            "empty_pages": self.empty_pages,
            "images": self.images,
        }
        return {name: value for name, value in chosen.items() if value not in ("auto", False, "")}


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """A folder, an archive or an S3 `address` (s3://...), and the share of its training samples that an epoch takes."""

    address: str
    ratio: float = 1.0

    @property
    def is_s3(self) -> bool:
        """Whether it has to be fetched."""
        return self.address.startswith("s3://")


@dataclass(frozen=True, kw_only=True)
class DataRequest:
    """Which data to prepare, and what their labels must keep to.

    `sources` are where they come from, the team's own first; there is none where `demo` is to be drawn. `trainer` is the
    PaddleOCR configuration; `dictionary_fixed` says that a dict.txt beside the data does not count.
    """

    task: str
    sources: tuple[DataSource, ...]
    demo: Demo | None
    seed: int
    val_fraction: float
    on_bad_sample: str
    trainer: Mapping[str, Any]
    dictionary_fixed: bool
    choices: LabelChoices = LabelChoices()

    @property
    def dictionary(self) -> str:
        """The path of the character dictionary, empty where the model has none."""
        return dictionary_of(self.trainer)


def dictionary_of(trainer: Mapping[str, Any]) -> str:
    """The path of the character dictionary in a PaddleOCR configuration, empty where it has none."""
    return str(get_key(trainer, "Global.character_dict_path", None) or "")
