"""The ways in which tests run our command line keep their limits."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from ocr_train.cli import main
from tests.commands import ocr_train_here


def test_a_command_that_hangs_in_this_process_fails_its_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of the limit is left."""
    monkeypatch.setattr(main, "run", lambda _words: time.sleep(60))
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(pytest.fail.Exception, match="did not end within"):
        ocr_train_here("runs", cwd=tmp_path, timeout_s=0.2)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
