"""Reads images with a trained model, in a child process of the trainer's interpreter.

    read_images(model, images) -> [Reading, ...]        waits
    ReadingProcess.start(...) -> .poll() -> .result()   does not

The child is `ocr_engine/worker.py`. The weights of a checkpoint are a pickle and screened before it loads them. A
guard ends the child should this process be killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocr_train.analysis.predictions import Reading, parse_reading
from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.errors import DataError, SetupError
from ocr_train.ocr_engine.documents import parse_json
from ocr_train.trainer.failures import reason_in
from ocr_train.trainer.files import weights_of
from ocr_train.trainer.guard import Guard
from ocr_train.trainer.imports import READING, require_packages

WORKER = Path(__file__).parents[1] / "ocr_engine" / "worker.py"
CHECKPOINT, EXPORTED, ONNX = "checkpoint", "exported", "onnx"


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model on this machine: `path` is a checkpoint's path without `.pdparams`, or an exported folder.

    `config` is the run's config.yml, with dict.txt beside it; `root` is PaddleOCR's folder (`Path()`: what the
    interpreter has), `env` the child's
    environment (default: this process's).
    """

    kind: str
    path: Path
    config: Path
    python: Path
    root: Path
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


class ReadingProcess:
    """A reading that runs beside us: `poll` until it is true, then `result`, and in any case `close`."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        guard: Guard,
        folder: Path,
        images: Sequence[Path],
        model: Model,
    ) -> None:
        self._model = model
        self._process = process
        self._guard = guard
        self._folder = folder
        self._images = tuple(images)

    @classmethod
    def start(
        cls,
        model: Model,
        images: Sequence[Path],
        *,
        rec: Model | None = None,
        nice: int = 0,
        use_gpu: bool = False,
        texts: Sequence[str] = (),
    ) -> ReadingProcess:
        """Start it; with `rec`, `model` finds the lines and `rec` reads them. `texts`, one for each image, are what a
        recognition model is asked the probability of.

        Raises `DataError` for weights that are not harmless, `SetupError` where it cannot start.
        """
        models = [model] if rec is None else [model, rec]
        for one in models:
            if one.kind == CHECKPOINT:
                screen(weights_of(one.path))
        folder = Path(tempfile.mkdtemp(prefix="reading-"))
        guard = Guard.start()
        try:
            job = {
                "models": [_plain(one) for one in models],
                "images": [str(path.absolute()) for path in images],
                "gpu": use_gpu,
                "nice": nice,
                "texts": list(texts),
            }
            process = _launch(model, job, folder, guard)
        except BaseException:
            guard.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(process, guard, folder, images, model)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def poll(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    @property
    def failed(self) -> bool:
        """Whether it has ended, and not well."""
        return self._process.poll() not in (None, 0)

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; false where it has not come within `timeout_s`."""
        try:
            self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def count_answers(self) -> int:
        """How many images it has read until now."""
        lines = (self._folder / "answers.jsonl").read_bytes().count(b"\n")
        # The last line says that it is done.
        return min(lines, len(self._images))

    def result(self) -> list[Reading]:
        """One reading for each image, in their order.

        Raises `DataError` where the model cannot be used, `SetupError` where the child failed.
        """
        self._process.wait()
        answers, failed = _parse((self._folder / "answers.jsonl").read_bytes())
        if failed is None and (self._process.returncode or len(answers) < len(self._images)):
            failed = {"of": "setup", "failed": self._how_it_ended()}
        if failed is not None:
            raise _error(failed, self._model)
        return [parse_reading(path, answers[number]) for number, path in enumerate(self._images)]

    def close(self) -> None:
        """Leave nothing behind: no process, no file. May be called twice."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._guard.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> ReadingProcess:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _how_it_ended(self) -> str:
        text = (self._folder / "said.log").read_bytes()[-4096:].decode("utf-8", "replace")
        code = self._process.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"it ended with {how}: {reason_in(text.splitlines()) or 'it said nothing'}"


def _launch(model: Model, job: Mapping[str, Any], folder: Path, guard: Guard) -> subprocess.Popen[bytes]:
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    env = {**model.env, **guard.env, "PYTHONIOENCODING": "utf-8", "NO_ALBUMENTATIONS_UPDATE": "1"}
    if not job["gpu"]:
        env.setdefault("OMP_NUM_THREADS", "1")
    try:
        # Files, not pipes: a reading that nobody looks at for minutes is not held up.
        with (folder / "answers.jsonl").open("wb") as answers, (folder / "said.log").open("wb") as errors:
            process = subprocess.Popen(
                [str(model.python), "-B", str(WORKER), str(folder / "job.json")],
                stdin=subprocess.DEVNULL,
                stdout=answers,
                stderr=errors,
                env=env,
                # An empty entry of PYTHONPATH means this: never a folder that came with a model.
                cwd=folder,
                # Ctrl-C on the terminal is ours to handle.
                start_new_session=True,
            )
    except OSError as exc:
        raise SetupError(
            f"{str(model.python)!r} cannot be started: {exc.strerror}",
            hint="Check trainer_python: it must be a Python interpreter.",
        ) from exc
    guard.watch_group(process.pid)
    return process


def _plain(model: Model) -> dict[str, str]:
    return {
        "kind": model.kind,
        "path": str(model.path.absolute()),
        "config": str(model.config.absolute()),
        "root": str(model.root.absolute()) if model.root != Path() else "",
    }


def read_images(
    model: Model,
    images: Sequence[Path],
    *,
    rec: Model | None = None,
    nice: int = 0,
    use_gpu: bool = False,
    timeout_s: float = 600,
    texts: Sequence[str] = (),
) -> list[Reading]:
    """What `model` says of each of `images`, in their order; an image that fails has an `error`.

    With `rec`, `model` finds the lines of each image and `rec` reads them, in the interpreter of `model`. Raises `DataError` where the model cannot be used (its files do not make one, its pickle is not harmless),
    `SetupError` where the child cannot run or is not done within `timeout_s`.
    """
    if not images:
        return []
    with ReadingProcess.start(model, images, rec=rec, nice=nice, use_gpu=use_gpu, texts=texts) as process:
        if not process.wait(timeout_s):
            raise SetupError(
                f"{model.path} has not read {len(images)} image(s) within {timeout_s:g} s.",
                hint="Give fewer images at once, or more time.",
            )
        return process.result()


def _parse(output: bytes) -> tuple[dict[int, dict[str, Any]], dict[str, Any] | None]:
    """The answers by image number, and what failed as a whole."""
    answers: dict[int, dict[str, Any]] = {}
    failed = None
    for line in output.splitlines():
        try:
            value = parse_json(line)
        except ValueError:
            # The child was killed in the middle of a line.
            continue
        if "failed" in value:
            failed = value
        elif "image" in value:
            answers[int(value["image"])] = value
    return answers, failed


def _error(failed: Mapping[str, Any], model: Model) -> DataError | SetupError:
    if failed["of"] == "model":
        return DataError(
            f"the model cannot be used: {failed['failed']}.",
            hint=failed.get("hint") or "Weights, config.yml and dict.txt must come from the same run.",
        )
    if "No module named" in failed["failed"]:
        # The first that is missing is seldom the last.
        try:
            require_packages(model.python, _code_of(model), READING)
        except SetupError as exc:
            return exc
    return SetupError(
        f"the process that reads images failed: {failed['failed']}",
        hint="Check that trainer_python and paddleocr are those that the model was trained with.",
    )


def _code_of(model: Model) -> Path:
    """The PaddleOCR that reads: the one given, else what an exported folder brings along."""
    return model.root if model.root != Path() else model.path / "paddleocr"
