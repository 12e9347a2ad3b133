"""Several sources as one data folder: a link to the images of each, and copies of the label files with paths below these.

    mixed/source_1 -> images of the first     mixed/labels_1/train.txt   line for line the label files of the first
    mixed/source_2 -> images of the second    mixed/labels_2/train.txt

PaddleOCR reads all of a set from one `data_dir` (ppocr/data/simple_dataset.py). In the copies every line keeps its number,
so that problems are told of the users' own files. All sources are checked at once: an image that the first validates on and
another trains on is a leak, and two labels of one image are a conflict, wherever they are.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from pathlib import Path

from ocr_train.config.requests import DataSource
from ocr_train.config.started import this_start
from ocr_train.data.checks.label_file import whole_file_problem
from ocr_train.data.files.image_paths import ImagePaths, UsablePath
from ocr_train.data.formats.converted import LabelSource
from ocr_train.data.formats.table import PADDLEOCR
from ocr_train.data.labels import BadLine, LabelLine, TableLine, format_sample, raw_labels
from ocr_train.data.layout import Layout
from ocr_train.data.manifest import DatasetManifest
from ocr_train.data.samples import image_names
from ocr_train.errors import DataError
from ocr_train.run import Echo

MIXED = "mixed"


@dataclass(frozen=True, kw_only=True)
class FoundSource:
    """A source of several: what it is called, `origin` as people know it, its `layout`, and its labels."""

    source: DataSource
    name: str
    origin: str
    layout: Layout
    labels: LabelSource


@dataclass(frozen=True, kw_only=True)
class DatasetPart:
    """What came from one of several sources, called `name`: `samples` to train on, of which an epoch takes `drawn`. `images`
    is the folder of its images, `link` its name below the images of the dataset; `digest` is that of its files."""

    name: str
    source: DataSource
    origin: str
    images: Path
    link: str
    samples: int
    drawn: int
    digest: str


class MixedPaths(ImagePaths):
    """The images of several sources, by paths that begin with the link of theirs; each source finds its own."""

    def __init__(self, root: Path, parts: Mapping[str, ImagePaths]) -> None:
        super().__init__(root)
        self._parts = parts

    def usable(self, written: str) -> UsablePath:
        """As its source finds it."""
        link, _, name = written.partition("/")
        found = self._parts[link].usable(name)
        return found._replace(name=f"{link}/{found.name}")

    def respelled(self, written: str) -> UsablePath | None:
        """As its source finds it."""
        link, _, name = written.partition("/")
        found = self._parts[link].respelled(name)
        return None if found is None else found._replace(name=f"{link}/{found.name}")

    def usable_name(self, written: str) -> str:
        """As its source finds it."""
        link, _, name = written.partition("/")
        return f"{link}/{self._parts[link].usable_name(name)}"

    def where(self, name: str) -> str:
        """What to do about it in its source."""
        link, _, own = name.partition("/")
        return self._parts[link].where(own)


@dataclass(frozen=True, kw_only=True)
class MixedLayout(Layout):
    """The label files of all sources; `parts` finds the images of each by its link, `own` are the first source's files."""

    parts: Mapping[str, ImagePaths]
    own: tuple[Path, ...]

    @property
    def split_from(self) -> tuple[Path, ...]:
        """The team's own: what other sources have is not validated on."""
        return self.own

    @property
    def split_below(self) -> str:
        """Our link: the set of a sample is the same with other sources and without."""
        return f"{link_name(1)}/"

    @cached_property
    def paths(self) -> ImagePaths:
        """Finds the images of every source."""
        return MixedPaths(self.images, self.parts)


@dataclass(frozen=True, kw_only=True)
class MixedLabels(LabelSource):
    """The labels of several sources: `copies` has for each label file that is read the one that it is a copy of, and the
    number of its source in `parts` (from 0)."""

    parts: tuple[LabelSource, ...]
    copies: Mapping[str, tuple[str, int]]

    @property
    def knows_better(self) -> bool:
        """All label files are copies."""
        return True

    def place(self, file: str, line: int) -> tuple[str, int]:
        """The place in the source's own label file, or where it was made of."""
        if file not in self.copies:
            return file, line
        own, number = self.copies[file]
        return self.parts[number].place(own, line)

    def title(self, file: str) -> str:
        """The source's own label file, or what it was made of."""
        if file not in self.copies:
            return file
        own, number = self.copies[file]
        return self.parts[number].title(own)

    def shown(self, file: str, value: str) -> str:
        """`value` without our link to the images."""
        if file not in self.copies:
            return value
        return value.replace(f"{link_name(self.copies[file][1] + 1)}/", "")

    def told(self) -> set[str]:
        """What all of them have told: kinds are counted over all."""
        return reduce(set.intersection, (part.told() for part in self.parts))


def link_name(number: int) -> str:
    """The folder of the images of source `number` (from 1) below the run's own folder of data. Its address is not in it: the
    same data have the same digest wherever they come from."""
    return f"source_{number}"


def require_folders(sources: Sequence[DataSource]) -> None:
    """Raise `DataError` with every folder that is not there, before anything is fetched."""
    missing = [
        one.address for one in sources if not one.is_s3 and not Path(one.address).expanduser().exists()
    ]
    if missing:
        problems = [
            this_start().where_from("data", path) or f"data: there is no folder {path!r}." for path in missing
        ]
        raise DataError(
            "\n".join(problems),
            hint=f"`data` was read as {len(sources)} sources, which commas part: "
            f"{', '.join(repr(one.address) for one in sources)}. Give folders, archives or s3://bucket/prefix.",
        )


def mix_sources(found: Sequence[FoundSource], folder: Path, echo: Echo) -> tuple[MixedLayout, MixedLabels]:
    """Lay `found` out in `folder`, which is made anew. Raises `DataError` where that is not possible here."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copies: dict[str, tuple[str, int]] = {}
    trained = [_add(one, number, "train", folder, copies) for number, one in enumerate(found, start=1)]
    held = _add(found[0], 1, "val", folder, copies)
    for number, one in enumerate(found, start=1):
        _link(folder / link_name(number), one, folder)
    _say(found, echo)
    layout = MixedLayout(
        images=folder,
        train=tuple(path for paths in trained for path in paths),
        val=held,
        dictionary=found[0].layout.dictionary,
        parts={link_name(number): one.layout.paths for number, one in enumerate(found, start=1)},
        own=trained[0],
    )
    labels = MixedLabels(
        folder=folder,
        origin=folder,
        format=PADDLEOCR,
        skipped=sum((Counter(one.labels.skipped) for one in found), Counter()),
        problems=tuple(problem for one in found for problem in one.labels.problems),
        parts=tuple(one.labels for one in found),
        copies=copies,
    )
    return layout, labels


def parts_of_dataset(
    found: Sequence[FoundSource], samples: Sequence[int], manifest: DatasetManifest
) -> tuple[DatasetPart, ...]:
    """What came from each of several sources, of which `samples` are trained on. Raises `DataError` where an epoch would
    have none of a source: PaddleOCR would leave it out without a word."""
    if len(found) == 1:
        return ()
    none = [
        f"{one.name}: {one.source.ratio:g} of {count}"
        for one, count in zip(found, samples, strict=True)
        if not drawn_of(count, one.source.ratio)
    ]
    if none:
        raise DataError(
            f"data: an epoch would take no sample of {', '.join(none)}.",
            hint="Give a larger ratio, or leave the source out.",
        )
    return tuple(
        DatasetPart(
            name=one.name,
            source=one.source,
            origin=one.origin,
            images=one.layout.images,
            link=link_name(number),
            samples=count,
            drawn=drawn_of(count, one.source.ratio),
            digest=_digest(manifest, number),
        )
        for number, (one, count) in enumerate(zip(found, samples, strict=True), start=1)
    )


def drawn_of(samples: int, ratio: float) -> int:
    """How many of the samples an epoch takes, as PaddleOCR rounds."""
    return round(samples * ratio)


def _digest(manifest: DatasetManifest, number: int) -> str:
    """The digest of what the manifest has of source `number`; validation samples are those of the first one."""
    link = f"{link_name(number)}/"
    own = {f"train_{number}.txt", *(["val.txt"] if number == 1 else [])}
    entries = [one for one in manifest.entries if one.path.startswith(link) or one.path in own]
    return DatasetManifest(tuple(entries)).digest


def files_by_source(
    layout: MixedLayout, found: Sequence[FoundSource]
) -> tuple[tuple[str, tuple[Path, ...]], ...]:
    """For each source the label file that the trainer is to read, and the training label files that go into it."""
    files = iter(layout.train)
    return tuple(
        (f"train_{number}_{one.name}.txt", tuple(next(files) for _ in one.layout.train))
        for number, one in enumerate(found, start=1)
    )


def _say(found: Sequence[FoundSource], echo: Echo) -> None:
    own, *others = found
    for one in others:
        if one.layout.val:
            names = ", ".join(path.name for path in one.layout.val)
            echo(f"data: {one.name}: passed over: {names}: validation samples are those of {own.name} alone")
        if one.layout.dictionary is not None:
            echo(
                f"data: {one.name}: passed over: {one.layout.dictionary.name}: the dictionary is that of {own.name}, or the model's"
            )


def _link(link: Path, one: FoundSource, folder: Path) -> None:
    """A link to the images of a source; what was made for this run is linked so that its folder can be moved."""
    target = one.layout.images.absolute()
    own = folder.parent.absolute()
    place = os.path.relpath(target, folder.absolute()) if target.is_relative_to(own) else str(target)
    try:
        link.symlink_to(place, target_is_directory=True)
    except (OSError, NotImplementedError) as exc:
        raise DataError(
            f"data: {folder} cannot hold a link to {target}: {getattr(exc, 'strerror', '') or exc}. Several sources are put "
            "together with links.",
            hint="Use a disk and a system with symbolic links (on Windows: developer mode), or put the images and "
            "label files of all sources into one folder, as train_a.txt and train_b.txt, with ratio_list (docs/configuration.md).",
        ) from exc


def _add(
    one: FoundSource, number: int, name: str, folder: Path, copies: dict[str, tuple[str, int]]
) -> tuple[Path, ...]:
    """Write copies of the label files of a set of source `number`; their paths."""
    files = one.layout.train if name == "train" else one.layout.val
    written = []
    place = folder / f"labels_{number}"
    place.mkdir(exist_ok=True)
    for path in files:
        # By the same name, which messages have.
        copy = place / path.name
        _copy_labels(path, copy, link_name(number))
        copies[str(copy)] = (str(path), number - 1)
        written.append(copy)
    return tuple(written)


def _copy_labels(path: Path, copy: Path, link: str) -> None:
    """The label file line for line, with every image's path below `link`; what is no sample stays as it is."""
    if whole_file_problem(path) is not None:
        shutil.copyfile(path, copy)
        return
    with copy.open("wb") as out:
        for entry, raw in raw_labels(path):
            out.write(raw if entry is None or isinstance(entry, BadLine) else _below(entry, raw, link))


def _below(entry: LabelLine, raw: bytes, link: str) -> bytes:
    """The bytes of a sample's line with its image, or each image of its list, below `link`."""
    names = image_names(entry.image)
    if names == [entry.image] and not isinstance(entry, TableLine):
        start = 3 if entry.bom else 0
        return raw[:start] + f"{link}/".encode() + raw[start:]
    moved = [f"{link}/{name}" for name in names]
    image = json.dumps(moved, ensure_ascii=False) if names != [entry.image] else moved[0]
    text = format_sample(replace(entry, image=image)).encode("utf-8", "surrogatepass")
    return (b"\xef\xbb\xbf" if entry.bom else b"") + (text[:-1] + b"\r\n" if entry.crlf else text)
