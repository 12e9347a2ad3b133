"""Writes the table of parameters into MLproject and the configuration guides, English and Thai: `make parameters`.

Names, defaults and the English meaning are those of `ocr_train/config/parameters.py`. The Thai meaning is in
`docs/th/parameters.yaml`, beside the English sentence that it translates, so that a changed one is noticed.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ocr_train.config.experiment import EXPERIMENTS, available_models
from ocr_train.config.parameters import HELP, PARAMETERS, Launch
from ocr_train.ocr_engine.documents import read_yaml

PROJECT = Path(__file__).resolve().parents[1]
THAI = "docs/th/parameters.yaml"
SEE = {
    "data": "[Data](data.md)",
    "resume": "[Resume](#resume)",
    "pretrained": "[Fine-tuning](finetune.md)",
    "freeze": "[Fine-tuning](finetune.md)",
    "batch_size": "[Samplers](#samplers)",
    "num_workers": "[Tuning](tune.md)",
    "overrides": "[Overrides](#overrides)",
    "gpus": "[GPUs](#gpus)",
    "nodes": "[Several machines](cluster.md)",
    "on_bad_sample": "[Quarantine](data.md#training-on-the-rest-quarantine)",
    "text_from": "[Labels of other tools](data.md#labels-of-other-tools)",
    "leaks": "[Images in both sets](data.md#images-in-training-and-in-validation)",
    "backup": "[Backup](data.md#backup)",
    "keep": "[What a fine-tune forgets](finetune.md#what-a-fine-tune-forgets-keep)",
}
"""Where the English guide says more about a parameter; the Thai sentences have such links in them."""


def with_parameters(mlproject: str) -> str:
    """The text of MLproject with `main`'s parameters and command as the table has them."""
    begin = mlproject.index("  main:\n    parameters:\n") + len("  main:\n    parameters:\n")
    end = mlproject.index("\n    #", begin) + 1
    after = mlproject.index("\n\n", end)
    before_command, _, _ = mlproject[end:after].partition("      exec ")
    words = " ".join(f"--{name.replace('_', '-')}={{{name}}}" for name in PARAMETERS)
    command = textwrap.fill(
        f"exec python -m ocr_train train {words}",
        width=103,
        initial_indent=" " * 6,
        subsequent_indent=" " * 6,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return mlproject[:begin] + "".join(_declared()) + before_command + command + mlproject[after:]


def _declared() -> Iterator[str]:
    for name in PARAMETERS:
        default = getattr(Launch(), name)
        # What YAML would read as something else than a text is quoted.
        plain = re.fullmatch(r"[a-z]+", default) and default not in ("true", "false")
        yield f"      {name}: {{type: string, default: {default if plain else json.dumps(default)}}}\n"


def in_english() -> dict[str, str]:
    """What the English guide says of each parameter."""
    return {name: text + (f". See {SEE[name]}" if name in SEE else "") for name, text in HELP.items()}


def in_thai(translations: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What the Thai guide says of each parameter: in English where `translations` (name -> en, th) has nothing."""
    return {name: str(translations.get(name, {}).get("th") or text) for name, text in HELP.items()}


def to_translate(translations: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is wrong with the Thai sentences, and what to write into the file: one text for each, none where all is well."""
    problems = [
        f"{THAI}: {name!r} is no parameter any more: remove it" for name in translations if name not in HELP
    ]
    for name, text in HELP.items():
        row = translations.get(name)
        if row is None:
            wanted = "add this, with the sentence in Thai"
        elif row.get("en") != text:
            wanted = f"{name!r} now says something else in English: see that its Thai says it, too, and put"
        elif not re.search(r"[\u0e01-\u0e5b]", str(row.get("th", ""))):
            wanted = f"{name!r} has no Thai sentence: write it"
        else:
            continue
        thai = json.dumps((row or {}).get("th") or "...", ensure_ascii=False)
        problems.append(
            f"{THAI}: {wanted}\n{name}:\n  en: {json.dumps(text, ensure_ascii=False)}\n  th: {thai}"
        )
    return problems


def with_rows(page: str, meanings: Mapping[str, str], empty: str) -> str:
    """The text of a guide with a row for each parameter in the table that begins with `model`.

    `meanings` says what each is, `empty` what stands for an empty default.
    """
    begin = page.index("| `model` |")
    end = page.index("\n\n", begin) + 1
    models = ", ".join(f"`{name}`" for name in available_models(EXPERIMENTS))
    rows = []
    for name in PARAMETERS:
        default = getattr(Launch(), name)
        meaning = meanings[name].replace("{models}", models).replace("|", "\\|")
        rows.append(f"| `{name}` | {f'`{default}`' if default else empty} | {meaning} |\n")
    return page[:begin] + "".join(rows) + page[end:]


def thai_sentences() -> dict[str, dict[str, str]]:
    """The content of docs/th/parameters.yaml: name -> `en`, `th`."""
    document: dict[str, dict[str, str]] = read_yaml(PROJECT / THAI)
    return document


WRITTEN: dict[str, Callable[[str], str]] = {
    "MLproject": with_parameters,
    "docs/configuration.md": lambda page: with_rows(page, in_english(), "empty"),
    "docs/th/configuration.md": lambda page: with_rows(page, in_thai(thai_sentences()), "ว่าง"),
}
"""The files that have the table, and what brings the text of each up to date."""


def main() -> None:
    """Write the files that are not up to date, and say what is to be translated."""
    for name, update in WRITTEN.items():
        path = PROJECT / name
        text = path.read_text(encoding="utf-8")
        if update(text) != text:
            path.write_text(update(text), encoding="utf-8")
            print(f"{name}: brought up to date")
    for problem in to_translate(thai_sentences()):
        print(problem)


if __name__ == "__main__":
    main()
