"""Splitting: the same on every machine, stable as data grows, never through the middle of a document."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_train.data.labels import LabelLine, read_labels
from ocr_train.data.splits import split as split_module
from ocr_train.data.splits.split import Split, group_key, split, split_file
from ocr_train.errors import ConfigError, DataError
from tests.fuzz import cases

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"


def make_lines(images: list[str], labels: list[str] | None = None) -> list[LabelLine]:
    """Samples as they come out of a label file."""
    texts = labels or ["text"] * len(images)
    return [
        LabelLine(file=Path("labels.txt"), line=number, image=image, label=text)
        for number, (image, text) in enumerate(zip(images, texts, strict=True), start=1)
    ]


def sides(done: Split) -> dict[str, str]:
    """The set of each image."""
    return {line.image: name for name, held in done.named().items() for line in held}


def characters(lines: tuple[LabelLine, ...]) -> set[str]:
    """All characters of recognition labels."""
    return set().union(*(line.label for line in lines))


PAGES = [f"img/{number:04d}.jpg" for number in range(400)]
BOXES = json.dumps([{"transcription": "a", "points": [[0, 0], [9, 0], [9, 9], [0, 9]]}])


def test_known_samples_fall_where_they_always_fell() -> None:
    """The assignment is part of the format: another version or machine gives the same one."""
    done = split(make_lines(PAGES[:12]), val=0.3, test=0.2, seed=7)
    numbers = {name: [int(line.image[4:8]) for line in held] for name, held in done.named().items()}
    assert numbers == {"train": [0, 3, 8, 9, 10, 11], "val": [2, 4, 6], "test": [1, 5, 7]}


@settings(max_examples=cases(60), deadline=None)
@given(st.integers(10, 399), st.integers(0, 5), st.randoms())
def test_adding_data_never_moves_an_old_sample(count: int, seed: int, random: Random) -> None:
    """Whatever comes later, and in whatever order, an old sample stays in its set."""
    whole = make_lines(PAGES)
    random.shuffle(whole)
    old = split(whole[:count], val=0.25, test=0.1, seed=seed)
    if old.notes:  # a set that would have been empty was filled, which is said
        return
    new = sides(split(whole, val=0.25, test=0.1, seed=seed))
    assert {image: new[image] for image in sides(old)} == sides(old)


def test_correcting_a_label_does_not_move_its_sample() -> None:
    """The text is not part of what decides."""
    before = split(make_lines(PAGES, ["text"] * 400), val=0.2)
    after = split(make_lines(PAGES, ["exte"] * 400), val=0.2)
    assert sides(before) == sides(after)


def test_shares_come_out_close_to_what_was_asked() -> None:
    """Of 400 pages, 0.2 and 0.1 come out within a few percent."""
    done = split(make_lines(PAGES), val=0.2, test=0.1)
    assert 60 <= len(done.val) <= 100
    assert 25 <= len(done.test) <= 55
    assert len(done.train) + len(done.val) + len(done.test) == 400


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    """The seed decides, and nothing else does."""
    lines = make_lines(PAGES)
    assert split(lines, val=0.2, seed=1) == split(lines, val=0.2, seed=1)
    assert sides(split(lines, val=0.2, seed=1)) != sides(split(lines, val=0.2, seed=2))


def test_a_larger_val_keeps_what_was_in_val() -> None:
    """Raising a share only adds to the set."""
    lines = make_lines(PAGES)
    small, large = split(lines, val=0.1, test=0.1), split(lines, val=0.3, test=0.1)
    assert {line.image for line in small.val} < {line.image for line in large.val}
    assert small.test == large.test


def test_crops_of_one_page_stay_together() -> None:
    """PPOCRLabel's and our crop names are grouped by their page."""
    images = [f"crop_img/page{page}_crop_{crop}.jpg" for page in range(60) for crop in range(5)]
    where = sides(split(make_lines(images), val=0.3, test=0.2))
    for page in range(60):
        assert len({where[f"crop_img/page{page}_crop_{crop}.jpg"] for crop in range(5)}) == 1
    assert set(where.values()) == {"train", "val", "test"}


def test_an_image_listed_twice_stays_in_one_set_in_whatever_spelling() -> None:
    """`./a.jpg`, `a.jpg` and a backslash path are one image."""
    assert group_key("./img\\a.jpg") == group_key("img//a.jpg") == group_key("img/a.jpg") == "img/a"
    assert group_key("a/1.jpg") != group_key("b/1.jpg")


def test_group_by_takes_documents_together() -> None:
    """The groups of the regular expression are the key."""
    images = [f"scan/doc{document}_p{page}.png" for document in range(40) for page in range(4)]
    done = split(make_lines(images), val=0.3, group_by=r"(doc\d+)_p\d+")
    where = sides(done)
    for document in range(40):
        assert len({where[f"scan/doc{document}_p{page}.png"] for page in range(4)}) == 1
    assert done.notes == ()


def test_group_by_that_misses_samples_says_so() -> None:
    """A pattern that does not match is a note, and its samples are grouped by page."""
    done = split(make_lines([*PAGES, "other.jpg"]), val=0.3, group_by=r"img/\d+")
    assert "matches 400 of 401" in done.notes[0]
    assert "'other.jpg'" in done.notes[0]


@pytest.mark.parametrize("count", range(2, 12))
def test_tiny_sets_have_both_train_and_val(count: int) -> None:
    """With two groups or more neither set is empty, whatever the seed."""
    for seed in range(30):
        done = split(make_lines(PAGES[:count]), val=0.1, seed=seed)
        assert done.train
        assert done.val


def test_three_groups_fill_three_sets() -> None:
    """With a test share, test gets a group, too."""
    for seed in range(30):
        assert all(split(make_lines(PAGES[:3]), val=0.1, test=0.1, seed=seed).named().values())


def test_one_group_goes_to_train_with_a_note() -> None:
    """A single page is never torn apart."""
    done = split(make_lines(["p_crop_0.jpg", "p_crop_1.jpg"]), val=0.5, seed=3)
    assert len(done.train) == 2
    assert "val is empty" in " ".join(done.notes)


def test_no_val_share_leaves_val_empty() -> None:
    """val=0 is allowed: everything is for training."""
    assert split(make_lines(PAGES), val=0).val == ()


@settings(max_examples=cases(80), deadline=None)
@given(st.lists(st.text("abcdefghij", min_size=1, max_size=4), min_size=2, max_size=80), st.integers(0, 9))
def test_val_has_no_character_that_train_lacks_or_it_is_said(texts: list[str], seed: int) -> None:
    """Groups go from val to train for a character; only a last group of val may stay, with a note."""
    done = split(make_lines(PAGES[: len(texts)], texts), val=0.4, seed=seed)
    lacking = characters(done.val) - characters(done.train)
    assert len(done.train) + len(done.val) == len(texts)
    if lacking:
        assert len(done.val) == 1
        assert f"val has characters that train lacks: {''.join(sorted(lacking))!r}" in " ".join(done.notes)


def test_a_last_group_leaves_val_once_another_has_taken_a_place_there() -> None:
    """Its character is then in train, as every other."""
    done = split(make_lines(PAGES[:6], ["a", "b", "c", "a", "a", "a"]), val=0.4, seed=6)
    assert {line.label for line in done.val} == {"a"}


def test_a_character_of_one_sample_goes_to_train_and_is_reported() -> None:
    """The sample with the only Ω is moved out of val, by name."""
    lines = make_lines(PAGES)
    held_out = split(lines, val=0.2).val[0].image
    marked = make_lines(PAGES, ["Ω" if image == held_out else "text" for image in PAGES])
    done = split(marked, val=0.2)
    assert sides(done)[held_out] == "train"
    assert held_out.removesuffix(".jpg") in done.notes[0]


def test_detection_pages_are_not_moved_for_a_character() -> None:
    """A detector reads no text: the characters are reported, the pages stay."""
    labels = [
        json.dumps([{"transcription": chr(0x4E00 + n), "points": [[0, 0], [9, 0], [9, 9], [0, 9]]}])
        for n in range(400)
    ]
    done = split(make_lines(PAGES, labels), val=0.2)
    assert sides(done) == sides(split(make_lines(PAGES), val=0.2))
    assert "A detector does not read them" in done.notes[0]


def test_an_earlier_split_stays_as_it_was() -> None:
    """With `earlier`, not even a rare character moves an old sample; new ones are placed by the hash."""
    lines = make_lines(PAGES[:200])
    first = split(lines, val=0.2, seed=1)
    second = split(make_lines(PAGES), val=0.4, seed=2, earlier=first)
    assert {image: sides(second)[image] for image in sides(first)} == sides(first)
    assert any(line.image in PAGES[200:] for line in second.val)


@pytest.mark.parametrize("count", range(5, 50, 4))
@pytest.mark.parametrize("label", ["text", BOXES], ids=["rec", "det"])
def test_few_groups_keep_the_share(count: int, label: str) -> None:
    """With fewer than 50 groups a set is at most one group away from its share, which is said where the hash would miss it."""
    for seed in range(12):
        done = split(make_lines(PAGES[:count], [label] * count), val=0.2, test=0.2, seed=seed)
        assert abs(len(done.val) - 0.2 * count) <= 1
        assert abs(len(done.test) - 0.2 * count) <= 1


@pytest.mark.parametrize("count", [15, 25, 40])
def test_few_groups_keep_the_share_where_characters_are_rare(count: int) -> None:
    """Groups that leave val for a character are replaced by such that train can spare."""
    images = [f"page{page}_crop_{crop}.jpg" for page in range(count) for crop in range(4)]
    for seed in range(12):
        letters = Random(seed)
        texts = ["".join(letters.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=5)) for _ in images]
        done = split(make_lines(images, texts), val=0.2, seed=seed)
        assert abs(len(done.val) - 0.2 * len(images)) <= 5
        assert characters(done.val) <= characters(done.train)


def test_few_groups_of_different_sizes_keep_the_share_of_samples() -> None:
    """A page with most of the crops does not become the set for validation."""
    images = [f"large_crop_{crop}.jpg" for crop in range(50)] + PAGES[:20]
    for seed in range(20):
        assert 7 <= len(split(make_lines(images), val=0.2, seed=seed).val) <= 21


def test_groups_that_are_counted_out_are_those_of_the_largest_hash() -> None:
    """So the same data give the same sets, in whatever order they come."""
    seed = next(seed for seed in range(50) if len(split(make_lines(PAGES[:12]), val=0.2, seed=seed).notes))
    done = split(make_lines(PAGES[:12]), val=0.2, seed=seed)
    assert "12 groups are few for a hash" in done.notes[0]
    assert sides(done) == sides(split(make_lines(PAGES[:12][::-1]), val=0.2, seed=seed))
    larger = {
        image
        for image, side in sides(split(make_lines(PAGES[:12]), val=0.4, seed=seed)).items()
        if side == "val"
    }
    assert {line.image for line in done.val} <= larger


def test_lines_that_share_an_image_of_a_list_stay_together() -> None:
    """PaddleOCR draws one of a list's images: each of them is trained on."""
    images = [*PAGES[:60], json.dumps(PAGES[:2]), json.dumps(["./" + PAGES[1], PAGES[30]])]
    for seed in range(10):
        where = sides(split(make_lines(images), val=0.3, seed=seed))
        assert len({where[image] for image in (PAGES[0], PAGES[1], PAGES[30], *images[60:])}) == 1


def test_equal_bytes_stay_together(tmp_path: Path) -> None:
    """Copies under other names, in whatever folder: no validation image was trained on."""
    (tmp_path / "copies").mkdir()
    for number in range(20):
        for name in (f"a{number}.jpg", f"copies/{number}.jpg"):
            (tmp_path / name).write_bytes(f"picture {number:02d}".encode())
    names = [*(f"a{number}.jpg" for number in range(20)), *(f"copies/{number}.jpg" for number in range(20))]
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"{name}\ttext\n" for name in names), encoding="utf-8")
    done = split_file(labels, tmp_path, val=0.3)
    content = {
        name: {(tmp_path / image).read_bytes() for image in images_of(tmp_path / f"{name}.txt")}
        for name in ("train", "val")
    }
    assert done.samples["val"]
    assert content["train"].isdisjoint(content["val"])


def test_a_copy_that_is_added_later_does_not_move_its_image() -> None:
    """The first line of an image decides where it and what is the same go."""
    whole = make_lines(PAGES)
    before = sides(split(whole, val=0.25))
    after = sides(
        split([*whole, *make_lines([json.dumps([image, f"new/{image}"]) for image in PAGES[:50]])], val=0.25)
    )
    assert {image: after[image] for image in before} == before


def test_lines_that_disagree_about_an_image_are_noted() -> None:
    """A split does not decide who is right; other spellings of the same boxes do not disagree."""
    done = split(make_lines([*PAGES, "./" + PAGES[7]], ["text"] * 400 + ["other"]), val=0.2)
    assert (
        "1 line has an image that a line before has with another label (duplicate_conflict)" in done.notes[-1]
    )
    assert "labels.txt:8" in done.notes[-1]
    spelled = json.dumps(json.loads(BOXES), indent=1).replace("\n", "")
    assert split(make_lines([*PAGES, PAGES[7]], [BOXES] * 400 + [spelled]), val=0.2).notes == ()


def test_a_file_that_changes_while_it_is_split_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read several times: nothing is written that fits no version of it."""
    labels = write_labels(tmp_path, PAGES[:20])
    plain = split_module._plan

    def then_changed(*args: Any, **kwargs: Any) -> Any:
        plan = plain(*args, **kwargs)
        labels.write_text("img/0001.jpg\ttext\n", encoding="utf-8")
        return plan

    monkeypatch.setattr(split_module, "_plan", then_changed)
    with pytest.raises(DataError, match="was changed while it was split"):
        split_file(labels, tmp_path / "out", val=0.2)
    assert list((tmp_path / "out").iterdir()) == []


GROWTH = """
import resource, sys
from pathlib import Path
from ocr_train.data.splits.split import split_file

for name in sys.argv[2:]:
    split_file(Path(sys.argv[1]) / name, Path(sys.argv[1]) / "out", val=0.2, overwrite=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
def test_memory_hardly_grows_with_the_number_of_lines(tmp_path: Path) -> None:
    """A million lines need some 130 MB: the file is gone through, and never held."""
    for name, lines in (("small.txt", 20_000), ("large.txt", 220_000)):
        with (tmp_path / name).open("w") as file:
            file.writelines(
                f"img/page_{line // 5}_crop_{line % 5}.jpg\ttext {line % 100}\n" for line in range(lines)
            )
    command = [sys.executable, "-c", GROWTH, str(tmp_path), "small.txt", "large.txt"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    small_mb, large_mb = map(float, output.split())
    assert large_mb - small_mb < 35


@pytest.mark.parametrize("shares", [(1.0, 0.0), (-0.1, 0.0), (0.5, 0.5), (float("nan"), 0.0), (0.1, 2.0)])
def test_impossible_shares_are_refused(shares: tuple[float, float]) -> None:
    """Shares that leave nothing for training are a ConfigError."""
    with pytest.raises(ConfigError, match="leave nothing for training"):
        split(make_lines(PAGES), val=shares[0], test=shares[1])


def test_a_wrong_pattern_is_refused() -> None:
    """A regular expression that does not compile is a ConfigError that quotes it."""
    with pytest.raises(ConfigError, match=re.escape("group_by='('")):
        split(make_lines(PAGES), val=0.1, group_by="(")


def test_nothing_to_split_is_refused() -> None:
    """No samples are a DataError, not two empty files."""
    with pytest.raises(DataError, match="no samples"):
        split([], val=0.1)


def write_labels(folder: Path, images: list[str]) -> Path:
    """A label file and its (empty) images."""
    for image in images:
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        (folder / image).touch()
    path = folder / "labels.txt"
    path.write_text("".join(f"{image}\ttext\n" for image in images), encoding="utf-8")
    return path


def images_of(path: Path) -> list[str]:
    """The images that a label file names."""
    return [line.image for line in read_labels(path) if isinstance(line, LabelLine)]


def test_split_file_keeps_paths_in_the_same_folder(tmp_path: Path) -> None:
    """Next to the label file the paths stay as written, and no test.txt appears unasked."""
    labels = write_labels(tmp_path, PAGES[:20])
    split_file(labels, tmp_path, val=0.3)
    found = images_of(tmp_path / "train.txt") + images_of(tmp_path / "val.txt")
    assert sorted(found) == PAGES[:20]
    assert not (tmp_path / "test.txt").exists()


def test_split_file_rewrites_paths_for_another_folder(tmp_path: Path) -> None:
    """Every path leads from the new folder to the image, which is neither copied nor moved."""
    labels = write_labels(tmp_path / "data", PAGES[:20])
    out = tmp_path / "a" / "b"
    split_file(labels, out, val=0.3, test=0.2)
    found = list(
        itertools.chain.from_iterable(images_of(out / f"{name}.txt") for name in ("train", "val", "test"))
    )
    assert len(found) == 20
    assert all((out / image).is_file() for image in found)
    assert sorted(path.name for path in out.iterdir()) == ["test.txt", "train.txt", "val.txt"]


def test_split_file_finds_the_images_of_ppocrlabel(tmp_path: Path) -> None:
    """Paths `<folder>/<image>` inside that folder are relative to its parent."""
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "a.jpg").touch()
    (folder / "b.jpg").touch()
    labels = folder / "Label.txt"
    labels.write_text("scans/a.jpg\t[]\nscans/b.jpg\t[]\n", encoding="utf-8")
    split_file(labels, tmp_path / "out", val=0.5)
    found = images_of(tmp_path / "out" / "train.txt") + images_of(tmp_path / "out" / "val.txt")
    assert sorted(found) == ["../scans/a.jpg", "../scans/b.jpg"]


def test_split_file_does_not_overwrite_another_split(tmp_path: Path) -> None:
    """The same content may be written again; other content is refused and nothing is touched."""
    labels = write_labels(tmp_path, PAGES[:40])
    split_file(labels, tmp_path, val=0.3)
    split_file(labels, tmp_path, val=0.3)
    before = {name: (tmp_path / name).read_bytes() for name in ("train.txt", "val.txt")}
    with pytest.raises(DataError, match="content is different"):
        split_file(labels, tmp_path, val=0.3, seed=1)
    assert before == {name: (tmp_path / name).read_bytes() for name in ("train.txt", "val.txt")}
    split_file(labels, tmp_path, val=0.3, seed=1, overwrite=True)
    assert before["val.txt"] != (tmp_path / "val.txt").read_bytes()


def test_split_file_keeps_an_earlier_split_in_place(tmp_path: Path) -> None:
    """`earlier` with `overwrite` grows a split: old samples stay, in whatever folder it was written."""
    data, out = tmp_path / "data", tmp_path / "out"
    split_file(write_labels(data, PAGES[:20]), out, val=0.3)
    old = {image: name for name in ("train", "val") for image in images_of(out / f"{name}.txt")}
    split_file(write_labels(data, PAGES[:60]), out, val=0.5, seed=9, earlier=out, overwrite=True)
    new = {image: name for name in ("train", "val") for image in images_of(out / f"{name}.txt")}
    assert len(new) == 60
    assert {image: new[image] for image in old} == old


def test_lines_without_a_sample_are_named(tmp_path: Path) -> None:
    """A line without a tab is in no set, and the note says which line it is."""
    labels = write_labels(tmp_path, PAGES[:5])
    with labels.open("a", encoding="utf-8") as more:
        more.write("no tab here\n")
    assert "labels.txt:6 (no_tab)" in split_file(labels, tmp_path / "out", val=0.3).notes[-1]


def test_a_missing_label_file_is_a_data_error(tmp_path: Path) -> None:
    """A wrong path is said, not traced."""
    with pytest.raises(DataError, match="cannot be read"):
        split_file(tmp_path / "none.txt", tmp_path, val=0.2)


def test_real_crops_never_leak_a_page() -> None:
    """800 crops of the wires set: no page on both sides, val's characters all in train."""
    labels = SHARED / "wires" / "rec" / "train.txt"
    if not labels.exists():
        pytest.skip("../shared/data/wires is absent")
    lines = [line for line in read_labels(labels) if isinstance(line, LabelLine)]
    done = split(lines, val=0.2)
    pages = {name: {group_key(line.image) for line in held} for name, held in done.named().items()}
    assert len(lines) == 800
    assert pages["train"].isdisjoint(pages["val"])
    assert characters(done.val) <= characters(done.train)
    assert 0.12 < len(done.val) / 800 < 0.28


def test_foreign_paths_are_written_as_they_are_found(tmp_path: Path) -> None:
    """The sets name images that are there; `strip` is left out of their beginning."""
    (tmp_path / "img").mkdir()
    for number in range(4):
        (tmp_path / "img" / f"{number}.jpg").write_bytes(bytes([number]))
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"C:\\x\\img\\{number}.jpg\ta\n" for number in range(4)))
    split_file(labels, tmp_path / "sets", val=0.25)
    split_file(labels, tmp_path / "more", val=0.25, strip="C:/x/img", images=tmp_path / "img")
    for folder in ("sets", "more"):
        lines = [
            line
            for name in ("train", "val")
            for line in (tmp_path / folder / f"{name}.txt").read_text().splitlines()
        ]
        assert sorted(line.partition("\t")[0] for line in lines) == [
            f"../img/{number}.jpg" for number in range(4)
        ]


def test_a_file_in_another_encoding_is_said_to_be_one(tmp_path: Path) -> None:
    """Its lines are none."""
    labels = tmp_path / "labels.txt"
    labels.write_bytes("a.jpg\ta\nb.jpg\tb\n".encode("utf-16"))
    with pytest.raises(DataError, match="the file is UTF-16"):
        split_file(labels, tmp_path / "sets", val=0.5)
