"""prepare: from data wherever and however they are to a folder that training takes as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.data.for_training import Dataset
from ocr_train.data.for_training import prepare as prepare_for_training
from ocr_train.data.manifest import read_manifest
from tests.cli_run import Ran, command, det_data, det_label, jpeg, rec_data

Capsys = pytest.CaptureFixture[str]
PLATES = "data/dirt/plates_list_transcription"


def prepare(capsys: Capsys, task: str, data: Path, out: Path, *options: str | Path) -> Ran:
    """`prepare --json -`."""
    return command(capsys, "prepare", "--task", task, "--data", data, "--out", out, "--json", "-", *options)


def trained_on(out: Path, model: str, tmp_path: Path) -> Dataset:
    """What the training path makes of a prepared folder."""
    experiment = load_experiment(Launch(model=model, data=str(out)), EXPERIMENTS)

    def fetch(uri: str, folder: Path, echo: object) -> Path:
        raise AssertionError(uri)

    return prepare_for_training(
        experiment.data_request, tmp_path / "w", tmp_path / "c", fetch=fetch, echo=lambda _: None
    )


def content(folder: Path) -> dict[str, bytes]:
    """All files below a folder, without our own records."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".ocr-train" not in path.parts
    }


def test_the_folder_holds_what_training_takes(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """Real wires: training checks it, trains on the same samples and knows it by the same digest."""
    out = tmp_path / "out"
    ran = prepare(capsys, "det", shared / "data/wires/det", out)
    assert ran.code == 0, ran.err
    dataset = trained_on(out, "det", tmp_path)
    assert (dataset.train_samples, dataset.val_samples) == (ran.json["train"], ran.json["val"]) == (400, 80)
    assert dataset.manifest.digest == ran.json["digest"] == read_manifest(out / "manifest.jsonl").digest
    assert {path.name for path in out.iterdir()} == {
        *(
            "train.txt",
            "val.txt",
            "train",
            "val",
            "manifest.jsonl",
            "problems.json",
            "report.html",
            ".ocr-train",
        ),
    }


def test_recognition_takes_its_dictionary_along(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """Real Thai text, checked against the model: three lines are too long for it, 17 disagree on the same crop and 96
    to validate on are trained on, and training is content with all others and has the dictionary."""
    source, out = shared / "data/thai_gazette", tmp_path / "out"
    options = (
        "--dict",
        source / "dict.txt",
        "--model",
        "rec_mv3_none_bilstm_ctc",
        "--on-bad-sample",
        "quarantine",
    )
    ran = prepare(capsys, "rec", source / "rec", out, *options)
    assert (ran.code, ran.json["quarantined"]) == (0, 3 + 17 + 96)
    assert (out / "dict.txt").read_bytes() == (source / "dict.txt").read_bytes()
    assert "characters of the dictionary stand in no training line" in ran.err
    dataset = trained_on(out, "rec_mv3_none_bilstm_ctc", tmp_path)
    assert dataset.dictionary == out / "dict.txt"
    assert dataset.manifest.digest == ran.json["digest"]


def test_the_same_data_give_the_same_digest_in_any_folder(
    capsys: Capsys, shared: Path, tmp_path: Path
) -> None:
    """Another source folder, another result folder; one changed byte gives another digest."""
    source = shared / "data/labelme/balls"
    shutil.copytree(source, tmp_path / "a" / "copy")
    first = prepare(capsys, "det", source, tmp_path / "one")
    second = prepare(capsys, "det", tmp_path / "a" / "copy", tmp_path / "deeper" / "two")
    assert first.json["digest"] == second.json["digest"]
    image = tmp_path / "a" / "copy" / "1.jpg"
    image.write_bytes(image.read_bytes() + b"\0")
    third = prepare(capsys, "det", tmp_path / "a" / "copy", tmp_path / "three")
    assert third.json["digest"] != first.json["digest"]


def test_the_next_command_works_for_leaks_that_are_kept(capsys: Capsys, tmp_path: Path) -> None:
    """Training checks the folder again, and would stop at what was asked for here."""
    rec_data(tmp_path / "src", ["a", "b", "c"], name="train.txt")
    (tmp_path / "src" / "val.txt").write_text("./img/1.jpg\tb\n", encoding="utf-8")
    ran = prepare(capsys, "rec", tmp_path / "src", tmp_path / "out", "--leaks", "keep")
    assert (ran.code, ran.json["counts"]) == (0, {"leak": 1})
    assert f"--data {tmp_path / 'out'} --leaks keep" in ran.err
    again = prepare(capsys, "rec", tmp_path / "src", tmp_path / "dropped", "--leaks", "drop")
    assert (again.json["train"], again.json["val"]) == (2, 1)
    assert "--leaks" not in again.err


def test_another_seed_gives_another_split(capsys: Capsys, tmp_path: Path) -> None:
    """And so another digest."""
    det_data(tmp_path / "src", 30)
    runs = [
        prepare(capsys, "det", tmp_path / "src", tmp_path / seed, "--seed", seed).json for seed in ("0", "1")
    ]
    assert runs[0]["digest"] != runs[1]["digest"]


def test_labelme_is_recognised_and_converted(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """A folder of LabelMe JSON files, as it is."""
    ran = prepare(capsys, "det", shared / "data/labelme/balls", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert (ran.json["format"], ran.json["images"]) == ("labelme", 5)
    assert "source: LabelMe, 5 images with 120 boxes" in ran.err
    assert trained_on(tmp_path / "out", "det", tmp_path).train_samples == ran.json["train"]


def test_labelme_gives_recognition_samples(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """The boxes are cut out; their one label is the name of a class, and taken for the text only where that is asked for."""
    ran = prepare(capsys, "rec", shared / "data/labelme/balls", tmp_path / "out")
    assert (ran.code, "120 boxes: 'Ball': these are names of classes" in ran.err) == (3, True)
    ran = prepare(capsys, "rec", shared / "data/labelme/balls", tmp_path / "out", "--text-from", "label")
    assert ran.code == 0, ran.err
    assert ran.json["images"] == 120
    assert trained_on(tmp_path / "out", "rec", tmp_path).train_samples == ran.json["train"]


def ppocrlabel_folder(folder: Path, count: int = 12) -> Path:
    """A folder as PPOCRLabel leaves it, its images beside Label.txt."""
    folder.mkdir(parents=True)
    (folder / "crop_img").mkdir()
    labels, states, crops = [], [], []
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(jpeg(grey=number))
        (folder / "crop_img" / f"{number}_crop_0.jpg").write_bytes(jpeg(38, 18, grey=number))
        labels.append(f"{folder.name}/{number}.jpg\t{det_label('ab')}\n")
        states.append(f"D:\\work\\{folder.name}\\{number}.jpg\t{int(number % 3 > 0)}\n")
        crops.append(f"crop_img/{number}_crop_0.jpg\tab\n")
    for name, lines in (("Label", labels), ("fileState", states), ("rec_gt", crops)):
        (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("task", "images"), [("det", 12), ("rec", 12)])
def test_ppocrlabel_is_recognised_and_converted(
    capsys: Capsys, tmp_path: Path, task: str, images: int
) -> None:
    """Label.txt and fileState.txt; recognition takes the exported crops."""
    ran = prepare(capsys, task, ppocrlabel_folder(tmp_path / "src"), tmp_path / "out")
    assert ran.code == 0, ran.err
    assert (ran.json["format"], ran.json["images"]) == ("ppocrlabel", images)


def test_only_confirmed_images_may_be_taken(capsys: Capsys, tmp_path: Path) -> None:
    """A third of them nobody has confirmed; for recognition the boxes of the others are cut anew."""
    source = ppocrlabel_folder(tmp_path / "src")
    for task in ("det", "rec"):
        ran = prepare(capsys, task, source, tmp_path / task, "--only-confirmed")
        assert ran.code == 0, ran.err
        assert ran.json["images"] == 8


def test_bad_samples_stop_and_are_all_listed(capsys: Capsys, tmp_path: Path) -> None:
    """Status 3, the user's own file and line, and the report to look at; nothing to train on by mistake."""
    labels = det_data(tmp_path / "src", 10)
    labels.write_text(labels.read_text() + "img/none.jpg\t[]\nno tab\n")
    ran = prepare(capsys, "det", tmp_path / "src", tmp_path / "out")
    assert ran.code == 3
    assert f"{labels}:11: image_missing" in ran.err
    assert f"{labels}:12: no_tab" in ran.err
    assert "--on-bad-sample quarantine" in ran.err
    problems = json.loads((tmp_path / "out" / "problems.json").read_text())
    assert problems["counts"] == {"image_missing": 1, "no_boxes": 1, "no_tab": 1}
    assert (tmp_path / "out" / "report.html").is_file()
    assert not (tmp_path / "out" / "train.txt").exists()


def test_quarantine_goes_on_and_lists_what_it_left_out(capsys: Capsys, tmp_path: Path) -> None:
    """After a stop the same folder can be used."""
    labels = det_data(tmp_path / "src", 10)
    labels.write_text(labels.read_text() + "img/none.jpg\t[]\nno tab\n")
    prepare(capsys, "det", tmp_path / "src", tmp_path / "out")
    ran = prepare(capsys, "det", tmp_path / "src", tmp_path / "out", "--on-bad-sample", "quarantine")
    assert ran.code == 0, ran.err
    assert (ran.json["quarantined"], ran.json["train"] + ran.json["val"]) == (2, 10)
    listing = (tmp_path / "out" / "quarantine.tsv").read_text().splitlines()
    assert listing == [f"{labels}:11\timage_missing\timg/none.jpg\t[]", f"{labels}:12\tno_tab\tno tab"]


def test_pages_that_a_conversion_loses_stop_it(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """A JSON without its image is a bad sample like any other; quarantine goes on without it."""
    source = shared / "data/labelme"
    ran = prepare(capsys, "det", source, tmp_path / "out")
    assert ran.code == 3
    assert "backslash.json: image_missing" in ran.err
    assert json.loads((tmp_path / "out" / "problems.json").read_text())["counts"]["image_missing"] == 4
    again = prepare(capsys, "det", source, tmp_path / "out", "--on-bad-sample", "quarantine")
    assert (again.code, again.json["images"]) == (0, 8)


def test_problems_of_converted_data_name_the_users_files(capsys: Capsys, tmp_path: Path) -> None:
    """The converted label file is ours and gone: places are those of the source."""
    source = ppocrlabel_folder(tmp_path / "src")
    (source / "3.jpg").write_bytes(b"no image")
    ran = prepare(capsys, "det", source, tmp_path / "out")
    assert ran.code == 3
    assert f"{source / '3.jpg'}: image_unreadable" in ran.err
    assert ".ocr-train" not in ran.err
    again = prepare(capsys, "det", source, tmp_path / "out", "--on-bad-sample", "quarantine")
    assert again.code == 0
    assert (
        (tmp_path / "out" / "quarantine.tsv")
        .read_text()
        .startswith(f"{source / '3.jpg'}\timage_unreadable\t")
    )
    assert ".ocr-train" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_missing_image_is_said_once(capsys: Capsys, shared: Path, tmp_path: Path) -> None:
    """Real plates, no image there: by the line of the user's Label.txt, not again by the converted one."""
    ran = prepare(capsys, "det", shared / PLATES, tmp_path / "out")
    assert ran.code == 3
    assert ran.err.count("image_missing 'dataset/A1036HZ.PNG'") == 1
    assert json.loads((tmp_path / "out" / "problems.json").read_text())["counts"]["image_missing"] == 40


def test_a_second_time_writes_nothing_anew(capsys: Capsys, tmp_path: Path) -> None:
    """The same data into the same folder: every image is there already, and the digest is the same."""
    det_data(tmp_path / "src", 10)
    first = prepare(capsys, "det", tmp_path / "src", tmp_path / "out")
    second = prepare(capsys, "det", tmp_path / "src", tmp_path / "out")
    assert (first.json["written"], first.json["kept"]) == (10, 0)
    assert (second.json["written"], second.json["kept"]) == (0, 10)
    assert first.json["digest"] == second.json["digest"]


def test_a_set_of_other_content_is_only_replaced_with_overwrite(capsys: Capsys, tmp_path: Path) -> None:
    """Then what the new set has not is gone: no stale image, no stale dictionary."""
    rec_data(tmp_path / "old", ["ab"] * 10)
    (tmp_path / "old" / "dict.txt").write_text("a\nb\n")
    rec_data(tmp_path / "new", ["ab"] * 6)
    out = tmp_path / "out"
    assert prepare(capsys, "rec", tmp_path / "old", out).code == 0
    before = content(out)
    refused = prepare(capsys, "rec", tmp_path / "new", out)
    assert refused.code == 3
    assert "--overwrite" in refused.err
    assert content(out) == before
    ran = prepare(capsys, "rec", tmp_path / "new", out, "--overwrite")
    assert (ran.code, ran.json["removed"], ran.json["kept"]) == (0, 4, 6)
    assert not (out / "dict.txt").exists()
    assert len(list((out / "img").iterdir())) == 6


def test_a_failed_attempt_leaves_a_whole_set_as_it_was(capsys: Capsys, tmp_path: Path) -> None:
    """Even its report."""
    labels = det_data(tmp_path / "src", 10)
    assert prepare(capsys, "det", tmp_path / "src", tmp_path / "out").code == 0
    before = content(tmp_path / "out")
    labels.write_text(labels.read_text() + "no tab\n")
    assert prepare(capsys, "det", tmp_path / "src", tmp_path / "out", "--overwrite").code == 3
    assert content(tmp_path / "out") == before


def test_an_interrupted_fill_is_gone_on_with(capsys: Capsys, tmp_path: Path) -> None:
    """Without its manifest a folder is not whole: half of the images, one of them torn, are completed."""
    det_data(tmp_path / "src", 10)
    first = prepare(capsys, "det", tmp_path / "src", tmp_path / "out")
    (tmp_path / "out" / "manifest.jsonl").unlink()
    (tmp_path / "out" / "train.txt").unlink()
    (tmp_path / "out" / "img" / "1.jpg").write_bytes(b"torn")
    (tmp_path / "out" / "img" / "2.jpg").unlink()
    second = prepare(capsys, "det", tmp_path / "src", tmp_path / "out")
    assert (second.json["written"], second.json["kept"]) == (2, 8)
    assert second.json["digest"] == first.json["digest"]


def test_images_are_copies(capsys: Capsys, tmp_path: Path) -> None:
    """A picture that somebody edits in place later does not change the prepared set; with --link it does."""
    det_data(tmp_path / "src", 4)
    for name, options, changed in (("copy", (), False), ("link", ("--link",), True)):
        assert prepare(capsys, "det", tmp_path / "src", tmp_path / name, *options).code == 0
        with (tmp_path / "src" / "img" / "0.jpg").open("ab") as image:
            image.write(b"\0")
        same = (tmp_path / name / "img" / "0.jpg").samefile(tmp_path / "src" / "img" / "0.jpg")
        assert same == changed


def test_other_data_in_the_folder_are_left_alone(capsys: Capsys, tmp_path: Path) -> None:
    """A folder that we did not fill, and a file."""
    det_data(tmp_path / "src", 4)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for name in ("mine", "mine/thesis.txt"):
        ran = prepare(capsys, "det", tmp_path / "src", tmp_path / name, "--overwrite")
        assert ran.code == 3
    assert content(tmp_path / "mine") == {"thesis.txt": b"years of work"}


@pytest.mark.parametrize("out", [".", "sub", ".."])
def test_source_and_result_may_not_lie_in_one_another(capsys: Capsys, tmp_path: Path, out: str) -> None:
    """The result would become part of the data."""
    det_data(tmp_path / "a" / "src", 4)
    ran = prepare(capsys, "det", tmp_path / "a" / "src", tmp_path / "a" / "src" / out)
    assert ran.code == 3
    assert "are one inside the other" in ran.err
    assert not (tmp_path / "a" / "src" / "sub").exists()


def test_one_page_alone_cannot_be_validated_on(capsys: Capsys, tmp_path: Path) -> None:
    """The way out stands in the message, and works."""
    det_data(tmp_path / "src", 1)
    ran = prepare(capsys, "det", tmp_path / "src", tmp_path / "out")
    assert ran.code == 3
    assert "--val 0" in ran.err
    ran = prepare(capsys, "det", tmp_path / "src", tmp_path / "out", "--val", "0")
    assert (ran.code, ran.json["train"], ran.json["val"]) == (0, 1, 0)
    assert not (tmp_path / "out" / "val.txt").exists()


def test_paths_are_made_normal(capsys: Capsys, tmp_path: Path) -> None:
    """`./img//0.jpg` and `img/../img/1.jpg` are the same files everywhere."""
    labels = det_data(tmp_path / "src", 10)
    text = labels.read_text().replace("img/0.jpg", "./img//0.jpg").replace("img/1.jpg", "img/../img/1.jpg")
    labels.write_text(text)
    ran = prepare(capsys, "det", tmp_path / "src", tmp_path / "out")
    assert ran.code == 0, ran.err
    lines = (tmp_path / "out" / "train.txt").read_text() + (tmp_path / "out" / "val.txt").read_text()
    assert {line.split("\t")[0] for line in lines.splitlines()} == {
        f"img/{number}.jpg" for number in range(10)
    }


def test_data_that_are_not_there_are_said(capsys: Capsys, tmp_path: Path) -> None:
    """A missing folder, a file, an empty folder, an empty name."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for number, name in enumerate(("missing", "file", "empty")):
        ran = prepare(capsys, "det", tmp_path / name, tmp_path / f"out{number}")
        assert ran.code == 3, ran.err
    assert not (tmp_path / "out0").exists()
    assert command(capsys, "prepare", "--task", "det", "--data", "", "--out", tmp_path / "o").code == 2


def test_a_folder_in_a_wrong_format_is_said(capsys: Capsys, tmp_path: Path) -> None:
    """--from labelme on PaddleOCR labels, and direction labels of LabelMe."""
    det_data(tmp_path / "src", 4)
    ran = prepare(capsys, "det", tmp_path / "src", tmp_path / "out", "--from", "labelme")
    assert ran.code == 3
    assert "no JSON file" in ran.err
    (tmp_path / "src" / "Label.txt").unlink()
    (tmp_path / "src" / "0.json").write_text('{"shapes": []}')
    assert prepare(capsys, "cls", tmp_path / "src", tmp_path / "out2").code == 3
    assert prepare(capsys, "det", tmp_path / "src", tmp_path / "out3").code == 3


def test_a_model_without_a_dictionary_of_the_data_brings_its_own(capsys: Capsys, tmp_path: Path) -> None:
    """--model rec_mv3_none_bilstm_ctc checks against its characters, and training finds them in the experiment again."""
    labels = rec_data(tmp_path / "src", ["Ab 1"] * 10)
    ran = prepare(capsys, "rec", tmp_path / "src", tmp_path / "out", "--model", "rec_mv3_none_bilstm_ctc")
    assert ran.code == 0, ran.err
    assert not (tmp_path / "out" / "dict.txt").exists()
    labels.write_text(labels.read_text().replace("Ab 1", "กข"))
    assert (
        prepare(capsys, "rec", tmp_path / "src", tmp_path / "thai", "--model", "rec_mv3_none_bilstm_ctc").code
        == 3
    )


def test_a_model_of_another_task_is_refused(capsys: Capsys, tmp_path: Path) -> None:
    """--task det --model rec_mv3_none_bilstm_ctc would check nothing of what was meant; an unknown model, too."""
    det_data(tmp_path / "src", 4)
    assert (
        prepare(capsys, "det", tmp_path / "src", tmp_path / "out", "--model", "rec_mv3_none_bilstm_ctc").code
        == 2
    )
    ran = prepare(capsys, "det", tmp_path / "src", tmp_path / "out", "--model", "dett")
    assert ran.code == 2
    assert "Did you mean 'det'?" in ran.err


@pytest.mark.parametrize("options", [("--text-from", "label"), ("--only-confirmed",)])
def test_an_option_of_another_tool_is_refused(
    capsys: Capsys, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """PaddleOCR's labels have no such thing; the way out is named."""
    det_data(tmp_path / "src", 4)
    ran = prepare(capsys, "det", tmp_path / "src", tmp_path / "out", *options)
    assert ran.code == 2
    assert "name the format" in ran.err


def test_an_archive_is_prepared_as_its_folder_is(capsys: Capsys, tmp_path: Path) -> None:
    """The same digest, and the archive's unpacked copy stays in the prepared folder's own place."""
    det_data(tmp_path / "src", 6)
    shutil.make_archive(str(tmp_path / "data"), "zip", tmp_path / "src")
    folder = prepare(capsys, "det", tmp_path / "src", tmp_path / "one").json
    packed = prepare(capsys, "det", tmp_path / "data.zip", tmp_path / "two").json
    assert (packed["digest"], packed["images"]) == (folder["digest"], 6)
    ran = prepare(capsys, "det", tmp_path / "no.zip", tmp_path / "three")
    assert (ran.code, "no.zip' cannot be read" in ran.err) == (3, True)


def test_several_sources_are_for_a_training(capsys: Capsys, tmp_path: Path) -> None:
    """They are named as they were read, with what to do."""
    for name in ("own", "general"):
        rec_data(tmp_path / name, ["a", "b"])
    both = f"{tmp_path / 'own'} 1.0, {tmp_path / 'general'} 0.2"
    for words in (
        ("prepare", "--task", "rec", "--data", both, "--out", tmp_path / "out"),
        ("dict", both, "--out", tmp_path / "dict.txt"),
    ):
        ran = command(capsys, *words)
        assert ran.code == 2
        assert f"'{tmp_path / 'general'}' 0.2" in ran.err
        assert "one source and no ratio is taken here" in ran.err
    ran = command(capsys, "validate", "--task", "rec", f"{tmp_path / 'own' / 'Label.txt'}, more.txt")
    assert (ran.code, "no commas" in ran.err) == (3, True)


def test_a_dictionary_of_several_sources_is_made_one_after_the_other(capsys: Capsys, tmp_path: Path) -> None:
    """As the hint says: what the first one gave is kept."""
    rec_data(tmp_path / "own", ["b"])
    rec_data(tmp_path / "general", ["a"])
    first, both = tmp_path / "first.txt", tmp_path / "dict.txt"
    assert command(capsys, "dict", tmp_path / "own", "--out", first).code == 0
    assert command(capsys, "dict", tmp_path / "general", "--base", first, "--out", both).code == 0
    assert both.read_text(encoding="utf-8") == "b\na\n"
