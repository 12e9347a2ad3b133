"""What `mlflow run` and `make run` install and start: read with MLflow's own readers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from docs.parameters import WRITTEN, thai_sentences, to_translate
from ocr_train.cli.main import make_parser
from ocr_train.config.parameters import HELP, PARAMETERS, Launch

REPO = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-notebook.txt")
INPUTS = ("requirements.in", "requirements-dev.in", "requirements-notebook.in")
HOSTILE = {
    "data": "s3://bucket/with space/$(touch x);'\"",
    "overrides": 'Global.print_batch_step=5 Global.character_dict_path="a b.txt"',
    "epochs": "5",
}


def locked(name: str) -> list[tuple[Requirement, list[str]]]:
    """The requirements of a lock, each with its hashes."""
    text = (REPO / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        requirement, *hashes = re.split(r"\s--hash=", line)
        found.append((Requirement(requirement.strip()), [value.strip() for value in hashes]))
    return found


def asked(name: str) -> list[Requirement]:
    """The requirements of an input file; options are left out."""
    lines = (line.split("#")[0].strip() for line in (REPO / name).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def main_entry_point() -> dict[str, Any]:
    """The entry point `main` of MLproject, as YAML."""
    document = yaml.safe_load((REPO / "MLproject").read_text(encoding="utf-8"))
    found: dict[str, Any] = document["entry_points"]["main"]
    return found


def parsed(command: str) -> Launch:
    """The launch that our parser makes of a command of MLproject, split as a shell splits it."""
    words = shlex.split(command)
    assert words[:4] == ["exec", "python", "-m", "ocr_train"]
    arguments = make_parser().parse_args(words[4:])
    return Launch(**{name: getattr(arguments, name) for name in vars(Launch())})


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    """One exact version each, with hashes: the same bytes tomorrow as today."""
    requirements = locked(name)
    assert len(requirements) > 10
    for requirement, hashes in requirements:
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", str(requirement)
        assert "*" not in specifier.version, str(requirement)
        assert hashes, str(requirement)
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), str(requirement)


@pytest.mark.parametrize("name", [*LOCKS, *INPUTS])
def test_no_requirement_file_names_an_address(name: str) -> None:
    """Where packages come from is the machine's business: a mirror works as well as the public index."""
    text = (REPO / name).read_text(encoding="utf-8")
    for word in ("http://", "https://", "git+", "file:", "--index-url", "--extra-index-url", "--find-links"):
        assert word not in text
    assert not re.search(r"(?m)^\s*-[if]\b", text)
    assert not [requirement for requirement, _ in (locked(name) if name in LOCKS else []) if requirement.url]


@pytest.mark.parametrize(("name", "lock"), list(zip(INPUTS, LOCKS, strict=True)))
def test_everything_that_is_asked_for_is_locked(name: str, lock: str) -> None:
    """With a version that satisfies what was asked."""
    versions = {canonicalize_name(r.name): next(iter(r.specifier)).version for r, _ in locked(lock)}
    for requirement in asked(name):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in {lock}: make lock"
        assert requirement.specifier.contains(version, prereleases=True), (
            f"{requirement} is locked as {version}"
        )


def test_the_environment_of_make_run_has_the_uv_that_serving_names() -> None:
    """README and `register` say `mlflow models serve ... --env-manager uv`: MLflow starts it from PATH."""
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    assert re.search(r"mlflow models serve .*--env-manager uv", readme)
    assert "uv" in {canonicalize_name(requirement.name) for requirement, _ in locked("requirements.txt")}


@pytest.mark.parametrize("name", LOCKS[1:])
def test_the_locks_agree(name: str) -> None:
    """Tests and the notebook run on the very versions that train."""
    first, second = (
        {(canonicalize_name(r.name), str(r.marker)): r for r, _ in locked(lock)} for lock in (LOCKS[0], name)
    )
    assert {key: str(second[key].specifier) for key in first.keys() & second.keys()} == {
        key: str(first[key].specifier) for key in first.keys() & second.keys()
    }
    assert first.keys() & second.keys()


@pytest.mark.slow
def test_conda_yaml_installs_the_lock_and_nothing_else() -> None:
    """`mlflow run`, with conda or with uv, gets what `make run` gets: read as MLflow reads it."""
    from mlflow.utils.environment import _PythonEnv

    environment = _PythonEnv.from_conda_yaml(str(REPO / "conda.yaml"))
    assert environment.dependencies == ["-r requirements.txt"]
    assert environment.build_dependencies == ["pip"]
    project = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    supported = re.search(r'requires-python = "(.*)"', project)
    assert supported is not None
    assert SpecifierSet(supported[1]).contains(f"{environment.python}.0")


def test_mlproject_declares_every_parameter_with_its_default() -> None:
    """The public face is complete, and its defaults are those of the command line."""
    parameters = main_entry_point()["parameters"]
    assert tuple(parameters) == PARAMETERS
    for name, declared in parameters.items():
        assert declared == {"type": "string", "default": getattr(Launch(), name)}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_table_of_parameters_is_written_everywhere(name: str) -> None:
    """`make parameters` has nothing to do; if this fails, run it."""
    text = (REPO / name).read_text(encoding="utf-8")
    assert WRITTEN[name](text) == text


@pytest.mark.parametrize("name", WRITTEN)
def test_what_the_table_has_and_a_file_lacks_is_written_into_it(name: str) -> None:
    """As for a new parameter: its line is made of the table's, in its place."""
    text = (REPO / name).read_text(encoding="utf-8")
    lines = [
        line for line in text.splitlines(keepends=True) if not re.search(r"^( {6}|\| `)keep_last(:|`)", line)
    ]
    lacking = "".join(lines).replace(" --keep-last={keep_last}", "")
    assert len(lacking) < len(text) - 60
    assert WRITTEN[name](lacking) == text


def test_every_parameter_is_explained_in_thai() -> None:
    """docs/th/parameters.yaml translates each sentence of the table as it is now; the message says what to write there."""
    problems = to_translate(thai_sentences())
    assert problems == [], "\n\n" + "\n\n".join(problems)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (None, "add this, with the sentence in Thai"),
        ({"en": "what it said before", "th": "ว่าง"}, "'keep_last' now says something else in English"),
        ({"en": HELP["keep_last"], "th": "the same in English"}, "'keep_last' has no Thai sentence"),
    ],
    ids=["missing", "changed", "not Thai"],
)
def test_a_parameter_without_its_thai_is_named_with_what_to_add(
    row: dict[str, str] | None, said: str
) -> None:
    """The lines can be put into the file as they are, with the Thai filled in."""
    rows = {name: {"en": text, "th": "ไทย"} for name, text in HELP.items()}
    rows = {**rows, "keep_last": row} if row else {name: rows[name] for name in rows if name != "keep_last"}
    (problem,) = to_translate(rows)
    assert said in problem
    added = yaml.safe_load(problem.split("\n", 1)[1])
    assert added["keep_last"]["en"] == HELP["keep_last"]


def test_a_parameter_that_is_gone_leaves_the_thai_sentences() -> None:
    """It is named, too."""
    rows = {name: {"en": text, "th": "ไทย"} for name, text in HELP.items()}
    (problem,) = to_translate({**rows, "no_longer_there": {"en": "x", "th": "ไทย"}})
    assert "'no_longer_there' is no parameter any more" in problem


def test_mlproject_names_the_conda_environment() -> None:
    """A file that exists."""
    document = yaml.safe_load((REPO / "MLproject").read_text(encoding="utf-8"))
    assert document["conda_env"] == "conda.yaml"
    assert (REPO / "conda.yaml").is_file()


def test_the_command_passes_every_parameter_under_its_own_name() -> None:
    """No parameter is declared and then forgotten."""
    pairs = re.findall(r"--([\w-]+)=\{(\w+)\}", main_entry_point()["command"])
    assert [option.replace("-", "_") for option, _ in pairs] == [name for _, name in pairs]
    assert {name for _, name in pairs} == set(PARAMETERS)


def test_a_signal_reaches_the_training() -> None:
    """Without `exec` a shell stands in front of it, and dies alone."""
    assert main_entry_point()["command"].startswith("exec ")


@pytest.mark.slow
@pytest.mark.parametrize("given", [{}, HOSTILE], ids=["defaults", "hostile"])
def test_the_command_that_mlflow_makes_is_understood(given: dict[str, str], tmp_path: Path) -> None:
    """Filled in and quoted by MLflow, it parses to what was given: blanks, quotes and `$()` included."""
    from mlflow.projects._project_spec import load_project

    entry_point = load_project(str(REPO)).get_entry_point("main")
    assert parsed(entry_point.compute_command(given, str(tmp_path))) == Launch(**given)
