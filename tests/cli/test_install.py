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


def test_every_pin_is_counted(tmp_path: Path) -> None:
    """Also one for another Python, which pip names as ignored; hashes and comments are none."""
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "# a==1\nalembic==1.20.0 \\\n    --hash=sha256:00\n"
        "numpy==1 ; python_version < '3.11'\nnumpy==2 ; python_version >= '3.11'\npytest[all]==8\n",
        encoding="utf-8",
    )
    assert count_pins([lock]) == 4


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
