"""An engine: a trained model with what comes before and after its network, ready to read pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import networks
from .answers import Answers
from .errors import EngineError, reason
from .images import ImageError
from .paddleocr import put_on_path
from .prepare import Preparation, PreparedImage, pixels_of
from .settings import Settings, read_settings

BATCH = {"det": 4, "rec": 32, "cls": 32}
"""So many pictures of one prepared size go through the network at once."""


class Engine:
    """Reads pictures. `task` is det, rec or cls; `backend` checkpoint, paddle or onnx."""

    def __init__(
        self, settings: Settings, network: Any, post_process: Any, backend: str, *, part_pixels: int = 0
    ) -> None:
        self.task = settings.task
        self.backend = backend
        self.batch_size = BATCH[settings.task]
        self.ignore_orientation = settings.ignore_orientation
        self.max_pixels = 0
        """What one picture, and those that go through the network at once, may have when they are prepared; 0: any."""
        self._part_pixels = part_pixels
        self._prepare = Preparation(settings)
        self._network = network
        self._answers = Answers(settings, post_process)

    def read(self, images: Sequence[Any], texts: Sequence[str] = ()) -> list[dict[str, Any]]:
        """One answer for each of `images`, BGR uint8 of shape (height, width, 3), in their order.

        det: `{"boxes": [[[x, y], ...], ...], "scores": [...]}` in pixels of the given picture; rec: `{"text",
        "score"}`; cls: `{"label", "score"}`; scores from 0 to 1. A picture that cannot be read:
        `{"error": why}`; it costs the others nothing. With `texts`, one for each image, a CTC head also tells how
        probable each is: `Answers`.
        """
        answers: list[dict[str, Any]] = []
        for start in range(0, len(images), self.batch_size):
            end = start + self.batch_size
            answers += self._read_some(images[start:end], texts[start:end])
        return answers

    def _read_some(self, images: Sequence[Any], texts: Sequence[str]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = [{} for _ in images]
        same: dict[Any, list[tuple[int, PreparedImage]]] = {}
        for number, image in enumerate(images):
            try:
                prepared = self._prepare(image, self.max_pixels)
            except ImageError as exc:
                answers[number] = {"error": str(exc)}
            else:
                same.setdefault(prepared.image.shape, []).append((number, prepared))
        for group in same.values():
            count = len(group)
            for limit in filter(None, (self.max_pixels, self._part_pixels)):
                count = min(count, max(1, limit // pixels_of(group[0][1].image)))
            for start in range(0, len(group), count):
                some = group[start : start + count]
                labels = [texts[number] for number, _ in some] if texts else []
                found = self._run_group([prepared for _, prepared in some], labels)
                for place, (number, _) in enumerate(some):
                    answers[number] = found[place]
        return answers

    def _run_group(self, group: list[PreparedImage], texts: list[str]) -> list[dict[str, Any]]:
        try:
            return self._run(group, texts)
        except Exception as exc:  # noqa: BLE001 - Paddle's own, of any kind: it is the answer for one image
            if len(group) == 1:
                return [{"error": reason(exc)}]
        return [self._run_group([one], texts[place : place + 1])[0] for place, one in enumerate(group)]

    def _run(self, group: list[PreparedImage], texts: list[str]) -> list[dict[str, Any]]:
        import numpy as np

        images = np.stack([one.image for one in group]).astype(np.float32, copy=False)
        count = len(group[0].extras)
        extras = [np.stack([np.asarray(one.extras[place]) for one in group]) for place in range(count)]
        preds = self._network(np.ascontiguousarray(images), extras)
        shapes = np.stack([one.shape for one in group]) if self.task == "det" else None
        found = list(self._answers(preds, shapes, texts))
        if len(found) != len(group):
            raise EngineError(f"{len(found)} answers for {len(group)} images")
        return found


def open_checkpoint(config: Path, prefix: Path, root: str = "", *, gpu: bool = False) -> Engine:
    """The model of a run: `config` is its config.yml, `prefix` the checkpoint's path without `.pdparams`.

    `root` is PaddleOCR's folder, empty for the installed one. The weights are a pickle: screen the file first.
    Raises `EngineError` where configuration, dictionary and weights do not make a model.
    """
    root = put_on_path(root)
    settings = read_settings(Path(config), root)
    post_process = _post_process(settings)
    network = networks.open_checkpoint_network(settings, post_process, Path(prefix), gpu)
    return Engine(settings, network, post_process, "checkpoint", part_pixels=_part_pixels(gpu))


def open_exported(folder: Path, root: str = "", *, gpu: bool = False) -> Engine:
    """An exported model (inference.pdmodel or inference.json, inference.pdiparams, config.yml); as above."""
    settings, post_process = _exported(Path(folder), root)
    network = networks.open_paddle_network(settings, Path(folder), gpu)
    return Engine(settings, network, post_process, "paddle", part_pixels=_part_pixels(gpu))


def open_onnx(folder: Path, root: str = "", *, gpu: bool = False, threads: int = 0) -> Engine:
    """An exported model's model.onnx, run by onnxruntime, with so many `threads` (0: `threads_from`); as above."""
    settings, post_process = _exported(Path(folder), root)
    network = networks.open_onnx_network(settings, Path(folder), gpu, threads)
    return Engine(settings, network, post_process, "onnx")


def _part_pixels(gpu: bool) -> int:
    """What Paddle is given at once: as little on a CPU as onnxruntime; a GPU takes whole batches."""
    return 0 if gpu else networks.PART_PIXELS


def _exported(folder: Path, root: str) -> tuple[Settings, Any]:
    root = put_on_path(root)
    settings = read_settings(folder / "config.yml", root)
    if settings.post_process.get("name", "").startswith("Distillation"):
        # Each of its networks is exported by itself.
        plain = {
            key: value for key, value in settings.post_process.items() if key not in ("model_name", "key")
        }
        plain["name"] = plain["name"].replace("Distillation", "", 1)
        settings = replace(settings, post_process=plain)
    return settings, _post_process(settings)


def _post_process(settings: Settings) -> Any:
    from ppocr.postprocess import build_post_process  # type: ignore[import-not-found]

    try:
        return build_post_process(settings.post_process, settings.shared)
    except Exception as exc:
        raise EngineError(f"the post-processing cannot be made: {reason(exc)}") from exc
