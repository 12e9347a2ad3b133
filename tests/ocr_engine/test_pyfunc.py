"""What the served model makes of a request's rows, before and after the network."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas
import pytest

from ocr_train.ocr_engine import pyfunc
from ocr_train.ocr_engine.images import ImageError, decode_image
from ocr_train.ocr_engine.limits import SERVED, Limits, Turns, limits_from
from ocr_train.ocr_engine.pyfunc import OUTPUTS, OcrModel, image_bytes

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
    assert (decode_image(image_bytes(value, Limits())) == PICTURE).all()


@pytest.mark.parametrize(
    ("value", "message"),
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
        ("/etc/passwd0", "not an image"),
        (base64.b64encode(b"plain text").decode(), "not an image"),
        (base64.b64encode(PNG[:20]).decode(), "not an image"),
    ],
)
def test_what_is_not_an_image_says_why(value: Any, message: str) -> None:
    """Whatever it is, it is an answer and no exception."""
    with pytest.raises(ImageError, match=re.escape(message)):
        decode_image(image_bytes(value, Limits()))


def answered(limits: Limits, *images: Any, reader: Any = None) -> list[str]:
    """The errors of a request for these images, "" for those that are read."""
    model = OcrModel("rec", reader or Sizes(), limits)
    return list(model.predict(pandas.DataFrame({"image": list(images)}))["error"])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff", ".webp"])
def test_a_large_image_is_refused_from_its_header(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is decoded; the message says how large it is, and what raises the limit."""
    monkeypatch.setattr(pyfunc, "decode_image", lambda *_, **__: pytest.fail("it was decoded"))
    data = cv2.imencode(suffix, PICTURE)[1].tobytes()
    [error] = answered(Limits(max_image_pixels=95), base64.b64encode(data).decode())
    assert error == (
        "the image has 12x8 pixels, 96 in all; at most 95 are read (OCR_SERVE_MAX_IMAGE_PIXELS of the server)"
    )


def test_a_long_text_is_refused_before_it_is_decoded() -> None:
    """By its length alone."""
    [error] = answered(Limits(max_image_bytes=50), "A" * 1000)
    assert "some" in error
    assert "OCR_SERVE_MAX_IMAGE_BYTES" in error
    assert "at most" in answered(Limits(max_image_bytes=len(PNG) - 1), PNG)[0]


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(max_rows=2), "MAX_ROWS"),
        (Limits(max_pixels=200), "MAX_PIXELS"),
        (Limits(max_bytes=2 * len(PNG)), "MAX_BYTES"),
    ],
)
def test_rows_beyond_a_limit_of_the_request_say_so(limits: Limits, name: str) -> None:
    """Those before are answered: nothing is asked for twice."""
    errors = answered(limits, TEXT, TEXT, TEXT, TEXT)
    assert errors[:2] == ["", ""]
    assert all(f"OCR_SERVE_{name} of the server" in error for error in errors[2:])


class Slow(Sizes):
    """Takes its time for each group."""

    batch_size = 2

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.groups: list[int] = []

    def read(self, images: Sequence[Any]) -> list[dict[str, Any]]:
        """Wait, then answer."""
        time.sleep(self.seconds)
        self.groups.append(len(images))
        return super().read(images)


def test_a_request_that_takes_too_long_is_cut_off() -> None:
    """Between two groups: what has been read is answered, the rest says why not."""
    errors = answered(Limits(time_limit_s=0.05), *[TEXT] * 9, reader=(slow := Slow(0.04)))
    assert errors[0] == ""
    assert "OCR_SERVE_TIME_LIMIT_S" in errors[-1]
    assert slow.asked < 9


def test_images_are_decoded_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the batch size, of at most so many pixels, a large one alone: never all of them at once."""
    large = base64.b64encode(cv2.imencode(".png", np.zeros((20, 30, 3), np.uint8))[1].tobytes()).decode()
    monkeypatch.setattr(pyfunc, "GROUP_PIXELS", 200)
    reader = Slow(0)
    assert answered(Limits(), TEXT, TEXT, TEXT, large, TEXT, b"no image", TEXT, reader=reader)[3] == ""
    assert reader.groups == [2, 1, 1, 1, 1]


def test_a_short_request_is_not_held_up_by_a_long_one() -> None:
    """They take turns, group by group."""
    reader = Slow(0.02)
    model, ended = OcrModel("rec", reader), []

    def ask(name: str, count: int) -> None:
        model.predict([TEXT] * count)
        ended.append(name)

    long = threading.Thread(target=ask, args=("long", 60))
    long.start()
    time.sleep(0.05)
    ask("short", 2)
    long.join()
    assert ended == ["short", "long"]


def test_turns_are_given_in_order() -> None:
    """To whoever waits longest, after an exception, too."""
    turns, order = Turns(), list[int]()
    threads = [threading.Thread(target=lambda one=one: take(one)) for one in range(5)]

    def take(one: int) -> None:
        with turns:
            order.append(one)

    with contextlib.suppress(KeyError), turns:
        for thread in threads:
            thread.start()
            time.sleep(0.02)
        raise KeyError
    for thread in threads:
        thread.join()
    assert order == list(range(5))


def test_what_a_reader_raises_is_an_error_of_its_rows() -> None:
    """The server lives on, and the other groups are answered."""

    class Failing(Slow):
        def read(self, images: Sequence[Any]) -> list[dict[str, Any]]:
            if not self.groups:
                self.groups.append(0)
                raise MemoryError("no room")
            return super().read(images)

    assert answered(Limits(), TEXT, TEXT, TEXT, reader=Failing(0)) == ["MemoryError: no room"] * 2 + [""]


def test_limits_of_a_request_hold_where_it_is_served() -> None:
    """In Python a table may have any length; the time is a share of MLflow's own, which answers 504."""
    assert limits_from({}).time_limit_s == limits_from({}).max_rows == 0
    served = limits_from({SERVED: "100"})
    assert (served.time_limit_s, served.max_rows) == (80, 10_000)
    own = limits_from({SERVED: "60", "OCR_SERVE_TIME_LIMIT_S": "7.5", "OCR_SERVE_MAX_ROWS": "0", "X": "y"})
    assert (own.time_limit_s, own.max_rows, own.max_pixels) == (7.5, 0, served.max_pixels)


@pytest.mark.parametrize("text", ["-1", "many", "nan", "inf"])
def test_a_limit_that_is_not_a_number_is_reported(text: str) -> None:
    """When the server starts."""
    with pytest.raises(ValueError, match="OCR_SERVE_MAX_ROWS"):
        limits_from({"OCR_SERVE_MAX_ROWS": text})


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


def test_a_mapping_of_many_images_is_many_rows() -> None:
    """As docs/serving.md asks: MLflow makes one row of it on its way here."""
    table = pandas.DataFrame({"image": [[TEXT, TEXT, "x.jpg"]]})
    assert [bool(error) for error in OcrModel("rec", Sizes()).predict(table)["error"]] == [False, False, True]


def test_no_rows_are_no_answers() -> None:
    """With the columns all the same, and without asking the network."""
    for task, columns in OUTPUTS.items():
        answers = OcrModel(task, None).predict(pandas.DataFrame({"image": []}))
        assert (len(answers), list(answers.columns)) == (0, [*columns, "error"])


def test_another_column_is_an_error() -> None:
    """Where MLflow's signature has not refused it already."""
    with pytest.raises(ValueError, match="'image'"):
        OcrModel("rec", Sizes()).predict(pandas.DataFrame({"picture": [TEXT]}))


def test_the_guide_shows_what_is_answered() -> None:
    """The rows in docs/serving.md have the columns of each task, and are JSON."""
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| ([a-z+]+) \| `(\{.*\})` \|$", page, re.MULTILINE))
    assert {task: [*json.loads(row)] for task, row in shown.items()} == {
        task: [*columns, "error"] for task, columns in OUTPUTS.items()
    }
