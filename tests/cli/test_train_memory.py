"""What a training does about its own memory before it begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import environment

_ARENAS = """
import ctypes, sys, threading
libc = ctypes.CDLL(None)
if not hasattr(libc, "malloc_info"):
    sys.exit("none")
from ocr_train.cli.train import use_few_arenas
use_few_arenas()
meet = threading.Barrier(8)
def work():
    libc.malloc.restype = ctypes.c_void_p
    kept = [libc.malloc(1000) for _ in range(100)]
    meet.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
libc.fopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, stream)
libc.fclose(stream)
"""


def test_threads_share_their_memory(tmp_path: Path) -> None:
    """Eight at once have two arenas, and not one each."""
    found = tmp_path / "arenas.xml"
    argv = [sys.executable, "-c", _ARENAS, str(found)]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False)
    if done.stderr.strip() == "none":
        pytest.skip("this system's C library is another one")
    assert done.returncode == 0, done.stderr
    assert found.read_text(encoding="utf-8").count("<heap nr=") <= 2
