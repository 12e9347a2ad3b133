"""What has to go to the server, on disk: what a crash and a full disk may and may not do to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ocr_train.tracking.outbox import Checkpoint, DatasetInput, File, Item, Outbox, Tree

CONFIG = File(path="config.yml", folder="config")
CHECKPOINT = Checkpoint(
    path="snapshots/best-1", name="best_accuracy", kind="best", step=8, epoch=2, best=True
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the list is."""
    return tmp_path / "run" / "pending.jsonl"


@pytest.mark.parametrize(
    "item",
    [
        CONFIG,
        CHECKPOINT,
        Tree(path="artifacts"),
        DatasetInput(name="ป้าย", digest="d", source="s3://b/p", profile='{"train": 4}'),
    ],
)
def test_an_item_comes_back_as_it_was(path: Path, item: Item) -> None:
    """In another process, too."""
    key = Outbox(path).add(item)
    assert Outbox(path).pending() == {key: item}


def test_what_has_gone_is_not_pending(path: Path) -> None:
    """Whoever notes it."""
    first, second = Outbox(path), Outbox(path)
    key, _ = first.add(CONFIG), first.add(CHECKPOINT)
    second.done(key)
    assert list(first.pending().values()) == [CHECKPOINT]


@pytest.mark.parametrize(
    "torn", [b'{"id": "a", "item": "fi', b"\xff\xfe", b"[]\n", b'{"id": "x", "item": "y"}\n']
)
def test_a_torn_or_foreign_line_hides_no_other(path: Path, torn: bytes) -> None:
    """A crash in the middle of a line costs that line."""
    first = Outbox(path).add(CONFIG)
    with path.open("ab") as stream:
        stream.write(torn)
    second = Outbox(path).add(CHECKPOINT)
    assert Outbox(path).pending() == {first: CONFIG, second: CHECKPOINT}


FULL = """
import resource, sys
from pathlib import Path
from ocr_train.tracking.outbox import File, Outbox
outbox = Outbox(Path(sys.argv[1]))
outbox.add(File(path="a", folder=""))
resource.setrlimit(resource.RLIMIT_FSIZE, (outbox.path.stat().st_size + 20, resource.RLIM_INFINITY))
outbox.add(File(path="b", folder=""))
print([item.path for item in outbox.pending().values()])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
outbox.add(File(path="c", folder=""))
"""


def test_a_full_disk_costs_no_item(path: Path) -> None:
    """It waits in memory, counts as pending, and is written when there is room again."""
    path.parent.mkdir()
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], check=True, capture_output=True, text=True)
    assert done.stdout == "['a', 'b']\n"
    assert [item.path for item in Outbox(path).pending().values() if isinstance(item, File)] == [
        "a",
        "b",
        "c",
    ]
