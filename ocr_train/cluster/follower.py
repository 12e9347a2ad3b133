"""Another machine's side: it finds the first one, says when its data are ready, and gets the training."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ocr_train.cluster.leader import node_name, rendezvous
from ocr_train.cluster.messages import Connection, reach
from ocr_train.config.nodes import Nodes
from ocr_train.errors import SetupError, TrainingFailed
from ocr_train.trainer.device import Rendezvous

FINISHED = "FINISHED"
_GOODBYE_S = 120.0
"""How long the first machine may take from our last word to its own: its trainer ends when ours does."""


class Follower:
    """This machine's way to the first one; a thread receives."""

    def __init__(self, nodes: Nodes, addresses: Sequence[str], rank: int, folder: Path) -> None:
        """Connect; what the first machine sends goes into `folder`. Raises `SetupError` where it does not answer within
        `nodes.timeout_s`."""
        self.rank, self.leader = rank, node_name(addresses, 0)
        self._rendezvous = rendezvous(nodes, addresses, rank)
        self._folder = folder
        self._job: Mapping[str, Any] | None = None
        self._end: Mapping[str, Any] | None = None
        self._refused = ""
        found = reach(addresses[0], nodes.port, timeout_s=nodes.timeout_s, ended=lambda: False)
        if found is None:
            raise SetupError(
                f"{self.leader}, which leads, did not answer on port {nodes.port} within {nodes.timeout_s:g} s.",
                hint="Start the same command there, and let this machine reach it on that port and the next; "
                "peers_timeout_s= waits longer.",
            )
        self._connection: Connection = found
        found.send({"hello": rank})
        threading.Thread(target=self._receive, name="node-leader", daemon=True).start()

    @property
    def rendezvous(self) -> Rendezvous:
        """Where this machine's launcher meets the first one's."""
        return self._rendezvous

    def ready(self, digest: str) -> None:
        """The data are here; `digest` tells which."""
        self._connection.send({"ready": digest})

    def failed(self, why: str) -> None:
        """This machine cannot take part."""
        self._connection.send({"failed": why})
        # It must be read before the connection ends.
        time.sleep(0.2)

    def metrics(self, values: Mapping[str, float]) -> None:
        """What this machine measures of itself, by MLflow's names."""
        self._connection.send({"metrics": dict(values)})

    def wait_for_job(self) -> Mapping[str, Any]:
        """What the training is, once all machines are ready; its files are then in the folder.

        Raises `SetupError` where the first machine refuses or is gone, `TrainingFailed` where it ended the training.
        """
        while self._job is None:
            if self._refused:
                raise SetupError(f"{self.leader} refuses this machine: {self._refused}.")
            if ended := self.over():
                raise TrainingFailed(ended, hint=f"The output of {self.leader} says more.")
            time.sleep(0.1)
        return self._job

    def over(self) -> str:
        """Why there is no more to do here, empty while there is: the first machine ended the training, or is gone."""
        end = self._end
        if end is not None:
            why = str(end.get("why") or "")
            return f"{self.leader} ended the training: {end.get('end')}{f' ({why})' if why else ''}"
        return f"{self.leader}, which leads, is gone: {how}" if (how := self._connection.gone) else ""

    @property
    def finished(self) -> bool:
        """Whether the first machine said that all went well."""
        return self._end is not None and self._end.get("end") == FINISHED

    def tell_end(self, how: str, lines: Sequence[str], logs: Mapping[str, Path]) -> None:
        """Send the logs of this machine's processes and how they ended: `exit code 0` where all went well."""
        for name, path in logs.items():
            self._connection.send_file(path, name)
        self._connection.send({"ended": {"how": how, "lines": list(lines)}})

    def wait_for_end(self, stopped: Callable[[], bool]) -> None:
        """Wait for the first machine's last word, for as long as it is there."""
        deadline = time.monotonic() + _GOODBYE_S
        while not self.over() and not stopped() and time.monotonic() < deadline:
            time.sleep(0.1)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _receive(self) -> None:
        try:
            while (message := self._connection.receive(lambda: self._folder)) is not None:
                if "refused" in message:
                    self._refused = str(message["refused"])
                elif isinstance(message.get("job"), dict):
                    self._job = message["job"]
                elif "end" in message:
                    self._end = message
        except (SetupError, OSError):
            self._connection.close()
