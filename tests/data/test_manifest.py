"""The manifest: one digest for the same data wherever it lies, another for one changed byte."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from random import Random

import pytest

from ocr_train.data.manifest import (
    DatasetManifest,
    ManifestEntry,
    build_manifest,
    read_manifest,
    samples_digest,
    write_manifest,
)
from ocr_train.errors import ConfigError, DataError


def make_data(folder: Path) -> dict[str, Path]:
    """Two label files that share one image; a Thai name, and a folder of their own."""
    for number, name in enumerate(["a.jpg", "sub/b.jpg", "ป้าย.jpg", "c.jpg"]):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * 3_000_000 if number == 0 else bytes([number]) * 10)
    train, val = folder / "train.txt", folder / "val.txt"
    train.write_text(
        "images/a.jpg\tone\nimages/sub/b.jpg\ttwo\nimages/ป้าย.jpg\tสาม\nimages/a.jpg\tone\n", encoding="utf-8"
    )
    val.write_text("images/c.jpg\tfour\n./images/sub/../a.jpg\tone\n", encoding="utf-8")
    return {"train": train, "val": val}


def test_every_file_is_listed_with_its_size_and_hash(tmp_path: Path) -> None:
    """Label files and images, once per set, sorted by path."""
    manifest = build_manifest(tmp_path, make_data(tmp_path), workers=2)
    listed = [(entry.path, entry.split, entry.kind, entry.size_bytes) for entry in manifest.entries]
    assert listed == [
        ("images/a.jpg", "train", "image", 3_000_000),
        ("images/a.jpg", "val", "image", 3_000_000),
        ("images/c.jpg", "val", "image", 10),
        ("images/sub/b.jpg", "train", "image", 10),
        ("images/ป้าย.jpg", "train", "image", 10),
        ("train.txt", "train", "labels", (tmp_path / "train.txt").stat().st_size),
        ("val.txt", "val", "labels", (tmp_path / "val.txt").stat().st_size),
    ]
    assert manifest.entries[0].sha256 == hashlib.sha256(bytes(3_000_000)).hexdigest()
    assert manifest.counts == {"train": 3, "val": 2}
    labels_bytes = sum(path.stat().st_size for path in tmp_path.glob("*.txt"))
    assert manifest.size_bytes == 3_000_030 + labels_bytes


def test_the_digest_is_that_of_the_format(tmp_path: Path) -> None:
    """A fixed input has a fixed digest: path, NUL, SHA-256, NUL, set, line end; sorted; SHA-256; 32
    characters."""
    (tmp_path / "train.txt").write_bytes(b"x.jpg\tx\n")
    (tmp_path / "x.jpg").write_bytes(b"x")
    lines = "".join(
        f"{name}\0{hashlib.sha256(data).hexdigest()}\0train\n"
        for name, data in (("train.txt", b"x.jpg\tx\n"), ("x.jpg", b"x"))
    )
    digest = build_manifest(tmp_path, {"train": tmp_path / "train.txt"}, workers=1).digest
    assert digest == hashlib.sha256(lines.encode()).hexdigest()[:32]


def test_a_copy_elsewhere_with_other_times_has_the_same_digest(tmp_path: Path) -> None:
    """Folder, modification time, number of threads and order of the sets do not count."""
    splits = make_data(tmp_path / "here")
    first = build_manifest(tmp_path / "here", splits, workers=1)
    there = tmp_path / "over" / "there"
    shutil.copytree(tmp_path / "here", there, copy_function=shutil.copyfile)
    for path in there.rglob("*.jpg"):
        os.utime(path, (1, 1))
    moved = {name: there / path.name for name, path in reversed(list(splits.items()))}
    assert build_manifest(there, moved, workers=4).digest == first.digest


def test_a_relative_folder_gives_the_same_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the folder is written does not count."""
    splits = make_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    relative = build_manifest(Path(), {name: Path(path.name) for name, path in splits.items()}, workers=2)
    assert relative == build_manifest(tmp_path, splits, workers=2)


def test_the_order_of_entries_does_not_count(tmp_path: Path) -> None:
    """A shuffled manifest has the same digest."""
    manifest = build_manifest(tmp_path, make_data(tmp_path), workers=2)
    shuffled = list(manifest.entries)
    Random(1).shuffle(shuffled)
    assert shuffled != list(manifest.entries)
    assert DatasetManifest(tuple(shuffled)).digest == manifest.digest


@pytest.mark.parametrize("change", ["byte", "label", "name", "set"])
def test_any_change_gives_another_digest(tmp_path: Path, change: str) -> None:
    """One byte of an image or label, a name, or the set of a sample."""
    splits = make_data(tmp_path)
    before = build_manifest(tmp_path, splits, workers=2).digest
    if change == "byte":
        (tmp_path / "images" / "c.jpg").write_bytes(bytes([3]) * 9 + b"\x04")
    if change == "label":
        splits["val"].write_bytes(splits["val"].read_bytes().replace(b"four", b"five"))
    if change == "name":
        (tmp_path / "images" / "c.jpg").rename(tmp_path / "images" / "d.jpg")
        splits["val"].write_bytes(splits["val"].read_bytes().replace(b"c.jpg", b"d.jpg"))
    if change == "set":
        splits = {"train": splits["train"], "test": splits["val"]}
    assert build_manifest(tmp_path, splits, workers=2).digest != before


def test_the_digest_of_samples_knows_no_names(tmp_path: Path) -> None:
    """The same images and labels under other names, in another order, beside other training data."""
    for folder, names in ((tmp_path / "a", ("x.jpg", "y.jpg")), (tmp_path / "b", ("sub/2.jpg", "sub/1.jpg"))):
        (folder / "sub").mkdir(parents=True)
        for name, content in zip(names, (b"one", b"two"), strict=True):
            (folder / name).write_bytes(content)
        lines = [f"{name}\t{label}\n" for name, label in zip(names, ("A", "B"), strict=True)]
        (folder / "val.txt").write_text("".join(sorted(lines)))
        (folder / "train.txt").write_text(lines[0] if folder.name == "a" else "".join(lines))

    def digest(folder: Path) -> str:
        labels = {"train": folder / "train.txt", "val": folder / "val.txt"}
        return samples_digest(build_manifest(folder, labels, workers=1), labels["val"], "val")

    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    (tmp_path / "b" / "val.txt").write_text("sub/1.jpg\tB\nsub/2.jpg\tC\n")
    assert digest(tmp_path / "a") != digest(tmp_path / "b")


def test_images_may_be_relative_to_the_label_file(tmp_path: Path) -> None:
    """A label file in a folder of its own names images from there; the manifest names them from the top."""
    (tmp_path / "det").mkdir()
    (tmp_path / "det" / "x.jpg").write_bytes(b"x")
    (tmp_path / "det" / "train.txt").write_text("x.jpg\t[]\n")
    manifest = build_manifest(tmp_path, {"train": tmp_path / "det" / "train.txt"}, workers=1)
    assert [entry.path for entry in manifest.entries] == ["det/train.txt", "det/x.jpg"]


def test_missing_images_are_all_reported(tmp_path: Path) -> None:
    """The error says how many are missing and the line of each of the first ten."""
    labels = tmp_path / "train.txt"
    labels.write_text("".join(f"{number}.jpg\tx\n" for number in range(12)))
    with pytest.raises(DataError, match="12 images") as raised:
        build_manifest(tmp_path, {"train": labels}, workers=2)
    assert "train.txt:10 '9.jpg'" in raised.value.problem
    assert "and 2 more" in raised.value.problem


def test_no_workers_are_refused(tmp_path: Path) -> None:
    """Zero threads would never end."""
    with pytest.raises(ConfigError, match="workers=0"):
        build_manifest(tmp_path, make_data(tmp_path), workers=0)


def test_a_manifest_survives_writing_and_reading(tmp_path: Path) -> None:
    """What is read is what was written, and no temporary file stays."""
    manifest = build_manifest(tmp_path, make_data(tmp_path), workers=2)
    write_manifest(manifest, tmp_path / "out" / "manifest.jsonl")
    assert read_manifest(tmp_path / "out" / "manifest.jsonl") == manifest
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.jsonl"]
    assert "images/ป้าย.jpg" in (tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8")


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    """The digest in the first line must be that of the files."""
    path = tmp_path / "manifest.jsonl"
    write_manifest(
        DatasetManifest((ManifestEntry(path="a.jpg", split="val", kind="image", size_bytes=1, sha256="00"),)),
        path,
    )
    path.write_text(path.read_text().replace('"val", "kind"', '"train", "kind"'))
    with pytest.raises(DataError, match="was changed"):
        read_manifest(path)


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"[]\n", b"\xff\n", b"not json\n", b'{"format": "x", "version": 1}\n']
)
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever the file holds, the error names it."""
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.jsonl"):
        read_manifest(path)


def test_odd_characters_in_a_path_survive(tmp_path: Path) -> None:
    """A line separator of Unicode is not a line end of the manifest."""
    manifest = DatasetManifest(
        (ManifestEntry(path="a\u2028b\x85.jpg", split="val", kind="image", size_bytes=1, sha256="00"),)
    )
    write_manifest(manifest, tmp_path / "manifest.jsonl")
    assert read_manifest(tmp_path / "manifest.jsonl") == manifest
