"""Reading any number of images."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.errors import SetupError
from ocr_train.models.inference import EXPORTED, Model, read_images
from ocr_train.models.reading_many import read_many
from tests.lively_kit import Kit
from tests.models.test_source import write_exported


@pytest.mark.slow
def test_parts_give_what_the_whole_gives(kit: Kit) -> None:
    """In the order of the images, with the texts that belong to each; how far it is is told to the last."""
    images = list(kit.images["rec"][:5])
    texts = [str(number) for number in range(5)]
    told: list[int] = []
    model = kit.model("rec")
    parts = list(read_many(model, images, progress=told.append, chunk=3, texts=texts))
    whole = read_images(model, images, texts=texts)
    assert [(one.image, one.text) for one in parts] == [(one.image, one.text) for one in whole]
    assert [one.label_logp for one in parts] == pytest.approx([one.label_logp for one in whole], abs=1e-3)
    assert all(one.text_logp is not None for one in parts)
    assert told[-1] == 5
    assert told == sorted(told)


def test_a_reading_that_stands_still_is_ended(tmp_path: Path) -> None:
    """With the option that gives it more time."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    script.chmod(0o755)
    folder = tmp_path / "model"
    write_exported(folder)
    model = Model(kind=EXPORTED, path=folder, config=folder / "config.yml", python=script, root=Path())
    with pytest.raises(SetupError, match=r"no image was read for 0\.2 s, after 0 of them") as caught:
        list(read_many(model, [tmp_path / "a.png"], progress=lambda _: None, stall_s=0.2))
    assert "--timeout-s" in caught.value.hint


def test_no_images_start_no_process(tmp_path: Path) -> None:
    """There is nothing to read."""
    model = Model(kind=EXPORTED, path=tmp_path, config=tmp_path, python=tmp_path / "no python", root=Path())
    assert list(read_many(model, [], progress=lambda _: None)) == []
