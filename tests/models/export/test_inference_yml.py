"""What other programs ask of an exported folder: a name that they know, transforms that they know, the characters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_train.models.export.inference_yml import characters_of, official_name, write_inference_yml
from ocr_train.models.export.network import export_config
from ocr_train.models.export.onnx import name_characters
from tests.models.export.lively_ppocrv4 import NETWORKS

TRANSFORMS = [
    {"DecodeImage": {"img_mode": "BGR"}},
    {"CTCLabelEncode": None},
    {"RecResizeImg": {"image_shape": [3, 48, 320]}},
    {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
]


def config_of(architecture: Any, **settings: Any) -> dict[str, Any]:
    """A configuration with what an export looks at."""
    return {
        "Global": {"character_dict_path": "dict.txt", **settings},
        "Architecture": architecture,
        "PostProcess": {"name": "CTCLabelDecode"},
        "Eval": {"dataset": {"transforms": TRANSFORMS}},
    }


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        (NETWORKS["det"], "PP-OCRv4_mobile_det"),
        (NETWORKS["rec"], "PP-OCRv4_mobile_rec"),
        (
            {**NETWORKS["rec"], "algorithm": "SVTR_HGNet", "Backbone": {"name": "PPHGNet_small"}},
            "PP-OCRv4_server_rec",
        ),
        ({**NETWORKS["rec"], "Backbone": {"name": "PPLCNetV3", "scale": 0.5}}, ""),
        ({"model_type": "rec", "algorithm": "CRNN", "Backbone": {"name": "MobileNetV3", "scale": 0.5}}, ""),
        ({"model_type": "cls", "algorithm": "CLS", "Backbone": {"name": "MobileNetV3", "scale": 0.35}}, ""),
        (None, ""),
    ],
)
def test_a_network_has_the_official_name_of_its_architecture(architecture: Any, name: str) -> None:
    """PaddleX refuses names that it does not know; a network that it has not gets none."""
    assert official_name(config_of(architecture)) == name


@pytest.mark.parametrize("key", ["model_name", "pdx_model_name"])
def test_a_name_in_the_configuration_stays(key: str) -> None:
    """th_PP-OCRv5_mobile_rec has the network of PP-OCRv4_mobile_rec: only the configuration can tell."""
    settings = {key: "th_PP-OCRv5_mobile_rec"}
    assert official_name(config_of(NETWORKS["rec"], **settings)) == "th_PP-OCRv5_mobile_rec"


def test_a_distillation_has_the_name_of_its_student() -> None:
    """The exported network is the student."""
    student = {name: value for name, value in NETWORKS["rec"].items() if name != "model_type"}
    networks = {"Teacher": {**student, "Backbone": {"name": "PPHGNet_small"}}, "Student": student}
    config = config_of({"model_type": "rec", "algorithm": "Distillation", "Models": networks})
    config["Metric"] = {"name": "DistillationMetric", "key": "Student"}
    assert official_name(config) == "PP-OCRv4_mobile_rec"


def test_paddleocr_is_told_the_name_and_no_labels(tmp_path: Path) -> None:
    """By the key of 2.10 and by that of 3; PaddleX ends with an AssertionError at a transform that it does not know."""
    config = config_of(NETWORKS["rec"])
    told = export_config(config, tmp_path / "best", tmp_path, dictionary=None, pir=False)
    assert told["Global"]["model_name"] == told["Global"]["pdx_model_name"] == "PP-OCRv4_mobile_rec"
    names = [next(iter(one)) for one in told["Eval"]["dataset"]["transforms"]]
    assert names == ["DecodeImage", "RecResizeImg", "KeepKeys"]
    assert config["Eval"]["dataset"]["transforms"] == TRANSFORMS, "the run's own configuration is as it was"


def test_what_an_older_paddleocr_does_not_write_we_write(tmp_path: Path) -> None:
    """The same document; every line of the dictionary is one character, whatever else ends lines elsewhere."""
    (tmp_path / "dict.txt").write_bytes("a\n\u2028\n1\nnull\n".encode())
    write_inference_yml(tmp_path, config_of(NETWORKS["rec"]))
    written = yaml.safe_load((tmp_path / "inference.yml").read_text(encoding="utf-8"))
    assert written["Global"] == {"model_name": "PP-OCRv4_mobile_rec"}
    assert written["PreProcess"]["transform_ops"] == [TRANSFORMS[0], *TRANSFORMS[2:]]
    assert written["PostProcess"] == {
        "name": "CTCLabelDecode",
        "character_dict": ["a", "\u2028", "1", "null"],
    }


def test_an_onnx_model_carries_its_characters(tmp_path: Path) -> None:
    """Where rapidocr looks for them: without, it takes, or fetches, a dictionary that is not this model's."""
    import onnx

    path = tmp_path / "model.onnx"
    path.write_bytes(onnx.ModelProto(producer_name="a test", ir_version=8).SerializeToString())
    characters = [chr(0xE01 + index) for index in range(80)]
    assert name_characters(path, characters)
    model = onnx.load(path)
    assert {one.key: one.value.splitlines() for one in model.metadata_props} == {"character": characters}
    assert model.producer_name == "a test"


@pytest.mark.parametrize("characters", [[], ["a", "\u2028"], ["a", "\x0c", "b"]])
def test_characters_that_would_be_split_otherwise_are_not_written(
    tmp_path: Path, characters: list[str]
) -> None:
    """rapidocr is told the file then, which it reads as PaddleOCR does."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"model")
    assert not name_characters(path, characters)
    assert path.read_bytes() == b"model"


def test_a_recogniser_without_a_dictionary_has_paddleocrs_characters(tmp_path: Path) -> None:
    """Digits and small letters; a detector has none."""
    assert (
        "".join(characters_of(tmp_path, config_of(NETWORKS["rec"]))) == "0123456789abcdefghijklmnopqrstuvwxyz"
    )
    assert characters_of(tmp_path, config_of(NETWORKS["det"])) == []
