"""The table as people and machines read it."""

from __future__ import annotations

from ocr_train.cost import Estimate
from ocr_train.doctor.rows import fine, problem, warning
from ocr_train.doctor.table import as_json, row_lines, verdict
from ocr_train.errors import SetupError

LONG = "word " * 40


def test_a_row_in_a_log_is_a_line() -> None:
    """Whatever its length: a log is searched by line; what to do is the next one."""
    lines = row_lines(warning("disk", LONG.strip(), "free some"), None)
    assert lines == [f"warning  disk              {LONG.strip()}", f"{'':27}-> free some"]


def test_a_row_on_a_terminal_is_folded() -> None:
    """Below its own column, never wider than the terminal."""
    lines = row_lines(problem("disk", SetupError(LONG, hint=LONG)), 70)
    assert max(map(len, lines)) <= 70
    assert lines[1].startswith(f"{'':27}word")
    assert any(line.startswith(f"{'':27}-> word") for line in lines)
    assert lines[-1].startswith(f"{'':30}word")


def test_several_lines_become_one_in_a_log() -> None:
    """A list of problems of the configuration."""
    assert row_lines(fine("a", "one\n  - two"), None) == ["ok       a                 one; - two"]


def test_the_last_line_says_what_it_comes_to() -> None:
    """Problems and warnings counted, with the exit code."""
    bad = problem("a", SetupError("no"))
    assert verdict([fine("a", "b")]) == "no problem: a training can start (exit code 0)"
    assert verdict([warning("a", "b", "c")]) == "no problem, 1 warning: a training can start (exit code 0)"
    assert verdict([bad, bad, warning("a", "b", "c")]) == "2 problems, 1 warning (exit code 5)"


def test_machines_get_everything() -> None:
    """Rows with code and what to do, the counts, the estimate."""
    found = as_json(
        [problem("a", SetupError("no", hint="do"))], Estimate(step_s=1, epoch_s=2, total_s=3, usd=None)
    )
    assert found == {
        "rows": [{"subject": "a", "status": "problem", "found": "no", "todo": "do", "code": 5}],
        "problems": 1,
        "warnings": 0,
        "exit_code": 5,
        "estimate": {"step_s": 1, "epoch_s": 2, "total_s": 3, "usd": None},
    }
    assert as_json([], None)["estimate"] is None
