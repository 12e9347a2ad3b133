"""promote --keep-tolerance: a version that forgets is no champion, whatever it has learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocr_train.errors import DataError
from ocr_train.models.keep_rule import why_not_kept
from ocr_train.models.keep_score import KeepScore, keep_of_run, read_keep, run_tag
from ocr_train.models.metadata import ModelPart, parts_of, read_part, tags_of
from ocr_train.models.model_card import version_card
from ocr_train.models.promotion import promote
from tests.builders import MLFLOW_WARNING
from tests.cli_run import command
from tests.commands import client
from tests.exported_models import exported_folder, run_with

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)
SCORE = KeepScore(metric="acc", before=0.96, after=0.95, digest="k" * 32, samples=100)


class Version:
    """As much of a registered version as messages name."""

    name = "ocr"
    version = "2"


def part(keep: KeepScore | None = SCORE, **changes: Any) -> ModelPart:
    """A recogniser with this keep score."""
    return replace(ModelPart(task="rec", checkpoint_sha256="new", keep=keep), **changes)


def test_a_score_that_stays_within_the_tolerance_is_good_enough() -> None:
    """By exactly so much it may fall; without a tolerance nothing is asked."""
    assert why_not_kept([part()], (), 0.01, Version) == ""
    assert why_not_kept([part(None)], (), None, Version) == ""
    said = why_not_kept([part()], (), 0.005, Version)
    assert said.startswith(
        "on its keep set acc is 0.9500, less than the 0.9600 before its training by more than 0.005"
    )


def test_the_champion_is_compared_with_where_both_read_the_same_set() -> None:
    """A first fine-tune that lost much would otherwise let a second one lose as much again."""
    champion = part(replace(SCORE, before=0.5, after=0.99), checkpoint_sha256="old")
    assert "the 0.9900 that the champion has" in why_not_kept([part()], [champion], 0.01, Version)
    elsewhere = replace(champion, keep=replace(SCORE, after=0.99, digest="other"))
    assert why_not_kept([part()], [elsewhere], 0.01, Version) == ""


def test_a_version_that_says_nothing_of_a_keep_set_is_an_error_with_what_to_do() -> None:
    """Nor can a score be judged that nothing is known to compare with."""
    with pytest.raises(DataError, match=r"not promoted: ocr version 2 \(rec\) says nothing") as caught:
        why_not_kept([part(None)], (), 0.01, Version)
    assert "keep=FOLDER" in caught.value.hint
    alone = part(replace(SCORE, before=None))
    with pytest.raises(DataError, match="no score to compare it with"):
        why_not_kept([alone], (), 0.01, Version)
    assert why_not_kept([alone], [part(checkpoint_sha256="old")], 0.01, Version) == ""


def test_a_part_that_is_the_champions_own_has_lost_nothing() -> None:
    """Of a pair often one part alone is new."""
    old = part(None, task="det", checkpoint_sha256="same")
    assert why_not_kept([old, part()], [old], 0.02, Version) == ""


def test_a_score_survives_model_json_tags_and_the_runs_tag(tmp_path: Path) -> None:
    """With all its digits; what is no score is none."""
    folder = exported_folder(tmp_path / "model", "rec", keep=SCORE.to_json())
    (back,) = parts_of(tags_of([read_part(folder)]))
    assert back.keep == SCORE
    unknown = replace(SCORE, before=None)
    assert parts_of(tags_of([part(unknown)]))[0].keep == unknown
    assert keep_of_run({"keep_score": run_tag(SCORE, 20)}, 20) == SCORE
    assert keep_of_run({"keep_score": run_tag(SCORE, 20)}) == SCORE
    assert keep_of_run({"keep_score": run_tag(SCORE, 20)}, 10) is None
    for damaged in (
        None,
        7,
        {},
        {"metric": "acc", "after": "nan", "digest": "d"},
        {"after": 0.5, "digest": "d"},
    ):
        assert read_keep(damaged) is None
    assert keep_of_run({"keep_score": "{"}) is None


def test_the_page_of_a_version_says_it() -> None:
    """Beside the score on its validation data."""
    card = version_card("ocr", "2", tags_of([part()]), experiment_id="")
    assert "acc 0.9600 before training, 0.9500 after it, on 100 samples" in card
    assert "what it could read before" in card


@pytest.fixture
def store(store_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client on an empty store with the registered model `ocr`."""
    uri = f"sqlite:///{store_folder / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    store = client(uri)
    store.create_registered_model("ocr")
    return store


def version(store: Any, folder: Path, acc: float, keep: KeepScore | None) -> str:
    """A version of `ocr` from a run of its own; the run's id."""
    run_id = run_with(store, task="rec")
    said = {"keep": keep.to_json()} if keep else {}
    made = exported_folder(
        folder / run_id, "rec", run_id=run_id, checkpoint_sha256=run_id, metrics={"acc": acc}, **said
    )
    store.create_model_version("ocr", f"s3://bucket/{run_id}", run_id=run_id, tags=tags_of([read_part(made)]))
    return run_id


def test_the_command_does_not_move_a_champion_to_a_model_that_forgets(
    store: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not moved is no failure; a version that says nothing is one, and so is a tolerance that is none."""
    better = ("--if-better", "best/acc", "--keep-tolerance")
    done = command(capsys, "promote", version(store, tmp_path, 0.5, SCORE), *better, "0.02")
    assert (done.code, "is champion now" in done.out) == (0, True)
    forgets = version(store, tmp_path, 0.9, replace(SCORE, after=0.54))
    done = command(capsys, "promote", forgets, *better, "0.02", "--json", "-")
    assert (done.code, done.json["moved"], done.json["champion"]) == (0, False, "1")
    assert "nothing was moved: on its keep set acc is 0.5400" in done.err
    assert promote(store, forgets, metric="best/acc", alias="other").moved
    done = command(capsys, "promote", version(store, tmp_path, 0.95, None), *better, "0.02")
    assert (done.code, "says nothing about a keep set" in done.err) == (3, True)
    assert command(capsys, "promote", forgets, *better, "2").code == 2
