"""Checkpoints on their way to the artifact store while the training goes on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from callbacks.checkpoints import CheckpointCallback
from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.checkpoints.reader import find, restore
from ocr_train.errors import DataError, TrackingError
from ocr_train.events import CheckpointSaved, EvalCompleted, Tick, TrainProgress
from ocr_train.run import Results, Retention
from ocr_train.tracking.outbox import Checkpoint, Outbox
from tests.builders import FolderArtifacts, make_run, read_manifest, set_bytes, store_on, write_checkpoint

NAMES = {"latest": "latest", "best": "best_accuracy", "epoch": "iter_epoch_1"}


class GatedArtifacts(FolderArtifacts):
    """A store whose uploads wait for `gate`; `entered` says that one is waiting. `failures` uploads fail."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.failures = 0
        self.tries = 0

    def upload(self, local: Path, folder: str = "") -> None:
        """Wait, then store or fail."""
        self.entered.set()
        assert self.gate.wait(20)
        self.tries += 1
        if self.failures:
            self.failures -= 1
            raise TrackingError("connection lost")
        super().upload(local, folder)

    def manifests(self) -> set[str]:
        """Where there is a manifest."""
        return {name for name in self.uploads if name.endswith("manifest.json")}

    def alias(self, name: str) -> Mapping[str, Any]:
        """What the alias says."""
        values: Mapping[str, Any] = json.loads((self.root / f"checkpoints/{name}.json").read_text())
        return values


class Training:
    """A trainer that saves sets, and the callback that hears of them."""

    def __init__(self, folder: Path, **run: Any) -> None:
        self.artifacts = GatedArtifacts(folder / "artifacts")
        self.said: list[str] = []
        self.run = make_run(folder / "run", **run)
        self.callback = CheckpointCallback(
            lambda run: store_on(self.artifacts), self.said.append, patience_s=1.0
        )
        self.callback.open(self.run)

    def save(self, kind: str, *, step: int, hmean: float | None = 0.5, seed: int | None = None) -> Path:
        """Save a set as the trainer does, and say so; the weights are those of `seed`, or of the step."""
        metrics = {} if hmean is None else {"hmean": hmean}
        prefix = self.run.folder / "trainer" / NAMES[kind]
        write_checkpoint(
            prefix, epoch=step // 10, step=step, metrics=metrics, seed=step if seed is None else seed
        )
        self.callback.handle(CheckpointSaved(name=prefix.name, kind=kind, prefix=str(prefix)))
        return prefix

    def pending(self) -> list[Checkpoint]:
        """What the outbox lists."""
        items = Outbox(self.run.folder / "pending.jsonl").pending().values()
        return [item for item in items if isinstance(item, Checkpoint)]

    def waiting_copies(self) -> list[str]:
        """The snapshots on this machine."""
        return sorted(path.name for path in (self.run.folder / "snapshots").iterdir())


def wait_for(seen: Callable[[], bool]) -> None:
    """Until `seen()`, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed uploads are tried again without seconds of waiting."""
    monkeypatch.setattr("callbacks.checkpoints.RETRY_S", (0.001, 0.01))


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    """A training from scratch."""
    training = Training(tmp_path)
    yield training
    training.artifacts.gate.set()
    training.callback.close()


def test_a_saved_set_becomes_a_whole_artifact(training: Training, tmp_path: Path) -> None:
    """After close it can be found and restored, and no copy is left on this machine."""
    prefix = training.save("latest", step=10)
    training.callback.close()
    found = find(training.artifacts, LATEST)
    assert found is not None and (found.step, found.epoch, found.kind) == (10, 1, "latest")
    assert set_bytes(restore(training.artifacts, found, tmp_path / "back")) == set_bytes(prefix)
    assert training.waiting_copies() == []
    results = training.callback.results(Results())
    assert (results.stored, results.kept, results.lost) == (1, (), ())


def test_a_set_is_safe_although_the_trainer_overwrites_it(training: Training, tmp_path: Path) -> None:
    """The copy is made when the set is finished, not when its upload begins."""
    training.artifacts.gate.clear()
    prefix = training.save("epoch", step=10)
    before = set_bytes(prefix)
    training.save("epoch", step=20)
    training.artifacts.gate.set()
    training.callback.close()
    prefix = restore(training.artifacts, read_manifest(training.artifacts, 10), tmp_path / "back")
    assert set_bytes(prefix) == before


def test_a_pending_latest_gives_way_to_a_newer_one_and_nothing_else_does(training: Training) -> None:
    """On a slow line old `latest` sets are dropped; `best` and `iter_epoch_N` never are."""
    training.artifacts.gate.clear()
    training.save("latest", step=10)
    assert training.artifacts.entered.wait(10)  # under way: no longer pending
    training.save("latest", step=20)
    training.save("best", step=21)
    training.save("epoch", step=22)
    training.save("latest", step=30)
    assert len(training.waiting_copies()) == 4
    training.artifacts.gate.set()
    training.callback.close()
    steps = {10, 21, 22, 30}
    assert training.artifacts.manifests() == {f"checkpoints/step_{step:08d}/manifest.json" for step in steps}
    assert training.callback.stored == steps
    assert training.artifacts.alias("latest")["step"] == 30
    assert training.artifacts.alias("best")["step"] == 21
    assert training.waiting_copies() == []


def test_the_best_alias_moves_only_for_better_scores(training: Training) -> None:
    """Up and for ties as PaddleOCR does, never down; the worse set is stored all the same."""
    steps = []
    for step, hmean in ((10, 0.3), (20, 0.5), (30, 0.4), (40, 0.5)):
        training.save("best", step=step, hmean=hmean)
        steps.append(step)
    training.callback.close()
    assert training.artifacts.alias("best")["step"] == 40
    assert training.callback.best_step == 40
    assert training.callback.stored == set(steps)


@pytest.mark.parametrize(
    ("scores", "best"), [((0.5, 0.5, 0.5), 0), ((0.5, 0.5, 0.6), 20), ((0.5, 0.4, 0.5), 0)]
)
def test_the_base_stays_the_best_until_a_score_is_better(
    training: Training, scores: tuple[float, ...], best: int
) -> None:
    """An equal one is no gain, and may have cost what the weights could read besides."""
    for number, hmean in enumerate(scores):
        training.save("best", step=10 * number, hmean=hmean)
    training.callback.close()
    assert training.artifacts.alias("best")["step"] == best
    assert training.callback.results(Results()).best_step == best


def test_after_a_resume_a_worse_best_does_not_take_the_alias(tmp_path: Path) -> None:
    """PaddleOCR calls the first score after a resume best: below the run's own there is no best.json."""
    training = Training(tmp_path, best=0.6, step_offset=100)
    training.save("best", step=10, hmean=0.5)
    training.callback.close()
    assert find(training.artifacts, BEST) is None
    assert training.callback.stored == {110}


def test_after_a_resume_a_better_best_takes_the_alias(tmp_path: Path) -> None:
    """With the step of the run, not of the trainer."""
    training = Training(tmp_path, best=0.6, step_offset=100)
    training.save("best", step=10, hmean=0.5)
    training.save("best", step=20, hmean=0.7)
    training.callback.close()
    assert training.artifacts.alias("best")["step"] == 120


def test_a_best_without_scores_is_judged_by_the_last_evaluation(tmp_path: Path) -> None:
    """Where `.states` says nothing, the log did."""
    training = Training(tmp_path, best=0.6)
    for step, hmean in ((10, 0.5), (20, 0.7)):
        training.callback.handle(EvalCompleted(metrics={"eval/hmean": hmean}, step=step))
        training.save("best", step=step, hmean=None)
    training.callback.close()
    assert training.artifacts.alias("best")["step"] == 20


def test_a_set_without_states_has_the_step_of_the_last_progress(training: Training) -> None:
    """And its epoch."""
    prefix = write_checkpoint(training.run.folder / "trainer" / "latest")
    Path(f"{prefix}.states").unlink()
    training.callback.handle(TrainProgress(epoch=3, epochs=4, step=35))
    training.callback.handle(CheckpointSaved(name="latest", kind="latest", prefix=str(prefix)))
    training.callback.close()
    manifest = read_manifest(training.artifacts, 35)
    assert (manifest.step, manifest.epoch) == (35, 3)


def test_best_and_latest_of_one_step_are_one_checkpoint(training: Training) -> None:
    """Two aliases on one set of weights, which went up once."""
    training.save("best", step=10, seed=1)
    training.save("latest", step=10, seed=1)
    training.save("epoch", step=10, seed=1)
    training.callback.close()
    assert training.artifacts.uploads.count("checkpoints/step_00000010/model.pdparams") == 1
    assert training.artifacts.alias("best")["path"] == training.artifacts.alias("latest")["path"]
    assert training.callback.results(Results()).stored == 1


def test_latest_does_not_go_back(training: Training) -> None:
    """A `latest` under way while an epoch's own set arrives ends with the newest step as latest."""
    training.save("epoch", step=20)
    training.save("latest", step=10)
    training.callback.close()
    assert training.artifacts.alias("latest")["step"] == 20


def test_the_best_does_not_go_back_after_an_outage(training: Training) -> None:
    """A failed set goes to the end of the queue, behind a better one: the better one stays the best."""
    real = training.artifacts.upload
    failures = iter([TrackingError("connection lost")])

    def fail_once_for_the_first(local: Path, folder: str = "") -> None:
        if folder.endswith("00000010"):
            for problem in failures:
                raise problem
        real(local, folder)

    training.artifacts.upload = fail_once_for_the_first  # type: ignore[method-assign]
    training.artifacts.gate.clear()
    training.save("epoch", step=5)
    training.save("best", step=10, hmean=0.3)
    training.save("best", step=20, hmean=0.5)
    training.artifacts.gate.set()
    training.callback.close()
    assert training.callback.stored == {5, 10, 20}
    assert training.artifacts.alias("best")["step"] == 20


def test_a_failed_upload_is_tried_again(training: Training) -> None:
    """A store that is away for a moment costs nothing but time."""
    training.artifacts.failures = 30
    training.save("latest", step=10)
    training.callback.close()
    results = training.callback.results(Results())
    assert (results.stored, results.kept, results.lost) == (1, (), ())
    assert find(training.artifacts, LATEST) is not None
    assert not [text for text in training.said if "could not be stored" in text]


def test_what_cannot_be_stored_is_kept_named_and_listed_for_sync(training: Training) -> None:
    """The copy stays here, the message and the results say where, and the outbox has it."""
    training.artifacts.failures = 10**6
    prefix = training.save("epoch", step=10)
    before = set_bytes(prefix)
    training.callback.close()
    (kept,) = training.callback.results(Results()).kept
    assert set_bytes(kept / "model") == before
    complaint = next(text for text in training.said if "could not be stored" in text)
    assert "step 10" in complaint
    assert "connection lost" in complaint
    assert str(kept.parent) in complaint
    (item,) = training.pending()
    assert item == Checkpoint(
        path=f"snapshots/{kept.name}", name="iter_epoch_1", kind="epoch", step=10, epoch=1
    )


def test_a_store_that_is_away_for_long_is_tried_as_long_as_training_lasts(training: Training) -> None:
    """Far more failures than any fixed number of tries, then it is back: everything is stored."""
    training.artifacts.failures = 10**6
    training.save("epoch", step=10)
    training.save("best", step=20)
    wait_for(lambda: training.artifacts.tries > 20)
    training.artifacts.failures = 0
    wait_for(lambda: len(training.callback.stored) == 2)
    training.callback.close()
    assert training.callback.results(Results()).kept == ()
    assert training.pending() == []
    assert [text for text in training.said if "training continues" in text]
    assert [text for text in training.said if "is back" in text]


def test_what_retention_would_prune_is_not_uploaded_first(tmp_path: Path) -> None:
    """keep_last=2 while the store is away: of five epochs the newest two wait, and the best, which is older."""
    training = Training(tmp_path, retention=Retention(2))
    try:
        training.artifacts.failures = 10**6
        training.save("best", step=10, hmean=0.9)
        for step in (10, 20, 30, 40, 50):
            training.save("epoch", step=step)
        wait_for(lambda: {item.step for item in training.pending()} == {10, 40, 50})
        assert all(item.keep_last == 2 for item in training.pending())
        training.artifacts.failures = 0
        training.callback.close()
        steps = {name.split("/")[1] for name in training.artifacts.manifests()}
        assert steps == {f"step_{step:08d}" for step in (10, 40, 50)}
        assert training.waiting_copies() == []
        assert training.callback.results(Results()).lost == ()
    finally:
        training.callback.close()


def test_without_keep_last_every_epoch_waits(training: Training) -> None:
    """However long the store is away."""
    training.artifacts.failures = 10**6
    for step in (10, 20, 30):
        training.save("epoch", step=step)
    wait_for(lambda: training.artifacts.tries > 10)
    assert {item.step for item in training.pending()} == {10, 20, 30}


def test_what_waits_is_listed_before_it_is_stored(training: Training) -> None:
    """Whoever kills this process now leaves a list from which `sync` stores everything."""
    training.artifacts.gate.clear()
    training.save("epoch", step=10)
    training.save("latest", step=20)
    training.save("latest", step=30)
    assert [(item.kind, item.step) for item in training.pending()] == [("epoch", 10), ("latest", 30)]


def test_a_full_disk_leaves_the_set_with_the_trainer_until_there_is_room(
    training: Training, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Said; copied and stored later, with the bytes that were saved."""
    monkeypatch.setattr("callbacks.checkpoints.free_bytes", lambda _folder: 100)
    prefix = training.save("best", step=10)
    before = set_bytes(prefix)
    assert [text for text in training.said if "the disk is full" in text and str(prefix) in text]
    assert [item.path for item in training.pending()] == [str(prefix)]
    monkeypatch.undo()
    training.callback.handle(Tick())
    training.callback.close()
    restored = restore(training.artifacts, read_manifest(training.artifacts, 10), tmp_path / "back")
    assert set_bytes(restored) == before
    assert training.callback.results(Results()).lost == ()


def test_an_epoch_needs_no_room_on_a_full_disk(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer never writes `iter_epoch_N` again: the set is linked, not copied."""
    monkeypatch.setattr("callbacks.checkpoints.free_bytes", lambda _folder: 100)
    training.save("epoch", step=10)
    training.callback.close()
    assert training.callback.stored == {10}
    assert training.said == ["storing 1 checkpoint(s) before the end ..."] or not training.said


@pytest.mark.parametrize(("kind", "lost"), [("best", ("best_accuracy",)), ("latest", ())])
def test_a_set_overwritten_before_there_was_room_is_lost(
    training: Training, monkeypatch: pytest.MonkeyPatch, kind: str, lost: tuple[str, ...]
) -> None:
    """A `best` is named as lost, a `latest` has a newer one in its place; the last one is stored when training is
    over, because nothing overwrites it then."""
    monkeypatch.setattr("callbacks.checkpoints.free_bytes", lambda _folder: 100)
    for step in (10, 20):
        training.callback.handle(TrainProgress(epoch=1, epochs=4, step=step))
        training.save(kind, step=step)
    training.callback.close()
    assert training.callback.results(Results()).lost == lost
    assert training.callback.stored == {20}
    assert training.pending() == []


def test_a_best_that_was_kept_under_another_name_is_not_lost(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch's own set has the same step and weights."""
    monkeypatch.setattr("callbacks.checkpoints.free_bytes", lambda _folder: 100)
    for step in (10, 20):
        training.callback.handle(TrainProgress(epoch=1, epochs=4, step=step))
        training.save("best", step=step)
        training.save("epoch", step=step)
    training.callback.close()
    assert training.callback.results(Results()).lost == ()


def test_close_waits_for_what_is_under_way(training: Training) -> None:
    """The run does not end before its checkpoints are stored; what is left to do is said."""
    training.artifacts.gate.clear()
    training.save("epoch", step=10)
    assert training.artifacts.entered.wait(10)
    training.save("epoch", step=20)
    closing = threading.Thread(target=training.callback.close)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive()
    assert training.said == ["storing 2 checkpoint(s) before the end ..."]
    training.artifacts.gate.set()
    closing.join(10)
    assert not closing.is_alive()
    assert training.callback.stored == {10, 20}


def test_a_set_that_is_gone_is_an_error(training: Training) -> None:
    """The trainer said that it saved, and nothing is there: raised, because this callback is critical."""
    prefix = training.run.folder / "trainer" / "latest"
    with pytest.raises(DataError, match=r"has no \.pdparams"):
        training.callback.handle(CheckpointSaved(name="latest", kind="latest", prefix=str(prefix)))
