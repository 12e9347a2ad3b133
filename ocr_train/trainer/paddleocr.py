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
from ocr_train.config.epoch_steps import batch_key, batch_size, is_known, samples_per_epoch, steps_per_epoch
from ocr_train.config.overrides import flatten, get_key, nearest, set_key
from ocr_train.errors import ConfigError, SetupError
from ocr_train.trainer.device import Device, Rendezvous
from ocr_train.trainer.files import WEIGHTS
from ocr_train.trainer.interpreter import Facts

TRAIN_SCRIPT = Path("tools") / "train.py"
SCRIPT = Path(__file__).with_name("train_script.py")


@dataclass(frozen=True, kw_only=True)
class PaddleOcr:
    """A PaddleOCR with training code: `root` holds tools/train.py; `version` is empty where it is unknown."""

    root: Path
    version: str


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


def git_commit(root: Path) -> str:
    """The whole hash of the commit that is checked out at `root`; empty without git."""
    return _git(root, "rev-parse", "HEAD") if _git(root, "ls-files", ".") else ""


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


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
    set_key(config, "Global.distributed", device.processes > 1)
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
    _share_batch(config, device)
    _check_steps(config, data, device)
    return config


def _share_batch(config: dict[str, Any], device: Device) -> None:
    """Let the processes on the CPU share a batch, so that a step sees as many samples as with one process.

    On GPUs a batch is each GPU's, as PaddleOCR has it. Raises `ConfigError` where it cannot be shared evenly.
    """
    processes, key = device.processes, batch_key(config)
    if device.gpus or processes == 1 or not key:
        return
    batch = batch_size(config)
    if batch % processes:
        fitting = max(1, batch // processes) * processes
        raise ConfigError(
            f"a batch of {batch} samples cannot be shared evenly by {processes} processes on the CPU.",
            hint=f"Use batch_size={fitting}, or another number of processes.",
        )
    set_key(config, key, batch // processes)


def describe_batch(config: Mapping[str, Any], device: Device) -> str:
    """One line on how many samples a step of all processes has, nothing for one process."""
    if device.processes == 1:
        return ""
    own = batch_size(config)
    where = "GPUs" if device.gpus else "processes on the CPU"
    machines = f" on {device.nodes} machines" if device.nodes > 1 else ""
    return f"effective batch: {own * device.processes} samples a step, {own} on each of {device.processes} {where}{machines}"


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
    if steps_per_epoch(config, data.train_counts, device.processes) >= 1:
        return
    samples, batch = samples_per_epoch(config, data.train_counts), batch_size(config)
    each = "GPUs" if device.gpus else "processes"
    fitting = max(1, samples // device.processes) * (1 if device.gpus else device.processes)
    raise ConfigError(
        f"{samples} training samples do not fill one batch of {batch}"
        f"{f' on each of {device.processes} {each}' if device.processes > 1 else ''}: nothing would be trained.",
        hint=f"Use batch_size={fitting} or less, or overrides=Train.loader.drop_last=false.",
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
    script_job: Path | None = None,
    rendezvous: Rendezvous | None = None,
) -> list[str]:
    """The command that trains; several processes go through Paddle's own launcher, and find those of other machines by
    `rendezvous`. With `script_job` our own script runs tools/train.py, and does what that file says."""
    around = (str(SCRIPT), str(script_job)) if script_job else ()
    script = [*around, str(paddleocr.root / TRAIN_SCRIPT), "-c", str(config)]
    if device.processes == 1:
        return [str(python), *script]
    # Without --gpus it takes all visible ones, which trainer_env sets; with it, it wants their host numbers.
    launcher = ["-m", "paddle.distributed.launch", "--log_dir", str(log_dir)]
    if not device.gpus:
        launcher += ["--nproc_per_node", str(device.cpus)]
    if rendezvous is not None:
        launcher += ["--master", rendezvous.master, "--nnodes", str(device.nodes)]
        launcher += ["--rank", str(rendezvous.rank), "--host", rendezvous.host]
    return [str(python), *launcher, *script]


def resolve_paths(
    trainer: Mapping[str, Any], source: Path, paddleocr: PaddleOcr, *, names: Collection[str] = ()
) -> dict[str, Any]:
    """Make the paths in `trainer` absolute: as given, beside the configuration, or inside PaddleOCR.

    `names` are those that weights may have instead of a path. Raises `ConfigError` with every path that leads nowhere.
    """
    config = deepcopy(dict(trainer))
    problems = []
    networks = [key for key, _ in flatten(config) if _NETWORK_WEIGHTS.fullmatch(key)]
    for key in (*_lists(config), "Global.pretrained_model", *networks):
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
_LISTS = ("character_dict_path", "class_path")
"""The characters or tokens of a model, and the classes of a KIE model."""


def _lists(config: Mapping[str, Any]) -> list[str]:
    """The keys of the lists that are read: those of `Global` take precedence over an operator's own."""
    found = []
    for name in _LISTS:
        everywhere = [key for key, _ in flatten(config) if key.rpartition(".")[2] == name]
        found += [f"Global.{name}"] if get_key(config, f"Global.{name}", None) else everywhere
    return found


def resolve_lists(trainer: Mapping[str, Any], source: Path, root: Path) -> dict[str, Any]:
    """`trainer` with the paths of its dictionary and class lists found, as `resolve_paths` does it for a training with the
    PaddleOCR in `root`; no weights are looked for."""
    config = deepcopy(dict(trainer))
    for key, _ in list(flatten(config)):
        if _NETWORK_WEIGHTS.fullmatch(key) or key == "Global.pretrained_model":
            set_key(config, key, None)
    return resolve_paths(config, source, PaddleOcr(root=root, version=""))


def _is_there(path: Path, ending: str) -> bool:
    """Whether the file is there; what has an ending may be named without it, and weights may be an inference folder."""
    if ending and path.is_dir() and any(path.glob("inference.*")):
        return True
    return Path(str(path).removesuffix(ending) + ending).is_file()
