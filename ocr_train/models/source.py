"""What RUN, CHECKPOINT or MODEL on a command line can be: a trained model, fetched, verified and screened.

    <run id>[:best|:latest|:step N]   runs:/ID[/checkpoints/step_N]   a checkpoint of a run
    models:/NAME@ALIAS  models:/NAME/VERSION  models:/m-ID            a registered or logged model
    s3://bucket/prefix  a path                                        a checkpoint, or an exported model's folder

Finding is that of a resume (`address`, `in_run`, `on_disk`, `in_registry` of `checkpoints`), for the weights alone.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.address import AUTO, MODEL, RUN, S3, ResumeSpec, parse_resume
from ocr_train.checkpoints.in_registry import locate
from ocr_train.checkpoints.in_run import FoundCheckpoint, fetch_checkpoint
from ocr_train.checkpoints.manifest import BEST, LATEST, CheckpointManifest
from ocr_train.checkpoints.on_disk import LocalCheckpoint, from_path, from_s3
from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.config.overrides import get_key
from ocr_train.disk import sha256_of
from ocr_train.errors import ConfigError, DataError, OcrTrainError, StorageError
from ocr_train.models.inference import CHECKPOINT, EXPORTED, ONNX, Model
from ocr_train.models.keep_score import KeepScore, keep_of_run
from ocr_train.ocr_engine.documents import DocumentError, read_json, read_yaml
from ocr_train.tracking.mlflow_client import get_run
from ocr_train.trainer.configurations import require_plain
from ocr_train.trainer.files import LATEST_NAME, WEIGHTS, weights_of

ClientFactory = Callable[[], Any]
HINT = (
    "Give a run id (its best checkpoint; ID:latest, 'ID:step N'), runs:/RUN_ID, models:/NAME@ALIAS, "
    "s3://bucket/prefix of a checkpoint, or the path of a checkpoint or of an exported model's folder."
)
PROGRAMS = ("inference.json", "inference.pdmodel")


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """A trained model on this machine.

    `path` is a checkpoint's path without `.pdparams` (`kind` "checkpoint") or an exported folder ("exported",
    "onnx"); `config` is the run's config.yml and `dictionary` what lies or is named with it. `task` is det, rec,
    cls, ...; `name` the experiment's model; `sha256` is that of the .pdparams it comes from. What is not known is
    empty (`step` and `epoch`: 0). `keep` is what its run says of a keep set. `description` is one line for people.
    """

    kind: str
    path: Path
    config: Path
    dictionary: Path | None
    task: str
    name: str = ""
    run_id: str = ""
    step: int = 0
    epoch: int = 0
    dataset_digest: str = ""
    val_digest: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    keep: KeepScore | None = None
    description: str = ""

    def model(self, python: Path, root: Path, env: Mapping[str, str] | None = None) -> Model:
        """What `ocr_train.models.inference` reads images with; `root` is PaddleOCR's folder."""
        model = Model(kind=self.kind, path=self.path, config=self.config, python=python, root=root)
        return model if env is None else replace(model, env=dict(env))

    def onnx(self) -> ModelSource:
        """The same exported model through its model.onnx; raises `ConfigError` where it has none."""
        if self.kind == CHECKPOINT or not (self.path / "model.onnx").is_file():
            raise ConfigError(
                f"{self.description} has no model.onnx.",
                hint="`export --onnx` makes one; then name the exported folder.",
            )
        return replace(self, kind=ONNX)


def find_source(text: str, client_factory: ClientFactory, folder: Path, *, which: str = BEST) -> ModelSource:
    """The one model that `text` names, with its files in `folder` where they are not on this machine.

    `which` ("best" or "latest") is what a bare run id means; the newest checkpoint where a run has no best one.
    Raises `ConfigError` for what names no model, or several; `DataError` where a model is damaged, incomplete or
    would run something when it is loaded; `StorageError`, `TrackingError` where it cannot be had.
    """
    found = find_sources(text, client_factory, folder, which=which)
    if len(found) > 1:
        names = ", ".join(str(source.path) for source in found)
        raise ConfigError(f"{text!r} has {len(found)} models, not one: {names}", hint="Name one of them.")
    return found[0]


def find_sources(
    text: str, client_factory: ClientFactory, folder: Path, *, which: str = BEST
) -> tuple[ModelSource, ...]:
    """Every model that `text` names: a logged model may hold detection and recognition. As `find_source`."""
    if exported := exported_folders(Path(text).expanduser()):
        return tuple(_exported(path, str(path)) for path in exported)
    if text in (AUTO, LATEST, BEST):
        raise ConfigError(f"{text!r} does not name a run.", hint=HINT)
    with _in_our_words():
        spec = parse_resume(text)
        if spec.kind == MODEL:
            spec = locate(text, client_factory(), folder / "model")
            if exported := exported_folders(Path(spec.text)) if spec.kind != RUN else ():
                return tuple(_exported(path, text) for path in exported)
        if spec.kind == RUN:
            return (_of_run(_bare(spec, which), client_factory(), folder),)
        if spec.kind == S3:
            return _from_s3(spec.text, folder)
        return (_from_path(spec.text, text, folder),)


def exported_folders(folder: Path) -> tuple[Path, ...]:
    """The folders of exported models: `folder` itself, else those at most three levels below it."""
    if not folder.is_dir():
        return ()
    if _is_exported(folder):
        return (folder,)
    if any(
        (folder / name).is_file() for name in ("manifest.json", f"model{WEIGHTS}", f"{LATEST_NAME}{WEIGHTS}")
    ):
        return ()
    levels = ("*", "*/*", "*/*/*")
    below = sorted(path.parent for level in levels for path in folder.glob(f"{level}/config.yml"))
    return tuple(path for path in below if _is_exported(path))


def _is_exported(folder: Path) -> bool:
    if not (folder / "config.yml").is_file():
        return False
    return (folder / "model.onnx").is_file() or _has_paddle(folder)


def _has_paddle(folder: Path) -> bool:
    return (folder / "inference.pdiparams").is_file() and any((folder / name).is_file() for name in PROGRAMS)


def _exported(folder: Path, named: str) -> ModelSource:
    """The model in an exported folder; its model.json may be missing."""
    path = folder / "model.json"
    facts: dict[str, Any] = {}
    step, epoch, versions = 0, 0, {}
    if path.is_file():
        try:
            facts = dict(read_json(path))
            step, epoch = int(facts.get("step") or 0), int(facts.get("epoch") or 0)
            versions = dict(facts.get("versions") or {})
        except (OSError, ValueError, TypeError) as exc:
            raise DataError(f"{path} cannot be read: {exc}", hint="Export the model again.") from exc
    config = folder / "config.yml"
    metrics = facts.get("metrics")
    return ModelSource(
        kind=EXPORTED if _has_paddle(folder) else ONNX,
        path=folder.absolute(),
        config=config.absolute(),
        dictionary=_dictionary(config),
        task=_task(config),
        name=str(facts.get("model") or ""),
        run_id=str(facts.get("run_id") or ""),
        step=step,
        epoch=epoch,
        dataset_digest=str(facts.get("dataset_digest") or ""),
        val_digest=str(facts.get("val_digest") or ""),
        versions=versions,
        sha256=str(facts.get("checkpoint_sha256") or ""),
        metrics=dict(metrics) if isinstance(metrics, dict) else {},
        description=f"the exported model {named}",
    )


def _bare(spec: ResumeSpec, which: str) -> ResumeSpec:
    """A run without a word behind its id means `which`: the best checkpoint to use a model, the newest to resume."""
    bare = spec.step is None and not spec.text.endswith((LATEST, BEST))
    return replace(spec, which=which) if bare else spec


def _of_run(spec: ResumeSpec, client: Any, folder: Path) -> ModelSource:
    run = get_run(client, spec.run_id)
    found: FoundCheckpoint | None = None
    for which in dict.fromkeys((spec.which, LATEST)):
        found = fetch_checkpoint(client, run, folder, which=which, step=spec.step, weights_only=True)
        if found is not None:
            break
    if found is None:
        raise ConfigError(
            f"the run {run.info.run_name!r} ({spec.run_id}) has no checkpoint.",
            hint="`python -m ocr_train checkpoints RUN` lists those of a run.",
        )
    passed = f"; skipped: {'; '.join(found.passed_over)}" if found.passed_over else ""
    source = _checkpoint(
        found.prefix,
        found.manifest,
        run_id=found.run_id,
        description=f"the checkpoint of run {found.run_id}, step {found.manifest.step}{passed}",
    )
    # The best of a line may be an earlier run's: the run that was named has read it at its end.
    return replace(source, keep=keep_of_run(run.data.tags, source.step))


def _from_s3(uri: str, folder: Path) -> tuple[ModelSource, ...]:
    try:
        placed = from_s3(uri, folder, weights_only=True)
    except StorageError:
        exported = exported_folders(folder / "s3")
        if not exported:
            raise
        return tuple(_exported(path, uri) for path in exported)
    return (_of_local(placed, folder),)


def _from_path(path: str, named: str, folder: Path) -> ModelSource:
    try:
        placed = from_path(path, folder, weights_only=True)
    except ConfigError as exc:
        raise ConfigError(
            f"{named!r} is not a run id, and neither a checkpoint nor an exported model on this machine.",
            hint=HINT,
        ) from exc
    home = Path(placed.source).parent
    if not (folder / "config.yml").is_file():
        # best_model/, and layouts with one folder for each checkpoint.
        for other in (home.parent, home.parent.parent):
            if (other / "config.yml").is_file():
                shutil.copyfile(other / "config.yml", folder / "config.yml")
                break
    return _of_local(placed, folder)


def _of_local(placed: LocalCheckpoint, folder: Path) -> ModelSource:
    config = folder / "config.yml"
    if not config.is_file():
        raise DataError(
            f"there is no config.yml beside the checkpoint {placed.source}: its kind of model is not known.",
            hint="Put the configuration that it was trained with there, and its dictionary as dict.txt.",
        )
    screen(weights_of(placed.prefix))
    return _checkpoint(
        placed.prefix, placed.manifest, run_id="", description=f"the checkpoint {placed.source}"
    )


def _checkpoint(
    prefix: Path, manifest: CheckpointManifest | None, *, run_id: str, description: str
) -> ModelSource:
    config = prefix.parent / "config.yml"
    if not config.is_file():
        raise DataError(
            f"{description} has no config.yml: its kind of model is not known.",
            hint="Take another checkpoint.",
        )
    return ModelSource(
        kind=CHECKPOINT,
        path=prefix.absolute(),
        config=config.absolute(),
        dictionary=_dictionary(config),
        task=_task(config),
        name=manifest.model if manifest else "",
        run_id=run_id,
        step=manifest.step if manifest else 0,
        epoch=manifest.epoch if manifest else 0,
        dataset_digest=manifest.dataset_digest if manifest else "",
        versions=dict(manifest.versions) if manifest else {},
        sha256=sha256_of(weights_of(prefix)),
        metrics=dict(manifest.metrics) if manifest else {},
        description=description,
    )


def _task(config: Path) -> str:
    return str(get_key(read_config(config), "Architecture.model_type", ""))


def _dictionary(config: Path) -> Path | None:
    """The dictionary beside `config`, else the one that it names, where that is there."""
    beside = config.parent / "dict.txt"
    if beside.is_file():
        return beside.absolute()
    named = get_key(read_config(config), "Global.character_dict_path", None)
    path = config.parent / str(named)
    return path.absolute() if named and path.is_file() else None


def read_config(config: Path, *, hint: str = "", ours: Sequence[str] = ()) -> dict[str, Any]:
    """A YAML file that comes with a checkpoint or a run; raises `DataError` where it is not a mapping, or has code in it.

    PaddleOCR never sees the parts named by `ours`, whose texts may look like code.
    """
    try:
        values = read_yaml(config)
    except (OSError, DocumentError) as exc:
        raise DataError(f"{config} cannot be read: {' '.join(str(exc).split())}", hint=hint) from exc
    if not isinstance(values, dict):
        raise DataError(f"{config} is not a mapping, so not a configuration of PaddleOCR.", hint=hint)
    require_plain({key: value for key, value in values.items() if key not in ours}, config)
    return values


@contextlib.contextmanager
def _in_our_words() -> Iterator[None]:
    """Errors of the resume parts without the word `resume`: nothing is resumed here."""
    try:
        yield
    except OcrTrainError as exc:
        problem = exc.problem.replace("resume=", "", 1).replace("can be resumed from", "can be used")
        hint = (
            HINT if any(word in exc.hint for word in ("resume", "weights_only", "esume from")) else exc.hint
        )
        raise type(exc)(problem, hint=hint) from exc
