"""What `resume=` can say: text in, one frozen value out; nothing is looked up here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from ocr_train.errors import ConfigError

AUTO, LATEST, BEST, RUN, MODEL, S3, PATH = "auto", "latest", "best", "run", "model", "s3", "path"
_RUN_ID = re.compile(r"(?P<run_id>[0-9a-f]{32})(?::\s*(?P<which>.*))?", re.DOTALL)
_STEP = re.compile(r"step[ _=-]?0*(?P<step>\d{1,15})(?:_[0-9a-f]{12})?")
_HINT = (
    "resume takes: auto, latest, best, <run id>, <run id>:best, <run id>:step N, runs:/RUN_ID, models:/NAME@ALIAS, "
    "s3://bucket/prefix of a checkpoint, or a path."
)


@dataclass(frozen=True, kw_only=True)
class ResumeSpec:
    """`kind` is one of the words above. Of a run (`kind` "run") `which` is "latest" or "best"; `step` outweighs it.

    `text` is what was given: a models:/ address, an s3:// address or a path for the other kinds.
    """

    kind: str
    text: str
    run_id: str = ""
    which: str = LATEST
    step: int | None = None


def parse_resume(text: str) -> ResumeSpec:
    """Read `text`; raises `ConfigError` for what looks like a run or an address and is none."""
    if text in (AUTO, LATEST, BEST):
        return ResumeSpec(kind=text, text=text)
    if match := _RUN_ID.fullmatch(text):
        which = match["which"]
        return _of_run(text, match["run_id"], LATEST if which is None else which)
    if text.startswith("runs:/"):
        return _runs_address(text)
    if text.startswith("models:/"):
        if len(text) <= len("models:/"):
            raise ConfigError(f"resume={text!r} does not name a model.", hint=_HINT)
        return ResumeSpec(kind=MODEL, text=text)
    if text[:5].lower() == "s3://":
        return ResumeSpec(kind=S3, text=text)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text):
        raise ConfigError(f"resume={text!r}: a checkpoint cannot be fetched from there.", hint=_HINT)
    return ResumeSpec(kind=PATH, text=text)


def _of_run(text: str, run_id: str, which: str) -> ResumeSpec:
    which = which.strip()
    if which in (LATEST, BEST):
        return ResumeSpec(kind=RUN, text=text, run_id=run_id, which=which)
    if match := _STEP.fullmatch(which):
        return ResumeSpec(kind=RUN, text=text, run_id=run_id, step=int(match["step"]))
    raise ConfigError(f"resume={text!r}: {which!r} is not one of latest, best, step N.", hint=_HINT)


def _runs_address(text: str) -> ResumeSpec:
    """runs:/ID, runs:/ID/checkpoints and runs:/ID/checkpoints/step_N, as the MLflow page shows them."""
    run_id, *rest = PurePosixPath(text.removeprefix("runs:/")).parts or ("",)
    if not re.fullmatch(r"[0-9a-f]{32}", run_id):
        raise ConfigError(f"resume={text!r}: {run_id!r} is not a run id.", hint=_HINT)
    if not rest or rest == ["checkpoints"]:
        return _of_run(text, run_id, LATEST)
    if rest[0] == "checkpoints" and len(rest) == 2:
        return _of_run(text, run_id, rest[1].removesuffix(".json"))
    raise ConfigError(f"resume={text!r}: {'/'.join(rest)!r} is not a checkpoint of a run.", hint=_HINT)


def step_in(address: str) -> int | None:
    """The step that an artifact address ends in, such as .../checkpoints/step_00000120; None without one."""
    parts = PurePosixPath(address).parts
    match = _STEP.fullmatch(parts[-1]) if len(parts) > 1 and parts[-2] == "checkpoints" else None
    return int(match["step"]) if match else None
