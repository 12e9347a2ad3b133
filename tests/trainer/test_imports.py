"""Which packages PaddleOCR's code imports."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from ocr_train.errors import SetupError
from ocr_train.trainer.imports import READING, TRAINING, packages_imported, require_packages
from ocr_train.trainer.interpreter import interpreter, probe

FILES = {
    "tools/train.py": "import outside_one\nfrom ppocr.data import build_it\nimport tools.program as program\n",
    "tools/program.py": "try:\n    import optional\nexcept ImportError:\n    optional = None\n",
    "ppocr/__init__.py": "",
    "ppocr/data/__init__.py": "from .simple import Simple\nfrom ppocr.utils import *\n",
    "ppocr/data/simple.py": "import outside_two.inner as two\nfrom ..modeling import build_model\n",
    "ppocr/utils/__init__.py": "import sys\nsys.path.append('e2e')\nfrom extract import points\n",
    "ppocr/utils/e2e/extract.py": "import outside_three\ndef points():\n    import only_when_called\n",
    "ppocr/modeling/__init__.py": """
def build_model(config, model_type):
    if model_type == "det" or model_type == "table":
        from .det import Det
    elif model_type in ["rec", "cls"]:
        from .rec import Rec
    if config["name"] == "Odd":
        import only_for_one
    from .head import Head
""",
    "ppocr/modeling/det.py": "import of_detection\n",
    "ppocr/modeling/rec.py": "import of_recognition\n",
    "ppocr/modeling/head.py": "import of_heads\nthis is no Python\n",
}
ALWAYS = ["outside_one", "outside_three", "outside_two", "sys"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A PaddleOCR of a few lines, with every way to import that the real ones have."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_what_the_training_imports_is_found_through_paddleocrs_own_modules(root: Path) -> None:
    """What is caught, or runs only in a function that may never be called, is not needed."""
    assert packages_imported(root, TRAINING, model_type="det") == ["of_detection", *ALWAYS]
    assert packages_imported(root, TRAINING, model_type="rec") == ["of_recognition", *ALWAYS]
    assert packages_imported(root, TRAINING, model_type="kie") == ALWAYS


def test_all_that_is_missing_is_named_at_once_with_what_to_install(root: Path) -> None:
    """Not one after the other, each after a minute of fetching data."""
    with pytest.raises(SetupError) as raised:
        require_packages(Path(sys.executable), root, TRAINING, model_type="det")
    assert "of_detection, outside_one, outside_three, outside_two" in raised.value.problem
    assert "pip install of_detection outside_one outside_three outside_two" in raised.value.hint
    assert "numpy" in raised.value.hint


@pytest.mark.parametrize("model_type", ["det", "rec", "cls", "table"])
def test_the_locked_environment_has_what_its_paddleocr_imports(model_type: str) -> None:
    """A package that is reported here would keep a training that works from starting."""
    python = interpreter("")
    root = Path(probe(python).roots["unstructured_paddleocr"])
    names = packages_imported(root, TRAINING, model_type=model_type)
    assert {"paddle", "cv2", "numpy", "skimage"} <= set(names)
    require_packages(python, root, TRAINING, model_type=model_type)
    require_packages(python, root, READING, model_type=model_type)


@pytest.mark.parametrize("name", ["lmdb", "imgaug", "visualdl"])
def test_the_environment_has_what_checkouts_import(name: str) -> None:
    """Official trees import lmdb, 2.6 to 2.8 imgaug, 2.6 and 2.7 visualdl; unstructured-paddleocr none of them."""
    assert importlib.util.find_spec(name) is not None
