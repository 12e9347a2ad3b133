"""Secrets that can be told by how they look, whatever they are called: each pattern ends where the secret ends.

Sources: what the services that give them out document of their tokens (AWS, GitHub, GitLab, Hugging Face, Slack, Azure,
Google, Stripe, npm, PyPI), RFC 6750 and 7617 (Bearer, Basic), RFC 7519 (JWT), RFC 7468 (PEM).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ocr_train.redaction.names import HIDDEN

_START = r"(?<![A-Za-z0-9])"
_END = r"(?![A-Za-z0-9])"
_MIXED = r"(?=[A-Za-z_\-]*[0-9]|[A-Za-z_\-]*[A-Z])"
"""Somewhere a digit or a capital: a word of a language has none."""


def _tokens(lead: str, body: str) -> re.Pattern[str]:
    return re.compile(f"{_START}{lead}{body}{_END}", re.ASCII)


def _all(_match: re.Match[str]) -> str:
    return HIDDEN


def _after_lead(match: re.Match[str]) -> str:
    return f"{match['lead']}{HIDDEN}"


def _scheme(match: re.Match[str]) -> str:
    """What follows `Bearer`, unless it is a word, as in "bearer authentication"."""
    word = match["secret"].strip(".-~")
    lonely = not match["header"]
    if lonely and (word.islower() or word.istitle()) and word.isalpha() and len(word) < _LONG_WORD:
        return match[0]
    return _after_lead(match)


_LONG_WORD = 20
Shape = tuple[Sequence[str], re.Pattern[str], Callable[[re.Match[str]], str]]
_SHAPES: Sequence[Shape] = (
    (
        ("PRIVATE KEY",),
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            # Whole, or cut off: then what can be base64.
            r"(?:(?:(?!-----)[\s\S]){0,20000}-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            r"|(?:[A-Za-z0-9+/=]{20,}|[\s\\nr])*)",
        ),
        _all,
    ),
    (("AKIA", "ASIA"), _tokens("(?:AKIA|ASIA)", "[0-9A-Z]{12,124}"), _all),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), _tokens("gh[pousr]_", "[A-Za-z0-9]{6,255}"), _all),
    (("github_pat_",), _tokens("github_pat_", "[A-Za-z0-9_]{6,255}"), _all),
    (("gl",), _tokens(r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|oas|agent)-", r"[\w\-.]{5,255}[\w\-]"), _all),
    (("hf_",), _tokens("hf_", f"{_MIXED}[A-Za-z0-9]{{8,255}}"), _all),
    (("xox", "xapp-"), _tokens("(?:xox[abceoprs]|xapp)-", r"[\w\-]{8,512}"), _all),
    (("sk-",), _tokens("sk-", rf"(?=[\w\-]*\d){_MIXED}[\w\-]{{20,255}}"), _all),
    (("k_live_", "k_test_"), _tokens("[rs]k_(?:live|test)_", "[A-Za-z0-9]{10,255}"), _all),
    (("npm_", "pypi-"), _tokens("(?:npm_|pypi-)", rf"{_MIXED}[\w\-]{{30,512}}"), _all),
    (("dckr_pat_", "dop_v1_"), _tokens("(?:dckr_pat_|dop_v1_)", r"[\w\-]{20,255}"), _all),
    (("AIza",), _tokens("AIza", r"[\w\-]{30,60}"), _all),
    (("ya29.",), _tokens(r"ya29\.", r"[\w\-]{20,2048}"), _all),
    (("SG.",), _tokens(r"SG\.", r"[\w\-]{16,64}\.[\w\-]{16,128}"), _all),
    (("eyJ",), _tokens("eyJ", r"[\w\-]{6,4096}\.[\w\-]{6,8192}(?:\.[\w\-]{0,4096}){0,3}"), _all),
    (
        ("hooks.slack.com", "/api/webhooks/"),
        re.compile(r"(?P<lead>(?:hooks\.slack\.com/services|/api/webhooks)/)[\w\-/]{8,255}", re.ASCII),
        _after_lead,
    ),
    (
        ("earer", "EARER", "asic", "uthorization", "UTHORIZATION"),
        re.compile(
            r"(?P<lead>(?P<header>authorization\\?['\"]?\s{0,9}[:=]\s{0,9}\\?['\"]?)?\b(?:bearer|basic|token)\s{1,9})"
            r"(?P<secret>[\w.~+/\-]{8,4096}(?<![.\-~])={0,2})",
            re.IGNORECASE | re.ASCII,
        ),
        _scheme,
    ),
    (
        ("sig=",),
        re.compile(r"(?P<lead>\bsig=)[\w%+/\-]{20,512}={0,2}", re.ASCII),
        _after_lead,
    ),
    (
        ("ignature", "ecurity-", "redential", "IGNATURE", "ECURITY-"),
        re.compile(
            r"(?P<lead>\bx-(?:amz|goog|ms|oss)-(?:signature|security-token|credential)"
            r"\\?['\"]?\s{0,9}[=:]\s{0,9}\\?['\"]?)[^\s'\"<>`&#,;\\)\]}]+",
            re.IGNORECASE | re.ASCII,
        ),
        _after_lead,
    ),
    (
        ("Key=", "Signature="),
        re.compile(
            r"(?P<lead>\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=)[^\s'\"<>`;,)\]}]+", re.ASCII
        ),
        _after_lead,
    ),
)
"""What to look for first, which is quick; what to look for; what to make of it."""


def hide_shapes(text: str) -> str:
    """`text` without what can be nothing but a secret."""
    for needles, pattern, replace in _SHAPES:
        if any(needle in text for needle in needles):
            text = pattern.sub(replace, text)
    return text
