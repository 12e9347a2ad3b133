"""An exported model as ONNX, by paddle2onnx: in the trainer's interpreter, else in ours where that has it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ocr_train.errors import SetupError
from ocr_train.run import Echo
from ocr_train.trainer.interpreter import packages_of
from ocr_train.trainer.tools import Trainer, failed, run_tool

ONNX = "model.onnx"
OPSET = 14
"""The first that has all that DB and CRNN need (Trilu, HardSwish); paddle2onnx raises it where it must."""
_PROBE_TIMEOUT_S = 60.0


def to_onnx(
    folder: Path, network: str, trainer: Trainer, scratch: Path, echo: Echo, *, timeout_s: float
) -> None:
    """Write `folder`/model.onnx from the network and weights that lie there.

    Raises `SetupError` where no interpreter has paddle2onnx, or the trainer's no onnxruntime to check with;
    `TrainingFailed` where it cannot convert the network.
    """
    if not _has(trainer.python, "onnxruntime", trainer.env):
        raise SetupError(
            f"{trainer.python} has no onnxruntime, which the ONNX model is checked with.",
            hint=f"{trainer.python} -m pip install onnxruntime",
        )
    python = next(
        (one for one in (trainer.python, Path(sys.executable)) if _has(one, "paddle2onnx", trainer.env)), None
    )
    if python is None:
        raise SetupError(
            f"neither {trainer.python} nor {sys.executable} has paddle2onnx.",
            hint=f"{trainer.python} -m pip install paddle2onnx==2.1.0",
        )
    echo("converting to ONNX ...")
    part = scratch / ONNX
    argv = [str(python), "-m", "paddle2onnx.command", "--model_dir", str(folder), "--model_filename", network]
    argv += [
        "--params_filename",
        "inference.pdiparams",
        "--save_file",
        str(part),
        "--opset_version",
        str(OPSET),
        # Its default, polygraphy, installs packages with pip as it runs, and numpy 2 with them: every training in that
        # environment fails from then on.
        "--optimize_tool",
        "None",
    ]
    run = run_tool(argv, replace(trainer, python=python), work=scratch, name="onnx", timeout_s=timeout_s)
    if not run.ok or not part.is_file() or not part.stat().st_size:
        raise failed(
            run,
            "the conversion to ONNX with paddle2onnx",
            "Export without --onnx, or try another version of paddle2onnx in the trainer's interpreter.",
        )
    shutil.copyfile(part, folder / ONNX)


def name_characters(model: Path, characters: Sequence[str]) -> bool:
    """Write a recogniser's dictionary into its ONNX file, as metadata, where rapidocr looks for it before it takes,
    or fetches, a dictionary of its own; whether it could be done.

    The entry is called `character` and has one character a line. What rapidocr would split into others (it takes
    `str.splitlines`, which knows more line ends than a dictionary has) is not written.
    """
    text = "\n".join(characters)
    if not characters or text.splitlines() != list(characters):
        return False
    # A message of Protocol Buffers may be written in parts, one after the other: this one holds field 14 of ModelProto
    # (metadata_props) with a StringStringEntryProto, whose key and value are the fields 1 and 2 (onnx/onnx.proto).
    entry = _field(1, b"character") + _field(2, text.encode("utf-8"))
    with model.open("ab") as file:
        file.write(_field(14, entry))
    return True


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes: its tag, the length as a varint, the bytes."""
    length, left = bytearray(), len(content)
    while left > 0x7F:
        length.append(left & 0x7F | 0x80)
        left >>= 7
    length.append(left)
    return bytes([number << 3 | 2, *length]) + content


def _has(python: Path, package: str, env: Mapping[str, str]) -> bool:
    found = packages_of(python, [package], env=env)
    return found.asked and package not in found.missing
