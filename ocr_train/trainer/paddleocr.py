"""PaddleOCR's side of a run: where its `tools/train.py` is, on which device, with which configuration and argv."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ocr_train.atomic_files import write_text
from ocr_train.config.epoch_steps import batch_size, is_known, samples_per_epoch, steps_per_epoch
from ocr_train.config.overrides import flatten, get_key, nearest, set_key
from ocr_train.errors import ConfigError, SetupError
from ocr_train.trainer.files import WEIGHTS
from ocr_train.trainer.interpreter import Facts

TRAIN_SCRIPT = Path("tools") / "train.py"


@dataclass(frozen=True, kw_only=True)
class PaddleOcr:
    """A PaddleOCR with training code: `root` holds tools/train.py; `version` is empty where it is unknown."""

    root: Path
    version: str


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where training runs: `gpus` are device numbers, empty for the CPU; `note` is one line for people."""

    gpus: tuple[int, ...]
    note: str
    warning: str = ""

    @property
    def name(self) -> str:
        """`cpu`, `gpu:0` or `gpu:0,1`, as a tag."""
        return f"gpu:{','.join(map(str, self.gpus))}" if self.gpus else "cpu"


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What the trainer reads: label files whose image paths are relative to `images`; `train_counts` are the samples
    of each training label file."""

    images: Path
    train_labels: tuple[Path, ...]
    val_labels: tuple[Path, ...]
    train_counts: tuple[int, ...]


def find_paddleocr(checkout: str, facts: Facts) -> PaddleOcr:
    """The checkout where one is given, else the interpreter's own package; raises `SetupError`."""
    if checkout:
        root = Path(checkout).expanduser().absolute()
        if not (root / TRAIN_SCRIPT).is_file():
            raise SetupError(
                f"paddleocr {checkout!r} has no {TRAIN_SCRIPT}.",
                hint="Give the folder of a PaddleOCR checkout, or leave `paddleocr` empty.",
            )
        return PaddleOcr(root=root, version=git_version(root))
    for package, folder in facts.roots.items():
        if (Path(folder) / TRAIN_SCRIPT).is_file():
            version = facts.versions.get(package.replace("_", "-"), "")
            return PaddleOcr(root=Path(folder), version=version)
    found = ", ".join(facts.roots) or "no PaddleOCR package"
    raise SetupError(
        f"no PaddleOCR with training code: the interpreter has {found}, without {TRAIN_SCRIPT}.",
        hint="Install unstructured-paddleocr (the official paddleocr package has no training code), or give a "
        "checkout: paddleocr=FOLDER.",
    )


def git_version(root: Path) -> str:
    """What git calls the checkout at `root`: a tag, or a commit, with "-dirty" where files differ; empty without git.

    A folder whose files git does not know, such as an environment inside somebody's checkout, has no version.
    """
    if not _git(root, "ls-files", "."):
        return ""
    return _git(root, "describe", "--tags", "--always", "--dirty")


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def choose_device(gpus: str | tuple[int, ...], facts: Facts) -> Device:
    """Turn `gpus` (auto, cpu or numbers) into a device; raises `SetupError` for GPUs that are not there."""
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


def render_config(
    trainer: Mapping[str, Any],
    data: TrainingData,
    device: Device,
    *,
    save_dir: Path,
    checkpoint: Path | None,
) -> dict[str, Any]:
    """The YAML that tools/train.py reads: `trainer` with data, output, device and resume filled in.

    `checkpoint` is a prefix: PaddleOCR adds `.pdparams`, `.pdopt` and `.states`. Raises `ConfigError` where
    an epoch would have no step at all: PaddleOCR ends such a run with exit code 0.
    """
    config = deepcopy(dict(trainer))
    set_key(config, "Global.save_model_dir", str(save_dir))
    set_key(config, "Global.checkpoints", str(checkpoint) if checkpoint else None)
    set_key(config, "Global.use_gpu", bool(device.gpus))
    set_key(config, "Global.distributed", len(device.gpus) > 1)
    if not device.gpus:
        # A GPU build without a driver crashes on its first progress line otherwise.
        set_key(config, "Global.print_mem_info", False)
        if get_key(config, "Global.use_sync_bn", False):
            # It synchronises GPUs: there is no such layer for the CPU.
            set_key(config, "Global.use_sync_bn", False)
    for part, labels in (("Train", data.train_labels), ("Eval", data.val_labels)):
        dataset = config[part]["dataset"]
        dataset["data_dir"] = str(data.images)
        dataset["label_file_list"] = [str(path) for path in labels]
        if dataset.get("name") == "LMDBDataSet":
            # Our data are label files.
            dataset["name"] = "SimpleDataSet"
        ratios = dataset.get("ratio_list")
        if isinstance(ratios, list) and len(ratios) != len(labels):
            _require_one(ratios, f"{part}.dataset.ratio_list", len(labels))
            dataset["ratio_list"] = ratios[:1] * len(labels)
    _check_steps(config, data, device)
    return config


def without_sync_bn(trainer: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """One line where the rendered `config` has no synchronised batch normalisation though `trainer` asks for it."""
    key = "Global.use_sync_bn"
    if not get_key(trainer, key, False) or get_key(config, key, False):
        return ""
    return "use_sync_bn is off: batch normalisation is synchronised between GPUs, and there is none here"


def _require_one(ratios: Sequence[float], key: str, files: int) -> None:
    """Raise `ConfigError` where several ratios are meant for other label files than there are."""
    if len(set(ratios)) > 1:
        raise ConfigError(
            f"{key} has {len(ratios)} shares, {ratios!r}, and there are {files} label file(s).",
            hint="Give one share for all, such as 1.0, or one for each label file of the data folder.",
        )


def _check_steps(config: Mapping[str, Any], data: TrainingData, device: Device) -> None:
    if steps_per_epoch(config, data.train_counts, len(device.gpus)) >= 1:
        return
    samples, batch = samples_per_epoch(config, data.train_counts), batch_size(config)
    raise ConfigError(
        f"{samples} training samples do not fill one batch of {batch}"
        f"{f' on each of {len(device.gpus)} GPUs' if len(device.gpus) > 1 else ''}: nothing would be trained.",
        hint=f"Use batch_size={max(1, samples // max(1, len(device.gpus)))} or less, or "
        "overrides=Train.loader.drop_last=false.",
    )


def evaluate_at_least_once(config: dict[str, Any], steps: int, epochs_to_go: int) -> str:
    """Evaluate each epoch where the configured interval would never come; says so in one line, or nothing.

    `steps` is per epoch. Without an evaluation a run has neither a score nor a best checkpoint.
    """
    interval = get_key(config, "Global.eval_batch_step", None)
    # In PaddleOCR this has precedence over the steps.
    epochs = get_key(config, "Global.eval_batch_epoch", None)
    if not epochs and interval is None:
        return ""
    if epochs:
        interval = [0, steps * int(epochs)]
    start, every = interval[:2] if isinstance(interval, list) else (0, interval)
    total = steps * epochs_to_go
    if start + every <= total:
        return ""
    set_key(config, "Global.eval_batch_step", [0, steps])
    # Where our count of steps is a guess, PaddleOCR's own is the one to go by.
    set_key(config, "Global.eval_batch_epoch", None if is_known(config) else 1)
    return (
        f"evaluating every epoch ({steps} steps): the configured interval, {every} steps after step {start}, "
        f"would not come in {total} steps"
    )


def evaluate_by_steps(config: dict[str, Any], steps: int) -> None:
    """Turn `Global.eval_batch_epoch` into steps: PaddleOCR reads it from 2.8 on, and an older one passes over it."""
    interval = get_key(config, "Global.eval_batch_step", None)
    epochs = get_key(config, "Global.eval_batch_epoch", None)
    if epochs and (interval is None or isinstance(interval, list)) and is_known(config):
        set_key(config, "Global.eval_batch_step", [0, steps * int(epochs)])
        set_key(config, "Global.eval_batch_epoch", None)


def write_config(config: Mapping[str, Any], path: Path, *, private: bool = False) -> None:
    """Write `config` as YAML, whole or not at all; `private`: for its owner alone."""
    write_text(path, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), private=private)


def trainer_argv(
    python: Path,
    paddleocr: PaddleOcr,
    config: Path,
    device: Device,
    *,
    log_dir: Path,
    around: Sequence[str] = (),
) -> list[str]:
    """The command that trains; several GPUs go through Paddle's own launcher. `around` is a script that runs
    tools/train.py, with its own arguments."""
    script = [*around, str(paddleocr.root / TRAIN_SCRIPT), "-c", str(config)]
    if len(device.gpus) > 1:
        # Without --gpus it takes all visible ones, which trainer_env sets; with it, it wants their host numbers.
        launcher = ["-m", "paddle.distributed.launch", "--log_dir", str(log_dir)]
        return [str(python), *launcher, *script]
    return [str(python), *script]


def trainer_env(base: Mapping[str, str], device: Device) -> dict[str, str]:
    """The trainer's environment: unbuffered output, the chosen GPUs, and no tracking variables to meddle with."""
    env = {key: value for key, value in base.items() if not key.startswith("MLFLOW_")}
    env["PYTHONUNBUFFERED"] = "1"
    env["PYTHONIOENCODING"] = "utf-8"
    # It asks the network for a newer version at import.
    env.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    if not device.gpus:
        # Two OpenMP threads were slower than one on small machines, for DB and for CRNN (docs/requirements.md).
        env.setdefault("OMP_NUM_THREADS", "1")
    if device.gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(_visible(base, number) for number in device.gpus)
    return env


def _visible(base: Mapping[str, str], number: int) -> str:
    """Device `number` counts among the visible ones: translate it where CUDA_VISIBLE_DEVICES is set."""
    names = [name for name in base.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return names[number].strip() if number < len(names) else str(number)


def resolve_paths(
    trainer: Mapping[str, Any], source: Path, paddleocr: PaddleOcr, *, names: Collection[str] = ()
) -> dict[str, Any]:
    """Make the paths in `trainer` absolute: as given, beside the configuration, or inside PaddleOCR.

    `names` are those that weights may have instead of a path. Raises `ConfigError` with every path that leads nowhere.
    """
    config = deepcopy(dict(trainer))
    problems = []
    networks = [key for key, _ in flatten(config) if _NETWORK_WEIGHTS.fullmatch(key)]
    for key in ("Global.character_dict_path", "Global.pretrained_model", *networks):
        value = get_key(config, key, None)
        if not value or not isinstance(value, str) or value.startswith(("http://", "https://")):
            continue
        if value in names and not key.endswith("_path"):
            continue
        ending = "" if key.endswith("_path") else WEIGHTS
        places = (Path.cwd(), source.parent.absolute(), paddleocr.root)
        found = next((place / value for place in places if _is_there(place / value, ending)), None)
        if _ADDRESS.match(value):
            problems.append(
                f"{key} names {value!r}: it takes a file or an http(s) address. "
                "The weights of a run, a registered model or S3: resume=... with weights_only=true"
            )
        elif found is None:
            problems.append(
                f"{key} names {value!r}: no such file{f' ({ending})' if ending else ''}{nearest(value, list(names))} "
                f"(looked in {', '.join(map(str, places))})"
            )
        else:
            set_key(config, key, os.path.normpath(found))
    if problems:
        raise ConfigError(
            "\n".join(problems), hint="Give the path of an existing file, or leave it out: overrides='KEY='."
        )
    return config


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_NETWORK_WEIGHTS = re.compile(r"Architecture\.Models\.[^.]+\.pretrained")
"""What one network of a distillation starts from."""


def _is_there(path: Path, ending: str) -> bool:
    """Whether the file is there; what has an ending may be named without it, and weights may be an inference folder."""
    if ending and path.is_dir() and any(path.glob("inference.*")):
        return True
    return Path(str(path).removesuffix(ending) + ending).is_file()
