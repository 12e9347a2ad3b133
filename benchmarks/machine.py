"""What a figure was measured on: the machine, how busy it is, and the versions of what takes part."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_PACKAGES = ("paddlepaddle", "unstructured-paddleocr", "mlflow", "onnxruntime", "boto3", "obstore", "numpy")


@dataclass(frozen=True, kw_only=True)
class About:
    """`machine` (processor, CPUs, memory, Python), `load` of the last minute, `versions` of packages."""

    machine: str
    load: str
    versions: str


def about() -> About:
    """This machine, now."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    machine = (
        f"{_processor()}, {os.cpu_count()} CPUs, {memory_gb:.0f} GB of memory, {platform.system()}, "
        f"Python {platform.python_version()}"
    )
    return About(
        machine=machine,
        load=f"load {os.getloadavg()[0]:.1f}",
        versions=", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES if _there(name)),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _there(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
