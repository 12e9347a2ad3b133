"""Weights made to fit a model: one of several networks taken, layers renamed, a head's rows carried over by character."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ocr_train.atomic_files import write_text
from ocr_train.checkpoints.pickle_scan import Array
from ocr_train.config.overrides import get_key
from ocr_train.errors import SetupError
from ocr_train.weights.compatibility import ModelToTrain, ask_layers, below, config_at, fitting
from ocr_train.weights.head import Characters, HeadRows, RowPlan, head_rows, plan_rows
from ocr_train.weights.layer_names import renamed


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """What to change: `prefix` is cut off the names of the layers that are taken ("Student."), `rename` has the old name
    of each new one, `rows` the layers whose rows move, as `characters` says."""

    prefix: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, HeadRows] = field(default_factory=dict)
    characters: RowPlan | None = None

    @property
    def changes(self) -> bool:
        """Whether anything is to be changed."""
        return bool(self.prefix or self.rename or self.rows)

    def notes(self, source: str) -> list[str]:
        """What people are told."""
        found = []
        if self.prefix:
            found.append(f"of {source} the network {self.prefix.rstrip('.')} is taken: its layers fit")
        if self.rows and self.characters:
            found.append(f"another dictionary than that of {source}: {self.characters}")
        return found


def plan_adaptation(
    arrays: Mapping[str, Array],
    model: ModelToTrain,
    *,
    dictionary: Path | None,
    use_space_char: bool | None = None,
    part: str = "",
) -> Adaptation:
    """How weights with the layers `arrays` can be made to fit `model`, or its network `part` ("Teacher.").

    `dictionary` is that of the weights, None where it is not known; `use_space_char` says whether their head has a row
    for the space, None: as the model's. Raises `OSError` where a dictionary cannot be read.
    """
    layers = below(model.shapes, part)
    prefix = _best_prefix(arrays, layers)
    arrays = below(arrays, prefix)
    rename = renamed(arrays, layers)
    old_names = {old: new for new, old in rename.items()}
    arrays = {old_names.get(name, name): array for name, array in arrays.items()}
    if dictionary is None or model.dictionary is None:
        return Adaptation(prefix=prefix, rename=rename)
    space = bool(get_key(config_at(model.config), "Global.use_space_char", False))
    old = Characters.read(dictionary, use_space_char=space if use_space_char is None else use_space_char)
    plan = plan_rows(old, Characters.read(model.dictionary, use_space_char=space))
    rows = head_rows(arrays, layers, plan) if plan.changes else {}
    return Adaptation(prefix=prefix, rename=rename, rows=rows, characters=plan)


def _best_prefix(arrays: Mapping[str, Array], layers: Mapping[str, tuple[int, ...]]) -> str:
    """What to cut off the names of the weights so that most layers fit; "" where nothing does better as it is.

    PaddleOCR names the networks of a distillation Student, Student2 and Teacher.
    """
    heads = sorted({name.partition(".")[0] for name in arrays if "." in name})
    found = [fitting(below(arrays, f"{head}."), layers) for head in heads]
    most = max(found, default=0)
    return f"{heads[found.index(most)]}." if most > fitting(arrays, layers) else ""


def adapt(weights: Path, adaptation: Adaptation, model: ModelToTrain, target: Path) -> None:
    """Write the .pdparams file `weights`, which was screened, as `adaptation` has it, to `target`; raises `SetupError`."""
    job = target.with_suffix(".json")
    document = {
        "weights": str(weights.absolute()),
        "target": str(target.absolute()),
        "prefix": adaptation.prefix,
        "rename": dict(adaptation.rename),
        "rows": {name: list(asdict(rows).values()) for name, rows in adaptation.rows.items()},
    }
    write_text(job, json.dumps(document, ensure_ascii=False))
    answer = ask_layers(["adapt", str(job.absolute())], model)
    if not answer.get("layers") or not target.is_file():
        raise SetupError(
            f"the layers of {weights} could not be written anew in {str(model.python)!r}.",
            hint="Check that the disk has room for it, or write them to a file of their own with Paddle.",
        )
