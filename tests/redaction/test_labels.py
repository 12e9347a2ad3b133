"""Labels, predictions and dictionaries are the user's data: whatever they look like, they stay as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ocr_train.analysis import tables
from ocr_train.analysis.tables import read_table, write_table
from ocr_train.tracking.artifacts import FolderArtifacts, upload_verified
from tests.cli_run import command, det_data, det_label, rec_data

Capsys = pytest.CaptureFixture[str]
SECRET = "hunter2hunter2"
TEXTS = [
    *("Password: 1234-5678", "token=abc", 'Password: "x2"', "api_key: 'ก1'", SECRET),
    *("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "AKIAIOSFODNN7EXAMPLE", "Bearer abc123def456"),
    *("http://me:pw@host/x?sig=abcdefgh", "<b>password=1</b>", "pass 4", "a=b&password=c"),
]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the texts is a secret of this machine, too."""
    monkeypatch.setenv("DB_PASS", SECRET)


def test_recognition_labels_go_through_validate_and_prepare(capsys: Capsys, tmp_path: Path) -> None:
    """The label files that are trained on hold every text; the digest is that of a machine without secrets."""
    labels = rec_data(tmp_path / "in", TEXTS)
    before = labels.read_bytes()
    ran = command(capsys, "validate", "--task", "rec", labels, "--json", tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text("utf-8"))["labels"] == len(TEXTS), ran.err
    ran = command(
        capsys,
        "prepare",
        "--task",
        "rec",
        "--data",
        tmp_path / "in",
        "--out",
        tmp_path / "out",
        "--json",
        "-",
    )
    assert ran.code == 0, ran.err
    lines = [
        line
        for name in ("train.txt", "val.txt")
        for line in (tmp_path / "out" / name).read_text("utf-8").splitlines()
    ]
    assert sorted(line.partition("\t")[2] for line in lines) == sorted(TEXTS)
    assert labels.read_bytes() == before
    assert "***" not in (tmp_path / "out" / "manifest.jsonl").read_text("utf-8")


@pytest.mark.parametrize("text", TEXTS)
def test_a_problem_quotes_the_label_as_it_is(capsys: Capsys, tmp_path: Path, text: str) -> None:
    """In problems.json and in the answer for machines."""
    labels = det_data(tmp_path / "in", 1)
    two = json.dumps(
        [*json.loads(det_label(text)), {"transcription": text, "points": [[1, 1], [1, 1], [1, 1], [1, 1]]}]
    )
    labels.write_text(f"img/0.jpg\t{two}\n", encoding="utf-8")
    command(capsys, "validate", "--task", "det", labels, "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert found["problems"], found
    assert "***" not in json.dumps(found)


def test_predictions_reach_the_store_byte_by_byte(tmp_path: Path) -> None:
    """MLflow's table, samples.json, tables and pages of an evaluation: what is uploaded is what was written."""
    columns = tables.COLUMNS["rec"]
    rows = [[1, {}, "0.jpg", text, text, 0, 1.0, ""] for text in TEXTS]
    write_table(tmp_path / "samples.json", columns, rows)
    for name in ("problems.json", "worst.tsv", "manifest.jsonl", "report.html", "dict.txt", "quarantine.yml"):
        (tmp_path / name).write_text("\n".join(TEXTS), encoding="utf-8")
    store = FolderArtifacts(tmp_path / "store")
    for path in [path for path in tmp_path.iterdir() if path.is_file()]:
        upload_verified(store, path, "x")
        assert (store.root / "x" / path.name).read_bytes() == path.read_bytes()
    assert [row[3] for row in read_table(store.root / "x" / "samples.json", columns)] == TEXTS
