"""The file that tells whoever started a container why it failed: SageMaker's /opt/ml/output/failure, a pod's message.

OCR_TRAIN_FAILURE_FILE names it. SageMaker shows its first 1,024 characters as FailureReason; Kubernetes shows up to
4,096 bytes of `terminationMessagePath`.
"""

from __future__ import annotations

import os
from pathlib import Path

from ocr_train.redaction.redactor import redactor

VARIABLE = "OCR_TRAIN_FAILURE_FILE"
LIMIT = 1024


def note_failure(problem: str, hint: str = "") -> None:
    """Write why we failed into the file that the environment names, if it names one, without credentials."""
    if named := os.environ.get(VARIABLE, ""):
        write_failure(Path(named), f"{problem.strip()}\n{hint.strip()}")


def write_failure(path: Path, text: str, *, limit: int = LIMIT) -> bool:
    """Write the first `limit` characters of `text` unless the file says something already; whether it was written."""
    try:
        if path.is_file() and path.stat().st_size:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_shortened(redactor().text(text), limit), encoding="utf-8")
    except OSError:
        return False
    return True


def _shortened(text: str, limit: int) -> str:
    """At most `limit` characters of `text`; of a long one its beginning and its last line, which says what to do."""
    text = text.strip()
    if len(text) <= limit:
        return text
    last = text.rpartition("\n")[2][: limit // 3]
    return f"{text[: limit - len(last) - 5]} ...\n{last}"
