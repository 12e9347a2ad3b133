"""The values that parameters can have: text in, value out; what is wrong is added to a list, to be said all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ocr_train.config.overrides import nearest
from ocr_train.config.parameters import Launch
from ocr_train.config.registry_names import parse_target
from ocr_train.config.requests import LabelChoices
from ocr_train.errors import ConfigError


def parse_number(text: str, name: str, kind: type, problems: list[str], *, least: float) -> Any:
    """A number of `kind` that is at least `least`; 1 where it is none."""
    try:
        value = kind(text)
    except ValueError:
        problems.append(f"{name}: {text!r} is not a {'whole number' if kind is int else 'number'}")
        return kind(1)
    if not value >= least or (kind is float and not 0 < value < float("inf")):
        enough = "more than 0" if kind is float else f"at least {least}"
        problems.append(f"{name}: {text!r} is too small: give {enough}")
        # A value that gives rise to no second complaint.
        return kind(1)
    return value


def maybe_number(text: str, name: str, kind: type, problems: list[str], *, least: float) -> Any:
    """The same, None where nothing is given."""
    return parse_number(text, name, kind, problems, least=least) if text else None


_NUMBERS: Mapping[str, tuple[type, int]] = {
    "epochs": (int, 1),
    "batch_size": (int, 1),
    "num_workers": (int, 0),
    "learning_rate": (float, 0),
    "seed": (int, 0),
}


def everyday_numbers(
    parameters: Mapping[str, Any], problems: list[str], *, measured: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The everyday numbers among `parameters` that are given; those that are `measured` have none yet."""
    return {
        name: parse_number(str(parameters[name]), name, kind, problems, least=least)
        for name, (kind, least) in _NUMBERS.items()
        if parameters.get(name) not in (None, "") and name not in measured
    }


def address(text: str) -> str:
    """A folder or an address as it was given, an `S3://` in its usual small letters."""
    return f"s3://{text[5:]}" if text[:5].lower() == "s3://" else text


TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""The words for yes and no, in any case: a command line and a `-P` value read the same ones."""


def truth(text: str, name: str, problems: list[str], *, default: bool = False) -> bool:
    """Yes or no; `default` where nothing is given."""
    if not text.strip():
        return default
    value = TRUTHS.get(text.strip().lower())
    if value is None:
        problems.append(f"{name}: {text!r} is neither true nor false")
    return bool(value)


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "text_from": ("auto", "label", "description"),
    "difficult": ("auto", "keep", "ignore"),
    "normalize": ("none", "nfc", "thai"),
    "placeholders": ("drop", "stop", "keep"),
    "leaks": ("stop", "drop", "keep"),
}


def parse_label_choices(values: Mapping[str, Any], problems: list[str]) -> LabelChoices:
    """How labels are read: those of `LabelChoices` among `values`, which may lack some."""
    plain = LabelChoices()
    given = {each.name: str(values.get(each.name) or "") for each in fields(LabelChoices)}
    chosen = {
        name: choice(given[name] or getattr(plain, name), name, words, problems)
        for name, words in _CHOICES.items()
    }
    return LabelChoices(
        **chosen,
        empty_pages=truth(given["empty_pages"], "empty_pages", problems),
        images=given["images"],
        strip=given["strip"],
    )


def parse_register(launch: Launch, problems: list[str]) -> str:
    """NAME or NAME@ALIAS, as MLflow's registry takes them."""
    text = launch.register
    if not text:
        return ""
    try:
        parse_target(text)
    except ConfigError as exc:
        problems.append(f"register: {exc.problem.removesuffix('.')}: {exc.hint}")
    if not truth(launch.export, "export", [], default=True):
        problems.append("register: with export=false there is no model to register")
    if truth(launch.offline, "offline", []):
        problems.append("register: with offline=true there is no registry: register after `sync`")
    return text


def fraction(text: str, problems: list[str]) -> float:
    """A share between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        problems.append(f"val: {text!r} is not a fraction between 0 and 1, such as 0.2")
    return value


def seconds(text: str, name: str, problems: list[str]) -> float:
    """Seconds, 0 for never."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        problems.append(f"{name}: {text!r} is not a number of seconds, such as 1800, or 0 for never")
        return 0.0
    return value


def choice(text: str, name: str, choices: tuple[str, ...], problems: list[str]) -> str:
    """One of `choices`."""
    if text not in choices:
        problems.append(f"{name}: {text!r} is not one of {', '.join(choices)}{nearest(text, list(choices))}")
    return text


def gpus(text: str, cpus: str, problems: list[str]) -> str | tuple[int, ...]:
    """auto, cpu, or the numbers of devices; with `cpus` it is the CPU that was meant."""
    if text in ("", "auto"):
        return "cpu" if cpus else "auto"
    if text == "cpu":
        return "cpu"
    if cpus:
        problems.append(f"cpus={cpus} trains on the CPU, and gpus={text} does not: give one of them")
        return "cpu"
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(map(int, parts))) != len(parts):
        problems.append(f"gpus: {text!r} is not one of auto, cpu, or device numbers such as 0 or 0,1")
        return "auto"
    return tuple(int(part) for part in parts)
