"""This machine's place among those that train together, and what the first one hands to the others."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ocr_train.cluster.addresses import find_addresses, own_addresses, own_rank
from ocr_train.cluster.handout import hand_out
from ocr_train.cluster.leader import Leader
from ocr_train.config.nodes import Nodes
from ocr_train.ocr_engine.documents import read_yaml
from ocr_train.run import Echo
from ocr_train.tracking.tracker import Tracker
from ocr_train.training.services import TrainingSetup


def find_place(nodes: Nodes) -> tuple[tuple[str, ...], int]:
    """The addresses of all machines, and which of them this one is; raises `OcrTrainError`."""
    addresses = find_addresses(nodes)
    return addresses, own_rank(nodes, addresses, own_addresses())


def gather(leader: Leader, setup: TrainingSetup, tracker: Tracker, echo: Echo) -> None:
    """Wait for all machines and hand out the training; their system metrics go to the run.

    Raises `OcrTrainError` where one is missing, lost, or has other data.
    """
    leader.wait_for_all(setup.dataset.manifest.digest, tracker.folder, echo)
    config = read_yaml(setup.run.config)
    out = hand_out(config, setup.dataset.images)
    files = dict(out.files)
    job: dict[str, object] = {"config": out.config, "script_job": ""}
    if setup.script_job is not None:
        files[setup.script_job.name] = setup.script_job
        job["script_job"] = setup.script_job.name
    steps: dict[str, int] = {}

    def log(values: Mapping[str, float]) -> None:
        # Each machine counts its own samples.
        node = next(iter(values), "").split("/")[1:2]
        step = steps[node[0]] = steps.get(node[0], -1) + 1 if node else 0
        tracker.log_metrics(dict(values), step=step, time_ms=int(time.time() * 1000))

    leader.start(job, files, log)
