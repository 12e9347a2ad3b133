"""HTML pages from templates: what is put into one is escaped, and a name that is missing is an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def render(template: Path, /, *, filters: Mapping[str, Callable[..., Any]], **values: Any) -> str:
    """The page that `template` (NAME.html.jinja) makes of `values`; NAME.css beside it becomes `style`.

    Every value is escaped for HTML but what is `markupsafe.Markup` already. `filters` are what the template
    calls besides Jinja's own and `thousands`.
    """
    # Jinja takes a tenth of a second to load: only pages need it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"thousands": thousands, **filters}
    style = template.with_suffix("").with_suffix(".css")
    return environment.get_template(template.name).render(style=style.read_text(encoding="utf-8"), **values)


def thousands(count: int) -> str:
    """A count as people read it: 12,345."""
    return f"{count:,}"
