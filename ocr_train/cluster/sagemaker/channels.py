"""The channels of a training job as `data`: the one that there is, or `train` and `validation` together.

Channels may be read-only: of two, the label files are written anew in a folder of their own, where the channels are
links.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ocr_train.cluster.sagemaker.contract import SHARDED, Channel, TrainingJob
from ocr_train.data.files.archive_source import is_archive_path
from ocr_train.data.files.image_paths import ImagePaths
from ocr_train.data.labels import BadLine, LabelLine, format_sample, read_labels
from ocr_train.data.layout import Layout, find_layout
from ocr_train.data.samples import image_names
from ocr_train.errors import ConfigError

TRAIN = ("train", "training")
LINKS = "channels"
VALIDATION = ("validation", "val", "valid", "eval")


def data_channels(job: TrainingJob, problems: list[str]) -> tuple[Channel, ...]:
    """The channel with the data, or those for training and for validation; none where there is no channel."""
    train = [channel for channel in job.channels if channel.name in TRAIN]
    held = [channel for channel in job.channels if channel.name in VALIDATION]
    if len(train) > 1 or len(held) > 1:
        names = ", ".join(channel.name for channel in (*train, *held))
        problems.append(f"channels {names}: name one `train` and at most one `validation`")
        return ()
    if not train and len(job.channels) > 1:
        names = ", ".join(channel.name for channel in job.channels)
        problems.append(
            f"channels {names}: name the one with the data `train`, and labels to validate on `validation`"
        )
        return ()
    chosen = (*train, *held) if train else tuple(job.channels)
    if len(job.hosts) > 1:
        problems += [
            f"channel {channel.name!r}: S3DistributionType is {SHARDED}, which gives each of {len(job.hosts)} hosts other "
            "data: use FullyReplicated"
            for channel in chosen
            if channel.distribution == SHARDED
        ]
    return chosen


def data_of(channels: Sequence[Channel], folder: Path) -> str:
    """What `data` is to be for these channels; files that have to be made go to `folder`/channels.

    Raises `ConfigError`, and `DataError` where a channel has no label file.
    """
    if not channels:
        return ""
    if len(channels) == 1:
        return str(_archive_in(channels[0].folder) or channels[0].folder)
    return str(_joined(channels[0], channels[1], folder / LINKS))


def _archive_in(folder: Path) -> Path | None:
    """The one file of the channel, where that is an archive."""
    files = list(folder.iterdir())
    return files[0] if len(files) == 1 and is_archive_path(files[0]) else None


def _joined(train: Channel, held: Channel, folder: Path) -> Path:
    """One data folder of two channels: train.txt, val.txt, and a link to each channel's images."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    layouts = {channel: find_layout(channel.folder, "") for channel in (train, held)}
    if layouts[train].val:
        names = ", ".join(path.name for path in layouts[train].val)
        raise ConfigError(
            f"the channel {train.name!r} has labels to validate on ({names}), and there is a channel {held.name!r}.",
            hint="Leave one of them out.",
        )
    _write_labels(folder / "train.txt", train.name, layouts[train])
    _write_labels(folder / "val.txt", held.name, layouts[held])
    for channel, layout in layouts.items():
        (folder / channel.name).symlink_to(layout.images, target_is_directory=True)
    dictionary = layouts[train].dictionary or layouts[held].dictionary
    if dictionary is not None:
        shutil.copyfile(dictionary, folder / "dict.txt")
    return folder


def _write_labels(path: Path, channel: str, layout: Layout) -> None:
    lines = (line for source in (*layout.train, *layout.val) for line in read_labels(source))
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(_in_channel(line, channel, layout.paths) for line in lines)


def _in_channel(line: LabelLine | BadLine, channel: str, paths: ImagePaths) -> str:
    """The line with its image below the channel's link; what is no sample stays as it is, and is reported as that."""
    if isinstance(line, BadLine):
        return f"{line.text}\n"
    names = [f"{channel}/{paths.usable_name(name)}" for name in image_names(line.image)]
    image = json.dumps(names, ensure_ascii=False) if image_names(line.image) != [line.image] else names[0]
    return format_sample(replace(line, image=image))
