"""LabelMe conversion: every version and shape, whatever the JSON says, and never outside its folder."""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from shapely import Polygon  # type: ignore[import-untyped]

from ocr_train.data.formats.conversion import Conversion
from ocr_train.data.formats.labelme import convert_labelme
from ocr_train.errors import DataError
from tests.fuzz import cases

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "labelme"

WIDTH, HEIGHT = 200, 100


def image_bytes(
    width: int = WIDTH, height: int = HEIGHT, *, orientation: int = 1, kind: str = "JPEG", grey: int = 90
) -> bytes:
    """An image file with one bright corner, so that a rotation shows."""
    image = Image.new("RGB", (width, height), (grey, grey, grey))
    image.paste((255, 255, 255), (0, 0, width // 4, height // 4))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = io.BytesIO()
    image.save(data, kind, **({"exif": exif} if orientation != 1 else {}))
    return data.getvalue()


def shape(shape_type: str | None, points: Any, label: Any = "K 1976", **more: Any) -> dict[str, Any]:
    """One shape as LabelMe writes it."""
    return {"label": label, "points": points, "shape_type": shape_type, "flags": {}, "group_id": None, **more}


def write_json(path: Path, shapes: Any, **changes: Any) -> Path:
    """A LabelMe file as version 5 writes it; a change to `...` takes the key away."""
    content: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": path.with_suffix(".jpg").name,
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
        **changes,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {key: value for key, value in content.items() if value is not ...}
    path.write_text(json.dumps(kept), encoding="utf-8")
    return path


def write_page(path: Path, shapes: Any, **changes: Any) -> Path:
    """A LabelMe file and its image next to it."""
    write_json(path, shapes, **changes)
    path.with_suffix(".jpg").write_bytes(image_bytes())
    return path


def read_result(out: Path) -> dict[str, list[dict[str, Any]]]:
    """The boxes by image, as PaddleOCR reads Label.txt."""
    lines = (out / "Label.txt").read_text(encoding="utf-8").splitlines()
    return {line.split("\t")[0]: json.loads(line.split("\t")[1]) for line in lines}


def convert_one(tmp_path: Path, one: dict[str, Any]) -> tuple[list[dict[str, Any]], Conversion]:
    """The boxes that one shape gives on a page where a second shape keeps the page alive."""
    write_page(tmp_path / "src" / "a.json", [one, shape("rectangle", [[0, 0], [5, 5]], "anchor")])
    done = convert_labelme(tmp_path / "src", tmp_path / "out")
    boxes = read_result(tmp_path / "out")["images/a.jpg"]
    return [box for box in boxes if box["transcription"] != "anchor"], done


def kinds(done: Conversion) -> Counter[str]:
    """How many problems of each kind there are."""
    return Counter(problem.kind for problem in done.problems)


UPRIGHT = [[20, 30], [120, 30], [120, 60], [20, 60]]


@pytest.mark.parametrize(
    ("shape_type", "points", "expected"),
    [
        ("rectangle", [[20, 30], [120, 60]], UPRIGHT),
        ("rectangle", [[120, 60], [20, 30]], UPRIGHT),
        ("rectangle", [[120, 30], [20, 60]], UPRIGHT),
        ("rectangle", [[20, 60], [120, 30]], UPRIGHT),
        ("rectangle", UPRIGHT, UPRIGHT),
        ("rectangle", [UPRIGHT[2], UPRIGHT[1], UPRIGHT[0], UPRIGHT[3]], UPRIGHT),
        ("polygon", [UPRIGHT[1], UPRIGHT[0], UPRIGHT[3], UPRIGHT[2]], UPRIGHT),
        ("polygon", [UPRIGHT[0], UPRIGHT[2], UPRIGHT[1], UPRIGHT[3]], UPRIGHT),
        ("polygon", [*UPRIGHT, UPRIGHT[0]], UPRIGHT),
        (None, UPRIGHT, UPRIGHT),
        ("polygon", [*UPRIGHT, [10, 45]], [*UPRIGHT, [10, 45]]),
        ("polygon", [[10, 45], *UPRIGHT[::-1]], [*UPRIGHT, [10, 45]]),
        ("polygon", [[20, 30], [120, 30], [20, 60]], "a rectangle around them"),
        (
            "oriented_rectangle",
            [[50, 20], [80, 50], [70, 60], [40, 30]],
            [[50, 20], [80, 50], [70, 60], [40, 30]],
        ),
        ("oriented_rectangle", UPRIGHT[2:] + UPRIGHT[:2], UPRIGHT[2:] + UPRIGHT[:2]),
        ("oriented_rectangle", [UPRIGHT[3], UPRIGHT[2], UPRIGHT[1], UPRIGHT[0]], UPRIGHT),
        ("line", [[20, 50], [120, 50]], [[20, 45], [120, 45], [120, 55], [20, 55]]),
        ("line", [[120, 50], [20, 50]], [[20, 45], [120, 45], [120, 55], [20, 55]]),
        ("linestrip", [[20, 40], [60, 50], [120, 40]], [[20, 35], [120, 35], [120, 55], [20, 55]]),
        ("linestrip", [*UPRIGHT, UPRIGHT[0]], UPRIGHT),
    ],
)
def test_a_shape_becomes_its_region(
    tmp_path: Path, shape_type: str | None, points: Any, expected: Any
) -> None:
    """Each shape type, by a minimal file."""
    (box,), _ = convert_one(tmp_path, shape(shape_type, points))
    if expected == "a rectangle around them":
        assert len(box["points"]) == 4
        lengths = [math.dist(box["points"][n - 1], box["points"][n]) for n in range(4)]
        assert lengths[0] * lengths[1] == pytest.approx(100 * 30, rel=0.01)
    else:
        assert np.allclose(box["points"], expected, atol=0.02)


def test_a_circle_becomes_a_polygon_of_its_size(tmp_path: Path) -> None:
    """Centre and a point on the edge give 16 points on the circle, clockwise."""
    (box,), _ = convert_one(tmp_path, shape("circle", [[50, 50], [50, 80]]))
    assert len(box["points"]) == 16
    assert all(math.dist(point, (50, 50)) == pytest.approx(30, abs=0.02) for point in box["points"])


def mask_png(*parts: tuple[int, int, int, int], size: tuple[int, int] = (60, 30), mode: str = "L") -> str:
    """A mask with the rectangles (left, top, right, bottom) filled with 1, as LabelMe embeds it."""
    image = Image.new(mode, size)
    for part in parts:
        image.paste(1, part)
    data = io.BytesIO()
    image.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


@pytest.mark.parametrize("mode", ["L", "1"])
def test_a_mask_becomes_its_outline(tmp_path: Path, mode: str) -> None:
    """The mask lies at the first of its two corners; the outline runs through the outermost pixels."""
    one = shape("mask", [[40, 20], [99, 49]], mask=mask_png((10, 5, 51, 21), mode=mode))
    (box,), done = convert_one(tmp_path, one)
    assert box["points"] == [[50, 25], [90, 25], [90, 40], [50, 40]]
    assert not done.problems


def test_a_mask_of_several_parts_becomes_one_box(tmp_path: Path) -> None:
    """One shape has one text: its parts, letters perhaps, lie in one rectangle."""
    one = shape("mask", [[40, 20], [99, 49]], mask=mask_png((0, 0, 11, 11), (30, 0, 51, 11)))
    (box,), _ = convert_one(tmp_path, one)
    assert box["points"] == [[40, 20], [90, 20], [90, 30], [40, 30]]


@pytest.mark.parametrize(
    "mask", [None, "", "no base64!", base64.b64encode(b"no png").decode(), 7, mask_png(mode="RGB")]
)
def test_a_mask_that_cannot_be_read_becomes_its_rectangle(tmp_path: Path, mask: object) -> None:
    """The two corners still say where the text is, and a problem says what was done."""
    (box,), done = convert_one(tmp_path, shape("mask", [[40, 20], [99, 49]], mask=mask))
    assert box["points"] == [[40, 20], [99, 20], [99, 49], [40, 49]]
    assert kinds(done) == {"mask_missing": 1}


def test_a_mask_that_claims_to_be_huge_is_not_decoded(tmp_path: Path) -> None:
    """A header of 60000 x 60000 pixels costs no memory."""
    png = bytearray(base64.b64decode(mask_png((0, 0, 5, 5))))
    png[16:24] = (60000).to_bytes(4, "big") * 2
    one = shape("mask", [[40, 20], [99, 49]], mask=base64.b64encode(png).decode())
    _, done = convert_one(tmp_path, one)
    assert kinds(done) == {"mask_missing": 1}


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (shape("point", [[5, 5]]), "point"),
        (shape("points", [[5, 5], [9, 9]]), "points"),
        (shape("ellipse", [[1, 2], [30, 40]]), "unknown_shape_type"),
        (shape(["polygon"], "x"), "unknown_shape_type"),  # type: ignore[arg-type]
        (shape("polygon", []), "bad_points"),
        (shape("polygon", None), "bad_points"),
        (shape("polygon", [[1, 2], [3]]), "bad_points"),
        (shape("polygon", [[1, 2], ["3", 4], [5, 6]]), "bad_points"),
        (shape("polygon", [[1, 2], [True, 4], [5, 6]]), "bad_points"),
        (shape("polygon", [[1, 2], [math.nan, 4], [5, 60]]), "bad_points"),
        (shape("polygon", [[1, 2], [math.inf, 4], [5, 60]]), "bad_points"),
        (shape("polygon", [[1, 2], [10**400, 4], [5, 60]]), "bad_points"),
        (shape("polygon", [[1, 2], [30, 40]]), "too_few_points"),
        (shape("rectangle", [[1, 2]]), "too_few_points"),
        (shape("circle", [[1, 2]]), "too_few_points"),
        (shape("line", [[1, 2], [1, 2]]), "too_few_points"),
        (shape("rectangle", [[10, 10], [10, 50]]), "no_area"),
        (shape("polygon", [[10, 10], [20, 20], [30, 30], [40, 40]]), "no_area"),
        (shape("mask", [[40, 20], [99, 49]], mask=mask_png()), "no_area"),
        (shape("rectangle", [[300, 10], [400, 50]]), "outside_image"),
        (shape("rectangle", [[-50, -50], [-1, -1]]), "outside_image"),
        (shape("rectangle", [[1, 2], [30, 40]], "\ud800"), "bad_text"),
        (shape("rectangle", [[1, 2], [30, 40]], 12), "bad_text"),
        ("no shape", "bad_shape"),
    ],
)
def test_a_shape_without_a_region_is_counted(tmp_path: Path, one: Any, reason: str) -> None:
    """It is skipped under its reason; the page's other shapes stay."""
    boxes, done = convert_one(tmp_path, one)
    assert boxes == []
    assert done.skipped == {reason: 1}
    assert done.boxes == 1


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([[150, 30], [300, 60]], [[150, 30], [199, 30], [199, 60], [150, 60]]),
        ([[-40, -40], [20, 10]], [[0, 0], [20, 0], [20, 10], [0, 10]]),
        ([[-9999, -9999], [9999, 9999]], [[0, 0], [199, 0], [199, 99], [0, 99]]),
    ],
)
def test_a_shape_is_cut_at_the_image(tmp_path: Path, points: Any, expected: Any) -> None:
    """What lies outside is cut off, and a problem says so."""
    (box,), done = convert_one(tmp_path, shape("rectangle", points))
    assert box["points"] == expected
    assert kinds(done) == {"clipped": 1}


def test_a_pixel_beyond_the_edge_is_not_worth_a_word(tmp_path: Path) -> None:
    """Editors differ in whether the right edge is at w or w - 1."""
    (box,), done = convert_one(tmp_path, shape("rectangle", [[150, 30], [200, 100]]))
    assert box["points"] == [[150, 30], [199, 30], [199, 99], [150, 99]]
    assert not done.problems


def test_a_curved_shape_keeps_its_curve_when_cut(tmp_path: Path) -> None:
    """A line of text on an arc that leaves the image a little: the smallest rectangle would hold half the page."""
    angles = [math.pi * (1 + index / 6) for index in range(7)]
    outer = [[49.5 + 52 * math.cos(angle), 55 + 50 * math.sin(angle)] for angle in angles]
    inner = [[49.5 + 35 * math.cos(angle), 55 + 33 * math.sin(angle)] for angle in angles]
    boxes, done = convert_one(tmp_path, shape("polygon", [*outer, *reversed(inner)]))
    region, whole = Polygon(boxes[0]["points"]), Polygon([*outer, *reversed(inner)])
    assert kinds(done) == {"clipped": 1}
    assert region.area == pytest.approx(whole.area, rel=0.02)
    assert region.intersection(whole).area == pytest.approx(region.area, rel=0.01)


def test_a_turned_shape_keeps_its_edges_when_cut(tmp_path: Path) -> None:
    """The cut runs along the image's edge: no corner is pushed, which would bend the others' edges."""
    (box,), _ = convert_one(tmp_path, shape("polygon", [[180, 20], [220, 60], [200, 80], [160, 40]]))
    assert box["points"] == [[180, 20], [199, 39], [199, 79], [160, 40]]


@settings(max_examples=cases(100), deadline=None)
@given(
    st.sampled_from(["polygon", "rectangle", "circle", "line", "linestrip", "oriented_rectangle", "mask"]),
    st.lists(st.tuples(st.floats(-400, 500), st.floats(-400, 500)), min_size=1, max_size=9),
)
def test_every_region_is_a_polygon_inside_the_image(
    shape_type: str, points: list[tuple[float, float]]
) -> None:
    """Whatever the points: at least 4, within the image, with an area."""
    from ocr_train.data.formats.labelme_shapes import shape_region
    from ocr_train.data.formats.regions import NoRegion, thickness

    try:
        region = shape_region(shape(shape_type, [list(point) for point in points]), WIDTH, HEIGHT)
    except NoRegion:
        return
    assert len(region.points) >= 4
    assert all(0 <= x <= WIDTH - 1 and 0 <= y <= HEIGHT - 1 for x, y in region.points)
    assert thickness(region.points) > 0.9


def test_the_text_may_stand_in_the_description(tmp_path: Path) -> None:
    """Teams that keep a class in `label` put the text into `description`."""
    shapes = [
        shape("rectangle", [[1, 2], [30, 40]], "word", description=" สวัสดี\nครับ\t"),
        shape("rectangle", [[50, 2], [80, 40]], "word", description=None),
        shape("rectangle", [[90, 2], [99, 40]], "word"),
    ]
    write_page(tmp_path / "src" / "a.json", shapes)
    done = convert_labelme(tmp_path / "src", tmp_path / "out", text_from="description")
    texts = [box["transcription"] for box in read_result(tmp_path / "out")["images/a.jpg"]]
    assert texts == ["สวัสดี ครับ", "", ""]
    assert kinds(done) == {"no_text": 1}
    assert done.problems[0].value == "2 of 3 shapes"


BOX = [shape("rectangle", [[10, 10], [60, 40]])]


def test_the_image_is_copied_byte_by_byte(tmp_path: Path) -> None:
    """A JPEG is not encoded a second time."""
    write_page(tmp_path / "src" / "a.json", BOX)
    convert_labelme(tmp_path / "src", tmp_path / "out")
    assert (tmp_path / "out" / "images" / "a.jpg").read_bytes() == image_bytes()


def test_embedded_data_serves_where_the_file_is_missing(tmp_path: Path) -> None:
    """The embedded image is written under its own kind of name."""
    data = base64.b64encode(image_bytes(kind="PNG")).decode()
    write_json(tmp_path / "src" / "a.json", BOX, imageData=data)
    done = convert_labelme(tmp_path / "src", tmp_path / "out")
    assert list(read_result(tmp_path / "out")) == ["images/a.png"]
    assert (tmp_path / "out" / "images" / "a.png").read_bytes() == image_bytes(kind="PNG")
    assert (done.images, done.boxes, done.problems) == (1, 1, ())


def test_embedded_data_serves_where_the_file_is_another_image(tmp_path: Path) -> None:
    """A file of another size than the JSON says is not what was labelled; the embedded image is."""
    path = write_json(tmp_path / "src" / "a.json", BOX, imageData=base64.b64encode(image_bytes()).decode())
    path.with_suffix(".jpg").write_bytes(image_bytes(64, 64))
    convert_labelme(tmp_path / "src", tmp_path / "out")
    assert (tmp_path / "out" / "images" / "a.jpg").read_bytes() == image_bytes()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (None, "image_missing"),
        (b"no image", "unreadable_image"),
        (b"", "unreadable_image"),
        (image_bytes(64, 64), "size_mismatch"),
    ],
)
def test_a_page_without_a_usable_image_is_a_problem(tmp_path: Path, content: bytes | None, kind: str) -> None:
    """Missing, damaged, or of another size than was labelled: the page is left out, and that is said."""
    path = write_json(tmp_path / "src" / "a.json", BOX)
    if content is not None:
        path.with_suffix(".jpg").write_bytes(content)
    done = convert_labelme(tmp_path / "src", tmp_path / "out")
    assert kinds(done) == {kind: 1}
    assert done.problems[0].file == str(path)
    assert done.skipped == {"page_without_image": 1}
    assert (tmp_path / "out" / "Label.txt").read_bytes() == b""


@pytest.mark.parametrize(
    "written",
    [
        "sub\\a.jpg",
        ".\\sub\\a.jpg",
        "C:\\scans\\a.jpg",
        "/home/somebody/a.jpg",
        "./a.jpg",
        "wrong/a.jpg",
        "\\\\server\\x\\a.jpg",
    ],
)
def test_an_image_is_found_from_any_systems_path(tmp_path: Path, written: str) -> None:
    """Backslashes, drives, and folders of another machine: the file name under the source decides."""
    write_json(tmp_path / "src" / "a.json", BOX, imagePath=written)
    (tmp_path / "src" / "sub").mkdir()
    (tmp_path / "src" / "sub" / "a.jpg").write_bytes(image_bytes())
    convert_labelme(tmp_path / "src", tmp_path / "out")
    assert list(read_result(tmp_path / "out")) == ["images/a.jpg"]


def test_an_image_beside_the_json_folder_is_found(tmp_path: Path) -> None:
    """`../images/a.jpg` is a common layout, and lies under the source."""
    write_json(tmp_path / "src" / "json" / "a.json", BOX, imagePath="../images/a.jpg")
    (tmp_path / "src" / "images").mkdir()
    (tmp_path / "src" / "images" / "a.jpg").write_bytes(image_bytes())
    done = convert_labelme(tmp_path / "src", tmp_path / "out")
    assert (done.images, done.problems) == (1, ())


def test_equal_names_in_nested_folders_stay_apart(tmp_path: Path) -> None:
    """Each image keeps its folder; upper and lower case count as equal."""
    for folder, grey in (("one", 10), ("two/deep", 200)):
        write_page(tmp_path / "src" / folder / "a.json", BOX)
        (tmp_path / "src" / folder / "a.jpg").write_bytes(image_bytes(grey=grey))
    write_page(tmp_path / "src" / "one" / "A.json", BOX)
    convert_labelme(tmp_path / "src", tmp_path / "out")
    assert list(read_result(tmp_path / "out")) == [
        "images/one/A.jpg",
        "images/one/2_a.jpg",
        "images/two/deep/a.jpg",
    ]
    assert (tmp_path / "out" / "images/two/deep/a.jpg").read_bytes() == image_bytes(grey=200)


def test_two_files_about_one_image_give_one_line(tmp_path: Path) -> None:
    """The boxes of both are there once, and a problem names the other file."""
    write_page(tmp_path / "src" / "a.json", BOX)
    write_json(
        tmp_path / "src" / "b.json", [*BOX, shape("rectangle", [[70, 10], [90, 40]])], imagePath="a.jpg"
    )
    done = convert_labelme(tmp_path / "src", tmp_path / "out")
    assert (done.images, done.boxes) == (1, 2)
    assert kinds(done) == {"image_labelled_twice": 1}


def test_shapes_of_other_tools_keep_their_points(tmp_path: Path) -> None:
    """X-AnyLabeling's rotation begins where its direction says, its quadrilateral at the top left; a type that nobody
    knows is a polygon of the points that can be used, and a note names it."""
    turned = [[50, 60], [150, 40], [154, 60], [54, 80]]
    shapes = [
        shape("rotation", [*turned[2:], *turned[:2]], "a", direction=6.08),
        shape("rotation", turned, "b", direction=6.08 - math.pi),
        shape("rotation", turned, "c"),
        shape("quadrilateral", [[190, 10], [190, 30], [110, 30], [110, 10]], "d"),
        shape("lasso", [[10, 10], [40, 10], ["x"], [40, 30], [10, 30]], "e"),
        shape("cuboid", [[2, 2]], "f"),
    ]
    write_page(tmp_path / "src" / "a.json", shapes)
    done = convert_labelme(tmp_path / "src", tmp_path / "out")
    found = [(one["transcription"], one["points"]) for one in read_result(tmp_path / "out")["images/a.jpg"]]
    assert found == [
        ("a", turned),
        ("b", [*turned[2:], *turned[:2]]),
        ("c", turned),
        ("d", [[110, 10], [190, 10], [190, 30], [110, 30]]),
        ("e", [[10, 10], [40, 10], [40, 30], [10, 30]]),
    ]
    assert (done.skipped, done.lost) == ({"unknown_shape_type": 1}, 1)
    assert [(one.kind, one.value, one.severity) for one in done.problems] == [
        ("unknown_shape", "1 of 6 shapes: cuboid, lasso", "note"),
        ("unknown_shape_type", "1 of 6 shapes: cuboid, lasso", "error"),
    ]


X_SHAPE = {"description": "A", "difficult": False, "attributes": {}}


@pytest.mark.parametrize(
    ("version", "more", "top", "dropped"),
    [
        # LabelMe's own before and after March 2019.
        ("3.6.16", {}, {}, True),
        ("3.7.0", {}, {}, False),
        (..., {}, {"lineColor": [0, 255, 0, 128], "fillColor": [255, 0, 0, 128]}, True),
        # X-AnyLabeling's versions begin at 0 again; two of them showed images as they are stored.
        ("1.0.0", X_SHAPE, {}, False),
        ("2.3.4", X_SHAPE, {}, False),
        ("2.3.5", X_SHAPE, {}, True),
        ("2.4.0", X_SHAPE, {}, False),
        ("3.2.1", {"score": None}, {}, False),
        ("3.3.10", {}, {"checked": False}, False),
        # AnyLabeling's.
        ("0.3.3", {"text": ""}, {"text": ""}, False),
        # Of others: no version, one that LabelMe never had, keys that came after it.
        (..., {}, {}, False),
        ("1.0", {}, {}, False),
        ("3.0.0", {"description": ""}, {}, False),
        ("3.0.0", {"group_id": 4}, {}, False),
    ],
)
def test_whether_exif_counted_depends_on_the_tool(
    tmp_path: Path, version: Any, more: dict[str, Any], top: dict[str, Any], dropped: bool
) -> None:
    """Turned by half a circle, which no size tells: the version number alone is not LabelMe's."""
    path = write_json(tmp_path / "src" / "a.json", [{**BOX[0], **more}], version=version, **top)
    path.with_suffix(".jpg").write_bytes(image_bytes(orientation=3))
    done = convert_labelme(tmp_path / "src", tmp_path / "out")
    assert (kinds(done)["exif_dropped"] == 1) == dropped


def test_difficult_shapes_are_ignored_unless_they_are_to_be_kept(tmp_path: Path) -> None:
    """X-AnyLabeling's check box: one note has their number."""
    shapes = [
        shape("rectangle", [[1, 2], [30, 40]], "a", difficult=True),
        shape("rectangle", [[50, 2], [80, 40]], "b", difficult=False),
        shape("rectangle", [[90, 2], [99, 40]], "###", difficult=True),
    ]
    write_page(tmp_path / "src" / "a.json", shapes)
    for way, text in (("auto", "###"), ("ignore", "###"), ("keep", "a")):
        done = convert_labelme(tmp_path / "src", tmp_path / way, difficult=way)
        texts = [box["transcription"] for box in read_result(tmp_path / way)["images/a.jpg"]]
        assert texts == [text, "b", "###"]
        assert [(one.kind, one.value) for one in done.problems] == [("difficult", "1 of 3 shapes")]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_where_opencv_and_labelme_see_it(tmp_path: Path, orientation: int) -> None:
    """The shapes lie in the rotated image, whose file goes over untouched."""
    turned = orientation >= 5
    data = (
        image_bytes(HEIGHT, WIDTH, orientation=orientation)
        if turned
        else image_bytes(orientation=orientation)
    )
    path = write_json(tmp_path / "src" / "a.json", BOX)
    path.with_suffix(".jpg").write_bytes(data)
    done = convert_labelme(tmp_path / "src", tmp_path / "out")
    assert (done.boxes, done.problems) == (1, ())
    assert (tmp_path / "out" / "images" / "a.jpg").read_bytes() == data


@pytest.mark.parametrize(("version", "orientation"), [("5.5.0", 6), ("2.4.0", 6), ("3.6.16", 3)])
def test_labels_from_before_exif_rotation_get_the_unrotated_image(
    tmp_path: Path, version: str, orientation: int
) -> None:
    """Where the declared size or LabelMe's version says that nothing was rotated, nothing will be."""
    size = ... if version == "2.4.0" else WIDTH
    path = write_json(tmp_path / "src" / "a.json", BOX, version=version, imageWidth=size)
    path.with_suffix(".jpg").write_bytes(image_bytes(orientation=orientation))
    done = convert_labelme(tmp_path / "src", tmp_path / "out")
    assert kinds(done) == {"exif_dropped": 1}
    with Image.open(tmp_path / "out" / "images" / "a.png") as image:
        assert image.size == (WIDTH, HEIGHT)
        assert image.getpixel((5, 5)) == pytest.approx((255, 255, 255), abs=9)
        assert 0x0112 not in image.getexif()


def test_the_oldest_format_is_read(tmp_path: Path) -> None:
    """LabelMe 2.4 wrote no shape type, no size and no flags."""
    old = {"label": "ก ข", "points": UPRIGHT, "line_color": None, "fill_color": None}
    changes: dict[str, Any] = {"version": "2.4.0", "flags": ..., "imageHeight": ..., "imageWidth": ...}
    write_page(tmp_path / "src" / "a.json", [old], **changes)
    convert_labelme(tmp_path / "src", tmp_path / "out")
    assert read_result(tmp_path / "out")["images/a.jpg"] == [{"transcription": "ก ข", "points": UPRIGHT}]


def test_a_page_without_boxes_is_left_out(tmp_path: Path) -> None:
    """PaddleOCR would train on a random other image instead."""
    write_page(tmp_path / "src" / "a.json", [shape("point", [[5, 5]])])
    done = convert_labelme(tmp_path / "src", tmp_path / "out")
    assert done.skipped == {"page_without_boxes": 1, "point": 1}
    assert not (tmp_path / "out" / "images").exists()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b'{"shapes": [], "x": "\xff"}', "not_utf8"),
        (b"[]", "not_labelme"),
        (b"null", "not_labelme"),
        (b'{"images": [], "annotations": []}', "not_labelme"),
        (b'{"shapes": {}}', "not_labelme"),
    ],
)
def test_a_file_that_is_no_labelme_json_is_a_problem(tmp_path: Path, content: bytes, kind: str) -> None:
    """Each is named, and the good file beside it is converted."""
    write_page(tmp_path / "src" / "good.json", BOX)
    (tmp_path / "src" / "bad.json").write_bytes(content)
    done = convert_labelme(tmp_path / "src", tmp_path / "out")
    assert kinds(done) == {kind: 1}
    assert done.images == 1


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    """Editors on Windows put one in front."""
    path = write_page(tmp_path / "src" / "a.json", BOX)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert convert_labelme(tmp_path / "src", tmp_path / "out").problems == ()


def files_under(folder: Path) -> set[str]:
    """All files, by their paths."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


HOSTILE = [
    "../../evil.jpg",
    "..\\..\\evil.jpg",
    "/evil.jpg",
    "/etc/passwd",
    "C:\\evil.jpg",
    "C:evil.jpg",
    "images/../../../evil.jpg",
    "..",
    ".",
    "",
    "/",
    "a\0b.jpg",
    "a\tb\n.jpg",
    "x" * 5000 + ".jpg",
    "../outside.jpg",
    "con.jpg",
    "\ud800.jpg",
    "~/evil.jpg",
    "file:///evil.jpg",
]


@pytest.mark.parametrize("written", HOSTILE)
def test_a_hostile_path_neither_reads_nor_writes_outside(tmp_path: Path, written: str) -> None:
    """The embedded image lands under a harmless name in the result, and a file outside is not picked up."""
    base = tmp_path / "deep" / "er"
    (base).mkdir(parents=True)
    for outside in (base / "outside.jpg", tmp_path / "deep" / "evil.jpg"):
        outside.write_bytes(image_bytes(grey=1))
    data = base64.b64encode(image_bytes()).decode()
    write_json(base / "src" / "a.json", BOX, imagePath=written, imageData=data)
    before = files_under(tmp_path)
    done = convert_labelme(base / "src", base / "out")
    (name,) = read_result(base / "out")
    assert done.images == 1
    assert files_under(tmp_path) - before == {"deep/er/out/Label.txt", f"deep/er/out/{name}"}
    assert (base / "out" / name).read_bytes() == image_bytes()
    assert os.path.normpath(name) == name
    assert name.startswith("images/")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(HOSTILE),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
good_image = base64.b64encode(image_bytes()).decode()
shapes_like = st.fixed_dictionaries(
    {},
    optional={
        "label": json_values,
        "description": json_values,
        "points": st.lists(st.lists(st.floats() | st.integers(-50, 300), max_size=3), max_size=6)
        | json_values,
        "shape_type": st.sampled_from(
            ["polygon", "rectangle", "circle", "line", "linestrip", "mask", "point", "oriented_rectangle"]
        )
        | st.sampled_from(["rotation", "quadrilateral", "cuboid", "lasso"])
        | json_values,
        "direction": st.floats() | json_values,
        "difficult": st.booleans() | json_values,
        "text": json_values,
        "attributes": json_values,
        "flags": json_values,
        "group_id": json_values,
        "mask": st.just(mask_png((1, 1, 40, 20))) | json_values,
    },
)
labelme_like = st.fixed_dictionaries(
    {"shapes": st.lists(shapes_like | json_values, max_size=4) | json_values},
    optional={
        "version": st.sampled_from(["2.4.0", "5.0.1", "x.y", "2.3.5"]) | json_values,
        "imagePath": st.just("a.jpg") | json_values,
        "imageData": st.just(good_image) | json_values,
        "imageHeight": st.just(HEIGHT) | json_values,
        "imageWidth": st.just(WIDTH) | json_values,
    },
)


@settings(max_examples=cases(120), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(labelme_like | json_values, st.sampled_from(["auto", "label", "description"]))
def test_no_json_makes_it_fail(
    tmp_path_factory: pytest.TempPathFactory, content: Any, text_from: str
) -> None:
    """Anything that JSON can say ends in labels or problems, and what is written can be read back."""
    base = tmp_path_factory.mktemp("fuzz")
    (base / "src").mkdir()
    (base / "src" / "a.json").write_bytes(json.dumps(content).encode(errors="surrogatepass"))
    done = convert_labelme(base / "src", base / "out", text_from=text_from)
    result = read_result(base / "out")
    assert len(result) == done.images
    assert all((base / "out" / name).is_file() for name in result)
    assert done.images or done.problems or done.skipped
    assert {path.name for path in base.iterdir()} == {"src", "out"}


@settings(max_examples=cases(100), deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_make_it_fail(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """A damaged file is one problem."""
    base = tmp_path_factory.mktemp("fuzz")
    (base / "src").mkdir()
    (base / "src" / "a.json").write_bytes(content)
    assert len(convert_labelme(base / "src", base / "out").problems) == 1


def test_converting_again_changes_nothing_and_destroys_nothing(tmp_path: Path) -> None:
    """The same source gives the same bytes; a Label.txt that somebody corrected is not overwritten
    unasked."""
    write_page(tmp_path / "src" / "a.json", BOX)
    first = convert_labelme(tmp_path / "src", tmp_path / "out")
    assert convert_labelme(tmp_path / "src", tmp_path / "out") == first
    (tmp_path / "out" / "Label.txt").write_text("corrected by hand")
    with pytest.raises(DataError, match="content is different"):
        convert_labelme(tmp_path / "src", tmp_path / "out")
    assert (tmp_path / "out" / "Label.txt").read_text() == "corrected by hand"
    assert convert_labelme(tmp_path / "src", tmp_path / "out", overwrite=True) == first


def test_the_result_may_lie_inside_the_source_but_not_around_it(tmp_path: Path) -> None:
    """`SRC/out` is left alone in reading; `SRC` itself or its parent would mix two things."""
    write_page(tmp_path / "src" / "a.json", BOX)
    convert_labelme(tmp_path / "src", tmp_path / "src" / "out")
    write_page(tmp_path / "src" / "out" / "b.json", BOX)
    assert convert_labelme(tmp_path / "src", tmp_path / "src" / "out").images == 1
    for out in (tmp_path / "src", tmp_path):
        with pytest.raises(DataError, match="holds the source"):
            convert_labelme(tmp_path / "src", out)


def test_a_source_without_json_is_refused(tmp_path: Path) -> None:
    """An empty folder and a missing one are DataErrors."""
    with pytest.raises(DataError, match="has no JSON"):
        convert_labelme(tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match="is not a folder"):
        convert_labelme(tmp_path / "none", tmp_path / "out")


REAL_COUNTS = {
    "images/balls/1.jpg": 26,
    "images/balls/2.jpg": 25,
    "images/balls/3.jpg": 14,
    "images/balls/4.jpg": 28,
    "images/balls/5.jpg": 27,
    "images/fruits/0.jpg": 12,
    "images/fruits/1.jpg": 9,
    "images/labelme-rs/Mandrill.jpg": 12,
}


def test_the_real_files_give_their_boxes(tmp_path: Path) -> None:
    """LabelMe 3.16, 4.5 and 5.0: the balls, the fruits, and the mandrill's 15 shapes less its 3 points; four
    JSON files have no image here."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data/labelme is absent")
    done = convert_labelme(SHARED, tmp_path / "out")
    counts = {name: len(boxes) for name, boxes in read_result(tmp_path / "out").items()}
    assert counts == REAL_COUNTS
    assert done.boxes == sum(REAL_COUNTS.values())
    missing = [Path(problem.file).name for problem in done.problems if problem.kind == "image_missing"]
    assert missing == ["backslash.json", "img1.json", "sort.json", "test.json"]
    assert done.skipped == {"page_without_image": 4, "point": 3}
