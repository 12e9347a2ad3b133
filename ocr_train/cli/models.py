"""The commands `register` and `promote`: a run's model in MLflow's registry, and which of them is the champion."""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli.export import IMAGES, SEED, images_to_check_on
from ocr_train.cli.options import add_trainer, client
from ocr_train.cli.output import Commands, add_json, echo_for, give_json
from ocr_train.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocr_train.models.registry import Registered
    from ocr_train.models.source import ModelSource
    from ocr_train.run import Echo

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_LOGGED = re.compile(r"models:/m-[0-9a-f]{32}")


def add_commands(commands: Commands) -> None:
    """Add `register` and `promote`."""
    _add_register(commands)
    _add_promote(commands)


def _add_register(commands: Commands) -> None:
    parser = commands.add_parser(
        "register",
        command=_register,
        help="a model in MLflow's registry, ready to be served: one, or detection and recognition together",
        description="Register a run's model, so that `mlflow models serve -m models:/NAME@ALIAS` serves it. A run "
        "without a logged model is exported and checked first. A detection and a recognition model become one model: "
        "image in, lines of text out.",
    )
    parser.add_argument(
        "models",
        metavar="RUN|MODEL",
        nargs="+",
        help="a run id (its logged model, else its best checkpoint; ID:latest, 'ID:step N'), models:/..., the folder "
        "of an exported model or a checkpoint's path; one, or two: a det and a rec",
    )
    parser.add_argument("--name", required=True, metavar="NAME[@ALIAS]", help="such as ocr-det@challenger")
    parser.add_argument(
        "--example", metavar="IMAGE", help="an image to store with the model as its input example"
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        help="images to check on where a model is exported (default: the run's validation images); of two models give "
        "it twice, in their order",
    )
    add_trainer(parser)
    add_json(parser)


def _add_promote(commands: Commands) -> None:
    parser = commands.add_parser(
        "promote",
        command=_promote,
        help="move @champion to a run's registered model, only if it is better on the same data",
        description="Move an alias to the version that was registered from a run, where its metric is greater than "
        "that of the version which has the alias. On other data nothing is compared: exit code 3. Not better, a tie "
        "or NaN: nothing moves, exit code 0; --json says which.",
    )
    parser.add_argument(
        "version",
        metavar="RUN|VERSION",
        help="a run id (its newest version), models:/NAME/VERSION or models:/NAME@ALIAS",
    )
    parser.add_argument(
        "--if-better",
        required=True,
        metavar="METRIC",
        help="best/hmean or best/acc: the model's own at its checkpoint; evaluate/...: what `evaluate` left in its run",
    )
    parser.add_argument(
        "--name", default="", help="the registered model, where the run is registered under several"
    )
    parser.add_argument("--alias", default="champion", help="the alias that moves (default: champion)")
    parser.add_argument(
        "--keep-tolerance",
        type=_tolerance,
        metavar="SHARE",
        help="move it only if it still reads what could be read before: its score on the keep set of its training may "
        "be less by this than before, and than the champion's on the same set, such as 0.01 (default: not asked)",
    )
    add_json(parser)


def _tolerance(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1, such as 0.01")
    return value


def _promote(arguments: argparse.Namespace) -> int:
    from ocr_train.models.promotion import promote
    from ocr_train.tracking.mlflow_client import connect

    decision = promote(
        connect(),
        arguments.version,
        metric=arguments.if_better,
        name=arguments.name,
        alias=arguments.alias,
        keep_tolerance=arguments.keep_tolerance,
    )
    moved = f"is {decision.alias} now" if decision.moved else f"is not {decision.alias}; nothing was moved"
    if decision.version == decision.champion:
        moved = f"stays {decision.alias}"
    echo_for(arguments)(f"{decision.name} version {decision.version} {moved}: {decision.why}")
    give_json(arguments, decision.to_json())
    return 0


def _register(arguments: argparse.Namespace) -> int:
    from ocr_train.config.registry_names import parse_target

    echo = echo_for(arguments)
    parse_target(arguments.name)
    if len(arguments.models) > 2:
        raise ConfigError(
            f"{len(arguments.models)} models were named.", hint="Name one, or a detection and a recognition."
        )
    done, task = register_models(arguments, echo)
    give_json(arguments, {**vars(done), "uri": done.uri, "task": task})
    return 0


def register_models(arguments: argparse.Namespace, echo: Echo) -> tuple[Registered, str]:
    """Register what the options of `register` name, and say where; the task comes with it."""
    with tempfile.TemporaryDirectory(prefix="ocr-train-register-") as scratch:
        done, task = _registered(arguments, Path(scratch), echo)
    known = "" if done.new else " (it was registered there already)"
    echo(f"registered: {done.uri}, version {done.version}{known}")
    echo(f"serve it: {serve_command(done.uri)}")
    return done, task


def serve_command(uri: str) -> str:
    """The command that serves the model here: in an environment of its own where uv is there to build one."""
    manager = "uv" if shutil.which("uv") else "local"
    return f"mlflow models serve -m {uri} --env-manager {manager}"


def _registered(arguments: argparse.Namespace, scratch: Path, echo: Echo) -> tuple[Registered, str]:
    from ocr_train.models.mlflow_model import log_model, owner_of
    from ocr_train.models.registry import register

    given = [_logged_of(text) or text for text in arguments.models]
    if len(given) == 1 and _LOGGED.fullmatch(given[0]):
        task = str(client().get_logged_model(given[0].removeprefix("models:/")).tags.get("task", ""))
        return register(client(), given[0], arguments.name), task
    made = [
        _exported(arguments, source, data, scratch / f"exported-{number}", echo)
        for number, (source, data) in enumerate(_sources(given, arguments.data, scratch))
    ]
    folders = [folder for folder, _ in made]
    logged = log_model(
        client(),
        owner_of(client(), folders),
        folders,
        input_example=_example(arguments.example, [image for _, image in made]),
    )
    echo(f"logged: {logged.uri} ({logged.task}, {logged.size_bytes / 1e6:.1f} MB) in run {logged.run_id}")
    if logged.environment:
        echo(f"note: {logged.environment}")
    return register(client(), logged.uri, arguments.name), logged.task


def _logged_of(text: str) -> str:
    """The logged model that a bare run id or a registered version stands for; "" where there is none."""
    from ocr_train.models.mlflow_model import newest_logged
    from ocr_train.models.registry import find_version

    if _RUN_ID.fullmatch(text):
        return newest_logged(client(), text)
    if text.startswith("models:/") and not _LOGGED.fullmatch(text):
        source = str(find_version(client(), text).source or "")
        return source if _LOGGED.fullmatch(source) else ""
    return ""


def _sources(given: Sequence[str], data: Sequence[str], scratch: Path) -> list[tuple[ModelSource, str]]:
    """What was named, detection first, each with the data to check it on.

    Raises `DataError` where they do not go together, before any of them is exported.
    """
    from ocr_train.models.metadata import ModelPart, task_of
    from ocr_train.models.source import find_sources

    found = [
        (source, data[number] if number < len(data) else "")
        for number, text in enumerate(given)
        for source in find_sources(text, client, scratch / str(number))
    ]
    task_of([ModelPart(task=source.task) for source, _ in found])
    return sorted(found, key=lambda one: one[0].task)


def _example(given: str | None, images: Sequence[Path | None]) -> Path | None:
    """The image that was named, else one that the model was checked on: a page where it has a detection."""
    return Path(given) if given else next((image for image in images if image), None)


def _exported(
    arguments: argparse.Namespace, source: ModelSource, data: str, target: Path, echo: Echo
) -> tuple[Path, Path | None]:
    """The exported folder, and an image that it was checked on; a checkpoint is exported to `target` first."""
    from ocr_train.models.export.run import ExportOptions, Onnx, export
    from ocr_train.trainer.tools import find_trainer

    if source.kind != "checkpoint":
        return source.path, None
    echo(f"exporting: {source.description}")
    work = target.with_name(f"{target.name}-data")
    images = images_to_check_on(source, work, data, IMAGES, echo)
    trainer, _ = find_trainer(arguments.trainer_python, arguments.paddleocr)
    options = ExportOptions(
        images=images, seed=SEED, onnx=Onnx.WHERE_POSSIBLE, carry=bool(arguments.paddleocr)
    )
    return export(source, target, trainer=trainer, options=options, echo=echo).folder, images[0]
