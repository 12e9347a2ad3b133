"""The texts of the built-in demo set: what signs, receipts and forms say, in English and in Thai.

Every character comes from `experiments/dicts/<language>.txt` or is a space. Spaces are single and never at
an end. Thai is spelled in its canonical order: consonant, vowel above or below, tone mark.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from random import Random

LANGUAGES = ("en", "th")
MAX_TEXT_LENGTH = 25
"""PaddleOCR's own default of `max_text_length`: it passes over longer recognition labels in silence."""

_UPSIDE_DOWN = frozenset("0123456789HINOSXZMWdnopbqsuxzlmw-=+|/\\.,:;'`*%#()[]{}<>~_^ ")
"""Characters that are still characters after a turn by 180 degrees, or nearly so."""

_LISTS = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "th": "มกราคม กุมภาพันธ์ มีนาคม เมษายน พฤษภาคม มิถุนายน กรกฎาคม สิงหาคม กันยายน ตุลาคม พฤศจิกายน ธันวาคม "
    "ม.ค. ก.พ. มี.ค. เม.ย. พ.ค. มิ.ย. ก.ค. ส.ค. ก.ย. ต.ค. พ.ย. ธ.ค.",
    "repeated": "ช้า เร็ว ใหญ่ เล็ก ดี มาก เบา ใกล้ ไกล เก่า ใหม่ บ่อย ต่าง อื่น",
    "latin": "Wi-Fi ATM VIP LED CCTV LINE WC SALE BTS MRT OK HD",
    "baht": "5 10 20 25 35 40 45 59 99 120 199 350 1,250 2,900 15,000",
}
"""Words by what they are for; months by their language."""
_THAI_CONSONANTS = "กขคฆงจฉชซฌญฎฐฒณดตถทธนบผพภมยรลวศษสฬอฮ"
_THAI_DIGITS = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))


@lru_cache(maxsize=len(LANGUAGES))
def words(language: str) -> tuple[str, ...]:
    """The word list of `language` ("en" or "th"), in the order of its file."""
    path = Path(__file__).with_name(f"words_{language}.txt")
    return tuple(path.read_text(encoding="utf-8").split())


def make_text(rng: Random, language: str, *, max_length: int = MAX_TEXT_LENGTH, turnable: bool = True) -> str:
    """A text of 1 to `max_length` characters, 4 or more of which `max_length` must allow.

    With `turnable=False` it is one that nobody can take for itself, or for another text, upside down.
    """
    kinds = _KINDS[language]
    while True:
        (_, patterns) = rng.choices(kinds, [weight for weight, _ in kinds])[0]
        text = rng.choice(patterns).format_map(_Fields(rng, language))
        if language == "th" and not re.search("[A-Za-z]", text) and rng.random() < 0.5:
            text = text.translate(_THAI_DIGITS)
        if len(text) <= max_length and (turnable or not _reads_upside_down(text)):
            return text


def _reads_upside_down(text: str) -> bool:
    """Whether too little of `text` tells its top from its bottom."""
    return sum(char not in _UPSIDE_DOWN for char in text) < 2


class _Fields(dict[str, object]):
    """The values for the fields of a pattern: each time that a field is met, its value is a new one."""

    def __init__(self, rng: Random, language: str) -> None:
        super().__init__()
        self._rng, self._language = rng, language

    def __missing__(self, field: str) -> object:
        return _FIELDS[field](self._rng, self._language)


def _one_of(rng: Random, name: str) -> str:
    return rng.choice(_LISTS[name].split())


def _pick(letters: str, *counts: int) -> Callable[[Random, str], str]:
    return lambda rng, _: "".join(rng.choices(letters, k=rng.choice(counts)))


def _number(least: int, most: int) -> Callable[[Random, str], int]:
    return lambda rng, _: rng.randint(least, most)


_FIELDS: dict[str, Callable[[Random, str], object]] = {
    "word": lambda rng, language: rng.choice(words(language)),
    "Word": lambda rng, _: rng.choice(words("en")).title(),
    "WORD": lambda rng, _: rng.choice(words("en")).upper(),
    "repeated": lambda rng, _: _one_of(rng, "repeated"),
    "latin": lambda rng, _: _one_of(rng, "latin"),
    "month": _one_of,
    # Any printable ASCII, so that no character of the dictionary is never seen.
    "symbols": _pick(_PRINTABLE, 4, 5, 6, 7, 8),
    "A": _pick(_CAPITALS, 1, 2, 3),
    "a": _pick(_CAPITALS, 0, 0, 1, 2),
    "plate": _pick(_THAI_CONSONANTS, 2),
    "n": lambda rng, _: rng.randrange(10 ** rng.randint(1, 6)),
    "n1": _number(1, 9),
    "n2": _number(10, 99),
    "n3": _number(100, 999),
    "n4": _number(1000, 9999),
    "code": lambda rng, _: rng.randrange(10, 10 ** rng.randint(2, 5)),
    "percent": _number(0, 99),
    "money": lambda rng, _: rng.uniform(0.5, 5000),
    "baht": lambda rng, _: _one_of(rng, "baht"),
    "day": _number(1, 28),
    "mm": _number(1, 12),
    "year": lambda rng, language: rng.randint(1990, 2035) + (543 if language == "th" else 0),
    "hour": _number(0, 23),
    "hour12": _number(1, 12),
    "minute": _number(0, 59),
}

_CODES = ("{A}-{code}{a}", "{A}{code}{a}", "{A} {code}", "{A}/{code}", "No. {code}")
_KINDS: dict[str, list[tuple[int, tuple[str, ...]]]] = {
    "en": [
        (30, ("{word}", "{Word}", "{WORD}")),
        (18, (
            "{word} {word}", "{Word} {word}", "{Word} {Word}", "{WORD} {WORD}", "{word} {word} {word}",
            "{Word} {word} {word}", "{Word} {Word} {Word}", "{WORD} {WORD} {WORD}", "{Word} {word}!", "{WORD} {WORD}!",
            "{Word} {word}?", "{word} {word}.", "{Word} {word} {word}.", "{Word} {Word}:", "{WORD} {WORD}:",
            "{word} {word}...",
        )),
        (10, (
            '"{word}"', "'{word}'", "({word})", "[{word}]", "{word} & {word}", "{word}/{word}", "{word}-{word}",
            "{word}_{word}.txt", "{word}@{word}.com", "www.{word}.com", "<{word}>", "#{word}", "{word} = {word}",
            "{word}; {word}", "C:\\{word}", "~/{word}", "{{{word}}}", "{word} | {word}", "*{word}*", "`{word}`",
            "{word}^2", "{word}: {word}",
        )),
        (9, ("{n}", "{n:,}", "{money:.2f}", "{percent}%", "+{n}", "-{n}")),
        (12, _CODES),
        (8, ("{day:02}/{mm:02}/{year}", "{year}-{mm:02}-{day:02}", "{day} {month} {year}", "{month} {day}, {year}")),
        (8, ("${money:,.2f}", "${money:.0f}", "USD {money:,.2f}", "{word} ${money:.2f}")),
        (4, ("{hour:02}:{minute:02}", "{hour12}:{minute:02} AM", "{hour12}:{minute:02} PM", "{hour12}pm")),
        (3, ("({n3}) {n3}-{n4}", "+{n2} {n4} {n4}")),
        (4, ("{symbols}",)),
    ],
    "th": [
        (34, ("{word}",)),
        # Words run together, as Thai is written, sometimes two groups with a space between.
        (20, ("{word}{word}", "{word}{word}{word}", "{word}{word} {word}", "{word} {word}")),
        (3, ("{repeated}ๆ",)),
        (4, (
            "({word})", '"{word}"', "{word}/{word}", "{word}-{word}", "{word} : {word}", "{word}!", "{word}?",
            "* {word}", "{word}, {word}",
        )),
        (7, ("{n}", "{n:,}", "{money:.2f}", "{percent}%", "ลด {percent}%")),
        (9, (
            "{day} {month} {year}", "{day} {month} {n2}", "{day:02}/{mm:02}/{year}", "พ.ศ. {year}",
            "{month} {year}",
        )),
        (8, (
            "{baht} บาท", "ราคา {baht} บาท", "฿{baht}", "{baht}.-", "{word} {baht} บาท",
            "{baht}.50 บาท",
        )),
        (6, (
            "ถ.{word}", "ซ.{n1}", "จ.{word}", "อ.{word}", "ต.{word}", "เลขที่ {n3}", "หมู่ {n1}", "ชั้น {n2}",
            "ห้อง {n3}", "ข้อ {n1}", "มาตรา {n3}", "หน้า {n2}", "{n3} ถ.{word}",
        )),
        (4, ("{hour:02}.{minute:02} น.", "โทร. 0{n1}-{n3}-{n4}")),
        (2, ("{plate} {n2}", "{plate} {n3}", "{plate} {n4}")),
        (5, ("{latin} {word}", "{word} {latin}", "{A}-{code} {word}")),
        (4, ("{Word}", "{WORD}", *_CODES[:2], "{Word}/{Word}", "({Word})", "{symbols}")),
    ],
}  # fmt: skip
"""Kinds of texts by language: how often (a weight), and the patterns that are equally likely."""
