"""What happens to a picture before the network: the transforms of the run's own evaluation."""

from __future__ import annotations

from typing import Any, NamedTuple

from .errors import reason
from .images import ImageError, require_picture

EXTRA_INPUTS = {
    "SRN": ("encoder_word_pos", "gsrm_word_pos", "gsrm_slf_attn_bias1", "gsrm_slf_attn_bias2"),
    "SAR": ("valid_ratio",),
    "RobustScanner": ("valid_ratio", "word_positons"),
}
"""What these networks are given besides the picture, as in PaddleOCR's tools/infer_rec.py (with its spelling)."""


class PreparedImage(NamedTuple):
    """One picture ready for the network; `shape` is (height, width, ratio_h, ratio_w) for detection."""

    image: Any
    shape: Any
    extras: Any


class Preparation:
    """Takes pictures through PaddleOCR's operators, the label operators left out."""

    def __init__(self, settings: Any) -> None:
        from ppocr.data.imaug import create_operators  # type: ignore[import-not-found]

        self._operators = create_operators(settings.transforms, settings.shared)
        self._decoded = bool(self._operators) and _only_decodes(self._operators[0])
        if self._decoded:
            del self._operators[0]
        self._extras = EXTRA_INPUTS.get(settings.algorithm, ())

    def __call__(self, picture: Any, max_pixels: int = 0) -> PreparedImage:
        """Raises `ImageError` where an operator fails on `picture` or drops it, or makes more than `max_pixels` of
        it (0: any number), if possible before it does."""
        import cv2
        import numpy as np

        require_picture(picture)
        data: Any = {"img_path": "", "filename": "", "label": "", "ext_data": []}
        if self._decoded:
            # What DecodeImage makes of it; a copy, because operators may write into it.
            data["image"] = picture.copy()
        else:
            # Other operators decode files, each in its own way and colour order: they are given one. BMP is exact.
            written, file = cv2.imencode(".bmp", picture)
            if not written:
                raise ImageError("it cannot be encoded")
            data["image"] = file.tobytes()
        for operator in self._operators:
            name = type(operator).__name__
            if max_pixels and name == "DetResizeForTest":
                _require_few(resized(operator, *data["image"].shape[:2]), max_pixels)
            try:
                data = operator(data)
            # PaddleOCR's own, of any kind; DetResizeForTest answers some pictures with sys.exit(0).
            except (Exception, SystemExit) as exc:
                raise ImageError(f"{name} fails on it: {reason(exc)}") from exc
            if data is None:
                raise ImageError(f"{name} drops it")
        image = np.asarray(data["image"])
        if max_pixels:
            _require_few(image.shape[-2:], max_pixels)
        return PreparedImage(image, data.get("shape"), [data[key] for key in self._extras])


def _only_decodes(operator: Any) -> bool:
    """Whether it is PaddleOCR's DecodeImage, and gives what we have decoded already: BGR, (height, width, 3)."""
    return (
        type(operator).__name__ == "DecodeImage"
        and getattr(operator, "img_mode", "") == "BGR"
        and getattr(operator, "channel_first", True) is False
    )


def resized(operator: Any, height: int, width: int) -> tuple[float, float]:
    """About the (height, width) that PaddleOCR's DetResizeForTest gives a picture: where its shorter side has to be
    so long, a line of one pixel becomes a picture of gigabytes."""
    kind, limit_type = operator.resize_type, getattr(operator, "limit_type", "min")
    side: Any = getattr(operator, "resize_long", None) or getattr(operator, "limit_side_len", 736)
    if kind == 1:
        to_height, to_width = operator.image_shape
        return to_height, width * to_height / height if operator.keep_ratio else to_width
    if kind == 2 or limit_type == "resize_long":
        ratio = side / max(height, width)
    elif limit_type == "min":
        ratio = max(1.0, side / min(height, width))
    else:
        ratio = min(1.0, side / max(height, width))
    return height * ratio, width * ratio


def pixels_of(image: Any) -> int:
    """The pixels of a prepared picture (channels, height, width)."""
    return max(1, int(image.shape[-2]) * int(image.shape[-1]))


def _require_few(sides: Any, max_pixels: int) -> None:
    height, width = (int(side) for side in sides)
    if height * width > max_pixels:
        raise ImageError(
            f"resized for the network it has {width}x{height} pixels; at most {max_pixels} are read "
            "(OCR_SERVE_MAX_NETWORK_PIXELS of the server)"
        )
