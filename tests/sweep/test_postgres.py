"""Several workers of one study on PostgreSQL, as on several machines."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ocr_train.errors import StorageError
from ocr_train.sweep.database import open_storage
from tests.sweep.scene import Scene, postgres_programs
from tests.sweep.test_work import share_trials

PASSWORD = "sweeps-only-secret"


def as_postgres(words: Sequence[object], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one of its programs as somebody who is not root, which it refuses."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*prefix, *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a database of its own on loopback, with a password; skipped where there is no PostgreSQL."""
    pytest.importorskip("psycopg", reason="psycopg, which speaks to PostgreSQL, is not installed")
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    if os.geteuid() == 0 and (
        not shutil.which("runuser") or "postgres:" not in Path("/etc/passwd").read_text()
    ):
        pytest.skip("we are root, as whom PostgreSQL does not run, and there is no user postgres")
    # Not below pytest's folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="sweep-pg-", dir="/tmp"))
    folder.chmod(0o777)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    data = folder / "data"
    made = as_postgres(
        [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "sweeps",
            "-A",
            "scram-sha-256",
            "--pwfile",
            secret,
            "--no-sync",
        ],
        folder,
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    begun = as_postgres(
        [programs / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start"], folder
    )
    try:
        assert begun.returncode == 0, made.stderr + begun.stdout + begun.stderr
        yield f"postgresql://sweeps:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        as_postgres([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], folder)
        shutil.rmtree(folder, ignore_errors=True)


def test_two_processes_share_a_study_on_postgresql(tmp_path: Path, postgres: str) -> None:
    """They make the tables together, and no trial twice."""
    share_trials(Scene(tmp_path), postgres.replace("postgresql:", "postgresql+psycopg:"))


def test_a_wrong_password_is_told_without_it(postgres: str) -> None:
    """As an error of the storage, with what to do."""
    wrong = postgres.replace("postgresql:", "postgresql+psycopg:").replace(PASSWORD, "another-secret-word")
    with pytest.raises(StorageError, match="cannot be used") as caught:
        open_storage(wrong)
    assert "another-secret-word" not in str(caught.value)
