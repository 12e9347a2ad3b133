"""Brings MLproject and docs/configuration.md up to date with the table of parameters: `make parameters`.

A parameter that they lack gets its line, in the order of the table; one that is gone loses it; defaults are those of the
table. What a line says of a parameter that stays is kept: it may say more than the help of the command line.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from ocr_train.config.parameters import HELP, PARAMETERS, Launch

PROJECT = Path(__file__).resolve().parents[1]


def with_parameters(mlproject: str) -> str:
    """The text of MLproject with `main`'s parameters and command as the table has them."""
    begin = mlproject.index("  main:\n    parameters:\n") + len("  main:\n    parameters:\n")
    end = mlproject.index("\n    #", begin) + 1
    after = mlproject.index("\n\n", end)
    before_command, _, _ = mlproject[end:after].partition("      exec ")
    known = dict(re.findall(r"^      (\w+): \{.*?\} *(#.*)?$", mlproject[begin:end], re.M))
    words = " ".join(f"--{name.replace('_', '-')}={{{name}}}" for name in PARAMETERS)
    command = textwrap.fill(
        f"exec python -m ocr_train train {words}",
        width=103,
        initial_indent=" " * 6,
        subsequent_indent=" " * 6,
        break_long_words=False,
        break_on_hyphens=False,
    )
    lines = "".join(f"{line}\n" for line in _declared(known))
    return mlproject[:begin] + lines + before_command + command + mlproject[after:]


def _declared(known: Mapping[str, str]) -> Iterator[str]:
    for name in PARAMETERS:
        default = getattr(Launch(), name)
        # What YAML would read as something else than a text is quoted.
        plain = re.fullmatch(r"[a-z]+", default) and default not in ("true", "false")
        declared = f"      {name}: {{type: string, default: {default if plain else json.dumps(default)}}}"
        yield f"{declared + ' ':<52} {known.get(name, f'# {HELP[name]}')}".rstrip()


def with_rows(page: str) -> str:
    """The text of docs/configuration.md with a row for each parameter."""
    begin = page.index("| parameter | default |")
    begin = page.index("\n", page.index("|---", begin)) + 1
    end = page.index("\n\n", begin) + 1
    known = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| (.*) \|$", page[begin:end], re.M))
    rows = []
    for name in PARAMETERS:
        default = getattr(Launch(), name)
        shown = f"`{default}`" if default else "empty"
        rows.append(f"| `{name}` | {shown} | {known.get(name, HELP[name])} |\n")
    return page[:begin] + "".join(rows) + page[end:]


def main() -> None:
    """Write both files where they are not up to date."""
    for name, update in (("MLproject", with_parameters), ("docs/configuration.md", with_rows)):
        path = PROJECT / name
        text = path.read_text(encoding="utf-8")
        if update(text) != text:
            path.write_text(update(text), encoding="utf-8")
            print(f"{name}: brought up to date")


if __name__ == "__main__":
    main()
