"""From a checkpoint to an inference model that is known to give the same answers.

    screen -> tools/export_model.py -> (paddle2onnx) -> read images with both -> compare -> rename

Everything happens in a folder beside the target, which is renamed when it has been checked: a folder by the name that
was asked for is a model that works. One that failed the check is left as `<name>.failed`, to be looked into.

    inference.pdmodel | inference.json    the network: Paddle's old format, or its new one (PIR)
    inference.pdiparams  inference.yml    weights; what PaddleOCR's predictors read
    config.yml  dict.txt                  the run's own configuration and dictionary: what ours read
    model.json  README.md                 what it is, sums, metrics, what the check found; how to use it
    model.onnx                            with onnx: read by onnxruntime where the model is served
    paddleocr/                            ppocr and tools, where PaddleOCR was a checkout and no package
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.config.overrides import get_key
from ocr_train.errors import ConfigError, DataError, OcrTrainError, SetupError, TrainingFailed
from ocr_train.models.export.check import Agreement, Answer, compare_answers, describe_differences
from ocr_train.models.export.folder import (
    CHECKED,
    ExportFacts,
    carry_paddleocr,
    write_documents,
)
from ocr_train.models.export.inference_yml import characters_of, write_inference_yml
from ocr_train.models.export.network import export_network
from ocr_train.models.export.onnx import ONNX, name_characters, to_onnx
from ocr_train.models.inference import Model, read_images
from ocr_train.models.source import read_config
from ocr_train.redaction.redactor import redactor
from ocr_train.run import Echo
from ocr_train.trainer.files import weights_of
from ocr_train.trainer.paddleocr import write_config
from ocr_train.trainer.tools import Trainer
from ocr_train.weights.distillation import student_config, student_of

if TYPE_CHECKING:
    from ocr_train.models.source import ModelSource

Read = Callable[[Model, Sequence[Path]], Sequence[Answer]]

EXPORT_TIMEOUT_S = 900.0


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A finished model: its folder, what model.json says, and the agreement of each backend, none if unchecked."""

    folder: Path
    model: Mapping[str, Any]
    checked: Sequence[Agreement]


class Onnx(Enum):
    """Whether model.onnx is made: WHERE_POSSIBLE leaves it out where it cannot be made or does not agree."""

    NO = "no"
    WHERE_POSSIBLE = "where possible"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """How to export. `images` are those to check with, empty only where the check is not wanted; `seed` is what
    they were chosen by. `carry` copies PaddleOCR's code into the folder; `timeout_s` is for each child."""

    images: Sequence[Path]
    seed: int = 0
    onnx: Onnx = Onnx.NO
    carry: bool = False
    timeout_s: float = EXPORT_TIMEOUT_S


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An exported model that was not checked yet: `part` is a folder beside `target`; either `hand_over` takes it, or
    `discard` removes it. `without_onnx` says why there is no model.onnx where one was wished for."""

    source: ModelSource
    part: Path
    target: Path
    config: Mapping[str, Any]
    network: str
    carried: bool
    without_onnx: str = ""

    def discard(self) -> None:
        """Leave nothing behind. May be called twice, and after `hand_over`."""
        shutil.rmtree(self.part, ignore_errors=True)


def export(
    source: ModelSource,
    target: Path,
    *,
    trainer: Trainer,
    options: ExportOptions,
    echo: Echo,
    read: Read | None = None,
) -> Exported:
    """Export the checkpoint `source` to the folder `target`; `read` reads images with a model.

    Raises what `make_draft` and `hand_over` raise.
    """
    draft = make_draft(source, target, trainer=trainer, options=options, echo=echo)
    return hand_over(draft, trainer=trainer, options=options, echo=echo, read=read)


def make_draft(
    source: ModelSource, target: Path, *, trainer: Trainer, options: ExportOptions, echo: Echo
) -> Draft:
    """Everything of the folder that a check needs, beside `target`.

    Raises `ConfigError` where `target` is taken or the model is of a kind that cannot be exported, `DataError` where
    the checkpoint is damaged or harmful, `SetupError`, and `TrainingFailed` where PaddleOCR's tool fails.
    """
    _require_free(target)
    # Before anything is made of it: what is checked below is what is handed over, to the last byte.
    config = redactor().mapping(_config_of(source))
    screen(weights_of(source.path))
    target.parent.mkdir(parents=True, exist_ok=True)
    student = student_of(config)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        # mkdtemp's are for the owner alone, and a server may run as somebody else.
        part.chmod(0o755)
        with tempfile.TemporaryDirectory() as scratch:
            network = export_network(
                source, config, part, Path(scratch), trainer, echo, timeout_s=options.timeout_s
            )
            if student:
                echo(f"{source.description} has several networks: the exported model is {student}")
                config = student_config(config, student)
            _write_own(source, config, part)
            write_inference_yml(part, config)
            without_onnx = _add_onnx(part, config, network, Path(scratch), trainer, options, echo)
            carried = options.carry and carry_paddleocr(trainer.paddleocr.root, part)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return Draft(
        source=source,
        part=part,
        target=target,
        config=config,
        network=network,
        carried=carried,
        without_onnx=without_onnx,
    )


def hand_over(
    draft: Draft, *, trainer: Trainer, options: ExportOptions, echo: Echo, read: Read | None = None
) -> Exported:
    """Check `draft`, describe it, and give it the name that was asked for; it is gone where that fails.

    Raises `TrainingFailed` where the exported model does not agree: it is what PaddleOCR made that is wrong then, and no
    image or label.
    """
    source, part = draft.source, draft.part
    try:
        checked, wrong_onnx = _check(draft, trainer, options, echo, read or _read_with(options.timeout_s))
        facts = ExportFacts(
            source=source,
            config=draft.config,
            network=draft.network,
            trainer=trainer,
            checked=checked,
            carried=draft.carried,
        )
        model = write_documents(part, facts, seed=options.seed)
        wrong = [one for one in checked if not one.agrees]
        if wrong:
            raise _disagrees(wrong, _keep_failed(part, draft.target))
        part.rename(draft.target)
    finally:
        draft.discard()
    if why := draft.without_onnx or wrong_onnx:
        echo(f"no model.onnx: {why}")
    return Exported(folder=draft.target, model=model, checked=checked)


def _add_onnx(
    part: Path,
    config: Mapping[str, Any],
    network: str,
    scratch: Path,
    trainer: Trainer,
    options: ExportOptions,
    echo: Echo,
) -> str:
    """Make model.onnx where it is wished for; why there is none, where it only was to be tried."""
    if options.onnx is Onnx.NO:
        return ""
    try:
        to_onnx(part, network, trainer, scratch, echo, timeout_s=options.timeout_s)
    except (SetupError, TrainingFailed) as exc:
        if options.onnx is Onnx.REQUIRED:
            raise
        (part / ONNX).unlink(missing_ok=True)
        return exc.problem.partition("\n")[0]
    name_characters(part / ONNX, characters_of(part, config))
    return ""


def _require_free(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(
            f"{str(target)!r} exists already; it is not overwritten.",
            hint="Name another folder with --out, or remove that one.",
        )


def _config_of(source: ModelSource) -> dict[str, Any]:
    """The checkpoint's own configuration; raises `ConfigError` where it cannot be exported by it."""
    if source.kind != "checkpoint":
        raise ConfigError(
            f"{source.description}: it is exported already.", hint="Give a run or a checkpoint to export."
        )
    config = read_config(source.config, hint="A checkpoint is exported with the config.yml beside it.")
    for key in ("Global", "Architecture.algorithm", "PostProcess", "Eval.dataset.transforms"):
        if get_key(config, key, None) is None:
            raise DataError(
                f"the checkpoint's configuration {source.config} has no {key!r}: it is not PaddleOCR's."
            )
    return config


def _write_own(source: ModelSource, config: Mapping[str, Any], out: Path) -> None:
    """The run's configuration and dictionary, without paths of the machine it was trained on."""
    document = deepcopy(dict(config))
    for key in ("pretrained_model", "checkpoints", "save_model_dir", "save_inference_dir", "save_res_path"):
        if key in document["Global"]:
            document["Global"][key] = None
    document["Global"]["use_gpu"] = False
    if source.dictionary is not None:
        shutil.copyfile(source.dictionary, out / "dict.txt")
        document["Global"]["character_dict_path"] = "dict.txt"
    write_config(document, out / "config.yml")


def _read_with(timeout_s: float) -> Read:
    def read(model: Model, images: Sequence[Path]) -> Sequence[Answer]:
        return read_images(model, images, timeout_s=timeout_s)

    return read


def _check(
    draft: Draft, trainer: Trainer, options: ExportOptions, echo: Echo, read: Read
) -> tuple[tuple[Agreement, ...], str]:
    """Read the images with the checkpoint and with each exported model, and compare; and why model.onnx was removed,
    where it does not do and need not be there."""
    if not options.images:
        return (), ""
    echo(f"checking on {len(options.images)} image(s) ...")
    source, folder, may_lack = draft.source, draft.part, options.onnx is Onnx.WHERE_POSSIBLE
    kinds = ["exported", *(["onnx"] if (folder / ONNX).is_file() else [])]
    models = {"checkpoint": _model(draft, trainer, "checkpoint", source.path, source.config)}
    models |= {kind: _model(draft, trainer, kind, folder, folder / "config.yml") for kind in kinds}
    # Each is a process of one thread, and starting takes it longer than reading.
    with ThreadPoolExecutor(len(models), "check") as pool:
        reading = {kind: pool.submit(read, model, options.images) for kind, model in models.items()}
    checked, without_onnx = [], ""
    for kind in kinds:
        try:
            answers = reading[kind].result()
        except OcrTrainError as exc:
            if kind != "onnx" or not may_lack:
                raise
            without_onnx = exc.problem
            continue
        one = compare_answers(source.task, reading["checkpoint"].result(), answers, CHECKED[kind])
        if kind == "onnx" and may_lack and not one.agrees:
            count = len(one.differences) or one.unread
            without_onnx = f"it does not give the checkpoint's answers on {count} image(s)"
            continue
        checked.append(one)
        if one.agrees:
            echo(one.sentence(source.task))
    if without_onnx:
        (folder / ONNX).unlink()
    return tuple(checked), without_onnx


def _model(draft: Draft, trainer: Trainer, kind: str, path: Path, config: Path) -> Model:
    root, python = trainer.paddleocr.root, trainer.python
    return Model(kind=kind, path=path, config=config, python=python, root=root, env=trainer.env)


def _keep_failed(part: Path, target: Path) -> Path:
    kept = target.with_name(f"{target.name}.failed")
    shutil.rmtree(kept, ignore_errors=True)
    part.rename(kept)
    return kept


def _disagrees(disagreeing: Sequence[Agreement], kept: Path) -> TrainingFailed:
    reasons = []
    for one in disagreeing:
        if one.images:
            reasons.append(describe_differences(one.differences, one.images, one.backend))
        else:
            reasons.append(
                f"none of the {one.unread} image(s) could be read, so nothing shows that the {one.backend} model works."
            )
    return TrainingFailed(
        "\n".join(reasons),
        hint=f"No model was exported; what was made is in {kept}. Another version of Paddle may export it correctly "
        "(docs/export.md).",
    )
