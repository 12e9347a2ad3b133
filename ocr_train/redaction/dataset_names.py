"""What a set of data is called: after the folder, the archive or the prefix in the bucket that it comes from."""

from __future__ import annotations

import re

from ocr_train.redaction.redactor import redactor

LIMIT = 30
_ARCHIVE = re.compile(r"\.(zip|tar|tgz|tar\.\w{2,3})$", re.IGNORECASE)


def data_name(source: str) -> str:
    """The last part of a path or an address, without the ending of an archive and without secrets; "data" where there
    is none."""
    shown = redactor().text(source).partition("?")[0].rstrip("/")
    last = _ARCHIVE.sub("", shown.rpartition("/")[2])
    return re.sub(r"[^\w.\-]+", "_", last).strip("_.")[:LIMIT] or "data"
