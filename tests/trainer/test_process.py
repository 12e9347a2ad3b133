"""The trainer's process, tried on real children that misbehave."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ocr_train.errors import SetupError
from ocr_train.trainer import process
from ocr_train.trainer.process import MAX_LINE_BYTES, Child, Exit, Line, Pause

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
LEAVES_A_GRANDCHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
"""


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """A list of children that are closed at the end, whatever the test did."""
    started: list[Child] = []
    yield started
    for child in started:
        child.close()


def start(script: str, folder: Path, children: list[Child]) -> Child:
    """A child that runs `script` in an unbuffered Python."""
    env = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
    child = Child.start([sys.executable, "-c", script], env=env, cwd=folder, log=folder / "train.log")
    children.append(child)
    return child


def lines_of(child: Child) -> list[str]:
    """Every line that the child prints until its end."""
    return [item.text for item in child.items(tick_s=0.2) if isinstance(item, Line)]


def first_line(child: Child) -> str:
    """The first line that the child prints; the rest is left unread."""
    return next(item.text for item in child.items() if isinstance(item, Line))


def ended(pid: int, *, within_s: float = 5.0) -> bool:
    """Whether the process is gone, or a zombie, in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_stdout_and_stderr_arrive_interleaved_in_the_order_they_were_written(
    tmp_path: Path, children: list[Child]
) -> None:
    """Both streams of the child are one pipe: what was printed first is read first."""
    child = start(
        "import os\nfor i in range(200): os.write(1 + i % 2, b'%d\\n' % i)",
        tmp_path,
        children,
    )
    assert lines_of(child) == [str(number) for number in range(200)]


def test_carriage_returns_stay_inside_a_line(tmp_path: Path, children: list[Child]) -> None:
    """A progress bar's redraws are one line with what follows them, as the log parser expects."""
    child = start(
        "import sys; sys.stdout.write('eval:  50%\\reval: 100%\\rcur metric\\nend')", tmp_path, children
    )
    assert lines_of(child) == ["eval:  50%\reval: 100%\rcur metric", "end"]


def test_empty_lines_are_lines(tmp_path: Path, children: list[Child]) -> None:
    """Line numbers stay those of the log file."""
    child = start("print('a\\n\\nb')", tmp_path, children)
    assert lines_of(child) == ["a", "", "b"]


def test_invalid_utf8_is_replaced_not_fatal(tmp_path: Path, children: list[Child]) -> None:
    """A byte that is no UTF-8 does not end the reading."""
    child = start("import os; os.write(1, b'bad \\xff\\xfe\\nth\\xc3\\xa9\\n')", tmp_path, children)
    assert lines_of(child) == ["bad \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}", "th\u00e9"]


def test_the_log_file_is_the_output_byte_for_byte(tmp_path: Path, children: list[Child]) -> None:
    """Carriage returns, invalid UTF-8, NUL bytes and a missing last newline are all kept."""
    child = start(
        "import os; os.write(1, b'a\\r\\n\\xff\\x00\\n\\n'); os.write(2, b'no newline')", tmp_path, children
    )
    lines_of(child)
    child.close()
    assert (tmp_path / "train.log").read_bytes() == b"a\r\n\xff\x00\n\nno newline"


def test_the_log_file_is_appended_to(tmp_path: Path, children: list[Child]) -> None:
    """What an earlier child of the same run wrote stays."""
    for word in ("first", "second"):
        lines_of(start(f"print({word!r})", tmp_path, children))
    assert (tmp_path / "train.log").read_text() == "first\nsecond\n"


def test_a_very_long_line_comes_in_parts_and_loses_nothing(tmp_path: Path, children: list[Child]) -> None:
    """A line without end cannot eat the memory: it is cut at MAX_LINE_BYTES."""
    size = 2 * MAX_LINE_BYTES + 10
    child = start(f"import sys; sys.stdout.write('x' * {size} + '\\nend\\n')", tmp_path, children)
    found = lines_of(child)
    assert [len(text) for text in found] == [MAX_LINE_BYTES, MAX_LINE_BYTES, 10, 3]
    assert (tmp_path / "train.log").stat().st_size == size + 5


def test_lines_carry_the_time_they_were_read(tmp_path: Path, children: list[Child]) -> None:
    """`time_ms` is Unix time in milliseconds at the reading, not at the consumer's leisure."""
    before = int(time.time() * 1000)
    child = start("print('a')", tmp_path, children)
    while child.running():
        time.sleep(0.01)
    time.sleep(0.3)
    after_the_end = int(time.time() * 1000)
    (line,) = [item for item in child.items() if isinstance(item, Line)]
    assert before <= line.time_ms <= after_the_end - 250


def test_a_silent_child_yields_pauses(tmp_path: Path, children: list[Child]) -> None:
    """The consumer is woken every tick, so that it can look for a stop or a stall."""
    child = start("import time; time.sleep(0.7)", tmp_path, children)
    before = int(time.time() * 1000)
    items = list(child.items(tick_s=0.1))
    assert len(items) >= 4
    assert {type(item) for item in items} == {Pause}
    assert before <= items[0].time_ms < items[-1].time_ms <= time.time() * 1000


def test_a_chatty_child_does_not_keep_pauses_away(tmp_path: Path, children: list[Child]) -> None:
    """Ticks come between lines too, not only in silence."""
    child = start(
        "import time\nfor i in range(60): print(i); time.sleep(0.01)",
        tmp_path,
        children,
    )
    assert any(isinstance(item, Pause) for item in child.items(tick_s=0.05))


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_an_exit_code_is_told_as_it_is(code: int, tmp_path: Path, children: list[Child]) -> None:
    """The code of an exit comes through, and no signal."""
    child = start(f"raise SystemExit({code})", tmp_path, children)
    assert child.exit == Exit(code=code)
    assert str(child.exit) == f"exit code {code}"


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV", "SIGABRT"])
def test_a_death_by_signal_is_told_by_name(name: str, tmp_path: Path, children: list[Child]) -> None:
    """A signal has a name and no exit code."""
    child = start(f"import os, signal; os.kill(os.getpid(), signal.{name})", tmp_path, children)
    assert child.exit == Exit(code=None, signal=name)
    assert str(child.exit) == f"signal {name}"


def test_a_polite_child_ends_at_the_first_signal(tmp_path: Path, children: list[Child]) -> None:
    """SIGINT is enough for a child that listens, and it may end in its own way."""
    child = start(
        "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try: print('ready'); time.sleep(60)\nexcept KeyboardInterrupt: raise SystemExit(42)",
        tmp_path,
        children,
    )
    assert first_line(child) == "ready"
    child.stop(grace_s=10)
    assert child.exit == Exit(code=42)


def test_a_child_that_ignores_int_gets_term(tmp_path: Path, children: list[Child]) -> None:
    """The signals come one after the other: TERM only after INT was not enough."""
    child = start(
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('ready')\ntime.sleep(60)",
        tmp_path,
        children,
    )
    assert first_line(child) == "ready"
    child.stop(grace_s=0.3)
    assert child.exit == Exit(code=None, signal="SIGTERM")


def test_a_child_that_ignores_everything_is_killed(tmp_path: Path, children: list[Child]) -> None:
    """INT, TERM, then KILL, `grace_s` apart: nobody can refuse to end."""
    child = start(STUBBORN, tmp_path, children)
    assert first_line(child) == "ready"
    started = time.monotonic()
    child.stop(grace_s=0.3)
    assert child.exit == Exit(code=None, signal="SIGKILL")
    assert 0.6 <= time.monotonic() - started < 5


def test_stopping_reaches_the_whole_group(tmp_path: Path, children: list[Child]) -> None:
    """A data loading process that ignores signals does not outlive a stop."""
    child = start(
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {STUBBORN!r}])",
        tmp_path,
        children,
    )
    assert first_line(child) == "ready"
    (grandchild,) = psutil.Process(child.pid).children()
    child.stop(grace_s=0.3)
    assert ended(grandchild.pid)


def test_stopping_a_child_that_is_gone_does_nothing(tmp_path: Path, children: list[Child]) -> None:
    """A stop that comes too late is no error and changes no exit code."""
    child = start("raise SystemExit(5)", tmp_path, children)
    assert child.exit == Exit(code=5)
    child.stop(grace_s=0.1)
    assert child.exit == Exit(code=5)


def test_ctrl_c_at_the_terminal_does_not_reach_the_child(tmp_path: Path, children: list[Child]) -> None:
    """The child has a session of its own: when it ends is ours to decide."""
    child = start("print('ready'); input()", tmp_path, children)
    assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_the_child_cannot_wait_for_the_keyboard(tmp_path: Path, children: list[Child]) -> None:
    """Its stdin is empty: a trainer that asks a question gets an end of file, not our terminal."""
    child = start("import sys; print(repr(sys.stdin.read()))", tmp_path, children)
    assert lines_of(child) == ["''"]


def test_a_grandchild_that_keeps_the_pipe_does_not_hang_the_reading(
    tmp_path: Path, children: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`items` ends soon after the trainer does, though somebody else still holds its output open."""
    monkeypatch.setattr(process, "PIPE_DRAIN_S", 0.5)
    child = start(LEAVES_A_GRANDCHILD, tmp_path, children)
    started = time.monotonic()
    (pid,) = lines_of(child)
    assert time.monotonic() - started < 10
    assert not ended(int(pid), within_s=0.1)


def test_closing_leaves_no_process_behind(tmp_path: Path, children: list[Child]) -> None:
    """A grandchild in the trainer's group ends with `close`, and so does the reader thread."""
    child = start(LEAVES_A_GRANDCHILD, tmp_path, children)
    pid = int(first_line(child))
    child.close()
    assert ended(pid)
    assert not [thread for thread in threading.enumerate() if thread.name == "trainer-output"]


def test_closing_ends_a_running_child(tmp_path: Path, children: list[Child]) -> None:
    """`close` without `stop` is the way out of an error: the child is killed, at once."""
    child = start(STUBBORN, tmp_path, children)
    assert first_line(child) == "ready"
    child.close()
    assert not child.running()
    assert ended(child.pid)


def test_closing_twice_is_allowed(tmp_path: Path, children: list[Child]) -> None:
    """The second `close` finds nothing to do."""
    child = start("print('a')", tmp_path, children)
    child.close()
    child.close()
    assert not child.running()


def test_a_slow_consumer_does_not_block_the_child(tmp_path: Path, children: list[Child]) -> None:
    """A megabyte of output is far more than a pipe holds; the child ends though nobody reads its lines."""
    child = start("import sys; sys.stdout.write(('x' * 99 + '\\n') * 10000)", tmp_path, children)
    assert child.exit == Exit(code=0)
    assert len(lines_of(child)) == 10000


def test_a_program_that_does_not_exist_is_a_setup_error(tmp_path: Path) -> None:
    """The message names the program and what to check."""
    with pytest.raises(SetupError, match=r"'/no/such/python'.*No such file") as caught:
        Child.start(["/no/such/python", "train.py"], env={}, cwd=tmp_path, log=tmp_path / "train.log")
    assert "trainer_python" in caught.value.hint


def test_a_file_that_is_no_program_is_a_setup_error(tmp_path: Path) -> None:
    """A file without the right to run is refused in the same words."""
    plain = tmp_path / "python"
    plain.write_text("no program")
    with pytest.raises(SetupError, match="Permission denied"):
        Child.start([str(plain)], env={}, cwd=tmp_path, log=tmp_path / "train.log")


def test_the_child_gets_this_environment_and_no_other(
    tmp_path: Path, children: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not in `env` does not leak in from ours, where a secret may be."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    child = start("import os; print('AWS_SECRET_ACCESS_KEY' in os.environ, os.getcwd())", tmp_path, children)
    assert lines_of(child) == [f"False {tmp_path.resolve()}"]


def test_signal_names_are_those_of_the_module(tmp_path: Path, children: list[Child]) -> None:
    """One that has ended a process is told by its name."""
    child = start("import time\nprint('ready')\ntime.sleep(60)", tmp_path, children)
    assert first_line(child) == "ready"
    os.killpg(child.pid, signal.SIGUSR1)
    assert child.exit.signal == "SIGUSR1"


def test_a_slow_consumer_gets_every_line(
    tmp_path: Path, children: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits in the queue when the trainer ends is not thrown away, however long the consumer takes."""
    monkeypatch.setattr(process, "PIPE_DRAIN_S", 0.2)
    child = start("for i in range(50): print(i)", tmp_path, children)
    found = []
    for item in child.items():
        if isinstance(item, Line):
            found.append(item.text)
            time.sleep(0.02)
    assert found == [str(number) for number in range(50)]


@pytest.mark.parametrize("ending", ["time.sleep(60)", "raise SystemExit"], ids=["running", "orphaned"])
@pytest.mark.parametrize(
    "streams", ["", ", stdout=-3, stderr=-3"], ids=["holds the pipe", "writes elsewhere"]
)
def test_closing_ends_a_rank_in_a_session_of_its_own(
    streams: str, ending: str, tmp_path: Path, children: list[Child]
) -> None:
    """Paddle's launcher gives each rank its own session: it ends all the same, its launcher alive or not."""
    child = start(
        "import subprocess, sys, time\n"
        "rank = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], "
        f"start_new_session=True{streams})\nprint(rank.pid)\n{ending}",
        tmp_path,
        children,
    )
    pid = int(first_line(child))
    started = time.monotonic()
    child.close()
    # Far from the rank's own 60 s; a machine with much to do takes seconds to look at all processes.
    assert time.monotonic() - started < 15
    assert ended(pid)


def test_a_signal_without_a_name_is_told_by_number(tmp_path: Path, children: list[Child]) -> None:
    """Most real-time signals have none."""
    child = start("import os; os.kill(os.getpid(), 40)", tmp_path, children)
    assert child.exit == Exit(code=None, signal="SIG40")


def test_a_trainer_that_closes_its_output_is_still_watched(tmp_path: Path, children: list[Child]) -> None:
    """Ticks go on until its end: the watchdog and Ctrl-C depend on them."""
    script = "import os, time\nprint('last', flush=True)\nos.close(1); os.close(2)\ntime.sleep(1)"
    child = start(script, tmp_path, children)
    items = list(child.items(tick_s=0.1))
    last = next(place for place, item in enumerate(items) if isinstance(item, Line))
    assert sum(isinstance(item, Pause) for item in items[last:]) >= 5
    assert child.exit == Exit(code=0)
