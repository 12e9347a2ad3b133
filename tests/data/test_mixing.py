"""Several sources as one data set: ratios, the first one's validation samples, problems in the users' own files."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ocr_train.cli.transfer import fetch_for_training
from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
from ocr_train.data.backup import backup
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.data.for_training import Dataset, prepare
from ocr_train.errors import DataError
from ocr_train.storage.push import push
from tests.s3 import Prefix


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The team's own words."""
    make_demo(tmp_path / "own", DemoSpec(task="rec", train=8, val=4))
    return tmp_path / "own"


@pytest.fixture
def general(tmp_path: Path) -> Path:
    """General words, of other images."""
    make_demo(tmp_path / "general", DemoSpec(task="rec", train=12, val=4, seed=7))
    return tmp_path / "general"


class Run:
    """Prepares data as a training does, each time in a new folder; `said` is what the last one said."""

    def __init__(self, tmp_path: Path) -> None:
        self.place = tmp_path / "runs"
        self.said: list[str] = []
        self.count = 0

    def __call__(self, *sources: object, model: str = "rec", **launch: str) -> Dataset:
        """The data set of these sources."""
        self.count += 1
        self.said = []
        data = ", ".join(map(str, sources))
        request = load_experiment(Launch(model=model, data=data, **launch), EXPERIMENTS).data_request
        work = self.place / str(self.count) / "data"
        cache = self.place / "cache"
        return prepare(request, work, cache, fetch=fetch_for_training, echo=self.said.append)

    @property
    def work(self) -> Path:
        """The folder of the last one."""
        return self.place / str(self.count) / "data"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Prepares data."""
    return Run(tmp_path)


def lines(path: Path) -> list[str]:
    """The lines of a label file."""
    return path.read_text(encoding="utf-8").splitlines()


def images(path: Path) -> list[str]:
    """The images that a label file names."""
    return [line.partition("\t")[0] for line in lines(path)]


def test_each_source_keeps_its_ratio_and_its_images(run: Run, own: Path, general: Path) -> None:
    """A label file for each, in order, with paths below its link."""
    data = run(f"{own} 1.0", f"{general} 0.25")
    assert [(part.path.name, part.samples) for part in data.train_parts] == [
        ("train_1_own.txt", 8),
        ("train_2_general.txt", 12),
    ]
    assert all((data.images / name).is_file() for part in data.train_parts for name in images(part.path))
    assert images(data.train_parts[1].path)[0].startswith("source_2/")
    assert b"".join(part.path.read_bytes() for part in data.train_parts) == data.train.read_bytes()
    assert "data: an epoch takes 8 of 8 from own and 3 of 12 from general" in run.said
    assert [(one.name, one.samples, one.drawn, one.source.ratio) for one in data.sources] == [
        ("own", 8, 8, 1.0),
        ("general", 12, 3, 0.25),
    ]


def test_validation_samples_are_those_of_the_first_source(run: Run, own: Path, general: Path) -> None:
    """That of the others is passed over, and that is said."""
    data = run(own, general)
    assert data.val_samples == 4
    assert all(name.startswith("source_1/") for name in images(data.val))
    assert "data: general: passed over: val.txt: validation samples are those of own alone" in run.said


def test_validation_samples_are_split_off_the_first_source(run: Run, own: Path, general: Path) -> None:
    """The others are trained on as a whole, also where they have no label file for validation."""
    (own / "val.txt").unlink()
    (general / "val.txt").unlink()
    data = run(own, general, val="0.25")
    assert data.was_split
    assert lines(data.val) == [f"source_1/{line}" for line in lines(run(own, val="0.25").val)]
    assert [part.samples for part in data.train_parts] == [8 - data.val_samples, 12]
    assert not set(images(data.val)) & set(images(data.train))


def test_what_is_split_off_is_in_no_other_source(run: Run, own: Path, general: Path) -> None:
    """Images of the team's own that general data have, too: neither is a validation image trained on."""
    (own / "val.txt").unlink()
    for name in images(own / "train.txt"):
        (general / "copies" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(own / name, general / "copies" / name)
    with (general / "train.txt").open("a", encoding="utf-8") as file:
        file.writelines(f"copies/{line}\n" for line in lines(own / "train.txt"))
    data = run(own, general, val="0.25")
    held = {(data.images / name).read_bytes() for name in images(data.val)}
    assert len(held) == data.val_samples > 0
    assert not held & {(data.images / name).read_bytes() for name in images(data.train)}
    assert [part.samples for part in data.train_parts] == [8 - len(held), 20 - len(held)]
    assert any("of the other sources" in line and "left out of training" in line for line in run.said)


def test_a_leak_across_sources_is_found_with_both_places(run: Run, own: Path, general: Path) -> None:
    """A validation image of the first that the second trains on, under another name."""
    line = lines(own / "val.txt")[2]
    shutil.copyfile(own / line.partition("\t")[0], general / "stolen.jpg")
    with (general / "train.txt").open("a", encoding="utf-8") as file:
        file.write(f"stolen.jpg\t{line.partition(chr(9))[2]}\n")
    with pytest.raises(DataError) as caught:
        run(own, general)
    said = caught.value.problem
    assert f"{own / 'val.txt'}:3: leak" in said
    assert f"{general / 'train.txt'}:13, for training, has an image with the same bytes" in said
    assert "source_" not in said
    data = run(own, general, leaks="drop")
    assert [part.samples for part in data.train_parts] == [8, 12]


def test_labels_that_disagree_across_sources_are_a_conflict(run: Run, own: Path, general: Path) -> None:
    """Each line names the other one."""
    image, _, _ = lines(own / "train.txt")[0].partition("\t")
    shutil.copyfile(own / image, general / "same.jpg")
    (general / "train.txt").write_text("same.jpg\tother\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        run(own, general)
    assert f"{own / 'train.txt'}:1: duplicate_conflict" in caught.value.problem
    assert f"{general / 'train.txt'}:1: duplicate_conflict 'same.jpg'" in caught.value.problem


def test_problems_are_of_the_users_own_files(run: Run, own: Path, general: Path) -> None:
    """Line by line, also for lines that hold no sample, behind a BOM and blank lines."""
    text = (
        "\ufefftrain/00000.jpg\tgood\r\n\r\nno.jpg\tmissing\r\nno tab\r\n\\\\host\\share\\other.jpg\tword\r\n"
    )
    (general / "train.txt").write_bytes(text.encode())
    with pytest.raises(DataError) as caught:
        run(own, general)
    said = caught.value.problem
    assert f"{general / 'train.txt'}:3: image_missing 'no.jpg'" in said
    assert f"{general / 'train.txt'}:4: no_tab 'no tab'" in said
    assert f"{general / 'train.txt'}:5: bad_path" in said
    assert "source_2" not in said
    data = run(own, general, on_bad_sample="quarantine")
    assert (data.quarantined, data.train_parts[1].samples) == (3, 1)
    quarantined = lines(run.work / "quarantine.tsv")
    assert quarantined[0] == f"{general / 'train.txt'}:3\timage_missing\tno.jpg\tmissing"
    found = json.loads((run.work / "problems.json").read_text(encoding="utf-8"))["problems"]
    assert {one["file"] for one in found} == {str(general / "train.txt")}
    report = (run.work / "report.html").read_text(encoding="utf-8")
    # A long path is cut at its beginning.
    assert "/general/train.txt:3</code>" in report
    assert "labels_2" not in report


def test_a_file_in_another_encoding_is_one_problem_with_its_name(run: Run, own: Path, general: Path) -> None:
    """With the command that mends the user's file."""
    text = (general / "train.txt").read_text(encoding="utf-8")
    (general / "train.txt").write_text(text, encoding="utf-16")
    with pytest.raises(DataError) as caught:
        run(own, general)
    assert f"{general / 'train.txt'}: not_utf8" in caught.value.problem
    assert "iconv -f UTF-16 -t UTF-8 train.txt" in caught.value.problem


def test_no_good_sample_names_the_users_file(run: Run, own: Path, general: Path) -> None:
    """Quarantine leaves nothing of it."""
    (general / "train.txt").write_text("no.jpg\tmissing\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"no good sample is left in {general / 'train.txt'}"):
        run(own, general, on_bad_sample="quarantine")


def test_paths_of_other_machines_are_found_in_their_source(run: Run, own: Path, general: Path) -> None:
    """Each source finds its own, with one `strip` for all."""
    text = (general / "train.txt").read_text(encoding="utf-8")
    moved = text.replace("train/", "C:\\scans\\train\\", 1).replace("train/00001", "/home/me/train/00001")
    (general / "train.txt").write_text(moved, encoding="utf-8")
    data = run(own, general)
    assert images(data.train_parts[1].path)[:2] == ["source_2/train/00000.jpg", "source_2/train/00001.jpg"]


def test_several_images_of_a_line_stay_several(run: Run, own: Path, general: Path) -> None:
    """PaddleOCR draws one of a JSON list."""
    names = ["train/00000.jpg", "train/00001.jpg"]
    (general / "train.txt").write_text(f"{json.dumps(names)}\tword\n", encoding="utf-8")
    data = run(own, general)
    assert json.loads(images(data.train_parts[1].path)[0]) == [f"source_2/{name}" for name in names]


def test_other_tools_labels_are_mixed(run: Run, tmp_path: Path, own: Path) -> None:
    """Boxes of a labelling tool are cut out for recognition; where they come from is said."""
    make_demo(tmp_path / "pages", DemoSpec(task="det", train=2, val=1))
    tool = tmp_path / "ppocrlabel"
    shutil.copytree(tmp_path / "pages", tool / "pages")
    text = (tool / "pages" / "train.txt").read_text(encoding="utf-8")
    for name in ("train.txt", "val.txt"):
        (tool / "pages" / name).unlink()
    (tool / "pages" / "Label.txt").write_text(text.replace("train/", "pages/train/"), encoding="utf-8")
    (tool / "pages" / "fileState.txt").write_text("", encoding="utf-8")
    data = run(own, tool / "pages")
    assert any(line.startswith("pages: source: PPOCRLabel") for line in run.said)
    assert data.sources[1].samples > 2
    # A run that goes on moves its folder of data to another place.
    moved = run.work.rename(run.work.parent / "moved")
    parts = [moved / part.path.relative_to(run.work) for part in data.train_parts]
    assert all((moved / "mixed" / name).is_file() for part in parts for name in images(part))


def test_pages_are_mixed_for_detection(run: Run, tmp_path: Path) -> None:
    """Every task whose labels are known."""
    for number in (1, 2):
        make_demo(tmp_path / f"d{number}", DemoSpec(task="det", train=2, val=1, seed=number))
    data = run(tmp_path / "d1", f"{tmp_path / 'd2'} 0.5", model="det")
    assert [one.drawn for one in data.sources] == [2, 1]


def test_the_dictionary_is_that_of_the_first_source(run: Run, own: Path, general: Path) -> None:
    """Another one is passed over, and that is said."""
    (general / "dict.txt").write_text("a\nb\n", encoding="utf-8")
    assert run(own, general).dictionary != general / "dict.txt"
    assert any(line.startswith("data: general: passed over: dict.txt") for line in run.said)
    shutil.copyfile(run(own, general).dictionary or "", own / "dict.txt")
    assert run(own, general).dictionary == own / "dict.txt"


def test_the_digest_is_that_of_what_is_there(run: Run, tmp_path: Path, own: Path, general: Path) -> None:
    """Neither addresses nor ratios are in it; one byte of one part is, and the part says so."""
    first = run(own, f"{general} 0.5")
    for folder in (own, general):
        shutil.copytree(folder, tmp_path / "elsewhere" / f"{folder.name}_2")
    again = run(tmp_path / "elsewhere/own_2", f"{tmp_path / 'elsewhere/general_2'} 0.25")
    assert again.manifest.digest == first.manifest.digest
    changed_image = general / images(general / "train.txt")[0]
    changed_image.write_bytes(changed_image.read_bytes() + b"more")
    changed = run(own, f"{general} 0.5")
    assert changed.manifest.digest != first.manifest.digest
    before, now = ([one.digest for one in data.sources] for data in (first, changed))
    assert (before[0] == now[0], before[1] == now[1]) == (True, False)
    named = {entry.path for entry in first.manifest.entries if entry.kind == "labels"}
    assert named == {"train_1.txt", "train_2.txt", "val.txt"}


def test_a_ratio_of_which_nothing_is_left_is_refused(run: Run, own: Path, general: Path) -> None:
    """PaddleOCR would leave the source out without a word."""
    with pytest.raises(DataError, match=r"an epoch would take no sample of general: 0\.04 of 12"):
        run(own, f"{general} 0.04")


def test_all_folders_that_are_missing_are_named(run: Run, own: Path) -> None:
    """Before anything is fetched, and how `data` was read."""
    with pytest.raises(DataError) as caught:
        run(own, "/none/a", "/none/b 0.5")
    assert "'/none/a'" in caught.value.problem
    assert "'/none/b'" in caught.value.problem
    assert "read as 3 sources" in caught.value.hint


def test_a_system_without_links_says_so(
    run: Run, own: Path, general: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows does, where they are not allowed."""

    def refuse(_self: Path, _target: str, **_how: bool) -> None:
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with pytest.raises(DataError, match="A required privilege is not held by the client") as caught:
        run(own, general)
    assert "ratio_list" in caught.value.hint


def test_unknown_labels_are_not_mixed(run: Run, tmp_path: Path, own: Path) -> None:
    """Their image paths are not known either."""
    launch = Launch(model="rec", data=f"{own}, {tmp_path}")
    request = load_experiment(launch, EXPERIMENTS).data_request
    with pytest.raises(DataError, match="the labels of this model are not known"):
        prepare(
            replace(request, task="sr"),
            tmp_path / "w",
            tmp_path / "c",
            fetch=fetch_for_training,
            echo=run.said.append,
        )


def test_one_source_with_a_ratio_says_what_an_epoch_takes(run: Run, own: Path) -> None:
    """And is read as any other."""
    data = run(f"{own} 0.5")
    assert (data.sources, data.images) == ((), own)
    assert "data: an epoch takes 4 of 8 samples" in run.said


def test_a_path_with_commas_and_numbers_is_one_source(run: Run, own: Path) -> None:
    """It is tried on the disk first."""
    place = own.rename(own.parent / "own, 2024 0.2")
    assert (run(place).sources, run(place).images) == ((), place)


@pytest.fixture
def pushed(prefix: Prefix, general: Path) -> Prefix:
    """The general words in S3."""
    push(general, f"{prefix.uri}/general")
    return replace(prefix, prefix=f"{prefix.prefix}/general")


def test_a_source_in_s3_beside_a_folder(run: Run, own: Path, general: Path, pushed: Prefix) -> None:
    """Each is fetched to a place of its own, and the data are the same as with two folders."""
    data = run(own, f"{pushed.uri} 0.25")
    assert data.sources[1].origin == pushed.uri
    assert "data: an epoch takes 8 of 8 from own and 3 of 12 from general" in run.said
    assert data.manifest.digest == run(own, f"{general} 0.25").manifest.digest


def test_a_backup_has_all_parts_and_is_trained_on_again(
    run: Run, own: Path, pushed: Prefix, tmp_path: Path
) -> None:
    """What is in S3 is copied by the store; what comes back is one data set with a label file for each part."""
    data = run(own, f"{pushed.uri} 0.25")
    target = f"s3://{pushed.bucket}/{pushed.prefix}-kept"
    done = backup(
        data.manifest,
        images=data.images,
        labels=data.label_files,
        source_uri="",
        target=target,
        parts={one.link: (one.images, one.origin) for one in data.sources},
    )
    assert (done.copied, done.uploaded) == (12, 12 + 3)
    again = run(done.uri, overrides="Train.dataset.ratio_list=[1.0,0.25]")
    assert "data: ratio_list: an epoch takes 8 of 8 from train_1.txt, 3 of 12 from train_2.txt" in run.said
    assert again.train_samples == data.train_samples
    assert os.path.relpath(again.images, run.place).startswith("cache")
