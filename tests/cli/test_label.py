"""The command `label`, as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ocr_train.analysis.predictions import Reading
from ocr_train.cli.main import run
from tests.cli.reading_kit import ScriptedModel
from tests.commands import ocr_train_here
from tests.labelling.builders import draw_page, read_lines, text_line
from tests.lively_kit import Kit


def pages(folder: Path) -> Path:
    """A folder with two pages, one of them below another folder."""
    draw_page(folder / "in" / "a.png")
    draw_page(folder / "in" / "deep" / "b.png")
    return folder / "in"


def lines_by_name(image: Path) -> Reading:
    """Page b is less sure than page a; another one cannot be read."""
    if image.stem not in "ab":
        return Reading(image=image, error="it is torn")
    return read_lines(image, text_line(f"text {image.stem}", 0.95 if image.stem == "a" else 0.5))


def test_pages_become_a_folder_for_ppocrlabel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images of every depth, the commands that come next, and the answer as JSON."""
    ScriptedModel("lines", lines_by_name).install(monkeypatch, "label")
    out = tmp_path / "round 1"
    words = ["label", str(pages(tmp_path)), "--with", "RUN", "--out", str(out), "--number"]
    assert run([*words, "--json", str(tmp_path / "answer.json")]) == 0
    said = capsys.readouterr().out
    assert "2 images with 2 boxes; in 1 of them (50%) the model is sure of everything" in said
    assert f"convert ppocrlabel '{out}' '{out}-corrected' --only-confirmed" in said
    labels = (out / "Label.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[0] for line in labels] == ["round 1/1_deep_b.png", "round 1/2_a.png"]
    assert {path.name for path in out.iterdir()} == {
        *("1_deep_b.png", "2_a.png", "Label.txt", "Cache.cach", "fileState.txt", "crop_img"),
        *("confidence.csv", "lines.csv", "review", "review.html", "prelabels.json"),
    }
    assert {path.name for path in tmp_path.iterdir()} == {"in", "round 1", "answer.json"}
    answer = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    assert (answer["images"], answer["sure"], answer["failed"]) == (2, 1, [])


def test_what_cannot_be_read_is_listed_and_the_rest_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status says so."""
    ScriptedModel("lines", lines_by_name).install(monkeypatch, "label")
    torn = draw_page(pages(tmp_path) / "torn.png")
    assert run(["label", str(tmp_path / "in"), "--with", "RUN", "--out", str(tmp_path / "out")]) == 3
    assert f"{torn}: it is torn" in capsys.readouterr().err
    assert len((tmp_path / "out" / "Label.txt").read_text(encoding="utf-8").splitlines()) == 2


def test_a_call_that_was_stopped_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was read before is not read again, and nothing is left beside the folder."""

    def stop_at_b(image: Path) -> Reading:
        if image.stem == "b":
            raise KeyboardInterrupt
        return lines_by_name(image)

    words = ["label", str(pages(tmp_path)), "--with", "RUN", "--out", str(tmp_path / "out")]
    ScriptedModel("lines", stop_at_b).install(monkeypatch, "label")
    assert run(words) == 130
    assert not (tmp_path / "out").exists()
    second = ScriptedModel("lines", lines_by_name)
    second.install(monkeypatch, "label")
    assert run(words) == 0
    assert [image.name for image in second.asked] == ["b.png"]
    assert "1 of 2 images were read by an earlier call that was stopped" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}


def test_corrections_are_never_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even with --overwrite, which writes untouched pre-labels anew."""
    model = ScriptedModel("lines", lines_by_name)
    model.install(monkeypatch, "label")
    words = ["label", str(pages(tmp_path)), "--with", "RUN", "--out", str(tmp_path / "out")]
    assert run(words) == 0
    assert run(words) == 2
    assert "--overwrite writes them anew" in capsys.readouterr().err
    assert run([*words, "--overwrite"]) == 0
    (tmp_path / "out" / "Label.txt").write_text("corrected", encoding="utf-8")
    asked = len(model.asked)
    assert run([*words, "--overwrite"]) == 2
    assert "somebody's work" in capsys.readouterr().err
    assert (tmp_path / "out" / "Label.txt").read_text(encoding="utf-8") == "corrected"
    assert len(model.asked) == asked


def test_corrections_that_begin_while_images_are_read_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was read waits for a call with another folder."""
    words = ["label", str(pages(tmp_path)), "--with", "RUN", "--out", str(tmp_path / "out"), "--overwrite"]
    ScriptedModel("lines", lines_by_name).install(monkeypatch, "label")
    assert run(words) == 0
    labels = tmp_path / "out" / "Label.txt"

    def corrected_meanwhile(image: Path) -> Reading:
        labels.write_text("corrected", encoding="utf-8")
        return lines_by_name(image)

    ScriptedModel("lines", corrected_meanwhile).install(monkeypatch, "label")
    assert run(words) == 2
    assert "somebody's work" in capsys.readouterr().err
    assert labels.read_text(encoding="utf-8") == "corrected"


@pytest.mark.parametrize(
    ("images", "out", "said"),
    [
        ("in", ".hidden", "cannot be the name of the folder"),
        ("in", "a:b", "such as 'a_b'"),
        ("in", "in", "lies in the folder that would be written"),
        ("nowhere", "out", "there is no image or folder"),
        ("empty", "out", "there are no images in the folder"),
    ],
)
def test_what_cannot_be_meant_is_said_before_a_model_is_looked_for(
    tmp_path: Path, images: str, out: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One paragraph and exit code 2."""
    pages(tmp_path)
    (tmp_path / "empty").mkdir()
    assert run(["label", str(tmp_path / images), "--with", "x", "--out", str(tmp_path / out)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_real_models_label_real_pages(kit: Kit, tmp_path: Path) -> None:
    """Detection and recognition together; what is written is read back as training data."""
    (tmp_path / "in").mkdir()
    for image in kit.images["det"]:
        shutil.copyfile(image, tmp_path / "in" / image.name)
    models = ("--with", kit.folder / "det" / "exported", "--rec", kit.folder / "rec" / "exported")
    env = {"OMP_NUM_THREADS": "1"}
    done = ocr_train_here("label", "in", *models, "--out", "out", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    back = ocr_train_here("convert", "ppocrlabel", "out", "back", cwd=tmp_path)
    assert back.returncode == 0, back.stderr
    assert "nobody confirmed these labels" in back.stdout
    labels = (tmp_path / "back" / "det" / "Label.txt").read_text(encoding="utf-8").splitlines()
    assert labels
    assert all(len(box["points"]) >= 4 for line in labels for box in json.loads(line.split("\t")[1]))
