"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ocr_train.atomic_files import LEFT_AFTER_S, whole_file, write_bytes, write_text


def content(folder: Path) -> dict[str, bytes]:
    """All that is in a folder, hidden files too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fill_the_disk(part: Path) -> None:
    """Some bytes, and then the disk is full."""
    part.write_bytes(b"half")
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 - a device is no path of ours
        full.write(b"the rest")


def test_a_file_is_in_its_place_after_the_block(tmp_path: Path) -> None:
    """Not before: who reads meanwhile has the old one."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with whole_file(path) as part:
        part.write_bytes(b"new")
        assert (part.parent, path.read_bytes()) == (tmp_path, b"old")
    assert content(tmp_path) == {"a.txt": b"new"}


def test_a_failure_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    """Whatever the block raises comes out of it."""
    (tmp_path / "a.txt").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "a.txt") as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt
    assert content(tmp_path) == {"a.txt": b"old"}


def test_a_failure_before_anything_is_written_leaves_nothing(tmp_path: Path) -> None:
    """There is no part to remove then."""
    with pytest.raises(ValueError, match="early"), whole_file(tmp_path / "a.txt"):
        raise ValueError("early")
    assert content(tmp_path) == {}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    """The error says that the disk is full."""
    (tmp_path / "a.txt").write_bytes(b"old")
    with pytest.raises(OSError) as caught, whole_file(tmp_path / "a.txt") as part:
        fill_the_disk(part)
    assert caught.value.errno == errno.ENOSPC
    assert content(tmp_path) == {"a.txt": b"old"}


def test_a_place_that_cannot_be_replaced_keeps_no_part(tmp_path: Path) -> None:
    """A folder is where the file should be."""
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError):
        write_bytes(tmp_path / "a", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_hard_link_to_the_file_itself_keeps_no_part(tmp_path: Path) -> None:
    """Renaming one name of a file to another name of the same file does nothing."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"same")
    with whole_file(path) as part:
        os.link(path, part)
    assert content(tmp_path) == {"a.txt": b"same"}


def killed_while_writing(path: Path) -> Path:
    """The part that a process leaves which is killed (SIGKILL) in the middle of writing `path`."""
    code = (
        "import os, pathlib, signal, sys; from ocr_train.atomic_files import whole_file\n"
        "with whole_file(pathlib.Path(sys.argv[1])) as part:\n"
        "    part.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    (part,) = path.parent.glob(f".{path.name}.*.part")
    return part


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    """Of the file that is written, and of no other."""
    for name in ("a.txt", "b.txt"):
        left = killed_while_writing(tmp_path / name)
        os.utime(left, (time.time() - 2 * LEFT_AFTER_S,) * 2)
    write_bytes(tmp_path / "a.txt", b"new")
    assert content(tmp_path) == {"a.txt": b"new", left.name: b"half"}


def test_what_another_process_is_writing_stays(tmp_path: Path) -> None:
    """One that is there, however slow; and one that wrote a moment ago, perhaps on another machine of a shared disk."""
    slow = tmp_path / f".a.txt.{os.getppid()}.part"
    slow.write_bytes(b"slow")
    os.utime(slow, (time.time() - 2 * LEFT_AFTER_S,) * 2)
    fresh = killed_while_writing(tmp_path / "b.txt")
    write_bytes(tmp_path / "a.txt", b"new")
    write_bytes(tmp_path / "b.txt", b"new")
    assert content(tmp_path) == {"a.txt": b"new", "b.txt": b"new", slow.name: b"slow", fresh.name: b"half"}


def test_a_private_file_is_private_from_its_first_byte_on(tmp_path: Path) -> None:
    """Whatever was there before, a part that a killed process left too."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with whole_file(path) as part:
        part.write_bytes(b"new")
    part.write_bytes(b"left over")
    part.chmod(0o644)
    with whole_file(path, private=True) as again:
        assert (again, again.stat().st_mode & 0o777, again.read_bytes()) == (part, 0o600, b"")
        again.write_text("secret")
    assert (path.stat().st_mode & 0o777, path.read_bytes()) == (0o600, b"secret")


def test_a_file_that_is_not_private_has_the_usual_permissions(tmp_path: Path) -> None:
    """As if it had been written at once."""
    (tmp_path / "plain").write_bytes(b"")
    write_text(tmp_path / "a.txt", "ไทย")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "a.txt").read_bytes() == "ไทย".encode()


def test_the_folder_is_made_for_what_is_written_at_once(tmp_path: Path) -> None:
    """Private or not."""
    write_bytes(tmp_path / "x" / "y" / "a", b"1\n")
    write_text(tmp_path / "z" / "b", "2\n", private=True)
    assert ((tmp_path / "x/y/a").read_bytes(), (tmp_path / "z/b").read_bytes()) == (b"1\n", b"2\n")


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    """255 bytes, which leave no room for more."""
    name = "ก" * 85
    write_bytes(tmp_path / name, b"1")
    assert content(tmp_path) == {name: b"1"}
