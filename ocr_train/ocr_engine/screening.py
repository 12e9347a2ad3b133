"""Screens a PaddleOCR configuration before PaddleOCR sees it: parts of it are evaluated as Python code there.

    values (read by yaml.safe_load) -> problems, one sentence each, or none

PaddleOCR calls `eval` on the names of operators, networks, losses, metrics, and on some values (`norm_layer`, `scale`,
`gtc_encode`, ...), and `getattr` on others. Only what its own source defines (`vocabulary.py`) may stand there.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import EngineError
from .paddleocr import find_ppocr
from .vocabulary import (
    DATA,
    LOSSES,
    METRICS,
    NETWORKS,
    OPERATORS,
    OPTIMIZERS,
    POST_PROCESSES,
    Part,
    read_vocabulary,
)

HINT = (
    "Do not use it before you know where it comes from: no model needs code in its configuration. If another version of "
    "PaddleOCR made it, name that one (--paddleocr FOLDER)."
)
MAX_DEPTH = 60
MAX_VALUES = 200_000
_SHOWN = 120
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z", re.ASCII)
_LAYER = re.compile(r"(?:paddle\.)?nn\.[A-Z][A-Za-z0-9]*\Z", re.ASCII)
_CONSTANT = re.compile(r"(?:cv2\.INTER_|Image\.(?:Resampling\.)?)[A-Z][A-Z0-9_]*\Z", re.ASCII)
_EVALUATED = {
    OPERATORS: frozenset(["gtc_encode", "inter_type", "scale"]),
    NETWORKS: frozenset(["act", "act_layer", "block_type", "block_unit", "mode", "norm_layer", "sub_norm"]),
}
"""Parameters that PaddleOCR 2.6 to 3.0 evaluates; those of the PaddleOCR at hand come from its source."""
_EFFECTS = ("Lambda", "AssertLambda", "SaveDebugImageEveryNBatches")
"""Augmenters that do more than change an image."""
_CODE = frozenset("()[]{}\"'`;=@\\\n\r\0")
_FREE = ("path", "dir", "file", "pretrained", "checkpoint", "list", "label", "delimiter", "char", "data")
"""Parts of the keys whose values are paths or people's own texts."""
_OWN_WORDS = ("Global", "wandb")
"""Sections where people keep notes of their own."""
_NOWHERE = Part(frozenset(), frozenset(), frozenset(), frozenset())
_BUILTINS = frozenset(dir(builtins)) | {"copyright", "credits", "exit", "help", "license", "quit"}


def require_harmless(config: Path, values: Any, used: Any, root: str) -> None:
    """Raise `EngineError` with everything in the configuration that must not reach PaddleOCR.

    `values` is all that the file `config` holds, `used` what of it PaddleOCR (in the folder `root`; empty: the
    installed one) is to read: there, names must be its own. Elsewhere another version may know them.
    """
    found = dict.fromkeys(problems(values) + problems(used, read_vocabulary(str(find_ppocr(root)))))
    if found:
        raise EngineError(refusal(config, list(found)), HINT)


def refusal(config: Any, found: list[str]) -> str:
    """The message for a configuration with the problems `found`."""
    listed = "; ".join(found[:20]) + (f"; and {len(found) - 20} more" if len(found) > 20 else "")
    return f"{config} has parts that PaddleOCR would run as code, or does not know: {listed}"


def problems(values: Any, vocabulary: dict[str, Part] | None = None) -> list[str]:
    """What must not reach PaddleOCR, one sentence each; none where `values` is harmless.

    Without a `vocabulary` names need only be plain: for who does not know which PaddleOCR will read it.
    """
    screening = _Screening(vocabulary)
    try:
        screening.plain(values, "", 0)
    except _TooMuch as exc:
        return [str(exc)]
    if isinstance(values, dict):
        screening.sections(values)
    return list(screening.found)


class _TooMuch(Exception):  # noqa: N818 - the verdict, never seen outside this module
    """No configuration is that large."""


class _Screening:
    """Walks a configuration; `found` are the problems, each once and in their order."""

    def __init__(self, vocabulary: dict[str, Part] | None) -> None:
        self.found: dict[str, None] = {}
        self._vocabulary = vocabulary
        self._count = 0

    def plain(self, value: Any, where: str, depth: int) -> None:
        """Only what YAML's plain tags make, and not without end: `eval` takes bytes, too."""
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_VALUES:
            raise _TooMuch(
                f"{where.partition('.')[0]} is nested or repeated without end: no configuration has that much"
            )
        if isinstance(value, dict):
            for key, inner in value.items():
                if not isinstance(key, (str, int, float, bool, type(None))):
                    self._echo(where, key, "is not a key of a configuration")
                self.plain(inner, f"{where}.{key}" if where else str(key)[:_SHOWN], depth + 1)
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                self.plain(inner, f"{where}[{number}]", depth + 1)
        elif isinstance(value, (bytes, bytearray, tuple, set, frozenset)):
            self._echo(where, value, f"is {type(value).__name__}, which no configuration has")

    def sections(self, values: dict[Any, Any]) -> None:
        """Each part of the configuration by the rules of the code that reads it."""
        self._architecture(values.get("Architecture"), "Architecture")
        self._named(values.get("Loss"), "Loss", LOSSES)
        self._named(values.get("Metric"), "Metric", METRICS, ("name", "base_metric_name"))
        self._named(values.get("PostProcess"), "PostProcess", POST_PROCESSES)
        self._optimizer(values.get("Optimizer"))
        # Every operator is given all of Global, over its own parameters.
        self._parameters(values.get("Global"), "Global")
        for section, inner in values.items():
            if section not in _OWN_WORDS:
                self._no_code(inner, str(section))
            if isinstance(inner, dict) and "dataset" in inner:
                self._data(inner, str(section))

    def _architecture(self, values: Any, where: str) -> None:
        self._values(values, where, NETWORKS)
        if not isinstance(values, dict):
            return
        self._name(values, "name", where, NETWORKS)
        for part in ("Transform", "Backbone", "Neck", "Head"):
            self._named(values.get(part), f"{where}.{part}", NETWORKS)
        models = values.get("Models")
        for name, model in models.items() if isinstance(models, dict) else ():
            if isinstance(model, dict):
                self._architecture(model, f"{where}.Models.{name}")

    def _named(self, values: Any, where: str, kind: str, keys: Any = ("name",)) -> None:
        """A thing with a name, and lists of things below it whose names are their keys (losses, heads)."""
        if not isinstance(values, dict):
            return
        for key in keys:
            self._name(values, key, where, kind)
        for key in ("loss_config_list", "head_list"):
            for number, entry in enumerate(_list(values.get(key))):
                for name in entry if isinstance(entry, dict) else (entry,):
                    # Heads are compared with the few that it has, and "NRTRHead" is a name of no class.
                    self._known(name, f"{where}.{key}[{number}]", kind, strict=key == "loss_config_list")

    def _optimizer(self, values: Any) -> None:
        self._named(values, "Optimizer", OPTIMIZERS)
        if isinstance(values, dict):
            self._named(values.get("lr"), "Optimizer.lr", OPTIMIZERS)
            regularizer = values.get("regularizer")
            if isinstance(regularizer, dict) and regularizer.get("name") is not None:
                name, part = regularizer["name"], self._part(OPTIMIZERS)
                # PaddleOCR adds the word to what it does not find.
                if part is None or f"{name}Decay" not in part.names:
                    self._known(name, "Optimizer.regularizer.name", OPTIMIZERS)

    def _data(self, values: dict[Any, Any], section: str) -> None:
        """Train, Eval and whatever else has a dataset."""
        dataset, loader = values.get("dataset"), values.get("loader")
        self._named(dataset, f"{section}.dataset", DATA)
        self._named(values.get("sampler"), f"{section}.sampler", DATA)
        if isinstance(loader, dict):
            self._name(loader, "collate_fn", f"{section}.loader", DATA)
        if not isinstance(dataset, dict) or dataset.get("transforms") is None:
            return
        where = f"{section}.dataset.transforms"
        if not isinstance(dataset["transforms"], list):
            self._echo(where, dataset["transforms"], "is not a list of operators")
        for number, entry in enumerate(_list(dataset["transforms"])):
            if not isinstance(entry, dict):
                self._echo(f"{where}[{number}]", entry, "is not an operator with its parameters")
                continue
            for name, given in entry.items():
                self._known(name, f"{where}[{number}]", OPERATORS)
                self._parameters(given, f"{where}[{number}].{name}")

    def _parameters(self, given: Any, where: str) -> None:
        """What an operator is given."""
        self._values(given, where, OPERATORS)
        if isinstance(given, dict) and "augmenter_args" in given:
            self._augmenters(given["augmenter_args"], f"{where}.augmenter_args")

    def _augmenters(self, values: Any, where: str) -> None:
        """imgaug's or albumentations' augmenters by name, which are looked up with `getattr`."""
        for entry in values if isinstance(values, list) else [values]:
            if isinstance(entry, dict):
                name = entry.get("type")
            else:
                name = entry[0] if isinstance(entry, list) and entry else entry
            plain = isinstance(name, str) and bool(_WORD.match(name)) and name[:1].isupper()
            if not plain or name in _EFFECTS:
                self._echo(where, name, "is not an augmenter")
        self._each(values, where, _is_no_word, "is not a plain word")

    def _name(self, values: dict[Any, Any], key: str, where: str, kind: str) -> None:
        if values.get(key) is not None:
            self._known(values[key], f"{where}.{key}", kind)

    def _known(self, name: Any, where: str, kind: str, *, strict: bool = True) -> None:
        """One of PaddleOCR's own names, or at least (where not `strict`) a plain one."""
        part = self._part(kind)
        plain = isinstance(name, str) and bool(_WORD.match(name)) and name not in _BUILTINS
        # PaddleOCR's word for no post-processing.
        if name == "None" and kind == POST_PROCESSES:
            return
        if not plain or (strict and part is not None and name not in part.names):
            article = "an" if kind.startswith(("a", "e", "i", "o", "u")) else "a"
            self._echo(where, name, f"is not {article} {kind} of PaddleOCR")

    def _values(self, values: Any, where: str, kind: str) -> None:
        """Values that PaddleOCR evaluates, wherever they stand."""
        part = self._part(kind) or _NOWHERE
        keys = _EVALUATED[kind] | part.evaluated

        def wrong(key: str, value: Any) -> bool:
            return key in keys and isinstance(value, str) and not _evaluates_to_a_name(value, part)

        self._each(
            values, where, wrong, "is evaluated by PaddleOCR and is neither a number nor a name of its"
        )

    def _no_code(self, values: Any, where: str) -> None:
        """No text with what a call needs, in case PaddleOCR evaluates it in a way that its source hides."""

        def wrong(key: str, value: Any) -> bool:
            free = any(word in key.lower() for word in _FREE)
            return isinstance(value, str) and not free and bool(_CODE.intersection(value) or "__" in value)

        self._each(values, where, wrong, "may be code")

    def _each(self, values: Any, where: str, wrong: Callable[[str, Any], bool], what: str) -> None:
        """Say `what` of every value below `values` that is `wrong` by its (nearest) key."""
        stack = [(where, where.rpartition(".")[2], values)]
        while stack:
            place, key, value = stack.pop()
            if isinstance(value, dict):
                stack += [(f"{place}.{name}", str(name), inner) for name, inner in reversed(value.items())]
            elif isinstance(value, list):
                stack += [(f"{place}[{n}]", key, inner) for n, inner in reversed(list(enumerate(value)))]
            elif wrong(key, value):
                self._echo(place, value, what)

    def _part(self, kind: str) -> Part | None:
        return None if self._vocabulary is None else self._vocabulary[kind]

    def _echo(self, where: str, value: Any, what: str) -> None:
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
        self.found[f"{where[: 2 * _SHOWN]}: {shown} {what}"] = None


def _is_no_word(_: str, value: Any) -> bool:
    return isinstance(value, str) and not _WORD.match(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _evaluates_to_a_name(text: str, part: Part) -> bool:
    """Whether `eval(text)` gives a number, a layer, a constant of an image library or a class of the module's own;
    or fails, because nothing there has that name."""
    if text in part.classes or _LAYER.match(text) or _CONSTANT.match(text) or _is_arithmetic(text):
        return True
    return bool(_WORD.match(text)) and text not in _BUILTINS and text not in part.bound


def _is_arithmetic(text: str) -> bool:
    """Numbers with + - * / between them, such as `1./255.`: no power, whose result may take all memory."""
    if len(text) > 64:
        return False
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return False
    return all(
        isinstance(
            node,
            (ast.BinOp, ast.UnaryOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.UAdd, ast.USub, ast.Load),
        )
        or (isinstance(node, ast.Constant) and type(node.value) in (int, float))
        for node in ast.walk(tree)
    )
