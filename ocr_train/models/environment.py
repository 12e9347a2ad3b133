"""The environment that a model carries: what its answers need, in the versions that are installed here.

`requirements` are few and readable; `constraints` pin what those bring along, so that an environment that is
built in a year is the one that was tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata

from ocr_train.models.metadata import ModelPart

PADDLEOCR = "unstructured-paddleocr"
_PADDLE = "paddlepaddle"
ONNX_RUNTIME = "onnxruntime"
# Paddle 3.0.0 imports setuptools and does not ask for it.
_ALWAYS = ("mlflow", "numpy", "setuptools")
_OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-python-headless")
"""Three wheels of one package: of different versions, whichever is installed last wins."""
_RELEASE = re.compile(r"\d+(?:\.\d+)+(?:(?:a|b|rc)\d+)?")
_DEFAULT_PADDLEOCR = "2.10.0"


_FIRST_PADDLE = "2.6.2"
"""The oldest paddlepaddle, the CPU build, that PyPI has for the Pythons that MLflow runs on."""


@dataclass(frozen=True, kw_only=True)
class ModelEnvironment:
    """Both as pip writes them: "numpy==1.26.4". `notes` say what is not as it was when the model was checked."""

    requirements: Sequence[str]
    constraints: Sequence[str]
    notes: Sequence[str] = ()

    @property
    def elsewhere(self) -> list[str]:
        """What is required and not installed here in that version: "numpy==1.23.5 (here 1.26.4)"."""
        asked = [line.partition("==")[::2] for line in self.requirements]
        return [
            f"{name}{'==' * bool(version)}{version} (here {installed(name) or 'none'})"
            for name, version in asked
            if not installed(name) or (version and installed(name) != version)
        ]


def model_environment(
    parts: Sequence[ModelPart], *, own_paddleocr: bool = False, onnx: bool = False
) -> ModelEnvironment:
    """What a model of these parts needs to run on CPU; with `onnx` one of them is read by onnxruntime.

    Paddle is of the newest version that exported a part: what a newer one wrote may not load in an older one.
    `own_paddleocr`: the model brings a PaddleOCR checkout along, so the package is left out, and what that imports
    (`requires` of the parts) is named, in the versions that it was checked with.
    """
    paddle = max(
        (one for part in parts if (one := release(part.versions.get("paddle", "")))),
        key=_order,
        default=installed(_PADDLE) or installed(f"{_PADDLE}-gpu"),
    )
    paddle = release(paddle) or "3.0.0"
    notes = []
    if _order(paddle) < _order(_FIRST_PADDLE):
        notes.append(f"there is no {_PADDLE} {paddle} for a CPU: {_FIRST_PADDLE} is used instead")
        paddle = _FIRST_PADDLE
    # With a PaddleOCR of its own the model has the versions of its trainer: onnxruntime's is among them, or it has none.
    ours = (PADDLEOCR, "albumentations", "albucore", *_OPENCV, *([ONNX_RUNTIME] if onnx else []))
    names = _ALWAYS if own_paddleocr else (*_ALWAYS, *ours)
    pins = {name: version for name in names if (version := installed(name))}
    if own_paddleocr:
        pins |= _required(parts)
    else:
        pins.setdefault(PADDLEOCR, _paddleocr(parts))
    pins[_PADDLE] = paddle
    environment = ModelEnvironment(requirements=_lines(pins), constraints=_lines(pins), notes=notes)
    if own_paddleocr and environment.elsewhere:
        # What goes with those versions is not known here.
        return environment
    closed = closure([*pins, f"{_PADDLE}-gpu"])
    rest = {name: version for name, version in closed.items() if name not in pins and _wanted(name)}
    return replace(environment, constraints=_lines({**rest, **pins}))


def _required(parts: Sequence[ModelPart]) -> dict[str, str]:
    """What the parts' own PaddleOCR imports; of two versions the newer one. Paddle's is decided elsewhere."""
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    for part in parts:
        for name, version in part.requires.items():
            key = str(canonicalize_name(name))
            if not key.startswith(_PADDLE):
                found[key] = max(found.get(key, ""), version, key=_order)
    return found


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
    releases = (release(part.versions.get("paddleocr", "")) for part in parts)
    return next((one for one in releases if one), _DEFAULT_PADDLEOCR)


def _wanted(name: str) -> bool:
    """CPU wheels serve everywhere; a GPU build and its libraries would not."""
    return not name.startswith((f"{_PADDLE}-", "nvidia-"))


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _lines(pins: Mapping[str, str]) -> list[str]:
    return [f"{name}=={pins[name]}" if pins[name] else name for name in sorted(pins)]
