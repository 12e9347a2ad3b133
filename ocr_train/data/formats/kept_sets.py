"""The split that a tool has made by folders (`train/`, `valid/`, `test/`), kept in the converted labels."""

from __future__ import annotations

import re
from pathlib import Path

_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "eval", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def keep_sets(labels: Path) -> tuple[Path, ...]:
    """Make of a converted label file `train.txt`, `val.txt` and `test.txt` beside it, in its place, and give them back.

    Only where the folder of every image names its set, and both training and other images are there; else the file stays
    as it is, and is what comes back.
    """
    sets: dict[str, list[str]] = {}
    with labels.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            name = _set_of(line.partition("\t")[0])
            if not name:
                return (labels,)
            sets.setdefault(name, []).append(line)
    if "train" not in sets or len(sets) == 1:
        return (labels,)
    made = []
    for name, lines_of_set in sets.items():
        path = labels.with_name(f"{name}.txt")
        path.write_text("".join(lines_of_set), encoding="utf-8", newline="\n")
        made.append(path)
    labels.unlink()
    return tuple(made)


def _set_of(image: str) -> str:
    """The set that the folders of an image name; none where they name none or several."""
    words = {word for folder in image.split("/")[:-1] for word in re.split(r"[^a-z]+", folder.lower())}
    found = {_WORDS[word] for word in words if word in _WORDS}
    return found.pop() if len(found) == 1 else ""
