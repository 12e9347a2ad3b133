"""The parts of the engine that need no model: configuration, reading order, crops, output names."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from ocr_train.ocr_engine.answers import Answers
from ocr_train.ocr_engine.errors import EngineError
from ocr_train.ocr_engine.images import ImageError, decode_image
from ocr_train.ocr_engine.lines import Reader, cut_line, four_corners, is_tall, reading_order
from ocr_train.ocr_engine.model import Engine
from ocr_train.ocr_engine.networks import _in_parts, as_preds, set_channels
from ocr_train.ocr_engine.prepare import PreparedImage
from ocr_train.ocr_engine.settings import read_settings
from tests.commands import REPO
from tests.lively_models import write_config

PACKAGE = REPO / "ocr_train" / "ocr_engine"


def rectangle(x: float, y: float, width: float = 40, height: float = 10) -> list[list[float]]:
    """A box, clockwise from its top left."""
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]


def test_the_engine_runs_without_the_rest_of_us() -> None:
    """Only relative imports of ours: it is shipped alone, under another name, to older interpreters."""
    for path in PACKAGE.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
        names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names += [one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names]
        assert not [name for name in names if name.startswith(("ocr_train", "callbacks"))], path.name


class TestSettings:
    """What is taken from a run's config.yml."""

    def test_a_dictionary_beside_the_configuration_is_used_instead_of_the_one_it_names(
        self, tmp_path: Path
    ) -> None:
        """The one it names lay on the machine that trained."""
        config = write_config("rec", tmp_path / "run")
        moved = tmp_path / "moved"
        shutil.move(config.parent, moved)
        assert read_settings(moved / "config.yml", "").dictionary == str(moved / "dict.txt")

    def test_a_dictionary_that_is_nowhere_is_named(self, tmp_path: Path) -> None:
        """Without it PaddleOCR would read 0-9a-z and nothing else."""
        config = write_config("rec", tmp_path)
        (tmp_path / "dict.txt").unlink()
        with pytest.raises(EngineError, match=r"dict\.txt' that .* names is not there"):
            read_settings(config, "")

    def test_label_operators_are_left_out(self, tmp_path: Path) -> None:
        """There are no labels; the rest stays in order."""
        names = [next(iter(entry)) for entry in read_settings(write_config("det", tmp_path), "").transforms]
        assert names == ["DecodeImage", "DetResizeForTest", "NormalizeImage", "ToCHWImage"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "cannot be read"),
            ("[1]", "not a configuration of PaddleOCR"),
            ("Global: {}\nArchitecture: {}\nPostProcess: {}", "it has no Eval"),
            ("Global: {}\nArchitecture: {model_type: kie}\nPostProcess: {}\nEval: {}", "type 'kie'"),
            ("Global: {}\nArchitecture: {model_type: det}\nPostProcess: {}\nEval: {}", r"no Eval\.dataset"),
        ],
    )
    def test_what_is_not_a_configuration_is_reported(self, tmp_path: Path, text: str, message: str) -> None:
        """In one sentence, with the file."""
        path = tmp_path / "config.yml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(EngineError, match=message):
            read_settings(path, "")

    def test_weights_of_a_backbone_are_not_downloaded(self, tmp_path: Path) -> None:
        """The model's own replace them at once."""
        path = write_config("det", tmp_path)
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        config["Architecture"]["Backbone"]["pretrained"] = True
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        assert read_settings(path, "").architecture["Backbone"]["pretrained"] is False


class TestChannels:
    """The number of classes, as PaddleOCR's tools/eval.py sets it."""

    def test_a_plain_head_has_as_many_as_the_decoder(self) -> None:
        """Blank included."""
        architecture: dict[str, Any] = {"algorithm": "CRNN", "Head": {"name": "CTCHead"}}
        set_channels(architecture, {"name": "CTCLabelDecode"}, SimpleNamespace(character=["blank", "a"]))
        assert architecture["Head"]["out_channels"] == 2

    @pytest.mark.parametrize(
        ("decoder", "size"), [("CTCLabelDecode", 10), ("SARLabelDecode", 12), ("NRTRLabelDecode", 13)]
    )
    def test_a_multi_head_has_one_for_each_decoder(self, decoder: str, size: int) -> None:
        """PP-OCRv3 and v4: what the configured decoder counts in beyond CTC's is taken off."""
        architecture: dict[str, Any] = {"algorithm": "SVTR_LCNet", "Head": {"name": "MultiHead"}}
        set_channels(architecture, {"name": decoder}, SimpleNamespace(character=list(range(size))))
        assert architecture["Head"]["out_channels_list"] == {
            "CTCLabelDecode": 10,
            "SARLabelDecode": 12,
            "NRTRLabelDecode": 13,
        }

    def test_distillation_sets_each_network(self) -> None:
        """Teacher and student."""
        models = {"Teacher": {"Head": {"name": "CTCHead"}}, "Student": {"Head": {"name": "MultiHead"}}}
        architecture: dict[str, Any] = {"algorithm": "Distillation", "Models": models}
        set_channels(architecture, {"name": "DistillationCTCLabelDecode"}, SimpleNamespace(character="abc"))
        assert architecture["Models"]["Teacher"]["Head"]["out_channels"] == 3
        assert architecture["Models"]["Student"]["Head"]["out_channels_list"]["SARLabelDecode"] == 5


class TestAnswers:
    """What the post-processing's answers become."""

    def test_distillation_answers_with_the_network_whose_metric_counts(self) -> None:
        """As the run's own score."""
        settings = SimpleNamespace(task="rec", metric_key="Student", reverse=False)
        found = {"Teacher": [("no", 0.1)], "Student": [("ที่", 0.9)]}
        assert Answers(settings, lambda _preds: found)(None, None) == [{"text": "ที่", "score": 0.9}]

    def test_a_score_that_is_no_number_becomes_nothing(self) -> None:
        """JSON has no NaN."""
        settings = SimpleNamespace(task="rec", metric_key="", reverse=False)
        assert Answers(settings, lambda _preds: [("a", float("nan"))])(None, None)[0]["score"] == 0.0

    @pytest.mark.parametrize(
        ("name", "count", "names"),
        [
            ("DBPostProcess", 1, ["maps"]),
            ("EASTPostProcess", 2, ["f_geo", "f_score"]),
            ("FCEPostProcess", 3, ["level_0", "level_1", "level_2"]),
        ],
    )
    def test_an_exported_detector_s_outputs_get_their_names(
        self, name: str, count: int, names: list[str]
    ) -> None:
        """In the order in which PaddleOCR's own predictor takes them."""
        preds = as_preds(SimpleNamespace(post_process={"name": name}), list(range(count)))
        assert [preds[key] for key in names] == list(range(count))


class TestLines:
    """From boxes to lines of text."""

    def test_lines_go_row_by_row_from_the_left(self) -> None:
        """A row may be uneven, as on a photograph."""
        boxes = [rectangle(100, 3), rectangle(0, 20), rectangle(0, 0), rectangle(50, 22)]
        assert reading_order(boxes) == [2, 0, 1, 3]

    @pytest.mark.parametrize(
        ("corners", "shape", "tall"),
        [
            ([[10.0, 12.0], [60.0, 20.0], [58.0, 40.0], [9.0, 33.0]], (21, 50, 3), False),
            ([[10.0, 5.0], [25.0, 5.0], [25.0, 70.0], [10.0, 70.0]], (15, 65, 3), True),
        ],
    )
    def test_a_tall_crop_lies_on_its_side(self, corners: Any, shape: tuple[int, ...], tall: bool) -> None:
        """As PaddleOCR cuts before it reads; training data is cut by the same function."""
        image = np.random.default_rng(0).integers(0, 255, (80, 90, 3), dtype=np.uint8)
        assert (cut_line(image, corners).shape, is_tall(corners)) == (shape, tall)

    def test_a_polygon_is_cut_by_the_rectangle_around_it(self) -> None:
        """Its left corners first."""
        corners = four_corners([[0, 0], [10, 0], [20, 0], [20, 10], [10, 10], [0, 10]])
        assert np.allclose(corners, rectangle(0, 0, 20, 10))

    def test_a_page_that_fails_and_a_box_without_a_pixel_cost_the_others_nothing(self) -> None:
        """Each has its error in its own place."""
        pages = [
            {"error": "torn"},
            {"boxes": [rectangle(0, 0, 0.2, 0.2), rectangle(0, 30)], "scores": [0.5, 0.6]},
        ]
        det = SimpleNamespace(task="det", batch_size=4, ignore_orientation=False, read=lambda _images: pages)
        rec = SimpleNamespace(task="rec", read=lambda crops: [{"text": "ก", "score": 0.9}] * len(crops))
        torn, page = Reader(det, rec).read([np.zeros((60, 60, 3), np.uint8)] * 2)  # type: ignore[arg-type]
        assert torn == {"error": "torn"}
        assert page["lines"][0]["error"] == "the box is smaller than a pixel"
        assert (page["lines"][1]["text"], page["lines"][1]["score"]) == ("ก", 0.6)

    def test_two_models_of_one_task_do_not_read_lines(self) -> None:
        """The order is detection, recognition."""
        det = SimpleNamespace(task="det")
        with pytest.raises(EngineError, match="a det and a det model"):
            Reader(det, det)  # type: ignore[arg-type]


def test_an_image_stands_upright_unless_evaluation_ignores_that(tmp_path: Path) -> None:
    """As PaddleOCR's DecodeImage, with and without ignore_orientation."""
    from PIL import Image

    image = Image.new("RGB", (40, 20), "white")
    exif = image.getexif()
    exif[0x0112] = 6  # turned right by 90 degrees
    image.save(tmp_path / "turned.jpg", exif=exif)
    data = (tmp_path / "turned.jpg").read_bytes()
    assert decode_image(data).shape == (40, 20, 3)
    assert decode_image(data, ignore_orientation=True).shape == (20, 40, 3)


RESIZES: list[dict[str, Any]] = [
    {},
    {"limit_side_len": 960, "limit_type": "max"},
    {"limit_side_len": 64, "limit_type": "min"},
    {"limit_side_len": 320, "limit_type": "resize_long"},
    {"resize_long": 640},
    {"image_shape": [160, 192]},
    {"image_shape": [160, 192], "keep_ratio": True},
]


RESIZING = """
import json, sys
from types import SimpleNamespace
import numpy as np
from ocr_train.ocr_engine.images import ImageError
from ocr_train.ocr_engine.prepare import Preparation, resized
from ocr_train.ocr_engine.paddleocr import put_on_path
put_on_path("")
from ppocr.data.imaug.operators import DetResizeForTest
sizes = [(40, 300), (300, 40), (900, 1100), (33, 33)]
about = []
for options in json.loads(sys.argv[1]):
    for size in sizes:
        operator = DetResizeForTest(**options)
        found = operator({"image": np.zeros((*size, 3), np.uint8)})["image"].shape[:2]
        about.append([options, found, resized(operator, *size)])
transforms = [{"DecodeImage": {"img_mode": "BGR"}}, {"DetResizeForTest": None}, {"ToCHWImage": None}]
prepare = Preparation(SimpleNamespace(transforms=transforms, shared={}, algorithm="DB"))
shapes = {}
for size in [(1, 5000), (5000, 1), (3000, 3000), (800, 1000)]:
    try:
        shapes[str(size)] = str(prepare(np.zeros((*size, 3), np.uint8), 4_000_000).image.shape)
    except ImageError as exc:
        shapes[str(size)] = str(exc)
import cv2
from ppocr.data.imaug import create_operators
picture = np.random.default_rng(0).integers(0, 255, (20, 70, 3), dtype=np.uint8)
before, same = picture.copy(), {}
for mode in ("BGR", "RGB"):
    transforms = [{"DecodeImage": {"img_mode": mode}}, {"RecResizeImg": {"image_shape": [3, 32, 100]}}]
    found = Preparation(SimpleNamespace(transforms=transforms, shared={}, algorithm="CRNN"))(picture).image
    data = {"image": cv2.imencode(".bmp", picture)[1].tobytes()}
    for operator in create_operators(transforms, {}):
        data = operator(data)
    same[mode] = bool((found == data["image"]).all() and (picture == before).all())
print(json.dumps([about, shapes, same]), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def resizing() -> Any:
    """What PaddleOCR's own operator and ours say, in a child: importing it here takes seconds and warns."""
    words = [sys.executable, "-c", RESIZING, json.dumps(RESIZES)]
    done = subprocess.run(words, cwd=REPO, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stderr.splitlines()[-1])


def test_the_size_for_the_network_is_known_before_it_is_made(resizing: Any) -> None:
    """As PaddleOCR's own operator resizes, up to the multiple that it rounds to."""
    assert len(resizing[0]) == 28
    for options, found, about in resizing[0]:
        step = 128 if "resize_long" in options else 32
        assert all(abs(side - other) <= step for side, other in zip(found, about, strict=True)), options


def test_a_picture_that_becomes_too_large_for_the_network_is_its_own_error(resizing: Any) -> None:
    """A line of one pixel would be made a picture of eight gigabytes first."""
    shapes = resizing[1]
    for size, large in (
        ("(1, 5000)", "3680000x736"),
        ("(5000, 1)", "736x3680000"),
        ("(3000, 3000)", "3000x3000"),
    ):
        assert f"it has {large} pixels" in shapes[size]
        assert "OCR_SERVE_MAX_NETWORK_PIXELS" in shapes[size]
    assert shapes["(800, 1000)"] == "(3, 800, 992)"


def test_a_picture_is_decoded_once_and_stays_as_it_is(resizing: Any) -> None:
    """What PaddleOCR's operators make of the file is what they make of the picture that we have decoded."""
    assert resizing[2] == {"BGR": True, "RGB": True}


@pytest.mark.parametrize(
    ("threads", "parts"), [(1, [4, 4, 2]), (2, [3, 3, 3, 1]), (3, [2] * 5), (16, [1] * 10)]
)
def test_few_pictures_go_through_onnxruntime_at_once(threads: int, parts: list[int]) -> None:
    """As many as fit into a CPU's cache, or less where there are more threads; the answers are in order."""
    sizes: list[int] = []

    def network(images: Any, extras: Any) -> Any:
        sizes.append(len(images))
        return [images[:, 0, 0, 0], extras[0] * 2]

    images = np.zeros((10, 3, 48, 320), np.float32)
    images[:, 0, 0, 0] = range(10)
    first, second = _in_parts(network, threads)(images, [np.arange(10)])
    assert (list(first), list(second)) == (list(range(10)), list(range(0, 20, 2)))
    assert sorted(sizes, reverse=True) == parts
    [large] = _in_parts(lambda images, _extras: [images], threads)(images[:1], [])
    assert large.shape == (1, 3, 48, 320)


@pytest.mark.parametrize(
    ("limit", "part", "groups"),
    [(0, 0, [4, 2]), (400, 0, [2, 2, 2]), (150, 0, [1] * 6), (0, 400, [2, 2, 2]), (400, 150, [1] * 6)],
)
def test_a_group_has_at_most_so_many_pixels(limit: int, part: int, groups: list[int]) -> None:
    """What goes through the network at once, by the limit of a server and by what suits a CPU; one picture always may."""
    sizes: list[int] = []

    def network(images: Any, extras: Any) -> Any:
        sizes.append(len(images))
        return images

    engine = Engine.__new__(Engine)
    engine.task, engine.batch_size, engine.max_pixels = "rec", 4, limit
    engine._part_pixels = part
    picture = PreparedImage(np.zeros((3, 10, 15), np.float32), None, [])
    vars(engine).update(
        _prepare=lambda *_: picture,
        _network=network,
        _answers=lambda preds, *_: [{"text": ""} for _ in preds],
    )
    assert len(engine.read([None] * 6)) == 6
    assert sizes == groups


def test_no_image_is_an_error_of_that_image() -> None:
    """One sentence, whatever the bytes."""
    for data in (b"", b"hello", b"\xff\xd8\xff"):
        with pytest.raises(ImageError):
            decode_image(data)
