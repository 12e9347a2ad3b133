"""Tables and KIE through the commands: validated, prepared, split and shown as detection and recognition are."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.data.checks.rules import is_checked, label_rules
from ocr_train.data.for_training import prepare
from ocr_train.errors import ConfigError, DataError, SetupError
from ocr_train.training.finish import not_done
from tests.cli_run import command
from tests.data.one_step import no_fetch
from tests.data.other_tasks import (
    CELLS,
    QUESTION,
    images,
    kie_folder,
    kie_model,
    kie_row,
    table_folder,
    table_model,
    table_row,
)

Capsys = pytest.CaptureFixture[str]
FOLDERS = {"table": table_folder, "kie": kie_folder}
MODELS = {"table": table_model, "kie": kie_model}
LABELS = {"table": "gt.txt", "kie": "Label.txt"}


@pytest.mark.parametrize("task", FOLDERS)
def test_labels_are_validated(capsys: Capsys, tmp_path: Path, task: str) -> None:
    """Without a model, and against one, whose dictionary and classes are found as a training finds them."""
    labels = FOLDERS[task](tmp_path / "s") / LABELS[task]
    for more in ((), ("--model", MODELS[task](tmp_path / "model"))):
        ran = command(capsys, "validate", labels, "--task", task, *more, "--html", tmp_path / "report.html")
        assert ran.code == 0, ran.err
        assert "5 labels, 0 errors" in ran.out
        assert "10 boxes" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_model_says_what_its_labels_may_hold(capsys: Capsys, tmp_path: Path) -> None:
    """Tokens, their number, numbers of a box; classes."""
    wide = table_row(tokens=["<td", ' colspan="99"', ">", "</td>"] * 10, cells=[CELLS[0]] * 10)
    (images(tmp_path) / "gt.txt").write_text(wide + "\n", encoding="utf-8")
    model = table_model(tmp_path / "model")
    ran = command(capsys, "validate", tmp_path / "gt.txt", "--task", "table", "--model", model)
    assert ran.code == 3
    assert "table_token: 1" in ran.out
    assert "too_long: 1" in ran.out
    (tmp_path / "kie.txt").write_text(kie_row({**QUESTION, "label": "x"}) + "\n", encoding="utf-8")
    model = kie_model(tmp_path / "model")
    ran = command(capsys, "validate", tmp_path / "kie.txt", "--task", "kie", "--model", model)
    assert ran.code == 3
    assert "unknown_class: 1" in ran.out
    # SDMGR reads no links.
    assert "bad_link" not in ran.out


def test_a_list_that_is_not_there_is_named(capsys: Capsys, tmp_path: Path) -> None:
    """Nothing is left unchecked without a word."""
    folder = kie_folder(tmp_path / "s")
    model = kie_model(tmp_path / "model", class_path="no/classes.txt")
    ran = command(capsys, "validate", folder / "Label.txt", "--task", "kie", "--model", model)
    assert ran.code == ConfigError.exit_code
    assert "Global.class_path names 'no/classes.txt': no such file" in ran.err


@pytest.mark.parametrize("task", FOLDERS)
def test_a_folder_is_prepared(capsys: Capsys, tmp_path: Path, task: str) -> None:
    """Checked, split, copied; the folder that is made is prepared again to the same digest."""
    digests = []
    for source, out in (("s", "one"), ("one", "two")):
        folder = FOLDERS[task](tmp_path / "s") if source == "s" else tmp_path / source
        ran = command(
            capsys, "prepare", "--task", task, "--data", folder, "--out", tmp_path / out, "--json", "-"
        )
        assert ran.code == 0, ran.err
        assert (ran.json["train"], ran.json["val"], ran.json["images"]) == (4, 1, 5)
        assert "--model YOUR_CONFIG.yml" in ran.err
        digests.append(ran.json["digest"])
    assert digests[0] == digests[1]


@pytest.mark.parametrize("task", FOLDERS)
def test_bad_samples_stop_a_training_or_are_left_out(tmp_path: Path, task: str) -> None:
    """With their lines in the user's own file, and in the report of the run."""
    folder = FOLDERS[task](tmp_path / "s")
    bad = (
        table_row("4.png", cells=[]) if task == "table" else kie_row({**QUESTION, "label": 3}, image="4.png")
    )
    lines = (folder / LABELS[task]).read_text(encoding="utf-8").splitlines()
    (folder / LABELS[task]).write_text("\n".join([*lines[:4], bad]) + "\n", encoding="utf-8")
    launch = Launch(model=str(MODELS[task](tmp_path / "model")), data=str(folder))
    said: list[str] = []
    request = load_experiment(launch, EXPERIMENTS).data_request
    with pytest.raises(DataError, match=rf"{LABELS[task]}:5: (cell_count|class_missing|unknown_class)"):
        prepare(request, tmp_path / "work", tmp_path / "cache", fetch=no_fetch, echo=said.append)
    launch = Launch(model=str(MODELS[task](tmp_path / "model")), data=str(folder), on_bad_sample="quarantine")
    request = load_experiment(launch, EXPERIMENTS).data_request
    done = prepare(request, tmp_path / "work", tmp_path / "cache", fetch=no_fetch, echo=said.append)
    assert (done.train_samples + done.val_samples, done.quarantined) == (4, 1)
    assert {path.name for path in done.reports} == {"problems.json", "report.html", "quarantine.tsv"}


def test_lines_of_pubtabnets_sets_are_told_by_the_users_files(tmp_path: Path) -> None:
    """Though names of images had to be moved."""
    folder = tmp_path / "s"
    for name, row in (("train", table_row()), ("val", table_row(cells=[]))):
        images(folder / name)
        (folder / f"PubTabNet_2.0.0_{name}.jsonl").write_text(f"\n{row}\n", encoding="utf-8")
    launch = Launch(model=str(table_model(tmp_path / "model")), data=str(folder))
    request = load_experiment(launch, EXPERIMENTS).data_request
    with pytest.raises(DataError) as caught:
        prepare(request, tmp_path / "work", tmp_path / "cache", fetch=no_fetch, echo=lambda _: None)
    assert f"{folder / 'PubTabNet_2.0.0_val.jsonl'}:2: cell_count" in caught.value.problem


def test_labels_of_other_readers_are_passed_on(tmp_path: Path) -> None:
    """What PaddleOCR reads with another class is not known here."""
    model = table_model(tmp_path / "model")
    trainer = load_experiment(Launch(model=str(model), data="."), EXPERIMENTS).trainer
    assert is_checked("table", trainer)
    trainer["Train"]["dataset"]["name"] = "SimpleDataSet"
    assert not is_checked("table", trainer)
    assert not is_checked("e2e", {})
    for task, name in (("table", "PubTabTableRecDataset"), ("kie", "KieDataset")):
        assert is_checked(task, {"Train": {"dataset": {"name": name}}})
    assert is_checked("det", {})


def test_rules_are_read_from_the_operator_that_encodes() -> None:
    """`Global` takes precedence, as in PaddleOCR; a model of relations needs links."""
    encode = {"contains_re": True, "class_path": "no such file"}
    trainer: dict[str, object] = {"Train": {"dataset": {"transforms": [{"VQATokenLabelEncode": encode}]}}}
    rules = label_rules("kie", trainer, None).kie
    assert (rules.classes, rules.of_tokens, rules.linked) == (None, True, True)
    own = {"loc_reg_num": 8, "max_text_length": 10}
    trainer = {
        "Global": {"max_text_length": 20},
        "Train": {"dataset": {"transforms": [{"TableMasterLabelEncode": own}]}},
    }
    table = label_rules("table", trainer, None).table
    assert (table.most_tokens, table.box_numbers, table.tokens) == (20, 8, None)
    assert label_rules("table", {}, None).table.box_numbers is None


def test_what_a_run_leaves_to_paddleocr_is_one_line() -> None:
    """Nothing for the tasks whose models are read here."""
    assert not_done("det") == ""
    assert "no sample images" in not_done("table")
    assert "\n" not in not_done("kie")
    assert json.dumps(not_done("table")).count("export") == 2


@pytest.mark.slow
def test_what_paddleocr_imports_for_kie_alone_is_named_before_anything_else(
    capsys: Capsys, store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run is made, and nothing is prepared."""
    if importlib.util.find_spec("paddlenlp"):
        pytest.skip("paddlenlp is installed here")
    monkeypatch.chdir(store_folder)
    model, data = kie_model(store_folder / "model"), kie_folder(store_folder / "s")
    ran = command(capsys, "train", "--model", model, "--data", data, "--gpus", "cpu")
    assert ran.code == SetupError.exit_code
    assert "imports 1 package(s)" in ran.err
    assert "pip install paddlenlp" in ran.err
    assert "checked:" not in ran.out


@pytest.mark.parametrize(
    ("task", "folder", "said"),
    [
        ("table", kie_folder, "2 of 2 lines are an image, a tab and a label"),
        ("kie", images, "4 of 4 boxes have no class"),
    ],
)
def test_labels_of_another_task_are_named_as_that(
    capsys: Capsys, tmp_path: Path, task: str, folder: Callable[[Path, int], Path], said: str
) -> None:
    """Quarantine would leave nothing, and is not what helps."""
    place = folder(tmp_path / "s", 2)
    if task == "kie":
        boxes = [{key: value for key, value in QUESTION.items() if key in ("transcription", "points")}] * 2
        lines = [kie_row(*boxes, image=f"{number}.png") for number in range(2)]
        (place / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = command(capsys, "prepare", "--task", task, "--data", place, "--out", tmp_path / "out")
    assert ran.code == DataError.exit_code
    assert said in ran.err
    assert "quarantine" not in ran.err


def test_pubtabnets_images_are_found_by_validate(capsys: Capsys, tmp_path: Path) -> None:
    """In the folder of their set, beside the label file."""
    for name in ("train", "val"):
        images(tmp_path / name)
        (tmp_path / f"{name}.jsonl").write_text(table_row() + "\n", encoding="utf-8")
        ran = command(capsys, "validate", tmp_path / f"{name}.jsonl", "--task", "table")
        assert ran.code == 0, ran.err
    both = command(capsys, "validate", tmp_path / "train.jsonl", tmp_path / "val.jsonl", "--task", "table")
    assert both.code == 3
    assert "name their folder with --images" in both.out


@pytest.mark.parametrize(
    "words", [("turn", "{}", "out", "--share", "0.5"), ("dict", "{}", "--out", "dict.txt")]
)
def test_no_texts_are_taken_of_tables(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Their JSON is no text."""
    monkeypatch.chdir(tmp_path)
    folder = table_folder(table_folder(tmp_path / "s", 2, "train.txt"), 2, "val.txt")
    ran = command(capsys, *(word.replace("{}", str(folder)) for word in words))
    assert ran.code == 3
    assert "train.txt has labels of tables" in ran.err


@pytest.mark.slow
def test_a_run_says_at_both_ends_what_is_left_to_paddleocr(
    capsys: Capsys, store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table model is trained and its checkpoints are stored; samples are tried before, and nothing warns."""
    monkeypatch.chdir(store_folder)
    model, data = table_model(store_folder / "model"), table_folder(store_folder / "s")
    ran = command(capsys, "train", "--model", model, "--data", data, "--gpus", "cpu")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    start = next(number for number, line in enumerate(lines) if line == not_done("table"))
    end = next(number for number, line in enumerate(lines) if line.strip().startswith("not done"))
    assert start < lines.index("training starts from scratch") < end
    assert not_done("table") in lines[end]
    assert "is not tried" not in ran.out
    assert "stored in runs:/" in ran.out
