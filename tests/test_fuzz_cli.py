"""Whatever files hold and options say, a command ends with a documented status and never with a traceback."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_train.cli import main
from tests.cli_run import det_label, jpeg
from tests.fuzz import cases

STATUSES = {0, 2, 3, 4}
FEW = settings(max_examples=cases(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXTS = st.text(max_size=12)
LINES = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda image, label: f"{image}\t{label}".encode("utf-8", "surrogatepass"),
        st.sampled_from(
            ["a.jpg", "b.jpg", "./a.jpg", "../a.jpg", "/etc/passwd", "C:\\a.jpg", '["a.jpg", "b.jpg"]', ""]
        ),
        st.one_of(
            TEXTS, st.sampled_from([det_label(), "[]", "[{}]", '[{"points": [[1e999, 0]]}]', "[" * 3000])
        ),
    ),
)
LABEL_FILES = st.lists(LINES, max_size=6).map(b"\n".join)
SHAPES = st.dictionaries(
    st.sampled_from(["label", "points", "shape_type", "description", "mask"]),
    st.one_of(st.none(), TEXTS, st.integers(), st.lists(st.lists(st.floats(), max_size=3), max_size=5)),
)
LABELME_FILES = st.one_of(
    st.binary(max_size=30),
    st.fixed_dictionaries(
        {
            "shapes": st.one_of(st.none(), st.lists(SHAPES, max_size=3)),
            "imagePath": st.sampled_from(["a.jpg", "../x", 1]),
        }
    ).map(lambda content: json.dumps(content).encode()),
)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder with two pictures, gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        for number, image in enumerate(("a.jpg", "b.jpg")):
            (Path(name) / image).write_bytes(jpeg(grey=number))
        yield Path(name)


@contextlib.contextmanager
def inside(place: Path) -> Iterator[None]:
    """Work in that folder; `contextlib.chdir` is not there before Python 3.11."""
    before = Path.cwd()
    os.chdir(place)
    try:
        yield
    finally:
        os.chdir(before)


def ended(*arguments: str | Path) -> int:
    """The status; what is printed can be written to a terminal of UTF-8."""
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = main.run([str(one) for one in arguments])
        except SystemExit as exc:
            code = int(str(exc.code or 0))
        said.flush()
    return code


@FEW
@given(content=LABEL_FILES, task=st.sampled_from(["det", "rec", "cls"]))
def test_any_label_file_is_answered(content: bytes, task: str) -> None:
    """validate, dict and prepare, with JSON, HTML and the list of bad lines."""
    with folder() as place:
        labels = place / "Label.txt"
        labels.write_bytes(content)
        outputs = (
            "--json",
            place / "o" / "a.json",
            "--html",
            place / "o" / "a.html",
            "--quarantine",
            place / "o" / "q",
        )
        assert ended("validate", "--task", task, labels, *outputs) in STATUSES
        assert (
            ended("dict", place, "--out", place / "o" / "dict.txt", "--json", place / "o" / "d") in STATUSES
        )
        with tempfile.TemporaryDirectory() as out:
            wish = (
                "--task",
                task,
                "--data",
                place,
                "--out",
                Path(out) / "new",
                "--on-bad-sample",
                "quarantine",
            )
            code = ended("prepare", *wish)
            assert code in STATUSES
            assert (Path(out) / "new" / "manifest.jsonl").exists() == (code == 0)


@FEW
@given(content=LABEL_FILES)
def test_any_label_file_can_be_cropped_and_split(content: bytes) -> None:
    """Without a traceback, and without a word outside the result's folder."""
    with folder() as place:
        (place / "Label.txt").write_bytes(content)
        before = sorted(place.iterdir())
        with tempfile.TemporaryDirectory() as out:
            assert ended("crop", place / "Label.txt", Path(out) / "c", "--json", "-") in STATUSES
            assert (
                ended("split", place / "Label.txt", Path(out) / "s", "--val", "0.5", "--json", "-")
                in STATUSES
            )
        assert sorted(place.iterdir()) == before


@FEW
@given(content=LABELME_FILES)
def test_any_labelme_file_is_answered(content: bytes) -> None:
    """convert and prepare."""
    with folder() as place, tempfile.TemporaryDirectory() as out:
        (place / "a.json").write_bytes(content)
        assert ended("convert", "labelme", place, Path(out) / "c", "--json", "-") in STATUSES
        wish = ("--task", "det", "--data", place, "--out", Path(out) / "p", "--from", "labelme", "--val", "0")
        assert ended("prepare", *wish) in STATUSES


@FEW
@given(
    words=st.lists(
        st.one_of(
            st.sampled_from(
                ["validate", "split", "crop", "convert", "labelme", "--task", "det", "--json", "-", "--val"]
            ),
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
        ),
        max_size=6,
    )
)
def test_any_words_are_answered(words: list[str]) -> None:
    """Nonsense is refused in a sentence; nothing is read or written outside a folder of its own."""
    with folder() as place, inside(place):
        assert ended(*words) in STATUSES
