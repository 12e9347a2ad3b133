"""Which tests stay together when several workers run them (`pytest -n 2`), and which are begun first."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

SPREAD = frozenset(
    [
        *("resume/test_whole.py", "test_run_faults.py", "test_train_on_s3.py", "test_mlflow_run.py"),
        *("resume/test_paddleocr.py", "trainer/test_real_logs.py", "runs/test_retention.py"),
        "redaction/test_in_runs.py",
    ]
)
"""Files of long tests that share nothing: they go to whichever worker is free. Others share servers or models that
take seconds to make, so that a file stays with one worker."""


def group_of(test: str) -> str:
    """What the test with this id shares a worker with: its file, or nothing."""
    file = test.partition("::")[0]
    return test if file.removeprefix("tests/") in SPREAD else file


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
