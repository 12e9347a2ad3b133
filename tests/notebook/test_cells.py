"""How a cell ends that cannot do its work."""

from __future__ import annotations

import pytest

from ocr_train import notebook
from ocr_train.errors import DataError
from ocr_train.notebook.cells import CellStopped, as_cell


def test_an_error_that_a_user_can_mend_has_no_traceback() -> None:
    """IPython shows what happened and what to do, and runs no cell after it."""

    def fail() -> None:
        raise DataError("no image", hint="Look there.")

    with pytest.raises(CellStopped) as stopped:
        as_cell(fail)()
    assert stopped.value._render_traceback_() == ["no image", "Look there."]


def test_an_error_of_ours_keeps_its_traceback() -> None:
    """It is to be reported."""

    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        as_cell(fail)()


def test_every_name_of_the_notebook_room_is_a_function() -> None:
    """And a name that does not exist is the usual error."""
    assert len(dir(notebook)) >= 20
    for name in dir(notebook):
        assert callable(getattr(notebook, name)), name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = notebook.trian
