"""The data that were chosen, on this machine, and their copy in S3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ocr_train.config.data_sources import sources_text
from ocr_train.config.experiment import EXPERIMENTS, Experiment, load_experiment
from ocr_train.data.checks.problems import Problem
from ocr_train.data.checks.validate import Rules
from ocr_train.data.for_training import Fetch, dictionary_for, draw_demo, label_rules_for, locate_data
from ocr_train.data.formats.converted import as_paddleocr
from ocr_train.data.layout import Layout, find_layout
from ocr_train.notebook.choices import Choices
from ocr_train.notebook.command import run_command
from ocr_train.notebook.configuration import launch_with, parameters
from ocr_train.notebook.display import show_table
from ocr_train.run import Echo
from ocr_train.storage.fetch import is_current
from ocr_train.storage.shared import Leases

_LEASES = Leases()
"""What this kernel has fetched: other processes leave it as it is until the kernel ends."""


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """Label `files`, whose image paths start from `images`, and the `rules` that they must keep to. `folder` holds it
    all, `origin` is where it came from; `known` are problems found before, such as the dictionary's."""

    task: str
    folder: Path
    origin: str
    files: tuple[Path, ...]
    images: Path
    rules: Rules
    known: Sequence[Problem] = field(default=(), repr=False)


def get_data(choices: Choices) -> LabelSet:
    """Fetch, unpack or draw the data, of several sources the first, and show what is there. Raises `ConfigError`, `DataError`, `StorageError`."""
    experiment = load_experiment(launch_with(parameters(choices)), EXPERIMENTS)
    cache = choices.output / "cache"
    if experiment.demo is not None:
        folder = draw_demo(experiment.task, experiment.demo, experiment.seed, cache, print)
        origin = "the built-in demo set"
    else:
        folder, origin = locate_data(experiment.sources[0].address, cache, _fetcher(choices), print)
    read = experiment.choices
    source = as_paddleocr(folder, experiment.task, choices.work / "converted", options=read.of_formats)
    found = find_layout(source.folder, experiment.task, source.choices_for(read))
    labels = _label_set(experiment, found, folder, origin)
    rows = [("folder", str(folder)), ("labels", ", ".join(path.name for path in labels.files))]
    rows += [("images", str(labels.images))]
    if experiment.task == "rec":
        rows.append(("dictionary", str(dictionary_for(experiment.data_request, found) or "0-9a-z")))
    if len(experiment.sources) > 1:
        others = " and ".join(sources_text([one]) for one in experiment.sources[1:])
        rows.append(("other sources", f"{others}: training mixes them in, and checks all of them"))
    if not found.val:
        rows.append(
            ("validation", f"no label file for it: training splits off {experiment.val_fraction:.0%}")
        )
    show_table((), rows, title=f"Data for {experiment.name}: {origin}")
    return labels


def back_up(choices: Choices, labels: LabelSet) -> None:
    """Copy the data to BUCKET; a sentence where there is none. Raises `CellStopped`."""
    if not choices.bucket:
        print("BUCKET is empty: no backup is made. Training works without one.")
    elif labels.origin.startswith("s3://"):
        print(f"The data are in S3 already: {labels.origin}")
    else:
        run_command(choices, "push", labels.folder, f"{choices.bucket.rstrip('/')}/data/{labels.folder.name}")


def _fetcher(choices: Choices) -> Fetch:
    """Brings an S3 address into the cache, as `train` does: no process changes what another one reads."""

    def fetch(uri: str, folder: Path, _echo: Echo) -> Path:
        def refresh(place: Path) -> None:
            run_command(choices, "fetch", uri, place, "--delete")

        return _LEASES.use(folder, refresh=refresh, is_current=lambda place: is_current(uri, place))

    return fetch


def _label_set(experiment: Experiment, layout: Layout, folder: Path, origin: str) -> LabelSet:
    rules, known = label_rules_for(experiment.data_request, layout)
    return LabelSet(
        task=experiment.task,
        folder=folder,
        origin=origin,
        files=(*layout.train, *layout.val),
        images=layout.images,
        rules=rules,
        known=known,
    )
