"""Label lines that are nearly right: JSON with values that no annotation tool writes, texts that no keyboard has.

    mutated_line(random, line) -> bytes        "image<tab>label" of PaddleOCR and PPOCRLabel
    mutated_json(random, document) -> bytes    a whole file of LabelMe's

`CANARY` is the file that appears where a label is executed.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

CANARY = "canary"
_EXECUTED = (
    f"__import__('os').system('touch {CANARY}')",
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"; touch {CANARY} #",
    f"!!python/object/apply:os.system ['touch {CANARY}']",
    f"=cmd|' /C touch {CANARY}'!A0",
    f"{{{{ cycler.__init__.__globals__.os.popen('touch {CANARY}').read() }}}}",
    "<script>document.title='x'</script>",
    "%s%n{0.__class__}",
)
_TEXTS = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\ud800",
        "\udfff\ud800",
        "\u202ereversed\u202c",
        "\u2066\u2069",
        "\ufeff",
        "\u200b",
    ),
    *(
        "\u2028",
        "\x85",
        "\x1b[31m",
        "\r",
        "a\rb",
        "e" + "\u0301" * 500,
        "\U0010ffff",
        "ﷺ" * 50,
        "น้ำ",
        "ํา",
        "###",
    ),
    *(
        "../../etc/passwd",
        "/dev/zero",
        "/dev/stdin",
        "C:\\a.jpg",
        "\\\\host\\share",
        "file:///etc/passwd",
        "~",
        ".",
    ),
    *("a" * 5000, "-", "--help", "null", "NaN", "a\tb", "con", "%2e%2e%2f"),
    *_EXECUTED,
)
_TOKENS = (
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "1e-999",
        "-0.0",
        "1E400",
        "0.1e+1",
        "01",
        "+1",
        "0x10",
    ),
    *(
        "true",
        "false",
        "null",
        "[]",
        "{}",
        '""',
        '"5"',
        "[[]]",
        "[[[1,2]]]",
        "[1]",
        "[1,2,3]",
        "1.7976931348623157e308",
    ),
    *("9" * 400, "9" * 5000, "-" + "9" * 5000, "9" * 20 + ".5", str(2**31), str(-(2**63)), str(2**64)),
    *("[" * 200 + "]" * 200, "[" * 5000, "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000, '{"a":1,"a":2}'),
    *(
        '"\\ud800"',
        '"\\u0000"',
        '"\\udc00\\ud800"',
        "'a'",
        "undefined",
        "[1,]",
        "/**/1",
        '"a\nb"',
        '"\t"',
        '"unclosed',
    ),
    *("1_000", "１", "1.", ".5", "1e", "- 1", "[1 2]", "[0,0],[0,0]", "1]}],[{"),
)
"""JSON as it stands in the file: json.dumps would not write most of these."""
_HUGE = 10_000_000


def mutated_line(random: Random, line: str) -> bytes:
    """A line "image<tab>label", mutated once or several times."""
    image, _, label = line.partition("\t")
    kind = random.randrange(8)
    if kind == 0:
        image = random.choice([*_TEXTS, json.dumps([image, random.choice(_TEXTS)]), random.choice(_TOKENS)])
    elif kind == 1:
        label = random.choice([*_TEXTS, *_TOKENS])
    elif kind in (2, 3, 4) and label.startswith("["):
        label = _with_odd_values(random, json.loads(label))
    elif kind in (2, 3, 4):
        place = random.randrange(len(label) + 1)
        label = label[:place] + random.choice(_TEXTS) + label[place:]
    elif kind == 5:
        label = label * random.choice([0, 2, 50])
    data = f"{image}\t{label}".encode("utf-8", "surrogatepass")
    if kind == 6:
        data = data.replace(b"\t", random.choice([b"", b" ", b"\t\t", b"\\t", b"\t\n"]))
    data = data.replace(b"\n", b" ")
    return _with_odd_bytes(random, data) if kind == 7 or random.randrange(6) == 0 else data


def huge_line(random: Random, line: str) -> bytes:
    """A line of ten megabytes."""
    image, _, label = line.partition("\t")
    if label.startswith("["):
        filler = random.choice(["[1,2],", '"a",', "[", "1", " ", "{},"])
        return f"{image}\t[{filler * (_HUGE // len(filler))}]".encode()
    return f"{image}\t{random.choice('aน ') * _HUGE}".encode()[:_HUGE]


def mutated_json(random: Random, document: Any) -> bytes:
    """The JSON of a whole file, with odd values, odd texts, or odd bytes."""
    data = _with_odd_values(random, document).encode("utf-8", "surrogatepass")
    return _with_odd_bytes(random, data) if random.randrange(5) == 0 else data


def _with_odd_values(random: Random, document: Any) -> str:
    """The document with some of its values, keys or items exchanged for odd ones."""
    document, raw = json.loads(json.dumps(document)), {}
    for number in range(random.choice([1, 1, 1, 2, 5])):
        places = list(_places(document))
        if not places:
            break
        holder, key = random.choice(places)
        kind = random.randrange(6)
        if kind == 0:
            holder[key] = random.choice(_TEXTS)
        elif kind in (1, 2, 3):
            raw[f"@{number}@"] = random.choice(_TOKENS)
            holder[key] = f"@{number}@"
        elif kind == 4:
            del holder[key]
        elif isinstance(holder, list):
            holder += [holder[key]] * random.choice([1, 1, 20])
        else:
            holder[random.choice(_TEXTS)] = holder[key]
    text = json.dumps(document, ensure_ascii=random.random() < 0.5)
    for mark, token in raw.items():
        text = text.replace(f'"{mark}"', token)
    return text


def _places(value: Any) -> Any:
    """Every (container, key) of a document."""
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, item in items:
        yield value, key
        if isinstance(item, (dict, list)):
            yield from _places(item)


def _with_odd_bytes(random: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 8])):
        place = random.randrange(len(changed) + 1)
        if random.randrange(2):
            changed[place : place + random.choice([0, 1, 3])] = random.randbytes(random.choice([1, 1, 2, 4]))
        else:
            del changed[place : place + random.choice([1, 2, 10])]
    return bytes(changed).replace(b"\n", b"\0")
