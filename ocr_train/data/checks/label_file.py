"""What a label file is as a whole, where that is no label file: one problem, and not one for each of its lines."""

from __future__ import annotations

import shlex
from pathlib import Path

from ocr_train.data.checks.problems import Finding
from ocr_train.data.files.encodings import other_encoding
from ocr_train.data.files.file_looks import look_of
from ocr_train.errors import DataError


def whole_file_problem(path: Path) -> tuple[Finding, int] | None:
    """Why no line of the file can be read, and how many samples it has all the same; None where lines can be.

    Raises `OSError` where the file cannot be read.
    """
    if path.stat().st_size and (look := look_of(path)):
        return Finding("not_a_label_file", path.name, look), 1
    found = other_encoding(path)
    if found is None:
        return None
    name = shlex.quote(path.name)
    hint = (
        f"the file is {found.why}; {found.samples} samples when it is read so. Save it as UTF-8, or: "
        f"iconv -f {found.name} -t UTF-8 {name} > {name}.utf8 && mv {name}.utf8 {name}"
    )
    return Finding("not_utf8", path.name, hint), found.samples


def require_label_file(path: Path) -> None:
    """Raise `DataError` where no line of the file can be read, and why; `OSError` where the file cannot."""
    found = whole_file_problem(path)
    if found is not None:
        raise DataError(
            f"{path} cannot be read as labels: {found[0].hint}", hint="Then run the command again."
        )
