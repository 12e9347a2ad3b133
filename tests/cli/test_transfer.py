"""fetch, push and prepare on a real S3 server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ocr_train.cli.transfer import describe_progress, fetch_for_training
from ocr_train.server.serve import ServerAddress
from ocr_train.storage.progress import Progress
from tests.cli_run import command, det_data
from tests.commands import ocr_train

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def bucket(s3_server: ServerAddress, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An address below which nothing is; the AWS variables point to its server."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name, value in s3_server.env().items():
        monkeypatch.setenv(name, value)
    return f"s3://{s3_server.bucket}/{tmp_path.name}"


def test_what_is_pushed_can_be_fetched(capsys: Capsys, bucket: str, tmp_path: Path) -> None:
    """There and back again, with the numbers as JSON; the second time nothing moves."""
    det_data(tmp_path / "data", 3)
    pushed = command(capsys, "push", tmp_path / "data", bucket, "--json", "-")
    assert pushed.code == 0, pushed.err
    assert (pushed.json["files"], pushed.json["transferred"], pushed.json["skipped"]) == (4, 4, 0)
    fetched = command(capsys, "fetch", bucket, tmp_path / "back", "--json", tmp_path / "answer.json")
    assert f"4 files fetched ({pushed.json['bytes'] / 1000:.1f} KB), 0 unchanged" in fetched.out
    again = command(capsys, "fetch", bucket, tmp_path / "back", "--json", "-")
    assert (again.json["transferred"], again.json["skipped"], again.json["deleted"]) == (0, 4, 0)
    assert json.loads((tmp_path / "answer.json").read_text())["source"] == bucket
    assert (tmp_path / "back" / "Label.txt").read_bytes() == (tmp_path / "data" / "Label.txt").read_bytes()


def test_delete_removes_what_the_source_lost(capsys: Capsys, bucket: str, tmp_path: Path) -> None:
    """Only with --delete."""
    det_data(tmp_path / "data", 3)
    command(capsys, "push", tmp_path / "data", bucket)
    (tmp_path / "data" / "img" / "2.jpg").unlink()
    assert command(capsys, "push", tmp_path / "data", bucket, "--json", "-").json["deleted"] == 0
    assert command(capsys, "push", tmp_path / "data", bucket, "--delete", "--json", "-").json["deleted"] == 1


def test_arguments_the_other_way_round_are_named(capsys: Capsys, tmp_path: Path) -> None:
    """The right command, ready to paste."""
    fetched = command(capsys, "fetch", tmp_path, "s3://bucket/prefix")
    assert fetched.code == 2
    assert f"push {tmp_path} s3://bucket/prefix" in fetched.err
    pushed = command(capsys, "push", "s3://bucket/prefix", tmp_path)
    assert pushed.code == 2
    assert f"fetch s3://bucket/prefix {tmp_path}" in pushed.err


@pytest.mark.parametrize("uri", ["bucket/prefix", "s3:/bucket", "s3://", "https://bucket/x"])
def test_a_wrong_address_exits_2(capsys: Capsys, tmp_path: Path, uri: str) -> None:
    """With the form that it should have."""
    for arguments in (("fetch", uri, tmp_path / "new"), ("push", tmp_path, uri)):
        ran = command(capsys, *arguments)
        assert ran.code == 2
        assert "s3://bucket/prefix" in ran.err


def test_nothing_to_transfer_exits_4(capsys: Capsys, bucket: str, tmp_path: Path) -> None:
    """An empty prefix, an empty folder, a missing one."""
    (tmp_path / "empty").mkdir()
    assert command(capsys, "fetch", f"{bucket}/none", tmp_path / "new").code == 4
    assert command(capsys, "push", tmp_path / "empty", bucket).code == 4
    assert command(capsys, "push", tmp_path / "missing", bucket).code == 4


def test_a_file_in_place_of_the_folder_is_said(capsys: Capsys, tmp_path: Path) -> None:
    """Before the network is asked."""
    (tmp_path / "file").write_text("x")
    ran = command(capsys, "fetch", "s3://bucket/prefix", tmp_path / "file")
    assert ran.code == 2
    assert "is a file" in ran.err


def test_data_on_s3_are_prepared(bucket: str, shared: Path, tmp_path: Path) -> None:
    """LabelMe files in a bucket, the real command line: the same digest as from the folder, and incremental."""
    source = shared / "data/labelme/balls"
    shutil.copytree(source, tmp_path / "src")
    assert ocr_train("push", "src", bucket, cwd=tmp_path).returncode == 0
    arguments = ("prepare", "--task", "det", "--json", "-", "--data")
    remote = ocr_train(*arguments, bucket, "--out", "remote", cwd=tmp_path)
    assert remote.returncode == 0, remote.stderr
    local = ocr_train(*arguments, source, "--out", "local", cwd=tmp_path)
    assert json.loads(remote.stdout)["digest"] == json.loads(local.stdout)["digest"]
    again = ocr_train(*arguments, bucket, "--out", "remote", cwd=tmp_path)
    assert "0 files fetched" in again.stderr
    assert json.loads(again.stdout)["written"] == 0


def test_images_from_s3_take_no_second_copy(capsys: Capsys, bucket: str, tmp_path: Path) -> None:
    """What was fetched is ours alone and is linked, not copied."""
    det_data(tmp_path / "data", 10)
    command(capsys, "push", tmp_path / "data", bucket)
    out = tmp_path / "out"
    ran = command(capsys, "prepare", "--task", "det", "--data", bucket, "--out", out)
    assert ran.code == 0, ran.err
    (fetched,) = (out / ".ocr-train" / "source").glob("*/img/0.jpg")
    assert (out / "img" / "0.jpg").samefile(fetched)


def test_what_the_bucket_lost_is_not_prepared(capsys: Capsys, bucket: str, tmp_path: Path) -> None:
    """A label file that is gone there would still be trained on here: the digest is that of a new machine."""
    det_data(tmp_path / "data", 10, name="train.txt")
    det_data(tmp_path / "data", 5, name="train_more.txt")
    command(capsys, "push", tmp_path / "data", bucket)
    arguments = ("prepare", "--task", "det", "--json", "-", "--overwrite", "--data", bucket, "--out")
    assert command(capsys, *arguments, tmp_path / "old").code == 0
    (tmp_path / "data" / "train_more.txt").unlink()
    command(capsys, "push", tmp_path / "data", bucket, "--delete")
    old = command(capsys, *arguments, tmp_path / "old")
    assert "1 no longer at the source" in old.err
    assert old.json["digest"] == command(capsys, *arguments, tmp_path / "new").json["digest"]


def test_two_addresses_do_not_mix(capsys: Capsys, bucket: str, tmp_path: Path) -> None:
    """The same folder prepared from one address and then from another holds the other alone."""
    det_data(tmp_path / "a", 10, name="train.txt")
    det_data(tmp_path / "b", 4, name="Label.txt")
    for name in ("a", "b"):
        command(capsys, "push", tmp_path / name, f"{bucket}/{name}")
    arguments = (
        "prepare",
        "--task",
        "det",
        "--json",
        "-",
        "--overwrite",
        "--out",
        tmp_path / "out",
        "--data",
    )
    assert command(capsys, *arguments, f"{bucket}/a").json["images"] == 10
    assert command(capsys, *arguments, f"{bucket}/b").json["images"] == 4


def test_training_data_are_fetched_exactly(bucket: str, tmp_path: Path, capsys: Capsys) -> None:
    """What `train` is given to fetch with forgets what the source has lost."""
    det_data(tmp_path / "data", 3)
    command(capsys, "push", tmp_path / "data", bucket)
    said: list[str] = []
    folder = fetch_for_training(bucket, tmp_path / "cache", said.append)
    (tmp_path / "data" / "img" / "2.jpg").unlink()
    command(capsys, "push", tmp_path / "data", bucket, "--delete")
    assert fetch_for_training(bucket, tmp_path / "cache", said.append) == folder
    assert sorted(path.name for path in (folder / "img").iterdir()) == ["0.jpg", "1.jpg"]
    assert said[-1] == "data: 0 files fetched (0 bytes), 3 unchanged here, 1 no longer at the source"


def progress(phase: str = "transferring", *, eta_s: float | None = 61.4) -> Progress:
    """The middle of a transfer."""
    return Progress(
        phase=phase,
        files=3,
        files_total=12,
        size_bytes=1_234_567,
        size_bytes_total=5_000_000_000,
        rate=2_000.0,
        eta_s=eta_s,
    )


def test_a_line_has_files_bytes_rate_and_eta() -> None:
    """All of what is known."""
    assert describe_progress(progress()) == "transferring 3/12 files  1.2 MB/5.0 GB  2.0 KB/s  ETA 0:01:01"


def test_what_is_not_known_is_left_out() -> None:
    """No ETA before the first byte, no totals while listing."""
    assert "ETA" not in describe_progress(progress(eta_s=None))
    assert describe_progress(progress("listing")) == "listing, 3 files so far"
