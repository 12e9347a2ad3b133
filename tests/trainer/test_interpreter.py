"""Asking an interpreter what it can train with, the real one and several that cannot answer."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import psutil
import pytest

from ocr_train.errors import SetupError
from ocr_train.trainer import interpreter as module
from ocr_train.trainer.interpreter import Facts, ask, interpreter, probe


def program(folder: Path, text: str) -> Path:
    """An executable shell script."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def with_module(folder: Path, name: str, text: str) -> dict[str, str]:
    """An environment in which `import name` finds a module with this text."""
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text(text)
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.mark.slow
def test_this_interpreter_says_what_it_has() -> None:
    """The locked environment: PaddlePaddle, PaddleOCR's training code and the versions of both."""
    facts = probe(Path(sys.executable))
    assert facts.python == ".".join(map(str, sys.version_info[:3]))
    assert facts.paddle
    assert facts.error == ""
    root = Path(facts.roots["unstructured_paddleocr"])
    assert (root / "tools" / "train.py").is_file()
    assert facts.versions["unstructured-paddleocr"] == metadata.version("unstructured-paddleocr")
    assert len(facts.names) == facts.gpus


def test_a_gpu_build_counts_and_names_its_gpus(tmp_path: Path) -> None:
    """A stand-in for paddlepaddle-gpu with two GPUs, asked by the real probe in a real interpreter."""
    env = with_module(
        tmp_path,
        "paddle",
        "__version__ = '2.6.2'\n"
        "class device:\n"
        "    is_compiled_with_cuda = staticmethod(lambda: True)\n"
        "    class cuda:\n"
        "        device_count = staticmethod(lambda: 2)\n"
        "        get_device_name = staticmethod(lambda index: 'NVIDIA %d' % index)\n",
    )
    facts = probe(Path(sys.executable), env=env)
    assert (facts.paddle, facts.cuda, facts.gpus) == ("2.6.2", True, 2)
    assert facts.names == ("NVIDIA 0", "NVIDIA 1")


def test_what_paddle_prints_on_import_does_not_matter(tmp_path: Path) -> None:
    """Some builds greet on stdout, with or without a newline."""
    env = with_module(
        tmp_path,
        "paddle",
        "import sys\nsys.stdout.write('FACTORY {} no newline')\n__version__ = '3.0.0'\n"
        "class device:\n    is_compiled_with_cuda = staticmethod(lambda: False)\n",
    )
    assert probe(Path(sys.executable), env=env).paddle == "3.0.0"


def test_a_paddle_that_does_not_load_is_a_setup_error(tmp_path: Path) -> None:
    """The reason is Paddle's own; the hint says how to get one that works."""
    env = with_module(tmp_path, "paddle", "raise ImportError('libcudart.so.11: cannot open')")
    with pytest.raises(SetupError) as caught:
        probe(Path(sys.executable), env=env)
    assert "PaddlePaddle does not work" in caught.value.problem
    assert "libcudart.so.11: cannot open" in caught.value.problem
    assert "make setup" in caught.value.hint


def test_an_interpreter_without_paddle_is_a_setup_error(tmp_path: Path) -> None:
    """A bare environment is named with what it lacks."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    python = tmp_path / "bare" / "bin" / "python"
    with pytest.raises(SetupError) as caught:
        probe(python)
    assert str(python) in caught.value.problem
    assert "No module named 'paddle'" in caught.value.problem


def test_a_missing_interpreter_is_a_setup_error() -> None:
    """The message names the path that was given."""
    with pytest.raises(SetupError, match=r"trainer_python '/no/such/python' cannot be started") as caught:
        probe(Path("/no/such/python"))
    assert "leave trainer_python empty" in caught.value.hint


def test_a_folder_is_no_interpreter(tmp_path: Path) -> None:
    """The environment's folder in place of its bin/python is a common slip."""
    with pytest.raises(SetupError, match="cannot be started: Permission denied"):
        probe(tmp_path)


@pytest.mark.parametrize("path", ["/bin/false", "/bin/true", "/bin/cat"])
def test_something_that_is_no_python_is_a_setup_error(path: str) -> None:
    """It was started and did not answer: the message says so, whatever its exit code."""
    with pytest.raises(SetupError, match="could not be asked for its PaddlePaddle") as caught:
        probe(Path(path))
    assert path in caught.value.problem
    assert "must be a Python interpreter" in caught.value.hint


def test_the_last_line_of_a_program_that_does_not_answer_is_shown(tmp_path: Path) -> None:
    """It is where a broken interpreter says what it lacks."""
    python = program(
        tmp_path, "echo first >&2; echo 'python: error while loading libpython3.9' >&2; exit 127"
    )
    with pytest.raises(SetupError, match=r"libpython3\.9"):
        probe(python)


def test_an_interpreter_that_crashes_on_paddle_is_a_setup_error(tmp_path: Path) -> None:
    """A segmentation fault or an illegal instruction at the import leaves no answer."""
    env = with_module(tmp_path, "paddle", "import os; os.abort()")
    with pytest.raises(SetupError, match="could not be asked"):
        probe(Path(sys.executable), env=env)


def test_an_interpreter_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how long was waited and what to try by hand."""
    monkeypatch.setattr(module, "PROBE_TIMEOUT_S", 0.3)
    with pytest.raises(SetupError, match="did not answer within") as caught:
        probe(program(tmp_path, "exec sleep 20"))
    assert "import paddle" in caught.value.hint


def test_files_of_the_current_folder_do_not_shadow_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's paddle.py beside the data is not PaddlePaddle."""
    env = with_module(
        tmp_path, "paddle", "__version__ = '3.0.0'\nclass device: is_compiled_with_cuda = bool\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "paddle.py").write_text("raise SystemExit('shadowed')")
    (elsewhere / "json.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(elsewhere)
    assert probe(Path(sys.executable), env=env).paddle == "3.0.0"


def test_the_facts_of_a_probe_that_found_nothing_are_empty() -> None:
    """Defaults say: no Paddle, no GPU, no PaddleOCR."""
    assert Facts() == Facts(python="", paddle="", cuda=False, gpus=0, roots={}, versions={}, names=())


def test_the_default_interpreter_is_this_one() -> None:
    """An empty trainer_python trains with what tracks."""
    assert interpreter("") == Path(sys.executable)


def test_a_given_interpreter_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative path counts from here, `~` from home; a link into an environment is not followed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    (tmp_path / "python").symlink_to(sys.executable)
    assert interpreter("python") == tmp_path / "python"
    assert interpreter("~/py/bin/python") == Path("/home/somebody/py/bin/python")


def test_a_program_that_prints_no_text_is_a_setup_error(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are no answer, and no traceback."""
    with pytest.raises(SetupError, match="could not be asked"):
        probe(program(tmp_path, r"printf '\377\376'"))


def test_a_program_that_answers_something_else_is_a_setup_error(tmp_path: Path) -> None:
    """Only the probe's own line counts."""
    with pytest.raises(SetupError, match="could not be asked"):
        probe(program(tmp_path, "echo FACTS are facts"))


def test_an_interpreter_may_be_named_as_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`trainer_python=python3.9` is the one on PATH; what is nowhere stays as it is, for the message."""
    path = program(tmp_path, "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir("/")
    assert interpreter("python") == path
    assert interpreter("python9") == Path("/python9")


def test_the_last_marked_line_is_the_answer(tmp_path: Path) -> None:
    """Whatever libraries print around it, and in whatever language."""
    script = (
        """print('noise'); print('ANSWER {"a": 1}'); print('ANSWER {"a": "ป้าย"}'); print('ANSWER no JSON')"""
    )
    reply = ask([sys.executable, "-c", script], env=os.environ, cwd=tmp_path, timeout_s=30)
    assert reply.code == 0
    assert reply.last("ANSWER") == {"a": "ป้าย"}
    assert reply.last("OTHER") is None


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    """No such program: no exception."""
    reply = ask([str(tmp_path / "none")], env=os.environ, cwd=tmp_path, timeout_s=30)
    assert reply.not_started == "No such file or directory"
    assert reply.code is None


def test_what_was_printed_before_the_end_of_its_time_is_there(tmp_path: Path) -> None:
    """And the child is gone, with what it has started."""
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        'print("AT {\\"pid\\": %d}" % child.pid, flush=True)\n'
        "time.sleep(600)"
    )
    started = time.monotonic()
    reply = ask([sys.executable, "-c", script], env=os.environ, cwd=tmp_path, timeout_s=2)
    assert time.monotonic() - started < 20
    assert (reply.code, reply.not_started) == (None, "")
    found = reply.last("AT")
    assert found is not None
    try:
        left = psutil.Process(found["pid"])
    except psutil.NoSuchProcess:
        return
    if left.status() != psutil.STATUS_ZOMBIE:
        left.kill()
        pytest.fail("a grandchild runs on")
