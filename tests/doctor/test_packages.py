"""Our own packages against the lock."""

from __future__ import annotations

from pathlib import Path

from ocr_train.doctor.packages import compare_packages, packages_row, python_row, read_pins
from ocr_train.doctor.rows import OK, WARNING

LOCK = """\
# a comment
numpy==1.26.4 \\
    --hash=sha256:00
Some_Package==2.0 ; python_version < '3.11' \\
some-package==2.1 ; python_version >= '3.11' \\
"""


def test_the_lock_names_every_version_that_is_right() -> None:
    """One for each Python; a package with a condition may be missing."""
    pins = read_pins(LOCK)
    assert pins == {"numpy": ({"1.26.4"}, True), "some-package": ({"2.0", "2.1"}, False)}
    assert compare_packages(pins, {"numpy": "1.26.4"}).status == OK
    assert compare_packages(pins, {"numpy": "1.26.4", "some-package": "2.01"}).status == OK


def test_other_versions_and_missing_packages_are_named() -> None:
    """With the locked version beside it."""
    row = compare_packages(read_pins(LOCK), {"some-package": "3.0"})
    assert row.status == WARNING
    assert "missing: numpy" in row.found
    assert "some-package 3.0 (locked: 2.0 or 2.1)" in row.found


def test_a_wheel_has_no_lock(tmp_path: Path) -> None:
    """Nothing to compare with, and nothing wrong."""
    assert packages_row(tmp_path / "none").status == OK


def test_a_python_that_is_not_tested_is_a_warning() -> None:
    """Older and newer ones."""
    assert [python_row(version).status for version in ((3, 9), (3, 10), (3, 12), (3, 13))] == [
        *(WARNING, OK, OK, WARNING)
    ]
