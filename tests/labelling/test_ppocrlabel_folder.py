"""Folders of pre-labels: what PPOCRLabel opens, and what our own conversion reads back."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ocr_train.analysis.predictions import Reading
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.files.image_paths import paths_of
from ocr_train.data.formats.ppocrlabel import convert_ppocrlabel
from ocr_train.data.labels import Box
from ocr_train.errors import ConfigError
from ocr_train.labelling.ppocrlabel_folder import (
    WrittenPrelabels,
    ppocrlabel_boxes,
    require_new_or_untouched,
    write_prelabels,
    write_record,
)
from ocr_train.labelling.prelabels import rank_prelabels
from ocr_train.labelling.review import write_card
from tests.labelling.builders import draw_page, read_lines, text_line


def write(
    folder: Path, readings: Sequence[Reading], task: str, *, number: bool = False, name: str = "out"
) -> WrittenPrelabels:
    """Write pre-labels of these readings to folder/out."""
    names = {one.image: one.image.name for one in readings}
    ranked = rank_prelabels(readings, names, task, number=number)
    written = write_prelabels(
        folder / name, ranked, task, name=name, progress=lambda _: None, seen=lambda *_: None
    )
    write_record(folder / name, task, "a model")
    return written


def pages(folder: Path) -> list[Reading]:
    """Two pages of lines and one on which nothing was found."""
    return [
        read_lines(draw_page(folder / "in" / "a.png"), text_line("true ๑", 0.9), text_line("x", 0.4, y=40)),
        read_lines(draw_page(folder / "in" / "b.png"), text_line("ข", 0.8)),
        read_lines(draw_page(folder / "in" / "c.png")),
    ]


def lines_of(path: Path) -> list[str]:
    """The lines of a text file."""
    return path.read_text(encoding="utf-8").splitlines()


class TestRoundTrip:
    """What is written is read back."""

    def test_pages_come_back_with_boxes_and_texts(self, tmp_path: Path) -> None:
        """Without a problem but that nobody has confirmed them."""
        written = write(tmp_path, pages(tmp_path), "lines")
        assert (written.images, written.boxes, written.crops) == (3, 3, 3)
        back = convert_ppocrlabel(tmp_path / "out", tmp_path / "back")
        assert (back.images, back.boxes, back.confirmed, back.unconfirmed) == (2, 3, 0, 3)
        assert [problem.kind for problem in back.problems] == ["unconfirmed"]
        labels = [line.split("\t") for line in lines_of(back.labels)]
        assert {name: [box["transcription"] for box in json.loads(label)] for name, label in labels} == {
            "images/a.png": ["true ๑", "x"],
            "images/b.png": ["ข"],
        }

    @pytest.mark.parametrize(("task", "kinds"), [("rec", set()), ("det", {"empty_text"})])
    def test_the_check_takes_the_boxes(self, tmp_path: Path, task: str, kinds: set[str]) -> None:
        """Around a whole crop, and a detector's that reach over the edge; no text is a note."""
        image = draw_page(tmp_path / "in" / "a.png", (60, 20))
        over = ((-3.2, -1.0), (61.4, 0.0), (61.0, 21.0), (-2.0, 20.4))
        reading = Reading(image=image, text="ก", score=0.5)
        if task == "det":
            reading = Reading(image=image, boxes=(over,), scores=(0.7,))
        write(tmp_path, [reading], task)
        labels = tmp_path / "out" / "Label.txt"
        report = validate([labels], paths_of([labels], None, ""), Rules(task="det"))
        assert report.errors == 0
        assert set(report.counts) == kinds
        (line,) = lines_of(labels)
        points = json.loads(line.split("\t")[1])[0]["points"]
        assert {(x, y) for x, y in points} == {(0, 0), (60, 0), (60, 20), (0, 20)}

    def test_a_folder_that_was_renamed_is_read_back_too(self, tmp_path: Path) -> None:
        """Label.txt has its old name; the small pictures of the review page are no pages."""
        readings = pages(tmp_path)
        ranked = rank_prelabels(
            readings, {one.image: one.image.name for one in readings}, "lines", number=False
        )
        write_prelabels(
            tmp_path / "out",
            ranked,
            "lines",
            name="out",
            progress=lambda _: None,
            seen=lambda one, picture, boxes: write_card(tmp_path / "out", one, picture, boxes, "lines"),
        )
        (tmp_path / "out").rename(tmp_path / "renamed")
        back = convert_ppocrlabel(tmp_path / "renamed", tmp_path / "back")
        assert back.images == 2
        assert {problem.kind for problem in back.problems} == {"unconfirmed"}

    def test_only_what_is_confirmed_comes_back_where_that_is_asked(self, tmp_path: Path) -> None:
        """As PPOCRLabel notes it."""
        write(tmp_path, pages(tmp_path), "lines")
        (tmp_path / "out" / "fileState.txt").write_text("/pc/out/b.png\t1\n", encoding="utf-8")
        back = convert_ppocrlabel(tmp_path / "out", tmp_path / "back", only_confirmed=True)
        assert [line.split("\t")[0] for line in lines_of(back.labels)] == ["images/b.png"]


class TestPpocrlabel:
    """What PPOCRLabel does with the files."""

    def test_nothing_is_confirmed_and_nothing_is_lost_when_it_saves(self, tmp_path: Path) -> None:
        """It drops unconfirmed pages from Label.txt, and takes them from Cache.cach when it opens the folder again."""
        write(tmp_path, pages(tmp_path), "lines")
        assert (tmp_path / "out" / "fileState.txt").read_bytes() == b""
        assert lines_of(tmp_path / "out" / "Cache.cach") == lines_of(tmp_path / "out" / "Label.txt")

    def test_a_text_survives_how_it_reads_labels(self) -> None:
        """It replaces false by False, in texts, too, and evaluates the rest as Python."""
        text = 'it is true "null" false\\ ข'
        label = ppocrlabel_boxes([Box(transcription=text, points=((0, 0), (9, 0), (9, 9), (0, 9)))])
        read = label.replace("false", "False").replace("true", "True").replace("null", "None")
        assert eval(read)[0] == {  # noqa: S307 - what that tool does, with a line of ours
            "transcription": text,
            "points": [[0, 0], [9, 0], [9, 9], [0, 9]],
            "difficult": False,
        }
        assert json.loads(label)[0]["transcription"] == text

    def test_images_lie_in_one_folder_under_names_that_differ(self, tmp_path: Path) -> None:
        """Also without their endings, which crops do not have; the rank in front where that is asked."""
        images = [draw_page(tmp_path / name) for name in ("x/a.png", "y/a.png", "y/a.bmp")]
        readings = [read_lines(one, text_line("t", 0.5)) for one in images]
        names = {images[0]: "a.png", images[1]: "a.png", images[2]: "sub/../a.bmp"}
        ranked = rank_prelabels(readings, names, "lines", number=True)
        assert [one.name for one in ranked] == ["1_a.png", "2_sub_.._a.bmp", "3_2_a.png"]


def test_the_least_sure_come_first_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """In confidence.csv; a broken image is not copied, and one that is gone meanwhile is named, too."""
    gone = read_lines(draw_page(tmp_path / "in" / "gone.png"), text_line("a", 0.5))
    gone.image.unlink()
    broken = Reading(image=tmp_path / "in" / "broken.png", error="it is torn")
    written = write(tmp_path, [*pages(tmp_path), gone, broken], "lines")
    assert [one.image.name for one in written.failed] == ["gone.png", "broken.png"]
    with (tmp_path / "out" / "confidence.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["rank"], row["image"], row["confidence"]) for row in rows] == [
        ("", "", ""),
        ("", "", ""),
        ("1", "c.png", "0.0000"),
        ("2", "a.png", "0.4000"),
        ("3", "b.png", "0.8000"),
    ]
    assert rows[1]["why"] == "could not be read: it is torn"
    assert not (tmp_path / "out" / "broken.png").exists()
    with (tmp_path / "out" / "lines.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["crop"], row["text"]) for row in csv.DictReader(file)] == [
            ("crop_img/a_crop_1.jpg", "x"),
            ("crop_img/b_crop_0.jpg", "ข"),
            ("crop_img/a_crop_0.jpg", "true ๑"),
        ]


class TestExisting:
    """A folder that is there already."""

    def test_nobody_s_work_is_written_over(self, tmp_path: Path) -> None:
        """Neither corrections nor confirmed images nor a file that came."""
        for name, text in (("Label.txt", "x"), ("fileState.txt", "/pc/out/a.png\t1\n"), ("notes.txt", "x")):
            write(tmp_path, pages(tmp_path), "lines", name=name)
            folder = tmp_path / name
            require_new_or_untouched(folder, overwrite=True)
            (folder / name).write_text(text, encoding="utf-8")
            with pytest.raises(ConfigError, match="somebody's work"):
                require_new_or_untouched(folder, overwrite=True)

    def test_untouched_prelabels_are_written_anew_only_where_that_is_asked(self, tmp_path: Path) -> None:
        """The message names the option."""
        write(tmp_path, pages(tmp_path), "lines")
        with pytest.raises(ConfigError) as caught:
            require_new_or_untouched(tmp_path / "out", overwrite=False)
        assert "--overwrite" in caught.value.hint

    def test_a_folder_of_something_else_is_refused(self, tmp_path: Path) -> None:
        """An empty one is taken, and one that is not there."""
        require_new_or_untouched(tmp_path / "new", overwrite=False)
        require_new_or_untouched(tmp_path, overwrite=False)
        (tmp_path / "a.txt").write_text("x", encoding="utf-8")
        with pytest.raises(ConfigError, match="not a folder of pre-labels"):
            require_new_or_untouched(tmp_path, overwrite=True)
