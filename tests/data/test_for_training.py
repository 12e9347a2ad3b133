"""From `data` to what the trainer reads: every kind of source, and one digest wherever it lies."""

from __future__ import annotations

import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_train.cli.transfer import fetch_for_training
from ocr_train.config.experiment import EXPERIMENTS, Experiment, Launch, load_experiment
from ocr_train.config.requests import Demo
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.data.for_training import Dataset, draw_demo, prepare
from ocr_train.errors import DataError
from ocr_train.server.serve import ServerAddress
from ocr_train.storage.push import push

Prepare = Callable[..., Dataset]


@pytest.fixture
def prepared(tmp_path: Path) -> Prepare:
    """Prepare data for a model, each time in a new run folder."""
    count = 0

    def run(data: Path | str, model: str = "rec", **launch: str) -> Dataset:
        nonlocal count
        count += 1
        experiment: Experiment = load_experiment(Launch(model=model, data=str(data), **launch), EXPERIMENTS)
        return prepare(
            experiment.data_request,
            tmp_path / f"run{count}" / "data",
            tmp_path / "cache",
            fetch=fetch_for_training,
            echo=said.append,
        )

    said: list[str] = []
    run.said = said  # type: ignore[attr-defined]
    return run


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A small recognition set."""
    folder = tmp_path / "words"
    make_demo(folder, DemoSpec(task="rec", train=12, val=4))
    return folder


def test_label_files_are_clean_copies(prepared: Prepare, words: Path) -> None:
    """The trainer's files have no BOM, CRLF or stray space; the user's stay as they are."""
    text = (words / "train.txt").read_text(encoding="utf-8")
    dirty = "\ufeff" + text.replace("\t", "\t ").replace("\n", "\r\n")
    (words / "train.txt").write_bytes(dirty.encode())
    done = prepared(words)
    assert done.train.read_text(encoding="utf-8") == text
    assert (words / "train.txt").read_bytes() == dirty.encode()
    assert (done.train_samples, done.val_samples) == (12, 4)


def test_same_data_elsewhere_has_the_same_digest(prepared: Prepare, words: Path, tmp_path: Path) -> None:
    """Copied, packed or prepared twice: one digest; with a character changed: another."""
    first = prepared(words).manifest.digest
    copy = shutil.copytree(words, tmp_path / "elsewhere" / "copy")
    assert prepared(copy).manifest.digest == first
    archive = tmp_path / "words.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(words, arcname="words")
    assert prepared(archive).manifest.digest == first
    label = (copy / "train.txt").read_text(encoding="utf-8")
    (copy / "train.txt").write_text(label.replace("\t", "\tx", 1), encoding="utf-8")
    assert prepared(copy).manifest.digest != first


def test_one_label_file_is_split_the_same_way_every_time(prepared: Prepare, words: Path) -> None:
    """Without validation labels a share is held out, by a hash and the seed."""
    (words / "labels.txt").write_bytes((words / "train.txt").read_bytes())
    for name in ("train.txt", "val.txt"):
        (words / name).unlink()
    first, second = prepared(words), prepared(words)
    assert first.train_samples + first.val_samples == 12
    assert first.val_samples >= 1
    assert first.val.read_bytes() == second.val.read_bytes()


def test_quarantine_trains_on_the_rest_and_lists_the_others(prepared: Prepare, words: Path) -> None:
    """`stop` names the lines; `quarantine` leaves them out and keeps a list."""
    (words / "train" / "00003.jpg").unlink()
    with pytest.raises(DataError, match=r"train\.txt:4: image_missing"):
        prepared(words)
    done = prepared(words, on_bad_sample="quarantine")
    assert (done.train_samples, done.quarantined) == (11, 1)
    listed = next(path for path in done.reports if path.name == "quarantine.tsv").read_text(encoding="utf-8")
    assert f"{words / 'train.txt'}:4\timage_missing" in listed


@pytest.mark.parametrize(
    ("launch", "train", "val", "leaked"),
    [
        ({"leaks": "drop"}, 10, 4, 0),
        ({"leaks": "keep"}, 12, 4, 3),
        ({"on_bad_sample": "quarantine"}, 12, 1, 0),
    ],
    ids=["drop", "keep", "quarantine"],
)
def test_validation_images_that_are_trained_on(
    prepared: Prepare, words: Path, launch: dict[str, str], train: int, val: int, leaked: int
) -> None:
    """They stop a training with the sentence that says how many; else they are left out on one side, or counted."""
    lines = (words / "val.txt").read_text(encoding="utf-8").splitlines()
    for number, source in enumerate(("00000", "00000", "00005")):
        (words / lines[number].split("\t")[0]).write_bytes((words / f"train/{source}.jpg").read_bytes())
    text = (words / "train.txt").read_text(encoding="utf-8").splitlines()
    lines[:3] = [
        f"{lines[n].split(chr(9))[0]}\t{text[of].split(chr(9))[1]}" for n, of in enumerate((0, 0, 5))
    ]
    (words / "val.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="3 of 4 validation images are also training images: ") as caught:
        prepared(words)
    assert "-P leaks=drop" in caught.value.hint
    done = prepared(words, **launch)
    assert (done.train_samples, done.val_samples, done.leaked) == (train, val, leaked)


def test_a_split_keeps_equal_bytes_in_one_set(prepared: Prepare, words: Path) -> None:
    """The manifest has no digest in training and in validation."""
    lines = (words / "train.txt").read_text(encoding="utf-8").splitlines()
    for line in list(lines):
        name, label = line.split("\t")
        (words / f"copy-of-{Path(name).name}").write_bytes((words / name).read_bytes())
        lines.append(f"copy-of-{Path(name).name}\t{label}")
    (words / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (words / "val.txt").unlink()
    done = prepared(words)
    sums = {
        name: {
            entry.sha256 for entry in done.manifest.entries if (entry.kind, entry.split) == ("image", name)
        }
        for name in ("train", "val")
    }
    assert (len(sums["train"] | sums["val"]), done.train_samples + done.val_samples) == (12, 24)
    assert sums["train"].isdisjoint(sums["val"])


def test_dictionary_beside_the_data_counts(prepared: Prepare, words: Path) -> None:
    """dict.txt is taken, and a text outside it is an error that names the character."""
    (words / "dict.txt").write_text("\n".join("abcdefghijklmnopqrstuvwxyz") + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="dict"):
        prepared(words)
    fixed = prepared(words, overrides=f"Global.character_dict_path={EXPERIMENTS / 'dicts' / 'en.txt'}")
    assert fixed.dictionary == EXPERIMENTS / "dicts" / "en.txt"


def test_labelme_folder_is_converted_for_training(prepared: Prepare, shared: Path, tmp_path: Path) -> None:
    """`data` may be a LabelMe folder: its shapes become boxes, in the run's folder; nothing is written to it."""
    source = shutil.copytree(shared / "data" / "labelme" / "balls", tmp_path / "balls")
    before = sorted(path.name for path in source.rglob("*"))
    done = prepared(source, "det")
    assert done.train_samples + done.val_samples == 5
    assert sorted(path.name for path in source.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "model"), [("wires/det", "det"), ("wires/rec", "rec"), ("thai_gazette/rec", "rec_th")]
)
def test_real_data_keep_their_digest_through_s3(
    prepared: Prepare,
    shared: Path,
    tmp_path: Path,
    servers: ServerAddress,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    model: str,
) -> None:
    """Pushed to a bucket and fetched again, wires and the Thai gazette are the same dataset to the byte."""
    for name, value in servers.env().items():
        monkeypatch.setenv(name, value)
    local = shutil.copytree(shared / "data" / folder, tmp_path / "local")
    uri = f"s3://{servers.bucket}/round-trip/{folder}"
    push(local, uri)
    here = prepared(shared / "data" / folder, model, on_bad_sample="quarantine")
    there = prepared(uri, model, on_bad_sample="quarantine")
    assert there.manifest.digest == here.manifest.digest
    assert there.train_samples == here.train_samples


def test_recognition_labels_for_a_detector_are_recognised_as_such(prepared: Prepare, words: Path) -> None:
    """Where nearly no label is JSON, the mistake is the model, not the labels."""
    with pytest.raises(DataError) as caught:
        prepared(words, "det")
    assert "use a rec model" in caught.value.hint


def test_two_runs_may_draw_the_demo_set_at_once(tmp_path: Path) -> None:
    """Whoever is later finds the set of the other whole, and nothing of its own is left beside it."""
    demo, folders = Demo(train=2, val=1), []

    def draw() -> None:
        folders.append(draw_demo("rec", demo, 0, tmp_path, lambda text: None))

    threads = [threading.Thread(target=draw) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(folders)) == 1
    assert (folders[0] / "train.txt").is_file()
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [folders[0].name]


def test_a_dictionary_of_syllables_stops_the_training(prepared: Prepare, words: Path) -> None:
    """It comes with the data, and what to do comes with the error; a few such lines are only counted."""
    characters = (EXPERIMENTS / "dicts" / "en.txt").read_text(encoding="utf-8")
    (words / "dict.txt").write_text(characters + "ฤา\nฦา\n", encoding="utf-8")
    assert prepared(words).train_samples == 12
    syllables = "".join(f"ร{chr(0x4E00 + number)}\n" for number in range(100))
    (words / "dict.txt").write_text(characters + syllables, encoding="utf-8")
    with pytest.raises(DataError, match="100 of 194 lines have several characters") as raised:
        prepared(words)
    assert "ocr_train dict DATA" in raised.value.problem
    with pytest.raises(DataError, match="dict_no_characters"):
        prepared(words, on_bad_sample="quarantine")
