"""Puts things into a cell: HTML with a plain text beside it, and an output that is updated in place."""

from __future__ import annotations

import base64
import html
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

TONES = {"ok": "#1a7f37", "warning": "#9a6700", "problem": "#cf222e", "": "inherit"}


def publish(data: Mapping[str, str], *, handle: str = "", update: bool = False) -> None:
    """Show the same thing in several kinds (MIME types); with a `handle` it can be updated."""
    import IPython.display

    display: Callable[..., object] = IPython.display.display
    more: dict[str, Any] = {"display_id": handle, "update": update} if handle else {}
    display(dict(data), raw=True, **more)


def show_html(page: str, plain: str) -> None:
    """Show HTML; `plain` is for whoever cannot."""
    publish({"text/html": page, "text/plain": plain})


class LiveOutput:
    """One output of a cell that is shown anew, in its place."""

    def __init__(self) -> None:
        self._handle = uuid.uuid4().hex
        self._shown = False

    def show(self, page: str, plain: str) -> None:
        """Show this in place of what was there."""
        publish({"text/html": page, "text/plain": plain}, handle=self._handle, update=self._shown)
        self._shown = True


def as_html(text: object) -> str:
    """`text` as HTML."""
    return html.escape(str(text))


def table_html(head: Sequence[str], rows: Iterable[Sequence[object]], tones: Sequence[str] = ()) -> str:
    """A table, left aligned; `tones` colour the first cell of each row."""
    style = "text-align:left;vertical-align:top;padding:3px 12px 3px 0"
    lines = (
        [f"<tr>{''.join(f'<th style={style!r}>{as_html(cell)}</th>' for cell in head)}</tr>"] if head else []
    )
    for number, row in enumerate(rows):
        colour = TONES[tones[number]] if number < len(tones) else "inherit"
        cells = [
            f'<td style="{style};white-space:pre-wrap;color:{"inherit" if place else colour}">{as_html(cell)}</td>'
            for place, cell in enumerate(row)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table style='border-collapse:collapse'>{''.join(lines)}</table>"


def show_table(
    head: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "", tones: Sequence[str] = ()
) -> None:
    """Show a table with a sentence above it."""
    above = f"<p>{as_html(title)}</p>" if title else ""
    plain = [title] if title else []
    plain += ["  ".join(str(cell) for cell in row) for row in rows]
    show_html(above + table_html(head, rows, tones), "\n".join(plain))


def image_tag(png: bytes, *, width: str = "", alt: str = "") -> str:
    """An image inside the page: the notebook needs no file beside it."""
    data = base64.b64encode(png).decode("ascii")
    size = f' style="width:{width};max-width:100%"' if width else ' style="max-width:100%"'
    kind = "png" if png.startswith(b"\x89PNG") else "jpeg"
    return f'<img src="data:image/{kind};base64,{data}" alt="{html.escape(alt)}"{size}>'


def figures_html(pictures: Iterable[tuple[bytes, str]], *, width_px: int) -> str:
    """Pictures side by side, each with a caption, which is HTML already."""
    found = [
        f'<figure style="margin:0;width:{width_px}px">{image_tag(png, width="100%")}'
        f'<figcaption style="font-size:90%">{caption}</figcaption></figure>'
        for png, caption in pictures
    ]
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px;align-items:flex-end">{"".join(found)}</div>'
