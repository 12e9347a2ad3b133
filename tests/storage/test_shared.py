"""Folders that several processes use at once. Each `Leases` stands for a process: the kernel locks them alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_train.storage.fetch import fetch, is_current
from ocr_train.storage.shared import Leases
from tests.s3 import Prefix


class Source:
    """A source with a version, copied into folders."""

    def __init__(self) -> None:
        self.version = "1"
        self.refreshed: list[str] = []

    def refresh(self, folder: Path) -> None:
        """Bring the folder up to date."""
        folder.mkdir(exist_ok=True)
        (folder / "version").write_text(self.version)
        self.refreshed.append(folder.name)

    def is_current(self, folder: Path) -> bool:
        """Whether it is."""
        return (folder / "version").read_text() == self.version

    def use(self, leases: Leases, folder: Path) -> Path:
        """The copy that a process gets."""
        return leases.use(folder, refresh=self.refresh, is_current=self.is_current)


@pytest.fixture
def processes() -> Iterator[list[Leases]]:
    """Three processes."""
    three = [Leases(), Leases(), Leases()]
    yield three
    for one in three:
        one.close()


def test_two_readers_of_the_same_source_share_one_copy(tmp_path: Path, processes: list[Leases]) -> None:
    """Nothing is fetched twice."""
    source = Source()
    assert [source.use(one, tmp_path / "data").name for one in processes[:2]] == ["data", "data"]
    assert source.refreshed == ["data"]


def test_a_copy_in_use_is_not_changed(tmp_path: Path, processes: list[Leases]) -> None:
    """The second process gets the new version beside the first one's, and the third shares it."""
    source = Source()
    first = source.use(processes[0], tmp_path / "data")
    source.version = "2"
    others = [source.use(one, tmp_path / "data") for one in processes[1:]]
    assert (first / "version").read_text() == "1"
    assert [other.name for other in others] == ["data-2", "data-2"]
    assert source.refreshed == ["data", "data-2"]


def test_a_second_copy_goes_when_nobody_uses_it(tmp_path: Path, processes: list[Leases]) -> None:
    """The disk does not fill up with old versions."""
    source = Source()
    source.use(processes[0], tmp_path / "data")
    source.version = "2"
    source.use(processes[1], tmp_path / "data")
    processes[0].close()
    processes[1].close()
    assert source.use(processes[2], tmp_path / "data").name == "data"
    assert not (tmp_path / "data-2").exists()


def test_one_process_may_ask_again(tmp_path: Path, processes: list[Leases]) -> None:
    """Its own lease is not in its way."""
    source = Source()
    source.use(processes[0], tmp_path / "data")
    source.version = "2"
    assert source.use(processes[0], tmp_path / "data").name == "data"


def test_whoever_comes_while_a_copy_is_made_waits_for_it(tmp_path: Path, processes: list[Leases]) -> None:
    """And reads a whole one."""
    source, made, begun = Source(), threading.Event(), threading.Event()

    def slowly(folder: Path) -> None:
        begun.set()
        made.wait(10)
        source.refresh(folder)

    def use_first() -> None:
        processes[0].use(tmp_path / "data", refresh=slowly, is_current=source.is_current)

    first = threading.Thread(target=use_first)
    first.start()
    assert begun.wait(10)
    threading.Timer(0.2, made.set).start()
    assert source.is_current(source.use(processes[1], tmp_path / "data"))
    first.join(10)
    assert source.refreshed == ["data"]


def test_a_failed_refresh_gives_the_folder_back(tmp_path: Path, processes: list[Leases]) -> None:
    """The next process tries again."""

    def fails(folder: Path) -> None:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        processes[0].use(tmp_path / "data", refresh=fails, is_current=lambda folder: False)
    processes[0].close()
    assert Source().use(processes[1], tmp_path / "data").name == "data"


def test_whether_a_copy_is_current_is_asked_of_the_source(prefix: Prefix, tmp_path: Path) -> None:
    """An object that changed, came or went makes it old; asking changes nothing."""
    prefix.put("a", b"one")
    prefix.put("b", b"two")
    fetch(prefix.uri, tmp_path)
    assert is_current(prefix.uri, tmp_path)
    prefix.put("a", b"ONE")
    assert not is_current(prefix.uri, tmp_path)
    assert (tmp_path / "a").read_bytes() == b"one"
    fetch(prefix.uri, tmp_path)
    prefix.delete("b")
    assert not is_current(prefix.uri, tmp_path)
