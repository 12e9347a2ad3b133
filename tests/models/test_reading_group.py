"""A reading in several processes gives what one would give."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from ocr_train.analysis.predictions import Reading
from ocr_train.errors import SetupError
from ocr_train.models.inference import Model, ReadingProcess
from ocr_train.models.reading_group import MOST, ReadingGroup, processes_for

MODEL = Model(kind="checkpoint", path=Path("best"), config=Path("config.yml"), python=Path(), root=Path())


class OneShare:
    """A stand-in for a child that reads its images at once, or fails."""

    def __init__(self, images: list[Path], texts: list[str], *, failed: bool = False) -> None:
        self.images, self.texts, self.failed = images, texts, failed
        self.open = True

    def poll(self) -> bool:
        return self.failed or not self.open

    def result(self) -> list[Reading]:
        if self.failed:
            raise SetupError("it ended with signal 9")
        return [Reading(image=path, text=text) for path, text in zip(self.images, self.texts, strict=True)]

    def __enter__(self) -> OneShare:
        return self

    def __exit__(self, *_: object) -> None:
        self.open = False


@pytest.fixture
def shares(monkeypatch: pytest.MonkeyPatch) -> list[OneShare]:
    """The children that are started."""
    started: list[OneShare] = []

    def start(_model: Model, images: list[Path], *, texts: list[str], **_: Any) -> OneShare:
        started.append(OneShare(images, texts))
        return started[-1]

    monkeypatch.setattr(ReadingProcess, "start", start)
    return started


@pytest.mark.parametrize("count", [1, 2, 3])
def test_answers_come_in_the_order_of_the_images(shares: list[OneShare], count: int) -> None:
    """Whoever read them, and each with its own text."""
    images = [Path(f"{number}.png") for number in range(7)]
    group = ReadingGroup.start(MODEL, images, processes=count, texts=[path.stem for path in images])
    assert [(one.image, one.text) for one in group.result()] == [(path, path.stem) for path in images]
    assert len(shares) == count
    group.close()
    assert not any(share.open for share in shares)


def test_one_that_fails_ends_the_reading() -> None:
    """It is not waited for the others, whose answers are of no use then."""
    working, failed = OneShare([], []), OneShare([], [], failed=True)
    group = ReadingGroup([cast("ReadingProcess", one) for one in (working, failed)], ExitStack())
    assert group.poll()
    with pytest.raises(SetupError, match="signal 9"):
        group.result()


def test_few_images_and_a_gpu_have_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting takes longer than some pages; many have one a CPU, up to a limit."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(2)), raising=False)
    assert processes_for("det", 12, use_gpu=False) == 1
    assert processes_for("rec", 96, use_gpu=False) == 2
    assert processes_for("rec", 1000, use_gpu=True) == 1
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(64)), raising=False)
    assert processes_for("det", 200, use_gpu=False) == MOST
