"""What happens to a picture before the network: the transforms of the run's own evaluation."""

from __future__ import annotations

from typing import Any

from .errors import reason
from .images import ImageError, require_picture

EXTRA_INPUTS = {
    "SRN": ("encoder_word_pos", "gsrm_word_pos", "gsrm_slf_attn_bias1", "gsrm_slf_attn_bias2"),
    "SAR": ("valid_ratio",),
    "RobustScanner": ("valid_ratio", "word_positons"),
}
"""What these networks are given besides the picture, as in PaddleOCR's tools/infer_rec.py (with its spelling)."""


class Prepared:
    """One picture ready for the network; `shape` is (height, width, ratio_h, ratio_w) for detection."""

    def __init__(self, image: Any, shape: Any, extras: Any) -> None:
        self.image = image
        self.shape = shape
        self.extras = extras


class Preparation:
    """Takes pictures through PaddleOCR's operators, the label operators left out."""

    def __init__(self, settings: Any) -> None:
        from ppocr.data.imaug import create_operators  # type: ignore[import-not-found]

        self._operators = create_operators(settings.transforms, settings.shared)
        self._extras = EXTRA_INPUTS.get(settings.algorithm, ())

    def __call__(self, picture: Any) -> Prepared:
        """Raises `ImageError` where an operator fails on `picture` or drops it."""
        import cv2
        import numpy as np

        require_picture(picture)
        # The first operators decode files, each in its own way and colour order: they are given one. BMP is
        # exact, and written in no time.
        written, file = cv2.imencode(".bmp", picture)
        if not written:
            raise ImageError("it cannot be encoded")
        data: Any = {"image": file.tobytes(), "img_path": "", "filename": "", "label": "", "ext_data": []}
        for operator in self._operators:
            name = type(operator).__name__
            try:
                data = operator(data)
            # PaddleOCR's own, of any kind; DetResizeForTest answers some pictures with sys.exit(0).
            except (Exception, SystemExit) as exc:
                raise ImageError(f"{name} fails on it: {reason(exc)}") from exc
            if data is None:
                raise ImageError(f"{name} drops it")
        return Prepared(np.asarray(data["image"]), data.get("shape"), [data[key] for key in self._extras])
