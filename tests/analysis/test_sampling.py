"""Which validation images are looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ocr_train.analysis.sampling import validation_set
from ocr_train.analysis.text_scores import TextRules
from ocr_train.errors import DataError
from tests.analysis.builders import box_at, write_validation

NAMES = [f"val/{number}.jpg" for number in range(40)]


def names(config: Path, limit: int, task: str = "rec") -> list[str]:
    """The names of the sample."""
    return [sample.name for sample in validation_set(config, task, limit=limit).samples]


def test_the_sample_does_not_depend_on_the_order_of_the_label_file(tmp_path: Path) -> None:
    """The same images in another order are the same data."""
    first = write_validation(tmp_path / "a", dict.fromkeys(NAMES, "x"), pictures=False)
    second = write_validation(tmp_path / "b", dict.fromkeys(NAMES[::-1], "x"), pictures=False)
    assert names(first, 8) == names(second, 8)
    assert names(first, 8) != NAMES[:8]


def test_a_larger_sample_holds_the_smaller_one(tmp_path: Path) -> None:
    """Runs with different sizes share images."""
    config = write_validation(tmp_path, dict.fromkeys(NAMES, "x"), pictures=False)
    assert names(config, 16)[:8] == names(config, 8)


def test_a_few_more_images_change_the_sample_a_little(tmp_path: Path) -> None:
    """One image more in the data costs at most one of the sample."""
    before = write_validation(tmp_path / "a", dict.fromkeys(NAMES, "x"), pictures=False)
    after = write_validation(tmp_path / "b", dict.fromkeys([*NAMES, "new.jpg"], "x"), pictures=False)
    assert len(set(names(before, 8)) & set(names(after, 8))) >= 7


def test_a_capped_set_says_how_many_there_are(tmp_path: Path) -> None:
    """And one that holds all says so."""
    config = write_validation(tmp_path, dict.fromkeys(NAMES, "x"), pictures=False)
    some, everything = (validation_set(config, "rec", limit=limit) for limit in (8, 1000))
    assert (some.capped, some.total, len(some.samples)) == (True, 40, 8)
    assert (everything.capped, everything.total, len(everything.samples)) == (False, 40, 40)


def test_an_image_listed_twice_is_one_image(tmp_path: Path) -> None:
    """Its first label counts."""
    config = write_validation(tmp_path, {"a.jpg": "one"}, pictures=False)
    with (tmp_path / "val.txt").open("a", encoding="utf-8") as file:
        file.write('a.jpg\ttwo\n["b.jpg", "c.jpg"]\tthree\n')
    chosen = validation_set(config, "rec", limit=9)
    assert {(sample.name, sample.text) for sample in chosen.samples} == {("a.jpg", "one"), ("b.jpg", "three")}


def test_detection_truth_is_read_as_boxes(tmp_path: Path) -> None:
    """With the ignored ones."""
    config = write_validation(tmp_path, {"a.jpg": [box_at(0, 0), box_at(20, 0, "###")]})
    (sample,) = validation_set(config, "det", limit=9).samples
    assert [box.ignored for box in sample.boxes] == [False, True]
    assert sample.path.is_file()


def test_the_rules_of_the_metric_are_taken_over(tmp_path: Path) -> None:
    """`ignore_space: false` in the configuration counts here, too."""
    config = write_validation(tmp_path, {"a.jpg": "x"}, metric={"name": "RecMetric", "ignore_space": False})
    assert validation_set(config, "rec", limit=1).rules == TextRules(ignore_space=False)


@pytest.mark.parametrize("text", ["Eval: {dataset: {name: LMDBDataSet}}", "- 1", "Eval: [", ""])
def test_a_configuration_without_label_files_is_said(tmp_path: Path, text: str) -> None:
    """LMDB and the like have no labels that we read; neither has what is no configuration."""
    (tmp_path / "config.yml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"label_file_list|cannot be read"):
        validation_set(tmp_path / "config.yml", "rec", limit=1)


def test_one_label_file_may_stand_alone(tmp_path: Path) -> None:
    """PaddleOCR takes a string as well as a list."""
    config = write_validation(tmp_path, {"a.jpg": "x"}, pictures=False)
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    document["Eval"]["dataset"]["label_file_list"] = str(tmp_path / "val.txt")
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert names(config, 3) == ["a.jpg"]
