"""What SageMaker tells a training container: the files below /opt/ml, read into one frozen value.

    input/config/hyperparameters.json      {"model": "rec", "epochs": "5"}: all text, SDKs encode values as JSON
    input/config/inputdataconfig.json      {"train": {"TrainingInputMode": "File", ...}}; FastFile says "File", too
    input/config/resourceconfig.json       {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"], ...}
    input/data/<channel>/                  the data, which may be read-only
    checkpoints/  model/  output/          what the job leaves: `Places`

Format: Amazon SageMaker Developer Guide, "How Amazon SageMaker Provides Training Information".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.errors import ConfigError
from ocr_train.ocr_engine.documents import parse_json, read_json

ROOT = Path("/opt/ml")
SDK_PREFIX = "sagemaker_"
"""Hyperparameters of this name are the SageMaker SDK's own."""
SHARDED = "ShardedByS3Key"


@dataclass(frozen=True, kw_only=True)
class Places:
    """The folders of a training job below `root` (/opt/ml)."""

    root: Path

    @property
    def data(self) -> Path:
        """The channels."""
        return self.root / "input" / "data"

    @property
    def config(self) -> Path:
        """The three JSON files."""
        return self.root / "input" / "config"

    @property
    def checkpoints(self) -> Path:
        """Kept over a spot interruption where the job asks for it: then the folder is there at the start."""
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        """Becomes model.tar.gz."""
        return self.root / "model"

    @property
    def output(self) -> Path:
        """Becomes output.tar.gz."""
        return self.root / "output" / "data"

    @property
    def failure(self) -> Path:
        """Its first 1,024 characters become the job's FailureReason."""
        return self.root / "output" / "failure"


@dataclass(frozen=True, kw_only=True)
class Channel:
    """Input data: `mode` and `distribution` are "" where the configuration does not say."""

    name: str
    folder: Path
    mode: str = ""
    distribution: str = ""


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A training job as its container sees it.

    `hyperparameters` are as given, but for the JSON that SDKs wrap text, lists and mappings in. `hosts` are in the order
    that all of them agree on, the leader first; `instance_type` is "" where SageMaker does not say (its local mode).
    """

    places: Places
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    channels: Sequence[Channel] = ()
    hosts: Sequence[str] = ()
    current_host: str = ""
    instance_type: str = ""
    interface: str = ""

    @property
    def rank(self) -> int:
        """This host's place among `hosts`."""
        return self.hosts.index(self.current_host)

    @property
    def leads(self) -> bool:
        """Whether this host writes checkpoints, the model and the run."""
        return self.rank == 0


def read_job(root: Path = ROOT) -> TrainingJob:
    """What the files below `root` say; raises `ConfigError` with everything that is wrong in them."""
    places = Places(root=root)
    if not places.config.is_dir():
        raise ConfigError(
            f"there is no folder {places.config}: this is not the container of a SageMaker training job.",
            hint="On other machines use `python -m ocr_train train`; --root FOLDER names a folder laid out like /opt/ml.",
        )
    problems: list[str] = []
    raw = _mapping(places.config / "hyperparameters.json", problems)
    inputs = _mapping(places.config / "inputdataconfig.json", problems)
    resources = _mapping(places.config / "resourceconfig.json", problems)
    hosts, current = _hosts(resources, places.config / "resourceconfig.json", problems)
    channels = tuple(_channel(name, inputs[name], places, problems) for name in sorted(inputs))
    if problems:
        raise ConfigError(
            f"{len(problems)} problem(s) in what SageMaker gave this container:\n"
            + "\n".join(f"  - {line}" for line in problems),
            hint="Nothing was started.",
        )
    return TrainingJob(
        places=places,
        hyperparameters={name: decoded(value) for name, value in raw.items()},
        channels=channels,
        hosts=hosts,
        current_host=current,
        instance_type=_instance_type(resources, current),
        interface=str(resources.get("network_interface_name") or ""),
    )


def decoded(value: Any) -> Any:
    """A hyperparameter without the JSON around it: `"\\"rec\\""` is rec, `"[0, 1]"` a list, `null` nothing.

    Other text stays as it is, numbers too: a run id such as 12e45 is none.
    """
    if not isinstance(value, str) or not re.match(r'\s*(["\[{]|null\s*$)', value):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value


def _mapping(path: Path, problems: list[str]) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        values = read_json(path)
    except (OSError, ValueError) as exc:
        problems.append(f"{path} cannot be read: {exc}")
        return {}
    if not isinstance(values, dict):
        problems.append(f"{path} is not a JSON object")
        return {}
    return values


def _hosts(resources: Mapping[str, Any], path: Path, problems: list[str]) -> tuple[tuple[str, ...], str]:
    """All hosts, in an order that does not depend on who reads it, and this one; one host where there is no file."""
    if not resources:
        return ("localhost",), "localhost"
    current, hosts = resources.get("current_host"), resources.get("hosts")
    if not isinstance(current, str) or not current:
        problems.append(f"{path}: current_host is {current!r}, not the name of a host")
        current = ""
    if not isinstance(hosts, list) or not hosts or not all(isinstance(host, str) and host for host in hosts):
        problems.append(f"{path}: hosts is {hosts!r}, not a list of names")
        return (), current
    if current and current not in hosts:
        problems.append(f"{path}: current_host {current!r} is not one of the hosts {', '.join(hosts)}")
    return tuple(sorted(set(hosts), key=_natural)), current


def _natural(host: str) -> tuple[Any, ...]:
    """algo-2 before algo-10."""
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", host)
    )


def _channel(name: str, values: Any, places: Places, problems: list[str]) -> Channel:
    folder = places.data / name
    values = values if isinstance(values, dict) else {}
    mode = str(values.get("TrainingInputMode") or "")
    if mode == "Pipe":
        problems.append(
            f"channel {name!r}: TrainingInputMode is Pipe, which gives a stream: use File or FastFile"
        )
    elif not folder.is_dir():
        problems.append(f"channel {name!r}: there is no folder {folder}")
    return Channel(
        name=name, folder=folder, mode=mode, distribution=str(values.get("S3DistributionType") or "")
    )


def _instance_type(resources: Mapping[str, Any], current: str) -> str:
    """The type of this host; in a job of several groups that of its own group."""
    named = resources.get("current_instance_type")
    if isinstance(named, str) and named:
        return named
    groups = resources.get("instance_groups")
    for group in groups if isinstance(groups, list) else []:
        if isinstance(group, dict) and current in (group.get("hosts") or []):
            return str(group.get("instance_type") or "")
    return ""


def parameter_text(value: Any) -> str | None:
    """A hyperparameter as the text that `train` takes; None for what has no such text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value).strip()
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ",".join(map(str, value))
    return None


def overrides_text(values: Mapping[str, Any]) -> str:
    """PaddleOCR settings given as a mapping, as `overrides` takes them."""
    import shlex

    return shlex.join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items()
    )
