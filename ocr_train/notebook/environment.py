"""Whether this kernel has what a training needs, and where the notebook runs. Works in any kernel: standard library only."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from ocr_train.notebook.cells import CellStopped
from ocr_train.notebook.choices import PACKAGE, Choices

NEEDED = ("yaml", "mlflow", "paddle", "cv2", "boto3", "obstore", "PIL", "matplotlib", "jinja2", "psutil")
"""Modules, one of each part of the locked environment that the cells below use first."""
SUPPORTED = ((3, 10), (3, 13))
"""The first version of Python that works, and the first one that does not."""
SHOWN = ("paddlepaddle", "paddlepaddle-gpu", "mlflow", "numpy")
SAGEMAKER_FACTS = Path("/opt/ml/metadata/resource-metadata.json")
KERNEL = "ocr-train"


def check_environment(choices: Choices) -> None:
    """Show where the notebook runs; raises `CellStopped`, with what to type, where the kernel cannot train."""
    version = sys.version_info[:2]
    missing = [name for name in NEEDED if find_spec(name) is None]
    if not SUPPORTED[0] <= version < SUPPORTED[1] or missing:
        lacks = f" and has no {', '.join(missing)}" if missing else ""
        raise CellStopped(
            f"This kernel cannot train: it is {sys.executable} (Python {platform.python_version()}){lacks}.",
            hint=how_to_get_a_kernel(),
        )
    if not os.access(choices.folder, os.W_OK):
        raise CellStopped(
            f"Nothing can be written into {choices.folder}.", hint="Choose another one: FOLDER=... above."
        )
    from ocr_train.notebook.display import show_table

    rows = [
        ("place", place()),
        ("project", str(PACKAGE.parent)),
        ("kernel", f"{sys.executable}, Python {platform.python_version()}"),
        ("packages", ", ".join(f"{name} {found}" for name in SHOWN if (found := _version(name)))),
        ("files of runs", str(choices.output)),
        ("MLflow", _tracking(choices)),
    ]
    show_table((), rows, title="This kernel has all packages.")


def how_to_get_a_kernel() -> str:
    """What to type, and where to click."""
    project = PACKAGE.parent
    if (project / "Makefile").is_file():
        typed = f"cd {shlex.quote(str(project))} && make kernel"
    else:
        typed = f"python3.11 -m pip install ipykernel ocr-train && python3.11 -m ipykernel install --user --name {KERNEL}"
    return (
        f"In a terminal:\n\n    {typed}\n\nThen choose the kernel {KERNEL!r} (JupyterLab and SageMaker: the name of "
        "the kernel at the top right; VS Code: Select Kernel), and run all cells again."
    )


def place(facts: Path = SAGEMAKER_FACTS) -> str:
    """A laptop or server, a SageMaker notebook instance, or SageMaker Studio."""
    here = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    try:
        found = json.loads(facts.read_text(encoding="utf-8"))
        studio = "DomainId" in found
        name = str(found.get("SpaceName") or found.get("ResourceName") or "")
    except (OSError, ValueError, TypeError, AttributeError):
        return here
    return f"{'SageMaker Studio' if studio else 'SageMaker notebook instance'} {name}, {here}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _tracking(choices: Choices) -> str:
    from ocr_train.redaction.addresses import without_password

    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return without_password(uri) if uri else f"{choices.folder / 'mlflow.db'} (see it: make ui)"
