"""What the trainer's interpreter answers, as rows: the child's answers are made here, the real one is asked in test_doctor.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ocr_train.doctor.interpreter import paddle_rows, paddleocr_row
from ocr_train.doctor.rows import OK, PROBLEM, WARNING
from ocr_train.trainer.interpreter import Facts, Reply
from tests.commands import SCRIPTED

PYTHON = Path("/opt/python")
FACTS = Facts(python="3.11.7", paddle="3.0.0", versions={"numpy": "1.26.4"})


def answer(*devices: dict[str, Any], cuda: str = "False", cudnn: str = "False") -> Reply:
    """What the child prints about these devices."""
    found = {"cuda": cuda, "cudnn": cudnn, "devices": devices}
    return Reply(stdout=f"RUNS {json.dumps(found)}\n", code=0)


def device(name: str, error: str = "", capability: str = "") -> dict[str, Any]:
    """One device of the answer."""
    return {"name": name, "error": error, "capability": capability}


def test_devices_that_calculate_are_named_with_what_they_are() -> None:
    """CUDA, cuDNN and compute capability, where there is a GPU."""
    reply = answer(device("cpu"), device("gpu:0", capability="8.9"), cuda="11.8", cudnn="8.6")
    rows = paddle_rows(PYTHON, FACTS, reply)
    assert [row.status for row in rows] == [OK, OK]
    assert rows[1].found.endswith("on cpu, gpu:0 (compute capability 8.9); CUDA 11.8, cuDNN 8.6")


def test_a_gpu_that_does_not_calculate_is_a_problem() -> None:
    """As with a build that has no code for it."""
    broken = device("gpu:0", "OSError: no kernel image is available", "9.0")
    row = paddle_rows(PYTHON, FACTS, answer(device("cpu"), broken))[-1]
    assert (row.status, row.code, row.subject) == (PROBLEM, 5, "Paddle on gpu:0")
    assert "(compute capability 9.0): OSError: no kernel image" in row.found
    assert "run_check" in row.todo


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(code=-4), "SIGILL: this processor may lack AVX"),
        (Reply(code=-11), "ends Paddle by SIGSEGV."),
        (Reply(code=None), "did not end within"),
        (Reply(not_started="No such file"), "cannot be started: No such file"),
        (Reply(code=1, stderr="Traceback\nImportError: libcudnn.so.8"), "ImportError: libcudnn.so.8"),
    ],
)
def test_a_child_without_an_answer_is_explained(reply: Reply, said: str) -> None:
    """By its signal, its last words, or the time that it took."""
    row = paddle_rows(PYTHON, FACTS, reply)[-1]
    assert (row.status, row.code) == (PROBLEM, 5)
    assert said in row.found


def test_numpy_2_is_a_problem() -> None:
    """It makes detection hang for ever, without an error."""
    facts = Facts(python="3.11.7", paddle="3.0.0", versions={"numpy": "2.1.0"})
    assert [row.subject for row in paddle_rows(PYTHON, facts, answer(device("cpu"))) if row.code] == ["numpy"]


def test_paddleocr_is_found_or_said(tmp_path: Path) -> None:
    """With its version; a folder without one is a warning."""
    facts = Facts(
        versions={"unstructured-paddleocr": "2.10.0"}, roots={"unstructured_paddleocr": str(SCRIPTED)}
    )
    row, found = paddleocr_row("", facts)
    assert (row.status, found is not None) == (OK, True)
    assert row.found.startswith("2.10.0 in")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "train.py").write_text("")
    assert paddleocr_row(str(tmp_path), facts)[0].status == WARNING
    row, found = paddleocr_row("", Facts())
    assert (row.status, row.code, found) == (PROBLEM, 5, None)
