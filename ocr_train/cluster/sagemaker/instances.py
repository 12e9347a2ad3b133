"""What an instance type and an image are made for: whether a GPU is paid for, and whether the image can use it.

Families and their numbers of GPUs: Amazon EC2 User Guide, "Accelerated computing instances". Which types have local NVMe
storage in place of a volume: Amazon SageMaker API Reference, `ResourceConfig.VolumeSizeInGB`.
"""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["cpu", "gpu"]

_SMALL_AND_LARGE = {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}
_ONE_GPU = ("xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge")
_GPUS: dict[str, dict[str, int]] = {
    **{family: {**dict.fromkeys(_ONE_GPU, 1), **_SMALL_AND_LARGE} for family in ("g4dn", "g5", "g6", "g6e")},
    "p3": {"2xlarge": 1, "8xlarge": 4, "16xlarge": 8},
    "p3dn": {"24xlarge": 8},
    "p4d": {"24xlarge": 8},
    "p4de": {"24xlarge": 8},
    "p5": {"48xlarge": 8},
    "p5e": {"48xlarge": 8},
    "p5en": {"48xlarge": 8},
}
"""GPUs by family and size; what is not here is not known, and found out by the job itself."""
_GPU = re.compile(r"(ml\.)?(p\d|g\d|gr\d)[a-z0-9-]*\.", re.IGNORECASE)
"""Families with NVIDIA GPUs: p3, p4d, p5en, g4dn, g5, g6e, gr6, ..."""
_OTHER_CHIPS = re.compile(r"(ml\.)?(trn|inf|dl|vt)\d", re.IGNORECASE)
"""AWS Trainium and Inferentia, Gaudi, and the like: Paddle has nothing for them."""
_NVME = ("g4dn", "g5", "p3dn", "p4d", "p4de")
_TYPE = re.compile(r"ml\.(?P<family>[a-z0-9\-]+)\.(?P<size>[a-z0-9]+)")
_GPU_WORD = re.compile(r"gpu|cuda|cu\d{2,3}|cudnn\d*", re.ASCII)
_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9\-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9][a-z0-9._/\-]*)(?::[\w.\-]{1,128})?(?:@sha256:[0-9a-f]{64})?"
)


def has_gpu(instance_type: str) -> bool:
    """Whether instances of this type have NVIDIA GPUs."""
    return bool(_GPU.match(instance_type))


def has_other_chips(instance_type: str) -> bool:
    """Whether one pays for chips that Paddle cannot use."""
    return bool(_OTHER_CHIPS.match(instance_type))


def gpus_of(instance: str) -> int | None:
    """How many GPUs the instance has: None where that is not known here."""
    match = _TYPE.fullmatch(instance)
    return _GPUS.get(match["family"], {}).get(match["size"]) if match else None


def has_nvme(instance: str) -> bool:
    """Whether the instance has local disks of a fixed size, for which no volume is made."""
    match = _TYPE.fullmatch(instance)
    return match is not None and match["family"] in _NVME


def kind_of_image(image: str) -> Kind | None:
    """What the image's tag says, else its repository: None where neither speaks of CPU or GPU, or both are named."""
    name, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    for text in (tag, name):
        words = re.split(r"[^a-z0-9]+", text.lower())
        found: set[Kind] = set()
        if "cpu" in words:
            found.add("cpu")
        if any(_GPU_WORD.fullmatch(word) for word in words):
            found.add("gpu")
        if len(found) == 1:
            return found.pop()
    return None


def ecr_place(image: str) -> tuple[str, str, str] | None:
    """Account, region and repository of an image in Amazon ECR; None where it is not there."""
    match = _ECR.fullmatch(image)
    return (match["account"], match["region"], match["repository"]) if match else None
