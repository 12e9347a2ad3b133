"""What the cells of `paddle_ocr_training.ipynb` call: one function a cell, so that the notebook holds no logic.

Each function is loaded when it is first used: the first cells run in a kernel that lacks our packages, too, and say so.
"""

from __future__ import annotations

import importlib
from typing import Any

_FOUND_IN = {
    "choose": "choices",
    "check_environment": "environment",
    "check_gpu": "gpu",
    "ask_for_credentials": "store",
    "check_store": "store",
    "get_data": "data",
    "back_up": "data",
    "check_labels": "label_pictures",
    "show_labels": "label_pictures",
    "from_labelme": "labelme",
    "split_labels": "labelme",
    "parameters": "configuration",
    "show_configuration": "configuration",
    "start_training": "training",
    "resume": "training",
    "last_run": "training",
    "show_checkpoints": "checkpoints",
    "compare_runs": "comparison",
    "export_model": "predictions",
    "predict": "predictions",
}


def __dir__() -> list[str]:
    """For the completion of names in a cell."""
    return sorted(_FOUND_IN)


def __getattr__(name: str) -> Any:
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_FOUND_IN[name]}"), name)
    # The first cells run in any kernel: what they are wrapped in must not need our packages either.
    return importlib.import_module(f"{__name__}.cells").as_cell(found)
