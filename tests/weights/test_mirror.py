"""Weights of an address in an S3 store of one's own: what one machine has fetched, all others have."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from ocr_train.errors import ConfigError, DataError, MissingWeights
from ocr_train.weights import http_file
from ocr_train.weights.download import fetch_weights
from ocr_train.weights.mirror import Mirror, named_mirror
from tests.s3 import Prefix
from tests.weights.sites import EVIL, Site, tar, weights

KEY = "Global.pretrained_model"
WHOLE = weights(size=1000)


@pytest.fixture
def mirror(prefix: Prefix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Prefix:
    """A mirror on a real S3 server that the environment names, and no proxy on the way to it."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "PADDLE_OCR_BASE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OCR_TRAIN_WEIGHTS_MIRROR", prefix.uri)
    monkeypatch.setattr(http_file, "PAUSES_S", (0.01, 0.02))
    return prefix


def out_of_reach() -> str:
    """An address at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def fetch(address: str, folder: Path) -> tuple[Path, list[str]]:
    """The weights, with `folder` as a machine's outputs, and what was said."""
    said: list[str] = []
    return fetch_weights({KEY: address}, folder / "cache" / "weights", said.append)[KEY], said


@pytest.mark.parametrize(
    ("name", "content"), [("w.pdparams", WHOLE), ("x_train.tar", tar({"x/best_accuracy.pdparams": WHOLE}))]
)
def test_what_one_machine_fetched_the_others_have(
    mirror: Prefix, tmp_path: Path, name: str, content: bytes
) -> None:
    """As it came, under the address's own name and a sum of the address; then nobody asks the address any more."""
    with Site() as site:
        site.files[f"/{name}"] = content
        address = f"{site.address}/{name}"
        assert fetch(address, tmp_path / "a")[0].read_bytes() == WHOLE
        (kept,) = mirror.all().items()
        assert kept[0].endswith(f"-{name}")
        assert kept[1] == content
        path, said = fetch(f"{address}?token=other", tmp_path / "b")
        assert path.read_bytes() == WHOLE
        assert len(site.asked) == 1
        assert f"those of the mirror: {mirror.uri}/{kept[0]}" in "".join(said)
        assert "other" not in "".join(said)
    known = json.loads((tmp_path / "b" / "cache" / "weights.lock.json").read_text(encoding="utf-8"))
    assert known[address]["length"] == len(content)


def test_behind_a_closed_network_the_error_says_where_to_put_the_file(mirror: Prefix, tmp_path: Path) -> None:
    """Whoever puts it there, by hand, too, helps all machines."""
    address = f"{out_of_reach()}/w.pdparams"
    with pytest.raises(MissingWeights, match="Connection refused") as raised:
        fetch(address, tmp_path)
    place = Mirror(bucket=mirror.bucket, prefix=mirror.prefix).place(address, "w.pdparams")
    assert place in raised.value.hint
    mirror.put(place.rpartition("/")[2], WHOLE)
    assert fetch(address, tmp_path)[0].read_bytes() == WHOLE


def test_without_a_mirror_the_error_says_that_there_could_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked of any S3 store then."""
    monkeypatch.setattr(http_file, "PAUSES_S", ())
    with pytest.raises(MissingWeights) as raised:
        fetch(f"{out_of_reach()}/w.pdparams", tmp_path)
    assert "OCR_TRAIN_WEIGHTS_MIRROR=s3://bucket/prefix" in raised.value.hint


def test_what_the_mirror_has_is_checked_as_what_comes_from_an_address(mirror: Prefix, tmp_path: Path) -> None:
    """Harmless, and the bytes of before; nothing of it stays."""
    address = f"{out_of_reach()}/w.pdparams"
    place = Mirror(bucket=mirror.bucket, prefix=mirror.prefix).place(address, "w.pdparams")
    name = place.rpartition("/")[2]
    mirror.put(name, EVIL)
    with pytest.raises(DataError, match=r"would import 'os\.system'") as raised:
        fetch(address, tmp_path)
    assert place in raised.value.problem
    mirror.put(name, WHOLE)
    path, _ = fetch(address, tmp_path)
    path.unlink()
    mirror.put(name, weights(seed=1, size=1000))
    with pytest.raises(DataError, match="are not those of before"):
        fetch(address, tmp_path)
    assert list(path.parent.iterdir()) == []


def test_a_mirror_that_refuses_keeps_nobody_from_training(
    mirror: Prefix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, once for reading and once for writing, without the secret; the address itself is asked."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-s3cret")
    with Site() as site:
        site.files["/w.pdparams"] = WHOLE
        path, said = fetch(f"{site.address}/w.pdparams", tmp_path)
    assert path.read_bytes() == WHOLE
    assert len([line for line in said if "mirror" in line]) == 2
    assert "wrong-s3cret" not in "".join(said)


def test_a_mirror_must_be_an_s3_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error is not found out by a download that never happens."""
    monkeypatch.setenv("OCR_TRAIN_WEIGHTS_MIRROR", "https://bucket/prefix")
    with pytest.raises(ConfigError, match="not an S3 address"):
        named_mirror()
    monkeypatch.setenv("OCR_TRAIN_WEIGHTS_MIRROR", " ")
    assert named_mirror() == Mirror()
    assert Mirror(bucket="b").place("http://a/w", "w").startswith("s3://b/")
