"""What the kernel says of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.trainer.oom_killer import OomKillMonitor

OLD = "4,99,10,-;Out of memory: Killed process 1 (old) total-vm:1kB\n"
KILLED = (
    "4,100,123456789,-;Memory cgroup out of memory: Killed process 4711 (python3) total-vm:9000000kB, "
    "anon-rss:8000000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0\n SUBSYSTEM=memory\n"
)


def witness(folder: Path, *, log: str = "", group: str = "0::/job\n") -> OomKillMonitor:
    """A witness on files in `folder`."""
    (folder / "kmsg").write_text(log)
    (folder / "cgroup").write_text(group)
    return OomKillMonitor(log=folder / "kmsg", cgroups=folder, own_cgroup=folder / "cgroup")


def test_the_kernels_own_words_are_quoted(tmp_path: Path) -> None:
    """What was there before is not about this run."""
    seen = witness(tmp_path, log=OLD)
    with (tmp_path / "kmsg").open("a") as stream:
        stream.write("6,100,1,-;eth0: up\n" + KILLED)
    said = seen.message()
    seen.close()
    assert "Killed process 4711 (python3)" in said
    assert "SUBSYSTEM" not in said


def test_silence_is_no_message(tmp_path: Path) -> None:
    """Old kills, other lines."""
    seen = witness(tmp_path, log=OLD)
    assert seen.message() == ""
    seen.close()
    seen.close()


@pytest.mark.parametrize(
    ("group", "file"),
    [
        ("0::/job\n", "job/memory.events"),
        ("4:memory:/job\n0::/\n", "memory/job/memory.oom_control"),
        ("0::/../elsewhere\n", "memory.events"),
    ],
)
def test_a_container_that_cannot_read_the_log_has_its_counter(tmp_path: Path, group: str, file: str) -> None:
    """Control groups of version 2, of version 1, and the own group seen as the root."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("max 7\noom_kill 2\noom_group_kill 0\n")
    seen = witness(tmp_path, group=group)
    assert seen.message() == ""
    (tmp_path / file).write_text("max 9\noom_kill 3\noom_group_kill 0\n")
    assert "1 process(es) killed" in seen.message()
    seen.close()


def test_nothing_is_known_where_nothing_can_be_read(tmp_path: Path) -> None:
    """Other systems, strict containers."""
    seen = OomKillMonitor(log=tmp_path / "a", cgroups=tmp_path / "b", own_cgroup=tmp_path / "c")
    assert seen.message() == ""
    seen.close()


def test_this_machines_own_log_can_be_asked() -> None:
    """Whatever it answers; a test run kills nothing."""
    seen = OomKillMonitor()
    assert isinstance(seen.message(), str)
    seen.close()
