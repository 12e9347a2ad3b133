"""Label files that are not UTF-8 as a whole: which encoding they have, and how to save them again.

Windows writes UTF-16 (PowerShell's `>`, Notepad's "Unicode") and the code page of its country (Excel's CSV). PaddleOCR
reads UTF-8 only. One line that is broken in a file of UTF-8 is another matter: it is that line's problem.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ocr_train.data.labels import shorten
from ocr_train.ocr_engine.files import open_regular

_HEAD_BYTES = 1 << 20
_SHOWN = 3
_WORD = re.compile(r"""[^\s"',]*[^\x00-\x7f][^\s"',]*""")
_BOMS = (
    (b"\xff\xfe\x00\x00", "UTF-32", "FF FE 00 00"),
    (b"\x00\x00\xfe\xff", "UTF-32", "00 00 FE FF"),
    (b"\xff\xfe", "UTF-16", "FF FE"),
    (b"\xfe\xff", "UTF-16", "FE FF"),
)
"""Byte order marks (The Unicode Standard, 23.8), the longer ones first."""


@dataclass(frozen=True, kw_only=True)
class OtherEncoding:
    """A label file in another encoding than UTF-8: `name` as iconv and Python call it, the surest one; `why` for people,
    with a text as it then reads; `samples` lines have a tab when they are read in it."""

    name: str
    why: str
    samples: int


def other_encoding(path: Path) -> OtherEncoding | None:
    """The encoding of a file whose first megabyte is not UTF-8, though lines with other letters than A to Z are there;
    None for UTF-8, for a file with single broken lines, and where no known encoding fits.

    Raises `OSError` where the file cannot be read.
    """
    with open_regular(path) as file:
        head = file.read(_HEAD_BYTES)
    for mark, name, shown in _BOMS:
        if head.startswith(mark):
            return _found(head, name, f"{name} (it begins with the bytes {shown})")
    name = _utf16_without_mark(head)
    if name:
        return _found(head, name, f"{name}, without a byte order mark")
    lines = [line for line in head.split(b"\n")[: -1 if len(head) == _HEAD_BYTES else None] if _is_high(line)]
    broken = [line for line in lines if not _decodes(line, "utf-8")]
    if 2 * len(broken) <= len(lines):
        return None
    names = list(_code_pages(b"\n".join(broken)))
    if "gb2312" in names and "gb18030" in names:
        # The larger one has the smaller one in it.
        names.remove("gb2312" if names.index("gb2312") > names.index("gb18030") else "gb18030")
    if not names:
        return None
    # GBK is the code page of Windows, and has GB 2312 in it.
    names = ["gbk" if name == "gb2312" else name for name in names]
    samples = [f"{_sample(broken[0], one)!r} in {one}" for one in names[:_SHOWN]]
    return _found(head, names[0], f"not UTF-8: its texts read {', '.join(samples)}")


def _found(head: bytes, name: str, why: str) -> OtherEncoding:
    text = head.decode(name, "replace")
    samples = sum("\t" in line for line in text.split("\n"))
    return OtherEncoding(name=name, why=why, samples=samples)


def _utf16_without_mark(head: bytes) -> str:
    """Text of A to Z in UTF-16 has a zero in every second byte; in UTF-8 there is none at all."""
    sample = head[:4096]
    if sample.count(0) < len(sample) // 4 or len(sample) < 4:
        return ""
    return "UTF-16LE" if sample[1::2].count(0) > sample[::2].count(0) else "UTF-16BE"


def _is_high(line: bytes) -> bool:
    return not line.isascii()


def _decodes(data: bytes, name: str) -> bool:
    try:
        text = data.decode(name)
    except UnicodeDecodeError:
        return False
    return not any(unicodedata.category(char) in ("Cn", "Co", "Cs") for char in set(text))


def _code_pages(data: bytes) -> Iterator[str]:
    """The code pages in which `data` is text, the likely ones first."""
    return (name for name, fits in _CODE_PAGES if _decodes(data, name) and fits(data.decode(name)))


def _sample(line: bytes, name: str) -> str:
    """The first word of the line in that encoding that is not of A to Z, in short."""
    found = _WORD.search(line.decode(name, "replace"))
    return shorten(found[0], 20) if found else ""


def _is_thai(text: str) -> bool:
    """Whether the letters beyond A to Z are Thai, as many of them vowels and tone marks as in words, and those only where
    a consonant can carry them."""
    others = [char for char in text if not char.isascii()]
    if not all("\u0e00" <= char <= "\u0e7f" for char in others):
        return False
    for before, char in zip(" " + text, text, strict=False):
        carried = (
            "\u0e31" <= char <= "\u0e3a" and char not in "\u0e32\u0e33"
        ) or "\u0e47" <= char <= "\u0e4e"
        if carried and not "\u0e01" <= before <= "\u0e4e":
            return False
    return 5 * sum("\u0e30" <= char <= "\u0e4e" for char in others) >= len(others)


def _is_of(*parts: str, some: str = "") -> Callable[[str], bool]:
    """Whether what is beyond ASCII are letters whose names begin with one of `parts`, at least one with `some`; a word
    has letters of one alphabet."""

    def fits(text: str) -> bool:
        names = [unicodedata.name(char, "") for char in text if not char.isascii()]
        if not all(name.startswith((*parts, *_SIGNS)) for name in names):
            return False
        if parts == ("CYRILLIC",) and _MIXED.search(text):
            return False
        return any(name.startswith(some) for name in names)

    return fits


def _is_chinese(name: str, first: bytes, last: bytes) -> Callable[[str], bool]:
    """Whether most characters are among the common ones, which both standards have in a first part of their own."""

    def fits(text: str) -> bool:
        leads = [char.encode(name, "ignore")[:1] for char in text if not char.isascii()]
        return _is_of(_CJK)(text) and 2 * sum(first <= lead <= last for lead in leads) > len(leads)

    return fits


_SIGNS = (
    "FULLWIDTH",
    "IDEOGRAPHIC",
    "LEFT ",
    "RIGHT ",
    "EM DASH",
    "EN DASH",
    "EURO SIGN",
    "NO-BREAK",
    "NUMERO",
)
_MIXED = re.compile("[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")
_CJK = "CJK UNIFIED"
_CODE_PAGES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("cp874", _is_thai),
    ("shift_jis", _is_of(_CJK, "HIRAGANA", "KATAKANA", some="HIRAGANA")),
    ("gb2312", _is_chinese("gb2312", b"\xb0", b"\xd7")),
    ("big5", _is_chinese("big5", b"\xa4", b"\xc6")),
    ("euc_kr", _is_of("HANGUL")),
    ("cp1251", _is_of("CYRILLIC")),
    ("cp1252", _is_of("LATIN")),
    ("gb18030", _is_of(_CJK)),
)
"""Code pages of Windows and of East Asia, and how to see that a text is in one; the surer ones first."""
