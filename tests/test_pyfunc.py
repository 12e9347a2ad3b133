"""What the served model makes of a request's rows, before and after the network."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas
import pytest

from ocr_train.ocr_engine import pyfunc
from ocr_train.ocr_engine.pyfunc import OUTPUTS, OcrModel, picture_of

PICTURE = np.full((8, 12, 3), 200, np.uint8)
PNG = cv2.imencode(".png", PICTURE)[1].tobytes()
TEXT = base64.b64encode(PNG).decode()


class Sizes:
    """Stands for a network: answers each picture with its width, or with an error for narrow ones."""

    def __init__(self) -> None:
        self.asked = 0

    def read(self, images: Sequence[Any]) -> list[dict[str, Any]]:
        """One answer for each."""
        self.asked += len(images)
        return [
            {"text": str(image.shape[1]), "score": 1.0} if image.shape[1] > 4 else {"error": "too narrow"}
            for image in images
        ]


@pytest.mark.parametrize(
    "value",
    [
        TEXT,
        TEXT.rstrip("="),
        TEXT.replace("+", "-").replace("/", "_"),
        "\r\n".join(TEXT[start : start + 20] for start in range(0, len(TEXT), 20)),
        f"data:image/png;base64,{TEXT}",
        f"DATA:image/png;name=a.png;base64,{TEXT}",
        f"data:;base64,{TEXT}",
        PNG,
        bytearray(PNG),
    ],
)
def test_an_image_is_read_however_it_is_wrapped(value: Any) -> None:
    """Without padding, URL-safe, with line ends, as a data URI, as bytes."""
    image, error = picture_of(value)
    assert error == ""
    assert (image == PICTURE).all()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "no image"),
        (float("nan"), "no image"),
        (5, "int"),
        (["a"], "list"),
        ("", "empty"),
        (" \n", "empty"),
        (b"", "empty"),
        ("data:image/png;base64,", "empty"),
        ("photo.jpg", "not base64: 'photo.jpg'"),
        ("http://127.0.0.1/a.png", "addresses are not read"),
        ("data:image/png,abc", "data:image/png;base64,"),
        ("ภาพ", "not base64"),
        ("/etc/passwd0", "no image"),
        (base64.b64encode(b"plain text").decode(), "no image"),
        (base64.b64encode(PNG[:20]).decode(), "no image"),
    ],
)
def test_what_is_no_image_says_why(value: Any, said: str) -> None:
    """Whatever it is, it is an answer and no exception."""
    image, error = picture_of(value)
    assert image is None
    assert said in error


def test_an_image_that_is_too_large_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request must not take the memory of all others."""
    monkeypatch.setattr(pyfunc, "MAX_IMAGE_BYTES", len(PNG) - 1)
    assert "at most" in picture_of(TEXT)[1]


def test_bad_rows_cost_the_others_nothing() -> None:
    """Each row has its own answer, in order; the network is asked for the good ones alone."""
    narrow = base64.b64encode(cv2.imencode(".png", PICTURE[:, :3])[1].tobytes()).decode()
    reader = Sizes()
    answers = OcrModel("rec", reader).predict(pandas.DataFrame({"image": ["x.jpg", TEXT, narrow, TEXT]}))
    assert list(answers.columns) == ["text", "score", "error"]
    assert list(answers["text"]) == ["", "12", "", "12"]
    assert [bool(error) for error in answers["error"]] == [True, False, True, False]
    assert answers["error"][2] == "too narrow"
    assert reader.asked == 3


@pytest.mark.parametrize("given", [[TEXT], TEXT, {"image": [TEXT]}, {"image": TEXT}, pandas.Series([TEXT])])
def test_python_may_ask_without_a_table(given: Any) -> None:
    """A list, a text, a mapping, a column."""
    assert list(OcrModel("rec", Sizes()).predict(given)["text"]) == ["12"]


def test_no_rows_are_no_answers() -> None:
    """With the columns all the same, and without asking the network."""
    for task, columns in OUTPUTS.items():
        answers = OcrModel(task, None).predict(pandas.DataFrame({"image": []}))
        assert (len(answers), list(answers.columns)) == (0, [*columns, "error"])


def test_another_column_is_an_error() -> None:
    """Where MLflow's signature has not said so already."""
    with pytest.raises(ValueError, match="'image'"):
        OcrModel("rec", Sizes()).predict(pandas.DataFrame({"picture": [TEXT]}))


def test_the_guide_shows_what_is_answered() -> None:
    """The rows in docs/serving.md have the columns of each task, and are JSON."""
    page = (Path(__file__).parents[1] / "docs" / "serving.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| ([a-z+]+) \| `(\{.*\})` \|$", page, re.MULTILINE))
    assert {task: [*json.loads(row)] for task, row in shown.items()} == {
        task: [*columns, "error"] for task, columns in OUTPUTS.items()
    }
