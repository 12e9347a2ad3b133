"""Keeping a dataset in a real S3 server, before it is trained on."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ocr_train.data.backup import MANIFEST, Backup, backup, check_target
from ocr_train.data.backup_items import Item, ItemKeeper
from ocr_train.data.labels import format_line
from ocr_train.data.manifest import DatasetManifest, build_manifest, read_manifest
from ocr_train.errors import ConfigError, DataError, StorageError
from ocr_train.storage.fetch import fetch
from ocr_train.storage.progress import Meter, Progress
from ocr_train.storage.s3 import RemoteObject, S3Bucket
from tests.s3 import Prefix
from tests.storage.fake_s3 import BUCKET, FakeS3

IMAGES = {
    "train/ภาพที่ ๑.jpg": b"first picture",
    "train/odd +&%#?[x].jpg": b"odd picture",
    "val/2.jpg": b"third picture",
}
SETS = {"train": ["train/ภาพที่ ๑.jpg", "train/odd +&%#?[x].jpg"], "val": ["val/2.jpg"]}
LABELS = {
    f"{name}.txt": "".join(format_line(image, "ข้อความ") for image in images).encode()
    for name, images in SETS.items()
}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a run has before training: images, clean label files, and the manifest of both."""

    source_uri: str
    images: Path
    labels: Mapping[str, Path]
    target: Prefix

    def manifest(self) -> DatasetManifest:
        """The manifest of the files as they are now."""
        return build_manifest(self.images, self.labels, workers=2)

    def backup(self, manifest: DatasetManifest | None = None) -> Backup:
        """Keep it."""
        return backup(
            manifest or self.manifest(),
            images=self.images,
            labels=self.labels,
            source_uri=self.source_uri,
            target=self.target.uri,
        )

    def kept(self) -> dict[str, bytes]:
        """All objects of the one dataset that is kept, by name."""
        return {name.partition("/")[2]: body for name, body in self.target.all().items()}


def label_files(folder: Path) -> dict[str, Path]:
    """Clean label files, as a run makes them beside the data."""
    folder.mkdir()
    for name, body in LABELS.items():
        (folder / name).write_bytes(body)
    return {name: folder / f"{name}.txt" for name in SETS}


def beside(prefix: Prefix) -> Prefix:
    """A prefix for backups, beside that of the data."""
    return replace(prefix, prefix=f"{prefix.prefix.rpartition('/')[0]}/เก็บ")


@pytest.fixture
def fetched(prefix: Prefix, tmp_path: Path) -> Prepared:
    """A dataset that came from S3; each of its objects there carries a mark that only a copy keeps."""
    for name, body in {**IMAGES, "not/named.jpg": b"no label names it"}.items():
        key = f"{prefix.prefix}/set/{name}"
        prefix.client.put_object(Bucket=prefix.bucket, Key=key, Body=body, Metadata={"mark": "original"})
    fetch(prefix.uri, tmp_path / "cache")
    return Prepared(
        source_uri=prefix.uri,
        images=tmp_path / "cache" / "set",
        labels=label_files(tmp_path / "labels"),
        target=beside(prefix),
    )


@pytest.fixture
def local(prefix: Prefix, tmp_path: Path) -> Prepared:
    """A dataset in a folder of this machine."""
    images = tmp_path / "data"
    for name, body in IMAGES.items():
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).write_bytes(body)
    return Prepared(
        source_uri=str(images), images=images, labels=label_files(tmp_path / "labels"), target=beside(prefix)
    )


def counts(result: Backup) -> tuple[int, int, bool]:
    """What was copied and uploaded, and whether it was there already."""
    return result.copied, result.uploaded, result.already


def without_manifest(kept: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of the dataset alone."""
    return {name: body for name, body in kept.items() if name != MANIFEST}


def test_what_came_from_s3_is_copied_by_the_store(fetched: Prepared) -> None:
    """Images are copied server-side (their metadata comes along), clean label files are uploaded."""
    result = fetched.backup()
    assert counts(result) == (3, 2, False)
    assert result.uri == f"{fetched.target.uri}/{fetched.manifest().digest}"
    assert without_manifest(fetched.kept()) == {**IMAGES, **LABELS}
    for name in IMAGES:
        key = f"{result.uri.removeprefix(f's3://{fetched.target.bucket}/')}/{name}"
        head = fetched.target.client.head_object(Bucket=fetched.target.bucket, Key=key)
        assert head["Metadata"] == {"mark": "original"}


def test_a_backup_is_a_dataset_with_the_same_digest(fetched: Prepared, tmp_path: Path) -> None:
    """Fetched again, it is exactly what was trained on, and its manifest says so."""
    manifest = fetched.manifest()
    again = tmp_path / "again"
    fetch(fetched.backup().uri, again)
    labels = {name: again / f"{name}.txt" for name in SETS}
    assert build_manifest(again, labels, workers=2).digest == manifest.digest
    assert read_manifest(again / MANIFEST) == manifest


def test_a_dataset_is_kept_once(fetched: Prepared) -> None:
    """The second run finds it and transfers nothing, even where the local files are gone."""
    manifest = fetched.manifest()
    first = fetched.backup(manifest)
    for path in fetched.images.rglob("*.jpg"):
        path.unlink()
    second = fetched.backup(manifest)
    assert counts(second) == (0, 0, True)
    assert second.uri == first.uri
    assert "already" in str(second)


def test_another_dataset_is_kept_beside_the_first(fetched: Prepared) -> None:
    """One changed label makes another digest and another folder."""
    first = fetched.backup()
    fetched.labels["val"].write_text(format_line("val/2.jpg", "other"), encoding="utf-8")
    second = fetched.backup()
    assert first.uri != second.uri
    assert counts(second) == (3, 2, False)
    assert len({name.partition("/")[0] for name in fetched.target.all()}) == 2


def test_an_object_that_changed_since_is_not_copied(fetched: Prepared, prefix: Prefix) -> None:
    """What is kept is what was fetched, not what is there by now, even of the same size."""
    prefix.put("set/val/2.jpg", b"THIRD PICTURE")
    assert counts(fetched.backup()) == (2, 3, False)
    assert without_manifest(fetched.kept()) == {**IMAGES, **LABELS}


def test_an_object_that_is_gone_is_uploaded(fetched: Prepared, prefix: Prefix) -> None:
    """A source that was tidied up meanwhile loses nothing."""
    prefix.delete("set/val/2.jpg")
    assert counts(fetched.backup()) == (2, 3, False)
    assert without_manifest(fetched.kept()) == {**IMAGES, **LABELS}


def test_a_file_that_was_edited_here_is_uploaded(fetched: Prepared) -> None:
    """The manifest is of the local files: an edited one is kept as it is here."""
    (fetched.images / "val/2.jpg").write_bytes(b"THIRD PICTURE")
    assert counts(fetched.backup()) == (2, 3, False)
    assert fetched.kept()["val/2.jpg"] == b"THIRD PICTURE"


def test_a_file_that_changes_after_the_check_stops_it(local: Prepared) -> None:
    """Other bytes than the manifest's are not kept under its digest, and no manifest is written."""
    manifest = local.manifest()
    (local.images / "val/2.jpg").write_bytes(b"THIRD PICTURE")
    with pytest.raises(DataError, match=r"2\.jpg"):
        local.backup(manifest)
    assert MANIFEST not in local.kept()


def test_a_local_dataset_is_uploaded(local: Prepared) -> None:
    """Without S3 as the source every file is sent."""
    assert counts(local.backup()) == (0, 5, False)
    assert without_manifest(local.kept()) == {**IMAGES, **LABELS}


def test_what_came_out_of_an_archive_is_uploaded(prefix: Prefix, tmp_path: Path) -> None:
    """The files of an archive are no objects that could be copied."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        for name, content in IMAGES.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    prefix.put("set.tar", body.getvalue())
    uri = f"{prefix.uri}/set.tar"
    fetch(uri, tmp_path / "cache")
    labels = label_files(tmp_path / "labels")
    prepared = Prepared(source_uri=uri, images=tmp_path / "cache", labels=labels, target=beside(prefix))
    assert counts(prepared.backup()) == (0, 5, False)
    assert without_manifest(prepared.kept()) == {**IMAGES, **LABELS}


def test_an_object_stored_in_parts_is_copied(prefix: Prefix, tmp_path: Path) -> None:
    """An ETag that is no MD5 does not keep a large image from being copied."""
    from boto3.s3.transfer import TransferConfig

    large = tmp_path / "large"
    large.write_bytes(os.urandom(6 << 20))
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    prefix.client.upload_file(str(large), prefix.bucket, f"{prefix.prefix}/large.jpg", Config=config)
    fetch(prefix.uri, tmp_path / "cache")
    labels = {"train": tmp_path / "train.txt"}
    labels["train"].write_text(format_line("large.jpg", "x"), encoding="utf-8")
    images = tmp_path / "cache"
    prepared = Prepared(source_uri=prefix.uri, images=images, labels=labels, target=beside(prefix))
    assert counts(prepared.backup()) == (1, 1, False)
    assert prepared.kept()["large.jpg"] == large.read_bytes()


def test_a_backup_that_was_cut_off_is_completed(fetched: Prepared) -> None:
    """Without its manifest it is not whole: what is right stays, what is wrong or missing is made good."""
    digest = fetched.manifest().digest
    fetched.backup()
    for name in (MANIFEST, "val/2.jpg"):
        fetched.target.delete(f"{digest}/{name}")
    fetched.target.put(f"{digest}/train.txt", b"half a file")
    assert counts(fetched.backup()) == (1, 1, False)
    assert without_manifest(fetched.kept()) == {**IMAGES, **LABELS}
    assert MANIFEST in fetched.kept()


def test_a_strange_manifest_is_not_believed(fetched: Prepared) -> None:
    """Something else by that name is neither taken for a backup nor overwritten."""
    fetched.target.put(f"{fetched.manifest().digest}/{MANIFEST}", b"something else")
    with pytest.raises(StorageError, match="is not the manifest"):
        fetched.backup()
    assert list(fetched.kept().values()) == [b"something else"]


@pytest.mark.parametrize("data", ["", "deep/"])
def test_a_target_within_the_data_is_refused(fetched: Prepared, data: str) -> None:
    """A backup that the next fetch of the data would bring along is refused before anything is sent."""
    inside = replace(fetched, target=replace(fetched.target, prefix=f"test-x/data/{data}kept"))
    inside = replace(inside, source_uri=f"s3://{fetched.target.bucket}/test-x/data")
    with pytest.raises(ConfigError, match="is inside the data"):
        inside.backup()
    assert inside.target.all() == {}


def test_a_target_beside_the_data_may_begin_like_it() -> None:
    """`data-kept` is not within `data`."""
    assert check_target("s3://bucket/data-kept/", "s3://bucket/data") == ("bucket", "data-kept")


def test_a_target_that_is_not_s3_is_refused() -> None:
    """A mistyped target is a mistake in the parameters."""
    with pytest.raises(ConfigError, match="not an S3 address"):
        check_target("backups", "s3://bucket/data")


def test_a_missing_bucket_is_named(fetched: Prepared) -> None:
    """The error says which bucket is not there, without waiting for retries."""
    with pytest.raises(StorageError, match="no-such-bucket"):
        replace(fetched, target=replace(fetched.target, bucket="no-such-bucket")).backup()


def test_images_outside_of_the_data_folder_are_refused(local: Prepared, tmp_path: Path) -> None:
    """Labels that lead out of the folder could not be trained on from a backup."""
    (tmp_path / "elsewhere.jpg").write_bytes(b"picture")
    local.labels["val"].write_text(format_line("../elsewhere.jpg", "x"), encoding="utf-8")
    with pytest.raises(DataError, match=r"\.\./elsewhere\.jpg"):
        local.backup()
    assert local.target.all() == {}


def test_progress_ends_with_all_files(fetched: Prepared) -> None:
    """Copied and uploaded files count alike."""
    seen: list[Progress] = []
    backup(
        fetched.manifest(),
        images=fetched.images,
        labels=fetched.labels,
        source_uri=fetched.source_uri,
        target=fetched.target.uri,
        on_progress=seen.append,
    )
    size = sum(len(body) for body in (*IMAGES.values(), *LABELS.values()))
    assert (seen[-1].phase, seen[-1].files_total, seen[-1].size_bytes_total) == ("transferring", 5, size)
    assert seen[-1].files == 5
    assert seen[-1].size_bytes == size


class CarelessBucket(S3Bucket):
    """A store that copies without looking at the condition, as some do."""

    def copy(self, source_bucket: str, source: RemoteObject, key: str) -> str:
        """Copy whatever is there now."""
        answer = self._client.copy_object(
            Bucket=self.name, Key=key, CopySource={"Bucket": source_bucket, "Key": source.key}
        )
        return str(answer["CopyObjectResult"]["ETag"]).strip('"')


def test_a_copy_of_other_content_is_replaced(prefix: Prefix, tmp_path: Path) -> None:
    """Where a store ignores the condition, the copy's ETag gives it away and the file itself is sent."""
    prefix.put("1.jpg", b"PICTURE")
    path = tmp_path / "1.jpg"
    path.write_bytes(b"picture")
    listed = RemoteObject(key=f"{prefix.prefix}/1.jpg", size=7, etag="0" * 32)
    bucket = CarelessBucket(prefix.bucket)
    try:
        keeper = ItemKeeper(bucket, f"{prefix.prefix}/kept", meter=Meter(None, clock=lambda: 0.0))
        kept = keeper(Item("1.jpg", path, 7, "", origin=listed, origin_bucket=prefix.bucket))
    finally:
        bucket.close()
    assert kept.how == "uploaded"
    assert prefix.all()["kept/1.jpg"] == b"picture"


def test_a_store_that_refuses_to_copy_is_sent_the_file(fake: FakeS3, tmp_path: Path) -> None:
    """Credentials that may write but not copy are enough."""
    path = tmp_path / "1.jpg"
    path.write_bytes(b"picture")
    fake.faults["kept/1.jpg"] = ["403"]
    bucket = S3Bucket(BUCKET, sleep=threading.Event().wait)
    try:
        keeper = ItemKeeper(bucket, "kept", meter=Meter(None, clock=lambda: 0.0))
        origin = RemoteObject(key="1.jpg", size=7, etag="0" * 32)
        kept = keeper(Item("1.jpg", path, 7, "", origin=origin, origin_bucket=BUCKET))
    finally:
        bucket.close()
    assert kept.how == "uploaded"
    assert fake.objects == {"kept/1.jpg": b"picture"}


def test_more_than_one_request_may_copy_is_uploaded(
    fetched: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object beyond CopyObject's limit (5 GiB, here lowered) is not lost: it is sent in parts."""
    monkeypatch.setattr("ocr_train.data.backup_items.LONGEST_COPY_BYTES", 12)
    assert counts(fetched.backup()) == (1, 4, False)
    assert without_manifest(fetched.kept()) == {**IMAGES, **LABELS}
