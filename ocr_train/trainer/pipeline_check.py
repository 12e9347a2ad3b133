"""PaddleOCR's own data pipeline, tried on a few samples before training.

In PaddleOCR a sample that fails is replaced by another one without a word. Where every sample fails, training
hangs for ever or ends in a recursion, and says nothing of use. Here the same operators run on a sample of the same
lines in the trainer's interpreter, for seconds, and what fails is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_train.data.labels import shorten
from ocr_train.errors import DataError, SetupError
from ocr_train.trainer.failures import numpy_hint, reason_in
from ocr_train.trainer.interpreter import Reply, ask
from ocr_train.trainer.process import Exit

SCRIPT = Path(__file__).with_name("pipeline_check_script.py")
BROKEN_SHARE = 0.75
"""So many samples with an error in one operator mean that the operator is broken, not the data: with numpy 2.4,
EastRandomCropData failed on 7 of 8 pages, and worked where it found nothing to crop."""

SHARE_FOR_SAMPLES = 0.5
"""Of the time allowed: what the samples may take. The rest is for imports and for an operator that is slow."""


@dataclass(frozen=True, kw_only=True)
class SampleFailure:
    """A sample that PaddleOCR would silently replace by another one.

    `part` is "Train" or "Eval"; `place` is "file:line" and `line` that line, shortened, both empty where the
    operator could not even be made; `operator` is empty where the sample could not be read; `error` is the
    exception's type and first line, empty where the operator returned None to drop the sample.
    """

    part: str
    place: str
    line: str
    operator: str
    error: str

    def __str__(self) -> str:
        image = self.line.partition("\t")[0]
        where = f"{image!r} ({self.place}) " if self.place else ""
        if not self.operator:
            return f"{where}cannot be read: {self.error}"
        error = self.error or "it returns None: the sample is dropped"
        return f"{where}{'fails ' if where else 'The operator cannot be made: '}in {self.operator}: {error}"


@dataclass(frozen=True, kw_only=True)
class PipelineCheck:
    """How many samples of each part were tried, and which failed; `notes` say what was not tried, and why."""

    tried: Mapping[str, int]
    failed: Sequence[SampleFailure]
    notes: Sequence[str] = ()


def check_pipeline(
    python: Path,
    paddleocr_root: Path,
    config: Path,
    *,
    samples: int = 8,
    timeout_s: float = 120,
    env: Mapping[str, str],
    seed: int = 0,
) -> PipelineCheck:
    """Run `samples` lines of each part of `config`, as rendered for tools/train.py, through its operators.

    The first, the last and random lines are taken; where all of them fail, up to 8 times as many. `env` is the
    trainer's environment. Raises `SetupError` where PaddleOCR's data code does not work in `python` at all.
    """
    budget_s = timeout_s * SHARE_FOR_SAMPLES
    argv = [str(python), "-B", str(SCRIPT), str(paddleocr_root), str(config.absolute())]
    # As the trainer: relative paths in the configuration start there.
    reply = ask(
        [*argv, str(samples), str(seed), str(budget_s)],
        env={**env, "NO_ALBUMENTATIONS_UPDATE": "1"},
        cwd=config.absolute().parent,
        timeout_s=timeout_s,
    )
    if reply.not_started:
        raise SetupError(
            f"{str(python)!r} cannot be started: {reply.not_started}", hint="Check trainer_python."
        )
    if reply.code is None:
        return _interrupted(reply, f"it did not end within {timeout_s:g} s")
    answer = reply.last("CHECK")
    if answer is None:
        ended = Exit.of(reply.code)
        check = _interrupted(reply, f"the interpreter ended with {ended.signal or ended}")
        if check.failed:
            return check
        raise _broken(python, reason_in(reply.stderr.splitlines()) or check.notes[0])
    if answer["broken"]:
        raise _broken(python, answer["broken"])
    failed = [SampleFailure(**{**entry, "line": shorten(entry["line"])}) for entry in answer["failed"]]
    return PipelineCheck(tried=answer["tried"], failed=failed, notes=answer["notes"])


def require_working(check: PipelineCheck) -> str:
    """Raise `DataError` where a part cannot be trained on; one sentence where only some samples fail, else
    nothing.

    A part is hopeless where no sample works, or where three quarters end with an error in the same operator.
    """
    hopeless = [part for part in ("Train", "Eval") if _is_hopeless(part, check)]
    if hopeless:
        described = [_describe(part, check) for part in hopeless]
        first = next(failure for failure in check.failed if failure.part == hopeless[0])
        raise DataError("\n".join(described), hint=f"{_advice(first)} Nothing can be trained on them.")
    if not check.failed:
        return ""
    return (
        f"{len(check.failed)} of {sum(check.tried.values())} samples that were tried fail in PaddleOCR, which "
        f"replaces them with other samples: {check.failed[0]}"
    )


def _is_hopeless(part: str, check: PipelineCheck) -> bool:
    failed = [failure for failure in check.failed if failure.part == part]
    tried = check.tried.get(part, 0)
    if any(not failure.place for failure in failed) or (failed and len(failed) >= tried):
        return True
    broken = Counter(failure.operator for failure in failed if failure.operator and failure.error)
    return any(count >= BROKEN_SHARE * tried for count in broken.values())


def _describe(part: str, check: PipelineCheck) -> str:
    failed = [failure for failure in check.failed if failure.part == part]
    kind = "training" if part == "Train" else "validation"
    if not failed[0].place:
        return f"PaddleOCR cannot read any {kind} sample. {failed[0]}"
    reasons: dict[tuple[str, str], SampleFailure] = {}
    for failure in failed:
        reasons.setdefault((failure.operator, failure.error), failure)
    shown = "\n".join(f"    {failure}" for failure in list(reasons.values())[:3])
    tried, works = check.tried[part], check.tried[part] - len(failed)
    return f"PaddleOCR can use {works or 'none'} of the {tried} {kind} samples that were tried:\n{shown}"


def _advice(failure: SampleFailure) -> str:
    """What to do about a failure, by its kind."""
    if not failure.operator:
        return "Check that the images are where the label file says."
    where = f"{failure.part}.dataset.transforms.{failure.operator}"
    if failure.error:
        return numpy_hint(failure.error) or (
            f"Check the values below {where} in the configuration, and the versions of numpy (below 2), opencv "
            "and albumentations in the trainer's interpreter (docs/requirements.md)."
        )
    if "Label" in failure.operator:
        return (
            "Labels are dropped that have no character of the dictionary (Global.character_dict_path), are longer "
            "than Global.max_text_length, or are empty."
        )
    return f"Check the values below {where} in the configuration against the images."


def _interrupted(reply: Reply, error: str) -> PipelineCheck:
    """What is known of a check that was cut off: the operator that ran is the one to name."""
    where = reply.last("AT")
    if where is None:
        return PipelineCheck(tried={}, failed=(), notes=(f"the data pipeline was not tried: {error}",))
    failure = SampleFailure(**{**where, "line": shorten(where["line"]), "error": error})
    return PipelineCheck(tried={failure.part: 1}, failed=(failure,))


def _broken(python: Path, error: str) -> SetupError:
    return SetupError(
        f"PaddleOCR's data code does not work in {str(python)!r}: {error}",
        hint=numpy_hint(error)
        or "Install what PaddleOCR needs there (its requirements.txt), or choose another trainer_python.",
    )
