"""Which packages PaddleOCR's code imports, read off its sources: nothing of it runs.

From the programs that are started (tools/train.py, say) every import of PaddleOCR's own modules is followed. What
counts is what Python would run: imports at the top of a module, and those inside the functions `build_*`, which
PaddleOCR calls for every model. What is imported inside a `try` that catches that is not needed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ocr_train.errors import SetupError
from ocr_train.trainer.interpreter import packages_of

TRAINING = ("tools/train.py",)
READING = (
    # What ocr_engine imports to read images.
    *("ppocr/data/imaug/__init__.py", "ppocr/postprocess/__init__.py"),
    "ppocr/modeling/architectures/__init__.py",
)
_OWN = ("ppocr", "tools")
_CAUGHT = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")
_TO_INSTALL = {
    "PIL": ("pillow",),
    "albumentations": ("albumentations==1.4.10", "albucore==0.0.13"),
    "cv2": ("opencv-python==4.11.0.86", "opencv-contrib-python==4.11.0.86"),
    "skimage": ("scikit-image",),
    "yaml": ("pyyaml",),
}
"""What pip calls the packages whose modules have other names, in versions that work with every PaddleOCR."""


def require_packages(python: Path, root: Path, starts: Sequence[str], *, model_type: str = "") -> None:
    """Raise `SetupError` with all packages that the code in `root` imports and `python` does not have."""
    found = packages_of(python, packages_imported(root, starts, model_type=model_type))
    if not found.missing:
        return
    # Named too, because pip would replace it by a version 2, which no PaddleOCR can use.
    numpy = found.versions.get("numpy", "")
    wanted = " ".join([*to_install(found.missing), f"numpy=={numpy}" if numpy else "'numpy<2'"])
    raise SetupError(
        f"the PaddleOCR in {root} imports {len(found.missing)} package(s) that {str(python)!r} does not have: "
        f"{', '.join(found.missing)}.",
        hint=f"Install them there: {python} -m pip install {wanted}. Or name an interpreter that has them: "
        "trainer_python (docs/requirements.md).",
    )


def requirements_of(python: Path, root: Path, *, model_type: str) -> dict[str, str]:
    """What reading images with the code in `root` takes, as pip names it, in the versions that `python` has; a
    package that it does not have is named without a version."""
    found = packages_of(python, packages_imported(root, READING, model_type=model_type))
    missing = [name.partition("==") for name in to_install(found.missing)]
    return {**{name: version for name, _, version in missing}, **found.versions}


def to_install(modules: Iterable[str]) -> list[str]:
    """What pip is to install so that there are these modules."""
    return [name for module in modules for name in _TO_INSTALL.get(module, (module,))]


def packages_imported(root: Path, starts: Sequence[str], *, model_type: str) -> list[str]:
    """The top-level names outside `root` that its files `starts` import, theirs included, sorted.

    PaddleOCR chooses what to import by `model_type` ("det", "rec", ...). Files that are not there or cannot be parsed
    are passed over.
    """
    # Some files put their own folder on the path: a module of that name anywhere in PaddleOCR is its own.
    own = {file.stem: file.parent for part in _OWN for file in (root / part).rglob("*.py")}
    outside: set[str] = set()
    todo = [root / start for start in starts]
    seen: set[Path] = set()
    while todo:
        path = todo.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        for name in _imports(path, root, model_type):
            inside = _files_of(name, root, own)
            todo += inside or ()
            if inside is None:
                outside.add(name.partition(".")[0])
    return sorted(outside)


def _imports(path: Path, root: Path, model_type: str) -> Iterator[str]:
    """The modules that the file imports, relative ones by their full names."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    package = path.parent.relative_to(root).parts
    for node in _needed(tree.body, model_type):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            continue
        above = package[: len(package) - node.level + 1] if node.level else ()
        module = ".".join((*above, *filter(None, [node.module])))
        if module:
            yield module
            for alias in node.names:
                if (root.joinpath(*module.split(".")) / f"{alias.name}.py").is_file():
                    yield f"{module}.{alias.name}"


def _needed(body: Iterable[ast.stmt], model_type: str) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports among statements that run when the module is imported, or when PaddleOCR builds a model."""
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If):
            chosen = _decided(node.test, model_type)
            # What depends on anything else may never be imported.
            if chosen is not None:
                yield from _needed(node.body if chosen else node.orelse, model_type)
        elif isinstance(node, ast.Try):
            if not any(_catches(handler) for handler in node.handlers):
                yield from _needed(node.body, model_type)
            yield from _needed([*node.orelse, *node.finalbody], model_type)
        elif isinstance(node, (ast.With, ast.ClassDef)) or (
            isinstance(node, ast.FunctionDef) and node.name.startswith("build_")
        ):
            yield from _needed(node.body, model_type)


def _decided(test: ast.expr, model_type: str) -> bool | None:
    """Whether `model_type == "rec"` or `model_type in [...]` holds; None for any other condition."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        parts = [_decided(value, model_type) for value in test.values]
        return True if True in parts else None if None in parts else False
    if not (
        isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "model_type"
    ):
        return None
    try:
        value = ast.literal_eval(test.comparators[0])
    except ValueError:
        return None
    if isinstance(test.ops[0], ast.Eq):
        return bool(model_type == value)
    return model_type in value if isinstance(test.ops[0], ast.In) else None


def _catches(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _CAUGHT) for kind in kinds)


def _files_of(name: str, root: Path, own: Mapping[str, Path]) -> list[Path] | None:
    """The files below `root` that importing `name` runs; None where it is a module of somebody else."""
    parts = name.split(".")
    base = root if (root / parts[0]).is_dir() or (root / f"{parts[0]}.py").is_file() else own.get(parts[0])
    if base is None:
        return None
    places = [base.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    files = [file for place in places for file in (place / "__init__.py", place.with_suffix(".py"))]
    return [file for file in files if file.is_file()]
