"""What a pickle may hold before PaddleOCR loads it, and what no trick gets past the screening."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ocr_train.checkpoints.pickle_scan import MAX_OPCODES, Array, screen
from ocr_train.checkpoints.pickle_values import ALLOWED
from ocr_train.errors import DataError
from tests.builders import states_bytes
from tests.pickle_mutations import FLOAT


def written(folder: Path, data: bytes) -> Path:
    """The bytes as a file."""
    path = folder / "model.pdparams"
    path.write_bytes(data)
    return path


class Calls:
    """An object whose pickle calls `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


REAL_FILES = Path(__file__).parents[1] / "data" / "pickles"
WEIGHTS: dict[str, Any] = {
    "conv.weight": np.zeros((8, 3, 3, 3), np.float32),
    "fc.bias": np.asfortranarray(np.ones((2, 5))),
    "count": np.float64(3.0),
    "empty": b"",
    "LR_Scheduler": {"last_epoch": 3, "last_lr": 0.001},
    "ordered": OrderedDict(a=1),
    "StructuredToParameterName@@": {"conv.weight": "conv2d_0.w_0"},
}
SHAPES = {"conv.weight": Array(shape=(8, 3, 3, 3), dtype="f4"), "fc.bias": Array(shape=(2, 5), dtype="f8")}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("numpy2", [False, True])
def test_a_checkpoint_passes_and_its_shapes_are_read(tmp_path: Path, protocol: int, numpy2: bool) -> None:
    """In every protocol that paddle.save offers, with the module names of NumPy 1 and 2."""
    data = pickle.dumps(WEIGHTS, protocol=protocol)
    if protocol < 4:  # lines: their length is free
        old, new = (b"numpy._core.", b"numpy.core.")[:: -1 if numpy2 else 1]
        data = data.replace(old, new)
    assert dict(screen(written(tmp_path, data))) == SHAPES


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_both_names_of_numpy_pass_in_the_newer_protocols(tmp_path: Path, module: str) -> None:
    """STACK_GLOBAL takes its names from the stack, where they lie as texts."""
    text = module.encode()
    name = b"\x8c" + bytes([len(text)]) + text + b"\x8c\x06scalar\x93"
    screen(written(tmp_path, b"\x80\x04" + name + FLOAT + b"C\x04" + bytes(4) + b"\x86R."))


def test_a_tensor_as_paddle_writes_it_inside_other_things(tmp_path: Path) -> None:
    """paddle.save of a nested dictionary: each Tensor becomes tuple((name, array))."""
    data = pickle.dumps({"w": Calls(tuple, ("linear_0.w_0", np.zeros((3, 5), np.float32)))}, protocol=4)
    assert screen(written(tmp_path, data))["w"].shape == (3, 5)


def test_states_pass(tmp_path: Path) -> None:
    """They hold plain values and NumPy scalars, and no arrays."""
    assert dict(screen(written(tmp_path, states_bytes(epoch=3, step=20)))) == {}


@pytest.mark.parametrize("protocol", range(6))
def test_a_foreign_import_is_refused_by_name(tmp_path: Path, protocol: int) -> None:
    """Nothing of it runs."""
    data = pickle.dumps({"w": Calls(os.system, f"touch {tmp_path}/ran")}, protocol=protocol)
    with pytest.raises(DataError, match=r"would import '(posix|nt)\.system'"):
        screen(written(tmp_path, data))
    assert not (tmp_path / "ran").exists()


def test_every_foreign_import_is_named(tmp_path: Path) -> None:
    """One look is enough to see what the file is."""
    data = pickle.dumps([Calls(os.getcwd), Calls(subprocess.getoutput, "id")])
    with pytest.raises(DataError, match=r"'posix\.getcwd', 'subprocess\.getoutput'"):
        screen(written(tmp_path, data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93\x8c\x02id\x85R.", r"os\.system"),
        (b"\x80\x04\x8c\x02osq\x00\x8c\x06systemq\x01h\x00h\x01\x93\x8c\x02id\x85R.", r"os\.system"),
        (b"\x80\x04(\x8c\x02osl2\x8c\x06system\x93.", "not a pickle|os"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", r"numpy\.ndarray\.tofile"),
        (b"cos\nsystem\n(S'id'\ntR.", r"os\.system"),
        (b"(S'id'\nios\nsystem\n.", r"os\.system"),
        (b"(cos\nsystem\nS'id'\no.", r"os\.system"),
        (b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85\x81.", r"os\.system"),
        (b"cnumpy\ndtype\ncos\nsystem\n0.", r"os\.system"),
        (b"cnum\\x70y\ndtype\n.", "backslash"),
        (b"cnumpy\ndt\\x79pe\n.", "backslash"),
        (b"\x80\x04" + FLOAT + b"\x8c\x01x\x93.", "makes up"),
        (b"\x80\x04\x8c\x0bnumpy dtype\x8c\x00\x93.", "makes up"),
        (b"\x82\x01.", "EXT1"),
        (b"Pfoo\n.", "PERSID"),
        (b"cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R.", r"numpy\.ndarray"),
        (
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nJ\xff\xff\xff\x7f\x85C\x01b\x87R.",
            "_reconstruct",
        ),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.", r"_codecs\.encode"),
        (b"cbuiltins\nbytes\nJ\xff\xff\xff\x7f\x85R.", r"builtins\.bytes"),
        (b"ccollections\nOrderedDict\n}X\x01\x00\x00\x00aNsb.", "changes an object that it did not create"),
        (b"]]R.", "calls something"),
        (b"Nr\xff\xff\xff\xff.", "all memory"),
    ],
)
def test_tricks_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    """Remembered names, dotted names, escapes, old instructions, calls that only eat memory."""
    with pytest.raises(DataError, match=words):
        screen(written(tmp_path, data))


def test_a_scalar_at_an_address_of_the_files_choosing_is_refused(shared: Path) -> None:
    """A type of objects, disguised by flags: Python reads an object at the address 0x4141414141414141."""
    with pytest.raises(DataError, match=r"it calls numpy\.dtype as no checkpoint does"):
        screen(shared / "cases/security/02-pickle-screen-dtype-state/latest.pdparams")


@pytest.mark.parametrize(
    "path", sorted(REAL_FILES.glob("*/*.*")), ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_what_paddle_has_written_passes(path: Path) -> None:
    """Files of Paddle 2.5 to 3.3 with NumPy 1 and 2: weights, optimizers, states, every type, all protocols."""
    arrays = screen(path)
    if path.name in ("p2.pdparams", "p3.pdparams", "p4.pdparams"):
        assert arrays["conv.weight"] == Array(shape=(4, 3, 3, 3), dtype="f4")
        assert len(arrays) == 8


def test_one_array_under_thousands_of_names_is_refused(tmp_path: Path) -> None:
    """It is small for Python, and Paddle copies it for each name; tied weights are stored so, but twice."""
    weight = np.zeros(100_000, np.float32)
    tied = written(tmp_path, pickle.dumps({"a": weight, "b": weight}, protocol=4))
    assert len(screen(tied)) == 2
    many = written(tmp_path, pickle.dumps({str(name): weight for name in range(1000)}, protocol=4))
    with pytest.raises(DataError, match="all memory"):
        screen(many)


def test_an_array_in_parts_is_joined_of_its_own(tmp_path: Path) -> None:
    """paddle.save divides arrays of more than a gigabyte in protocol 2; one part named twice is a bomb."""
    part = np.zeros(4, np.float32)
    parts = {"w@@.0": part, "w@@.1": part.copy()}
    info = {"w": {"OriginShape": (8,), "slices": list(parts)}}
    screen(written(tmp_path, pickle.dumps({**parts, "UnpackBigParamInfor@@": info}, protocol=2)))
    for evil in ({"w": {"OriginShape": (8,), "slices": ["w@@.0"] * 2}}, {"w": {"slices": "ww"}}, {"w": 5}, 5):
        with pytest.raises(DataError, match="joins arrays"):
            screen(written(tmp_path, pickle.dumps({**parts, "UnpackBigParamInfor@@": evil}, protocol=2)))


@pytest.mark.parametrize(
    "data",
    [b"", b".", b"N", b"0.", b"h\x00.", b"t.", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f", b"\xff"],
)
def test_what_is_no_whole_pickle_is_refused(tmp_path: Path, data: bytes) -> None:
    """An empty file, a torn one, one that takes what is not there."""
    with pytest.raises(DataError):
        screen(written(tmp_path, data))


def test_every_torn_checkpoint_is_refused(tmp_path: Path) -> None:
    """Cut anywhere, a pickle has no end."""
    whole = pickle.dumps(WEIGHTS, protocol=4)
    for length in range(len(whole)):
        with pytest.raises(DataError):
            screen(written(tmp_path, whole[:length]))


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(DataError, match=r"gone\.pdparams"):
        screen(tmp_path / "gone.pdparams")


@pytest.mark.parametrize(
    "data",
    [
        b"N" * (MAX_OPCODES + 10) + b".",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x0f.",
        b"r\xff\xff\xff\xff.",
        b"N" + b"\x85" * 1_000_000 + b".",
        b"]" + b"2a" * 100_000 + b".",
        b"N" + b"2\x862" * 1000 + b".",
    ],
    ids=["endless", "exabytes", "memo index", "deep", "list in itself", "doubling"],
)
def test_bombs_cost_neither_memory_nor_minutes(tmp_path: Path, data: bytes) -> None:
    """In a process of its own with a gigabyte to live on."""
    path = written(tmp_path, data)
    script = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from ocr_train.errors import DataError\nfrom ocr_train.checkpoints.pickle_scan import screen\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "try:\n    screen(Path(sys.argv[1]))\nexcept DataError:\n    pass\n"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=root, check=True, timeout=60)


class Stub:
    """Stands for whatever a pickle imports, and bears everything."""

    def __new__(cls, *_: Any) -> Stub:
        return object.__new__(cls)

    def __setstate__(self, _: Any) -> None: ...

    def __setitem__(self, *_: Any) -> None: ...


class Spy(pickle.Unpickler):
    """Notes what Python's own unpickler would import, and gives it nothing of it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self.asked: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        """Note the name."""
        self.asked.add(f"{module} {name}")
        return Stub


def imports_of(data: bytes) -> set[str]:
    """What unpickling `data` imports, up to its end or its first error."""
    spy = Spy(data)
    with contextlib.suppress(Exception):  # fuzzed bytes raise anything; what was asked for before counts
        spy.load()
    return spy.asked


REAL = [pickle.dumps(WEIGHTS, protocol=protocol) for protocol in (2, 4)]
EVIL = [
    pickle.dumps({"w": Calls(os.system, "true"), "v": np.zeros(2)}, protocol=protocol)
    for protocol in (0, 2, 4)
]
OPCODES = st.sampled_from(
    [
        *(
            b"(",
            b")",
            b"]",
            b"}",
            b"0",
            b"1",
            b"2",
            b"N",
            b"t",
            b"l",
            b"d",
            b"s",
            b"u",
            b"a",
            b"e",
            b"R",
            b"b",
        ),
        *(b"\x85", b"\x86", b"\x87", b"\x93", b"\x94", b"\x81", b"o", b"h\x00", b"h\x01", b"h\x02", b"q\x01"),
        *(b"cos\nsystem\n", b"cnumpy\ndtype\n", b"\x8c\x02os", b"\x8c\x06system", b"\x8c\x05numpy"),
        *(
            b"\x8c\x05dtype",
            b"ios\nsystem\n",
            b"cnumpy\nos\n",
            b"\x88",
            b"K\x01",
            b"ccollections\nOrderedDict\n",
        ),
    ]
)


def change(data: bytes, place: int, new: bytes) -> bytes:
    """`data` with `new` written over it."""
    place %= len(data)
    return data[:place] + new + data[place + len(new) :]


changed = st.builds(change, st.sampled_from(REAL + EVIL), st.integers(0, 10_000), st.binary(max_size=8))
composed = st.lists(OPCODES, max_size=30).map(lambda parts: b"\x80\x04" + b"".join(parts) + b".")


@settings(max_examples=400, deadline=None)
@given(changed | composed | st.binary(max_size=200))
@example(EVIL[0])
def test_what_passes_imports_nothing_but_what_is_allowed(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Python's own unpickler is the judge: what it asks for in a file that passed is on the list."""
    path = tmp_path_factory.getbasetemp() / "fuzzed.pickle"
    path.write_bytes(data)
    try:
        screen(path)
    except DataError:
        return
    assert {name.replace("__builtin__", "builtins") for name in imports_of(data)} <= set(ALLOWED)


def test_the_judge_sees_imports() -> None:
    """The test above can fail."""
    assert all("posix system" in imports_of(data) for data in EVIL)
