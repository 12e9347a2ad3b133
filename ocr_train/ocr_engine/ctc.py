"""How probable a given text is for a network with a CTC head, whatever it reads itself.

Source: Graves et al., "Connectionist Temporal Classification", 2006, equations 5 to 8 (the forward variables).
"""

from __future__ import annotations

from typing import Any

_LEAST = 1e-12


def log_probability(probabilities: Any, classes: Any) -> float:
    """The natural logarithm of the probability of the sequence `classes` (numbers from 1; 0 is the blank).

    `probabilities` has the shape (steps, classes) and sums to 1 in each step. A sequence that does not fit into the
    steps has about the logarithm of `_LEAST` for each step that is missing, and no error.
    """
    import numpy as np

    logs = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _LEAST))
    path = np.zeros(2 * len(classes) + 1, dtype=np.int64)
    path[1::2] = classes
    # A blank can be left out between two characters that differ.
    skips = np.zeros(len(path), dtype=bool)
    skips[3::2] = path[3::2] != path[1:-2:2]
    forward = np.full(len(path), -np.inf)
    forward[:2] = logs[0, path[:2]]
    for step in logs[1:]:
        before = forward.copy()
        before[1:] = np.logaddexp(before[1:], forward[:-1])
        before[skips] = np.logaddexp(before[skips], forward[:-2][skips[2:]])
        forward = before + step[path]
    total = np.logaddexp(forward[-1], forward[-2]) if len(path) > 1 else forward[-1]
    return max(float(total), len(logs) * float(np.log(_LEAST)))
