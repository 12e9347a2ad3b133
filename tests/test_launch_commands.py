"""A printed command, typed into a shell, is the launch that it was made from: by `mlflow run`, by our own command line
and by `make run`."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ocr_train.cli import main
from ocr_train.cli.main import make_parser
from ocr_train.config.parameters import PARAMETERS, Launch, start_of
from ocr_train.config.started import Started, mlflow_words, read_start
from tests.builders import MLFLOW_WARNING
from tests.commands import REPO

# MLflow's own, when its command line is imported.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning", MLFLOW_WARNING)
ODD = 'it\'s "a" $HOME `id` \\ {x} %s a=b\nป้าย -x --y=z ;|&<>*?~#!'
VALUES = st.one_of(
    st.sampled_from(
        ["", "true", "-1", "--data", "a b", "x=y=z", "'", '"', "''", "$(id)", "{model}", "ป้าย", ODD]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=20).map(str.strip),
)
LAUNCHES = st.dictionaries(st.sampled_from(PARAMETERS), VALUES).map(lambda given: Launch(**given))
OPTIONS = Started(words=("python", "-m", "ocr_train"), mlflow_run=False)
PROJECT = Started(words=("mlflow", "run", "https://host/my repo#sub", "--env-manager", "uv"), mlflow_run=True)


def parsed(words: list[str]) -> Launch:
    """What our own command line makes of its arguments."""
    arguments = make_parser().parse_args(words)
    return Launch(**{name: str(getattr(arguments, name)).strip() for name in vars(Launch())})


def run_by_mlflow(parameters: list[str]) -> str:
    """The shell command that MLflow's own code makes of `-P` values and our MLproject."""
    from mlflow.cli import _user_args_to_dict
    from mlflow.projects._project_spec import load_project

    entry = load_project(str(REPO)).get_entry_point("main")
    return str(entry.compute_command(_user_args_to_dict(parameters), storage_dir=None))


def test_every_parameter_of_a_launch_can_be_given() -> None:
    """None is known to one of the three alone: what was given is never left out of a command."""
    assert set(PARAMETERS) == set(vars(Launch()))


@given(LAUNCHES)
@example(Launch(**dict.fromkeys(PARAMETERS, ODD.strip())))
@settings(max_examples=150, deadline=None)
def test_a_command_of_our_own_is_the_launch(launch: Launch) -> None:
    """Split as a shell splits it, and parsed."""
    words = shlex.split(OPTIONS.train(launch))
    assert words[:4] == ["python", "-m", "ocr_train", "train"]
    assert parsed(words[3:]) == launch


@given(LAUNCHES)
@example(Launch(**dict.fromkeys(PARAMETERS, ODD.strip())))
@settings(max_examples=100, deadline=None)
def test_an_mlflow_command_is_the_launch(launch: Launch) -> None:
    """Through MLflow's own reading of -P, its quoting, and the shell that it starts."""
    words = shlex.split(PROJECT.train(launch))
    assert words[:5] == list(PROJECT.words)
    assert words[5::2] == ["-P"] * len(words[6::2])
    command = run_by_mlflow(words[6::2])
    assert command.startswith("exec python -m ocr_train train --model=")
    assert parsed(shlex.split(command)[4:]) == launch


def test_a_real_shell_reads_it_as_we_do() -> None:
    """bash, which MLflow starts, on the oddest value of all."""
    launch = Launch(data=ODD.strip(), output="-x", overrides="a='b c'")
    for command in (OPTIONS.train(launch), run_by_mlflow(shlex.split(PROJECT.train(launch))[6::2])):
        words = command.removeprefix("exec ").removeprefix("python -m ocr_train ")
        done = subprocess.run(["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True)
        assert parsed(done.stdout.decode().split("\0")[:-1]) == launch


def test_make_run_passes_every_parameter(tmp_path: Path) -> None:
    """MODEL=... OUTPUT=...: each of the table, whatever is in it, as the command or from the environment."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    (tmp_path / "bin").mkdir()
    recorder = tmp_path / "bin" / "mlflow"
    recorder.write_text('#!/bin/sh\nprintf \'%s\\0\' "$@" > "$WORDS"\n')
    recorder.chmod(0o755)
    given = {name: f'{name} it\'s "odd" a=b (x) ป้าย #1' for name in PARAMETERS}
    assignments = [f"{name.upper()}={value}" for name, value in given.items()]
    for arguments, extra in ((assignments, {}), ([], {n.upper(): v for n, v in given.items()})):
        words = tmp_path / "words"
        subprocess.run(
            [
                "make",
                "-s",
                "-o",
                ".venv/.ready",
                "run",
                f"IN_VENV=PATH='{tmp_path / 'bin'}':\"$$PATH\"",
                *arguments,
            ],
            cwd=REPO,
            env={**os.environ, **extra, "WORDS": str(words)},
            check=True,
        )
        passed = words.read_text(encoding="utf-8").split("\0")[:-1]
        assert passed[:4] == ["run", ".", "--env-manager", "local"]
        assert dict(word.split("=", 1) for word in passed[5::2]) == given


@pytest.mark.parametrize(
    ("variables", "experiment"),
    [
        ({}, ["--experiment-name", "paddleocr-det"]),
        ({"MLFLOW_EXPERIMENT_NAME": "mine"}, []),
        ({"MODEL": "no-such-model"}, []),
    ],
    ids=["the task's", "one that is named", "no task is known"],
)
def test_make_run_passes_the_model_the_experiment_of_its_task_and_nothing_else(
    variables: dict[str, str], experiment: list[str]
) -> None:
    """`mlflow run` makes the run before we start: it would be in Default for good."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    shown = subprocess.run(
        ["make", "-s", "-o", ".venv/.ready", "run", "IN_VENV=echo"],
        cwd=REPO,
        env={key: value for key, value in os.environ.items() if key.lower() not in PARAMETERS} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    model = ["-P", f"model={variables.get('MODEL', 'det')}"]
    assert shown.stdout.split() == ["mlflow", "run", ".", "--env-manager", "local", *experiment, *model]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("mlflow run . -P model=det_mv3_db", "mlflow run ."),
        (
            "/venv/bin/python /venv/bin/mlflow run /p --env-manager local -P a=b",
            "mlflow run /p --env-manager local",
        ),
        ("mlflow run https://h/r#sub -v 1.2 -Pmodel=rec --run-id 5", "mlflow run https://h/r#sub -v 1.2"),
        (
            "mlflow run --env-manager=uv -e main . --experiment-name 'a b'",
            "mlflow run --env-manager=uv . --experiment-name 'a b'",
        ),
        ("mlflow run --param-list=a=b -b local .", "mlflow run -b local ."),
    ],
)
def test_what_mlflow_run_was_typed_with_is_kept(typed: str, kept: str) -> None:
    """Address, version, environment and experiment; parameters are those of the launch."""
    assert mlflow_words(shlex.split(typed)) == tuple(shlex.split(kept))


def test_what_is_no_mlflow_run_is_none() -> None:
    """Another program, or another command of mlflow."""
    assert mlflow_words(["python", "train.py"]) is None
    assert mlflow_words(["mlflow", "ui"]) is None


def test_files_of_runs_do_not_stay_in_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go where the command was typed, else below the home folder; a project that stays keeps them."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    clone = tmp_path / "tmpab12cd_4" / "sub"
    clone.mkdir(parents=True)
    typed = tmp_path / "home"
    typed.mkdir()
    monkeypatch.chdir(clone)
    command = ["mlflow", "run", "https://h/r"]
    start = read_start(command, typed, clone, {"MLFLOW_RUN_ID": "x"})
    assert start.temporary
    assert start.output("") == typed / "outputs"
    assert start.output("mine") == typed / "mine"
    assert start.output("/abs") == Path("/abs")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert read_start(command, None, clone, {}).output("") == tmp_path / "me" / "ocr-train" / "outputs"
    monkeypatch.chdir(typed)
    assert not read_start(command, typed, typed, {}).temporary
    assert read_start(command, typed, typed, {}).output("") == typed / "outputs"


def test_a_relative_store_is_meant_from_where_it_was_typed(tmp_path: Path) -> None:
    """`mlflow run` has made the run in that one."""
    start = Started(words=("mlflow", "run", "x"), mlflow_run=True, typed_in=tmp_path)
    assert start.tracking_uri("sqlite:///my.db") == f"sqlite:///{tmp_path}/my.db"
    assert start.tracking_uri("sqlite:////abs/my.db") == "sqlite:////abs/my.db"
    assert start.tracking_uri("http://h:5000") == "http://h:5000"


def test_a_relative_path_is_said_to_be_meant_from_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was looked for, and what to give."""
    typed = tmp_path / "typed here"
    (typed / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    start = Started(words=("mlflow", "run", "x"), mlflow_run=True, typed_in=typed)
    said = start.where_from("data", "data")
    assert f"the project's folder, {tmp_path}" in said
    assert f"It is in {typed}" in said
    assert f"-P data='{typed}/data'" in said
    assert "It is not in" in start.where_from("data", "other")
    assert start.where_from("data", "/abs") == ""
    assert OPTIONS.where_from("data", "data") == ""


@pytest.mark.parametrize("started", [OPTIONS, PROJECT], ids=["options", "project"])
def test_another_command_begins_as_the_first_one(started: Started) -> None:
    """The tag `launch_command` tells how a run was started, to whoever makes a command of it later."""
    launch = Launch(model="rec", data="my data -P x")
    start, options = start_of(started.train(launch))
    assert launch.command(start, options=options) == started.train(launch)
    assert start_of("") == ("mlflow run .", False)


def test_the_command_that_comes_next_can_be_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of the data commands names the next one, which runs as it is printed: folders with spaces and quotes too."""
    folder = tmp_path / "it's my $data"
    words = ["demo-data", str(folder / "det"), "--task", "det", "--count", "4"]
    seen = []
    for more in (["crop", str(folder / "det" / "train.txt"), str(folder / "crops")], []):
        assert main.run(words) == 0
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("next: ")]
        printed = shlex.split(line.removeprefix("next: "))
        assert printed[:3] == ["python", "-m", "ocr_train"]
        make_parser().parse_args(printed[3:])
        seen.append(printed[3])
        words = more
    assert seen == ["train", "split"]
    assert main.run(printed[3:]) == 0
