"""From a checkpoint to an inference model that is known to give the same answers.

    screen -> tools/export_model.py -> (paddle2onnx) -> read images with both -> compare -> rename

Everything happens in a folder beside the target, which is renamed when it has been checked: a folder by the name that
was asked for is a model that works. One that failed the check is left as `<name>.failed`, to be looked into.

    inference.pdmodel | inference.json    the network: Paddle's old format, or its new one (PIR)
    inference.pdiparams  inference.yml    weights; what PaddleOCR's predictors read
    config.yml  dict.txt                  the run's own configuration and dictionary: what ours read
    model.json  README.md                 what it is, sums, metrics, what the check found; how to use it
    model.onnx                            with onnx
    paddleocr/                            ppocr and tools, where PaddleOCR was a checkout and no package
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.checkpoints.pickle_scan import screen
from ocr_train.config.overrides import get_key, set_key
from ocr_train.errors import ConfigError, DataError, TrainingFailed
from ocr_train.models.export.check import Agreement, Answer, compare_answers, describe_differences
from ocr_train.models.export.folder import (
    CHECKED,
    ExportFacts,
    carry_paddleocr,
    write_documents,
)
from ocr_train.models.export.inference_yml import characters_of, describe_for_export, write_inference_yml
from ocr_train.models.export.onnx import ONNX, name_characters, to_onnx
from ocr_train.models.inference import Model, read_images
from ocr_train.models.source import read_config
from ocr_train.redaction.redactor import redactor
from ocr_train.run import Echo
from ocr_train.trainer.configurations import for_a_tool, require_known
from ocr_train.trainer.failures import reason_in
from ocr_train.trainer.files import weights_of
from ocr_train.trainer.paddleocr import write_config
from ocr_train.trainer.tools import Trainer, failed, require_tool, require_weights_loaded, run_tool
from ocr_train.weights.distillation import student_config, student_of

if TYPE_CHECKING:
    from ocr_train.models.source import ModelSource

Read = Callable[[Model, Sequence[Path]], Sequence[Answer]]

EXPORT_TIMEOUT_S = 900.0
PADDLE, PIR = "inference.pdmodel", "inference.json"
WEIGHTS = "inference.pdiparams"
_HINT = (
    "The network cannot be exported by this Paddle: 3.0.0 exports every model of PaddleOCR 2.10 that was tried; "
    "docs/export.md has the table. --trainer-python names another interpreter."
)


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A finished model: its folder, what model.json says, and the agreement of each backend, none if unchecked."""

    folder: Path
    model: Mapping[str, Any]
    checked: Sequence[Agreement]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """How to export. `images` are those to check with, empty only where the check is not wanted; `seed` is what
    they were chosen by. `carry` copies PaddleOCR's code into the folder; `timeout_s` is for each child."""

    images: Sequence[Path]
    seed: int = 0
    onnx: bool = False
    carry: bool = False
    timeout_s: float = EXPORT_TIMEOUT_S


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

    Raises `ConfigError` where `target` is taken or the model is of a kind that cannot be exported, `DataError` where
    the checkpoint is damaged or harmful, `SetupError`, and `TrainingFailed` where PaddleOCR's tool fails or the
    exported model does not agree: it is what PaddleOCR made that is wrong then, and no image or label.
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
            network = _run_export(source, config, part, Path(scratch), trainer, options, echo)
            if student:
                echo(f"{source.description} has several networks: the exported model is {student}")
                config = student_config(config, student)
            _write_own(source, config, part)
            write_inference_yml(part, config)
            if options.onnx:
                to_onnx(part, network, trainer, Path(scratch), echo, timeout_s=options.timeout_s)
                name_characters(part / ONNX, characters_of(part, config))
            carried = options.carry and carry_paddleocr(trainer.paddleocr.root, part)
        checked = _check(source, part, trainer, options, echo, read or _read_with(options.timeout_s))
        facts = ExportFacts(
            source=source, config=config, network=network, trainer=trainer, checked=checked, carried=carried
        )
        model = write_documents(part, facts, seed=options.seed)
        disagreeing = [one for one in checked if not one.agrees]
        if disagreeing:
            raise _disagrees(disagreeing, _keep_failed(part, target))
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Exported(folder=target, model=model, checked=checked)


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


def export_config(
    config: Mapping[str, Any], prefix: Path, out: Path, *, dictionary: Path | None, pir: bool
) -> dict[str, Any]:
    """The configuration that export_model.py reads: the run's own, on the CPU, without what only training needs."""
    document = for_a_tool(config, prefix, use_gpu=False)
    set_key(document, "Global.save_inference_dir", str(out))
    describe_for_export(document)
    if dictionary is not None:
        set_key(document, "Global.character_dict_path", str(dictionary))
    if pir:
        set_key(document, "Global.export_with_pir", True)
    return document


def _run_export(
    source: ModelSource,
    config: Mapping[str, Any],
    out: Path,
    scratch: Path,
    trainer: Trainer,
    options: ExportOptions,
    echo: Echo,
) -> str:
    """Have export_model.py fill `out`; the name of the network's file. The old format first, which more can read."""
    script = require_tool(trainer, "export_model.py")
    what = f"export of {source.description}"
    for pir in (False, True):
        echo(
            f"exporting {'in the new format (PIR) ' if pir else ''}with Paddle {trainer.versions['paddle']} ..."
        )
        path = scratch / f"export{'_pir' * pir}.yml"
        document = export_config(config, source.path, out, dictionary=source.dictionary, pir=pir)
        require_known(document, source.config, trainer.paddleocr.root)
        write_config(document, path)
        argv = [str(trainer.python), str(script), "-c", str(path)]
        run = run_tool(argv, trainer, work=scratch, name=path.stem, timeout_s=options.timeout_s)
        require_weights_loaded(run, what)
        if student := student_of(config):
            _take_student(student, out)
        made = [name for name in (PADDLE, PIR) if (out / name).is_file()]
        if run.ok and made and (out / WEIGHTS).is_file():
            if made[0] == PIR and not pir:
                echo(f"this PaddleOCR writes Paddle's new format ({PIR})")
            return made[0]
        for left in (PADDLE, PIR, WEIGHTS):
            (out / left).unlink(missing_ok=True)
        if pir or not _knows_pir(trainer.versions["paddle"]):
            raise failed(run, f"{what} with tools/export_model.py", _HINT)
        echo(f"the old format is not available: {reason_in(run.lines) or run.ended}")
    raise AssertionError("unreachable: the second round returns or raises")


def _take_student(student: str, out: Path) -> None:
    """Of the folders that export_model.py makes of a distillation's networks only the student's files stay, in `out`.

    inference.yml, which describes all of them, is written anew for the one.
    """
    for path in (out / student).glob("inference.*"):
        path.replace(out / path.name)
    for folder in [path for path in out.iterdir() if path.is_dir()]:
        shutil.rmtree(folder)
    (out / "inference.yml").unlink(missing_ok=True)


def _knows_pir(paddle: str) -> bool:
    """Whether `Global.export_with_pir` is known to this Paddle: since 3.0.0b2."""
    return paddle.partition(".")[0].isdecimal() and int(paddle.partition(".")[0]) >= 3


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
    source: ModelSource, folder: Path, trainer: Trainer, options: ExportOptions, echo: Echo, read: Read
) -> tuple[Agreement, ...]:
    """Read the images with the checkpoint and with each exported model, and compare."""
    if not options.images:
        return ()
    echo(f"checking on {len(options.images)} image(s) ...")

    def model(kind: str, path: Path, config: Path) -> Model:
        return Model(
            kind=kind,
            path=path,
            config=config,
            python=trainer.python,
            root=trainer.paddleocr.root,
            env=trainer.env,
        )

    expected = read(model("checkpoint", source.path, source.config), options.images)
    checked = []
    for kind, backend in CHECKED.items():
        if kind == "exported" or (folder / ONNX).is_file():
            answers = read(model(kind, folder, folder / "config.yml"), options.images)
            checked.append(compare_answers(source.task, expected, answers, backend))
    for one in checked:
        if one.agrees:
            echo(one.sentence(source.task))
    return tuple(checked)


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
