"""What a model reads of a set that it could read before its training: a run's tag, model.json and tags of a version."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TAG = "keep_score"
"""The run's tag with all of it, and the step of the checkpoint that was read."""
NAMES = ("metric", "before", "after", "digest", "samples")
"""What a version says of it, each in a tag `keep.<name>`."""


@dataclass(frozen=True, kw_only=True)
class KeepScore:
    """The main `metric` of the keep set `digest` (its `samples` in number) `before` training and `after` it; `before` is None
    where there was nothing to read it with: a training from nothing."""

    metric: str
    before: float | None
    after: float
    digest: str
    samples: int = 0

    def to_json(self) -> dict[str, Any]:
        """For model.json and the run's tag."""
        return dict(vars(self))

    def tags(self) -> dict[str, str]:
        """For a version; numbers with all their digits."""
        return {
            "keep.metric": self.metric,
            "keep.before": "" if self.before is None else repr(self.before),
            "keep.after": repr(self.after),
            "keep.digest": self.digest,
            "keep.samples": str(self.samples),
        }

    def __str__(self) -> str:
        earlier = "" if self.before is None else f"{self.before:.4f} before training, "
        return f"{self.metric} {earlier}{self.after:.4f} after it, on {self.samples} samples"


def read_keep(values: Any) -> KeepScore | None:
    """What `to_json` or `tags` wrote, by names without `keep.`; None for anything else."""
    if not isinstance(values, Mapping):
        return None
    before, after = (_number(values.get(name)) for name in ("before", "after"))
    metric, digest = (values.get(name) for name in ("metric", "digest"))
    if after is None or not isinstance(metric, str) or not metric or not isinstance(digest, str):
        return None
    samples = _number(values.get("samples"))
    return KeepScore(
        metric=metric, before=before, after=after, digest=digest, samples=int(samples) if samples else 0
    )


def keep_of_run(tags: Mapping[str, str], step: int | None = None) -> KeepScore | None:
    """What the run's tags say of its best checkpoint; None where there is nothing, or where that is not the one at `step`."""
    try:
        values = json.loads(tags.get(TAG, ""))
    except ValueError:
        return None
    known = isinstance(values, dict) and step in (None, values.get("step"))
    return read_keep(values) if known else None


def run_tag(score: KeepScore, step: int) -> str:
    """The text of the run's tag."""
    return json.dumps({**score.to_json(), "step": step})


def _number(value: object) -> float | None:
    """A finite number, also as a text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
