"""Mutated checkpoints: each is refused, or Python's own unpickler loads it and nothing happens.

500 of them, times FUZZ; `make fuzz FUZZ=20` tries 10,000. The judge is a child with real NumPy, which may crash.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.checkpoints.pickle_values import ALLOWED
from ocr_train.errors import DataError
from tests.fuzz import cases
from tests.pickle_mutations import CANARY, KINDS, mutant, text
from tests.unpickling import Judge

REAL_FILES = Path(__file__).parents[1] / "data" / "pickles"
SEED = 20


def test_what_passes_does_no_harm(tmp_path: Path) -> None:
    """No signal, no endless memory, no import beyond the list, nothing executed: an exception is no harm."""
    seeds = [path.read_bytes() for path in sorted(REAL_FILES.glob("*/*.*"))]
    random, path, seen = Random(SEED), tmp_path / "mutant.pdparams", Counter[str]()
    with Judge(tmp_path) as judge:
        for number in range(cases(500)):
            data = mutant(random, seeds)
            path.write_bytes(data)
            try:
                screen(path)
            except DataError:
                seen["refused"] += 1
                continue
            verdict = judge.load(path)
            imports = {name.replace("__builtin__", "builtins") for name in verdict.imports}
            assert (verdict.died, verdict.ran, imports <= set(ALLOWED)) == ("", (), True), (number, data)
            seen[verdict.raised or "loaded"] += 1
    print(dict(seen))
    assert not (tmp_path / CANARY).exists()
    assert seen["loaded"] > cases(500) / 20
    assert len(KINDS) == 5


def test_the_judge_sees_harm(tmp_path: Path, shared: Path) -> None:
    """A crash, a command and a foreign import: the test above can fail, and the judge lives on."""
    evil = tmp_path / "evil.pdparams"
    evil.write_bytes(b"cposix\nsystem\n" + text(f"touch {CANARY}") + b"\x85R.")
    with Judge(tmp_path) as judge:
        crash = judge.load(shared / "cases/security/02-pickle-screen-dtype-state/latest.pdparams")
        assert crash.died == "-11"
        verdict = judge.load(evil)
        assert (verdict.imports, verdict.ran) == (("posix system",), ("os.system",))
        assert (tmp_path / CANARY).exists()
        assert judge.load(next(REAL_FILES.glob("*/p4.pdparams"))).raised == ""


@pytest.mark.slow
def test_paddle_loads_what_passes(tmp_path: Path) -> None:
    """paddle.load makes tensors of it: no signal there either."""
    seeds = [path.read_bytes() for path in sorted(REAL_FILES.glob("*/*.*"))]
    random, path = Random(SEED + 1), tmp_path / "mutant.pdparams"
    with Judge(tmp_path, paddle=True) as judge:
        for _ in range(cases(500)):
            path.write_bytes(mutant(random, seeds))
            try:
                screen(path)
            except DataError:
                continue
            assert judge.load(path).died == "", path.read_bytes()
