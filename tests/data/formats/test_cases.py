"""Folders that were converted wrong once, with what is right, to the pixel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest
from shapely import Polygon  # type: ignore[import-untyped]

from ocr_train.data.checks.problems import ERROR
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.formats.conversion import Conversion
from ocr_train.data.formats.table import FORMATS, detect_format
from tests.cli_run import command

Capsys = pytest.CaptureFixture[str]


def case(shared: Path, name: str) -> Path:
    """A folder of the cases."""
    path = shared / "cases" / "data" / name
    if not path.is_dir():
        pytest.skip(f"../shared/cases/data/{name} is absent")
    return path


def converted(source: Path, out: Path, **options: Any) -> tuple[Conversion, dict[str, list[dict[str, Any]]]]:
    """The conversion and the boxes by image."""
    done = FORMATS[detect_format(source)].convert(source, out, **options)
    lines = done.labels.read_text(encoding="utf-8").splitlines()
    report = validate([done.labels], done.labels.parent, Rules(task="det"))
    assert [one for one in report.problems if one.severity == ERROR] == []
    return done, {line.split("\t")[0]: json.loads(line.split("\t")[1]) for line in lines}


def test_texts_are_in_the_description(shared: Path, tmp_path: Path) -> None:
    """All labels are "text"."""
    done, pages = converted(case(shared, "03-labelme-class-as-text/lm_default"), tmp_path / "out")
    assert [one["transcription"] for boxes in pages.values() for one in boxes] == [
        *("word 0", "other 0", "word 1", "other 1", "word 2", "other 2")
    ]
    assert [(one.kind, one.value[:23]) for one in done.problems] == [
        ("text_field", "description: 6 of 6 box")
    ]


def test_x_anylabelings_image_stays_turned(shared: Path, tmp_path: Path) -> None:
    """The box holds what is black as OpenCV shows it."""
    source = case(shared, "04-xanylabeling-version-exif/x_exif100")
    _, pages = converted(source, tmp_path / "out", text_from="description")
    ((name, (box,)),) = pages.items()
    assert (tmp_path / "out" / name).read_bytes() == (source / "p.jpg").read_bytes()
    (left, top), _, (right, bottom), _ = box["points"]
    assert cv2.imread(str(tmp_path / "out" / name))[top:bottom, left:right].mean() < 5


def test_rotation_and_quadrilateral_are_kept(shared: Path, tmp_path: Path) -> None:
    """Six boxes of six."""
    done, pages = converted(case(shared, "05-xanylabeling-rotation-quadrilateral/x_rot"), tmp_path / "out")
    assert (done.boxes, done.lost) == (6, 0)
    for boxes in pages.values():
        assert {one["transcription"]: one["points"] for one in boxes} == {
            "TILT": [[50, 60], [150, 40], [154, 60], [54, 80]],
            "QUAD": [[10, 100], [90, 100], [90, 130], [10, 130]],
            "RECT": [[200, 100], [290, 100], [290, 130], [200, 130]],
        }


@pytest.mark.parametrize("options", [(), ("--difficult", "ignore"), ("--difficult", "keep")])
def test_difficult_does_not_depend_on_a_file_of_states(
    capsys: Capsys, shared: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """The same targets in both folders, and the number of the boxes."""
    targets = []
    for name in ("lab", "lab2"):
        source = case(shared, f"07-difficult-depends-on-fileState/{name}")
        out = tmp_path / name
        ran = command(capsys, "prepare", "--task", "det", "--data", source, "--out", out, *options)
        assert ran.code == 0, ran.err
        assert "difficult: 5" in ran.err + ran.out or "difficult '5 boxes" in ran.err + ran.out
        lines = [line for part in ("train", "val") for line in (out / f"{part}.txt").read_text().splitlines()]
        targets.append(sorted(line.split("\t")[1] for line in lines))
    assert targets[0] == targets[1]
    assert ("###" in "".join(targets[0])) == ("ignore" in options)


def test_a_curve_at_the_edge_keeps_its_shape(shared: Path, tmp_path: Path) -> None:
    """The smallest rectangle had three times its area."""
    source = case(shared, "11-curved-polygon-at-the-edge/lm_curve")
    _, pages = converted(source, tmp_path / "out")
    for name, (box,) in pages.items():
        (shape,) = json.loads((source / f"{Path(name).stem}.json").read_text())["shapes"]
        right = Polygon([(min(max(x, 0), 399), y) for x, y in shape["points"]])
        made = Polygon(box["points"])
        assert made.intersection(right).area / made.union(right).area >= 0.99
        assert made.area == pytest.approx(20_466.6, abs=1)


def test_what_crosses_itself_is_mended_and_the_good_box_stays(shared: Path, tmp_path: Path) -> None:
    """The check takes the page."""
    done, pages = converted(case(shared, "29-convert-writes-what-validate-refuses/lm_self"), tmp_path / "out")
    assert pages["images/0.jpg"][1] == {
        "transcription": "GOOD",
        "points": [[200, 10], [300, 10], [300, 40], [200, 40]],
    }
    assert [(one.kind, one.value) for one in done.problems] == [("mended", "1 of 2 shapes")]


def test_a_folder_of_ppocrlabel_without_states(shared: Path, tmp_path: Path) -> None:
    """Label.txt is for detection, rec_gt.txt for recognition."""
    done, pages = converted(case(shared, "28-label-and-recgt-without-fileState/xany"), tmp_path / "out")
    assert (done.crops, done.images, done.boxes, len(pages)) == (6, 6, 6, 6)


def test_a_folder_that_macos_has_copied(shared: Path, tmp_path: Path) -> None:
    """Its attribute files are passed over."""
    done, _ = converted(case(shared, "10-appledouble/lm_mac"), tmp_path / "out")
    assert (done.images, done.boxes, done.problems) == (1, 1, ())
