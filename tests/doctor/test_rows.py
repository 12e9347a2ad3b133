"""What the rows of the table come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.doctor.before_training import disk_row
from ocr_train.doctor.rows import OK, PROBLEM, exit_code, fine, problem, require_machine, warning
from ocr_train.errors import ConfigError, DataError, SetupError, StorageError, TrackingError


def test_without_a_problem_the_exit_code_is_0() -> None:
    """Warnings do not change it."""
    assert exit_code([]) == 0
    assert exit_code([fine("a", "b"), warning("c", "d", "e")]) == 0


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ([TrackingError], 8),
        ([TrackingError, DataError], 3),
        ([DataError, StorageError], 4),
        ([StorageError, SetupError], 5),
        ([SetupError, ConfigError], 2),
    ],
)
def test_the_worst_problem_gives_the_exit_code(kinds: list[type[SetupError]], code: int) -> None:
    """The one that hides the others: without PaddleOCR no data are read."""
    assert exit_code([problem("x", kind("broken")) for kind in kinds]) == code


def test_one_problem_of_the_machine_is_told_as_it_is() -> None:
    """A sentence and what to do."""
    with pytest.raises(SetupError, match="no disk") as caught:
        require_machine([fine("a", "b"), problem("disk", SetupError("no disk", hint="buy one"))])
    assert caught.value.hint == "buy one"


def test_several_problems_of_the_machine_are_told_together() -> None:
    """Who fixes one does not meet the next at the next start."""
    rows = [problem(name, SetupError(f"no {name}", hint=f"get a {name}")) for name in ("disk", "GPU")]
    with pytest.raises(SetupError, match="2 problems") as caught:
        require_machine(rows)
    for part in ("no disk", "get a disk", "no GPU", "get a GPU"):
        assert part in caught.value.problem
    assert "doctor" in caught.value.hint
    require_machine([fine("a", "b"), warning("c", "d", "e")])


def test_a_disk_is_measured_by_two_checkpoints(tmp_path: Path) -> None:
    """More than any disk has is a problem; a folder that is not there yet is on the disk above it."""
    row = disk_row(tmp_path / "not" / "yet", 10**18)
    assert (row.status, row.code) == (PROBLEM, 5)
    assert "two checkpoints" in row.found
    assert disk_row(tmp_path, 1000).status == OK
