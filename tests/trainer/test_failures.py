"""What the trainer prints when it fails, and the name that gets."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_train.trainer.failures import FAILURE_SIGNATURES, PYTHON_TRACEBACK, REASONS, find_failure, reason_in
from ocr_train.trainer.outcome import _ASKED, _REASONS, _SIGNALS

LOGS = Path(__file__).resolve().parents[2] / ".." / "shared" / "logs"
ERROR = "[2026/11/22 12:27:57] ppocr ERROR: "
INFO = "[2026/11/22 12:27:57] ppocr INFO: "
SAMPLE = (
    f"{ERROR}When parsing line a.jpg\tNo space left on device\n, error happened with msg: "
    "Traceback (most recent call last):\n"
    '  File "simple_dataset.py", line 158, in __getitem__\n'
    "    outs = transform(data, self.ops)\n"
    "IndexError: list index out of range\n"
)

EXCERPTS = {  # every excerpt of a real log, read by hand
    "15.txt": "cuda_oom",
    "18.txt": "host_oom",
    "42.txt": "python_traceback",
    "48.txt": "recursion",
    "51.txt": "reader_thread",
    "66.txt": "shared_memory",
}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ERROR + "No Images in train dataset, please ensure\n\t1. The images num in the train", "no_images"),
        ("ResourceExhaustedError:\n\nOut of memory error on GPU 0. Cannot allocate 128.0MB", "cuda_oom"),
        (
            "OSError: (External) CUDA error(2), out of memory.\n  [Hint: 'cudaErrorMemoryAllocation'.",
            "cuda_oom",
        ),
        ("ResourceExhaustedError: Fail to alloc memory of 391589504 size, error code is 12.", "host_oom"),
        ("OSError: [Errno 12] Cannot allocate memory", "host_oom"),
        ("MemoryError: Unable to allocate 9.31 GiB for an array", "host_oom"),
        ("SystemError: (Fatal) DataLoader process (pid 7) exited is killed by signal: Killed.", "host_oom"),
        (
            "SystemError: (Fatal) DataLoader process (pid 7) exited is killed by signal: Bus error.",
            "shared_memory",
        ),
        (
            "ERROR: Unexpected BUS error encountered in DataLoader worker. This might be caused by "
            "insufficient shared memory (shm), please check whether use_shared_memory is set",
            "shared_memory",
        ),
        ("RuntimeError: (Unavailable) Memory map failed when create shared memory.", "shared_memory"),
        ("OSError: [Errno 28] No space left on device", "disk_full"),
        ("OSError: [Errno 98] Address already in use", "port_in_use"),
        ("OSError: (External) NCCL error(2), unhandled system error.", "nccl"),
        ("paddle.fluid.core_avx.EnforceNotMet: [unhandled cuda error] at (nccl_helper.h:113)", "nccl"),
        ("AssertionError: The ./pretrain/MobileNetV3.pdparams does not exists!", "missing_weights"),
        ("ValueError: The ``path`` (./m.pdparams) to load model not exists.", "missing_weights"),
        (
            "RuntimeError: Download from https://example.org/w.pdparams failed. Retry limit reached",
            "missing_weights",
        ),
        ("RuntimeError: Downloading from http://127.0.0.1:1/w failed with code 404!", "missing_weights"),
        (ERROR + "Something went wrong while downloading models", "missing_weights"),
        ("RecursionError: maximum recursion depth exceeded in comparison", "recursion"),
        ("WARNING:root:DataLoader reader thread raised an exception.", "reader_thread"),
        ("Exception in thread Thread-282:", "reader_thread"),
        ("WARNING:root:DataLoader 1 workers exit unexpectedly, pids: 4711", "reader_thread"),
        (
            "SystemError: DataLoader process (pid   7) exited is killed by signal: Aborted.",
            "reader_thread",
        ),
        ("KeyError: 0", "python_traceback"),
        ("cv2.error: OpenCV(4.11.0) resize.cpp: error: (-215:Assertion failed)", "python_traceback"),
    ],
)
def test_a_fatal_text_gets_its_reason(text: str, reason: str) -> None:
    """Texts of PaddleOCR and PaddlePaddle, as met in public issues, are recognised."""
    found = find_failure(f"before\n{text}\nafter\n")
    assert found is not None
    assert found.reason == reason


@pytest.mark.parametrize(
    "path", sorted(LOGS.glob("*")) or [None], ids=lambda path: path.name if path else "none"
)
def test_a_real_log_gets_the_reason_read_by_hand(path: Path | None) -> None:
    """Excerpts that show a failure name it; all others, with the bad sample of 45, are silent."""
    if path is None:
        pytest.skip("../shared/logs is absent")
    found = find_failure(path.read_bytes().decode("utf-8"))
    assert (found.reason if found else None) == EXCERPTS.get(path.name)


def test_the_cause_wins_over_its_consequences() -> None:
    """A worker out of shared memory ends the reader thread, then the trainer: memory is the reason."""
    text = (
        "DataLoader reader thread raised an exception!\nException in thread Thread-1:\n"
        "ERROR: Unexpected BUS error encountered in DataLoader worker.\nRuntimeError: DataLoader 1"
    )
    found = find_failure(text)
    assert found is not None
    assert found.reason == "shared_memory"


def test_the_last_python_error_is_quoted() -> None:
    """Of chained exceptions the last one is what ended the trainer."""
    found = find_failure("Traceback (most recent call last):\nKeyError: 'a'\n\nValueError: no 'a' here\n")
    assert found is not None
    assert "ValueError: no 'a' here" in found.explanation
    assert not found.fatal


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ""),
        (f"{INFO}all is well\nUserWarning: old\n  warnings.warn(x)", ""),
        (f"{INFO}Export inference config file to inference.yml\n", ""),
        ("2026-11-26 00:59:19 WARNING: slow\nW1126 00:59:19.1 7 gpu.cc:1] no driver", ""),
        ("Segmentation fault (core dumped)", "Segmentation fault (core dumped)"),
        (
            "Traceback (most recent call last):\n  File 'a'\nmine.Odd: first\nOSError: of its message\n",
            "mine.Odd: first",
        ),
        (
            "Traceback (most recent call last):\n  File 'a'\nValueError: \n\n----\nC++ Traceback (most recent\n"
            "0   paddle::x\n\n----\nError Message Summary:\n----\nInvalidArgumentError: wrong size\n  [Hint: x]\n",
            "InvalidArgumentError: wrong size",
        ),
    ],
)
def test_the_reason_is_the_first_line_of_the_exception(text: str, reason: str) -> None:
    """Never a line of its message that comes later, and never what a log or a warning says."""
    assert reason_in(text.split("\n")) == reason


def test_a_numpy_that_is_too_new_gets_a_hint() -> None:
    """A trainer that dies of `np.bool` needs an older numpy: the traceback's place helps nobody."""
    found = find_failure(
        "Traceback\nAttributeError: module 'numpy' has no attribute 'bool'.\n`np.bool` was\n"
    )
    assert found is not None
    assert "'numpy<1.24'" in found.hint


def test_a_single_bad_sample_is_no_failure() -> None:
    """PaddleOCR logs a traceback for a bad sample and goes on; its label is not searched either."""
    assert find_failure(SAMPLE) is None
    assert find_failure(SAMPLE * 3 + "[2026/11/22 12:27:58] ppocr INFO: save model in ./out/latest\n") is None
    chain = "\nDuring handling of the above exception, another exception occurred:\n\nTraceback\n  x\n"
    assert find_failure(f"{SAMPLE}{chain}KeyError: 1\n") is None


def test_a_failure_after_a_bad_sample_is_found() -> None:
    """The report of a bad sample ends with its error; what follows is the trainer's own."""
    found = find_failure(SAMPLE.replace("IndexError: list", "strange.thing: list") + "KeyError: 0\n")
    assert found is not None
    assert found.explanation.endswith("'KeyError: 0'.")


def test_samples_that_all_fail_are_a_failure() -> None:
    """A RecursionError in the report of a sample is fatal: the trainer may hang forever."""
    found = find_failure(SAMPLE.replace("IndexError: list index", "RecursionError: maximum recursion depth"))
    assert found is not None
    assert (found.reason, found.fatal) == ("recursion", True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[2026/11/22 13:03:11] ppocr INFO:         use_shared_memory : False",
        "[2026/11/22 13:03:11] ppocr INFO: No Images in eval dataset, evaluation will be disabled",
        "UserWarning: No ccache found.",
        "Error Message Summary:",
        f"{ERROR}When parsing line a.jpg\tOut of memory error on GPU 0, error happened with msg: x",
    ],
)
def test_a_healthy_text_is_no_failure(text: str) -> None:
    """Configuration dumps, warnings and quoted labels are no failures."""
    assert find_failure(text) is None


def test_every_failure_says_what_happened_and_what_to_do() -> None:
    """Reasons are words for a tag; explanation and hint are sentences."""
    for failure in [PYTHON_TRACEBACK, *(failure for _, failure in FAILURE_SIGNATURES)]:
        assert failure.reason.isidentifier()
        assert failure.explanation.endswith(".")
        assert failure.hint.endswith((".", ")."))


@given(
    st.text()
    | st.lists(st.sampled_from([SAMPLE, "KeyError: 0", "\n", " ", "During handling of the above exception"]))
)
def test_no_text_raises(text: str | list[str]) -> None:
    """Whatever is searched, the answer is a failure or none."""
    found = find_failure(text if isinstance(text, str) else "".join(text))
    assert found is None or found.reason


@pytest.mark.parametrize(
    "unit", ["a", "a.", " ", "\n", "Error: ", "MemoryError: ", "When parsing line", "[", "x\n"]
)
def test_a_text_of_any_length_takes_linear_time(unit: str) -> None:
    """Thirty thousand repetitions of anything are searched in well under a second."""
    started = time.process_time()
    find_failure(unit * 30_000)
    assert time.process_time() - started < 10


def test_the_list_of_reasons_is_whole() -> None:
    """Every reason that the sources can give is on the list, and nothing is on it that none gives."""
    folder = Path(__file__).resolve().parents[2]
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for part in ("ocr_train", "callbacks")
        for path in (folder / part).rglob("*.py")
    )
    start = text.index("REASONS = (")
    elsewhere = text[:start] + text[text.index("Every value that the tag `failure_reason`") :]
    assert [reason for reason in REASONS if f'"{reason}"' not in elsewhere] == []
    given = set(
        re.findall(
            r'reason(?::\s*str)?\s*=\s*"(\w+)"|_stop\(\s*"(\w+)"|_failed\(\s*"(\w+)"|_LOST = "(\w+)"|'
            r'set_tag\([^()]*"failure_reason", "(\w+)"|"failure_reason": "(\w+)"',
            elsewhere,
        )
    )
    words = {word for groups in given for word in groups if word}
    words |= (
        set(_REASONS.values())
        | {reason for _, reason in _ASKED.values()}
        | {row[0] for row in _SIGNALS.values()}
    )
    assert words - set(REASONS) == set()
    assert len(words) > 20
    assert len(set(REASONS)) == len(REASONS)
