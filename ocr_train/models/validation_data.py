"""Validation data for a checkpoint: its run's own again, or other data, prepared as for training.

A run left in config/experiment.yaml what it was launched with and how that was resolved. The data are prepared from
that once more; the digest says whether they are still the very same.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.config import parameter_values as read
from ocr_train.config.data_sources import parse_sources, require_one_source
from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.config.overrides import get_key, set_key
from ocr_train.config.requests import DataRequest
from ocr_train.data.checks.duplicates import KEEP
from ocr_train.data.for_training import Dataset, Fetch, prepare
from ocr_train.data.samples import image_paths
from ocr_train.errors import ConfigError, DataError, OcrTrainError
from ocr_train.models.source import read_config
from ocr_train.run import Echo
from ocr_train.tracking.artifacts import RunArtifacts

if TYPE_CHECKING:
    from ocr_train.models.source import ModelSource

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
_RECORD = "config/experiment.yaml"


@dataclass(frozen=True, kw_only=True)
class ValidationData:
    """A label file whose image paths are relative to `images`. `own` says that they are the run's own, file by file;
    `whole` that every sample is in it, because data that were not trained on need no split."""

    images: Path
    labels: Path
    samples: int
    digest: str
    origin: str
    own: bool
    whole: bool = False

    def paths(self) -> list[Path]:
        """Every image once, in the order of the labels."""
        return image_paths(self.labels, self.images)


def find_validation_data(
    source: ModelSource,
    client: Callable[[], Any],
    work: Path,
    cache: Path,
    *,
    data: str = "",
    fetch: Fetch,
    echo: Echo,
) -> ValidationData:
    """The validation data of the checkpoint's run, or those in `data` (a folder, an archive, s3://...).

    Labels are checked against the dictionary of the checkpoint. Label files go to `work`, what is fetched to `cache`.
    Raises `ConfigError` where the run's data are not known or not there, `DataError` with every problem of the labels.
    """
    request = _request(source, client, data)
    if not data:
        _require_there(request, source)
    dataset = prepare(request, work, cache, fetch=fetch, echo=echo)
    own = bool(source.dataset_digest) and dataset.manifest.digest == source.dataset_digest
    whole = bool(data) and not own and dataset.was_split
    labels, samples = dataset.val, dataset.val_samples
    if whole:
        labels, samples = _joined(dataset, work / "all.txt"), dataset.train_samples + dataset.val_samples
        echo(f"data: not the run's own and not split by themselves: all {samples} samples are used")
    if not data and not own:
        echo(
            f"data: not as they were when the run trained on them (digest {dataset.manifest.digest}, then "
            f"{source.dataset_digest or 'not known'})"
        )
    return ValidationData(
        images=dataset.images,
        labels=labels,
        samples=samples,
        digest=dataset.manifest.digest,
        # Of several sources the first alone is validated on.
        origin=dataset.sources[0].origin if dataset.sources else dataset.source,
        own=own,
        whole=whole,
    )


def check_validation_images(
    source: ModelSource,
    client: Callable[[], Any],
    work: Path,
    cache: Path,
    *,
    data: str = "",
    fetch: Fetch,
    echo: Echo,
) -> list[Path]:
    """Images to check an exported model on: of `data`, which may be a folder of nothing but images or one image, else
    the run's validation images. Raises as `find_validation_data`."""
    path = Path(data).expanduser()
    if data and path.is_file() and path.suffix.lower() in PICTURES:
        return [path.absolute()]
    if data and path.is_dir() and not any(path.rglob("*.txt")) and not any(path.rglob("*.json")):
        found = sorted(one.absolute() for one in path.rglob("*") if one.suffix.lower() in PICTURES)
        if not found:
            raise DataError(
                f"there is no image in {data!r}.", hint="Give a folder of images or of labelled data."
            )
        return found
    if not data and not source.run_id:
        return _beside(source)
    return find_validation_data(source, client, work, cache, data=data, fetch=fetch, echo=echo).paths()


def _beside(source: ModelSource) -> list[Path]:
    """The images that the configuration of a checkpoint without a run names, where they are on this machine."""
    config = read_config(source.config)
    folder = Path(str(get_key(config, "Eval.dataset.data_dir", None) or ""))
    labels = [Path(str(path)) for path in get_key(config, "Eval.dataset.label_file_list", None) or []]
    if not labels or not all(path.is_file() for path in labels):
        raise ConfigError(
            f"{source.description}: its validation data are not known.",
            hint="Give images or labelled data: --data FOLDER.",
        )
    return list(dict.fromkeys(image for path in labels for image in image_paths(path, folder)))


def _request(source: ModelSource, client: Callable[[], Any], data: str) -> DataRequest:
    """What the run trained on, with the checkpoint's dictionary, and `data` in place of its data."""
    if data:
        require_one_source(data, "data", "Give one after the other: what is evaluated is never mixed.")
    record = _record(source, client, required=not data)
    launch = _launch(record)
    trainer = record.get("paddleocr")
    config: dict[str, Any] = trainer if isinstance(trainer, dict) else read_config(source.config)
    if source.dictionary is not None:
        set_key(config, "Global.character_dict_path", str(source.dictionary))
    for part in ("Train.dataset.ratio_list", "Eval.dataset.ratio_list"):
        if get_key(config, part, None) is not None:
            # All validation samples are read, whatever data they are.
            set_key(config, part, 1.0)
    demo = None
    if not data and not launch.data:
        demo = load_experiment(Launch(model=launch.model, seed=launch.seed), EXPERIMENTS).demo
    problems: list[str] = []
    seed = get_key(config, "Global.seed", None)
    request = DataRequest(
        task=source.task,
        sources=parse_sources(data or launch.data, problems),
        demo=demo,
        seed=read.parse_number(
            str(launch.seed or 0 if seed is None else seed), "seed", int, problems, least=0
        ),
        val_fraction=read.fraction(launch.val, problems),
        on_bad_sample="stop"
        if data
        else read.choice(launch.on_bad_sample, "on_bad_sample", ("stop", "quarantine"), problems),
        trainer=config,
        dictionary_fixed=True,
        choices=read.parse_label_choices(vars(Launch()) if data else vars(launch), problems),
    )
    if data or not _knew_leaks(record):
        # What is only evaluated on is not trained on, and runs of before had both.
        request = replace(request, choices=replace(request.choices, leaks=KEEP))
    if problems:
        raise ConfigError(
            f"what {source.description} was launched with cannot be read: {'; '.join(problems)}.",
            hint="Give the data and how to read them: --data FOLDER or --data s3://bucket/prefix.",
        )
    return request


def _record(source: ModelSource, client: Callable[[], Any], *, required: bool) -> Mapping[str, Any]:
    """The run's experiment.yaml; empty where there is none and it is not required."""
    if not source.run_id:
        if required:
            raise ConfigError(
                f"{source.description} belongs to no known run, so its validation data are not known.",
                hint="Give data: --data FOLDER or --data s3://bucket/prefix.",
            )
        return {}
    folder = Path(tempfile.mkdtemp())
    try:
        return read_config(RunArtifacts(client(), source.run_id).download(_RECORD, folder), ours=("launch",))
    except OcrTrainError as exc:
        if required:
            raise ConfigError(
                f"the run {source.run_id} does not say what it was trained on: {exc.problem}",
                hint="Give data: --data FOLDER or --data s3://bucket/prefix.",
            ) from exc
        return {}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _knew_leaks(record: Mapping[str, Any]) -> bool:
    recorded = record.get("launch")
    return isinstance(recorded, dict) and "leaks" in recorded


def _launch(record: Mapping[str, Any]) -> Launch:
    recorded = record.get("launch")
    known = {field.name for field in fields(Launch)}
    values = recorded.items() if isinstance(recorded, dict) else ()
    return Launch(**{name: str(value) for name, value in values if name in known})


def _require_there(request: DataRequest, source: ModelSource) -> None:
    missing = [one.address for one in request.sources if not one.is_s3]
    missing = [path for path in missing if not Path(path).expanduser().exists()]
    if missing:
        raise ConfigError(
            f"the run {source.run_id} was trained on {' and '.join(map(repr, missing))}, which is not here.",
            hint="Start in the folder that the run was started in, or give the data: --data FOLDER or s3://...",
        )


def _joined(dataset: Dataset, path: Path) -> Path:
    path.write_bytes(dataset.train.read_bytes() + dataset.val.read_bytes())
    return path
