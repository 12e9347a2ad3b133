"""Our own interpreter: its Python, and its packages against the lock (requirements.txt)."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from ocr_train.doctor.interpreter import PYTHONS
from ocr_train.doctor.rows import CheckRow, fine, warning

LOCK = Path(__file__).resolve().parents[2] / "requirements.txt"
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(;?)")
_NAMED = 8


def python_row(version: tuple[int, int]) -> CheckRow:
    """Whether this Python is one that the lock is for."""
    said = f"{version[0]}.{version[1]} in {sys.executable}"
    oldest, newest = (f"{major}.{minor}" for major, minor in PYTHONS)
    if PYTHONS[0] <= version <= PYTHONS[1]:
        return fine("Python", said)
    return warning(
        "Python", f"{said}; {oldest} to {newest} are tested", f"Use one of them: make PYTHON=python{newest}"
    )


def packages_row(lock: Path = LOCK) -> CheckRow:
    """Whether what is installed is what the lock names; a package with a condition may be left out."""
    subject = "packages"
    try:
        pins = read_pins(lock.read_text(encoding="utf-8"))
    except OSError:
        return fine(subject, "installed without the lock of the project: nothing to compare with")
    return compare_packages(pins, {normal(name): version for name, version in _installed().items()})


def read_pins(text: str) -> dict[str, tuple[set[str], bool]]:
    """The versions of each package in a lock of pip's, and whether it must be there whatever the machine."""
    pins: dict[str, tuple[set[str], bool]] = {}
    for line in text.splitlines():
        if found := _PIN.match(line):
            versions, always = pins.get(normal(found[1]), (set(), False))
            pins[normal(found[1])] = ({*versions, found[2]}, always or not found[3])
    return pins


def compare_packages(pins: Mapping[str, tuple[set[str], bool]], installed: Mapping[str, str]) -> CheckRow:
    """One row: as locked, or what is missing and what is of another version."""
    missing = [name for name, (_, always) in pins.items() if always and name not in installed]
    other = [
        f"{name} {installed[name]} (locked: {' or '.join(sorted(versions))})"
        for name, (versions, _) in pins.items()
        if name in installed and _release(installed[name]) not in map(_release, versions)
    ]
    said = [f"missing: {_some(missing)}"] * bool(missing) + [f"of another version: {_some(other)}"] * bool(
        other
    )
    if not said:
        return fine("packages", f"{len(installed.keys() & pins.keys())} as locked in requirements.txt")
    return warning(
        "packages",
        "; ".join(said),
        "`make setup` installs what is locked; with another set-up, runs are not those that were tested.",
    )


def _release(version: str) -> str:
    """A version without zeros that mean nothing: 1.000 is 1.0 (PEP 440)."""
    return ".".join(str(int(part)) if part.isdecimal() else part for part in version.split("."))


def normal(name: str) -> str:
    """A package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed() -> dict[str, str]:
    return {one.metadata["Name"]: one.version for one in metadata.distributions() if one.metadata["Name"]}


def _some(names: list[str]) -> str:
    rest = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(sorted(names)[:_NAMED])}{rest}"
