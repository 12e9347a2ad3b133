"""Who may import whom, and what nobody may do: read off the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]

LEAVES = {"ocr_train.errors", "ocr_train.events", "ocr_train.run"}
"""They import nothing of ours but each other."""

READERS = {"ocr_train.ocr_engine.documents", "ocr_train.ocr_engine.files"}
"""How files from elsewhere are opened and read, for everybody: one owner of the limits. They know none of ours."""

TOP = (
    "ocr_train.pipeline",
    "ocr_train.preparation",
    "ocr_train.summary",
    "ocr_train.cli",
    "ocr_train.__main__",
    "callbacks",
)
"""What puts the parts together: none of the parts below may know it."""

PARTS: dict[str, set[str]] = {
    "ocr_train.overrides": {"ocr_train.errors", "ocr_train.secret_names"},
    "ocr_train.launch": set(),
    "ocr_train.started": {"ocr_train.launch"},
    "ocr_train.registry_names": {"ocr_train.errors"},
    "ocr_train.parameter_values": {
        *("ocr_train.errors", "ocr_train.launch", "ocr_train.overrides", "ocr_train.registry_names")
    },
    "ocr_train.epoch_steps": {"ocr_train.errors", "ocr_train.overrides"},
    "ocr_train.trainer_settings": {
        *("ocr_train.errors", "ocr_train.epoch_steps", "ocr_train.overrides"),
    },
    "ocr_train.config": {
        *("ocr_train.errors", "ocr_train.launch", "ocr_train.overrides", "ocr_train.parameter_values"),
        *("ocr_train.epoch_steps", "ocr_train.trainer_settings"),
    },
    "ocr_train.cost": set(),
    "ocr_train.html_pages": set(),
    # The label checks know no store, no server and no trainer; only `prepare` knows what a run was asked to do.
    "ocr_train.data": {"ocr_train.errors", "ocr_train.data", "ocr_train.html_pages"},
    "ocr_train.data.prepare": {
        "ocr_train.data.archive_source",
        "ocr_train.data.rules",
        "ocr_train.errors",
        "ocr_train.data",
        "ocr_train.config",
        "ocr_train.started",
        "ocr_train.overrides",
    },
    "ocr_train.data.rules": {"ocr_train.data", "ocr_train.overrides"},
    "ocr_train.data.prepared": {
        *(
            "ocr_train.errors",
            "ocr_train.data",
            "ocr_train.storage.keys",
            "ocr_train.storage.local",
            "ocr_train.storage",
        )
    },
    "ocr_train.data.archive_source": {"ocr_train.errors", "ocr_train.data", "ocr_train.storage"},
    "ocr_train.storage": {"ocr_train.errors", "ocr_train.storage"},
    "ocr_train.storage.backup": {"ocr_train.errors", "ocr_train.storage", "ocr_train.data.manifest"},
    "ocr_train.probe": {"ocr_train.errors", "ocr_train.failures"},
    "ocr_train.paddle_imports": {"ocr_train.errors", "ocr_train.probe"},
    "ocr_train.paddle": {
        *("ocr_train.errors", "ocr_train.epoch_steps", "ocr_train.overrides", "ocr_train.probe")
    },
    "ocr_train.guard": set(),
    "ocr_train.oom": set(),
    "ocr_train.stacks": set(),
    "ocr_train.process": {"ocr_train.errors", "ocr_train.guard"},
    "ocr_train.follow": {
        *(
            "ocr_train.errors",
            "ocr_train.events",
            "ocr_train.dispatch",
            "ocr_train.failures",
            "ocr_train.logparse",
        ),
        *("ocr_train.process", "ocr_train.stacks", "ocr_train.stopping"),
    },
    "ocr_train.failures": set(),
    "ocr_train.logparse": {"ocr_train.events", "ocr_train.logparse_lines", "ocr_train.logparse_values"},
    "ocr_train.logparse_lines": set(),
    "ocr_train.logparse_values": set(),
    "ocr_train.outcome": {"ocr_train.errors", "ocr_train.failures", "ocr_train.process"},
    "ocr_train.stopping": set(),
    "ocr_train.dispatch": LEAVES,
    "ocr_train.spool": set(),
    "ocr_train.sent": {"ocr_train.spool"},
    "ocr_train.delivery": {"ocr_train.addresses", "ocr_train.sent", "ocr_train.spool"},
    "ocr_train.confirmed": {"ocr_train.errors", "ocr_train.refusals", "ocr_train.spool"},
    "ocr_train.refusals": {"ocr_train.errors", "ocr_train.addresses"},
    "ocr_train.lost_run": {
        *("ocr_train.leftovers", "ocr_train.offline", "ocr_train.outbox", "ocr_train.run_folder"),
        *("ocr_train.sent", "ocr_train.spool"),
    },
    "ocr_train.heartbeat": set(),
    "ocr_train.holder": set(),
    "ocr_train.launched_run": {
        *("ocr_train.errors", "ocr_train.disk", "ocr_train.holder", "ocr_train.outcome", "ocr_train.secrets"),
        "ocr_train.stopping",
    },
    "ocr_train.runs": {
        *("ocr_train.errors", "ocr_train.failures", "ocr_train.heartbeat", "ocr_train.holder"),
        *("ocr_train.offline", "ocr_train.tracking"),
    },
    "ocr_train.names": set(),
    "ocr_train.secret_names": set(),
    "ocr_train.secret_shapes": {"ocr_train.secret_names"},
    "ocr_train.addresses": {"ocr_train.secret_names"},
    "ocr_train.outbox": set(),
    "ocr_train.disk": {"ocr_train.errors"},
    "ocr_train.run_folder": {"ocr_train.errors", "ocr_train.disk"},
    "ocr_train.secrets": {"ocr_train.addresses", "ocr_train.secret_names", "ocr_train.secret_shapes"},
    "ocr_train.artifacts": {"ocr_train.errors", "ocr_train.addresses"},
    "ocr_train.artifact_delivery": {
        *("ocr_train.errors", "ocr_train.addresses", "ocr_train.artifacts", "ocr_train.outbox"),
        "ocr_train.confirmed",
    },
    "ocr_train.tracking": {
        *(
            "ocr_train.errors",
            "ocr_train.addresses",
            "ocr_train.names",
            "ocr_train.secrets",
            "ocr_train.spool",
        ),
        *("ocr_train.artifacts", "ocr_train.artifact_delivery", "ocr_train.outbox", "ocr_train.run_folder"),
        *("ocr_train.delivery", "ocr_train.mlflow_client", "ocr_train.refusals", "ocr_train.confirmed"),
        *("ocr_train.heartbeat", "ocr_train.holder", "ocr_train.launched_run"),
    },
    "ocr_train.preflight": {"ocr_train.errors", "ocr_train.addresses"},
    "ocr_train.mlflow_client": {
        *("ocr_train.errors", "ocr_train.addresses", "ocr_train.launched_secrets", "ocr_train.spool"),
        *("ocr_train.delivery", "ocr_train.refusals", "ocr_train.confirmed"),
        "ocr_train.preflight",
    },
    "ocr_train.launched_secrets": {"ocr_train.secrets"},
    "ocr_train.states": {"ocr_train.errors"},
    "ocr_train.checkpoint_manifest": {"ocr_train.errors"},
    "ocr_train.checkpoint_reading": {
        *("ocr_train.errors", "ocr_train.artifacts", "ocr_train.checkpoint_manifest")
    },
    "ocr_train.snapshots": {"ocr_train.errors", "ocr_train.checkpoint_manifest", "ocr_train.states"},
    "ocr_train.checkpoints": {
        *("ocr_train.artifacts", "ocr_train.checkpoint_manifest", "ocr_train.checkpoint_reading"),
        "ocr_train.snapshots",
    },
    "ocr_train.offline": {"ocr_train.errors", "ocr_train.addresses", "ocr_train.run_folder"},
    "ocr_train.retention": {
        *("ocr_train.errors", "ocr_train.addresses", "ocr_train.artifacts", "ocr_train.checkpoints"),
        *("ocr_train.model_parts", "ocr_train.registry"),
    },
    "ocr_train.model_parts": {"ocr_train.errors", "ocr_train.registry_names"},
    "ocr_train.model_environment": {"ocr_train.model_parts"},
    "ocr_train.registry": {"ocr_train.errors", "ocr_train.addresses", "ocr_train.registry_names"},
    "ocr_train.promotion": {
        *(
            "ocr_train.errors",
            "ocr_train.addresses",
            "ocr_train.model_parts",
            "ocr_train.registry",
            "ocr_train.registry_names",
        )
    },
    "ocr_train.serving_trial": {"ocr_train.errors", "ocr_train.failures", "ocr_train.guard"},
    "ocr_train.serving": {
        *("ocr_train.paddle_imports", "ocr_train.serving_trial"),
        *("ocr_train.errors", "ocr_train.addresses", "ocr_train.model_environment", "ocr_train.model_parts"),
        *("ocr_train.artifacts", "ocr_train.paddle", "ocr_train.sources"),
        *("ocr_train.ocr_engine", "ocr_train.secrets", "ocr_train.tracking"),
    },
    "ocr_train.inventory": {
        *("ocr_train.errors", "ocr_train.artifacts", "ocr_train.checkpoints", "ocr_train.disk")
    },
    "ocr_train.sync": {
        *("ocr_train.errors", "ocr_train.addresses", "ocr_train.artifacts", "ocr_train.artifact_delivery"),
        *("ocr_train.checkpoints", "ocr_train.offline", "ocr_train.outbox", "ocr_train.run_folder"),
        *("ocr_train.spool", "ocr_train.tracking", "ocr_train.failures", "ocr_train.leftovers"),
        *("ocr_train.delivery", "ocr_train.sent", "ocr_train.refusals", "ocr_train.mlflow_client"),
        *("ocr_train.lost_run", "ocr_train.retention", "ocr_train.unnoted", "ocr_train.confirmed"),
        *("ocr_train.paddle", "ocr_train.secrets"),
    },
    "ocr_train.leftovers": {
        *("ocr_train.errors", "ocr_train.checkpoints", "ocr_train.outbox", "ocr_train.pickles"),
        "ocr_train.states",
    },
    "ocr_train.pickle_values": set(),
    "ocr_train.pickles": {"ocr_train.errors", "ocr_train.pickle_values"},
    "ocr_train.compat": {
        *("ocr_train.errors", "ocr_train.guard", "ocr_train.overrides", "ocr_train.pickles")
    },
    "ocr_train.compat_script": set(),
    "ocr_train.weights_download": {
        *("ocr_train.errors", "ocr_train.addresses", "ocr_train.disk", "ocr_train.pickles")
    },
    "ocr_train.start_weights": {
        *("ocr_train.errors", "ocr_train.compat", "ocr_train.overrides", "ocr_train.pickles"),
        "ocr_train.weights_download",
    },
    "ocr_train.distillation": {"ocr_train.overrides"},
    "ocr_train.lr_schedule": {"ocr_train.paddle_tool"},
    "ocr_train.lr_schedule_script": set(),
    "ocr_train.resume_spec": {"ocr_train.errors"},
    "ocr_train.resume_auto": {"ocr_train.heartbeat"},
    "ocr_train.resume_claim": {
        *("ocr_train.errors", "ocr_train.heartbeat", "ocr_train.holder", "ocr_train.resume_auto"),
        "ocr_train.tracking",
    },
    "ocr_train.resume_drift": {"ocr_train.overrides"},
    "ocr_train.resume_phase": {"ocr_train.overrides"},
    "ocr_train.resume_models": {"ocr_train.errors", "ocr_train.resume_spec", "ocr_train.tracking"},
    "ocr_train.resume_place": {"ocr_train.errors", "ocr_train.checkpoints", "ocr_train.storage"},
    "ocr_train.resume_runs": {
        *("ocr_train.errors", "ocr_train.checkpoints", "ocr_train.pickles", "ocr_train.states"),
        *("ocr_train.tracking", "ocr_train.resume_place", "ocr_train.resume_spec"),
    },
    "ocr_train.resume": {
        "ocr_train.configurations",
        *("ocr_train.errors", "ocr_train.checkpoints", "ocr_train.pickles", "ocr_train.states"),
        *("ocr_train.tracking", "ocr_train.resume_auto", "ocr_train.resume_models"),
        *("ocr_train.resume_place", "ocr_train.resume_runs", "ocr_train.resume_spec", "ocr_train.run"),
    },
    "ocr_train.resume_same": {
        *("ocr_train.errors", "ocr_train.checkpoints", "ocr_train.resume_spec", "ocr_train.spool"),
        "ocr_train.tracking",
    },
    "ocr_train.resume_record": {
        *("ocr_train.errors", "ocr_train.checkpoints", "ocr_train.resume", "ocr_train.resume_drift"),
        *("ocr_train.secrets", "ocr_train.tracking"),
    },
    # The one of them that knows what a run was asked to do, for the pipeline.
    "ocr_train.resume_start": {
        *("ocr_train.errors", "ocr_train.config", "ocr_train.data.prepare", "ocr_train.overrides"),
        *("ocr_train.compat", "ocr_train.start_weights", "ocr_train.tracking", "ocr_train.resume"),
        *("ocr_train.resume_auto", "ocr_train.resume_drift", "ocr_train.resume_phase"),
        *("ocr_train.resume_claim", "ocr_train.resume_record", "ocr_train.resume_same"),
        *("ocr_train.resume_spec", "ocr_train.holder", "ocr_train.launched_run", "ocr_train.run_folder"),
        *("ocr_train.lr_schedule", "ocr_train.paddle_tool"),
    },
    "ocr_train.metric_points": {"ocr_train.events"},
    "ocr_train.unnoted": {
        *("ocr_train.leftovers", "ocr_train.logparse", "ocr_train.metric_points", "ocr_train.names"),
        *("ocr_train.run_folder", "ocr_train.spool"),
    },
    "ocr_train.terminal": set(),
    "ocr_train.transfer_progress": {"ocr_train.storage"},
    # It runs without the rest of us, in the trainer's interpreter and in a served model.
    "ocr_train.ocr_engine": set(),
    "ocr_train.configurations": {"ocr_train.errors", "ocr_train.ocr_engine", "ocr_train.overrides"},
    "ocr_train.inference": {
        *("ocr_train.errors", "ocr_train.failures", "ocr_train.guard", "ocr_train.paddle_imports"),
        "ocr_train.pickles",
    },
    "ocr_train.sources": {
        "ocr_train.configurations",
        *("ocr_train.errors", "ocr_train.checkpoints", "ocr_train.inference", "ocr_train.overrides"),
        *("ocr_train.pickles", "ocr_train.resume_models", "ocr_train.resume_place", "ocr_train.resume_runs"),
        *("ocr_train.resume_spec", "ocr_train.tracking"),
    },
    "ocr_train.annotated": {
        *("ocr_train.errors", "ocr_train.data.demo_fonts", "ocr_train.inference", "ocr_train.ocr_engine")
    },
    # What runs left behind is read in `read`, `samples` and `log`; the rest makes a page out of values.
    "ocr_train.compare": {
        *("ocr_train.errors", "ocr_train.addresses", "ocr_train.artifacts", "ocr_train.checkpoints"),
        *(
            "ocr_train.compare",
            "ocr_train.launch",
            "ocr_train.config",
            "ocr_train.disk",
            "ocr_train.heartbeat",
        ),
        *("ocr_train.overrides", "ocr_train.runs", "ocr_train.secrets", "ocr_train.tracking"),
        "ocr_train.html_pages",
    },
    "ocr_train.server": {
        "ocr_train.errors",
        "ocr_train.server_folder",
        "ocr_train.server_ports",
        "ocr_train.server_process",
    },
    "ocr_train.data_check": {
        *("ocr_train.errors", "ocr_train.failures", "ocr_train.data.labels", "ocr_train.data_check_script")
    },
    "ocr_train.paddle_tool": {
        *("ocr_train.errors", "ocr_train.failures", "ocr_train.paddle", "ocr_train.paddle_imports"),
        *("ocr_train.probe", "ocr_train.process"),
    },
    "ocr_train.run_additions": {
        *("ocr_train.errors", "ocr_train.secrets", "ocr_train.spool", "ocr_train.tracking")
    },
    "ocr_train.export_check": set(),
    "ocr_train.export_readme": {"ocr_train.overrides"},
    "ocr_train.export_onnx": {"ocr_train.errors", "ocr_train.paddle_tool"},
    "ocr_train.export_folder": {
        *("ocr_train.artifacts", "ocr_train.export_check", "ocr_train.export_readme"),
        *("ocr_train.overrides", "ocr_train.paddle_imports", "ocr_train.paddle_tool", "ocr_train.secrets"),
        "ocr_train.sources",
    },
    "ocr_train.export": {
        "ocr_train.configurations",
        *("ocr_train.distillation", "ocr_train.failures", "ocr_train.start_weights"),
        *("ocr_train.errors", "ocr_train.export_check", "ocr_train.export_folder", "ocr_train.export_onnx"),
        *("ocr_train.inference", "ocr_train.overrides", "ocr_train.paddle", "ocr_train.paddle_tool"),
        *("ocr_train.pickles", "ocr_train.secrets", "ocr_train.sources"),
    },
    "ocr_train.recorded": {
        *("ocr_train.errors", "ocr_train.config", "ocr_train.data", "ocr_train.data.prepare"),
        *("ocr_train.overrides", "ocr_train.sources", "ocr_train.tracking"),
    },
    "ocr_train.evaluate": {
        "ocr_train.configurations",
        *("ocr_train.errors", "ocr_train.events", "ocr_train.logparse", "ocr_train.overrides"),
        *("ocr_train.paddle", "ocr_train.paddle_tool", "ocr_train.pickles", "ocr_train.recorded"),
        *("ocr_train.sources", "ocr_train.start_weights"),
    },
    # A look at a model is values in and out: it knows labels, and neither a server nor how a model is run.
    "ocr_train.look": {
        *("ocr_train.errors", "ocr_train.look", "ocr_train.data.boxes", "ocr_train.data.check_images"),
        *("ocr_train.data.labels", "ocr_train.data.samples"),
    },
    "ocr_train.evaluation": {"ocr_train.look"},
    "callbacks.base": LEAVES,
    # Callbacks are given what they talk to; the checkpoint callback takes snapshots with our own functions.
    "callbacks.checkpoints": {
        *LEAVES,
        *("callbacks.base", "ocr_train.checkpoints", "ocr_train.disk", "ocr_train.outbox"),
        "ocr_train.run_folder",
    },
    "callbacks.time_use": {
        *LEAVES,
        *("callbacks.base", "callbacks.gpus", "callbacks.metrics", "ocr_train.cost"),
    },
    "callbacks.gpus": set(),
    "callbacks.samples": {
        *LEAVES,
        *("callbacks.base", "ocr_train.checkpoints", "ocr_train.disk", "ocr_train.look"),
    },
    "callbacks.metrics": {*LEAVES, "callbacks.base", "ocr_train.epoch_steps", "ocr_train.metric_points"},
    "callbacks.progress": {*LEAVES, "callbacks.base", "ocr_train.epoch_steps"},
    "callbacks": {
        *LEAVES,
        *("callbacks.base", "callbacks.gpus", "callbacks.metrics", "ocr_train.failures"),
    },
}
"""What each part may import of ours. A package's name stands for all modules in it that are not named."""

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
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


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


def within(name: str, package: str) -> bool:
    """Whether the module is the package or in it."""
    return name == package or name.startswith(f"{package}.")


def is_cli(name: str) -> bool:
    """Whether the module is part of the command line."""
    return name == "ocr_train.__main__" or name.startswith("ocr_train.cli")


def entry_for(name: str) -> str:
    """The most exact line of the table that speaks of the module, or nothing."""
    return max((key for key in PARTS if within(name, key)), key=len, default="")


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
    "pickle.load": "it runs what the file says: the restricted unpickler of checkpoints.py",
    "pickle.loads": "it runs what the bytes say: the restricted unpickler of checkpoints.py",
    "pickle.Unpickler": "it runs what the file says: the restricted unpickler of checkpoints.py",
}
ENDINGS = {"sys.exit", "exit", "quit", "os._exit", "SystemExit"}


def calls_in(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the dotted name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


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


def test_every_part_in_the_table_exists() -> None:
    """A renamed module does not slip out of the rules."""
    assert {key for key in {*PARTS, *LEAVES} if key not in SOURCES} == set()


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_a_leaf_imports_nothing_of_ours_but_leaves(name: str) -> None:
    """Everybody may import a leaf, because it brings nobody along."""
    assert imports_of(TREES[name]) <= LEAVES


@pytest.mark.parametrize("name", [name for name in SOURCES if entry_for(name)])
def test_a_part_imports_what_the_table_allows(name: str) -> None:
    """A new dependence is a decision: it is written into the table, or it does not happen."""
    allowed = PARTS[entry_for(name)]
    found = imports_of(TREES[name]) - READERS
    assert {other for other in found if other not in allowed and entry_for(other) not in allowed} == set()


@pytest.mark.parametrize("name", [name for name in SOURCES if not is_cli(name)])
def test_only_the_command_line_imports_the_command_line(name: str) -> None:
    """Whatever can be done from the command line can be done without it."""
    assert not [other for other in imports_of(TREES[name]) if is_cli(other)]


@pytest.mark.parametrize("name", [name for name in SOURCES if within(name, "ocr_train") and not is_cli(name)])
def test_only_the_command_line_imports_callbacks(name: str) -> None:
    """Under TYPE_CHECKING neither: the pipeline is handed its callbacks and knows a protocol."""
    assert not [other for other in imports_of(TREES[name]) if within(other, "callbacks")]


@pytest.mark.parametrize("name", [name for name in SOURCES if entry_for(name)])
def test_no_part_knows_what_puts_it_together(name: str) -> None:
    """Pipeline and command line are above the parts, whatever the table says."""
    above = [other for other in imports_of(TREES[name]) if any(within(other, top) for top in TOP)]
    assert [other for other in above if not (within(name, "callbacks") and within(other, "callbacks"))] == []


def test_no_two_modules_import_each_other() -> None:
    """No cycle anywhere, not even one that a function's own import hides."""
    graph = {name: {other for other in imports_of(TREES[name]) if other in SOURCES} for name in SOURCES}
    while free := {name for name, others in graph.items() if not others & graph.keys()}:
        graph = {name: others for name, others in graph.items() if name not in free}
    assert sorted(graph) == []


@pytest.mark.parametrize("name", SOURCES)
def test_a_module_loads_nothing_heavy_when_it_is_imported(name: str) -> None:
    """The seconds that MLflow or OpenCV take are spent where they are used."""
    assert HEAVY & set(loaded_at_import(TREES[name].body)) == set()


def test_the_command_line_is_there_without_the_heavy_libraries() -> None:
    """Nothing that is imported for it brings one of them along."""
    script = (
        "import sys\nfrom ocr_train.cli import make_parser\nmake_parser()\n"
        f"print(sorted(set({sorted(HEAVY)}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPO, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "ocr_train.cli"])
def test_only_the_command_line_ends_the_process(name: str) -> None:
    """Everything else raises, so that runs, files and processes are closed on the way out."""
    assert endings_in(TREES[name]) == []


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_runs_what_a_file_or_a_text_says(name: str) -> None:
    """No shell, no eval, no unsafe YAML, no plain pickle."""
    assert dangers_in(TREES[name]) == []


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
    code = "def f():\n    from ocr_train import paddle\nif TYPE_CHECKING:\n    from callbacks.base import Callback"
    assert imports_of(ast.parse(code)) == {"ocr_train.paddle", "callbacks.base"}
