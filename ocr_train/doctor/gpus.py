"""GPUs: which ones are in this machine, which of them Paddle can use, and whether the training will be on them.

The driver is asked through NVML (nvidia-ml-py), whatever Paddle says: a CPU build knows of no GPU at all. Where the
driver's library is not there, as in a container that was started without GPUs, the system is looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ocr_train.doctor.rows import CheckRow, fine, problem, warning
from ocr_train.errors import SetupError
from ocr_train.trainer.device import choose_device
from ocr_train.trainer.interpreter import Facts

SUBJECT = "GPU"
DRIVER_FILES = Path("/proc/driver/nvidia/gpus")
PCI_DEVICES = Path("/sys/bus/pci/devices")
_NVIDIA = "0x10de"
_DISPLAYS = ("0x0300", "0x0302")
"""PCI classes: VGA and 3D controllers (PCI Code and ID Assignment Specification)."""
_NONE_VISIBLE = ("", "-1", "NoDevFiles")
"""Values of CUDA_VISIBLE_DEVICES by which people hide all GPUs."""


@dataclass(frozen=True, kw_only=True)
class GpusThere:
    """GPUs of this machine: `names` as the driver lists them; `unreachable` are those that the system shows, but no
    driver's library lists. `driver` is the version of the driver, empty where it is not known."""

    names: tuple[str, ...] = ()
    driver: str = ""
    unreachable: int = 0


def find_gpus(driver_files: Path = DRIVER_FILES, pci_devices: Path = PCI_DEVICES) -> GpusThere:
    """Ask the driver, else the system; nothing is raised where there is neither."""
    names, driver = _ask_driver()
    if names:
        return GpusThere(names=names, driver=driver)
    seen = max(len(_entries(driver_files)), sum(_is_gpu(device) for device in _entries(pci_devices)))
    return GpusThere(driver=driver, unreachable=seen)


def _ask_driver() -> tuple[tuple[str, ...], str]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return (), ""
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        return tuple(_names(pynvml.nvmlDeviceGetCount())), driver
    except pynvml.NVMLError:
        return (), ""
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _names(count: int) -> Iterator[str]:
    import pynvml

    for number in range(count):
        # A GPU that has fallen off the bus.
        with contextlib.suppress(pynvml.NVMLError):
            yield _text(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(number)))


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_gpu(device: Path) -> bool:
    try:
        vendor, kind = ((device / name).read_text(encoding="ascii").strip() for name in ("vendor", "class"))
    except (OSError, UnicodeDecodeError):
        return False
    return vendor == _NVIDIA and kind.startswith(_DISPLAYS)


def device_row(gpus: str | tuple[int, ...], facts: Facts, there: GpusThere, visible: str | None) -> CheckRow:
    """Whether the training will be on the GPUs that are `there`; `visible` is CUDA_VISIBLE_DEVICES, None where it is
    not set.

    A GPU that is paid for while the CPU trains is a problem, unless the CPU was asked for: gpus=cpu, or no GPU visible.
    """
    hidden = visible is not None and visible.strip() in _NONE_VISIBLE
    if gpus == "auto" and not facts.gpus and there.names and not hidden:
        return problem(SUBJECT, _on_the_cpu(facts, there))
    try:
        device = choose_device(gpus, facts)
    except SetupError as exc:
        return problem(SUBJECT, exc)
    if not device.gpus and there.unreachable and gpus == "auto" and not hidden:
        return warning(
            SUBJECT,
            f"{there.unreachable} NVIDIA GPU(s) are in this machine, and no driver lists them: training would be on "
            f"the CPU (paddlepaddle {facts.paddle})",
            "Install the driver; in a container, start it with its GPUs (docker run --gpus all; Kubernetes: the limit "
            "nvidia.com/gpu). gpus=cpu says that the CPU is meant.",
        )
    if device.warning:
        return warning(SUBJECT, device.note, "Check `nvidia-smi`; gpus=cpu says that the CPU is meant.")
    if device.gpus and facts.gpus < len(there.names) and visible is None:
        return warning(
            SUBJECT,
            f"{device.note}; Paddle sees {facts.gpus} of {len(there.names)} GPUs",
            "Check `nvidia-smi -L` for one that is broken, and whether MIG is on.",
        )
    idle = f"; {_listed(there)} not used" if there.names and not device.gpus else ""
    none = "; no NVIDIA GPU on this machine" if not (there.names or there.unreachable) else ""
    return fine(SUBJECT, f"{device.note}{idle}{none}")


def _on_the_cpu(facts: Facts, there: GpusThere) -> SetupError:
    if not facts.cuda:
        return SetupError(
            f"{_listed(there)} {'are' if len(there.names) > 1 else 'is'} here, but paddlepaddle {facts.paddle} is a CPU build: the training would be on the CPU "
            "while the GPU is paid for.",
            hint="`make gpu` installs paddlepaddle-gpu (docs/requirements.md); gpus=cpu trains on the CPU on purpose.",
        )
    return SetupError(
        f"{_listed(there)} {'are' if len(there.names) > 1 else 'is'} here, but paddlepaddle-gpu {facts.paddle} can use none: the training would be on the CPU "
        "while the GPU is paid for.",
        hint=f"Its CUDA may be too new for the driver ({there.driver or 'version unknown'}): compare `nvidia-smi` with "
        "docs/requirements.md. gpus=cpu trains on the CPU on purpose.",
    )


def _listed(there: GpusThere) -> str:
    count = len(there.names)
    kinds = ", ".join(dict.fromkeys(there.names))
    return f"{count} GPU{'s' if count > 1 else ''} ({kinds})"
