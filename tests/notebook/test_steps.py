"""Steps of the notebook that start our commands: what they run, and what they show of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_train.data.labels import LabelLine, read_labels
from ocr_train.notebook import checkpoints, comparison, data, label_pictures, labelme, predictions, store
from ocr_train.notebook.cells import CellStopped
from ocr_train.notebook.choices import Choices
from ocr_train.notebook.command import command_environment, run_command
from ocr_train.notebook.predictions import ExportedModel, export_model, predict
from ocr_train.notebook.training import TrainedRun
from tests.cli_run import jpeg, rec_data
from tests.commands import REPO
from tests.notebook.conftest import Shown

RUN = TrainedRun(run_id="a" * 32, folder=Path("/none"), parameters={"model": "rec"})


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that are started, in place of starting them."""
    started: list[list[str]] = []

    def note(_choices: Choices, *words: object, fine: tuple[int, ...] = (0,)) -> int:
        started.append([str(word) for word in words])
        return 0

    for module in (checkpoints, comparison, data, labelme, predictions):
        monkeypatch.setattr(module, "run_command", note)
    return started


def test_a_command_is_shown_and_what_it_prints(choices: Choices, capsys: pytest.CaptureFixture[str]) -> None:
    """As it can be typed in a terminal; where it fails, the cell stops without a traceback."""
    assert run_command(choices, "dict", "--help") == 0
    assert "$ python -m ocr_train dict --help\n" in capsys.readouterr().out
    with pytest.raises(CellStopped, match="ended with exit code 3"):
        run_command(choices, "validate", "none.txt", "--task", "det")
    assert "There is no label file 'none.txt'" in capsys.readouterr().out


def test_a_command_gets_nothing_of_jupyters_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its matplotlib backend would be looked for in the trainer's interpreter; our package is found from any folder."""
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    env = command_environment(Choices(folder=tmp_path, endpoint="http://127.0.0.1:9000"))
    assert "MPLBACKEND" not in env
    assert env["PYTHONPATH"].startswith(str(REPO))
    assert env["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:9000"


def test_the_demo_set_is_drawn_where_training_looks_for_it(tmp_path: Path, shown: Shown) -> None:
    """So it is drawn once."""
    experiment = tmp_path / "few.yaml"
    experiment.write_text("base: rec\ndemo: {train: 3, val: 2}\n", encoding="utf-8")
    labels = data.get_data(Choices(model=str(experiment), folder=tmp_path))
    assert labels.folder.is_relative_to(tmp_path / "outputs" / "cache" / "demo")
    assert [path.name for path in labels.files] == ["train.txt", "val.txt"]
    assert "dicts/en.txt" in shown.text
    label_pictures.show_labels(labels, count=3)
    assert shown.html.count("<img") == 3


def test_the_backup_is_passed_over_with_a_sentence(
    tmp_path: Path, shown: Shown, commands: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a bucket; with one the folder is sent below it."""
    rec_data(tmp_path / "words", ["ab", "c"])
    choices = Choices(model="rec", data=str(tmp_path / "words"), folder=tmp_path)
    labels = data.get_data(choices)
    data.back_up(choices, labels)
    assert "no backup is made" in capsys.readouterr().out
    data.back_up(Choices(bucket="s3://b/p/", folder=tmp_path), labels)
    assert commands == [["push", str(tmp_path / "words"), "s3://b/p/data/words"]]


def test_s3_is_not_asked_where_nothing_is_there(choices: Choices, shown: Shown) -> None:
    """A laptop without credentials runs every cell."""
    store.check_store(choices)
    assert "not used" in shown.text


def test_a_few_pages_are_drawn_as_labelme_saves_them(choices: Choices, commands: list[list[str]]) -> None:
    """One JSON file beside each image; the folder that was chosen comes first."""
    labelme.from_labelme(choices)
    [[_, kind, folder, *_rest]] = commands
    assert kind == "labelme"
    pages = sorted(Path(folder).glob("*.json"))
    assert len(pages) == labelme.PAGES
    content = json.loads(pages[0].read_text(encoding="utf-8"))
    assert (Path(folder) / content["imagePath"]).is_file()
    assert {shape["shape_type"] for shape in content["shapes"]} == {"polygon"}
    labelme.from_labelme(Choices(labelme="/my/labels", folder=choices.folder))
    assert commands[-1][2] == "/my/labels"


def test_what_labelme_saved_is_converted_and_split(
    choices: Choices, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the real commands: every page is in one of the two sets."""
    converted = labelme.from_labelme(choices)
    labelme.split_labels(choices, converted)
    lines = [
        line
        for name in ("train.txt", "val.txt")
        for line in read_labels(converted.folder / name)
        if isinstance(line, LabelLine)
    ]
    assert len(lines) == labelme.PAGES
    assert 'MODEL="det"' in capsys.readouterr().out


def test_runs_are_listed_compared_and_exported_by_their_ids(
    choices: Choices, commands: list[list[str]], shown: Shown
) -> None:
    """The commands of the guides; an earlier export is replaced."""
    checkpoints.show_checkpoints(choices, RUN)
    page = choices.work / "compare" / "curves_step.png"
    page.parent.mkdir(parents=True)
    page.write_bytes(b"\x89PNG")
    comparison.compare_runs(choices, RUN, RUN)
    (choices.work / "model").mkdir()
    model = export_model(choices, RUN)
    assert not model.folder.exists()
    assert [words[0] for words in commands] == ["checkpoints", "compare", "export"]
    assert commands[1][1:3] == [RUN.run_id, RUN.run_id]
    assert "compare/index.html" in shown.html


@pytest.fixture
def trained(tmp_path: Path) -> TrainedRun:
    """A run with two validation crops."""
    rec_data(tmp_path / "words", ["น้ำ", "b"], name="val.txt")
    config = f"Eval:\n  dataset:\n    data_dir: {tmp_path / 'words'}\n    label_file_list: [{tmp_path / 'words' / 'val.txt'}]\n"
    (tmp_path / "config.yml").write_text(config, encoding="utf-8")
    return TrainedRun(run_id="a" * 32, folder=tmp_path, parameters={"model": "rec"})


def answering(read: dict[str, str]) -> Callable[..., int]:
    """`predict`, which reads these texts."""

    def answer(choices: Choices, *words: object, fine: tuple[int, ...] = (0,)) -> int:
        images = [Path(str(word)) for word in words if str(word).endswith(".jpg")]
        target = Path(str(words[words.index("--json") + 1]))
        target.parent.mkdir(parents=True)
        lines = [json.dumps({"image": str(one), "text": read[one.name], "score": 0.5}) for one in images]
        target.write_text("\n".join(lines), encoding="utf-8")
        return 0

    return answer


def test_what_was_read_is_shown_beside_what_is_right(
    choices: Choices, trained: TrainedRun, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Green where it is the same; the label below where it is not; markup that was read stays text."""
    monkeypatch.setattr(predictions, "run_command", answering({"0.jpg": "น้ำ", "1.jpg": "<i>"}))
    predict(choices, ExportedModel(folder=choices.work / "model", run=trained))
    assert shown.html.count("<img") == 2
    assert "น้ำ</b> 0.50" in shown.html
    assert "&lt;i&gt;</b> 0.50<br>label: b" in shown.html


def test_a_picture_of_found_boxes_is_the_one_that_was_drawn(tmp_path: Path) -> None:
    """By `predict` itself; an image that could not be read has none."""
    from ocr_train.analysis.sampling import Sample, ValidationSet
    from ocr_train.analysis.text_scores import TextRules

    (tmp_path / "0.png").write_bytes(jpeg())
    sample = Sample(name="0.jpg", path=tmp_path / "0.jpg")
    found = ValidationSet(task="det", samples=(sample, sample), total=2, rules=TextRules())
    answers = [{"picture": str(tmp_path / "0.png"), "boxes": [[], []]}, {"error": "broken"}]
    [(picture, caption)] = list(predictions._figures(found, answers))
    assert picture == (tmp_path / "0.png").read_bytes()
    assert caption == "2 boxes found, 0 labelled"
