"""Ends a training that several machines share when one of the others is gone."""

from __future__ import annotations

from collections.abc import Callable

from callbacks.base import Callback
from ocr_train.errors import TrainingStopped
from ocr_train.events import Tick

NODE_LOST = "node_lost"
HINT = (
    "Its own output, and logs/node_N in the artifacts, say more. Start the same command on all machines again with "
    "resume=auto: it continues from the last whole checkpoint."
)


class NodesCallback(Callback):
    """Raises `TrainingStopped`, once, with what `problem` says of the other machines: their processes wait for each
    other, and would do so for half an hour (PADDLE_PG_TIMEOUT)."""

    def __init__(self, problem: Callable[[], str]) -> None:
        self._problem = problem
        self._stopped = False

    def on_tick(self, event: Tick) -> None:
        """Look at the other machines."""
        found = "" if self._stopped else self._problem()
        if found:
            self._stopped = True
            raise TrainingStopped(f"{found}", hint=HINT, reason=NODE_LOST)
