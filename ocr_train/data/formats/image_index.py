"""The images of a folder by their names: which of several of the same name is meant."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from ocr_train.data.files.image_files import is_file

_SAME_WORDS = {"training": "train", "testing": "test", "valid": "val", "validation": "val"}


class ImageIndex:
    """Images below `src`, found by a name in any case, or by a name without its suffix. What is asked again is looked up:
    a set may have thousands of images of one name, each in a folder of its own."""

    def __init__(self, src: Path) -> None:
        self._src = src
        self._paths: dict[tuple[str, ...], list[Path]] = defaultdict(list)
        self._groups: dict[tuple[str, ...], _SameNamed] = {}

    def add(self, path: Path) -> None:
        """Take in an image."""
        name, stem = path.name.casefold(), path.stem.casefold()
        for key in (("exact", path.name), ("name", name), ("stem", stem), ("in", str(path.parent), stem)):
            self._paths[key].append(path)

    def named(self, name: str, folders: Sequence[str]) -> Path | None:
        """The only image of a name, or the one whose folders share most words with `folders`; upper and lower case count
        where an image has the very name. None where there is none, or two share as many."""
        exact = ("exact", name)
        return self._group(exact if exact in self._paths else ("name", name.casefold())).most_alike(folders)

    def of_stem(self, stem: str, folder: Path) -> Path | None:
        """The image of a name without its suffix: the only one in `folder`, or the one most alike of those there, or of
        all."""
        key = ("in", str(folder), stem.casefold())
        beside = self._paths.get(key, [])
        if len(beside) == 1:
            return beside[0]
        group = self._group(key if beside else ("stem", stem.casefold()))
        return group.most_alike(folder.relative_to(self._src).parts)

    def _group(self, key: tuple[str, ...]) -> _SameNamed:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _SameNamed(self._paths.get(key, []), self._src)
        return group


class _SameNamed:
    """Images of one name, and the words in the names of their folders."""

    def __init__(self, paths: Iterable[Path], src: Path) -> None:
        self._paths = [path for path in paths if is_file(path)]
        self._words = [
            folder_words(path.relative_to(src).parts[:-1] if path.is_relative_to(src) else path.parts[:-1])
            for path in self._paths
        ]
        self._with_word: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(self._words):
            for word in words:
                self._with_word[word].append(number)
        self._known: dict[frozenset[str], Path | None] = {}

    def most_alike(self, folders: Sequence[str]) -> Path | None:
        """The only one, or the one whose folders share most words with `folders`; None where two share as many."""
        if len(self._paths) < 2:
            return self._paths[0] if self._paths else None
        words = frozenset(word for word in folder_words(folders) if word in self._with_word)
        if words not in self._known:
            self._known[words] = self._most_alike(words)
        return self._known[words]

    def _most_alike(self, words: frozenset[str]) -> Path | None:
        best = 1
        found: list[int] = []
        seen: set[int] = set()
        lists = sorted((self._with_word[word] for word in words), key=len)
        for place, numbers in enumerate(lists):
            # Who has none of the rarer words shares no more than what is left.
            if len(lists) - place < best:
                break
            for number in numbers:
                if number in seen:
                    continue
                seen.add(number)
                shared = len(words & self._words[number])
                if shared > best:
                    best, found = shared, []
                if shared == best:
                    found.append(number)
        return self._paths[found[0]] if len(found) == 1 else None


def folder_words(folders: Iterable[str]) -> set[str]:
    """The words in the names of folders; "training" is "train"."""
    words = {word for folder in folders for word in re.split(r"[^a-z0-9]+", folder.casefold()) if word}
    return {_SAME_WORDS.get(word, word) for word in words}
