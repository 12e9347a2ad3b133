"""How many cases a fuzz test tries: its own number, times FUZZ from the environment (`FUZZ=20 make test`)."""

from __future__ import annotations

import os


def cases(number: int) -> int:
    """`number` of cases, or FUZZ times as many."""
    return number * int(os.environ.get("FUZZ", "1"))
