"""Which tests stay together when several workers run them (`pytest -n 2`), and which are begun first."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

SPREAD = frozenset(
    [
        *("test_run_faults.py", "test_mlflow_run.py"),
        *("resume/test_paddleocr.py", "trainer/test_real_logs.py", "runs/test_retention.py"),
        "redaction/test_in_runs.py",
    ]
)
"""Files of long tests that share nothing: they go to whichever worker is free. Others share servers or models that
take seconds to make, so that a file stays with one worker."""


TOGETHER = {
    "lively models": (
        *("models/test_mlflow_model.py", "models/test_inference.py", "models/test_reading_many.py"),
        *("cli/test_predict.py", "cli/test_label.py"),
    ),
    "servers": (
        *("test_train_on_s3.py", "data/test_for_training.py", "tracking/test_preflight.py"),
        *("doctor/test_tracking.py", "compare/test_read_from_a_server.py"),
        "models/test_registry.py::test_a_server_registers_as_a_store_does",
        "resume/test_whole.py::test_a_checkpoint_in_s3_and_a_registered_one",
        "test_bad_input.py::test_missing_bucket_and_wrong_credentials",
    ),
}
"""Files and tests that use one of the session's own fixtures, `kit` or `servers`: with one worker it is made once."""


def group_of(test: str) -> str:
    """What the test with this id shares a worker with: tests of one fixture, its file, or nothing."""
    file, _, name = test.removeprefix("tests/").partition("::")
    for group, members in TOGETHER.items():
        if file in members or f"{file}::{name}" in members:
            return group
    return test if file in SPREAD else file


def longest_first(tests: Sequence[str], slow: Set[str]) -> dict[str, int]:
    """Places of the groups of `tests`, so that no worker waits for the other's last one: those of one fixture, then
    those with a test that is `slow`, then all others."""
    groups = dict.fromkeys(map(group_of, tests))
    long = {group_of(test) for test in slow}
    ordered = sorted(groups, key=lambda group: (group not in TOGETHER, group not in long))
    return {group: place for place, group in enumerate(ordered)}


def scheduler(config: pytest.Config, log: object) -> Any:
    """Gives a group to one worker, and the groups out in the order in which they were collected.

    `--dist loadgroup` would do it, but xdist 3.8 writes the group into a field that pytest 9.2 no longer has, and
    then gives every test to whichever worker is free.
    """
    # Else the groups of the most tests come first, which are the quickest tests.
    config.option.loadscopereorder = False
    groups = LoadScopeScheduling(config, log)
    groups._split_scope = group_of
    return groups
