"""Weights at an address over a bad line: gone on with where it broke, checked, the same as before, or said to be not."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ocr_train.errors import DataError, MissingWeights
from ocr_train.weights import http_file
from ocr_train.weights.download import fetch_weights
from tests.commands import REPO
from tests.weights.sites import EVIL, Site, tar, weights

KEY = "Global.pretrained_model"
WHOLE = weights()
PATH = "/w.pdparams"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, a home without PaddleOCR's cache, and short pauses."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "PADDLE_OCR_BASE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(http_file, "PAUSES_S", (0.01, 0.02))


@pytest.fixture
def site() -> Iterator[Site]:
    """A site with one file of weights."""
    with Site() as running:
        running.files[PATH] = WHOLE
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The folder for weights of a run's outputs."""
    return tmp_path / "cache" / "weights"


def fetch(site: Site, cache: Path, path: str = PATH) -> Path:
    """The weights at `path`."""
    return fetch_weights({KEY: f"{site.address}{path}"}, cache, print)[KEY]


def lock(cache: Path) -> dict[str, dict[str, object]]:
    """What is written down of what was fetched."""
    known: dict[str, dict[str, object]] = json.loads((cache.parent / "weights.lock.json").read_text())
    return known


def left(cache: Path) -> list[str]:
    """The files in the cache."""
    return sorted(path.name for path in cache.iterdir()) if cache.is_dir() else []


@pytest.mark.parametrize("fault", ["cut 300000", "reset 300000"])
def test_a_connection_that_breaks_goes_on_where_it_broke(site: Site, cache: Path, fault: str) -> None:
    """Only what is missing is asked for, of the version that was begun."""
    site.faults[PATH] = [fault]
    assert fetch(site, cache).read_bytes() == WHOLE
    assert site.asked[0] == (PATH, "", "")
    (_, span, condition) = site.asked[1]
    assert 0 < int(span.removeprefix("bytes=").rstrip("-")) <= 300_000
    assert condition == site.etag(PATH)
    assert len(left(cache)) == 1


def test_what_came_stays_for_the_next_start(site: Site, cache: Path) -> None:
    """Where the line is dead after that; another start asks for the rest alone."""
    site.faults[PATH] = ["cut 300000", "503", "503"]
    with pytest.raises(MissingWeights, match=r"the server answers 503 \(tried 3 times\)"):
        fetch(site, cache)
    assert fetch(site, cache).read_bytes() == WHOLE
    assert site.ranges == ["", "bytes=294912-", "bytes=294912-", "bytes=294912-"]
    assert len(left(cache)) == 1


def test_a_file_that_changed_meanwhile_is_fetched_anew(site: Site, cache: Path) -> None:
    """Half of one version and half of another would be nobody's weights."""
    site.faults[PATH] = ["cut 300000", "503", "503"]
    with pytest.raises(MissingWeights):
        fetch(site, cache)
    site.files[PATH] = other = weights(seed=1)
    assert fetch(site, cache).read_bytes() == other


def test_a_version_without_a_name_goes_on_only_in_this_start(site: Site, cache: Path) -> None:
    """Nobody can tell later whether it is still the same."""
    site.unnamed = True
    site.faults[PATH] = ["cut 300000"]
    assert fetch(site, cache).read_bytes() == WHOLE
    assert site.ranges == ["", "bytes=294912-"]
    next(cache.iterdir()).unlink()
    site.faults[PATH] = ["cut 300000", "503", "503"]
    with pytest.raises(MissingWeights):
        fetch(site, cache)
    assert left(cache) == []


@pytest.mark.parametrize(
    "faults",
    [["cut 300000", "whole"], ["cut 300000", "elsewhere"], ["chunks 300000"], ["503", "cut 0", "cut 300000"]],
)
def test_a_server_that_gives_no_parts_starts_anew(site: Site, cache: Path, faults: list[str]) -> None:
    """One that ignores Range, one that gives another part, one that names no length, one that is not ready yet."""
    site.faults[PATH] = faults
    assert fetch(site, cache).read_bytes() == WHOLE
    assert lock(cache)[f"{site.address}{PATH}"]["length"] == len(WHOLE)


@pytest.mark.parametrize("unnamed", [False, True])
def test_a_length_that_is_too_large_is_said_and_nothing_stays(site: Site, cache: Path, unnamed: bool) -> None:
    """The server closes the connection at the same byte each time, also where only the rest is asked for."""
    site.unnamed = unnamed
    site.faults[PATH] = [f"says {2 * len(WHOLE)}"] * 3
    with pytest.raises(
        MissingWeights, match=rf"{len(WHOLE)} of {2 * len(WHOLE)} bytes came, and never more \(tried 3 times"
    ) as raised:
        fetch(site, cache)
    assert "Content-Length" in raised.value.problem
    assert left(cache) == []
    # It knows better the next time: the whole file is asked for once more.
    site.faults[PATH] = [f"says {2 * len(WHOLE)}"]
    assert fetch(site, cache).read_bytes() == WHOLE


def test_a_length_that_is_too_small_is_said_and_nothing_stays(site: Site, cache: Path) -> None:
    """The rest never comes, and half a pickle is none."""
    site.faults[PATH] = ["says 1000"]
    with pytest.raises(DataError, match=r"w\.pdparams is not a pickle") as raised:
        fetch(site, cache)
    assert "1000 bytes, as many as the server named" in raised.value.hint
    assert left(cache) == []
    assert not (cache.parent / "weights.lock.json").exists()


def test_other_bytes_from_the_same_address_are_refused(site: Site, cache: Path) -> None:
    """Until somebody removes the entry: weights that change under a team explain nothing any more."""
    first = fetch(site, cache)
    before = lock(cache)[f"{site.address}{PATH}"]
    first.unlink()
    site.files[PATH] = weights(seed=1)
    with pytest.raises(DataError, match="are not those of before: sha256 ") as raised:
        fetch(site, cache)
    assert str(before["sha256"]) in raised.value.problem
    assert f"{site.address}{PATH}" in raised.value.hint
    assert left(cache) == []
    (cache.parent / "weights.lock.json").write_text("{}", encoding="utf-8")
    assert fetch(site, cache).read_bytes() == site.files[PATH]


def test_weights_that_were_changed_in_the_cache_are_not_used(site: Site, cache: Path) -> None:
    """They are fetched again; PaddleOCR's own copy by the same name is looked at in the same way."""
    path = fetch(site, cache)
    path.write_bytes(weights(seed=1))
    theirs = cache.parent.parent / "home" / ".paddleocr" / "models" / "w.pdparams"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(weights(seed=2))
    assert fetch(site, cache) == path
    assert path.read_bytes() == WHOLE
    path.unlink()
    theirs.write_bytes(WHOLE)
    assert fetch(site, cache) == theirs
    assert len(site.asked) == 2


def test_what_is_written_down_holds_no_credentials(site: Site, cache: Path) -> None:
    """Neither do messages; another token is the same file, another number another one."""
    host = site.address.removeprefix("http://")
    said: list[str] = []
    address = f"http://me:pa55word@{host}{PATH}?token=s3cret&file=1"
    fetch_weights({KEY: address}, cache, said.append)
    fetch_weights({KEY: address.replace("s3cret", "other")}, cache, said.append)
    assert len(lock(cache)) == 1
    fetch_weights({KEY: address.replace("file=1", "file=2")}, cache, said.append)
    text = (cache.parent / "weights.lock.json").read_text(encoding="utf-8")
    assert len(lock(cache)) == 2
    assert not any(secret in text + "".join(said) for secret in ("pa55word", "s3cret", "me:"))
    site.faults[PATH] = [f"> http://me:pa55word@{host}/gone?token=s3cret"]
    with pytest.raises(MissingWeights, match="answers 404") as raised:
        fetch_weights({KEY: address.replace("file=1", "file=3")}, cache, said.append)
    assert not any(secret in str(raised.value) for secret in ("pa55word", "s3cret"))


def test_a_list_that_is_broken_is_said(site: Site, cache: Path) -> None:
    """It may have been edited by hand."""
    cache.parent.mkdir()
    for content in ("[1]", "{", '{"a": 1}', json.dumps({f"{site.address}{PATH}": {"sum": 1}})):
        (cache.parent / "weights.lock.json").write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=r"weights\.lock\.json cannot be read"):
            fetch(site, cache)


def test_redirects_are_followed_to_web_addresses_only(site: Site, cache: Path, tmp_path: Path) -> None:
    """A server must not have a file of this machine read."""
    site.files["/other/w.pdparams"] = WHOLE
    site.faults[PATH] = [f"> {site.address}/step", "> /other/w.pdparams"]
    site.faults["/step"] = ["> /other/w.pdparams"]
    path = fetch(site, cache)
    assert path.read_bytes() == WHOLE
    path.unlink()
    (tmp_path / "mine.pdparams").write_bytes(WHOLE)
    for target in (f"file://{tmp_path}/mine.pdparams", "ftp://127.0.0.1/w.pdparams", "data:,x"):
        site.faults[PATH] = [f"> {target}"]
        with pytest.raises(MissingWeights, match="which is not followed"):
            fetch(site, cache)
    site.faults[PATH] = [f"> {site.address}{PATH}"] * 40
    with pytest.raises(MissingWeights, match="redirects"):
        fetch(site, cache)


@pytest.mark.parametrize(
    ("target", "followed"), [("http://a/w", False), ("//a/w", True), ("https://a/w", True)]
)
def test_https_is_never_left(target: str, followed: bool) -> None:
    """What came over it could not have been changed on the way."""
    answer = requests.Response()
    answer.status_code, answer.url = 302, "https://b/w"
    answer.headers["Location"] = target
    if followed:
        http_file.check_redirect(answer)
        return
    answer.raw = None
    answer._content_consumed = True
    with pytest.raises(OSError, match="not followed"):
        http_file.check_redirect(answer)


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("x/best_accuracy.pdparams", "x/best_accuracy.states"), "x/best_accuracy.pdparams"),
        (("x/best_accuracy.pdparams", "x/student.pdparams", "x/teacher.pdparams"), "x/student.pdparams"),
        (("x/latest.pdparams", "x/train.log"), "x/latest.pdparams"),
    ],
)
def test_weights_are_taken_out_of_paddleocrs_archives(
    site: Site, cache: Path, names: tuple[str, ...], taken: str
) -> None:
    """The student where there are several, else the best; they are checked as all others, and again at each start."""
    files = {name: weights(seed, 100) for seed, name in enumerate(names)}
    site.files["/ch_train.tar"] = tar(files)
    path = fetch(site, cache, "/ch_train.tar")
    assert path.read_bytes() == files[taken]
    assert path.name.endswith("-ch_train.pdparams")
    assert left(cache) == [path.name]
    assert lock(cache)[f"{site.address}/ch_train.tar"]["member"] == taken
    assert fetch(site, cache, "/ch_train.tar") == path
    path.write_bytes(weights(9, 100))
    assert fetch(site, cache, "/ch_train.tar").read_bytes() == files[taken]
    assert len(site.asked) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tar({"../best_accuracy.pdparams": WHOLE}), r"'\.\./best_accuracy\.pdparams'"),
        (tar({"x/inference.pdmodel": b"1"}), r"has no student\.pdparams or best_accuracy\.pdparams"),
        (tar({"x/a.pdparams": WHOLE, "x/b.pdparams": WHOLE}), "has no student"),
        (tar({"x/student.pdparams": EVIL}), r"x\.tar \(x/student\.pdparams\) would import 'os\.system'"),
        (tar({"x/student.pdparams": WHOLE})[:100_000], "is not a complete archive|cannot be extracted"),
        (WHOLE, "is not a complete archive"),
    ],
)
def test_an_archive_that_is_not_as_it_should_be_is_refused(
    site: Site, cache: Path, content: bytes, words: str
) -> None:
    """By the address, and nothing of it stays."""
    site.files["/x.tar"] = content
    with pytest.raises(DataError, match=words) as raised:
        fetch(site, cache, "/x.tar")
    assert f"{site.address}/x.tar" in raised.value.problem
    assert left(cache) == []


def test_starts_at_once_wait_for_the_first(site: Site, cache: Path) -> None:
    """And take what it has fetched: no two write into one file."""
    site.faults[PATH] = ["cut 300000"]
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(fetch(site, cache))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert {path.read_bytes() for path in found} == {WHOLE}
    assert len(left(cache)) == 1


def test_a_killed_download_goes_on_with_the_next_start(site: Site, cache: Path) -> None:
    """A real process is killed while the server is slow to give the rest."""
    site.faults[PATH] = ["hang 400000"]
    script = (
        "import sys\nfrom pathlib import Path\nfrom ocr_train.weights.download import fetch_weights\n"
        "fetch_weights({'k': sys.argv[1]}, Path(sys.argv[2]), print)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, f"{site.address}{PATH}", str(cache)], cwd=REPO)
    try:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size > 300_000 for path in cache.glob(".*.part")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert fetch(site, cache).read_bytes() == WHOLE
    start = int(site.asked[-1][1].removeprefix("bytes=").rstrip("-"))
    assert 300_000 < start <= 400_000


def test_a_line_that_breaks_often_gets_there_while_it_goes_on(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of tries is for one place: half a gigabyte over a bad line takes more than three."""
    monkeypatch.setattr(http_file, "_STEP_BYTES", 50_000)
    site.faults[PATH] = [f"cut {number}" for number in range(100_000, 100_007)]
    assert fetch(site, cache).read_bytes() == WHOLE
    assert len(site.asked) == 8
