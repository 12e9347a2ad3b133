"""The network of a checkpoint in Paddle's inference format, made by PaddleOCR's own tools/export_model.py."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.config.overrides import set_key
from ocr_train.models.export.inference_yml import describe_for_export
from ocr_train.run import Echo
from ocr_train.trainer.configurations import for_a_tool, require_known
from ocr_train.trainer.failures import reason_in
from ocr_train.trainer.paddleocr import write_config
from ocr_train.trainer.tools import Trainer, failed, require_tool, require_weights_loaded, run_tool
from ocr_train.weights.distillation import student_of

if TYPE_CHECKING:
    from ocr_train.models.source import ModelSource

PADDLE, PIR = "inference.pdmodel", "inference.json"
WEIGHTS = "inference.pdiparams"
_HINT = (
    "The network cannot be exported by this Paddle: 3.0.0 exports every model of PaddleOCR 2.10 that was tried; "
    "docs/export.md has the table. --trainer-python names another interpreter."
)


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


def export_network(
    source: ModelSource,
    config: Mapping[str, Any],
    out: Path,
    scratch: Path,
    trainer: Trainer,
    echo: Echo,
    *,
    timeout_s: float,
) -> str:
    """Have export_model.py fill `out`; the name of the network's file. The old format first, which more can read.

    Raises `TrainingFailed` where neither can be made, or layers of the checkpoint are left out.
    """
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
        run = run_tool(argv, trainer, work=scratch, name=path.stem, timeout_s=timeout_s)
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
