"""Data for a checkpoint that exists already: other data, images alone, data that are gone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_train.errors import ConfigError, DataError
from ocr_train.models.source import read_config
from ocr_train.models.validation_data import ValidationData, check_validation_images, find_validation_data
from tests.cli_run import jpeg, rec_data
from tests.models.export.test_run import make_source


def no_client() -> Any:
    """No tracking server is needed."""
    raise AssertionError("asked for a tracking server")


def no_fetch(*_: object) -> Path:
    """Nothing is to be fetched."""
    raise AssertionError("asked for something in S3")


def recorded(folder: Path, data: Path | str, said: list[str] | None = None) -> ValidationData:
    """The validation data in `data` for a checkpoint without a run that knows a and b."""
    source = make_source(folder / "checkpoint", run_id="")
    echo = (said if said is not None else []).append
    return find_validation_data(
        source, no_client, folder / "work", folder / "cache", data=str(data), fetch=no_fetch, echo=echo
    )


def images(folder: Path, data: Path | str) -> list[Path]:
    """The images to check on."""
    source = make_source(folder / "checkpoint", run_id="")
    return check_validation_images(
        source,
        no_client,
        folder / "work",
        folder / "cache",
        data=str(data),
        fetch=no_fetch,
        echo=lambda _: None,
    )


def test_other_data_without_a_validation_set_count_whole(tmp_path: Path) -> None:
    """Nothing was trained on them, so nothing has to be left out."""
    rec_data(tmp_path / "data", ["a", "b", "ab", "ba", "aab"])
    said: list[str] = []
    data = recorded(tmp_path, tmp_path / "data", said)
    assert (data.samples, data.whole, data.own) == (5, True, False)
    assert len(data.labels.read_text().splitlines()) == len(data.paths()) == 5
    assert all(path.is_file() for path in data.paths())
    assert "all 5 samples are used" in "\n".join(said)


def test_other_data_with_a_validation_set_count_by_it(tmp_path: Path) -> None:
    """As in training."""
    rec_data(tmp_path / "data", ["a", "b", "ab"], name="train.txt")
    rec_data(tmp_path / "data", ["a", "b"], name="val.txt")
    data = recorded(tmp_path, tmp_path / "data")
    assert (data.samples, data.whole) == (2, False)


def test_characters_that_the_model_does_not_know_are_listed(tmp_path: Path) -> None:
    """PaddleOCR would drop them from the truth as well, and count the text as read."""
    rec_data(tmp_path / "data", ["a", "bc", "ก"])
    with pytest.raises(DataError) as failed:
        recorded(tmp_path, tmp_path / "data")
    assert "'c'" in str(failed.value)
    assert "'ก'" in str(failed.value)


def test_the_dictionary_beside_other_data_does_not_count(tmp_path: Path) -> None:
    """The weights have their outputs in the order of their own."""
    rec_data(tmp_path / "data", ["a", "c"])
    (tmp_path / "data" / "dict.txt").write_text("a\nc\n")
    with pytest.raises(DataError, match="'c'"):
        recorded(tmp_path, tmp_path / "data")


def test_a_checkpoint_without_a_run_has_no_data_of_its_own(tmp_path: Path) -> None:
    """It is said what to give."""
    with pytest.raises(ConfigError, match="no known run") as failed:
        recorded(tmp_path, "")
    assert "--data" in failed.value.hint


def test_images_without_labels_do_for_a_check(tmp_path: Path) -> None:
    """A folder, whatever is below it, or one picture."""
    (tmp_path / "pictures" / "more").mkdir(parents=True)
    for name in ("b.jpg", "more/a.JPG"):
        (tmp_path / "pictures" / name).write_bytes(jpeg())
    (tmp_path / "pictures" / "notes.md").write_text("no picture")
    names = [path.name for path in images(tmp_path, tmp_path / "pictures")]
    assert names == ["b.jpg", "a.JPG"]
    shutil.rmtree(tmp_path / "checkpoint")
    assert images(tmp_path, tmp_path / "pictures" / "b.jpg") == [tmp_path / "pictures" / "b.jpg"]


def test_a_folder_without_images_is_no_data(tmp_path: Path) -> None:
    """Nothing to check on is an error, not a check that was passed."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image"):
        images(tmp_path, tmp_path / "empty")


def test_a_checkpoint_beside_its_data_is_checked_on_them(tmp_path: Path) -> None:
    """What its configuration names, where that is still there."""
    labels = rec_data(tmp_path / "data", ["a", "b"])
    source = make_source(tmp_path / "checkpoint", run_id="")
    config = yaml.safe_load(source.config.read_text())
    config["Eval"]["dataset"] |= {"data_dir": str(tmp_path / "data"), "label_file_list": [str(labels)]}
    source.config.write_text(yaml.safe_dump(config))
    found = check_validation_images(
        source, no_client, tmp_path / "w", tmp_path / "c", fetch=no_fetch, echo=lambda _: None
    )
    assert [path.name for path in found] == ["0.jpg", "1.jpg"]
    labels.unlink()
    with pytest.raises(ConfigError, match="not known"):
        check_validation_images(
            source, no_client, tmp_path / "w", tmp_path / "c", fetch=no_fetch, echo=lambda _: None
        )


def test_what_a_run_was_launched_with_is_no_configuration_of_paddleocrs(tmp_path: Path) -> None:
    """Its overrides are one text with brackets in it, which PaddleOCR never sees; what it does see is screened."""
    path = tmp_path / "experiment.yaml"
    launch = {"overrides": "Train.dataset.transforms.EastRandomCropData.size=[160,160] a.b=[1,2]"}
    path.write_text(yaml.safe_dump({"launch": launch, "paddleocr": {"Global": {"epoch_num": 1}}}))
    assert read_config(path, ours=("launch",))["launch"] == launch
    path.write_text(yaml.safe_dump({"launch": launch, "paddleocr": {"Architecture": {"act": "print(1)"}}}))
    with pytest.raises(DataError, match="act"):
        read_config(path, ours=("launch",))


def test_other_data_are_not_mixed(tmp_path: Path) -> None:
    """A score of two sets at once says nothing about either."""
    with pytest.raises(ConfigError, match="one source and no ratio is taken here"):
        recorded(tmp_path, "s3://own 1.0, s3://general 0.2")
