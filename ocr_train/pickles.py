"""Screens pickles before anything loads them: a checkpoint's three files are programs for Python's unpickler.

    path -> opcodes (pickletools) -> a machine that only keeps track -> Screened, or DataError

The machine follows stack, marks and memo as the unpickler does, but imports and calls nothing: so it knows for
certain which names a file would import, and with which arguments it would call them. Only what paddle.save and
PaddleOCR write is let through (Paddle 2.5 to 3.x with NumPy 1 and 2). Opcodes: Python's Lib/pickletools.py.
"""

from __future__ import annotations

import mmap
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.errors import DataError

MAX_OPCODES = 2_000_000
"""A model of a thousand arrays takes 40,000; more than this is no table of arrays, and minutes to read."""
MAX_NAMED = 8
MAX_TEXT = 512
_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_BLOB = object()
"""Stands for bytes and long texts: their content decides nothing."""


@dataclass(frozen=True, kw_only=True)
class Array:
    """An array in a pickle: its shape and NumPy's code of its type, such as "f4"."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, kw_only=True)
class Screened:
    """What a harmless pickle holds: the arrays of its dictionary by name, in its order."""

    arrays: Mapping[str, Array]


@dataclass(frozen=True)
class _Name:
    """An import, not done."""

    text: str


@dataclass(eq=False)
class _Call:
    """A call, not made; `state` is what BUILD would hand to the result."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


@dataclass(eq=False)
class _Table:
    """A dictionary, without hashing anything."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)


class _Refused(Exception):  # noqa: N818 - it is the screening's verdict, never seen outside this module
    """The pickle is broken, or no honest writer would have written it."""


def screen(path: Path) -> Screened:
    """Read the pickle at `path` without running any of it; raises `DataError` where it is not harmless.

    Whatever would be imported beyond the allow-list is named; a torn or foreign file is refused, too.
    """
    machine = _Machine()
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            machine.run(data)
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    except Exception as exc:  # whatever foreign bytes make pickletools raise
        if not machine.foreign:
            raise DataError(
                f"{path} is no pickle that PaddleOCR writes: {exc or type(exc).__name__}.",
                hint="It is damaged or something else: take another checkpoint.",
            ) from exc
    if machine.foreign:
        names = ", ".join(map(repr, machine.foreign))
        raise DataError(
            f"{path} would import {names}: PaddleOCR would run that while it loads the file.",
            hint="No checkpoint of PaddleOCR needs this. Do not load the file; find out where it comes from.",
        )
    return Screened(arrays=_arrays(machine.result))


def _arrays(result: Any) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for name, value in result.pairs if isinstance(result, _Table) else ():
        array = _array(value)
        if isinstance(name, str) and array is not None:
            found[name] = array
    return found


def _array(value: Any) -> Array | None:
    """The array that `value` would become: bare, or as a Tensor's (name, array) of paddle.save."""
    if not isinstance(value, _Call):
        return None
    if value.name.endswith(" tuple") and value.arguments and isinstance(value.arguments[0], tuple):
        inner = value.arguments[0]
        return _array(inner[1]) if len(inner) == 2 else None
    shape, dtype = None, None
    if value.name.endswith(" _reconstruct") and isinstance(value.state, tuple) and len(value.state) == 5:
        shape, dtype = value.state[1:3]
    elif value.name.endswith(" _frombuffer") and len(value.arguments) >= 3:
        dtype, shape = value.arguments[1:3]
    if not isinstance(shape, tuple) or not all(type(side) is int for side in shape):
        return None
    code = dtype.arguments[0] if isinstance(dtype, _Call) and dtype.arguments else ""
    return Array(shape=shape, dtype=code if isinstance(code, str) else "")


def _never(arguments: tuple[Any, ...]) -> bool:
    return False


def _no_arguments(arguments: tuple[Any, ...]) -> bool:
    return not arguments


def _any_arguments(arguments: tuple[Any, ...]) -> bool:
    return True


def _latin1(arguments: tuple[Any, ...]) -> bool:
    return len(arguments) == 2 and arguments[1] in ("latin1", "latin-1")


def _empty_array(arguments: tuple[Any, ...]) -> bool:
    return len(arguments) == 3 and arguments[0] == _Name("numpy ndarray") and arguments[1] == (0,)


Allowed = Callable[[tuple[Any, ...]], bool]
_ALLOWED: dict[str, Allowed] = {
    "numpy ndarray": _never,  # an argument only; called, it could be asked for terabytes
    "numpy dtype": _any_arguments,
    "_codecs encode": _latin1,  # how protocol 2 writes bytes
    "collections OrderedDict": _any_arguments,
    **{
        f"{module} tuple": _any_arguments for module in ("builtins", "__builtin__")
    },  # a Tensor's (name, array)
    **{f"{module} bytes": _no_arguments for module in ("builtins", "__builtin__")},  # b"" in protocol 2
    **{f"{module} _reconstruct": _empty_array for module in _ARRAY_MODULES},
    **{f"{module} scalar": _any_arguments for module in _ARRAY_MODULES},
    **{f"{module} _frombuffer": _any_arguments for module in ("numpy.core.numeric", "numpy._core.numeric")},
}
"""What may be imported ("module name"), each with the calls of it that honest files make."""

_PUSHED = frozenset(
    [
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE"),
        *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    ]
)
_BYTES = frozenset(["BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"])
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


class _Machine:
    """Follows a pickle as the unpickler would. `foreign` are the imports that are not allowed, `result` what
    the pickle comes to."""

    def __init__(self) -> None:
        self.foreign: list[str] = []
        self.result: Any = None
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._size = 0

    def run(self, data: mmap.mmap) -> None:
        """Follow the opcodes up to STOP; raises `_Refused` or whatever pickletools does."""
        self._size = len(data)
        # It only reads, readline()s and tell()s, which a map of a file can do: nothing is copied twice.
        for count, (opcode, argument, position) in enumerate(pickletools.genops(data)):  # type: ignore[arg-type]
            if count > MAX_OPCODES:
                raise _Refused(f"it has more than {MAX_OPCODES} instructions")
            name = opcode.name
            if name in _PUSHED:
                plain = not isinstance(argument, str) or len(argument) <= MAX_TEXT
                self._stack.append(argument if plain else _BLOB)
            elif name in _BYTES:
                self._stack.append(_BLOB)
            elif name in ("GLOBAL", "INST") and _has_backslash(data, position or 0):
                raise _Refused("it imports a name with a backslash")  # pickletools reads it as something else
            elif (step := _STEPS.get(name)) is None:
                raise _Refused(f"it has the instruction {name}")
            else:
                step(self, argument)

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> Any:
        """Take the uppermost value, which must lie above the last mark."""
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise _Refused("it takes more than there is")
        return self._stack.pop()

    def top(self) -> Any:
        """The uppermost value."""
        self.push(value := self.pop())
        return value

    def mark(self, _: Any) -> None:
        """Set a mark."""
        self._marks.append(len(self._stack))

    def above_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        if not self._marks:
            raise _Refused("it has no mark where one is needed")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def discard(self, _: Any) -> None:
        """POP: the uppermost value, or the mark where that is uppermost."""
        if self._marks and len(self._stack) == self._marks[-1]:
            self._marks.pop()
        else:
            self.pop()

    def put(self, index: Any) -> None:
        """Remember the uppermost value; MEMOIZE counts by itself."""
        index = len(self._memo) if index is None else index
        if not 0 <= index <= self._size:  # each remembered object takes a byte at least
            raise _Refused("it would take all memory")
        self._memo[index] = self.top()

    def get(self, index: Any) -> None:
        """Put a remembered value on the stack."""
        if index not in self._memo:
            raise _Refused("it asks for what it never remembered")
        self.push(self._memo[index])

    def named(self, text: str) -> _Name:
        """The import of `text` ("module name"); one that is not allowed is noted."""
        if text not in _ALLOWED:
            shown = text.replace(" ", ".")[:MAX_TEXT]
            if shown not in self.foreign:
                self.foreign.append(shown)
            if len(self.foreign) >= MAX_NAMED:
                raise _Refused("it imports too much")
        return _Name(text)

    def stack_name(self, _: Any) -> None:
        """STACK_GLOBAL: module and name lie on the stack, put there or remembered."""
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str) or " " in module + name:
            raise _Refused("it imports a name that it makes up while it is loaded")
        self.push(self.named(f"{module} {name}"))

    def call(self, callee: Any, arguments: Any) -> None:
        """Note the call in place of its result."""
        if not isinstance(callee, _Name) or not isinstance(arguments, tuple):
            raise _Refused("it calls something that is no import")
        allowed = _ALLOWED.get(callee.text)
        if allowed is not None and not allowed(arguments):
            raise _Refused(f"it calls {callee.text.replace(' ', '.')} as no checkpoint does")
        self.push(_Call(callee.text, arguments))

    def build(self, _: Any) -> None:
        """BUILD: the state of the object below it."""
        state, target = self.pop(), self.top()
        if not isinstance(target, _Call) or target.state is not None:
            raise _Refused("it changes what it did not make")
        target.state = state

    def set_items(self, items: list[Any]) -> None:
        """Into the dictionary (or OrderedDict) that is uppermost."""
        target = self.top()
        if len(items) % 2:
            raise _Refused("it has a key without a value")
        if isinstance(target, _Table):
            target.pairs.extend(zip(items[::2], items[1::2], strict=True))
        elif not (isinstance(target, _Call) and target.name == "collections OrderedDict"):
            raise _Refused("it sets items of what is no dictionary")

    def extend(self, items: list[Any]) -> None:
        """Into the list (or set) that is uppermost."""
        target = self.top()
        if not isinstance(target, list):
            raise _Refused("it appends to what is no list")
        target.extend(items)

    def stop(self, _: Any) -> None:
        """The end: what is uppermost is the result."""
        self.result = self.pop()


def _has_backslash(data: mmap.mmap, position: int) -> bool:
    """Whether one of the two lines that follow the instruction at `position` has a backslash."""
    lines = data[position : position + MAX_TEXT].split(b"\n", 2)
    return any(b"\\" in line for line in lines[:2])


def _constant(value: Any) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        machine.push(value)

    return step


def _pop_mark(machine: _Machine, _: Any) -> None:
    machine.above_mark()


def _instance(machine: _Machine, text: Any) -> None:
    arguments = tuple(machine.above_mark())
    machine.call(machine.named(text), arguments)


def _object(machine: _Machine, _: Any) -> None:
    callee, *arguments = machine.above_mark() or [None]
    machine.call(callee, tuple(arguments))


def _reduce(machine: _Machine, _: Any) -> None:
    arguments = machine.pop()
    machine.call(machine.pop(), arguments)


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


def _new_table(machine: _Machine, _: Any) -> None:
    items = machine.above_mark()
    machine.push(_Table())
    machine.set_items(items)


def _last(count: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.push(tuple(reversed(values)))

    return step


def _ignore(machine: _Machine, _: Any) -> None:
    """FRAME and PROTO say how the file is read, not what is in it."""


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **{name: _constant(value) for name, value in _CONSTANTS.items()},
    **{"PROTO": _ignore, "FRAME": _ignore, "STOP": _Machine.stop, "MARK": _Machine.mark},
    **{"PUT": _Machine.put, "BINPUT": _Machine.put, "LONG_BINPUT": _Machine.put, "MEMOIZE": _Machine.put},
    **{"GET": _Machine.get, "BINGET": _Machine.get, "LONG_BINGET": _Machine.get},
    "POP": _Machine.discard,
    "POP_MARK": _pop_mark,
    "DUP": lambda machine, _: machine.push(machine.top()),
    "GLOBAL": lambda machine, text: machine.push(machine.named(text)),
    "STACK_GLOBAL": _Machine.stack_name,
    **{"REDUCE": _reduce, "NEWOBJ": _reduce, "INST": _instance, "OBJ": _object, "BUILD": _Machine.build},
    **{"EMPTY_TUPLE": _last(0), "TUPLE1": _last(1), "TUPLE2": _last(2), "TUPLE3": _last(3)},
    **{name: lambda machine, _: machine.push([]) for name in ("EMPTY_LIST", "EMPTY_SET")},
    "TUPLE": lambda machine, _: machine.push(tuple(machine.above_mark())),
    **{name: lambda machine, _: machine.push(machine.above_mark()) for name in ("LIST", "FROZENSET")},
    "APPEND": lambda machine, _: machine.extend([machine.pop()]),
    **{name: lambda machine, _: machine.extend(machine.above_mark()) for name in ("APPENDS", "ADDITEMS")},
    "EMPTY_DICT": lambda machine, _: machine.push(_Table()),
    "DICT": _new_table,
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.set_items(machine.above_mark()),
}
"""What the machine does for each instruction. Left out, and so refused: EXT1/2/4, PERSID, BINPERSID,
NEWOBJ_EX, NEXT_BUFFER, READONLY_BUFFER, which no checkpoint has."""
