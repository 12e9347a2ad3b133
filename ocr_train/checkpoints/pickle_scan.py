"""Screens pickles before anything loads them: a checkpoint's three files are programs for Python's unpickler.

    path -> opcodes (pickletools) -> a machine that only keeps track -> its arrays, or DataError

The machine follows stack, marks and memo as the unpickler does, but imports and calls nothing: so it knows for
certain which names a file would import, and with which arguments it would call them. Only what paddle.save and
PaddleOCR write is let through (Paddle 2.5 to 3.x with NumPy 1 and 2), in the protocols that they write (2 to 5):
which calls, arguments and states is in `pickle_values.py`. Opcodes: Python's Lib/pickletools.py.
"""

from __future__ import annotations

import contextlib
import mmap
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ocr_train.checkpoints import pickle_values as values
from ocr_train.checkpoints.pickle_values import ALLOWED, Blob, List, Name, Refused, Table, Text, Tuple
from ocr_train.errors import DataError
from ocr_train.ocr_engine.files import open_regular

MAX_OPCODES = 2_000_000
"""A model of a thousand arrays takes 40,000; more than this is no table of arrays, and minutes to read."""
MAX_NAMED = 8
MAX_TEXT = 512
MAX_PROTOCOL = 5
SHARED = 8
"""The arrays of a file together have at most so many times its bytes: tied weights are stored once and loaded twice."""
_SPARE_BYTES = 1 << 20
_PARTS_OF_LARGE = "UnpackBigParamInfor@@"
"""Under this key paddle.save says in which parts it stored an array of more than 2**30 bytes; paddle.load joins them."""


@dataclass(frozen=True, kw_only=True)
class Array:
    """An array in a pickle: its shape and NumPy's code of its type, such as "f4"."""

    shape: tuple[int, ...]
    dtype: str


def screen(path: Path) -> Mapping[str, Array]:
    """The arrays of the dictionary that the pickle at `path` holds, by name and in its order: read without running any
    of it. Raises `DataError` where it is not harmless.

    Whatever would be imported beyond the allow-list is named; a torn or foreign file is refused, too.
    """
    machine = _Machine()
    try:
        with open_regular(path) as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            machine.run(data)
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    except Exception as exc:
        # Whatever foreign bytes make pickletools raise.
        if not machine.foreign:
            raise DataError(
                f"{path} is not a pickle that PaddleOCR writes: {exc or type(exc).__name__}.",
                hint="It is damaged or something else: take another checkpoint.",
            ) from exc
    if machine.foreign:
        names = ", ".join(map(repr, machine.foreign))
        raise DataError(
            f"{path} would import {names}: PaddleOCR would run that while it loads the file.",
            hint="No checkpoint of PaddleOCR needs this. Do not load the file; find out where it comes from.",
        )
    return _arrays(machine.result)


def _arrays(result: Any) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for name, value in result.pairs if isinstance(result, Table) else ():
        array = _array(value)
        if isinstance(name, str) and array is not None:
            found[name] = array
    return found


def _array(value: Any) -> Array | None:
    """The array that `value` would become: bare, or as a Tensor's (name, array) of paddle.save."""
    if isinstance(value, Tuple) and len(value.items) == 2 and isinstance(value.items[0], (str, Text)):
        value = value.items[1]
    if not isinstance(value, values.ArrayValue) or value.shape is None or value.dtype is None:
        return None
    return Array(shape=value.shape, dtype=value.dtype.code)


def _require_small_result(result: Any, size: int) -> None:
    """Raise `Refused` where the arrays take far more memory than the file of `size` bytes."""
    if isinstance(result, Name) or (isinstance(result, Tuple) and values.stores_names(result.items)):
        raise Refused("it stores a class or a function")
    if isinstance(result, values.Compound) and result.size > SHARED * size + _SPARE_BYTES:
        raise Refused("it would take all memory")
    if isinstance(result, Table):
        _require_whole_parts(dict(result.pairs).get(_PARTS_OF_LARGE))


def _require_whole_parts(table: Any) -> None:
    """Raise `Refused` where a large array would be joined from anything but parts of its own: one part, joined
    thousands of times, takes all memory."""
    if table is None:
        return
    described = [one for _, one in table.pairs] if isinstance(table, Table) else [None]
    slices = [dict(one.pairs).get("slices") if isinstance(one, Table) else None for one in described]
    names = [name if isinstance(name, str) else "" for one in slices for name in getattr(one, "items", [""])]
    if "" in names or len(set(names)) < len(names):
        raise Refused("it joins arrays as no checkpoint does")


_PUSHED = frozenset(["BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"])
_TEXTS = frozenset(["BINSTRING", "SHORT_BINSTRING", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"])
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
        """Follow the opcodes up to STOP; raises `Refused` or whatever pickletools does."""
        self._size = len(data)
        # It only reads, readline()s and tell()s, which a map of a file can do: nothing is copied twice.
        steps = enumerate(pickletools.genops(data))  # type: ignore[arg-type]
        try:
            self._follow(steps, data)
        except Refused:
            # Only to say more of what has been refused.
            with contextlib.suppress(Exception):
                for _, (opcode, argument, _) in islice(steps, MAX_OPCODES):
                    if opcode.name in ("GLOBAL", "INST"):
                        self.named(str(argument))
            raise

    def _follow(self, steps: Any, data: mmap.mmap) -> None:
        for count, (opcode, argument, position) in steps:
            if count > MAX_OPCODES:
                raise Refused(f"it has more than {MAX_OPCODES} instructions")
            name = opcode.name
            if name in _PUSHED:
                self._stack.append(argument)
            elif name in _TEXTS:
                self._stack.append(argument if len(argument) <= MAX_TEXT else _long_text(argument))
            elif name in _BYTES:
                self._stack.append(Blob.of(argument))
            elif name == "FRAME" and argument > self._size - data.tell():
                raise Refused("it ends too early")
            elif name in ("GLOBAL", "INST") and _has_backslash(data, position or 0):
                # pickletools reads it as something else.
                raise Refused("it imports a name with a backslash")
            elif (step := _STEPS.get(name)) is None:
                if name == "INST":
                    self.named(argument)
                raise Refused(f"it has the instruction {name}")
            else:
                step(self, argument)

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> Any:
        """Take the uppermost value, which must lie above the last mark."""
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise Refused("it takes more values than there are")
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
            raise Refused("it has no mark where one is needed")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def put(self, index: Any) -> None:
        """Remember the uppermost value, under the next number as every writer does (MEMOIZE has it implied)."""
        if index not in (None, len(self._memo)):
            raise Refused("it would take all memory")
        self._memo[len(self._memo)] = self.top()

    def get(self, index: Any) -> None:
        """Put a remembered value on the stack."""
        if index not in self._memo:
            raise Refused("it reads a value that it never stored")
        self.push(self._memo[index])

    def named(self, text: str) -> Name:
        """The import of `text` ("module name"); one that is not allowed is noted."""
        if text not in ALLOWED:
            shown = text.replace(" ", ".")[:MAX_TEXT]
            if shown not in self.foreign:
                self.foreign.append(shown)
            if len(self.foreign) >= MAX_NAMED:
                raise Refused("it imports too much")
        return Name(text)

    def stack_name(self, _: Any) -> None:
        """STACK_GLOBAL: module and name lie on the stack, put there or remembered."""
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str) or " " in module + name:
            raise Refused("it imports a name that it makes up while it is loaded")
        self.push(self.named(f"{module} {name}"))

    def call(self, _: Any) -> None:
        """REDUCE: the value that the call would make, in place of it."""
        arguments, callee = self.pop(), self.pop()
        if not isinstance(callee, Name):
            raise Refused("it calls something that is not an import")
        # Else it is refused at the end, with all others of its kind.
        known = callee.text in ALLOWED
        self.push(values.call(callee.text, arguments) if known else values.Scalar())

    def build(self, _: Any) -> None:
        """BUILD: the state of the array or type below it."""
        state, target = self.pop(), self.top()
        if not isinstance(target, (values.ArrayValue, values.Dtype)) or target.whole:
            raise Refused("it changes an object that it did not create")
        target.build(state)

    def set_items(self, items: list[Any]) -> None:
        """Into the dictionary that is uppermost."""
        target = self.top()
        if not isinstance(target, Table) or len(items) % 2:
            raise Refused("it sets items of something that is not a dictionary, or a key without a value")
        target.set(list(zip(items[::2], items[1::2], strict=True)))

    def extend(self, items: list[Any]) -> None:
        """Into the list that is uppermost."""
        target = self.top()
        if not isinstance(target, List):
            raise Refused("it appends to something that is not a list")
        target.extend(items)

    def stop(self, _: Any) -> None:
        """The end: the one value that is left is the result."""
        self.result = self.pop()
        if self._stack or self._marks:
            raise Refused("it leaves values over at its end")
        _require_small_result(self.result, self._size)


def _long_text(text: str) -> Text:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return Text(len(text), latin1=False)
    return Text(len(text), latin1=True)


def _has_backslash(data: mmap.mmap, position: int) -> bool:
    """Whether one of the two lines that follow the instruction at `position` has a backslash."""
    lines = data[position : position + MAX_TEXT].split(b"\n", 2)
    return any(b"\\" in line for line in lines[:2])


def _constant(value: Any) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        machine.push(value)

    return step


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


def _last(count: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        taken = [machine.pop() for _ in range(count)]
        machine.push(Tuple(taken[::-1]))

    return step


def _protocol(_: _Machine, number: Any) -> None:
    if number > MAX_PROTOCOL:
        raise Refused(f"it has the protocol {number}")


def _frame(_: _Machine, length: Any) -> None:
    """How the file is read, not what is in it."""


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **{name: _constant(value) for name, value in _CONSTANTS.items()},
    **{"PROTO": _protocol, "FRAME": _frame, "STOP": _Machine.stop, "MARK": _Machine.mark},
    **{"BINPUT": _Machine.put, "LONG_BINPUT": _Machine.put, "MEMOIZE": _Machine.put},
    **{"BINGET": _Machine.get, "LONG_BINGET": _Machine.get},
    "GLOBAL": lambda machine, text: machine.push(machine.named(text)),
    "STACK_GLOBAL": _Machine.stack_name,
    **{"REDUCE": _Machine.call, "BUILD": _Machine.build},
    **{"EMPTY_TUPLE": _last(0), "TUPLE1": _last(1), "TUPLE2": _last(2), "TUPLE3": _last(3)},
    "TUPLE": lambda machine, _: machine.push(Tuple(machine.above_mark())),
    "EMPTY_LIST": lambda machine, _: machine.push(List()),
    "APPEND": lambda machine, _: machine.extend([machine.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.above_mark()),
    "EMPTY_DICT": lambda machine, _: machine.push(Table()),
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.set_items(machine.above_mark()),
}
"""What the machine does for each instruction. Left out, and so refused, are those that no checkpoint has: the text
forms of protocol 0, DUP and POP, sets, extensions (EXT), persistent ids, NEWOBJ, buffers out of band."""
