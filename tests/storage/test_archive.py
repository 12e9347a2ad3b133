"""Archives as data sets: extracted whole and safely, or not at all."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_train.errors import ConfigError, StorageError
from ocr_train.storage.archive import extract_archive, is_archive, refuse_unread
from ocr_train.storage.fetch import fetch
from ocr_train.storage.keys import PRIVATE_FOLDER
from ocr_train.storage.local import Written
from tests.s3 import Prefix

FILES = {"Label.txt": "ภาพ/๑.jpg\t[]\n".encode(), "ภาพ/๑.jpg": b"image", "empty": b""}


def make_tar(path: Path, files: dict[str, bytes], *, mode: str = "w", start: str = "") -> Path:
    """A tar archive of these files."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # the mode is a parameter
        for name, body in files.items():
            info = tarfile.TarInfo(start + name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return path


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    """A zip archive of these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return path


MAKERS: dict[str, Callable[[Path], Path]] = {
    "tar": lambda p: make_tar(p / "d.tar", FILES),
    "dot-slash": lambda p: make_tar(p / "d.tar", FILES, start="./"),
    "tar.gz": lambda p: make_tar(p / "d.tar.gz", FILES, mode="w:gz"),
    "tgz": lambda p: make_tar(p / "d.tgz", FILES, mode="w:gz"),
    "zip": lambda p: make_zip(p / "d.zip", FILES),
}


def content(folder: Path) -> dict[str, bytes]:
    """All files below a folder by name, without our records."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and PRIVATE_FOLDER not in path.parts
    }


@pytest.fixture
def extract(tmp_path: Path) -> Callable[..., dict[str, Written]]:
    """Extract an archive into tmp_path/data."""

    def call(archive: Path, limit_bytes: int = 10**9) -> dict[str, Written]:
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "parts").mkdir(exist_ok=True)
        return extract_archive(archive, tmp_path / "data", parts=tmp_path / "parts", limit_bytes=limit_bytes)

    return call


@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_is_extracted(
    kind: str, tmp_path: Path, extract: Callable[..., dict[str, Written]]
) -> None:
    """Names and bytes come out as they went in."""
    made = extract(MAKERS[kind](tmp_path))
    assert content(tmp_path / "data") == FILES
    assert {name: file.size for name, file in made.items()} == {
        name: len(body) for name, body in FILES.items()
    }


def test_only_some_names_are_archives() -> None:
    """The end of the name decides, in any case."""
    names = ["d.tar", "d.TAR.GZ", "d.tgz", "d.zip", "d.jpg", "tar", "d.tar/x"]
    assert [is_archive(name) for name in names] == [True] * 4 + [False] * 3


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_paths_out_of_the_folder_are_refused_all_at_once(
    make: Callable[[Path, dict[str, bytes]], Path],
    tmp_path: Path,
    extract: Callable[..., dict[str, Written]],
) -> None:
    """Every bad member is named, and not even the good ones are extracted."""
    bad = {"../up": b"x", "/abs": b"x", "a/../../up": b"x", "A": b"", "a": b"", "good": b"x"}
    with pytest.raises(StorageError) as caught:
        extract(make(tmp_path / "bad", bad))
    assert all(
        text in str(caught.value) for text in ("'../up'", "'/abs'", "'a/../../up'", "'a'", "4 name(s)")
    )
    assert content(tmp_path / "data") == {}
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(
    kind: bytes, tmp_path: Path, extract: Callable[..., dict[str, Written]]
) -> None:
    """Only regular files and folders are taken out of an archive."""
    with tarfile.open(tmp_path / "d.tar", "w") as archive:
        info = tarfile.TarInfo("member")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(StorageError, match=r"'member': it is (a link|not a regular file)"):
        extract(tmp_path / "d.tar")


def test_links_in_a_zip_are_refused(tmp_path: Path, extract: Callable[..., dict[str, Written]]) -> None:
    """A link is kept in the mode bits of a zip member."""
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        info = zipfile.ZipInfo("member")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(StorageError, match="'member': it is a link"):
        extract(tmp_path / "d.zip")


def test_a_linked_folder_at_the_target_is_refused(
    tmp_path: Path, extract: Callable[..., dict[str, Written]]
) -> None:
    """What is on the disk counts as much as what is in the archive."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/ภาพ").symlink_to(tmp_path)
    with pytest.raises(StorageError, match="is a symbolic link"):
        extract(make_zip(tmp_path / "d.zip", FILES))


def test_more_than_the_limit_is_refused_until_it_is_raised(
    tmp_path: Path, extract: Callable[..., dict[str, Written]]
) -> None:
    """A small archive of many zeros stops at the limit, before anything is in place."""
    archive = make_zip(tmp_path / "d.zip", {"zeros": bytes(3_000_000)})
    with pytest.raises(StorageError, match="larger than the limit"):
        extract(archive, 2_999_999)
    assert content(tmp_path / "data") == {}
    assert extract(archive, 3_000_000)["zeros"].size == 3_000_000


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_torn_archive_extracts_nothing(
    kind: str, tmp_path: Path, extract: Callable[..., dict[str, Written]]
) -> None:
    """A file that ends too early is named as such."""
    path = MAKERS[kind](tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StorageError, match="is not a complete archive"):
        extract(path)
    assert content(tmp_path / "data") == {}


def test_an_empty_archive_is_an_error(tmp_path: Path, extract: Callable[..., dict[str, Written]]) -> None:
    """No file is not a data set."""
    with pytest.raises(StorageError, match="has no file in it"):
        extract(make_tar(tmp_path / "d.tar", {}))


def test_utf8_names_without_the_flag_are_understood(
    tmp_path: Path, extract: Callable[..., dict[str, Written]]
) -> None:
    """Zip tools that write UTF-8 without saying so keep Thai names readable."""
    raw = make_zip(tmp_path / "d.zip", {"ภาพ.jpg": b"x"}).read_bytes()
    # General purpose bit 11 says "UTF-8": offset 6 of the local header, 8 of the central one (APPNOTE 4.3).
    local, central = raw.index(b"PK\x03\x04"), raw.index(b"PK\x01\x02")
    plain = bytearray(raw)
    plain[local + 7] &= ~0x08
    plain[central + 9] &= ~0x08
    (tmp_path / "d.zip").write_bytes(plain)
    assert list(extract(tmp_path / "d.zip")) == ["ภาพ.jpg"]


def test_an_archive_on_s3_is_fetched_once(prefix: Prefix, tmp_path: Path) -> None:
    """It is extracted, skipped while nothing changes, and extracted again where a file was touched."""
    prefix.put("d.tar.gz", MAKERS["tar.gz"](tmp_path).read_bytes())
    uri, data = f"{prefix.uri}/d.tar.gz", tmp_path / "data"
    assert fetch(uri, data).fetched == 3
    assert content(data) == FILES
    assert fetch(uri, data).skipped == 3
    (data / "empty").write_bytes(b"touched")
    assert fetch(uri, data).fetched == 3
    assert content(data) == FILES


def test_a_new_archive_replaces_the_old_ones_files(prefix: Prefix, tmp_path: Path) -> None:
    """Files that the new archive lacks go only with `delete`, and only those of the old archive."""
    uri, data = f"{prefix.uri}/d.zip", tmp_path / "data"
    prefix.put("d.zip", make_zip(tmp_path / "1.zip", FILES).read_bytes())
    fetch(uri, data)
    (data / "mine").write_bytes(b"mine")
    prefix.put("d.zip", make_zip(tmp_path / "2.zip", {"Label.txt": b"new"}).read_bytes())
    assert fetch(uri, data).deleted == 0
    assert len(content(data)) == 4
    assert fetch(uri, data, delete=True).deleted == 2
    assert content(data) == {"Label.txt": b"new", "mine": b"mine"}


def test_a_prefix_named_like_an_archive_is_a_prefix(prefix: Prefix, tmp_path: Path) -> None:
    """A folder of objects may be called d.zip."""
    prefix.put("d.zip/x", b"x")
    assert fetch(f"{prefix.uri}/d.zip", tmp_path).fetched == 1
    assert content(tmp_path) == {"x": b"x"}


def test_the_limit_holds_for_archives_on_s3(prefix: Prefix, tmp_path: Path) -> None:
    """The message names the address of the archive."""
    prefix.put("d.zip", make_zip(tmp_path / "d.zip", {"zeros": bytes(100_000)}).read_bytes())
    with pytest.raises(StorageError, match=f"{prefix.uri}/d.zip would become larger"):
        fetch(f"{prefix.uri}/d.zip", tmp_path / "data", archive_limit_bytes=99_999)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [PRIVATE_FOLDER]


@pytest.mark.parametrize("suffix", [".tar.xz", ".txz", ".tar.bz2"])
def test_other_compressed_tar_files_are_read(tmp_path: Path, suffix: str) -> None:
    """Whatever their name says, tarfile sees how they are compressed."""
    (tmp_path / "a.txt").write_text("a")
    archive = tmp_path / f"data{suffix}"
    with tarfile.open(archive, "w:xz" if "x" in suffix else "w:bz2") as tar:
        tar.add(tmp_path / "a.txt", "img/a.txt")
    assert is_archive(archive.name)
    (tmp_path / "parts").mkdir()
    (tmp_path / "out").mkdir()
    assert set(extract_archive(archive, tmp_path / "out", parts=tmp_path / "parts")) == {"img/a.txt"}


def test_backslashes_between_folders_of_a_zip_are_slashes(tmp_path: Path) -> None:
    """As old tools on Windows write them; a way out of the folder is one with them, too."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "out").mkdir()
    for name, good in (("img\\a.txt", True), ("..\\a.txt", False)):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
            info = zipfile.ZipInfo("x")
            info.filename = name
            made.writestr(info, "a")
        if good:
            assert set(extract_archive(tmp_path / "a.zip", tmp_path / "out", parts=tmp_path / "parts")) == {
                "img/a.txt"
            }
        else:
            with pytest.raises(StorageError):
                extract_archive(tmp_path / "a.zip", tmp_path / "out", parts=tmp_path / "parts")


@pytest.mark.parametrize("name", ["data.rar", "data.7z", "data.tar.zst"])
def test_an_archive_of_another_kind_is_named_as_that(name: str) -> None:
    """Not as a folder that is not there, or one without labels."""
    with pytest.raises(ConfigError, match="of a kind that is not read"):
        refuse_unread(name, name)
