"""The page of runs that are in a real MLflow store."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ocr_train.compare.page import make_page
from ocr_train.compare.read import plain_param, read_runs
from ocr_train.compare.scores import scores, target
from ocr_train.compare.select import select_runs
from ocr_train.compare.values import RunData
from tests.commands import client
from tests.compare.made_runs import (
    START_S,
    STEPS_PER_EPOCH,
    Made,
    add_checkpoints,
    add_samples,
    log_text,
    make_run,
)


@pytest.fixture
def store(store_folder: Path) -> Any:
    """A client on an empty store."""
    return client(f"sqlite:///{store_folder / 'mlflow.db'}")


def read(store: Any, ids: Sequence[str]) -> list[RunData]:
    """The runs as values."""
    chosen = select_runs(store, ids)
    return read_runs(store, chosen.runs, chosen.experiments, pictures=8, echo=lambda text: None)


def page_of(store: Any, *ids: str) -> str:
    """The page of these runs."""
    return make_page(read(store, ids), notes=(), source="a store", now=START_S)


class Reader(HTMLParser):
    """The text of a page, its elements, and whether every element is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element, which is closed already."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note the text."""
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_the_page_needs_nothing_but_itself(store: Any) -> None:
    """Well-formed, no script, and every address in it is data or a place on the page."""
    ids = [make_run(store, Made(name=f"det-{top}", top=top)) for top in (0.6, 0.8)]
    add_samples(store, ids[0], [{"name": "a.jpg", "truth": [1], "prediction": [1]}], step=600)
    page = Reader(page_of(store, *ids))
    assert page.open == []
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/jpeg;base64,"))
        assert not [name for name in attributes if name.startswith("on")]


def test_every_text_of_a_run_is_escaped(store: Any) -> None:
    """Names, params, tags, labels and artifact contents come from outside."""
    hostile = "<script>alert('x')</script>\"&"
    made = Made(name=hostile, tags={"device": hostile, "git_commit": hostile}, params={"data": hostile})
    ids = [make_run(store, made), make_run(store, Made())]
    image = {"name": hostile, "truth": hostile, "prediction": "<b>"}
    add_samples(store, ids[0], [image], step=600, task="rec")
    add_checkpoints(store, ids[0], [600], best=600)
    page = page_of(store, *ids)
    assert "<script" not in page
    assert "<b>" not in page
    assert page.count("&lt;script&gt;") >= 5


def test_the_better_run_is_marked_on_the_same_data(store: Any) -> None:
    """In the table and in the first figure."""
    low = make_run(store, Made(name="low", top=0.6))
    high = make_run(store, Made(name="high", top=0.8))
    page = page_of(store, low, high)
    (winner,) = re.findall(r'<tr class="winner">.*?</tr>', page)
    assert "high" in winner
    assert "0.8000" in winner
    assert "0.2000 better than low" in Reader(page).text
    assert "not scored on the same data" not in page


def test_nobody_wins_across_different_data(store: Any) -> None:
    """The warning is loud, and says which run saw which data."""
    ids = [make_run(store, Made(name="low", top=0.6)), make_run(store, Made(name="high", digest="feed"))]
    page = page_of(store, *ids)
    assert 'class="winner"' not in page
    assert 'class="top"' not in page
    assert "These runs were not scored on the same data" in page
    assert 'class="banner loud"' in page
    assert "feed : high" in Reader(page).text


def test_more_training_data_are_no_other_data(store: Any) -> None:
    """Runs on the same validation samples are compared; beside one that does not name them, all data decide."""
    same = {"val_digest": "v" * 32}
    ids = [
        make_run(store, Made(name="low", top=0.6, tags=same)),
        make_run(store, Made(name="high", digest="feed", tags=same)),
    ]
    page = page_of(store, *ids)
    assert "not scored on the same data" not in page
    assert 'class="winner"' in page
    old = make_run(store, Made(name="old", digest="feed"))
    assert "not scored on the same data" in page_of(store, *ids, old)


def test_only_settings_that_differ_are_listed(store: Any) -> None:
    """A folder of the run's own is no difference; quotes of `mlflow run` are none; the rest is counted."""
    one = make_run(store, Made(params={"cfg/Optimizer.lr.learning_rate": "0.01", "gpus": "'auto'"}))
    two = make_run(store, Made())
    text = Reader(page_of(store, one, two)).text
    assert "Optimizer.lr.learning_rate 0.01 0.001" in text
    assert "save_model_dir" not in text
    assert "3 other settings are the same" in text
    assert "Launch parameters nothing differs" in text


def test_params_lose_the_quotes_of_mlflow_run() -> None:
    """And nothing else."""
    quoted = ["''", "'a b'", "'it'\"'\"'s'", "plain", "'", "'a' 'b'x"]
    assert [plain_param(value) for value in quoted] == ["", "a b", "it's", "plain", "'", "'a' 'b'x"]


def test_a_resumed_run_shows_what_it_took_over(store: Any) -> None:
    """A line of its parent up to where it went on, and the time of both to reach a score."""
    parent = make_run(store, Made(name="first", top=0.5, epochs=8))
    tags = {"resumed_from": parent, "resumed_from_step": str(4 * STEPS_PER_EPOCH)}
    child = make_run(store, Made(name="second", top=0.9, first_epoch=5, epochs=16, hours=1.0, tags=tags))
    page = page_of(store, parent, child)
    text = Reader(page).text
    assert page.count('class="inherited') >= 3
    assert "second, before it was resumed from there" in page
    assert "first, step 200" in text
    assert "3 h 00 min" in text
    alone = Reader(page_of(store, child)).text
    assert "(not compared here)" in alone


def test_reaching_a_score_counts_the_time_of_the_run_before(store: Any) -> None:
    """A run that started from a good checkpoint was not fast."""
    parent = make_run(store, Made(name="first", top=0.5, epochs=8, hours=2.0))
    tags = {"resumed_from": parent, "resumed_from_step": str(8 * STEPS_PER_EPOCH)}
    make_run(store, Made(name="second", top=0.9, first_epoch=9, epochs=16, hours=1.0, tags=tags))
    make_run(store, Made(name="third", top=0.7, hours=2.2))
    runs = read(store, ["second", "third", "first"])
    goal = target(runs, scores(runs))
    assert goal is not None
    assert goal.value == pytest.approx(0.5)
    assert goal.hours[runs[0].run_id] == pytest.approx(goal.hours[parent], abs=0.01)
    assert goal.hours[runs[1].run_id] < goal.hours[parent]


def test_runs_of_different_tasks_are_compared_in_what_they_share(store: Any) -> None:
    """A chart for each main metric, and a word on it."""
    det = make_run(store, Made(name="det"))
    rec = make_run(store, Made(name="rec", model="rec", task="rec", main="acc"))
    page = page_of(store, det, rec)
    assert "different tasks (det, rec)" in page
    assert "<figcaption>eval/hmean<small>not in rec</small></figcaption>" in page
    assert "<figcaption>eval/acc<small>not in det</small></figcaption>" in page
    assert 'class="winner"' not in page


def test_a_run_without_any_metric_is_shown_all_the_same(store: Any) -> None:
    """It failed early, perhaps: the others are compared, and it says so."""
    run = store.create_run("0", run_name="empty", tags={"failure_reason": "no_images"})
    store.set_terminated(run.info.run_id, status="FAILED")
    text = Reader(page_of(store, make_run(store, Made()), run.info.run_id)).text
    assert "Without metrics: empty" in text
    assert "failed: no_images" in text


def test_a_report_on_one_run_that_has_nothing_yet(store: Any) -> None:
    """Not even a first metric."""
    run_id = store.create_run("0", run_name="just begun").info.run_id
    page = Reader(page_of(store, run_id))
    assert "Report on just begun" in page.text
    assert "Still running: just begun" in page.text
    assert page.open == []


def test_values_that_are_no_numbers_are_gaps_and_are_named(store: Any) -> None:
    """NaN and infinities never reach a coordinate."""
    made = Made(losses={100: math.nan, 200: math.inf})
    page = page_of(store, make_run(store, made))
    assert "train/loss (2)" in page
    assert not re.search(r'(?:points|cx|cy|x1|y1|x|y)="[^"]*(?:nan|inf|e\+)', page)


def test_a_curve_of_one_point_is_a_dot(store: Any) -> None:
    """A line needs two."""
    run_id = make_run(store, Made(epochs=1))
    page = page_of(store, run_id)
    chart = page[page.index("<figcaption>eval/hmean") :].partition("</figure>")[0]
    assert chart.count("<circle") == 1
    assert "<polyline" not in chart


def test_thousands_of_points_are_thinned_and_the_page_says_so(store: Any) -> None:
    """The page stays small."""
    page = page_of(store, make_run(store, Made(epochs=18, every=1)))
    assert "Curves of up to 900 points are drawn with fewer" in page
    assert len(page) < 1_000_000


def test_the_same_images_stand_side_by_side(store: Any) -> None:
    """Pictures as JPEG in the page, wrong letters marked, right ones ticked."""
    ids = [make_run(store, Made(name=name, task="rec", main="acc")) for name in ("one", "two")]
    for run_id, text in zip(ids, ("QF2", "QF24"), strict=True):
        images = [{"name": "crop.jpg", "truth": "QF24", "prediction": text, "edit_distance": 4 - len(text)}]
        add_samples(store, run_id, images, step=600, task="rec")
    page = page_of(store, *ids)
    assert page.count('src="data:image/jpeg;base64,') == 2
    assert "QF2<mark>‸</mark>" in page
    assert "edit distance 1" in page
    assert page.count("✓") == 1


def test_samples_that_are_damaged_are_said_to_be(store: Any) -> None:
    """A picture that is none, a list that is none, a folder elsewhere."""
    broken = make_run(store, Made(name="broken"))
    add_samples(store, broken, [{"name": "a.jpg", "truth": [1], "prediction": []}], step=600)
    log_text(store, broken, "samples/step_00000600/000.png", b"no picture")
    elsewhere = make_run(store, Made(name="elsewhere"))
    log_text(store, elsewhere, "samples/latest.json", json.dumps({"path": "../../etc"}))
    no_json = make_run(store, Made(name="no json"))
    log_text(store, no_json, "samples/latest.json", "{")
    text = Reader(page_of(store, broken, elsewhere, no_json, make_run(store, Made(name="none")))).text
    assert "the picture cannot be read" in text
    assert "elsewhere: samples/latest.json does not name a folder of samples." in text
    assert "no json: its samples cannot be read" in text
    assert "none: this run has no sample pictures" in text


def test_each_checkpoint_has_the_command_to_go_on_from_it(store: Any) -> None:
    """Made from the launch; twice the epochs where all were trained."""
    run_id = make_run(store, Made(params={"resume": "latest", "learning_rate": "0.01"}))
    add_checkpoints(store, run_id, [300, 600], best=300)
    text = Reader(page_of(store, run_id)).text
    common = "-P learning_rate=0.01"
    assert f"-P resume='{run_id}:step 300' -P epochs=12 {common}" in text
    assert f"-P resume='{run_id}:step 600' -P epochs=24 {common}" in text
    assert "9.6 MB" in text


def test_only_the_newest_checkpoints_and_the_best_are_shown(store: Any) -> None:
    """Of many."""
    run_id = make_run(store, Made())
    add_checkpoints(store, run_id, list(range(10, 210, 10)), best=20)
    page = page_of(store, run_id)
    assert page.count("mlflow run .") == 13
    assert f"{run_id}:step 20&#39;" in page
    assert "7 older ones are not shown." in page


@pytest.mark.parametrize("text", ["Password: 1234-5678", "token=abc", "<b>pass: x</b>", "canary-1234567"])
def test_truth_and_prediction_are_shown_as_they_are(
    store: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """They are what was labelled and read, whatever they look like, and escaped as any text."""
    monkeypatch.setenv("DB_PASS", "canary-1234567")
    run_id = make_run(store, Made(task="rec", main="acc"))
    images = [{"name": "0.png", "truth": text, "prediction": text, "edit_distance": 0}]
    add_samples(store, run_id, images, step=30, task="rec")
    assert read(store, [run_id])[0].samples.pictures[0].prediction == text
    assert text in "".join(Reader(page_of(store, run_id)).words)


def test_a_secret_in_a_param_does_not_reach_the_page(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logged it."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-1234567")
    one = make_run(
        store, Made(params={"data": "s3://u:canary-1234567@host/x", "cfg/Global.token": "abcdefgh"})
    )
    page = page_of(store, one, make_run(store, Made()))
    assert "canary" not in page
    assert "abcdefgh" not in page


def test_what_is_still_read_of_a_keep_set_is_a_column(store: Any) -> None:
    """With what it was before training; runs that had several sets say which. It is no setting that differs."""
    ids = []
    for number, kept in enumerate(("0.5", "0.75")):
        tags, params = {"keep_digest": f"{number}ab1e7777"}, {"keep/base_hmean": "0.875"}
        ids.append(make_run(store, Made(name=f"run-{number}", tags=tags, params=params)))
        store.log_metric(ids[-1], "keep/hmean", float(kept), step=120)
    page = Reader(page_of(store, *ids)).text
    assert "Kept" in page
    assert "0.5000 before 0.8750, set 0ab1e7" in page
    assert "0.7500 before 0.8750, set 1ab1e7" in page
    assert "keep/base_hmean" not in page
    assert "Kept" not in Reader(page_of(store, make_run(store, Made(name="bare")))).text
