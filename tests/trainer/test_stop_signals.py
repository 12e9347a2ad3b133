"""Ctrl-C, SIGTERM and SIGHUP, sent for real to a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from ocr_train.trainer.stop_signals import SIGNALS, StopFlag, StopRequested

PROLOGUE = """
import os, signal, time
from ocr_train.trainer.stop_signals import StopFlag, StopRequested
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests themselves run under nohup
flag = StopFlag()
def wait(until=lambda: False):
    print("ready", flush=True)
    deadline = time.monotonic() + 20
    while not until() and time.monotonic() < deadline:
        time.sleep(0.01)
"""
RAISED = """
try:
    with flag.installed():
        wait()
except StopRequested as exc:
    print("raised", exc, exc.number, flag.number, flush=True)
"""
DEFERRED = """
with flag.installed(), flag.deferred():
    wait(lambda: flag.number is not None)
    print("noted", flag.number, flush=True)
"""
TWO = """
with flag.installed(), flag.deferred():
    wait(lambda: flag.number is not None)
    print("noted", flag.number, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    print("still", flag.number, flush=True)
"""
AFTER = """
try:
    with flag.installed():
        with flag.deferred():
            wait(lambda: flag.number is not None)
            print("noted", flag.number, flush=True)
        print("left", flush=True)
        wait()
except StopRequested as exc:
    print("raised", exc, flush=True)
"""
RESTORED = """
with flag.installed():
    pass
wait()
"""

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a Python that runs a script with a `flag`; all are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def run(script: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROLOGUE + script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert line(process) == "ready"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    """The next line that the process prints."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_raised_at_once_outside_a_training(number: signal.Signals, start: Start) -> None:
    """Preparing data is broken off in the middle, without a traceback of KeyboardInterrupt."""
    process = start(RAISED)
    process.send_signal(number)
    assert line(process) == f"raised {number.name} {int(number)} {int(number)}"
    assert process.wait(5) == 0


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_while_the_trainer_runs(number: signal.Signals, start: Start) -> None:
    """Nothing is raised into the middle of a checkpoint's copy: the loop looks at the flag."""
    process = start(DEFERRED)
    process.send_signal(number)
    assert line(process) == f"noted {int(number)}"
    assert process.wait(5) == 0


def test_the_first_signal_is_the_one_that_counts(start: Start) -> None:
    """A Ctrl-C that is followed by a TERM was a Ctrl-C."""
    process = start(TWO)
    process.send_signal(signal.SIGINT)
    assert line(process) == f"noted {int(signal.SIGINT)}"
    assert line(process) == f"still {int(signal.SIGINT)}"
    assert process.wait(5) == 0


def test_a_second_signal_breaks_off_what_comes_after_the_trainer(start: Start) -> None:
    """Once the trainer is gone, another Ctrl-C ends the waiting for a server too."""
    process = start(AFTER)
    process.send_signal(signal.SIGINT)
    assert line(process) == f"noted {int(signal.SIGINT)}"
    assert line(process) == "left"
    assert line(process) == "ready"
    process.send_signal(signal.SIGINT)
    assert line(process) == "raised SIGINT"
    assert process.wait(5) == 0


def test_the_signals_are_given_back(start: Start) -> None:
    """After a run SIGTERM kills again, as it does any Python."""
    process = start(RESTORED)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == -signal.SIGTERM


def test_the_signals_are_given_back_after_an_error() -> None:
    """In this process: the handlers before and after are the same."""
    before = [signal.getsignal(number) for number in SIGNALS]
    flag = StopFlag()
    with pytest.raises(ValueError, match="inside"), flag.installed():
        assert [signal.getsignal(number) for number in SIGNALS] != before
        raise ValueError("inside")
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_stop_passes_handlers_of_ordinary_errors(start: Start) -> None:
    """`except Exception` around a download must not swallow it."""
    process = start(
        "with flag.installed():\n"
        "    try:\n        wait()\n"
        "    except Exception:\n        print('swallowed', flush=True)\n"
        "    except BaseException as exc:\n        print(type(exc).__name__, flush=True)\n"
    )
    process.send_signal(signal.SIGTERM)
    assert line(process) == "StopRequested"


def test_deferring_ends_with_an_error() -> None:
    """After a failed training a signal is raised at once again."""
    flag = StopFlag()
    with pytest.raises(ValueError, match="inside"), flag.deferred():
        raise ValueError("inside")
    with pytest.raises(StopRequested):
        flag.request(signal.SIGINT)


def test_a_fresh_flag_has_no_number() -> None:
    """Nobody asked for anything yet."""
    assert StopFlag().number is None


def test_a_signal_in_this_process_is_noted() -> None:
    """The handler and the flag are one: sent to ourselves, the signal is on the flag when `kill` is back."""
    flag = StopFlag()
    with flag.installed(), flag.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        assert flag.number == signal.SIGTERM


def test_a_closed_terminal_does_not_end_what_was_started_with_nohup(start: Start) -> None:
    """Who has SIGHUP ignored wants the training to go on."""
    process = start(
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "with flag.installed():\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    print('alive', flag.number, flush=True)\n"
    )
    assert line(process) == "alive None"
    assert process.wait(5) == 0
