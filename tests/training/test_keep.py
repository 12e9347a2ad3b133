"""What could be read before a training: measured before it and after it, in the run, and never in its way.

That PaddleOCR's weights are what is read with is shown in test_fine_tune and test_train_on_s3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ocr_train.analysis.predictions import Reading
from ocr_train.config.experiment import EXPERIMENTS, Experiment, Launch, load_experiment
from ocr_train.data import keep_set
from ocr_train.data.manifest import DatasetManifest, build_manifest
from ocr_train.errors import ConfigError, DataError
from ocr_train.models.source import ModelSource
from ocr_train.training import keep_before
from ocr_train.training.keep import Keep, compare_keep
from ocr_train.training.keep_before import find_keep, measure_keep
from ocr_train.weights.start import Settled
from tests.analysis.builders import write_images
from tests.builders import make_run

TEXTS = {"a.jpg": "gag", "b.jpg": "Q7", "c.jpg": "ö"}


@dataclass(kw_only=True)
class RecordingTracker:
    """Takes what a run is told."""

    folder: Path
    client: Any = None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: list[tuple[str, int, float]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def log_params(self, params: Mapping[str, str]) -> None:
        self.params.update(params)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self.tags.update({name: value for name, value in tags.items() if value})

    def log_metrics(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        assert time_ms
        self.points += [(name, step, value) for name, value in metrics.items()]

    def log_file(self, path: Path, folder: str) -> None:
        assert path.is_file()
        self.files.append(f"{folder}/{path.name}")


class Bench:
    """A recognition run in `folder` that starts from weights, and a set of three words beside it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.words = folder / "words"
        write_images(self.words, list(TEXTS))
        labels = "".join(f"{name}\t{text}\n" for name, text in TEXTS.items())
        (self.words / "val.txt").write_text(labels, encoding="utf-8")
        (folder / "paddleocr" / "ppocr").mkdir(parents=True)
        run_folder = folder / "run"
        run_folder.mkdir()
        (run_folder / "config.yml").write_text("Global: {use_space_char: true}\n")
        (run_folder / "dict.txt").write_text("\n".join("agQ7ABCDEFGHIJKLMNOPRSTUVWXYZ"))
        (folder / "model.pdparams").write_bytes(b"weights")
        self.run = make_run(
            run_folder,
            task="rec",
            main_metric="acc",
            dictionary=run_folder / "dict.txt",
            config=run_folder / "config.yml",
        )
        self.settled = Settled(weights=folder / "model.pdparams", source="PP-OCR", usable=True)
        self.point: Any = None
        self.tracker = RecordingTracker(folder=run_folder)
        self.said: list[str] = []
        self.answers: Mapping[str, str] = TEXTS
        self.asked = 0
        self.trained_on = DatasetManifest(())
        monkeypatch.setattr(keep_before, "read_until_stopped", self._read)

    def _read(self, _source: ModelSource, images: Sequence[Path], *_others: object) -> list[Reading]:
        return self.read(images)

    def read(self, images: Sequence[Path]) -> list[Reading]:
        """The answers for these images."""
        self.asked += 1
        if not self.answers:
            raise DataError("the model cannot be used")
        return [Reading(image=path, text=self.answers.get(path.name, "")) for path in images]

    @property
    def services(self) -> Any:
        return SimpleNamespace(echo=self.said.append, stop=None, fetch=None)

    def experiment(self, **launch: str) -> Experiment:
        """The launch, with the set unless another is named."""
        return load_experiment(
            Launch(**{"model": "rec", "data": "/x", "keep": str(self.words), **launch}), EXPERIMENTS
        )

    def measure(self, **launch: str) -> Keep | None:
        """What is known before training."""
        experiment = self.experiment(**launch)
        output = self.folder / "outputs"
        setup: Any = SimpleNamespace(
            run=self.run,
            settled=self.settled,
            point=self.point,
            dataset=SimpleNamespace(manifest=self.trained_on),
            launch=SimpleNamespace(
                paddleocr=SimpleNamespace(root=self.folder / "paddleocr"), device=SimpleNamespace(gpus=())
            ),
        )
        started: Any = SimpleNamespace(tracker=self.tracker, reopened=None)
        found = find_keep(experiment, output, self.services)
        return measure_keep(experiment, setup, found, output, started, self.services)

    def measured(self, **launch: str) -> Keep:
        """The same where there is a set."""
        keep = self.measure(**launch)
        assert keep is not None
        return keep

    def compare(self, keep: Keep, sha256: str = "other") -> str:
        """What is said after training, by a checkpoint of step 20."""
        source: Any = SimpleNamespace(sha256=sha256, step=20)
        tracker: Any = self.tracker
        return compare_keep(keep, source, self.read, self.run, tracker).sentence


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A run with weights to start from."""
    return Bench(tmp_path, monkeypatch)


def test_the_run_has_both_scores_and_what_was_lost(bench: Bench) -> None:
    """At step 0 and at that of the best checkpoint; that it fell is said plainly."""
    keep = bench.measured()
    assert bench.tracker.params["keep/base_acc"] == "1"
    bench.answers = {"a.jpg": "qaq", "b.jpg": "Q7", "c.jpg": "o"}
    sentence = bench.compare(keep)
    assert sentence.startswith(
        "acc 1.000 before training, 0.333 after it, on 3 samples: 2 characters are read less often, most lost: g (2 of 2), ö"
    )
    assert "1 of its characters are not in the dictionary and cannot be read: ö (1)" in sentence
    assert "It reads less of what it could read" in sentence
    accs = [(step, round(value, 3)) for name, step, value in bench.tracker.points if name == "keep/acc"]
    assert accs == [(0, 1.0), (20, 0.333)]
    assert bench.tracker.files == [
        *("evaluation/keep_before.json", "evaluation/keep_predictions.csv", "evaluation/keep_characters.csv")
    ]
    assert bench.tracker.tags["keep"] == sentence
    assert bench.tracker.tags["keep_fell"] == "acc by 0.6667"
    assert json.loads(bench.tracker.tags["keep_score"])["step"] == 20
    assert len(bench.tracker.tags["keep_digest"]) == 32


def test_a_best_checkpoint_that_is_the_base_is_not_read_again(bench: Bench) -> None:
    """It is what it was."""
    keep = bench.measured()
    sentence = bench.compare(keep, sha256=keep.sha256)
    assert sentence.startswith("acc 1.000 on 3 samples, as before training")
    assert bench.asked == 1
    assert bench.tracker.tags["keep_fell"] == "no"
    assert [step for _, step, _ in bench.tracker.points if step] == []


def test_a_reading_before_that_fails_keeps_nobody_from_training(bench: Bench) -> None:
    """What is read after it is in the run all the same, compared with nothing."""
    bench.answers = {}
    keep = bench.measured()
    assert keep.before is None
    assert "keep: not measured before training: the model cannot be used" in bench.said
    bench.answers = TEXTS
    assert bench.compare(keep).startswith("acc 1.000 after training, on 3 samples")
    assert "keep_fell" not in bench.tracker.tags


def test_a_run_that_goes_on_takes_what_was_read_before_from_the_run_that_it_continues(bench: Bench) -> None:
    """A run without a server has its artifacts in a folder."""
    before = bench.measured()
    artifacts = bench.folder / "earlier" / "artifacts"
    (artifacts / "evaluation").mkdir(parents=True)
    written = bench.tracker.folder / "evaluation" / "keep_before.json"
    written.replace(artifacts / "evaluation" / "keep_before.json")
    bench.settled = Settled()
    bench.point = SimpleNamespace(
        run_id="", weights_only=False, source=str(artifacts / "checkpoints" / "step_00000010" / "model")
    )
    bench.tracker.points.clear()
    keep = bench.measured()
    assert keep.before is not None
    assert before.before is not None
    assert keep.before.figures == before.before.figures
    assert (keep.sha256, bench.asked, bench.tracker.points) == (before.sha256, 1, [])
    assert any(line.startswith("keep: acc 1.0000 was read of 3 samples") for line in bench.said)
    (bench.words / "val.txt").write_text("a.jpg\tgag\n", encoding="utf-8")
    assert bench.measured().before is None
    assert "was another set" in bench.said[-1]


def test_a_training_from_nothing_has_no_set_unless_one_is_given(bench: Bench) -> None:
    """Nothing could be read before; what can be read of a given one after it is worth knowing."""
    bench.settled = Settled()
    assert bench.measure(keep="") is None
    assert bench.measured().before is None
    assert bench.said[-1] == "keep: not measured before training: there are no weights to start from"


def test_a_set_is_drawn_where_none_is_given(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what these weights read: the rest could not be read before."""
    monkeypatch.setitem(keep_set.DRAWN, "rec", 8)
    (bench.tracker.folder / "dict.txt").write_text("\n".join(map(chr, range(33, 127))))
    monkeypatch.setattr(keep_before, "LEAST_READ", 0.0)
    keep = bench.measured(keep="")
    assert (keep.drawn, keep.what) == (True, "8 samples of a set that is drawn")
    assert Path(keep.where).is_dir()
    monkeypatch.setattr(keep_before, "LEAST_READ", 0.25)
    assert bench.measure(keep="") is None
    assert "keep: en is left out of the drawn set: these weights read too little of it" in bench.said


def test_a_set_that_cannot_be_drawn_keeps_nobody_from_training(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is said, and training begins without the set."""

    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keep_set, "draw_beside", refuse)
    assert bench.measure(keep="") is None
    assert bench.said[-1] == "keep: not looked at: [Errno 28] No space left on device"


@pytest.mark.parametrize(
    "launch", [{"keep": "none"}, {"evaluation_images": "0"}, {"keep": "none", "data": ""}]
)
def test_nothing_is_read_where_nothing_is_wanted(bench: Bench, launch: dict[str, str]) -> None:
    """keep=none, or a run that reads no images."""
    assert bench.measure(**launch) is None
    assert bench.asked == 0


def test_a_set_that_is_not_there_or_not_readable_ends_the_run_before_it_trains(bench: Bench) -> None:
    """With its name; models that are not read with here have none."""
    with pytest.raises(ConfigError, match="keep: there is nothing at"):
        bench.measure(keep=str(bench.folder / "typo"))
    (bench.words / "val.txt").unlink()
    with pytest.raises(DataError, match="keep: "):
        bench.measure()
    with pytest.raises(ConfigError, match="keep: images are not read with 'table' models"):
        load_experiment(replace(Launch(model=str(table(bench.folder))), data="/x", keep="/y"), EXPERIMENTS)


def table(folder: Path) -> Path:
    """An experiment of a task that has no engine here."""
    path = folder / "table.yaml"
    path.write_text("task: table\npaddleocr: {Architecture: {model_type: table}, Global: {epoch_num: 1}}\n")
    return path


def test_images_that_are_trained_on_say_nothing_of_forgetting(bench: Bench) -> None:
    """That is said; so are the characters that the model can no longer read."""
    (bench.words / "train.txt").write_text("a.jpg\tgag\n")
    bench.trained_on = build_manifest(bench.words, {"train": bench.words / "train.txt"}, workers=1)
    bench.measured()
    assert any(
        line.endswith("training images, too: they do not say what is forgotten") for line in bench.said
    )
    assert "keep: 1 of its characters are not in the dictionary and cannot be read: ö (1)" in bench.said
