"""Whatever a label file holds, a report comes back."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ocr_train.data.checks.kie import KieRules
from ocr_train.data.checks.policy import write_clean
from ocr_train.data.checks.problems import KINDS, LABEL_TASKS
from ocr_train.data.checks.report import render_html
from ocr_train.data.checks.tables import TableRules
from ocr_train.data.checks.validate import Rules, validate
from tests.data.other_tasks import ANSWER, QUESTION, ROW, kie_row, table_row
from tests.fuzz import cases
from tests.label_mutations import mutated_json

SEEDS = (
    b"a.jpg\t1502\nb.jpg\t\xe0\xb8\x99\xe0\xb9\x89\xe0\xb8\xb3\r\n",
    b'a.jpg\t[{"transcription": "1", "points": [[1, 1], [9, 1], [9, 9], [1, 9]], "difficult": false}]\n',
    b'["a.jpg", "b.jpg"]\t[{"transcription": ["1", 0.9], "points": [[1.5, NaN], [9e99, 1], [9, 9], []]}]\n',
    f"{table_row('a.jpg')}\r\n{table_row('b.jpg')}\n".encode(),
    f"{kie_row(image='a.jpg')}\n{kie_row(image='b.jpg')}\n".encode(),
)
TASKS = st.sampled_from(LABEL_TASKS)
NUMBERS = st.floats() | st.integers() | st.integers(min_value=-200, max_value=200)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
POINTS = st.lists(
    st.lists(NUMBERS, min_size=1, max_size=3) | st.tuples(NUMBERS, NUMBERS).map(list), max_size=6
)
BOXES = st.lists(
    st.fixed_dictionaries({}, optional={"transcription": st.text() | JSON, "points": POINTS | JSON}) | JSON,
    max_size=4,
)
NAMES = (
    st.sampled_from(["a.jpg", "b.jpg", "no.jpg", '["a.jpg", "no.jpg"]', '["\\ud800"]', "../x", "\\"])
    | st.text()
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one image and one file that is none."""
    path = tmp_path_factory.mktemp("fuzz")
    Image.new("RGB", (100, 32)).save(path / "a.jpg")
    (path / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    return path


def check(folder: Path, content: bytes, task: str) -> None:
    """What holds for every report."""
    path = folder / "train.txt"
    path.write_bytes(content)
    rules = Rules(
        task=task,
        charset=frozenset("0123456789"),
        max_text_length=5,
        ctc_steps=5,
        label_list=("0",),
        table=TableRules(tokens=frozenset(ROW), most_tokens=9, box_numbers=4, merged=False),
        kie=KieRules(classes=frozenset({"QUESTION", "ANSWER"}), of_tokens=True),
        workers=1,
    )
    report = validate([path], folder, rules)
    json.dumps(report.to_json())
    assert report.counts == Counter(problem.kind for problem in report.problems)
    assert set(report.counts) <= set(KINDS)
    assert all(0 <= problem.line <= content.count(b"\n") + 1 and problem.hint for problem in report.problems)
    assert report.errors == sum(problem.severity == "error" for problem in report.problems)
    assert "labels" in report.summary()
    render_html(report, folder).encode()
    clean = folder / "clean.txt"
    kept = write_clean(path, clean, report.bad_lines, task)
    assert kept == len(clean.read_bytes().splitlines()) <= report.labels - len(report.bad_lines)
    if kept:
        assert validate([clean], folder, rules).errors == 0


@settings(max_examples=cases(50), deadline=None, derandomize=True)
@given(content=st.binary(max_size=200), task=TASKS)
def test_random_bytes_never_raise(folder: Path, content: bytes, task: str) -> None:
    """Not even with line ends and tabs in odd places."""
    check(folder, content, task)


@settings(max_examples=cases(80), deadline=None, derandomize=True)
@given(lines=st.lists(st.tuples(NAMES, BOXES.map(json.dumps) | st.text()), max_size=5), task=TASKS)
def test_random_labels_never_raise(folder: Path, lines: list[tuple[str, str]], task: str) -> None:
    """Labels that are nearly right get further into the checks than random bytes."""
    content = "\n".join(f"{name}\t{label}" for name, label in lines)
    check(folder, content.encode("utf-8", "surrogatepass"), task)


@settings(max_examples=cases(80), deadline=None, derandomize=True)
@given(
    seed=st.sampled_from(SEEDS),
    cuts=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 8), st.binary(max_size=4)), max_size=4),
    task=TASKS,
)
def test_mutated_labels_never_raise(
    folder: Path, seed: bytes, cuts: list[tuple[int, int, bytes]], task: str
) -> None:
    """Good labels with a few bytes replaced."""
    content = seed
    for start, length, replacement in cuts:
        at = start % (len(content) + 1)
        content = content[:at] + replacement + content[at + length :]
    check(folder, content, task)


@pytest.mark.parametrize("task", ["table", "kie"])
def test_mutated_documents_never_raise(folder: Path, task: str) -> None:
    """Odd values anywhere in the JSON of a table, or of boxes with classes and links."""
    random = Random(4)
    for _ in range(cases(30)):
        if task == "table":
            line = mutated_json(random, json.loads(table_row("a.jpg")))
        else:
            line = b"a.jpg\t" + mutated_json(random, [QUESTION, ANSWER])
        good = table_row("a.jpg") if task == "table" else kie_row(image="a.jpg")
        check(folder, line + b"\n" + good.encode() + b"\n", task)
