"""Where training runs: GPUs or processes on the CPU, of one machine or several, and the environment that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ocr_train.errors import SetupError
from ocr_train.trainer.interpreter import Facts


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where training runs on this machine: `gpus` are device numbers, empty for the CPU, and then `cpus` processes share
    it; `note` is one line for people. `nodes` are the machines that train together, all alike. `cuda`: this Paddle is a
    GPU build."""

    gpus: tuple[int, ...]
    note: str
    warning: str = ""
    cpus: int = 1
    nodes: int = 1
    cuda: bool = False

    @property
    def name(self) -> str:
        """`cpu`, `cpu:2`, `gpu:0` or `gpu:0,1`, as a tag; `2x` in front for two machines."""
        cpu = f"cpu:{self.cpus}" if self.cpus > 1 else "cpu"
        here = f"gpu:{','.join(map(str, self.gpus))}" if self.gpus else cpu
        return f"{self.nodes}x{here}" if self.nodes > 1 else here

    @property
    def here(self) -> int:
        """Processes that train on this machine."""
        return len(self.gpus) or self.cpus

    @property
    def processes(self) -> int:
        """Processes that train, on all machines."""
        return self.here * self.nodes


@dataclass(frozen=True, kw_only=True)
class Rendezvous:
    """How Paddle's launchers of several machines find each other: `master` is IP:port of the first one, `host` this
    machine's own IP, `rank` its place from 0. An IP, because a host name lets Paddle 3.0 wait for ever."""

    master: str
    host: str
    rank: int


def choose_device(gpus: str | tuple[int, ...], facts: Facts, *, cpus: int = 1, nodes: int = 1) -> Device:
    """Turn `gpus` (auto, cpu or numbers), processes on the CPU and the number of machines into a device; raises
    `SetupError` for GPUs that are not there."""
    found = replace(_choose_device(gpus, facts, cpus), cuda=facts.cuda)
    if nodes == 1:
        return found
    return replace(found, nodes=nodes, note=f"{found.note}, and the same on {nodes - 1} more machine(s)")


def _choose_device(gpus: str | tuple[int, ...], facts: Facts, cpus: int) -> Device:
    if cpus > 1:
        return Device(
            gpus=(), cpus=cpus, note=f"training on the CPU in {cpus} processes, as asked (cpus={cpus})"
        )
    if gpus == "cpu":
        return Device(gpus=(), note="training on the CPU, as asked (gpus=cpu)")
    if gpus == "auto":
        return _auto_device(facts)
    wanted = tuple(int(number) for number in gpus)
    if not facts.cuda:
        raise SetupError(
            f"gpus={','.join(map(str, wanted))}, but paddlepaddle {facts.paddle} is a CPU build.",
            hint="`make gpu` installs paddlepaddle-gpu; gpus=cpu trains on the CPU.",
        )
    missing = [str(number) for number in wanted if number >= facts.gpus]
    if missing:
        raise SetupError(
            f"gpus={','.join(map(str, wanted))}, but Paddle sees {facts.gpus} GPU(s): no GPU {', '.join(missing)}.",
            hint="Check `nvidia-smi` and CUDA_VISIBLE_DEVICES, or use gpus=auto.",
        )
    return Device(gpus=wanted, note=f"training on {_gpu_names(wanted, facts)}")


def _auto_device(facts: Facts) -> Device:
    if facts.gpus:
        every = tuple(range(facts.gpus))
        return Device(gpus=every, note=f"training on {_gpu_names(every, facts)}")
    if facts.cuda:
        warning = "paddlepaddle-gpu is installed but no GPU can be used (no driver, or none visible)"
        return Device(gpus=(), note=f"training on the CPU: {warning}", warning=warning)
    return Device(gpus=(), note=f"training on the CPU (paddlepaddle {facts.paddle} is a CPU build)")


def _gpu_names(gpus: Sequence[int], facts: Facts) -> str:
    named = [f"GPU {number}" + (f" ({facts.names[number]})" if facts.names else "") for number in gpus]
    return ", ".join(named)


def trainer_env(base: Mapping[str, str], device: Device) -> dict[str, str]:
    """The trainer's environment: unbuffered output, the chosen GPUs, and no tracking variables to meddle with."""
    env = {key: value for key, value in base.items() if not (key.startswith("MLFLOW_") or is_leftover(key))}
    env["PYTHONUNBUFFERED"] = "1"
    env["PYTHONIOENCODING"] = "utf-8"
    # It asks the network for a newer version at import.
    env.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    if not device.gpus:
        # Two OpenMP threads were slower than one on small machines, for DB and for CRNN (docs/requirements.md).
        env.setdefault("OMP_NUM_THREADS", "1")
        # Processes wait for one that evaluates, in Paddle's store, which gives up after this many seconds.
        env.setdefault("FLAGS_stop_check_timeout", "86400")
    if device.processes > 1 and not device.gpus:
        env = _for_processes_on_the_cpu(env, device)
    if device.gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(_visible(base, number) for number in device.gpus)
    return env


def _for_processes_on_the_cpu(env: dict[str, str], device: Device) -> dict[str, str]:
    """Paddle's launcher counts visible GPUs wherever it is told of any: a CPU build is told of none, a GPU build of as many
    as there are processes, none of which exists."""
    if not device.cuda:
        return {name: value for name, value in env.items() if name != "CUDA_VISIBLE_DEVICES"}
    return {**env, "CUDA_VISIBLE_DEVICES": ",".join(["-1"] * device.here), "PADDLE_DISTRI_BACKEND": "gloo"}


def is_leftover(name: str) -> bool:
    """Whether a variable is one by which Paddle's launcher and its processes talk: left over from another training, it
    would have precedence over what the command line says."""
    ours = name.startswith("PADDLE_") and not name.startswith(("PADDLE_OCR_", "PADDLE_PDX_"))
    return ours or name in ("POD_IP", "FLAGS_selected_gpus", "FLAGS_selected_accelerators")


def _visible(base: Mapping[str, str], number: int) -> str:
    """Device `number` counts among the visible ones: translate it where CUDA_VISIBLE_DEVICES is set."""
    names = [name for name in base.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return names[number].strip() if number < len(names) else str(number)
