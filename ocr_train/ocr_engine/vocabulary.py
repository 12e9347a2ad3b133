"""What a PaddleOCR lets a configuration name, read off its source, which is never imported for that.

PaddleOCR looks names up with `eval` and `getattr`: of operators, networks, losses, metrics, and of some values, such
as a network's `norm_layer`. What its own source defines there is all that a configuration may say.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import EngineError

OPERATORS, DATA, NETWORKS = "operator", "data set, sampler or collator", "network"
LOSSES, METRICS, POST_PROCESSES, OPTIMIZERS = "loss", "metric", "post-processing", "optimizer or schedule"
PACKAGES = {
    OPERATORS: ("data", "imaug"),
    DATA: ("data",),
    NETWORKS: ("modeling",),
    LOSSES: ("losses",),
    METRICS: ("metrics",),
    POST_PROCESSES: ("postprocess",),
    OPTIMIZERS: ("optimizer",),
}
"""Where each kind of name is defined, inside `ppocr`."""
# Most files only tell their classes: parsing all of them would take a second.
_CLASS = re.compile(rb"^class[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_OTHER_NAME = re.compile(rb"^([A-Z]\w*)[ \t]*=[ \t]*[A-Za-z_]\w*[ \t]*[(\r\n]", re.MULTILINE)
_EVAL = re.compile(rb"\beval[ \t]*\(")


@dataclass(frozen=True)
class Part:
    """One kind of names. `names` can be asked for; `evaluated` are the parameters that end in an `eval`, `classes`
    what the modules that do so define, and `bound` all that has a name at their top."""

    names: frozenset[str]
    evaluated: frozenset[str]
    classes: frozenset[str]
    bound: frozenset[str]


@functools.lru_cache(maxsize=8)
def read_vocabulary(ppocr: str) -> dict[str, Part]:
    """All kinds of names of the PaddleOCR whose folder `ppocr` this is; raises `EngineError` without its source."""
    folder = Path(ppocr)
    if not (folder / "data" / "imaug" / "__init__.py").is_file():
        raise EngineError(
            f"{folder} has no source of PaddleOCR (data/imaug): the configuration cannot be checked"
        )
    return {kind: _read_part(folder.joinpath(*inside), kind) for kind, inside in PACKAGES.items()}


def _read_part(folder: Path, kind: str) -> Part:
    names: set[str] = set()
    evaluated: set[str] = set()
    classes: set[str] = set()
    bound: set[str] = set()
    for path in sorted(folder.glob("*.py") if kind == DATA else folder.rglob("*.py")):
        source = path.read_bytes()
        defined = {name.decode() for name in _CLASS.findall(source) + _OTHER_NAME.findall(source)}
        names |= defined
        module = _parse(source) if path.name == "__init__.py" or _EVAL.search(source) else None
        if module is None:
            continue
        imported = _imported(module)
        if path.name == "__init__.py":
            names |= {name for name in imported if name[:1].isupper()}
        keys = _evaluated(module)
        if keys:
            evaluated |= keys
            classes |= defined
            bound |= defined | imported | _top_names(module)
    return Part(frozenset(names), frozenset(evaluated), frozenset(classes), frozenset(bound))


def _parse(source: bytes) -> Any:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        # Nothing that Python can import either.
        return None


def _imported(module: Any) -> set[str]:
    """The names that imports give a module, also inside its functions."""
    found: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return found


def _top_names(module: Any) -> set[str]:
    """Functions, classes and variables at the top of a module."""
    found: set[str] = set()
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def _evaluated(module: Any) -> set[str]:
    """The parameters (and attributes) that reach an `eval` of Python's in this module."""
    if any(isinstance(node, ast.FunctionDef) and node.name == "eval" for node in module.body):
        return set()
    found: set[str] = set()
    for call, parameters in _evals(module, ()):
        for node in ast.walk(call.args[0]) if call.args else ():
            if isinstance(node, ast.Name) and node.id in parameters:
                found.add(node.id)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
    return found


def _evals(node: Any, parameters: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Each call of `eval` below `node`, with the parameters of the functions around it."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        given = node.args
        parameters += tuple(one.arg for one in [*given.posonlyargs, *given.args, *given.kwonlyargs])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "eval":
        yield node, parameters
    for child in ast.iter_child_nodes(node):
        yield from _evals(child, parameters)
