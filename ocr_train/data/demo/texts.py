"""The texts of the built-in demo set: what signs, receipts and forms say, in English and in Thai.

Every character comes from `experiments/dicts/<language>.txt` or is a space, spaces are single and never at
an end, and Thai is spelled in its canonical order (consonant, vowel above or below, tone mark).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from random import Random

LANGUAGES = ("en", "th")
MAX_TEXT_LENGTH = 25
"""PaddleOCR's own default of `max_text_length`: it passes over longer recognition labels in silence."""

_UPSIDE_DOWN = frozenset("0123456789HINOSXZMWdnopbqsuxzlmw-=+|/\\.,:;'`*%#()[]{}<>~_^ ")
"""Characters that are still characters after a turn by 180 degrees, or nearly so."""

_EN_MONTHS = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_TH_MONTHS = (
    "มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน", "กรกฎาคม", "สิงหาคม",
    "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม",
)  # fmt: skip
_TH_SHORT_MONTHS = (
    "ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.",
    "ธ.ค.",
)  # fmt: skip
_TH_REPEATED = (
    "ช้า", "เร็ว", "ใหญ่", "เล็ก", "ดี", "มาก", "เบา", "ใกล้", "ไกล", "เก่า", "ใหม่", "บ่อย",
    "ต่าง", "อื่น",
)  # fmt: skip
_TH_DIGITS = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")
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
    kinds = _EN_KINDS if language == "en" else _TH_KINDS
    makers, weights = [maker for maker, _ in kinds], [weight for _, weight in kinds]
    while True:
        text = rng.choices(makers, weights)[0](rng)
        if len(text) <= max_length and (turnable or not _reads_upside_down(text)):
            return text


def _reads_upside_down(text: str) -> bool:
    """Whether too little of `text` tells its top from its bottom."""
    return sum(char not in _UPSIDE_DOWN for char in text) < 2


def _number(rng: Random, digits: int) -> str:
    return str(rng.randrange(10 ** (digits - 1), 10**digits))


def _code_letters(rng: Random, count: int) -> str:
    return "".join(rng.choices(_CAPITALS, k=count))


def _en_word(rng: Random) -> str:
    word = rng.choice(words("en"))
    return rng.choice([word, word.title(), word.upper()])


def _en_phrase(rng: Random) -> str:
    case = rng.choice([str.lower, str.capitalize, str.title, str.upper])
    phrase = case(" ".join(rng.sample(words("en"), rng.choice([2, 2, 3]))))
    return phrase + rng.choice(["", "", "", "", "!", "?", ".", ":", "..."])


def _en_joined(rng: Random) -> str:
    one, two = rng.sample(words("en"), 2)
    patterns = (
        '"{0}"', "'{0}'", "({0})", "[{0}]", "{0} & {1}", "{0}/{1}", "{0}-{1}", "{0}_{1}.txt", "{0}@{1}.com",
        "www.{0}.com", "<{0}>", "#{0}", "{0} = {1}", "{0}; {1}", "C:\\{0}", "~/{0}", "{{{0}}}", "{0} | {1}",
        "*{0}*", "`{0}`", "{0}^2", "{0}: {1}",
    )  # fmt: skip
    return rng.choice(patterns).format(one, two)


def _en_number(rng: Random) -> str:
    value = int(_number(rng, rng.randint(1, 7)))
    return rng.choice(
        [str(value), f"{value:,}", f"{value / 100:.2f}", f"{value % 100}%", f"+{value}", f"-{value}"]
    )


def _en_code(rng: Random) -> str:
    head, tail = _code_letters(rng, rng.randint(1, 3)), _number(rng, rng.randint(2, 5))
    end = _code_letters(rng, rng.choice([0, 0, 1, 2]))
    return rng.choice(
        [f"{head}-{tail}{end}", f"{head}{tail}{end}", f"{head} {tail}", f"{head}/{tail}", f"No. {tail}"]
    )


def _en_date(rng: Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1990, 2035)
    name = _EN_MONTHS[month - 1]
    return rng.choice(
        [
            f"{day:02}/{month:02}/{year}",
            f"{year}-{month:02}-{day:02}",
            f"{day} {name} {year}",
            f"{name} {day}, {year}",
        ]
    )


def _en_price(rng: Random) -> str:
    amount = rng.randint(50, 500_000) / 100
    return rng.choice(
        [
            f"${amount:,.2f}",
            f"${amount:.0f}",
            f"USD {amount:,.2f}",
            f"{rng.choice(words('en'))} ${amount:.2f}",
        ]
    )


def _en_time(rng: Random) -> str:
    hour, minute = rng.randint(0, 23), rng.randint(0, 59)
    return rng.choice(
        [
            f"{hour:02}:{minute:02}",
            f"{hour % 12 + 1}:{minute:02} {rng.choice(['AM', 'PM'])}",
            f"{hour % 12 + 1}pm",
        ]
    )


def _en_phone(rng: Random) -> str:
    return rng.choice(
        [
            f"({_number(rng, 3)}) {_number(rng, 3)}-{_number(rng, 4)}",
            f"+{_number(rng, 2)} {_number(rng, 4)} {_number(rng, 4)}",
        ]
    )


def _symbols(rng: Random) -> str:
    """Any printable ASCII, so that no character of the dictionary is never seen."""
    return "".join(rng.choices(_PRINTABLE, k=rng.randint(4, 8)))


def _thai_digits(rng: Random, text: str) -> str:
    """`text` with its digits in Thai, as often as not."""
    return text.translate(_TH_DIGITS) if rng.random() < 0.5 else text


def _th_word(rng: Random) -> str:
    return rng.choice(words("th"))


def _th_phrase(rng: Random) -> str:
    """Words run together, as Thai is written, sometimes two groups with a space between."""
    return rng.choice(["", "", " "]).join(rng.sample(words("th"), rng.choice([2, 2, 3])))


def _th_repeated(rng: Random) -> str:
    return rng.choice(_TH_REPEATED) + "ๆ"


def _th_bracketed(rng: Random) -> str:
    one, two = rng.sample(words("th"), 2)
    return rng.choice(
        ["({0})", '"{0}"', "{0}/{1}", "{0}-{1}", "{0} : {1}", "{0}!", "{0}?", "* {0}", "{0}, {1}"]
    ).format(one, two)


def _th_number(rng: Random) -> str:
    value = int(_number(rng, rng.randint(1, 6)))
    return _thai_digits(
        rng,
        rng.choice([str(value), f"{value:,}", f"{value / 100:.2f}", f"{value % 100}%", f"ลด {value % 100}%"]),
    )


def _th_date(rng: Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randrange(12), rng.randint(2535, 2578)
    patterns = (
        f"{day} {_TH_MONTHS[month]} {year}",
        f"{day} {_TH_SHORT_MONTHS[month]} {year}",
        f"{day} {_TH_SHORT_MONTHS[month]} {year % 100}",
        f"{day:02}/{month + 1:02}/{year}",
        f"พ.ศ. {year}",
        f"{_TH_MONTHS[month]} {year}",
    )
    return _thai_digits(rng, rng.choice(patterns))


def _th_price(rng: Random) -> str:
    amount = rng.choice([5, 10, 20, 25, 35, 40, 45, 59, 99, 120, 199, 350, 1_250, 2_900, 15_000])
    patterns = (
        f"{amount:,} บาท",
        f"ราคา {amount:,} บาท",
        f"฿{amount:,}",
        f"{amount:,}.-",
        f"{_th_word(rng)} {amount:,} บาท",
        f"{amount:,}.50 บาท",
    )
    return _thai_digits(rng, rng.choice(patterns))


def _th_address(rng: Random) -> str:
    patterns = (
        "ถ.{0}",
        "ซ.{1}",
        "จ.{0}",
        "อ.{0}",
        "ต.{0}",
        "เลขที่ {1}",
        "หมู่ {1}",
        "ชั้น {1}",
        "ห้อง {1}",
        "ข้อ {1}",
        "มาตรา {1}",
        "หน้า {1}",
        "{1} ถ.{0}",
    )
    return _thai_digits(rng, rng.choice(patterns).format(_th_word(rng), _number(rng, rng.randint(1, 3))))


def _th_time(rng: Random) -> str:
    return _thai_digits(rng, f"{rng.randint(0, 23):02}.{rng.randrange(0, 60, 5):02} น.")


def _th_phone(rng: Random) -> str:
    return _thai_digits(rng, f"โทร. 0{_number(rng, 1)}-{_number(rng, 3)}-{_number(rng, 4)}")


def _th_plate(rng: Random) -> str:
    """A number plate: two consonants and up to four digits."""
    return (
        "".join(rng.choices("กขคฆงจฉชซฌญฎฐฒณดตถทธนบผพภมยรลวศษสฬอฮ", k=2))
        + " "
        + _number(rng, rng.randint(2, 4))
    )


def _th_mixed(rng: Random) -> str:
    latin = rng.choice(
        ["Wi-Fi", "ATM", "VIP", "LED", "CCTV", "LINE", "WC", "SALE", "BTS", "MRT", "OK", "HD", _en_code(rng)]
    )
    return rng.choice([f"{latin} {_th_word(rng)}", f"{_th_word(rng)} {latin}"])


def _latin(rng: Random) -> str:
    return rng.choice([_en_word, _en_word, _en_code, _en_joined, _symbols])(rng)


_Kinds = tuple[tuple[Callable[[Random], str], int], ...]
_EN_KINDS: _Kinds = (
    (_en_word, 30), (_en_phrase, 18), (_en_joined, 10), (_en_number, 9), (_en_code, 12), (_en_date, 8),
    (_en_price, 8), (_en_time, 4), (_en_phone, 3), (_symbols, 4),
)  # fmt: skip
_TH_KINDS: _Kinds = (
    (_th_word, 34), (_th_phrase, 20), (_th_repeated, 3), (_th_bracketed, 4), (_th_number, 7), (_th_date, 9),
    (_th_price, 8), (_th_address, 6), (_th_time, 2), (_th_phone, 2), (_th_plate, 2), (_th_mixed, 5),
    (_latin, 4),
)  # fmt: skip
