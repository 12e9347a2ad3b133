"""What every conversion may be asked for: pages without boxes, and images in another folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ocr_train.data.formats.table import FORMATS, options_for
from ocr_train.errors import ConfigError
from tests.cli_run import command, jpeg
from tests.data.formats.test_every_format import COUNT, folder_of


def labelme(folder: Path) -> Path:
    """Two images that somebody looked at in LabelMe; one has no text."""
    folder.mkdir(parents=True)
    shape = {"label": "a", "shape_type": "rectangle", "points": [[2, 2], [40, 20]]}
    for name, shapes in (("0", [shape]), ("1", [])):
        (folder / f"{name}.jpg").write_bytes(jpeg(64, 32, grey=90 + int(name)))
        (folder / f"{name}.json").write_text(json.dumps({"imagePath": f"{name}.jpg", "shapes": shapes}))
    return folder


def test_a_page_without_boxes_is_kept_where_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`convert --empty-pages true` writes an empty list, and `prepare` makes a page of it where nothing is to be found."""
    src = labelme(tmp_path / "src")
    assert command(capsys, "convert", "labelme", src, tmp_path / "plain").code == 0
    assert len((tmp_path / "plain" / "Label.txt").read_text().splitlines()) == 1
    ran = command(capsys, "convert", "labelme", src, tmp_path / "all", "--empty-pages", "true")
    assert ran.code == 0, ran.err
    assert (tmp_path / "all" / "Label.txt").read_text().splitlines()[1] == "images/1.jpg\t[]"
    ran = command(
        capsys,
        "prepare",
        "--task",
        "det",
        "--data",
        src,
        "--out",
        tmp_path / "out",
        "--val",
        "0",
        "--empty-pages",
        "true",
    )
    assert (ran.code, "empty_page: 1" in ran.out) == (0, True), ran.err
    assert '"###"' in (tmp_path / "out" / "train.txt").read_text().splitlines()[1]


def test_images_may_lie_in_another_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The labels of a tool without their images are found with --images."""
    src = labelme(tmp_path / "src")
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    for image in src.glob("*.jpg"):
        shutil.move(image, tmp_path / "photos" / "deep")
    assert command(capsys, "convert", "labelme", src, tmp_path / "plain").code == 3
    ran = command(capsys, "convert", "labelme", src, tmp_path / "out", "--images", tmp_path / "photos")
    assert ran.code == 0, ran.err
    assert (tmp_path / "out" / "images" / "0.jpg").is_file()


@pytest.mark.parametrize("name", [*FORMATS])
def test_every_format_but_one_takes_a_folder_of_images(tmp_path: Path, name: str) -> None:
    """Where the images lie below the source already, nothing changes; LMDB has them in its file."""
    src = folder_of(name, tmp_path / "src")
    if name == "lmdb":
        with pytest.raises(ConfigError, match="--images is for"):
            options_for(name, {"images": "."}, src)
        return
    given = options_for(name, {"images": "."}, src)
    done = FORMATS[name].convert(src, tmp_path / "out", **given)
    assert (done.images or done.crops) == COUNT


def test_a_format_without_pages_refuses_the_question(tmp_path: Path) -> None:
    """Texts have no boxes."""
    with pytest.raises(ConfigError, match="--empty-pages is for"):
        options_for("csv", {"empty_pages": True}, tmp_path)
