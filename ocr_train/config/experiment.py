"""What a run is asked to do: one frozen `Experiment`, every problem reported at once.

Precedence: defaults < experiments/*.yaml (its `demo:` block when `data` is empty) < parameters < overrides.
Nothing is downloaded or started here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ocr_train.config import epoch_steps
from ocr_train.config import parameter_values as read
from ocr_train.config.auto_values import AUTOMATIC, automatic, is_auto
from ocr_train.config.data_sources import parse_sources, settle_ratios, sources_text
from ocr_train.config.experiment_file import EXPERIMENT_KEYS, available_models, read_experiment_file
from ocr_train.config.fine_tune import NONE, FreezeRule, freeze_of, is_of_a_run, parse_freeze, pretrained_of
from ocr_train.config.limits import TrainingLimits, parse_limits
from ocr_train.config.nodes import Nodes, parse_nodes
from ocr_train.config.overrides import get_key, nearest, parse_overrides, set_key, with_overrides
from ocr_train.config.parameters import PARAMETERS, Launch
from ocr_train.config.requests import DataRequest, DataSource, Demo, LabelChoices, dictionary_of
from ocr_train.config.trainer_settings import (
    RATE,
    WORKERS,
    check_trainer,
    settle_batch,
    settle_evaluations,
    settle_rate,
    settle_workers,
)
from ocr_train.errors import ConfigError
from ocr_train.ocr_engine.settings import TASKS

__all__ = [
    "DEMO_KEYS",
    "EXPERIMENTS",
    "EXPERIMENT_KEYS",
    "PARAMETERS",
    "Demo",
    "Experiment",
    "Launch",
    "available_models",
    "load_experiment",
]

_PROJECT = Path(__file__).resolve().parents[2]
EXPERIMENTS = next(
    folder
    for folder in (_PROJECT / "experiments", Path(__file__).resolve().parents[1] / "experiments")
    if folder.is_dir()
)
"""The experiments that come with the project: at its top, or, installed from a wheel, inside the package."""
DEMO_LANGUAGES = ("en", "th")
DEMO_KEYS = ("language", "train", "val", "epochs", "batch_size", "learning_rate", "overrides", "size")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything a run needs to know, resolved and checked.

    `trainer` is the PaddleOCR configuration but for data, output, device and resume; `demo` is set when the
    demo set is to be drawn; `gpus` is "auto", "cpu" or a tuple of device numbers, `cpus` how many processes train on the
    CPU, `nodes` the machines that train together, None for this one alone; `dictionary_fixed` says that
    a dict.txt beside the data does not count, because an override or a plain PaddleOCR file named one;
    `stall_timeout_s` and `nan_windows` are the watchdog's, 0 for never; `sample_images` are looked at in each
    evaluation and `evaluation_images` at the end, 0 for none; `keep` is what could be read before ("": a drawn set, "none");
    `export` makes the best checkpoint a checked model
    at the end, `register` (NAME or NAME@ALIAS) puts it into MLflow's registry; `hourly_usd` is what an hour costs; `limits` say when it
    has trained enough.
    `choices` say how labels are read. `freeze` says which layers stay as they are, None where that is left to us; `freeze_bn` that batch normalisation
    keeps its statistics; `rate_batch` is the batch that the learning rate is for, None where it is taken as it is;
    `automatic` are the parameters (batch_size, num_workers) that are measured when the training starts.
    """

    name: str
    source: Path
    task: str
    description: str
    trainer: Mapping[str, Any]
    sources: tuple[DataSource, ...]
    demo: Demo | None
    resume: str
    weights_only: bool
    resume_mode: str
    gpus: str | tuple[int, ...]
    cpus: int
    nodes: Nodes | None
    seed: int
    trainer_python: str
    paddleocr: str
    val_fraction: float
    on_bad_sample: str
    backup: str
    stall_timeout_s: float
    nan_windows: int
    offline: bool
    keep_last: int | None
    sample_images: int
    evaluation_images: int
    keep: str
    export: bool
    register: str
    hourly_usd: float | None
    limits: TrainingLimits
    dictionary_fixed: bool
    choices: LabelChoices
    freeze: tuple[FreezeRule, ...] | None
    freeze_bn: bool
    rate_batch: int | None
    automatic: tuple[str, ...]
    launch: Launch = field(repr=False)

    @property
    def data(self) -> str:
        """The sources of the data as text, with their ratios where there are any; empty for the demo set."""
        return sources_text(self.sources)

    @property
    def epochs(self) -> int:
        """Epochs to train in all, counted from the beginning, not from a resume."""
        return int(self.trainer["Global"]["epoch_num"])

    @property
    def batch_size(self) -> int:
        """Training samples in one step on one device; where a sampler varies it, of its first scale."""
        return epoch_steps.batch_size(self.trainer)

    @property
    def named_keys(self) -> frozenset[str]:
        """The keys of the configuration that the launch itself names: nothing of ours changes them."""
        overridden = {key.removeprefix("+") for key in parse_overrides(self.launch.overrides)[0]}
        return frozenset(overridden | ({WORKERS} if self.launch.num_workers else set()))

    @property
    def machines(self) -> int:
        """How many machines train together."""
        return len(self.nodes.hosts) if self.nodes else 1

    @property
    def usd_an_hour(self) -> float | None:
        """What an hour of all machines costs, None where that is not known."""
        return None if self.hourly_usd is None else self.hourly_usd * self.machines

    @property
    def main_metric(self) -> str:
        """The metric that decides which checkpoint is best: `hmean` or `acc`, as PaddleOCR names it."""
        return str(get_key(self.trainer, "Metric.main_indicator", "acc"))

    @property
    def dictionary(self) -> str:
        """The path of the character dictionary, empty where the model has none."""
        return dictionary_of(self.trainer)

    @property
    def data_request(self) -> DataRequest:
        """What the preparation of the data is asked for."""
        return DataRequest(**{item.name: getattr(self, item.name) for item in fields(DataRequest)})


def load_experiment(launch: Launch, experiments: Path) -> Experiment:
    """Resolve `launch` against the folder `experiments`; raises `ConfigError` with every problem in it."""
    problems: list[str] = []
    source, file = read_experiment_file(launch.model, experiments, problems)
    demo = _demo(file, launch, source, problems)
    trainer = _trainer(file, demo, launch, source, problems)
    resume, weights_only = _resume(launch, problems)
    sources = parse_sources(launch.data, problems)
    settle_ratios(trainer, sources, parse_overrides(launch.overrides)[0], problems)
    experiment = Experiment(
        name=file["name"],
        source=source,
        task=file["task"],
        description=file["description"],
        trainer=trainer,
        sources=sources,
        demo=_demo_values(demo, source, problems),
        resume=resume,
        weights_only=weights_only,
        resume_mode=read.choice(launch.resume_mode or "new", "resume_mode", ("new", "same"), problems),
        gpus=read.gpus(launch.gpus, launch.cpus, problems),
        cpus=read.parse_number(launch.cpus or "1", "cpus", int, problems, least=1),
        nodes=parse_nodes(launch, problems),
        seed=_seed(trainer, file, problems),
        trainer_python=launch.trainer_python,
        paddleocr=launch.paddleocr,
        val_fraction=read.fraction(launch.val, problems),
        on_bad_sample=read.choice(launch.on_bad_sample, "on_bad_sample", ("stop", "quarantine"), problems),
        backup=_backup(launch, problems),
        stall_timeout_s=read.seconds(launch.stall_timeout_s, "stall_timeout_s", problems),
        nan_windows=read.parse_number(launch.nan_windows, "nan_windows", int, problems, least=0),
        offline=read.truth(launch.offline, "offline", problems),
        keep_last=read.maybe_number(launch.keep_last, "keep_last", int, problems, least=1),
        sample_images=read.parse_number(launch.sample_images or "0", "sample_images", int, problems, least=0),
        evaluation_images=read.parse_number(
            launch.evaluation_images or "0", "evaluation_images", int, problems, least=0
        ),
        keep=_keep(launch, file["task"], problems),
        export=read.truth(launch.export, "export", problems, default=True),
        register=read.parse_register(launch, problems),
        hourly_usd=read.maybe_number(launch.hourly_usd, "hourly_usd", float, problems, least=0),
        limits=parse_limits(launch, problems),
        dictionary_fixed=file["plain"] or "Global.character_dict_path" in launch.overrides,
        choices=read.parse_label_choices(vars(launch), problems),
        freeze=parse_freeze(freeze_of(launch.freeze, launch.pretrained, file), problems),
        freeze_bn=read.truth(launch.freeze_bn, "freeze_bn", problems, default=bool(file.get("freeze_bn"))),
        rate_batch=_rate_batch(file, demo, launch, problems),
        automatic=automatic(launch, trainer, problems),
        launch=launch,
    )
    problems += check_trainer(trainer, source)
    if problems:
        raise ConfigError(
            f"{len(problems)} problem(s) in the configuration:\n"
            + "\n".join(f"  - {line}" for line in problems),
            hint="Nothing was downloaded or started. `python -m ocr_train train --help` lists all parameters.",
        )
    set_key(experiment.trainer, "Global.seed", experiment.seed)
    return experiment


def _resume(launch: Launch, problems: list[str]) -> tuple[str, bool]:
    """The checkpoint to start from, and whether only its weights count: `pretrained` may name one, too."""
    weights_only = read.truth(launch.weights_only, "weights_only", problems)
    if not is_of_a_run(launch.pretrained):
        return launch.resume, weights_only
    if launch.resume:
        problems.append(
            f"pretrained={launch.pretrained} and resume={launch.resume} both name a checkpoint: give one"
        )
    return launch.pretrained, True


def _backup(launch: Launch, problems: list[str]) -> str:
    """Where the exact dataset is copied to."""
    if launch.backup and not read.address(launch.backup).startswith("s3://"):
        problems.append(f"backup: {launch.backup!r} is not s3://bucket/prefix")
    return read.address(launch.backup)


def _keep(launch: Launch, task: str, problems: list[str]) -> str:
    """Which labels are read before and after training; only models that we can read images with have any."""
    if task not in TASKS and launch.keep not in ("", NONE):
        problems.append(f"keep: images are not read with {task!r} models here: leave it out")
    return read.address(launch.keep)


def _rate_batch(
    file: Mapping[str, Any], demo: Mapping[str, Any] | None, launch: Launch, problems: list[str]
) -> int | None:
    """The batch that the experiment's learning rate is for; None where another rate was given."""
    rates = (launch.learning_rate, (demo or {}).get("learning_rate"), file.get("learning_rate"))
    given = any(rates) or RATE in launch.overrides or RATE in str(file.get("overrides"))
    if given or not file.get("rate_batch"):
        return None
    return int(read.parse_number(str(file["rate_batch"]), "rate_batch", int, problems, least=1))


def _demo(
    file: Mapping[str, Any], launch: Launch, source: Path, problems: list[str]
) -> Mapping[str, Any] | None:
    """The demo block when the demo set is wanted; a task without one needs data."""
    if launch.data:
        return None
    if file["task"] not in TASKS:
        problems.append(
            f"data: there is no demo set for {file['task']!r} models: give data=FOLDER or s3://..."
        )
        return None
    demo = file.get("demo") or {}
    if not isinstance(demo, dict):
        problems.append(f"{source}: `demo` is not a mapping")
        return {}
    problems += [
        f"{source}: unknown key 'demo.{key}'{nearest(str(key), list(DEMO_KEYS))}"
        for key in demo
        if key not in DEMO_KEYS
    ]
    return demo


def _demo_values(demo: Mapping[str, Any] | None, source: Path, problems: list[str]) -> Demo | None:
    if demo is None:
        return None
    plain = Demo()
    size = demo.get("size", plain.size)
    if not (isinstance(size, list | tuple) and len(size) == 2):
        problems.append(f"{source}: demo.size is {size!r}: give [width, height] in pixels")
        size = plain.size
    where = f"{source}: demo"
    width, height = (read.parse_number(str(side), f"{where}.size", int, problems, least=32) for side in size)
    language = read.choice(
        str(demo.get("language", plain.language)), f"{where}.language", DEMO_LANGUAGES, problems
    )
    return Demo(
        language=language,
        train=read.parse_number(
            str(demo.get("train", plain.train)), f"{where}.train", int, problems, least=1
        ),
        val=read.parse_number(str(demo.get("val", plain.val)), f"{where}.val", int, problems, least=1),
        size=(width, height),
    )


def _seed(trainer: Mapping[str, Any], file: Mapping[str, Any], problems: list[str]) -> int:
    """The trainer's own seed (an override, the parameter, the configuration), else the experiment's, else 0."""
    value = get_key(trainer, "Global.seed", None)
    if value is None:
        value = file.get("seed", 0)
    return int(read.parse_number(str(value), "seed", int, problems, least=0))


def _trainer(
    file: Mapping[str, Any], demo: Mapping[str, Any] | None, launch: Launch, source: Path, problems: list[str]
) -> dict[str, Any]:
    """The PaddleOCR configuration with demo block, parameters and overrides laid over it, in that order."""
    config: dict[str, Any] = dict(file["paddleocr"])
    if file.get("dictionary"):
        config, _ = with_overrides(config, {"Global.character_dict_path": str(file["dictionary"])})
    pretrained = pretrained_of(launch.pretrained, file)
    if pretrained:
        given_here = None if pretrained == NONE or is_of_a_run(pretrained) else pretrained
        config, _ = with_overrides(config, {"Global.pretrained_model": given_here})
    for where, block in (("overrides", file), ("demo.overrides", demo or {})):
        overrides = block.get("overrides") or {}
        if not isinstance(overrides, dict):
            problems.append(f"{source}: `{where}` is not a mapping")
        else:
            config, found = with_overrides(config, overrides, where=f"{source}: {where}")
            problems += found
    given: dict[str, Any] = {}
    # The file's seed gives way to the configuration's own.
    for parameters in ({**file, "seed": None}, demo or {}):
        given |= read.everyday_numbers(parameters, problems)
    measured = tuple(name for name in AUTOMATIC if is_auto(getattr(launch, name)))
    given |= read.everyday_numbers(vars(launch), problems, measured=measured)
    for name, key in (("epochs", "Global.epoch_num"), ("seed", "Global.seed")):
        if name in given:
            set_key(config, key, given[name])
    values, found = parse_overrides(launch.overrides)
    problems += found
    config, found = with_overrides(config, values)
    problems += found
    named = [key.removeprefix("+") for key in values]
    of_file = file.get("overrides")
    settle_evaluations(config, [*named, *(of_file if isinstance(of_file, dict) else ())])
    problems += settle_batch(config, given.get("batch_size"), named)
    settle_workers(config, given.get("num_workers"), named)
    problems += settle_rate(config, given.get("learning_rate"), named)
    return config
