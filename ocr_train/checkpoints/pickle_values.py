"""What a checkpoint's pickle may hold, and the few calls that may make it: nothing is made or called here.

Each allowed import has a function from its arguments to the value that stands for its result. Arguments and states
(BUILD) are closed lists: what paddle.save and PaddleOCR write with Paddle 2.5 to 3.x and NumPy 1 and 2, and nothing
else. For NumPy believes what it is told: a dtype with other flags, or bytes that are shorter than their shape says,
make it read memory that is not the file's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 32
"""Honest files have six levels. Python and Paddle walk values recursively, in C without a limit."""
MAX_PARTS = 2_000_000
"""So many values at most, each counted as often as it is reached: shared ones are walked again each time."""
MAX_SIDES = 16
MAX_ELEMENTS = 2**40
_SHORT = 16
_SIZES = {
    **{"b1": 1, "i1": 1, "i2": 2, "i4": 4, "i8": 8, "u1": 1, "u2": 2, "u4": 4, "u8": 8},
    **{"f2": 2, "f4": 4, "f8": 8, "c8": 8, "c16": 16, "V1": 1, "V2": 2},
}
"""NumPy's codes of plain types with their sizes in bytes. V1 and V2 are small floats that NumPy does not know."""


class Refused(Exception):  # noqa: N818 - it is the screening's verdict, never seen outside of it
    """The pickle is broken, or no honest writer would have written it."""


@dataclass(frozen=True)
class Name:
    """An import, not done: "module name"."""

    text: str


@dataclass(frozen=True)
class Text:
    """A long text, without its content; `latin1` says whether no character lies beyond U+00FF."""

    length: int
    latin1: bool


@dataclass(frozen=True)
class Blob:
    """Bytes: how many, and themselves where they are few."""

    length: int
    content: bytes | None = None

    @classmethod
    def of(cls, data: bytes) -> Blob:
        """The value that stands for `data`."""
        return cls(len(data), data if len(data) <= _SHORT else None)


class Compound:
    """What has parts. It is whole once it is a part itself: nothing is added to it from then on.

    So no value can hold itself, and depth, the number of values and the bytes of arrays in it are known exactly.
    """

    def __init__(self) -> None:
        self.whole = False
        self.depth = 0
        self.parts = 1
        self.size = 0

    def hold(self, values: Iterable[Any]) -> None:
        """Count `values` as parts; raises `Refused` for what is too deep or too much."""
        for value in values:
            if not isinstance(value, Compound):
                self.parts += 1
                continue
            value.whole = True
            self.depth = max(self.depth, value.depth + 1)
            self.parts += value.parts
            self.size += value.size
        if self.whole:
            raise Refused("it changes a value that is in use")
        if self.depth > MAX_DEPTH or self.parts > MAX_PARTS:
            raise Refused("its values are nested too deeply or repeated too often")


class Sequenced(Compound):
    """A tuple or a list of `items`."""

    def __init__(self, items: Sequence[Any] = ()) -> None:
        super().__init__()
        self.items: list[Any] = []
        self.extend(items)

    def extend(self, items: Sequence[Any]) -> None:
        """Add `items`."""
        self.hold(items)
        self.items += items


class Tuple(Sequenced):
    """A tuple."""


class List(Sequenced):
    """A list."""

    def extend(self, items: Sequence[Any]) -> None:
        """Add `items`, which are values."""
        _require_values(items)
        super().extend(items)


class Table(Compound):
    """A dictionary or OrderedDict, without hashing anything."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[Any, Any]] = []

    def set(self, pairs: Sequence[tuple[Any, Any]]) -> None:
        """Set items. Keys are texts or 32-bit numbers: nothing whose hash can be chosen or takes long."""
        for key, _ in pairs:
            if not (isinstance(key, (str, Text)) or (type(key) is int and abs(key) < 2**31)):
                raise Refused("it has a key that is neither a text nor a small number")
        values = [value for _, value in pairs]
        _require_values(values)
        self.hold(values)
        self.parts += len(pairs)
        self.pairs += pairs


class Dtype(Compound):
    """NumPy's type `code`, `size` bytes each; it can be used when its state is set, and then stays as it is."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code
        self.item_size = _SIZES[code]
        self.built = False

    def build(self, state: Any) -> None:
        """Set the state: version 3, byte order, no fields, NumPy's own size and alignment, no flags."""
        values = _items(state, 8)
        size, alignment = (self.item_size, 1) if self.code.startswith("V") else (-1, -1)
        wanted = [3, None, None, None, size, alignment, 0]
        if self.built or values[1] not in ("<", "|", "=", ">") or not _same([values[0], *values[2:]], wanted):
            raise Refused("it has a NumPy type in a state that no array has")
        self.built = True


class ArrayValue(Compound):
    """A NumPy array: `shape` and `dtype` are None until its state is set."""

    def __init__(self) -> None:
        super().__init__()
        self.shape: tuple[int, ...] | None = None
        self.dtype: Dtype | None = None

    def build(self, state: Any) -> None:
        """Set the state: version 1, shape, type, order, and the bytes of all elements."""
        values = _items(state, 5)
        if self.shape is not None or not _same(values[:1], [1]) or type(values[3]) is not bool:
            raise Refused("it has an array in a state that no array has")
        self.fill(values[1], values[2], values[4])

    def fill(self, shape: Any, dtype: Any, data: Any) -> None:
        """Take shape, type and bytes; raises `Refused` where they do not go together."""
        if not isinstance(shape, Tuple) or not isinstance(dtype, Dtype) or not dtype.built:
            raise Refused("it has an array without a shape or a plain type")
        sides = tuple(shape.items)
        plain = all(type(side) is int and 0 <= side <= MAX_ELEMENTS for side in sides)
        if not plain or len(sides) > MAX_SIDES or math.prod(max(side, 1) for side in sides) > MAX_ELEMENTS:
            raise Refused("it has an array of an impossible shape")
        if _byte_count(data) != math.prod(sides) * dtype.item_size:
            raise Refused("it has an array whose bytes do not fill its shape")
        self.shape, self.dtype = sides, dtype
        self.size = math.prod(sides) * dtype.item_size


class Scalar(Compound):
    """One NumPy number."""


def call(name: str, arguments: Any) -> Any:
    """The value that stands for calling the import `name` with the tuple `arguments`; raises `Refused`."""
    count, function = ALLOWED[name]
    fitting = isinstance(arguments, Tuple) and len(arguments.items) == count
    made = function(*arguments.items) if fitting else None
    if made is None:
        raise Refused(f"it calls {name.replace(' ', '.')} as no checkpoint does")
    return made


def _dtype(code: Any, align: Any, copy: Any) -> Dtype | None:
    # A copy: without it the state would be that of NumPy's own type, for the whole process.
    if code not in _SIZES or not any(_same((align, copy), flags) for flags in ((False, True), (0, 1))):
        return None
    return Dtype(code)


def _encode(text: Any, encoding: Any) -> Blob | None:
    if encoding not in ("latin1", "latin-1"):
        return None
    if isinstance(text, str) and _byte_count(text) >= 0:
        return Blob.of(text.encode("latin-1"))
    return Blob(text.length) if isinstance(text, Text) and text.latin1 else None


def _reconstruct(kind: Any, shape: Any, code: Any) -> ArrayValue | None:
    empty = isinstance(shape, Tuple) and _same(shape.items, [0])
    return ArrayValue() if kind == Name("numpy ndarray") and empty and code in (Blob(1, b"b"), "b") else None


def _scalar(dtype: Any, data: Any) -> Scalar | None:
    typed = isinstance(dtype, Dtype) and dtype.built and isinstance(data, Blob)
    return Scalar() if typed and data.length == dtype.item_size else None


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any) -> ArrayValue | None:
    if not isinstance(data, Blob) or order not in ("C", "F"):
        return None
    array = ArrayValue()
    array.fill(shape, dtype, data)
    return array


def _tensor(pair: Any) -> Tuple | None:
    """A Tensor: tuple((name, array)), which is the pair itself."""
    if not isinstance(pair, Tuple) or len(pair.items) != 2:
        return None
    name, array = pair.items
    return pair if isinstance(name, (str, Text)) and isinstance(array, ArrayValue) else None


_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUILTINS = ("builtins", "__builtin__")
ALLOWED: Mapping[str, tuple[int, Callable[..., Any]]] = {
    # An argument only; called, it could be asked for terabytes.
    "numpy ndarray": (0, lambda: None),
    "numpy dtype": (3, _dtype),
    # How protocol 2 writes bytes.
    "_codecs encode": (2, _encode),
    "collections OrderedDict": (0, Table),
    **{f"{module} tuple": (1, _tensor) for module in _BUILTINS},
    # b"" in protocol 2.
    **{f"{module} bytes": (0, lambda: Blob(0, b"")) for module in _BUILTINS},
    **{f"{module} _reconstruct": (3, _reconstruct) for module in _ARRAY_MODULES},
    **{f"{module} scalar": (2, _scalar) for module in _ARRAY_MODULES},
    **{f"{module} _frombuffer": (4, _frombuffer) for module in ("numpy.core.numeric", "numpy._core.numeric")},
}
"""What may be imported ("module name"), each with the number of its arguments and what makes a value of them, or
None where honest files have no such call."""


def stores_names(items: Iterable[Any]) -> bool:
    """Whether an import lies among values, bare or in a tuple: no checkpoint stores a class or a function."""
    return any(
        isinstance(item, Name)
        or (isinstance(item, Tuple) and any(isinstance(one, Name) for one in item.items))
        for item in items
    )


def _require_values(items: Iterable[Any]) -> None:
    if stores_names(items):
        raise Refused("it stores a class or a function")


def _items(value: Any, count: int) -> list[Any]:
    """The `count` items of a tuple; raises `Refused` for anything else."""
    if not isinstance(value, Tuple) or len(value.items) != count:
        raise Refused("it has a state that no checkpoint has")
    return value.items


def _same(values: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Whether they are equal, each of the very type: True is not 1."""
    return len(values) == len(wanted) and all(
        type(one) is type(other) and one == other for one, other in zip(values, wanted, strict=True)
    )


def _byte_count(data: Any) -> int:
    """The length of an array's bytes, which Python 2 wrote as a text; -1 for what is neither."""
    if isinstance(data, Blob):
        return data.length
    if isinstance(data, Text):
        return data.length if data.latin1 else -1
    return len(data) if isinstance(data, str) and all(one <= "\xff" for one in data) else -1
