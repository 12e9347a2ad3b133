"""From what the network says to boxes, texts and classes: PaddleOCR's own post-processing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .ctc import log_probability
from .errors import EngineError

UNSCORED = 1.0
"""The score of a box where the post-processing tells none."""


class Answers:
    """Turns the network's output for a batch into one dictionary an image."""

    def __init__(self, settings: Any, post_process: Any) -> None:
        self._task = settings.task
        self._key = settings.metric_key
        self._post = post_process
        self._scores: Any = []
        if hasattr(post_process, "reverse"):
            post_process.reverse = settings.reverse
        if self._task == "det":
            for name in ("boxes_from_bitmap", "polygons_from_bitmap"):
                self._keep_scores(name)

    def __call__(self, preds: Any, shapes: Any, texts: Sequence[str] = ()) -> Any:
        """One dictionary for each image of the batch.

        With `texts`, one for each, and a CTC head: `text_logp` and `label_logp`, the natural logarithms of how
        probable what is read is and how probable the given text is; None where the dictionary lacks a character.
        """
        if self._task == "det":
            return self._boxes(preds, shapes)
        found = self._of_interest(self._post(preds))
        if self._task == "cls":
            return [{"label": str(label), "score": _score(score)} for label, score, *_ in found]
        answers = [_text(one) for one in found]
        if texts and "CTC" in type(self._post).__name__:
            self._add_logarithms(answers, preds, texts)
        return answers

    def _add_logarithms(self, answers: Any, preds: Any, texts: Sequence[str]) -> None:
        import numpy as np

        while isinstance(preds, dict):
            preds = preds["ctc"] if "ctc" in preds else self._of_interest(preds)
        steps = np.asarray(preds[-1] if isinstance(preds, (list, tuple)) else preds)
        if steps.ndim != 3 or len(steps) != len(answers):
            return
        classes = {char: number for number, char in enumerate(self._post.character)}
        for place, answer in enumerate(answers):
            for name, text in (("text_logp", answer["text"]), ("label_logp", texts[place])):
                known = all(char in classes for char in text)
                found = log_probability(steps[place], [classes[char] for char in text]) if known else None
                answer[name] = found

    def _boxes(self, preds: Any, shapes: Any) -> Any:
        self._scores.clear()
        found = self._of_interest(self._post(preds, shapes))
        kept = self._scores if len(self._scores) == len(found) else [None] * len(found)
        answers = []
        for number, one in enumerate(found):
            boxes = [[[float(x), float(y)] for x, y in box] for box in one["points"]]
            scores = one.get("scores")
            scores = kept[number] if scores is None else scores
            if scores is None or len(scores) != len(boxes):
                scores = [UNSCORED] * len(boxes)
            answers.append({"boxes": boxes, "scores": [_score(score) for score in scores]})
        return answers

    def _keep_scores(self, name: str) -> None:
        """DB's post-processing computes a score for each box, filters by it, and does not tell it."""
        original = getattr(self._post, name, None)
        if original is None:
            return

        def keeping(*arguments: Any, **named: Any) -> Any:
            boxes, scores = original(*arguments, **named)
            self._scores.append(scores)
            return boxes, scores

        setattr(self._post, name, keeping)

    def _of_interest(self, found: Any) -> Any:
        """Distillation answers for several networks: the one whose metric counts, else the last."""
        if not isinstance(found, dict):
            return found[0] if isinstance(found, tuple) else found
        if not found:
            raise EngineError("the post-processing gives nothing")
        names = [name for name in found if self._key and str(name).startswith(self._key)]
        return found[names[0] if names else list(found)[-1]]


def _text(one: Any) -> Any:
    if isinstance(one, (list, tuple)):
        return {"text": str(one[0]), "score": _score(one[1]) if len(one) > 1 else UNSCORED}
    return {"text": str(one), "score": UNSCORED}


def _score(value: Any) -> float:
    """A plain float; what is not a number becomes 0, which JSON can say."""
    score = float(value)
    return score if math.isfinite(score) else 0.0
