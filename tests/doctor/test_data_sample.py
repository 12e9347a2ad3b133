"""The first samples of the data are read, in a folder and in S3."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.config.parameters import Launch
from ocr_train.config.requests import DataRequest
from ocr_train.doctor.data_sample import copy_samples, look_at_folder
from ocr_train.doctor.rows import OK, PROBLEM, WARNING
from ocr_train.doctor.s3_sample import IMAGES, look_at_s3
from tests.s3 import Prefix


@pytest.fixture(scope="module")
def request_for_rec() -> DataRequest:
    """What the recogniser's data are asked for."""
    return load_experiment(Launch(model="rec", data="/data"), EXPERIMENTS).data_request


def test_a_good_folder_is_counted_and_read(data: Path, tmp_path: Path, request_for_rec: DataRequest) -> None:
    """Its samples by set; nothing is written into it."""
    before = sorted(data.rglob("*"))
    found = look_at_folder(request_for_rec, data, tmp_path)
    assert [row.status for row in found.rows] == [OK], found.rows
    assert (found.train, found.val) == (16, 4)
    assert "16 samples to train on, 4 to validate; the first 20 were read" in found.rows[0].found
    assert sorted(data.rglob("*")) == before


def test_a_bad_sample_is_named_in_the_users_own_file(
    data: Path, tmp_path: Path, request_for_rec: DataRequest
) -> None:
    """File and line, and the command that lists all."""
    folder = tmp_path / "mine"
    folder.mkdir()
    good = (data / "train.txt").read_text(encoding="utf-8").splitlines()[0].partition("\t")[2]
    (folder / "train.txt").write_text(f"missing.jpg\t{good}\n", encoding="utf-8")
    (row,) = look_at_folder(request_for_rec, folder, tmp_path / "work").rows
    assert (row.status, row.code) == (PROBLEM, 3)
    assert f"{folder / 'train.txt'}:1: image_missing 'missing.jpg'" in row.found
    assert "validate" in row.todo


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path, request_for_rec: DataRequest) -> None:
    """As the training would say."""
    (row,) = look_at_folder(request_for_rec, tmp_path / "none", tmp_path / "work").rows
    assert (row.status, row.code) == (PROBLEM, 3)


def test_a_trial_gets_as_many_samples_as_it_wants(
    data: Path, tmp_path: Path, request_for_rec: DataRequest
) -> None:
    """Repeated where there are fewer, each image once."""
    layout = look_at_folder(request_for_rec, data, tmp_path / "work").layout
    assert layout is not None
    assert copy_samples(layout, tmp_path / "out", train=40, val=3) == 16
    assert len((tmp_path / "out" / "train.txt").read_text(encoding="utf-8").splitlines()) == 40
    assert len([path for path in (tmp_path / "out").rglob("*") if path.suffix in (".png", ".jpg")]) <= 19


def test_data_in_s3_are_sampled(
    prefix: Prefix, data: Path, tmp_path: Path, request_for_rec: DataRequest
) -> None:
    """A few images, not all; the number of samples is read off the label file's size."""
    for path in data.rglob("*"):
        if path.is_file():
            prefix.put(path.relative_to(data).as_posix(), path.read_bytes())
    found = look_at_s3(request_for_rec, prefix.uri, tmp_path)
    assert [row.status for row in found.rows] == [OK], found.rows
    assert (found.train, found.val, found.about) == (16, 4, True)
    fetched = [path for path in tmp_path.rglob("*") if path.suffix in (".png", ".jpg")]
    assert 0 < len(fetched) <= 2 * IMAGES


def test_an_image_that_s3_does_not_have_is_a_problem(
    prefix: Prefix, tmp_path: Path, request_for_rec: DataRequest
) -> None:
    """The label file came without its images."""
    prefix.put("train.txt", b"a.jpg\tword\nb.jpg\tother\n")
    (row,) = look_at_s3(request_for_rec, prefix.uri, tmp_path).rows
    assert (row.status, row.code) == (PROBLEM, 3)
    assert "image_missing 'a.jpg'" in row.found


def test_an_empty_prefix_is_a_problem(prefix: Prefix, tmp_path: Path, request_for_rec: DataRequest) -> None:
    """A word is mistyped, as a rule."""
    (row,) = look_at_s3(request_for_rec, f"{prefix.uri}/none", tmp_path).rows
    assert (row.status, row.code) == (PROBLEM, 3)
    prefix.put("images/a.jpg", b"x")
    (row,) = look_at_s3(request_for_rec, prefix.uri, tmp_path).rows
    assert row.status == WARNING
