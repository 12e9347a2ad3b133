"""The closed lists of what a checkpoint's pickle may hold: each value is refused for one odd thing alone."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.errors import DataError
from tests.pickle_mutations import FLOAT, blob, number, text


def written(folder: Path, data: bytes) -> Path:
    """The bytes as a file."""
    path = folder / "model.pdparams"
    path.write_bytes(data)
    return path


def called(name: str, *arguments: bytes) -> bytes:
    """The instructions that call the import "module name"."""
    return b"c" + name.replace(" ", "\n").encode() + b"\n(" + b"".join(arguments) + b"tR"


def typed(*, code: str = "f4", flags: bytes = b"\x89\x88", state: bytes = b"") -> bytes:
    """A NumPy type as instructions; the state is an honest one unless given."""
    honest = b"(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    return called("numpy dtype", text(code), flags) + (state or honest)


def dtype_state(
    fields: bytes = b"NNN", sizes: tuple[int, int] = (-1, -1), flags: int = 0, version: int = 3
) -> bytes:
    """A state for a NumPy type, and BUILD."""
    return b"(" + number(version) + text("<") + fields + b"".join(map(number, (*sizes, flags))) + b"tb"


def an_array(
    shape: bytes, data: bytes, dtype: bytes = FLOAT, order: bytes = b"\x89", version: int = 1
) -> bytes:
    """An array as instructions."""
    made = called("numpy.core.multiarray _reconstruct", b"cnumpy\nndarray\n", b"K\0\x85", blob(b"b"))
    return made + b"(" + number(version) + shape + dtype + order + data + b"tb"


SCALAR = "numpy.core.multiarray scalar"
BUFFER = "numpy.core.numeric _frombuffer"
TWO = b"K\x02\x85"
HONEST: dict[str, bytes] = {
    "type": typed(),
    "type of older NumPy": typed(flags=b"K\0K\x01"),
    "bfloat16 by name": typed(code="V2", state=dtype_state(sizes=(2, 1))),
    "scalar": called(SCALAR, typed(), blob(bytes(4))),
    "array": an_array(TWO, blob(bytes(8))),
    "array of no elements": an_array(b"K\0K\x09\x86", blob(b"")),
    "array of one number": an_array(b")", blob(bytes(4))),
    "array in Fortran's order": an_array(TWO, blob(bytes(8)), order=b"\x88"),
    "array in protocol 2": an_array(TWO, called("_codecs encode", text("12345678"), text("latin1"))),
    "array of Python 2": an_array(TWO, b"U\x08" + b"\xff" * 8),
    "buffer": called(BUFFER, blob(bytes(8)), typed(), TWO, text("C")),
    "tensor": called("builtins tuple", text("w") + an_array(TWO, blob(bytes(8))) + b"\x86"),
    "ordered": called("collections OrderedDict") + text("a") + b"Ns",
    "number as a key": b"}K\x05Ns",
}
EVIL_VALUES: dict[str, bytes] = {
    **{
        f"type {code}": typed(code=code)
        for code in ("O", "O8", "|O", "S8", "U2", "M8[s]", "V8", "f4,O", "V", "")
    },
    "type as a number": called("numpy dtype", b"K\x05", b"\x89\x88"),
    "type that is not a copy": typed(flags=b"\x89\x89"),
    "type that is aligned": typed(flags=b"\x88\x88"),
    "type without flags": called("numpy dtype", text("f4")),
    "type with metadata": called("numpy dtype", text("f4"), b"\x89\x88", b"}"),
    "flags in a state": typed(state=dtype_state(flags=0x20)),
    "flags below zero": typed(state=dtype_state(flags=-1)),
    "size in a state": typed(state=dtype_state(sizes=(1 << 20, -1))),
    "alignment in a state": typed(state=dtype_state(sizes=(-1, 0))),
    "fields in a state": typed(state=dtype_state(fields=b"N)}")),
    "a subarray in a state": typed(state=dtype_state(fields=FLOAT + TWO + b"\x86NN")),
    "another version of a state": typed(state=dtype_state(version=4)),
    "a state that is true": typed(state=dtype_state(fields=b"NN\x89")),
    "a type built twice": typed() + dtype_state(),
    "a type built after its use": b"(" + typed(state=b"\x94") + b"]h\0ah\0" + dtype_state() + b"t",
    "a type used before it is built": called(SCALAR, typed(state=b"\x94"), blob(bytes(4))),
    "a size of void": typed(code="V2", state=dtype_state(sizes=(8, 1))),
    "scalar of few bytes": called(SCALAR, typed(code="f8"), blob(bytes(4))),
    "scalar of many bytes": called(SCALAR, typed(), blob(bytes(8))),
    "scalar of a text": called(SCALAR, typed(), text("1234")),
    "scalar without bytes": called(SCALAR, typed()),
    "scalar of an array": called(SCALAR, an_array(TWO, blob(bytes(8))), blob(bytes(4))),
    "array of few bytes": an_array(TWO, blob(bytes(4))),
    "array of many bytes": an_array(TWO, blob(bytes(16))),
    "array below zero": an_array(number(-2) + b"\x85", blob(b"")),
    "array of true": an_array(b"\x88\x85", blob(bytes(4))),
    "array whose size overflows": an_array(number(2**62) + number(4) + b"\x86", blob(b"")),
    "array of no elements but exabytes": an_array(number(2**62) + b"K\0" + b"\x86", blob(b"")),
    "array of many sides": an_array(b"(" + b"K\x01" * 40 + b"t", blob(bytes(4))),
    "array of objects": an_array(TWO, b"](NNe", typed(code="O")),
    "array of a list": an_array(TWO, b"](NNe"),
    "array with a number for its order": an_array(TWO, blob(bytes(8)), order=b"K\x01"),
    "array of another version": an_array(TWO, blob(bytes(8)), version=0),
    "array without a type": an_array(TWO, blob(bytes(8)), text("f4")),
    "array built twice": an_array(TWO, blob(bytes(8)))
    + b"(K\x01"
    + TWO
    + FLOAT
    + b"\x89"
    + blob(bytes(8))
    + b"tb",
    "array of another class": called("numpy.core.multiarray _reconstruct", b"N", b"K\0\x85", blob(b"b")),
    "array of another code": called(
        "numpy.core.multiarray _reconstruct", b"cnumpy\nndarray\n", b"K\0\x85", blob(b"O")
    ),
    "text beyond latin1": an_array(b"K\x01\x85", text("กขคง")),
    "encoding beyond latin1": called("_codecs encode", text("ก"), text("latin1")),
    "buffer of few bytes": called(BUFFER, blob(bytes(4)), typed(), TWO, text("C")),
    "buffer of objects": called(BUFFER, blob(bytes(16)), typed(code="O"), TWO, text("C")),
    "buffer in no order": called(BUFFER, blob(bytes(8)), typed(), TWO, text("K")),
    "buffer of a shape below zero": called(BUFFER, blob(bytes(8)), typed(), number(-1) + b"\x85", text("C")),
    "buffer that is built": called(BUFFER, blob(bytes(8)), typed(), TWO, text("C")) + b"(NNNNNtb",
    "tensor of a list": called("builtins tuple", b"](NNe"),
    "tensor without an array": called("builtins tuple", text("w") + b"N\x86"),
    "tensor without a name": called("builtins tuple", b"N" + an_array(TWO, blob(bytes(8))) + b"\x86"),
    "ordered pairs": called("collections OrderedDict", b"]"),
    "ordered with a state": called("collections OrderedDict") + b"}" + text("a") + b"Nsb",
    "dictionary with a state": b"}}b",
    "a class as a value": b"](cnumpy\nndarray\nNe",
    "a class in a tuple": b"]cnumpy\nndarray\n\x85a",
    "list in itself": b"]\x94h\0a",
    "dictionary in itself": b"}\x94" + text("a") + b"h\0s",
    "list in a list in itself": b"]\x94]h\0ah\0h\x01a",
    "a tuple as a key": b"}N\x85Ns",
    "a list as a key": b"}]Ns",
    "bytes as a key": b"}" + blob(b"a") + b"Ns",
    "a huge number as a key": b"}" + number(2**61 - 1) + b"Ns",
    "true as a key": b"}\x88Ns",
    "set": b"\x8f(NNN\x90",
    "frozen set": b"(NN\x91",
    "new object": b"cnumpy\ndtype\n" + text("f4") + b"\x85\x81",
    "new object with names": b"ccollections\nOrderedDict\n)}\x92",
    "nothing but marks": b"(((N",
    "a value left over": b"NN",
    "a buffer out of band": b"\x97",
}


@pytest.mark.parametrize("name", HONEST)
def test_what_writers_write_passes(tmp_path: Path, name: str) -> None:
    """The values of the tests below are refused for what is odd in them alone; Python loads these, too."""
    data = b"\x80\x04}" + text("a") + HONEST[name] + b"s."
    screen(written(tmp_path, data))
    pickle.loads(data, encoding="latin1")  # noqa: S301 - made in this file


@pytest.mark.parametrize("name", EVIL_VALUES)
def test_arguments_and_states_are_closed_lists(tmp_path: Path, name: str) -> None:
    """NumPy believes what it is told; so nothing is told to it that no checkpoint says."""
    with pytest.raises(DataError, match="not a pickle that PaddleOCR writes"):
        screen(written(tmp_path, b"\x80\x04}" + text("a") + EVIL_VALUES[name] + b"s."))
