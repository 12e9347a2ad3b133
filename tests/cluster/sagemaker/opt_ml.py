"""A folder laid out like /opt/ml, as SageMaker makes one for a training container."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}


def opt_ml(
    root: Path,
    hyperparameters: Mapping[str, Any] | None = None,
    *,
    channels: Mapping[str, Path | None] | None = None,
    resources: Mapping[str, Any] | None = None,
    distribution: str = "FullyReplicated",
    spot: bool = False,
) -> Path:
    """Write it below `root`; a channel is a link to its folder, or an empty one. Returns `root`."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters or {}))
    inputs = {name: {**FILE, "S3DistributionType": distribution} for name in channels or {}}
    (config / "inputdataconfig.json").write_text(json.dumps(inputs))
    if resources is not None:
        (config / "resourceconfig.json").write_text(json.dumps(resources))
    data = root / "input" / "data"
    data.mkdir()
    for name, folder in (channels or {}).items():
        if folder is None:
            (data / name).mkdir()
        else:
            (data / name).symlink_to(folder, target_is_directory=True)
    for name in ("model", "output/data", *(["checkpoints"] if spot else [])):
        (root / name).mkdir(parents=True)
    return root


def hosts(count: int, current: int = 1, **more: Any) -> dict[str, Any]:
    """A resourceconfig of `count` hosts, as the real one has it."""
    names: Sequence[str] = [f"algo-{number}" for number in range(1, count + 1)]
    return {
        "current_host": f"algo-{current}",
        "current_instance_type": "ml.c5.2xlarge",
        "current_group_name": "homogeneousCluster",
        "hosts": sorted(names),
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": "ml.c5.2xlarge",
                "hosts": sorted(names),
            }
        ],
        "network_interface_name": "eth0",
        **more,
    }
