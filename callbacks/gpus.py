"""The driver's handles (NVML) of the GPUs that the trainer uses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any


def handles_of(names: Sequence[str]) -> list[Any]:
    """A handle for each of `names`, as CUDA_VISIBLE_DEVICES has them; those that the driver does not have are left out.

    A name is a number of the host, a UUID or the beginning of one (GPU-8932f937), or a MIG instance
    (MIG-<uuid>, or MIG-GPU-<uuid>/<gi>/<ci> of older drivers), whose GPU is taken: the driver counts load and power
    for a whole GPU only. Numbers are those of NVML, the order on the bus: with unlike GPUs in one host set
    CUDA_DEVICE_ORDER=PCI_BUS_ID, so that CUDA counts the same way. Raises what pynvml raises without a driver.
    """
    import pynvml

    pynvml.nvmlInit()
    found: list[Any] = []
    for name in names:
        with contextlib.suppress(pynvml.NVMLError):
            handle = _handle(pynvml, name.strip())
            if handle is not None and handle not in found:
                found.append(handle)
    return found


def _handle(pynvml: Any, name: str) -> Any:
    if name.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    if name.startswith("MIG-GPU-"):
        name = name.removeprefix("MIG-").partition("/")[0]
    if name.startswith("MIG-"):
        return pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(pynvml.nvmlDeviceGetHandleByUUID(name))
    return next((handle for handle in _every(pynvml) if _uuid(pynvml, handle).startswith(name)), None)


def _every(pynvml: Any) -> Iterator[Any]:
    for number in range(pynvml.nvmlDeviceGetCount()):
        yield pynvml.nvmlDeviceGetHandleByIndex(number)


def _uuid(pynvml: Any, handle: Any) -> str:
    uuid = pynvml.nvmlDeviceGetUUID(handle)
    return uuid.decode("ascii") if isinstance(uuid, bytes) else str(uuid)
