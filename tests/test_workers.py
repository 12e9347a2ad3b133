"""Which worker runs which tests."""

from __future__ import annotations

from tests.commands import REPO
from tests.workers import SPREAD, TOGETHER, group_of, longest_first


def test_what_is_named_exists() -> None:
    """Files and tests, each once."""
    named = [*SPREAD, *(member for members in TOGETHER.values() for member in members)]
    assert len(named) == len(set(named))
    for member in named:
        file, _, name = member.partition("::")
        assert f"def {name or 'test_'}" in (REPO / "tests" / file).read_text(encoding="utf-8"), member


def test_a_file_stays_together_unless_it_shares_nothing() -> None:
    """Parameters change nothing; a fixture of the session joins files."""
    assert group_of("tests/test_outage.py::test_a[x::y]") == group_of("tests/test_outage.py::test_b")
    assert group_of("tests/test_run_faults.py::test_a") != group_of("tests/test_run_faults.py::test_b")
    assert group_of("tests/cli/test_predict.py::test_a") == group_of("tests/models/test_inference.py::test_b")


def test_quick_groups_come_last() -> None:
    """A quick test goes with the slow one of its file."""
    tests = [
        "tests/a.py::test_1",
        "tests/b.py::test_1",
        "tests/b.py::test_2",
        "tests/cli/test_predict.py::test_1",
    ]
    assert longest_first(tests, {"tests/b.py::test_2"}) == {"lively models": 0, "b.py": 1, "a.py": 2}
