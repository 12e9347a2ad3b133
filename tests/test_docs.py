"""What the guides say is what the code does: commands, tables, links and examples."""

from __future__ import annotations

import argparse
import functools
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_train import errors
from ocr_train.cli.main import make_parser
from ocr_train.config.experiment import (
    DEMO_KEYS,
    EXPERIMENT_KEYS,
    EXPERIMENTS,
    PARAMETERS,
    Launch,
    load_experiment,
)
from ocr_train.data.checks.problems import KINDS
from ocr_train.data.checks.validate import Rules, validate
from ocr_train.data.for_training import REPORTS
from ocr_train.data.spelling import spelled
from ocr_train.trainer.failures import REASONS
from tests.pages import (
    IDS,
    PAGES,
    REPO,
    Command,
    anchors,
    code,
    code_blocks,
    commands,
    table,
    without_code_blocks,
)


def mlproject() -> dict[str, Any]:
    """MLproject's entry points."""
    document = yaml.safe_load((REPO / "MLproject").read_text(encoding="utf-8"))
    found: dict[str, Any] = document["entry_points"]
    return found


@functools.cache
def parser() -> argparse.ArgumentParser:
    """The command line's, made once for hundreds of commands."""
    return make_parser()


def parser_commands() -> set[str]:
    """The subcommands that exist."""
    (commands,) = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return set(commands.choices)


def require_resolves(launch: Launch) -> None:
    """The parameters and overrides are ones that the experiment takes; a path of the reader's own is not here."""
    if not launch.model.endswith((".yml", ".yaml")):
        load_experiment(launch, EXPERIMENTS)


OCR_TRAIN = commands("python -m ocr_train")
MLFLOW_RUN = commands("mlflow run")
MAKE = commands("make")


def test_the_pages_hold_commands_of_every_sort() -> None:
    """The tests below look at something."""
    assert len(PAGES) >= 5
    assert min(len(OCR_TRAIN), len(MLFLOW_RUN), len(MAKE)) > 5


@pytest.mark.parametrize("command", OCR_TRAIN, ids=str)
def test_our_own_commands_parse(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m ocr_train ...` as shown is accepted; a mere mention names a command that exists."""
    arguments = command.words[3:]
    name = arguments[0] if arguments else ""
    if not command.whole and (len(arguments) <= 1 or "..." in arguments):
        assert name in ("", "...", *parser_commands())
        return
    try:
        parsed = parser().parse_args(arguments)
    except SystemExit as exc:
        # `--help` exits with 0
        assert exc.code == 0, f"{command}\n{capsys.readouterr().err}"
        return
    if name == "train":
        require_resolves(
            Launch(**{key: str(getattr(parsed, key)) for key in vars(Launch()) if hasattr(parsed, key)})
        )


@pytest.mark.parametrize("command", MLFLOW_RUN, ids=str)
def test_mlflow_run_commands_name_parameters_that_exist(command: Command) -> None:
    """Each `-P name=value` is one of the entry point's, and the values resolve to an experiment."""
    words = command.words
    entry = words[words.index("-e") + 1] if "-e" in words else "main"
    pairs = [words[index + 1] for index, word in enumerate(words[:-1]) if word == "-P"]
    values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    assert len(values) == len(pairs), f"{command}: -P needs name=value"
    known = mlproject()[entry]["parameters"]
    assert set(values) <= set(known), f"{command}: {set(values) - set(known)}"
    if entry == "main" and "..." not in command.text:
        require_resolves(Launch(**values))


@pytest.mark.parametrize("command", MAKE, ids=str)
def test_make_commands_name_targets_and_variables_that_exist(command: Command) -> None:
    """Every target has a rule, and every variable is read by the Makefile."""
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for word in command.words[1:]:
        name, equals, _ = word.partition("=")
        assert f"$({name})" in makefile or name.lower() in PARAMETERS if equals else name in targets, (
            f"{command}: {word!r}"
        )


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_to_a_file_and_to_a_heading(page: Path) -> None:
    """Relative links only: what is on the network is not ours to keep."""
    text = without_code_blocks(page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), f"{page.name}: {target}"
        if anchor:
            found = anchors(path.read_text(encoding="utf-8"))
            assert anchor in found, f"{page.name}: {target}: {found}"


@pytest.mark.parametrize("page", ["../README.md"])
def test_what_a_user_sees_is_what_the_code_says(page: str) -> None:
    """A kind of problem or a reason of a failure in a table of advice exists under that name."""
    seen = {
        word
        for row in table(page, "you see")
        for word in code(row[0])
        if re.fullmatch(r"[a-z]+(_[a-z]+)+", word)
    }
    assert seen - set(KINDS) - set(REASONS) == set()


@pytest.mark.parametrize(
    ("page", "heading"), [("configuration.md", "parameter"), ("th/configuration.md", "พารามิเตอร์")]
)
def test_the_table_of_parameters_is_that_of_mlproject(page: str, heading: str) -> None:
    """The guide names every parameter, with its default."""
    shown = {code(name)[0]: (code(default) or [""])[0] for name, default, _ in table(page, heading)}
    assert shown == {name: spec["default"] for name, spec in mlproject()["main"]["parameters"].items()}


def test_the_keys_of_an_experiment_are_all_explained() -> None:
    """The table has each key of experiments/*.yaml, and those of its `demo:` block."""
    rows = {code(key)[0]: text for key, text in table("configuration.md", "key")}
    assert set(rows) == set(EXPERIMENT_KEYS)
    assert set(code(rows["demo"])) == {"data", *DEMO_KEYS}


def test_the_table_of_exit_codes_is_that_of_the_errors() -> None:
    """One code a class, and those of signals; what shares its parent's code is not shown."""
    shown = {int(number): (code(name) or [""])[0] for number, name, *_ in table("troubleshooting.md", "code")}
    classes = {
        value.exit_code: name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.OcrTrainError) and "exit_code" in vars(value)
    }
    signals = (errors.SIGINT_EXIT_CODE, errors.SIGTERM_EXIT_CODE)
    assert shown == {0: "", **classes, **dict.fromkeys(signals, "")}


def test_every_variable_that_the_code_reads_is_explained() -> None:
    """Our own and MLflow's, in the table of environment variables."""
    read = {
        name
        for folder in ("ocr_train", "callbacks")
        for path in (REPO / folder).rglob("*.py")
        for name in re.findall(
            r"environ(?:\.get\(|\.setdefault\(|\[)\s*\"((?:OCR_TRAIN|MLFLOW)_\w+)\"",
            path.read_text(encoding="utf-8"),
        )
    }
    shown = {name for cells in table("configuration.md", "variable") for name in code(cells[0])}
    assert len(read) > 3
    assert read <= shown


def test_the_settings_that_are_often_wanted_are_accepted() -> None:
    """Each of them by the detection or by the recognition experiment."""
    for purpose, cell in table("configuration.md", "for"):
        refused = []
        for model in ("det", "rec"):
            try:
                load_experiment(Launch(model=model, overrides=code(cell)[0]), EXPERIMENTS)
            except errors.ConfigError as exc:
                refused.append(str(exc))
        assert len(refused) < 2, f"{purpose}: {refused}"


def test_the_files_about_the_data_are_all_explained() -> None:
    """What the check leaves among a run's artifacts, and the manifest."""
    assert [code(name)[0] for name, _ in table("data.md", "file")] == [*REPORTS, "manifest.jsonl"]


def test_the_versions_shown_are_those_that_are_pinned() -> None:
    """The table of versions has every pin of requirements.in."""
    pins = re.findall(
        r"^([\w-]+)==([\w.]+)", (REPO / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {code(name)[0]: version for name, version, _ in table("requirements.md", "package")} == dict(pins)


@pytest.mark.parametrize("page", [page for page in PAGES if "```tsv" in page.read_text(encoding="utf-8")])
def test_the_examples_of_labels_are_good_labels(page: Path) -> None:
    """They pass the check, but for the images, which are not there."""
    for example in code_blocks(page.read_text(encoding="utf-8"), "tsv"):
        task = "det" if "[{" in example else "cls" if example.split("\t")[1].startswith("0") else "rec"
        with tempfile.TemporaryDirectory() as folder:
            labels = Path(folder) / "train.txt"
            labels.write_text(example, encoding="utf-8")
            report = validate([labels], Path(folder), Rules(task=task, label_list=("0", "180")))
        assert set(report.counts) == {"image_missing"}, report.summary()


@pytest.mark.parametrize(
    ("page", "counted"), [("thai.md", "has {} characters"), ("th/thai.md", "มี {} อักขระ")]
)
def test_the_guides_to_thai_text_count_the_dictionary_right(page: str, counted: str) -> None:
    """Their number of characters is that of dicts/th.txt."""
    lines = (EXPERIMENTS / "dicts" / "th.txt").read_text(encoding="utf-8").splitlines()
    assert counted.format(len(lines)) in (REPO / "docs" / page).read_text(encoding="utf-8")


MISTYPED = {
    "tone, nikhahit, sara aa": ("น\u0e49\u0e4d\u0e32", "น\u0e49\u0e33"),
    "nikhahit, tone, sara aa": ("น\u0e4d\u0e49\u0e32", "น\u0e49\u0e33"),
    "sara am, tone": ("น\u0e33\u0e49", "น\u0e49\u0e33"),
    "sara e twice": ("\u0e40\u0e40ดง", "\u0e41ดง"),
    "tone before a vowel": ("ท\u0e48\u0e35", "ท\u0e35\u0e48"),
    "tone before maitaikhu": ("\u0e40ล\u0e48\u0e47น", "\u0e40ล\u0e47\u0e48น"),
    "thanthakhat before a vowel": ("สิทธ\u0e4c\u0e34", "สิทธ\u0e34\u0e4c"),
    "lakkhangyao": ("ม\u0e45", "ม\u0e32"),
    "lakkhangyao after ru": ("ฤ\u0e45", "ฤ\u0e45"),
    "zero-width space": ("สวย\u200bงาม", "สวยงาม"),
    "nikhahit alone": ("พุทธ\u0e4d", "พุทธ\u0e4d"),
}
"""What is typed, and the spelling that docs/thai.md asks for."""


@pytest.mark.parametrize("case", MISTYPED)
def test_the_spelling_of_the_guide_is_what_normalize_writes(case: str) -> None:
    """What is spelt as it should be stays."""
    typed, right = MISTYPED[case]
    assert spelled(typed, "thai") == spelled(right, "thai") == right


def fault_rows() -> list[list[str]]:
    """The cells of all tables of docs/faults.md: fault, promise, tests, trainer."""
    text = (REPO / "docs" / "faults.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| fault ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_fault_names_a_test_that_exists() -> None:
    """Each row of the fault matrix, and each test mentioned in its text: file and function."""
    text = (REPO / "docs" / "faults.md").read_text(encoding="utf-8")
    rows = fault_rows()
    assert len(rows) > 30
    assert [
        row[0] for row in rows if len(row) != 4 or not re.findall(r"`[\w/]*test_\w+\.py::test_\w+`", row[2])
    ] == []
    tests = REPO / "tests"
    files = {
        path.relative_to(tests).as_posix(): path.read_text(encoding="utf-8")
        for path in tests.rglob("test_*.py")
    }
    named = re.findall(r"`([\w/]*test_\w+\.py)(?:::(\w+))?`", text)
    missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in files.get(file, "")]
    assert missing == []


def test_three_faults_at_least_are_shown_with_paddleocr_itself() -> None:
    """In files whose launches name no stand-in."""
    shown = {row[2] for row in fault_rows() if row[3].startswith("**PaddleOCR**")}
    assert len(shown) >= 3
    for file in {re.findall(r"`([\w/]*test_\w+)\.py", cell)[0] for cell in shown}:  # the first one named
        text = (REPO / "tests" / f"{file}.py").read_text(encoding="utf-8")
        assert "SCRIPTED" not in text
        assert "train_arguments" not in text


@pytest.mark.parametrize("index", ["README.md", "th/README.md"])
def test_the_index_names_every_page(index: str) -> None:
    """Of docs/; the Thai one names the Thai page where there is one, and that has its English one beside it."""
    folder = (REPO / "docs" / index).parent
    text = (REPO / "docs" / index).read_text(encoding="utf-8")
    named = {(folder / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", text)}
    pages = {page for page in sorted((REPO / "docs").rglob("*.md")) if page.name != "README.md"}
    assert pages - named == set()
