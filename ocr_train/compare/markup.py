"""HTML that is escaped by construction: what is no `Html` is text."""

from __future__ import annotations

import html
from collections.abc import Iterable

_VOID = frozenset({"meta", "img", "br", "input", "line", "circle", "rect", "path", "polyline"})


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = Html | str | int | None | Iterable["Html | str"]


def escaped(content: Content) -> str:
    """`content` as HTML: texts are escaped, `Html` stays as it is."""
    if content is None:
        return ""
    if isinstance(content, Html):
        return str(content)
    if isinstance(content, str | int):
        return html.escape(str(content), quote=True)
    return "".join(escaped(part) for part in content)


def el(name: str, /, *content: Content, **attributes: str | int | float | bool | None) -> Html:
    """One element. `class_` and `for_` lose their underscore, others become hyphens; None and False are left out."""
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        said = key.rstrip("_").replace("_", "-")
        words.append(said if value is True else f'{said}="{html.escape(str(value), quote=True)}"')
    start = f"<{' '.join(words)}>"
    inside = "".join(escaped(part) for part in content)
    if name in _VOID and not inside:
        return Html(start if name in ("meta", "img", "br", "input") else f"{start[:-1]}/>")
    return Html(f"{start}{inside}</{name}>")


def joined(parts: Iterable[Html | str]) -> Html:
    """All of `parts` in a row."""
    return Html("".join(escaped(part) for part in parts))
