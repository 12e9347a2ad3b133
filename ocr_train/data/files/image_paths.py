"""Image paths as labels really have them, made paths below the folder of the images: tried on the disk.

Labelling tools write absolute paths, those of Windows, and those of another machine. Their end is what counts: the
longest one that is a file below the folder is taken. Nothing outside the folder is ever meant.
"""

from __future__ import annotations

import json
import posixpath
import re
import threading
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ocr_train.data.checks.problems import Finding
from ocr_train.data.files.image_files import is_file, slashed
from ocr_train.data.files.system_files import walk_files
from ocr_train.data.labels import LabelLine, read_labels, shorten
from ocr_train.data.samples import image_names
from ocr_train.errors import ConfigError

_UNNAMEABLE = re.compile("[\0\ud800-\udfff]")
_PLAIN = re.compile(r"\w[\w ./-]*")
"""What nearly all paths are: without what makes one foreign, or a name that no file can have."""
_URL_OR_DRIVE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://|^[A-Za-z]:")
_PEEKED = 100
_LOOKED_AT = 100_000
"""So many files are looked at for the name of a missing one."""


class UsablePath(NamedTuple):
    """A path that a label has, as a `name` relative to the images' folder; `finding` says how it was changed, or why
    it cannot be used."""

    name: str
    finding: Finding | None = None


def common_beginning(images: Sequence[str], root: Path) -> str:
    """What all of the paths begin with that has to be left out for each to be a file below `root`; nothing where one of
    them is right as it is, or where there is no such beginning. Labels that were written for the folder of a project have
    one: `./datasets/receipts/img/0.jpg`."""
    found: set[str] = set()
    for image in images:
        if is_foreign(image) or is_file(root / image):
            return ""
        end = next((end for end in _ends(image) if is_file(root / end)), "")
        if not end or not image.endswith(end):
            return ""
        found.add(image[: -len(end)])
    return found.pop() if len(found) == 1 else ""


def paths_of(label_files: Sequence[Path], images: Path | None, strip: str) -> ImagePaths:
    """Finds the images of label files that are in no data folder: below `images`, else below the folder of the label
    files or the one above it. Raises `ConfigError` where they have different ones."""
    roots: dict[Path, Path] = {}
    names: list[str] = []
    for path in label_files:
        own = [line.image for line in islice(read_labels(path), _PEEKED) if isinstance(line, LabelLine)]
        folders = (path.parent, path.parent.resolve().parent)
        root = images or next((one for one in folders if ImagePaths(one, strip).count(own)), path.parent)
        roots.setdefault(root.absolute(), path)
        names += (name for image in own for name in image_names(image))
    if len(roots) > 1:
        found = ", ".join(str(root) for root in roots)
        raise ConfigError(
            f"the label files have their images in different folders: {found}.",
            hint="Check them one by one, or name one folder for all with --images.",
        )
    root = next(iter(roots))
    return ImagePaths(root, strip or common_beginning(names, root))


def is_foreign(name: str) -> bool:
    """Whether a path cannot be one below a folder as it is: absolute, with a drive or backslashes, out of the folder."""
    if "\\" in name or name.startswith(("/", "~")) or _URL_OR_DRIVE.match(name):
        return True
    return ".." in name and not _stays_inside(name)


def _stays_inside(name: str) -> bool:
    depth = 0
    for part in name.split("/"):
        if part in ("", "."):
            continue
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def _is_unnameable(name: str) -> bool:
    return bool(_UNNAMEABLE.search(name)) or not any(part not in ("", ".") for part in name.split("/"))


class ImagePaths:
    """The images below the folder `root`, found by the paths that labels have; `strip` is left out of their beginning.

    Threads may ask at once.
    """

    def __init__(self, root: Path, strip: str = "") -> None:
        self.root = root
        self.place = str(root)
        self.strip = strip
        self._strip = strip.replace("\\", "/")
        self._lock = threading.Lock()
        self._respelled: dict[str, UsablePath] = {}

    def usable(self, written: str) -> UsablePath:
        """The path relative to `root` that `written` means. Most are that already, and the disk is not asked."""
        if self._respelled and (known := self._respelled.get(written)):
            return known
        name, found = self._find(written)
        if found is None:
            if _is_unnameable(name):
                bad = Finding("bad_path", shorten(repr(name)), "no file can have this name")
            else:
                bad = Finding("bad_path", shorten(written), self.where(name))
            return UsablePath(name=name, finding=bad)
        if found == name:
            return UsablePath(name)
        hint = f"read as {found!r}, the longest end of the path that is a file in {str(self.root)!r}"
        return UsablePath(name=found, finding=Finding("path_mended", shorten(written), hint))

    def _find(self, written: str) -> tuple[str, str | None]:
        """The path without `strip`, and the one that it means: the same, or an end of it that is a file; None where
        there is none. Why is another question, for which folders are gone through."""
        name = self._stripped(written)
        if _PLAIN.fullmatch(name) and ".." not in name:
            return name, name
        if _is_unnameable(name):
            return name, None
        if not is_foreign(name):
            return name, name
        return name, next(filter(self._is_there, _ends_of_foreign(name)), None)

    def respelled(self, written: str) -> UsablePath | None:
        """The file that a path means that is not there as it is written: the only one whose path is the same but for upper
        and lower case, for the form of its Unicode (macOS writes letters and their marks one by one), or for quotes
        around it. It is what `usable` gives from then on; None where there is none, or more than one."""
        name = self.usable_name(written)
        plain = _folded(name.strip().strip("\"'"))
        last = PurePosixPath(plain).name
        with self._lock:
            places = self._names.get(last, ())
        same = [place for place in places if _folded(place) == plain]
        if len(same) != 1 or is_foreign(name):
            return None
        hint = f"read as {same[0]!r}, the file whose name differs in its spelling alone (case, Unicode form, quotes or spaces around it)"
        found = UsablePath(name=same[0], finding=Finding("path_mended", shorten(written), hint))
        self._respelled[written] = found
        return found

    def usable_name(self, written: str) -> str:
        """The name alone, without why."""
        if self._respelled and (known := self._respelled.get(written)):
            return known.name
        name, found = self._find(written)
        return name if found is None else found

    def usable_image(self, image: str) -> str:
        """`usable` of the path (or JSON list of paths) of a line."""
        names = image_names(image)
        found = [self.usable_name(name) for name in names]
        if found == names:
            return image
        return found[0] if names == [image] else json.dumps(found, ensure_ascii=False)

    def count(self, images: Iterable[str]) -> int:
        """How many of the images of some lines are there."""
        return sum(self._is_there(self.usable_name(name)) for image in images for name in image_names(image))

    def where(self, name: str) -> str:
        """What to do about an image that is not where its label says: something that works, as the disk shows."""
        plain = name.strip()
        if plain != name and self._is_there(plain):
            return "the path has spaces around it: remove them"
        if not is_foreign(name) and is_file(self.root.parent / name):
            return f"it is found from the folder above: --images {str(self.root.parent)!r}"
        end = next(filter(self._is_there, _ends(name)), "")
        if end and end != plain:
            rest = name.replace("\\", "/")[: -len(end)]
            return f"it is at {end!r} there: leave out the beginning of the paths with --strip {rest!r}"
        return self._elsewhere(name)

    def _elsewhere(self, name: str) -> str:
        """Where below `root` a file of the same name is, and what finds it."""
        last = PurePosixPath(slashed(name)).name
        with self._lock:
            same, stems = self._names, self._stems
        places = same.get(_folded(last), ())
        if not places:
            others = stems.get(_folded(PurePosixPath(last).stem), ())
            if others:
                return f"there is {others[0]!r}, whose name ends in another way: correct the label"
            return f"no file of this name is in {str(self.root)!r}"
        if len(places) > 1:
            return f"{len(places)} files have this name, such as {places[0]!r}: write which one it is"
        place = places[0]
        for end in _ends(name):
            folder = place[: -len(end)].rstrip("/")
            if place == f"{folder}/{end}" and (is_foreign(name) or self._is_there(f"{folder}/{name}")):
                return f"it is at {place!r} there: name the folder of the images with --images {folder!r}"
        return f"it is at {place!r} there: correct the path"

    def _stripped(self, written: str) -> str:
        if not self._strip:
            return written
        name = written.replace("\\", "/")
        return name[len(self._strip) :].lstrip("/") if name.startswith(self._strip) else written

    def _is_there(self, name: str) -> bool:
        return bool(name) and not is_foreign(name) and is_file(self.root / name)

    @cached_property
    def _names(self) -> Mapping[str, Sequence[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for number, place in enumerate(_files(self.root)):
            if number == _LOOKED_AT:
                break
            found[_folded(PurePosixPath(place).name)].append(place)
        return found

    @cached_property
    def _stems(self) -> Mapping[str, Sequence[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for places in self._names.values():
            for place in places:
                found[_folded(PurePosixPath(place).stem)].append(place)
        return found


def _folded(name: str) -> str:
    """A name without what differs between file systems: upper and lower case, and the form of its Unicode."""
    if name.isascii():
        return name.casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _ends_of_foreign(name: str) -> Iterator[str]:
    """The ends of a path that may be meant; of one that leads up only all that follows: it is no other machine's."""
    plain = posixpath.normpath(slashed(name))
    return iter([plain.lstrip("./")]) if plain.startswith("..") else _ends(name)


def _ends(name: str) -> Iterator[str]:
    """Every end of a path, the longest first, with slashes and without what leads up."""
    parts = [part for part in slashed(name).split("/") if part not in ("", ".", "..", "~")]
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _files(root: Path) -> Iterator[str]:
    """All files below, relative and with slashes, in a fixed order."""
    return (path.relative_to(root).as_posix() for path in walk_files(root))
