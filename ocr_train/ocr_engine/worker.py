"""Reads images with a model, or with detection and recognition together, as a process of its own. Started by path, in the trainer's interpreter.

    PYTHON -B worker.py JOB.json

JOB.json: `{"models": [{"kind": "checkpoint"|"exported"|"onnx", "path", "config", "root"}, ...], "images": [...],
"gpu", "nice"}`; two models are detection and recognition. "texts" is optional: one for each image, whose probability a
recognition model is asked for (`Engine.read`).
Output, one JSON line each, as it goes: `{"image": N, ...}` with the answer for the N-th image (`Engine.read`, `Reader.read`);
`{"failed": why, "of": "model"|"setup", "hint": what to do}` where the model cannot be used at all; `{"done": n}`.
Nothing else comes on stdout: what PaddleOCR prints there goes to stderr.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any


def main(argv: list[str]) -> None:
    """Do the job that the file `argv[0]` describes."""
    # This folder: its modules must not stand in for others of the same name.
    del sys.path[0]
    with Path(argv[0]).open(encoding="utf-8") as stream:
        job = json.load(stream)
    out = _private_stdout()
    os.nice(int(job.get("nice", 0)))
    try:
        engine = _open(job)
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - whatever it is, it is reported
        of = "model" if type(exc).__name__ == "EngineError" else "setup"
        message = str(exc) if of == "model" else f"{type(exc).__name__}: {str(exc).strip()}"
        _echo(out, {"failed": message, "of": of, "hint": getattr(exc, "hint", "")})
        return
    _read_all(engine, job["images"], job.get("texts") or [], out)


def _read_all(engine: Any, images: list[str], texts: list[str], out: Any) -> None:
    from ocr_engine.images import ImageError, read_image  # type: ignore[import-not-found]

    for start in range(0, len(images), engine.batch_size):
        pictures, numbers = [], []
        for number in range(start, min(start + engine.batch_size, len(images))):
            try:
                picture = read_image(Path(images[number]), ignore_orientation=engine.ignore_orientation)
            except ImageError as exc:
                _echo(out, {"image": number, "error": str(exc)})
            else:
                pictures.append(picture)
                numbers.append(number)
        found = (
            engine.read(pictures, [texts[number] for number in numbers]) if texts else engine.read(pictures)
        )
        for place, number in enumerate(numbers):
            _echo(out, dict(found[place], image=number))
    _echo(out, {"done": len(images)})


def _open(job: dict[str, Any]) -> Any:
    _load_package()
    from ocr_engine import lines  # type: ignore[import-not-found]

    engines = [_open_one(one, bool(job["gpu"])) for one in job["models"]]
    return engines[0] if len(engines) == 1 else lines.Reader(*engines)


def _open_one(values: dict[str, Any], gpu: bool) -> Any:
    from ocr_engine import model

    root, path = values["root"], Path(values["path"])
    if values["kind"] == "checkpoint":
        return model.open_checkpoint(Path(values["config"]), path, root, gpu=gpu)
    return {"exported": model.open_exported, "onnx": model.open_onnx}[values["kind"]](path, root, gpu=gpu)


def _load_package() -> None:
    """Import this folder as the package `ocr_engine`, and nothing of the folder that it lies in."""
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "ocr_engine", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is not a package")
    module = importlib.util.module_from_spec(spec)
    sys.modules["ocr_engine"] = module
    spec.loader.exec_module(module)


def _private_stdout() -> Any:
    """The stream of answers; what others write to stdout goes to stderr from now on."""
    sys.stdout.flush()
    private = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    return private


def _echo(out: Any, value: dict[str, Any]) -> None:
    # A lone surrogate cannot be UTF-8, but can be escaped.
    out.write(
        json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8") + "\n"
    )
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
