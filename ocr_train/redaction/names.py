"""Which names say that their value is secret, read by whole words: `db_password` does, `max_new_tokens` does not.

A name may be dotted, as a setting's (`Global.wandb.api_key`), or an environment variable's (`AWS_SESSION_TOKEN`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

HIDDEN = "***"
"""Stands where a secret was."""


def _words_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PASSWORDS = _words_of("password passwords passwd passphrase pwd pass")
_ALONE = _PASSWORDS | _words_of("secret secrets token credential credentials authorization")
_KEYS = _words_of(
    "api access private secret account shared signing encryption auth master subscription ssh deploy hmac"
)
"""What a key is called that opens something: a model has keys too (`main_key`, `keep_keys`)."""
_OPENING = _words_of("auth access api refresh session bearer secret security")
_FUSED = re.compile(
    r"\w*(?:password|passwd|passphrase|secret|apikey|accesskey|secretkey|privatekey|credentials?)"
    r"|(?:auth|access|api|bearer|session|refresh|security|id|git|github|gitlab|hub|hf|wandb|bot|app|db|my|user)token"
    r"|(?:db|my|mysql|pg|postgres|ssh|redis|mongo|ldap|smtp|mail|ftp|proxy|user|admin|root|sudo|key|store)(?:pass|pwd)"
)
"""Words written as one, as in PGPASSWORD and SSHPASS."""
_VOCABULARY = _words_of(
    "start end begin bos eos sos go stop pad padding unk unknown sep cls mask blank ignore special image img "
    "cell decoder encoder task"
)
"""A token called so is a word of the model's vocabulary."""
_ROUNDS = _words_of(
    "one two first second last single multi double all each per every low high band forward backward by num max "
    "test tests must"
)
"""A pass called so is a round, a filter or an answer."""
_ONLY_AFTER = {"key": _KEYS, "keys": _KEYS, "tokens": _OPENING}
_NOT_AFTER = {"token": _VOCABULARY, "pass": _ROUNDS}
_ENDINGS = _words_of(
    "value text plain prod dev staging old new current primary secondary base64 b64 hex json header string str"
)
"""What may follow the word that counts, as numbers may."""
_ABOUT = _words_of(
    "id ids file files path dir folder name type length len limit size max min num count number ttl expiry expires "
    "timeout enabled required policy index idx dim prefix provider mode format url uri endpoint through parallelism host "
    "port user cache manager store helper scope"
)
"""After one of the words above, in an environment variable: the value says something about the secret."""
_FOLDERS = frozenset({"PWD", "OLDPWD"})
_IN_ADDRESSES = frozenset({"sig", "signature", "sas", "hmac", "auth"})
_NO_SECRET = frozenset({"", "none", "null", "true", "false", "~", "yes", "no", "bearer", "basic", HIDDEN})
_NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:e[-+]?\d+)?", re.IGNORECASE | re.ASCII)
_PLACEHOLDER = re.compile(r"\$\{[^{}]*\}|\$[A-Z_][A-Z0-9_]*|<[^<>\s]*>|\[[A-Z]+\d*\]", re.ASCII)
"""A variable's name, or a word of a model's vocabulary such as <s> and [CLS]."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", re.ASCII)
_LEAST_DIGITS = 6


def is_secret_name(name: str) -> bool:
    """Whether the setting, parameter or key `name`, or something that it is in, holds a secret."""
    return any(_ends_secret(_words(part)) for part in re.split(r"[./\s]", name))


def is_secret_variable(name: str) -> bool:
    """Whether the environment variable `name` holds a secret, wherever in the name that is said."""
    if name in _FOLDERS:
        return False
    words = _words(name)
    return any(
        _ends_secret(words[:end]) and (end == len(words) or words[end] not in _ABOUT)
        for end in range(1, len(words) + 1)
    )


def is_secret_query(name: str) -> bool:
    """Whether the parameter `name` of an address holds a secret, as a signature does that opens it."""
    words = _words(name)
    return bool(words) and (words[-1] in _IN_ADDRESSES or is_secret_name(name))


def can_be_secret(name: str, value: object) -> bool:
    """Whether `value` can be the secret that `name` speaks of: a text; a number only as a long password."""
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        return False
    text = str(value).strip()
    if _NUMBER.fullmatch(text):
        return text.isdecimal() and len(text) >= _LEAST_DIGITS and _is_password(name)
    return text.lower() not in _NO_SECRET and not _PLACEHOLDER.fullmatch(text)


def _words(name: str) -> Sequence[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _ends_secret(words: Sequence[str]) -> bool:
    while len(words) > 1 and (words[-1] in _ENDINGS or words[-1].isdecimal()):
        words = words[:-1]
    # AWS's.
    if list(words[-2:]) == ["key", "id"]:
        words = words[:-1]
    last, before = (["", "", *words])[:-3:-1]
    if last in _ONLY_AFTER:
        return before in _ONLY_AFTER[last]
    if last in _NOT_AFTER:
        return before not in _NOT_AFTER[last]
    return last in _ALONE or _FUSED.fullmatch(last) is not None


def _is_password(name: str) -> bool:
    return any(word in _PASSWORDS or word.endswith("password") for word in _words(name))
