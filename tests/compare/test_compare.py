"""The command `compare`, on runs in a real MLflow store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ocr_train.compare.select import KIND, KIND_TAG
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from tests.cli_run import Ran, command
from tests.commands import SCRIPTED, all_runs, artifacts, client, ocr_train_here
from tests.compare.made_runs import Made, make_run

AXES = ("step", "epoch", "time", "cost")


@pytest.fixture
def uri(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty store, which the command line asks, in its folder."""
    address = f"sqlite:///{store_folder / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.chdir(store_folder)
    return address


@pytest.fixture
def store(uri: str) -> Any:
    """A client on that store."""
    return client(uri)


def compare(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    """`python -m ocr_train compare ARGUMENTS`, which must work."""
    ran = command(capsys, "compare", *arguments)
    assert ran.code == 0, ran.err
    return ran


def test_page_pictures_and_answer(store: Any, store_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All in one folder; the answer names the winner, what differs and how to go on."""
    low = make_run(store, Made(name="det-สายไฟ", top=0.6, tags={"hourly_usd": "1.5"}))
    high = make_run(store, Made(name="high", top=0.8, params={"batch_size": "'16'"}))
    answer = compare(capsys, low, "high", "--out", "new/page", "--json", "-").json
    folder = store_folder / "new" / "page"
    names = {f"curves_{axis}.png" for axis in AXES} | {"scores.png", "index.html"}
    assert {path.name for path in folder.iterdir()} == names
    assert all((folder / name).read_bytes()[:4] == b"\x89PNG" for name in names - {"index.html"})
    assert answer["page"] == "new/page/index.html"
    assert answer["winners"] == [high]
    assert answer["same_data"] is True
    assert answer["differences"]["launch"] == {"batch_size": ["", "16"]}
    assert [run["best"] for run in answer["runs"]] == pytest.approx([0.6, 0.8])
    assert [run["cost_usd"] for run in answer["runs"]] == [pytest.approx(3.0), None]


def test_a_filter_over_all_experiments(store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """As the README has it."""
    other = store.create_experiment("other")
    make_run(store, Made(name="low", top=0.4))
    ids = [make_run(store, Made(name="a", top=0.7)), make_run(store, Made(name="b", experiment=other))]
    answer = compare(capsys, "--filter", "metrics.`best/hmean` > 0.5", "--json", "-").json
    assert {run["run_id"] for run in answer["runs"]} == set(ids)


def test_logged_back_it_is_a_run_of_its_own_that_nothing_takes_for_a_training(
    store: Any, uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Page and pictures as artifacts, in the experiment of the runs; neither `runs` nor a filter meets it."""
    home = store.create_experiment("wires")
    ids = [make_run(store, Made(name=name, experiment=home)) for name in ("a", "b")]
    logged = compare(capsys, *ids, "--log", "--json", "-").json["logged"]
    run = store.get_run(logged)
    assert (run.info.status, run.info.experiment_id) == ("FINISHED", home)
    assert run.data.tags[KIND_TAG] == KIND
    assert run.data.tags["compared_runs"] == ",".join(ids)
    assert run.data.metrics == {}
    assert {"model", "launch_command"}.isdisjoint(run.data.tags)
    assert "compare/index.html" in artifacts(uri, logged)
    again = compare(capsys, "--filter", "attributes.status = 'FINISHED'", "--json", "-").json
    assert {one["run_id"] for one in again["runs"]} == set(ids)


def test_as_an_entry_point_it_logs_into_the_run_that_mlflow_made(
    store: Any, uri: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters that are left out arrive empty; the run itself is not compared, and mlflow ends it."""
    run_id = make_run(store, Made())
    tags = {"mlflow.project.entryPoint": "compare"}
    own = store.create_run("0", run_name="made by mlflow run", tags=tags).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", own)
    arguments = ["", "--filter", "attributes.start_time > 0", "--experiment", "", "--log", "true"]
    answer = compare(capsys, *arguments, "--json", "-").json
    assert [run["run_id"] for run in answer["runs"]] == [run_id]
    assert answer["logged"] == own
    assert "compare/index.html" in artifacts(uri, own)
    assert store.get_run(own).info.status == "RUNNING"
    assert store.get_run(own).data.tags[KIND_TAG] == KIND


def test_a_training_that_the_environment_names_does_not_become_a_comparison(
    store: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLFLOW_RUN_ID in a shell or notebook may be anybody's run."""
    run_id = make_run(store, Made())
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    answer = compare(capsys, run_id, "--log", "--json", "-").json
    assert answer["logged"] not in ("", run_id)
    assert KIND_TAG not in store.get_run(run_id).data.tags


def test_without_log_nothing_is_written_to_mlflow(store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Looking changes nothing."""
    run_id = make_run(store, Made())
    before = store.get_run(run_id).to_dictionary()
    assert compare(capsys, run_id, "--json", "-").json["logged"] == ""
    assert store.get_run(run_id).to_dictionary() == before
    assert len(store.search_runs(["0"])) == 1


def test_hundreds_of_runs_are_cut_to_a_number_that_can_be_told_apart(
    store: Any, store_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer and the page say so."""
    for number in range(130):
        store.create_run("0", run_name=f"run-{number}", start_time=number + 1)
    answer = compare(capsys, "--filter", "attributes.start_time >= 0", "--limit", "12", "--json", "-").json
    assert len(answer["runs"]) == 12
    assert answer["runs"][0]["name"] == "run-129"
    assert "130 runs were found; the newest 12 are compared" in answer["notes"][-1]
    assert "130 runs were found" in (store_folder / "compare" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "nothing to compare"),
        (["nobody"], 2, "there is no run 'nobody'"),
        (["--filter", "metrics.x >"], 2, "Invalid clause"),
        (["--filter", "metrics.x > 1", "--experiment", "nowhere"], 2, "no experiment 'nowhere'"),
        (["x", "--limit", "1000"], 2, "--limit 1000"),
        (["RUN", "--out", "mlflow.db"], 4, "is a file"),
    ],
)
def test_what_a_user_can_mend_is_a_paragraph(
    store: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    """With the exit code of its kind."""
    run_id = make_run(store, Made(epochs=1)) if "RUN" in arguments else ""
    ran = command(capsys, "compare", *(run_id if one == "RUN" else one for one in arguments))
    assert ran.code == code
    assert said in ran.err


@pytest.mark.slow
def test_two_trainings_are_compared(
    uri: str, store_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Real runs, the second resumed from the first: curves, checkpoints and a command that is launched as shown."""
    data = tmp_path / "words"
    make_demo(data, DemoSpec(task="rec", train=16, val=4))
    common = [
        "--model",
        "rec_mv3_none_bilstm_ctc",
        "--data",
        str(data),
        "--paddleocr",
        str(SCRIPTED),
        "--batch-size",
        "4",
    ]
    first = ocr_train_here(
        "train", *common, "--epochs", "2", cwd=store_folder, env={"MLFLOW_TRACKING_URI": uri}
    )
    assert first.returncode == 0, first.stderr
    (parent,) = all_runs(uri)
    resumed = ["--epochs", "4", "--resume", parent.info.run_id]
    second = ocr_train_here("train", *common, *resumed, cwd=store_folder, env={"MLFLOW_TRACKING_URI": uri})
    assert second.returncode == 0, second.stderr
    answer = compare(capsys, "--filter", "tags.model = 'rec_mv3_none_bilstm_ctc'", "--json", "-").json
    child, before = answer["runs"]
    assert (before["last_step"], child["last_step"]) == (8, 16)
    assert child["resumed_from"] == parent.info.run_id
    assert answer["winners"] == [child["run_id"]]
    assert answer["same_data"] is True
    assert set(answer["differences"]["config"]) == {"Global.checkpoints", "Global.epoch_num"}
    assert f"--resume '{parent.info.run_id}:step 8'" in before["checkpoints"][-1]["resume"]
    page = (store_folder / "compare" / "index.html").read_text(encoding="utf-8")
    assert page.count('class="inherited') >= 4
    assert "eval/acc" in page
