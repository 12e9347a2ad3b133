"""How a cell ends that cannot do its work: a message of two lines instead of a traceback, and no cell after it is run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ocr_train.errors import OcrTrainError

F = TypeVar("F", bound=Callable[..., Any])


class CellStopped(OcrTrainError):  # noqa: N818 - it is not always an error: a training that was stopped ends so, too
    """What happened and what to do; Jupyter shows it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [self.problem, *([self.hint] if self.hint else [])]


def as_cell(function: F) -> F:
    """`function` whose errors, where a user can do something about them, are shown without a traceback."""

    @functools.wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except CellStopped:
            raise
        except OcrTrainError as exc:
            raise CellStopped(exc.problem, hint=exc.hint) from None

    return run  # type: ignore[return-value]
