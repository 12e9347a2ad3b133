"""The command `predict`, as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from ocr_train.cli.main import run
from ocr_train.cli.predict import _names
from tests.commands import ocr_train, ocr_train_here
from tests.lively_kit import Kit
from tests.models.test_source import write_exported


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """An image file."""
    path = tmp_path / "page.png"
    Image.new("RGB", (64, 48), "white").save(path)
    return path


@pytest.mark.slow
def test_pages_become_json_lines_and_pictures(kit: Kit, tmp_path: Path) -> None:
    """Detection and recognition together; a bad image is named, the exit status says so, the rest is there."""
    pages = tmp_path / "หน้า"
    pages.mkdir()
    for image in kit.images["det"]:
        shutil.copyfile(image, pages / image.name)
    (pages / "zz_torn.jpg").write_bytes(b"torn")
    done = ocr_train(
        "predict",
        kit.folder / "det" / "exported",
        pages,
        "--rec",
        kit.folder / "rec" / "exported",
        "--out",
        tmp_path / "out",
        cwd=tmp_path,
        env={"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 3, done.stderr
    assert "1 of 5 image(s) could not be read" in done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(answer["image"]).name for answer in answers[:4]] == [one.name for one in kit.images["det"]]
    for answer, image in zip(answers[:4], kit.images["det"], strict=False):
        assert all(set(line) == {"box", "score", "text", "text_score"} for line in answer["lines"])
        with Image.open(answer["picture"]) as picture, Image.open(image) as original:
            assert picture.size == original.size
    assert any(line["text"] for answer in answers[:4] for line in answer["lines"])
    assert answers[4] == {
        "image": str(pages / "zz_torn.jpg"),
        "error": "it is not an image that OpenCV can decode",
    }


@pytest.mark.slow
def test_a_checkpoint_s_texts_go_to_a_file(kit: Kit, tmp_path: Path) -> None:
    """--json FILE instead of stdout."""
    done = ocr_train_here(
        "predict",
        kit.folder / "rec" / "model",
        *kit.images["rec"][:2],
        "--json",
        tmp_path / "texts.jsonl",
        cwd=tmp_path,
        env={"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    lines = (tmp_path / "texts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [set(json.loads(line)) for line in lines] == [{"image", "text", "score"}] * 2


@pytest.mark.slow
def test_labels_that_look_wrong_are_listed_with_their_lines(kit: Kit, tmp_path: Path) -> None:
    """The model's own answers as labels: only the one that is changed is a suspect; a missing image is named."""
    model, images = kit.folder / "rec" / "model", kit.images["rec"][:6]
    env = {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    read = ocr_train_here("predict", model, *images, cwd=tmp_path, env=env)
    texts = [json.loads(line)["text"] for line in read.stdout.splitlines()]
    lines = [f"{image.name}\t{text or '0'}\n" for image, text in zip(images, texts, strict=True)]
    lines[2] = f"{images[2].name}\tXYZXYZ\n"
    (tmp_path / "val.txt").write_text("".join(lines) + "gone.png\tA\n", encoding="utf-8")
    words = ("--labels", tmp_path / "val.txt", "--images", images[0].parent, "--suspects", "-")
    done = ocr_train_here("predict", model, *words, cwd=tmp_path, env=env)
    assert done.returncode == 3
    assert "val.txt:7 gone.png: it cannot be read" in done.stderr
    assert "7 labels: acc" in done.stderr
    header, *rows = done.stdout.splitlines()
    assert header == "rank,line,image,label,read,confidence,suspicion,why"
    assert {row.split(",")[1] for row in rows} <= {"val.txt:3"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("{folder}/det", "{folder}/empty"), 2, "there are no images in"),
        (("{folder}/det", "{page}", "--paddleocr", "{folder}/empty"), 2, "has no ppocr"),
        (
            ("{folder}/det", "{page}", "--rec", "{folder}/det"),
            2,
            "det and det models do not read pages together",
        ),
        (("{folder}/det", "{page}", "--onnx"), 2, "has no model.onnx"),
        (("{folder}/det", "--onnx", "{page}"), 2, "has no model.onnx"),
        (("{folder}/det", "{page}", "--json", "{page}"), 2, "would be overwritten"),
        (("{folder}/det",), 2, "needs images to read, or labels"),
        (("{folder}/det", "{page}", "--labels", "{page}"), 2, "needs images to read, or labels"),
        (("{folder}/det", "{page}", "--suspects", "x.csv"), 2, "--suspects need --labels"),
        (("{folder}/det", "--labels", "{page}", "--rec", "{folder}/det"), 2, "neither --out nor --rec"),
        (("{folder}/det", "--labels", "{page}", "--suspects", "{page}"), 2, "would be overwritten"),
        (("{folder}/nowhere", "{page}"), 2, "neither a checkpoint nor an exported model"),
        (("{folder}/det", "{page}", "--trainer-python", "{folder}/python"), 5, "cannot be started"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_loaded(
    page: Path, arguments: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One paragraph and an exit code."""
    (page.parent / "empty").mkdir()
    write_exported(page.parent / "det")
    given = [text.format(folder=page.parent, page=page) for text in arguments]
    assert run(["predict", *given]) == code
    assert said in capsys.readouterr().err


def test_pictures_of_images_that_are_called_alike_are_told_apart() -> None:
    """Also where a file system knows no case."""
    images = [Path("a/x.jpg"), Path("b/x.png"), Path("b/X.png"), Path("y.jpg")]
    assert list(_names(images)) == ["x.png", "x_2.png", "X_3.png", "y.png"]
