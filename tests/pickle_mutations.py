"""Pickles that are nearly those of a checkpoint: what the screening is tried with.

    mutant(random, seeds) -> bytes

Five kinds: bytes changed; instructions moved, doubled, dropped, or taken from another file; instructions put in that
an attacker would use; arguments exchanged for others of their kind; programs made up from nothing.
"""

from __future__ import annotations

import math
import pickletools
import struct
from collections.abc import Callable, Sequence
from functools import cache
from random import Random


@cache
def instructions(data: bytes) -> tuple[bytes, ...]:
    """The instructions of a whole pickle, each with its argument; without FRAMEs, whose lengths would be wrong."""
    starts = [int(position or 0) for _, _, position in pickletools.genops(data)]
    steps = (data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True))
    return tuple(step for step in steps if step[:1] != b"\x95")


def text(value: str) -> bytes:
    """The instruction that pushes a short text."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def blob(data: bytes) -> bytes:
    """The instruction that pushes short bytes."""
    return b"C" + bytes([len(data)]) + data


def number(value: int) -> bytes:
    """The instruction that pushes a number."""
    if 0 <= value < 256:
        return b"K" + bytes([value])
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


SIZES = {"f4": 4, "f8": 8, "i8": 8, "u2": 2, "b1": 1, "c16": 16, "V2": 2, "f2": 2}
ODD_CODES = ("O", "O8", "S8", "U4", "M8[s]", "V8", "f4,f8", "|O", "V", "f16")
FLAGS = (0, 0x01, 0x02, 0x20, 0x3F, 0xFF, -1, 2**40)
ODDS = 12
"""One choice in so many is an odd one: a program of several choices is sometimes right altogether."""
IMPORTS = (
    *("numpy dtype", "numpy ndarray", "numpy.core.multiarray scalar", "numpy.core.multiarray _reconstruct"),
    *("numpy._core.multiarray scalar", "numpy.core.numeric _frombuffer", "collections OrderedDict"),
    *("_codecs encode", "builtins tuple", "builtins bytes", "__builtin__ tuple"),
)
FOREIGN = ("os system", "posix system", "builtins eval", "numpy.core.multiarray fromfile", "numpy memmap")
FLOAT = (
    b"cnumpy\ndtype\nX\x02\0\0\0f4\x89\x88\x87R(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
)
"""NumPy's float32, as instructions."""
CANARY = "canary"
"""The file that appears where a mutant runs a command."""
NUMBERS = (0, 1, -1, 2, 3, 7, 32, 255, 256, 2**31 - 1, 2**31, 2**62, 2**63, -(2**63), 2**64, 2**200)


def named(name: str) -> bytes:
    """The instruction that imports "module name"."""
    return b"c" + name.replace(" ", "\n").encode() + b"\n"


def strays(random: Random) -> bool:
    """Whether the next choice is an odd one."""
    return random.randrange(ODDS) == 0


def dtype(random: Random, code: str = "") -> bytes:
    """A NumPy type, perhaps with odd arguments, perhaps with a state."""
    code = random.choice(ODD_CODES) if strays(random) else code or random.choice(list(SIZES))
    flags = random.choice([b"\x88\x88", b"NN", b"K\x00K\x00"]) if strays(random) else b"\x89\x88"
    made = named("numpy dtype") + text(code) + flags + b"\x87R"
    for _ in range(random.choice([0, 2]) if strays(random) else 1):
        made += dtype_state(random, code) + b"b"
    return made


def dtype_state(random: Random, code: str = "f4") -> bytes:
    """What BUILD may be given for a NumPy type."""
    size, alignment = (2, 1) if code == "V2" else (-1, -1)
    if strays(random):
        size, alignment = random.choice([0, 1, 8, 1 << 20]), random.choice([-1, 0, 8])
    fields = random.choice([b"N)}", text("f4") + b"NN", b"NK\x01\x85N"]) if strays(random) else b"NNN"
    version = random.choice([1, 2, 4]) if strays(random) else 3
    flags = random.choice(FLAGS) if strays(random) else 0
    order = random.choice(["O", "", "<<"]) if strays(random) else random.choice("<|>=")
    return b"".join(
        [b"(", number(version), text(order), fields, number(size), number(alignment), number(flags), b"t"]
    )


def shape(random: Random, sides: Sequence[int] = ()) -> bytes:
    """A tuple of sides."""
    if not sides or strays(random):
        sides = [random.choice([1, 2, 3, *NUMBERS]) for _ in range(random.choice([0, 1, 2, 3, 33]))]
    return b"(" + b"".join(map(number, sides)) + b"t"


def scalar(random: Random) -> bytes:
    """A NumPy number of whatever bytes."""
    code, size = random.choice(list(SIZES.items()))
    data = blob(bytes(size))
    if strays(random):
        data = random.choice([blob(b"A" * 8), blob(b""), text("AAAA"), b"N"])
    return named("numpy.core.multiarray scalar") + dtype(random, code) + data + b"\x86R"


def array(random: Random) -> bytes:
    """A NumPy array, with whatever state."""
    made = (
        named("numpy.core.multiarray _reconstruct")
        + named("numpy ndarray")
        + b"K\x00\x85"
        + blob(b"b")
        + b"\x87R"
    )
    code, size = random.choice(list(SIZES.items()))
    sides = random.choice([(), (1,), (2, 3), (0, 4), (1, 1, 1, 2)])
    data = blob(b"A" * (math.prod(sides) * size))
    if strays(random):
        data = random.choice([blob(b"A" * 8), blob(b""), b"]", b"N", text("A" * 8), b"]Na"])
    version = random.choice([0, 2]) if strays(random) else 1
    order = b"K\x01" if strays(random) else random.choice([b"\x88", b"\x89"])
    state = b"(" + number(version) + shape(random, sides) + dtype(random, code) + order + data + b"t"
    return made + (b"" if strays(random) else state + b"b")


def buffer(random: Random) -> bytes:
    """An array over bytes."""
    data = random.choice([blob(bytes(8)), b"\x96\x08\0\0\0\0\0\0\0" + bytes(8), b"N", text("x")])
    return (
        named("numpy.core.numeric _frombuffer")
        + b"("
        + data
        + dtype(random)
        + shape(random)
        + text("C")
        + b"tR"
    )


def container(random: Random) -> bytes:
    """Dictionaries and lists, within themselves, under odd keys, many times over."""
    key = random.choice([text("a"), number(5), b"N", b"]", b"}", b")", blob(b"k"), b"NN\x86", dtype(random)])
    return random.choice(
        [
            b"}" + key + b"Ns",
            b"}(" + key + b"N" + key + b"Nu",
            b"}\x94h\x00" + key + b"h\x00s",
            b"]\x94h\x00a",
            b"](NNe",
            b"N" + b"\x85" * random.choice([3, 40, 3000]),
            b"\x94h\x00\x86" * random.choice([2, 30]),
            named("collections OrderedDict")
            + random.choice([b")R", b"]\x85R", b")\x81"])
            + b"("
            + key
            + b"Nu",
            b"\x8f(NNN\x90",
            b"(NN\x91",
        ]
    )


def call(random: Random) -> bytes:
    """A call of something that may be imported, or may not."""
    name = random.choice(IMPORTS + IMPORTS + FOREIGN)
    arguments = random.choice(
        [
            b")",
            shape(random),
            b"N\x85",
            text(f"touch {CANARY}") + b"\x85",
            text("x") + text("latin1") + b"\x86",
        ]
    )
    return named(name) + arguments + random.choice([b"R", b"R", b"\x81", b"}\x92", b""])


def odd(random: Random) -> bytes:
    """Instructions that no checkpoint has, or with arguments at the limits."""
    return random.choice(
        [
            *(
                b"2",
                b"0",
                b"1",
                b"(",
                b"b",
                b"R",
                b"t",
                b"\x94",
                b"h\x00",
                b"h\x05",
                b"q\xff",
                b"r\xff\xff\xff\x7f",
            ),
            *(
                b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f",
                b"\x95\x00\x00\x00\x00\x00\x00\x00\x00",
                b"\x80\x05",
                b"\x80\xff",
            ),
            *(
                b"I" + b"9" * 5000 + b"\n",
                b"L12L\n",
                b"F1e999\n",
                b"Vx\\u0000\n",
                b"S'a'\n",
                b"g0\n",
                b"p0\n",
            ),
            *(
                b"\x8b\xff\xff\x00\x00" + b"\x01" * 65535,
                b"\x82\x01",
                b"P1\n",
                b"Q",
                b"\x97",
                b"\x98",
                b"o",
                b"d",
                b"l",
            ),
            *(
                b"G\x7f\xf8\0\0\0\0\0\0",
                b"X\x03\0\0\0\xed\xa0\x80",
                b"\x8c\x01\xff",
                b"U\x02\xff\xfe",
                b"\x8d" + b"\xff" * 8,
            ),
            *(
                number(random.choice(NUMBERS)),
                text("\0"),
                blob(b""),
                b"iposix\nsystem\n",
                b"\x93",
                b"a",
                b"e",
                b"s",
                b"u",
            ),
        ]
    )


GADGETS: tuple[Callable[[Random], bytes], ...] = (
    dtype,
    dtype_state,
    scalar,
    array,
    buffer,
    container,
    call,
    odd,
)


def with_changed_bytes(random: Random, data: bytes, _seeds: Sequence[bytes]) -> bytes:
    """Some bytes flipped, overwritten, dropped or put in."""
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 4, 16])):
        place = random.randrange(len(changed))
        kind = random.randrange(4)
        if kind == 0:
            changed[place] ^= 1 << random.randrange(8)
        elif kind == 1:
            changed[place] = random.randrange(256)
        elif kind == 2:
            del changed[place : place + random.choice([1, 1, 4, 30])]
        else:
            changed[place:place] = random.randbytes(random.choice([1, 2, 8]))
        if not changed:
            break
    return bytes(changed)


def with_moved_instructions(random: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Instructions dropped, doubled, exchanged, or taken from another file."""
    steps = list(instructions(data))
    for _ in range(random.choice([1, 1, 2, 3])):
        start = random.randrange(len(steps))
        length = random.choice([1, 1, 2, 5, 20])
        piece = steps[start : start + length]
        other = random.randrange(len(steps))
        kind = random.randrange(4)
        if kind == 0 and len(steps) > length:
            del steps[start : start + length]
        elif kind == 1:
            steps[other:other] = piece
        elif kind == 2:
            steps[start], steps[other] = steps[other], steps[start]
        else:
            foreign = instructions(random.choice(seeds))
            begin = random.randrange(len(foreign))
            steps[start:start] = foreign[begin : begin + length]
    return b"".join(steps)


def with_gadgets(random: Random, data: bytes, _seeds: Sequence[bytes]) -> bytes:
    """Instructions put in, or in place of a value, that an attacker would use."""
    steps = list(instructions(data))
    for _ in range(random.choice([1, 1, 2])):
        place = random.randrange(1, len(steps))
        made = random.choice(GADGETS)(random)
        if random.randrange(2):
            steps[place] = made
        else:
            steps.insert(place, made)
    return b"".join(steps)


def with_other_arguments(random: Random, data: bytes, _seeds: Sequence[bytes]) -> bytes:
    """Numbers, texts and bytes exchanged for others: of the file, or at the limits."""
    steps = list(instructions(data))
    kinds = {
        b"KMJ\x8a": [number(value) for value in NUMBERS],
        b"\x8cXU": [text(code) for code in (*SIZES, *ODD_CODES)],
    }
    kinds[b"CB"] = [blob(bytes(size)) for size in (0, 1, 2, 8, 100)]
    kinds[b"\x88\x89N"] = [b"\x88", b"\x89", b"N"]
    for _ in range(random.choice([1, 1, 2, 4])):
        codes, others = random.choice(list(kinds.items()))
        places = [place for place, step in enumerate(steps) if step[0] in codes]
        if places:
            place = random.choice(places)
            steps[place] = random.choice([*others, *(steps[one] for one in places)])
    return b"".join(steps)


def program(random: Random, _: bytes, seeds: Sequence[bytes]) -> bytes:
    """A program made up from nothing: a dictionary of odd values."""
    made = [b"\x80" + bytes([random.choice([2, 3, 4, 4, 5])]), b"}"]
    for place in range(random.randrange(1, 5)):
        value = random.choice([array, scalar, array, scalar, *GADGETS])(random)
        if strays(random):
            foreign = instructions(random.choice(seeds))
            begin = random.randrange(len(foreign))
            value = b"".join(foreign[begin : begin + random.randrange(1, 30)])
        made += [text(f"k{place}"), value, b"s"]
    return b"".join([*made, b"."])


KINDS = (with_changed_bytes, with_moved_instructions, with_gadgets, with_other_arguments, program)


def mutant(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One more pickle, of any kind, mutated once or twice."""
    kind = random.choice(KINDS)
    data = kind(random, random.choice(seeds), seeds)
    return with_changed_bytes(random, data, seeds) if data and random.randrange(12) == 0 else data
