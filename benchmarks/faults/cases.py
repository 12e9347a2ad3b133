"""What a case is: one fault at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.faults.scene import PADDLEOCR, SCRIPTED, Result, Scene

START, MIDDLE, RANDOM = "at the start", "in the middle", "at random"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One fault at one moment; `play` applies it and judges."""

    fault: str
    when: str
    play: Callable[[Scene], Result]
    scripted: bool = True
    number: int = 0
    quick: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from the others."""
        return self.fault, self.when, self.number

    @property
    def trainer(self) -> str:
        """Which trainer it runs."""
        return SCRIPTED if self.scripted else PADDLEOCR
