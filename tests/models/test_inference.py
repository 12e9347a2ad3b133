"""Models that read images in a child process: with PaddleOCR's own parts, and as its own evaluation reads them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ocr_train.analysis.predictions import Reading
from ocr_train.errors import DataError, SetupError
from ocr_train.models.inference import ReadingProcess, read_images
from ocr_train.ocr_engine.paddleocr import find_ppocr
from ocr_train.trainer.guard import marked
from tests.commands import environment
from tests.lively_kit import ENV, Kit

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def texts(kit: Kit) -> Sequence[Reading]:
    """What the recognition checkpoint says of its images."""
    return read_images(kit.model("rec"), kit.images["rec"])


@pytest.fixture(scope="session")
def pages(kit: Kit) -> Sequence[Reading]:
    """What both checkpoints together say of the pages."""
    return read_images(kit.model("det"), kit.images["det"], rec=kit.model("rec"))


def evaluate(kit: Kit, task: str, labels: Path, folder: Path) -> dict[str, float]:
    """What PaddleOCR's tools/eval.py prints for the checkpoint on `labels`."""
    config = yaml.safe_load((kit.folder / task / "config.yml").read_text(encoding="utf-8"))
    config["Global"]["checkpoints"] = str(kit.folder / task / "model")
    config["Eval"]["dataset"].update(data_dir=str(labels.parent), label_file_list=[str(labels)])
    path = folder / "eval.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    script = find_ppocr("").parent / "tools" / "eval.py"
    done = subprocess.run(
        [sys.executable, str(script), "-c", str(path)],
        cwd=folder,
        env=environment(ENV),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    printed = re.findall(r"INFO: (acc|norm_edit_dis|precision|recall|hmean):([\d.e-]+)", done.stdout)
    assert printed, done.stdout + done.stderr
    return {name: float(value) for name, value in printed}


def test_texts_are_those_of_paddleocr_s_evaluation(
    kit: Kit, texts: Sequence[Reading], tmp_path: Path
) -> None:
    """With what we read as the truth, every fourth label changed, tools/eval.py counts exactly the others right."""
    assert len({reading.text for reading in texts}) > 30  # else anything would agree
    labels = tmp_path / "labels.txt"
    lines = []
    right = 0
    for number, reading in enumerate(texts):
        (tmp_path / reading.image.name).symlink_to(reading.image)
        wrong = number % 4 == 0
        right += not wrong
        lines.append(f"{reading.image.name}\t{'wrong' if wrong else reading.text}\n")
    labels.write_text("".join(lines), encoding="utf-8")
    assert evaluate(kit, "rec", labels, tmp_path)["acc"] == pytest.approx(right / len(texts), abs=1e-4)


def test_boxes_are_those_of_paddleocr_s_evaluation(
    kit: Kit, pages: Sequence[Reading], tmp_path: Path
) -> None:
    """With the boxes that we find as the truth, and one more on each page, tools/eval.py misses only those."""
    boxes = [[line.box for line in page.lines] for page in pages]
    found = sum(map(len, boxes))
    assert found > 8
    labels = tmp_path / "labels.txt"
    lines = []
    for page, inside in zip(pages, boxes, strict=True):
        (tmp_path / page.image.name).symlink_to(page.image)
        points = [*inside, ((1000, 1000), (1100, 1000), (1100, 1100), (1000, 1100))]
        truth = [{"transcription": "x", "points": box} for box in points]
        lines.append(f"{page.image.name}\t{json.dumps(truth)}\n")
    labels.write_text("".join(lines), encoding="utf-8")
    printed = evaluate(kit, "det", labels, tmp_path)
    assert printed["precision"] == pytest.approx(1.0)
    assert printed["recall"] == pytest.approx(found / (found + len(pages)))


@pytest.mark.parametrize("kind", ["exported", "onnx"])
def test_an_exported_model_reads_the_same(kit: Kit, pages: Sequence[Reading], kind: str) -> None:
    """The same lines in the same order: boxes within a pixel, texts equal."""
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("paddle2onnx")
    others = read_images(kit.model("det", kind), kit.images["det"], rec=kit.model("rec", kind))
    for page, other in zip(pages, others, strict=True):
        assert [line.text for line in other.lines] == [line.text for line in page.lines]
        assert np.allclose([line.box for line in other.lines], [line.box for line in page.lines], atol=1)
        assert np.allclose(
            [line.score for line in other.lines], [line.score for line in page.lines], atol=1e-3
        )


def write_oddities(folder: Path, image: Path) -> list[Path]:
    """`image` in forms that cameras and programs write, and files that are no images."""
    import cv2

    picture = cv2.imread(str(image))
    folder.mkdir()
    paths = [folder / name for name in ("grey.png", "alpha.png", "deep.png", "ตัวอย่าง ๑.bmp")]
    forms: list[Any] = [
        cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY),
        cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA),
        picture.astype(np.uint16) * 257,
        picture,
    ]
    for path, form in zip(paths, forms, strict=True):
        path.write_bytes(cv2.imencode(path.suffix, form)[1].tobytes())
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("no image")
    (folder / "torn.png").write_bytes(paths[0].read_bytes()[:60])
    (folder / "pixel.png").write_bytes(cv2.imencode(".png", picture[:1, :1])[1].tobytes())
    return [
        *paths,
        *(folder / name for name in ("empty.jpg", "text.jpg", "torn.png", "absent.jpg", "pixel.png")),
    ]


def test_bad_images_cost_the_others_nothing(kit: Kit, texts: Sequence[Reading], tmp_path: Path) -> None:
    """Each has its own reason; colour depth, alpha and names make no difference."""
    paths = write_oddities(tmp_path / "odd", texts[0].image)
    readings = {reading.image.name: reading for reading in read_images(kit.model("rec"), paths)}
    assert readings["ตัวอย่าง ๑.bmp"].text == texts[0].text
    assert readings["alpha.png"].text == readings["deep.png"].text == texts[0].text
    assert readings["grey.png"].text
    assert readings["pixel.png"].text
    assert readings["empty.jpg"].error == "the file is empty"
    assert "No such file" in readings["absent.jpg"].error
    assert "not an image" in readings["text.jpg"].error
    assert readings["torn.png"].error
    assert not any(readings[path.name].error for path in paths[:4])


def test_a_dictionary_that_does_not_fit_is_an_error_not_another_text(kit: Kit, tmp_path: Path) -> None:
    """PaddleOCR itself would pass over the last layer and read with random weights."""
    for name in ("config.yml", "model.pdparams"):
        (tmp_path / name).symlink_to(kit.folder / "rec" / name)
    (tmp_path / "dict.txt").write_text("a\nb\nc\n", encoding="utf-8")
    model = replace(kit.model("rec"), path=tmp_path / "model", config=tmp_path / "config.yml")
    with pytest.raises(DataError, match=r"does not fit .* another shape of head\.fc"):
        read_images(model, kit.images["rec"][:1])


def test_a_reading_goes_on_beside_us_and_ends_with_its_guard(kit: Kit) -> None:
    """It is polled, runs as nice as asked, carries a guard's mark, and leaves nothing when it is closed."""
    process = ReadingProcess.start(kit.model("rec"), kit.images["rec"][:2], nice=7)
    try:
        deadline = time.monotonic() + 60
        while os.getpriority(os.PRIO_PROCESS, process.pid) < 7 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 7
        assert not process.poll()
        mark = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"OCR_TRAIN_CHILD=")[1].split(b"\0")[0]
        assert process.pid in marked(mark.decode())
    finally:
        process.close()
    assert not Path(f"/proc/{process.pid}").exists()
    process.close()


def test_what_takes_too_long_is_ended(kit: Kit) -> None:
    """The time-out is an error that names the model."""
    with pytest.raises(SetupError, match=r"has not read 1 image.* within 0\.2 s"):
        read_images(kit.model("rec"), kit.images["rec"][:1], timeout_s=0.2)
