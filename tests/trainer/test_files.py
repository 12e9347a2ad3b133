"""How PaddleOCR names its checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.trainer.files import SUFFIXES, checkpoint_kind, files_of, optimizer_of, states_of, weights_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("latest", "latest"),
        ("best_accuracy", "best"),
        ("iter_epoch_3", "epoch"),
        ("iter_epoch_", ""),
        ("iter_epoch_3x", ""),
        ("iter_epoch_1234567890", ""),
        ("iter_epoch_\u0e51", ""),
        ("Latest", ""),
        ("", ""),
    ],
)
def test_a_checkpoint_is_told_by_its_name(name: str, kind: str) -> None:
    """Only by the whole of it."""
    assert checkpoint_kind(name) == kind


def test_the_files_that_are_there_are_found(tmp_path: Path) -> None:
    """A folder of that name is none, and neither is another file."""
    (tmp_path / "x.states").mkdir()
    for name in ("x.pdparams", "x.pdopt", "x.pdema", "y.pdparams"):
        (tmp_path / name).touch()
    assert files_of(tmp_path / "x") == [tmp_path / "x.pdparams", tmp_path / "x.pdopt"]


def test_the_files_of_a_checkpoint_have_the_whole_prefix() -> None:
    """A dot in it is no suffix."""
    found = [str(path(Path("a/v1.5"))) for path in (weights_of, optimizer_of, states_of)]
    assert found == [f"a/v1.5{suffix}" for suffix in SUFFIXES]
    assert weights_of("a/x") == Path("a/x.pdparams")
