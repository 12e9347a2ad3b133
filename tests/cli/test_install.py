"""The line that shows how far an installation is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ocr_train.cli.install_script import PipOutput, count_pins, main


def test_progress_counts_what_is_fetched_and_then_what_is_in_place() -> None:
    """A pin for other machines is no longer waited for."""
    output = PipOutput(3)
    output.take("Ignoring colorama: markers 'os_name == \"nt\"' don't match your environment")
    output.take("Collecting alembic==1.20.0 (from -r requirements.txt (line 7))")
    assert output.progress(0) == "installing packages: 1 of 2 fetched"
    output.take("Collecting mako==1.4.0 (from -r requirements.txt (line 9))")
    output.take("Installing collected packages: mako, alembic")
    assert output.progress(1) == "installing packages: 1 of 2 in place"


def test_every_pin_of_every_file_is_counted_once(tmp_path: Path) -> None:
    """Hashes and comments are none; the same package in two files is one."""
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text(
        "# a==1\nalembic==1.20.0 \\\n    --hash=sha256:00\nmako==1 ; python_version < '3'\n", "utf-8"
    )
    second.write_text("Mako==1\npytest[all]==8\n", "utf-8")
    assert count_pins([first, second]) == 3


def test_a_failed_installation_shows_what_pip_said_and_ends_with_5(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What to do stands below it."""
    missing = tmp_path / "requirements.txt"
    missing.write_text("no-such-package==1 --hash=md5:0\n", encoding="utf-8")
    assert main([sys.executable, str(missing)]) == 5
    said = capfd.readouterr().err
    assert "  | " in said
    assert "PIP_INDEX_URL" in said
