"""The files under a folder that somebody else's tool left, and finding images by what its labels say."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from ocr_train.data.image_files import IMAGE_SUFFIXES, base_name, is_file, slashed


class SourceFiles:
    """All files under `src` at this moment, in a fixed order; the folder `out` is left alone.

    Nothing outside `src` is ever found, whatever a label says: a label is not trusted with other folders.
    """

    def __init__(self, src: Path, out: Path) -> None:
        self._src = src
        self._files: list[Path] = []
        self._images: dict[str, list[Path]] = defaultdict(list)
        excluded = out.resolve()
        for folder, folders, files in os.walk(src):
            folders[:] = [name for name in folders if (Path(folder) / name).resolve() != excluded]
            self._files += [Path(folder) / name for name in files]
        self._files.sort(key=lambda path: path.relative_to(src).parts)
        for path in self._files:
            if path.suffix.lower() in IMAGE_SUFFIXES:
                self._images[path.name].append(path)

    def with_suffix(self, suffix: str) -> list[Path]:
        """The files of one suffix, whatever its case."""
        return [path for path in self._files if path.suffix.lower() == suffix and is_file(path)]

    def named(self, name: str) -> list[Path]:
        """The files of one name."""
        return [path for path in self._files if path.name == name and is_file(path)]

    def find_image(self, folder: Path, written: str) -> Path | None:
        """The file that `written` means in a label in `folder`, None where there is none or more than one.

        It is where the path says, seen from `folder`; or in `folder` itself; or the only image of its name
        anywhere under the source, since absolute paths come from another machine.
        """
        relative = slashed(written)
        if not relative.startswith("/"):
            candidate = Path(os.path.normpath(folder / relative))
            if self._holds(candidate) and is_file(candidate):
                return candidate
        name = base_name(written)
        if name not in ("", ".", "..") and is_file(folder / name):
            return folder / name
        same_name = self._images.get(name, [])
        return same_name[0] if len(same_name) == 1 and is_file(same_name[0]) else None

    def _holds(self, path: Path) -> bool:
        """By the names alone: a link that a team put into its folder is theirs to follow."""
        inner = os.path.abspath(path)  # noqa: PTH100 - Path.resolve would follow links
        outer = os.path.abspath(self._src)  # noqa: PTH100 - the same
        return Path(inner).is_relative_to(outer)
