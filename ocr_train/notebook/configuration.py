"""The parameters of a training as a plain dictionary, and what they make of the experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.config.overrides import flatten, nearest
from ocr_train.config.parameters import PARAMETERS, Launch
from ocr_train.errors import ConfigError
from ocr_train.notebook.choices import Choices
from ocr_train.notebook.display import as_html, show_html, table_html
from ocr_train.redaction.redactor import redactor


def parameters(choices: Choices) -> dict[str, str]:
    """The parameters of the training that was chosen: name to text, as after `-P`. Yours to edit."""
    given = {"model": choices.model, "data": choices.data, "epochs": choices.epochs}
    return {**{name: value for name, value in given.items() if value}, **choices.parameters}


def launch_with(given: Mapping[str, Any]) -> Launch:
    """The launch that these parameters are; raises `ConfigError` for one that does not exist."""
    unknown = [name for name in given if name not in PARAMETERS]
    if unknown:
        raise ConfigError(
            "\n".join(
                f"there is no parameter {name!r}{nearest(str(name), list(PARAMETERS))}" for name in unknown
            ),
            hint=f"There are: {', '.join(PARAMETERS)}.",
        )
    return Launch(**{name: str(value) for name, value in given.items()})


def show_configuration(choices: Choices, given: Mapping[str, Any]) -> None:
    """Show what differs from the experiment, and the whole configuration as PaddleOCR gets it; raises `ConfigError`."""
    launch = launch_with(given)
    now = load_experiment(launch, EXPERIMENTS)
    plain = load_experiment(Launch(model=launch.model, data=launch.data or "/"), EXPERIMENTS)
    rows = changed_settings(plain.trainer, now.trainer)
    head = f"{now.name}: {now.description}. {now.epochs} epochs, batches of {now.batch_size}."
    table = table_html(("setting", "experiment", "this training"), rows) if rows else ""
    said = "What differs from the experiment:" if rows else "Nothing differs from the experiment."
    text = yaml.safe_dump(redactor().mapping(dict(now.trainer)), sort_keys=False, allow_unicode=True)
    show_html(
        f"<p>{as_html(head)}</p><p>{as_html(said)}</p>{table}"
        f"<details><summary>the whole configuration (YAML)</summary><pre>{as_html(text)}</pre></details>",
        "\n".join([head, said, *("  ".join(row) for row in rows)]),
    )


def changed_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Each setting that is not the same: its name, its value before and after."""
    old, new = dict(flatten(before)), dict(flatten(after))
    return [
        (name, _text(old.get(name), name), _text(new.get(name), name))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _text(value: object, name: str) -> str:
    return "" if value is None else str(redactor().value(name, value))
