"""Whole runs on two sources of data: what the trainer gets, what is in MLflow, and what a run finds again.

The trainer is a stand-in (tests/scripted_paddleocr); how PaddleOCR itself draws the samples is asked of its own class.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.data.for_training import Fetch
from ocr_train.models.source import find_source
from ocr_train.models.validation_data import find_validation_data
from ocr_train.run import STEPS_METRIC
from ocr_train.trainer.interpreter import interpreter, probe
from tests.commands import artifacts, client, ocr_train_here, only_run, store, train_arguments

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Mixed:
    """A finished run on 16 samples of its own and 20 general ones, of which an epoch takes a quarter."""

    folder: Path
    run_id: str
    sources: str
    said: str

    @property
    def files(self) -> Path:
        """The run's own folder."""
        return self.folder / "outputs" / self.run_id


def general_words(folder: Path) -> Path:
    """20 samples of other words."""
    make_demo(folder, DemoSpec(task="rec", train=20, val=2, seed=7))
    return folder


@pytest.fixture(scope="module")
def mixed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    """One run for all tests, which leave it as it is."""
    folder = tmp_path_factory.mktemp("mixed")
    sources = f"{data} 1.0, {general_words(folder / 'general')} 0.25"
    done = ocr_train_here(*train_arguments(Path(sources)), cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return Mixed(folder, str(only_run(store(folder)).info.run_id), sources, done.stdout)


def test_the_trainer_gets_a_label_file_and_a_ratio_for_each_source(mixed: Mixed) -> None:
    """In one order, below one folder; an epoch has the steps of what is drawn."""
    config = yaml.safe_load((mixed.files / "config.yml").read_text(encoding="utf-8"))
    dataset = config["Train"]["dataset"]
    assert dataset["ratio_list"] == [1.0, 0.25]
    assert [Path(path).name for path in dataset["label_file_list"]] == [
        "train_1_words.txt",
        "train_2_general.txt",
    ]
    assert Path(dataset["data_dir"]) == Path(config["Eval"]["dataset"]["data_dir"])
    assert "data: an epoch takes 16 of 16 from words and 5 of 20 from general" in mixed.said
    # 21 samples in batches of 4, the rest dropped or a step of its own.
    steps = client(store(mixed.folder)).get_run(mixed.run_id).data.params[STEPS_METRIC]
    assert steps == str(5 if config["Train"]["loader"]["drop_last"] else 6)


def test_a_run_names_every_part_of_its_data(mixed: Mixed) -> None:
    """In its params, its artifacts, its dataset inputs and its name."""
    run = client(store(mixed.folder)).get_run(mixed.run_id)
    assert run.data.params["data/parts"] == "words: 16 of 16, general: 5 of 20"
    assert run.info.run_name.startswith("rec_mv3_none_bilstm_ctc-words+general-")
    files = artifacts(store(mixed.folder), mixed.run_id, "dataset")
    assert {"dataset/parts.json", "dataset/manifest.jsonl"} <= set(files)
    document = json.loads((mixed.files / "data" / "parts.json").read_text(encoding="utf-8"))
    assert document["digest"] == run.data.tags["dataset_digest"]
    own, general = document["parts"]
    assert (own["ratio"], own["train_samples"], own["drawn_per_epoch"]) == (1.0, 16, 16)
    assert (general["name"], general["source"]) == ("general", str(mixed.folder / "general"))
    logged = {one.dataset.name: one.dataset.digest for one in run.inputs.dataset_inputs}
    assert logged == {
        "words+general": document["digest"],
        "words": own["digest"],
        "general": general["digest"],
    }
    listed = (mixed.files / "data" / "manifest.jsonl").read_text(encoding="utf-8")
    assert '"path": "source_2/' in listed
    assert '"path": "train_2.txt"' in listed


def test_the_runs_own_validation_data_are_found_again(mixed: Mixed, tmp_path: Path, data: Path) -> None:
    """From what it was launched with: all parts are prepared, and the digest says that they are the same."""
    tracking, said = client(store(mixed.folder)), list[str]()
    source = find_source(mixed.run_id, lambda: tracking, tmp_path / "model")
    fetch: Fetch = lambda *_: Path("none")  # noqa: E731 - nothing is to be fetched
    found = find_validation_data(
        source, lambda: tracking, tmp_path / "w", tmp_path / "c", fetch=fetch, echo=said.append
    )
    assert (found.own, found.samples, found.origin) == (True, 4, str(data))
    assert all(path.is_file() for path in found.paths())


def test_a_resume_with_other_ratios_says_what_changed(mixed: Mixed) -> None:
    """The data are the same, and are found to be."""
    sources = mixed.sources.replace("0.25", "0.5")
    done = ocr_train_here(
        *train_arguments(Path(sources), "--epochs", "5", "--resume", mixed.run_id), cwd=mixed.folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Train.dataset.ratio_list [1.0, 0.25] -> [1.0, 0.5]" in done.stdout
    run = only_run(store(mixed.folder))
    first = client(store(mixed.folder)).get_run(mixed.run_id)
    assert "ratio_list" in run.data.tags["param_drift"]
    assert run.data.tags["dataset_digest"] == first.data.tags["dataset_digest"]
    assert run.data.tags["config_digest"] != first.data.tags["config_digest"]


DRAWN = """
import json, logging, sys, yaml
sys.path[0] = sys.argv[1]
from ppocr.data.simple_dataset import SimpleDataSet
def lines(epoch):
    config = yaml.safe_load(open(sys.argv[2], encoding="utf-8"))
    config["Train"]["dataset"]["transforms"] = []
    dataset = SimpleDataSet(config, "Train", logging.getLogger(), seed=epoch)
    return [line.decode() for line in dataset.data_lines], dataset.need_reset
print("DRAWN", json.dumps([lines(1), lines(2)]))
"""


def test_paddleocr_draws_the_ratios_anew_in_each_epoch(mixed: Mixed) -> None:
    """Its own class, as tools/program.py makes it for each epoch: all of the first source, other samples of the second."""
    python = interpreter("")
    root = next(iter(probe(python).roots.values()))
    done = subprocess.run(
        [str(python), "-c", DRAWN, root, str(mixed.files / "config.yml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "DRAWN " in done.stdout, done.stdout + done.stderr
    epochs = json.loads(done.stdout.partition("DRAWN ")[2])
    drawn = []
    for lines, need_reset in epochs:
        own, general = ([one for one in lines if one.startswith(f"source_{number}/")] for number in (1, 2))
        assert (len(own), len(set(own)), len(general), len(set(general))) == (16, 16, 5, 5)
        assert need_reset
        drawn.append(set(general))
    assert drawn[0] != drawn[1]
