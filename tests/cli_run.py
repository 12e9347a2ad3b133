"""Running a command of the command line inside this process, where a subprocess is not what is tested."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ocr_train.cli import main


class Ran:
    """What a command answered: `code`, `out` (stdout), `err` (stderr)."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """Stdout as JSON."""
        return json.loads(self.out)


def command(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Ran:
    """`python -m ocr_train ARGUMENTS`, in this process."""
    capsys.readouterr()
    try:
        code = main.run([str(one) for one in arguments])
    except SystemExit as exc:  # argparse's way to end
        code = int(str(exc.code or 0))
    captured = capsys.readouterr()
    return Ran(code, captured.out, captured.err)


def jpeg(width: int = 64, height: int = 32, grey: int = 90) -> bytes:
    """A small picture."""
    data = io.BytesIO()
    Image.new("RGB", (width, height), (grey, grey, grey)).save(data, "JPEG")
    return data.getvalue()


def rec_data(folder: Path, texts: Sequence[str], *, name: str = "Label.txt") -> Path:
    """Recognition samples, one picture a text; the label file comes back."""
    (folder / "img").mkdir(parents=True, exist_ok=True)
    lines = []
    for number, text in enumerate(texts):
        (folder / "img" / f"{number}.jpg").write_bytes(jpeg(grey=number % 250))
        lines.append(f"img/{number}.jpg\t{text}\n")
    (folder / name).write_text("".join(lines), encoding="utf-8")
    return folder / name


def det_label(text: str = "abc", *, left: int = 2, right: int = 40) -> str:
    """A detection label of one good box."""
    return json.dumps(
        [{"transcription": text, "points": [[left, 2], [right, 2], [right, 20], [left, 20]]}],
        ensure_ascii=False,
    )


def det_data(folder: Path, count: int, *, name: str = "Label.txt") -> Path:
    """Detection samples of one box each; the label file comes back."""
    (folder / "img").mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(count):
        (folder / "img" / f"{number}.jpg").write_bytes(jpeg(grey=number % 250))
        lines.append(f"img/{number}.jpg\t{det_label(f't{number}')}\n")
    (folder / name).write_text("".join(lines), encoding="utf-8")
    return folder / name
