"""The scripts of a notebook instance: they fit, bash reads them, and only an idle instance is stopped.

`curl`, `aws` and the others are stand-ins here: a notebook instance cannot be had.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ocr_train.cluster.sagemaker.lifecycle import MAX_CHARACTERS, scripts

FILES = scripts(repository="https://git.example.com/team/ocr-train.git", idle_minutes=60)


@pytest.mark.parametrize("name", FILES)
def test_a_script_fits_and_has_no_mistake_that_can_be_read_off_it(name: str, tmp_path: Path) -> None:
    """By SageMaker's limit, bash and shellcheck; so have the scripts inside it."""
    assert len(base64.b64encode(FILES[name].encode())) <= MAX_CHARACTERS
    inside = re.findall(
        r"<<'(?:CHECK_SCRIPT|SETUP)'\n(.*?)^(?:CHECK_SCRIPT|SETUP)$", FILES[name], re.DOTALL | re.M
    )
    assert len(inside) == 1
    paths = [tmp_path / name, tmp_path / f"inside-{name}"]
    for path, text in zip(paths, (FILES[name], *inside), strict=True):
        path.write_text(text)
        subprocess.run(["bash", "-n", str(path)], check=True)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    subprocess.run([str(shellcheck), "--shell=bash", *map(str, paths)], check=True)


def _program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def _stopped(folder: Path, *, kernels: str, training: bool = False, quiet_minutes: int = 61) -> bool:
    """Whether the instance stops itself, whose last sign of work is `quiet_minutes` ago; `kernels` is what Jupyter
    answers, "" where it does not."""
    check = re.search(
        r"<<'CHECK_SCRIPT'\n(.*?)^CHECK_SCRIPT$", FILES["on_start.sh"], re.DOTALL | re.MULTILINE
    )
    assert check
    (folder / "check.sh").write_text(check[1])
    (folder / "metadata.json").write_text(
        '{"ResourceArn": "arn:aws:sagemaker:ap-southeast-1:123456789012:notebook-instance/n", "ResourceName": "n"}'
    )
    (folder / "kernels.json").write_text(kernels)
    answer = f'case "$*" in *kernels) cat {folder}/kernels.json ;; *) echo "[]" ;; esac'
    _program(folder, "curl", answer if kernels else "exit 7")
    _program(folder, "pgrep", "exit 0" if training else "exit 1")
    _program(folder, "nvidia-smi", "exit 0")
    _program(folder, "logger", "exit 0")
    _program(folder, "aws", f'echo "$*" >{folder}/asked')
    stamp = folder / "busy"
    stamp.touch()
    then = datetime.now().timestamp() - 60 * quiet_minutes
    os.utime(stamp, (then, then))
    subprocess.run(
        ["bash", str(folder / "check.sh"), "60"],
        check=True,
        env={
            "PATH": f"{folder}:{os.environ['PATH']}",
            "OCR_TRAIN_STAMP": str(stamp),
            "OCR_TRAIN_METADATA": str(folder / "metadata.json"),
        },
    )
    asked = folder / "asked"
    if asked.exists():
        expected = "sagemaker stop-notebook-instance --notebook-instance-name n --region ap-southeast-1\n"
        assert asked.read_text() == expected
    return asked.exists()


def _kernel(state: str, *, minutes: int) -> str:
    seen = datetime.now(timezone.utc) - timedelta(minutes=minutes)
    return json.dumps([{"execution_state": state, "last_activity": seen.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}])


def test_an_idle_instance_is_stopped(tmp_path: Path) -> None:
    """Itself, in its region, after the minutes that were chosen."""
    assert _stopped(tmp_path, kernels=_kernel("idle", minutes=90))


@pytest.mark.parametrize(
    "work",
    [
        {"kernel": ("busy", 90)},
        {"kernel": ("idle", 1)},
        {"kernels": "[]", "training": True},
        {"kernels": ""},
        {"kernels": "<html>not JSON</html>"},
        {"kernels": "[]", "quiet_minutes": 30},
    ],
    ids=["busy kernel", "used lately", "training", "no answer", "another answer", "not long enough"],
)
def test_an_instance_that_works_or_is_not_known_to_be_idle_goes_on(
    tmp_path: Path, work: dict[str, Any]
) -> None:
    """A training must not be lost to save an hour."""
    work = dict(work)
    if "kernel" in work:
        # Made now: tests are collected long before they run.
        state, minutes = work.pop("kernel")
        work["kernels"] = _kernel(state, minutes=minutes)
    assert not _stopped(tmp_path, **work)
