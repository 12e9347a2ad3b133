"""A model tried as it will be loaded, before it is logged; the package that it brings along is a stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.errors import SetupError
from ocr_train.models.mlflow_trial import try_model


def write_code(folder: Path, body: str) -> Path:
    """A package `ocr_engine` whose model says what `body` does."""
    package = folder / "code" / "ocr_engine"
    package.mkdir(parents=True)
    (folder / "exported").mkdir()
    (package / "__init__.py").touch()
    (package / "pyfunc.py").write_text(body)
    return folder / "code"


def test_the_model_is_loaded_with_its_own_code_and_reads_the_example(tmp_path: Path) -> None:
    """Nothing of ours is on its path: a served model has none of it."""
    code = write_code(
        tmp_path,
        """
import importlib.util, pathlib
assert importlib.util.find_spec("ocr_train") is None
class Model:
    def predict(self, table):
        (self.folder / "read").write_text(table["image"][0])
def _load_pyfunc(path):
    model = Model()
    model.folder = pathlib.Path(path)
    return model
""",
    )
    try_model(code, tmp_path / "exported", "aGk=")
    assert (tmp_path / "exported" / "read").read_text() == "aGk="


def test_a_model_that_does_not_load_is_refused_with_its_reason(tmp_path: Path) -> None:
    """The first line of the exception; a model that nobody can load would be READY otherwise."""
    code = write_code(tmp_path, "import warnings\nwarnings.warn('old')\nimport no_such_package\n")
    with pytest.raises(
        SetupError, match=r"ModuleNotFoundError: No module named 'no_such_package'\."
    ) as raised:
        try_model(code, tmp_path / "exported", "")
    assert "register" in raised.value.hint


def test_a_model_that_never_loads_is_ended(tmp_path: Path) -> None:
    """It is not waited for forever."""
    code = write_code(tmp_path, "import time\ntime.sleep(60)\n")
    with pytest.raises(SetupError, match="not answered within 1 s"):
        try_model(code, tmp_path / "exported", "", timeout_s=1.0)
