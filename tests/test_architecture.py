"""Who may import whom, and what nobody may do: read off the sources."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[1]

LEAVES = {
    "ocr_train.atomic_files",
    "ocr_train.errors",
    "ocr_train.events",
    "ocr_train.run",
    "ocr_train.disk",
    "ocr_train.cost",
    "ocr_train.live_line",
}
"""Files of no room: everybody may import them, because they import nothing of ours but each other."""

ROOMS: dict[str, set[str]] = {
    # It runs without the rest of us, in the trainer's interpreter and in a served model. Everybody may use what it
    # reads files with: there is one owner of those limits.
    "ocr_engine": set(),
    "drawing": set(),
    "redaction": set(),
    "server": set(),
    "storage": {"ocr_engine"},
    "config": {"ocr_engine", "redaction"},
    "data": {"config", "drawing", "ocr_engine", "storage"},
    "trainer": {"config", "data", "ocr_engine"},
    "tracking": {"ocr_engine", "redaction", "storage", "trainer"},
    # Values in and out: it knows labels and what a model reads, and neither a server nor how a model is run.
    "analysis": {"data", "drawing", "ocr_engine"},
    "checkpoints": {"ocr_engine", "redaction", "storage", "tracking", "trainer"},
    "weights": {"checkpoints", "config", "ocr_engine", "redaction", "storage", "trainer"},
    "models": {
        *(
            "analysis",
            "checkpoints",
            "config",
            "data",
            "drawing",
            "ocr_engine",
            "redaction",
            "tracking",
            "trainer",
            "weights",
        )
    },
    # Values in and out, as analysis; it writes the folder that people correct in.
    "labelling": {"analysis", "data", "drawing", "ocr_engine"},
    # What can be checked before a training: it looks at what the parts below need, and starts none of them.
    "doctor": {"config", "data", "ocr_engine", "redaction", "storage", "tracking", "trainer", "weights"},
    # Short trainings: what would be set for a training, and who would start it.
    "tuning": {"config", "doctor", "drawing", "ocr_engine", "trainer"},
    "resume": {"checkpoints", "config", "data", "ocr_engine", "redaction", "tracking", "trainer", "weights"},
    "runs": {"checkpoints", "models", "ocr_engine", "redaction", "tracking", "trainer"},
    "compare": {"checkpoints", "config", "drawing", "ocr_engine", "redaction", "runs", "tracking"},
    "training": {
        *(
            "analysis",
            "callbacks",
            "checkpoints",
            "config",
            "data",
            "doctor",
            "models",
            "ocr_engine",
            "redaction",
            "resume",
            "runs",
        ),
        *("cluster", "tracking", "trainer", "tuning", "weights"),
    },
    # Many trainings, each a child process; it builds on what is known of runs.
    "sweep": {
        *(
            "checkpoints",
            "compare",
            "config",
            "drawing",
            "ocr_engine",
            "redaction",
            "runs",
            "tracking",
            "trainer",
        )
    },
    # Around trainings: what starts them elsewhere, and what runs them there.
    "cluster": {"checkpoints", "config", "data", "ocr_engine", "redaction", "tracking", "trainer"},
    # What cells of a notebook call. Like the command line it is above everything, and starts its commands as a child.
    "notebook": {
        *(
            "analysis",
            "config",
            "data",
            "doctor",
            "drawing",
            "ocr_engine",
            "redaction",
            "storage",
            "tracking",
        ),
        "trainer",
    },
    # A folder to begin in.
    "starter": {"config", "ocr_engine"},
    "callbacks": {"analysis", "checkpoints", "config", "tracking", "trainer"},
    "cli": {
        *(
            "analysis",
            "checkpoints",
            "cluster",
            "compare",
            "config",
            "data",
            "doctor",
            "labelling",
            "models",
            "ocr_engine",
            "redaction",
        ),
        *("runs", "server", "starter", "storage", "sweep", "tracking", "trainer", "training", "tuning"),
    },
}
"""Each package of `ocr_train`, `callbacks` too, and those that it may import from. docs/architecture.md draws it."""

HEAVY = {"mlflow", "cv2", "boto3", "botocore", "obstore", "paddle", "matplotlib", "PIL", "numpy", "pandas"}
"""Seconds to load: imported by the functions that need them, so that `--help` and errors come at once."""


def name_of(path: Path) -> str:
    """The dotted name of a module in the repository."""
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    name_of(path): path
    for folder in ("ocr_train", "callbacks")
    for path in sorted((REPO / folder).rglob("*.py"))
}


@functools.cache
def trees() -> dict[str, ast.Module]:
    """Each module's code. Read by the first test that asks: every worker collects this file, and one runs it."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def imports_of(tree: ast.AST) -> set[str]:
    """Every module of ours that is imported, at the top, inside functions and under TYPE_CHECKING."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in names if name in SOURCES} or {node.module}
    return {name for name in found if name.partition(".")[0] in ("ocr_train", "callbacks")}


def room_of(name: str) -> str:
    """The room that the module is in; nothing for leaves and `__main__`."""
    parts = name.split(".")
    room = "callbacks" if parts[0] == "callbacks" else parts[1] if len(parts) > 1 else ""
    return room if room in ROOMS else ""


def rooms_imported(name: str) -> set[str]:
    """The other rooms that the module imports from."""
    return {room_of(other) for other in imports_of(trees()[name])} - {room_of(name), ""}


def loaded_at_import(body: list[ast.stmt]) -> Iterator[str]:
    """The top-level packages that importing a module with this body loads; TYPE_CHECKING blocks do not run."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from loaded_at_import(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for block in ("body", "orelse", "finalbody", "handlers"):
                yield from loaded_at_import(getattr(node, block, []))


FORBIDDEN = {
    "yaml.load": "it runs what the file says: yaml.safe_load",
    "os.system": "a shell in between: subprocess with an argument list",
    "os.popen": "a shell in between: subprocess with an argument list",
    "eval": "it runs what it is given",
    "exec": "it runs what it is given",
    "pickle.load": "it runs what the file says: the screen in checkpoints/pickle_scan.py",
    "pickle.loads": "it runs what the bytes say: the screen in checkpoints/pickle_scan.py",
    "pickle.Unpickler": "it runs what the file says: the screen in checkpoints/pickle_scan.py",
}
ENDINGS = {"sys.exit", "exit", "quit", "os._exit", "SystemExit"}


def calls_in(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the dotted name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node


def dotted(node: ast.AST) -> str:
    """The name of what is called, as it is written."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ast.unparse(node)


def dangers_in(tree: ast.AST) -> list[str]:
    """What must not be called, with the line."""
    found = [
        f"{node.lineno}: {name}: {FORBIDDEN[name]}" for name, node in calls_in(tree) if name in FORBIDDEN
    ]
    for name, node in calls_in(tree):
        for keyword in node.keywords:
            if keyword.arg == "shell" and getattr(keyword.value, "value", True) is not False:
                found.append(f"{node.lineno}: {name}(shell=...)")
    return found


def endings_in(tree: ast.AST) -> list[str]:
    """Where the process would be ended, with the line."""
    found = [f"{node.lineno}: {name}" for name, node in calls_in(tree) if name in ENDINGS]
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id == "SystemExit":
            found.append(f"{node.lineno}: SystemExit")
    return found


def test_the_table_has_the_rooms_that_there_are() -> None:
    """No room is forgotten, none is left over, and few files are in no room."""
    there = {name.split(".")[1] for name in SOURCES if name.startswith("ocr_train.") and name.count(".") > 1}
    assert there | {"callbacks"} == set(ROOMS)
    assert {name for name in SOURCES if not room_of(name)} == {*LEAVES, "ocr_train", "ocr_train.__main__"}


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_a_leaf_imports_nothing_of_ours_but_leaves(name: str) -> None:
    """Everybody may import a leaf, because it brings nobody along."""
    assert imports_of(trees()[name]) <= LEAVES


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_the_table_allows(room: str) -> None:
    """A new arrow is a decision: it is written into the table, or it does not happen."""
    found = {name: rooms_imported(name) - ROOMS[room] for name in SOURCES if room_of(name) == room}
    assert {name: others for name, others in found.items() if others} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_every_arrow_of_the_table_is_used(room: str) -> None:
    """What no import needs any more is no longer allowed."""
    assert set().union(*(rooms_imported(name) for name in SOURCES if room_of(name) == room)) == ROOMS[room]


def test_the_rooms_have_a_direction() -> None:
    """Each room can be built on finished ones: no cycle of rooms."""
    left = {room: set(others) for room, others in ROOMS.items()}
    while free := {room for room, others in left.items() if not others & left.keys()}:
        left = {room: others for room, others in left.items() if room not in free}
    assert sorted(left) == []


def test_the_command_line_is_above_everything() -> None:
    """Whatever can be done from the command line can be done without it."""
    assert [room for room, others in ROOMS.items() if "cli" in others] == []
    assert [room for room, others in ROOMS.items() if "callbacks" in others] == ["training"]


def public_names(name: str) -> set[str]:
    """The classes and functions that a module offers; programs of their own (`*_script.py`, the worker) offer none."""
    if name.endswith("_script") or name == "ocr_train.ocr_engine.worker":
        return set()
    found = {node.name for node in trees()[name].body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    return {each for each in found if not each.startswith("_")} - EVERYWHERE


EVERYWHERE = {"add_commands"}
"""What each file of a kind has, so that it can be called without knowing which: a command's parser."""


def test_a_public_name_means_one_thing() -> None:
    """Who reads `Plan` or `read_image` need not look up which one it is."""
    places: dict[str, list[str]] = {}
    for name in SOURCES:
        for public in public_names(name):
            places.setdefault(public, []).append(name)
    assert {public: names for public, names in places.items() if len(names) > 1} == {}


LIMITS = {"function": 60, "file": 400}
"""Lines at most."""


def test_functions_and_files_are_small() -> None:
    """What grows beyond that is taken apart."""
    lengths = {
        f"{name}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {each: lines for each, lines in lengths.items() if lines > LIMITS["function"]} == {}
    files = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in SOURCES.items()}
    assert {name: lines for name, lines in files.items() if lines > LIMITS["file"]} == {}


def test_no_two_modules_import_each_other() -> None:
    """No cycle anywhere, not even one that a function's own import hides."""
    graph = {name: {other for other in imports_of(trees()[name]) if other in SOURCES} for name in SOURCES}
    while free := {name for name, others in graph.items() if not others & graph.keys()}:
        graph = {name: others for name, others in graph.items() if name not in free}
    assert sorted(graph) == []


PADDLEOCR_NAMES = re.compile(r".*\.(pdparams|pdopt|states)|best_accuracy.*|iter_epoch_.*", re.DOTALL)
"""What PaddleOCR calls the files of a checkpoint."""


def paddleocr_names_in(tree: ast.AST) -> list[str]:
    """The texts in code that are, or end like, a name of PaddleOCR's; docstrings and comments may say them."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        f"{node.lineno}: {node.value}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
        if PADDLEOCR_NAMES.fullmatch(node.value)
    ]


def in_modules(
    search: Callable[[ast.Module], Collection[str]], excepted: Collection[str] = ()
) -> dict[str, Any]:
    """What `search` finds in each module, where it finds anything. One test for all of them: there are 500, and a test by
    itself takes longer than any search."""
    found = {name: search(tree) for name, tree in trees().items() if name not in excepted}
    return {name: each for name, each in found.items() if each}


def test_one_module_knows_what_paddleocr_calls_its_files() -> None:
    """Where PaddleOCR gives them other names, one file is changed. Programs that run without the rest are excepted."""
    programs = [name for name in SOURCES if room_of(name) == "ocr_engine" or name.endswith("_script")]
    assert in_modules(paddleocr_names_in, ["ocr_train.trainer.files", *programs]) == {}


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ('f"{prefix}.pdparams"', 1),
        ('folder.glob("*.states")', 1),
        ('name == "best_accuracy" or name.startswith("iter_epoch_")', 2),
        ('("a.pdopt", ".pdopt")', 2),
        ('"""Reads x.pdparams"""', 0),
        ('said = "there is no .pdparams directly below it."', 0),
        ('raise DataError(f"{prefix} has no .pdparams: it was removed.")', 0),
        ("found.states", 0),
    ],
)
def test_the_search_for_paddleocrs_names_finds_them(code: str, count: int) -> None:
    """In code, and not where people are told something."""
    assert len(paddleocr_names_in(ast.parse(code))) == count


def test_a_module_loads_nothing_heavy_when_it_is_imported() -> None:
    """The seconds that MLflow or OpenCV take are spent where they are used."""
    assert in_modules(lambda tree: HEAVY & set(loaded_at_import(tree.body))) == {}


def test_the_command_line_is_there_without_the_heavy_libraries() -> None:
    """Nothing that is imported for it brings one of them along."""
    script = (
        "import sys\nfrom ocr_train.cli.main import make_parser\nmake_parser()\n"
        f"print(sorted(set({sorted(HEAVY)}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPO, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


COMMAND_LINES = {"ocr_train.cli.main", "ocr_train.cli.install_script"}


def test_only_the_command_line_ends_the_process() -> None:
    """Everything else raises, so that runs, files and processes are closed on the way out."""
    assert in_modules(endings_in, COMMAND_LINES) == {}


def test_nothing_runs_what_a_file_or_a_text_says() -> None:
    """No shell, no eval, no unsafe YAML, no plain pickle."""
    assert in_modules(dangers_in) == {}


@pytest.mark.parametrize(
    "code",
    [
        "yaml.load(f)",
        "os.system('ls')",
        "eval('1')",
        "x = pickle.load(f)",
        "def f():\n    return pickle.loads(b)",
        "pickle.Unpickler(f).load()",
        "subprocess.run('ls', shell=True)",
        "subprocess.run('ls', shell=wanted)",
    ],
)
def test_the_search_for_dangers_finds_them(code: str) -> None:
    """The rules above can fail."""
    assert len(dangers_in(ast.parse(code))) == 1


@pytest.mark.parametrize(
    "code", ["yaml.safe_load(f)", "run('ls', shell=False)", "model.eval()", "x = 'eval(1)'"]
)
def test_the_search_for_dangers_finds_nothing_else(code: str) -> None:
    """What only looks like one is none."""
    assert dangers_in(ast.parse(code)) == []


@pytest.mark.parametrize(
    "code", ["sys.exit(1)", "raise SystemExit", "raise SystemExit(2)", "exit()", "os._exit(1)"]
)
def test_the_search_for_endings_finds_them(code: str) -> None:
    """Each way to end the process."""
    assert len(endings_in(ast.parse(code))) == 1


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import mlflow.tracking", {"mlflow"}),
        ("from PIL import Image", {"PIL"}),
        ("try:\n    import cv2\nexcept ImportError:\n    import numpy", {"cv2", "numpy"}),
        ("class A:\n    import boto3", {"boto3"}),
        ("def f():\n    import mlflow", set()),
        ("if TYPE_CHECKING:\n    import mlflow\nelse:\n    import cv2", {"cv2"}),
    ],
)
def test_the_search_for_imports_finds_what_runs(code: str, loaded: set[str]) -> None:
    """At the top and in blocks that run, not in functions and not for type checkers."""
    assert set(loaded_at_import(ast.parse(code).body)) == loaded


def test_imports_in_functions_and_for_type_checkers_are_seen() -> None:
    """The direction of dependence holds there too."""
    code = "def f():\n    from ocr_train.trainer import paddleocr\nif TYPE_CHECKING:\n    from callbacks.base import Callback"
    assert imports_of(ast.parse(code)) == {"ocr_train.trainer.paddleocr", "callbacks.base"}
