"""Whether a version still reads what could be read before its training: what `promote --keep-tolerance` demands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ocr_train.errors import DataError
from ocr_train.models.metadata import ModelPart


def why_not_kept(
    mine: Sequence[ModelPart], theirs: Sequence[ModelPart], tolerance: float | None, version: Any
) -> str:
    """Why `version`, of the parts `mine`, is not promoted over the champion's `theirs`; nothing where it is good enough, or
    where `tolerance` is None.

    Each part's keep score after its training may be less by `tolerance` than the one before it, and than the champion's
    where both were measured on the same set. A part that is the champion's own, weight by weight, has lost nothing. Raises
    `DataError` where a part has no keep score, or nothing to compare it with.
    """
    if tolerance is None:
        return ""
    others = {part.task: part for part in theirs}
    reasons = [_why(part, others.get(part.task), tolerance, version) for part in mine]
    return next(filter(None, reasons), "")


def _why(part: ModelPart, rival: ModelPart | None, tolerance: float, version: Any) -> str:
    if rival and part.checkpoint_sha256 and part.checkpoint_sha256 == rival.checkpoint_sha256:
        return ""
    keep = part.keep
    if keep is None:
        raise _unknown(
            f"{version.name} version {version.version} ({part.task}) says nothing about a keep set"
        )
    compared = {"before its training": keep.before}
    if rival and rival.keep and (rival.keep.digest, rival.keep.metric) == (keep.digest, keep.metric):
        compared["that the champion has"] = rival.keep.after
    known = {where: value for where, value in compared.items() if value is not None}
    if not known:
        raise _unknown(
            f"{version.name} version {version.version} ({part.task}) has {keep.metric} {keep.after:.4f} on its keep set, and "
            "no score to compare it with: neither one before its training nor one of the champion on the same set"
        )
    for where, value in known.items():
        # Scores are quotients of counts: what differs in the last bits is the same.
        if value - keep.after > tolerance + 1e-9:
            return (
                f"on its keep set {keep.metric} is {keep.after:.4f}, less than the {value:.4f} {where} by more than "
                f"{tolerance:g}: it no longer reads what could be read."
            )
    return ""


def _unknown(problem: str) -> DataError:
    return DataError(
        f"not promoted: {problem}.",
        hint="Train it with keep=FOLDER or keep=s3://bucket/prefix (and evaluation_images above 0), which measures it before "
        "training and after it; or promote without --keep-tolerance.",
    )
