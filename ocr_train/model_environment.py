"""The environment that a model carries: what its answers need, in the versions that are installed here.

`requirements` are few and readable; `constraints` pin what those bring along, so that an environment that is
built in a year is the one that was tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from ocr_train.model_parts import ModelPart

PADDLEOCR = "unstructured-paddleocr"
_PADDLE = "paddlepaddle"
_ALWAYS = ("mlflow", "numpy", "setuptools")  # Paddle 3.0.0 imports setuptools and does not ask for it
_PPOCR = (
    # What importing ppocr's transforms and postprocessing takes, where ppocr comes from a checkout.
    *("albumentations", "albucore", "opencv-python", "opencv-contrib-python", "opencv-python-headless"),
    *("scikit-image", "shapely", "pyclipper", "rapidfuzz", "lmdb", "tqdm", "pyyaml", "pillow", "requests"),
)
_OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-python-headless")
"""Three wheels of one package: of different versions, whichever is installed last wins."""
_RELEASE = re.compile(r"\d+(?:\.\d+)+(?:(?:a|b|rc)\d+)?")
_DEFAULT_PADDLEOCR = "2.10.0"


@dataclass(frozen=True, kw_only=True)
class ModelEnvironment:
    """Both as pip writes them: "numpy==1.26.4"."""

    requirements: Sequence[str]
    constraints: Sequence[str]


def model_environment(parts: Sequence[ModelPart], *, own_paddleocr: bool = False) -> ModelEnvironment:
    """What a model of these parts needs to run on CPU.

    Paddle is of the newest version that exported a part: what a newer one wrote need not load in an older one.
    `own_paddleocr`: the model brings a PaddleOCR checkout along, so the package is left out.
    """
    paddle = max(
        (one for part in parts if (one := release(part.versions.get("paddle", "")))),
        key=_order,
        default=installed(_PADDLE) or installed(f"{_PADDLE}-gpu"),
    )
    names = [*_ALWAYS, *(_PPOCR if own_paddleocr else (PADDLEOCR, "albumentations", "albucore", *_OPENCV))]
    pins = {name: version for name in names if (version := installed(name))}
    pins[_PADDLE] = release(paddle) or "3.0.0"
    if not own_paddleocr:
        pins.setdefault(PADDLEOCR, _paddleocr(parts))
    closed = closure([*pins, f"{_PADDLE}-gpu"])
    rest = {name: version for name, version in closed.items() if name not in pins and _wanted(name)}
    return ModelEnvironment(requirements=_lines(pins), constraints=_lines({**rest, **pins}))


def release(version: str) -> str:
    """The public release in a version text: "3.0.0" of "3.0.0.post118" and "3.0.0+cu126"; "" without one."""
    match = _RELEASE.match(version)
    return match[0] if match else ""


def installed(name: str) -> str:
    """The version of a package that is installed here; "" where it is not."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def closure(names: Iterable[str]) -> dict[str, str]:
    """The installed ones of `names` and all that they ask for, each with its version."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    todo: list[tuple[str, tuple[str, ...]]] = [(name, ()) for name in names]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen or not installed(name):
            continue
        seen.add((name, extras))
        found[canonicalize_name(name)] = installed(name)
        for line in metadata.requires(name) or ():
            try:
                asked = Requirement(line)
            except InvalidRequirement:
                continue
            if asked.marker is None or any(asked.marker.evaluate({"extra": one}) for one in ("", *extras)):
                todo.append((asked.name, tuple(sorted(asked.extras))))
    return found


def _paddleocr(parts: Sequence[ModelPart]) -> str:
    said = (release(part.versions.get("paddleocr", "")) for part in parts)
    return next((one for one in said if one), _DEFAULT_PADDLEOCR)


def _wanted(name: str) -> bool:
    """CPU wheels serve everywhere; a GPU build and its libraries would not."""
    return not name.startswith((f"{_PADDLE}-", "nvidia-"))


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _lines(pins: Mapping[str, str]) -> list[str]:
    return [f"{name}=={pins[name]}" for name in sorted(pins)]
