"""XML from elsewhere: elements with their lines, within limits, without a document type and its entities.

A document type can name files of this machine and stand for a billion characters; no annotation tool needs one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ocr_train.ocr_engine.documents import MAX_DEPTH, DocumentError
from ocr_train.ocr_engine.files import read_regular

MAX_BYTES = 500_000_000
MAX_ELEMENTS = 5_000_000


@dataclass(kw_only=True)
class Element:
    """An element: its attributes, the text directly in it, its children; `line` counts from 1."""

    tag: str
    line: int
    attributes: dict[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, tag: str) -> Iterator[Element]:
        """The children of that name."""
        return (child for child in self.children if child.tag == tag)

    def first(self, tag: str) -> Element | None:
        """The first child of that name."""
        return next(self.all(tag), None)

    def value(self, tag: str) -> str:
        """The text of the first child of that name, without outer space; empty where there is none."""
        child = self.first(tag)
        return "" if child is None else child.text.strip()


def read_xml(path: Path) -> Element:
    """The root of the file; raises `OSError`, `DocumentError`."""
    return parse_xml(read_regular(path, MAX_BYTES))


def parse_xml(data: bytes) -> Element:
    """The root of a document; raises `DocumentError` where it is not XML, or beyond the limits."""
    builder = _Builder()
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as exc:
        raise DocumentError(f"it is not XML: {exc}") from exc
    except (ValueError, LookupError) as exc:
        # Encodings that Python does not know.
        raise DocumentError(str(exc)) from exc
    if builder.root is None:
        raise DocumentError("it has no element")
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._count = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data

    def _refuse(self, *_: Any) -> None:
        raise DocumentError("it has a document type (<!DOCTYPE ...>), which is not read: delete that part")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise DocumentError(f"it has more than {MAX_ELEMENTS:,} elements, or is nested too deep")
        element = Element(tag=tag, line=self.parser.CurrentLineNumber, attributes=attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def _end(self, _: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def _data(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)
