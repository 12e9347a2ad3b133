"""What Amazon SageMaker reads off the job's log, to draw it: our own lines, as `callbacks/progress.py` prints them
where no terminal is."""

from __future__ import annotations

_NUMBER = r"([0-9.]+(?:e[+\-]?[0-9]+)?)"

METRIC_DEFINITIONS = (
    {"Name": "train:loss", "Regex": rf"epoch [0-9]+/[0-9]+ .*?loss {_NUMBER}"},
    {"Name": "train:acc", "Regex": rf"epoch [0-9]+/[0-9]+ .*?acc {_NUMBER}"},
    {"Name": "train:samples_per_s", "Regex": rf"epoch [0-9]+/[0-9]+ .*?{_NUMBER} samples/s"},
    {"Name": "eval:score", "Regex": rf"evaluated: [a-z0-9_]+ {_NUMBER}"},
    {"Name": "eval:best", "Regex": rf"evaluated: [a-z0-9_]+ [0-9.]+ \(best {_NUMBER}\)"},
)
"""As `AlgorithmSpecification.MetricDefinitions`: the first group of each expression is the value."""
