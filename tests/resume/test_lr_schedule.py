"""The learning rate after a resume: as configured where something has changed, untouched where nothing has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ocr_train.resume.lr_schedule import SCRIPT, Standing, lay_anew
from ocr_train.resume.lr_schedule_script import place, same
from ocr_train.resume.resolve import ResumePoint
from ocr_train.resume.start import lay_schedule
from ocr_train.trainer.interpreter import probe
from ocr_train.trainer.paddleocr import PaddleOcr, find_paddleocr
from ocr_train.trainer.tools import Trainer
from tests.builders import write_checkpoint

COSINE = {"name": "Cosine", "learning_rate": 0.001}
WARM = {**COSINE, "warmup_epoch": 1}
LINEAR = {"name": "Linear", "learning_rate": 0.001, "warmup_epoch": 1}
PIECEWISE = {"name": "Piecewise", "decay_epochs": [3, 6], "values": [0.1, 0.01, 0.001], "warmup_epoch": 1}
STEP = {"name": "Step", "learning_rate": 0.001, "step_size": 2, "gamma": 0.5}
CYCLE = {"name": "OneCycle", "max_lr": 0.001}

CASES: list[list[Any]] = [
    # name, old schedule, epochs, steps; new schedule, epochs, steps; epoch of the checkpoint, its kind, steps known
    ["ended", COSINE, 2, 4, COSINE, 4, 4, 2, "latest", True],
    ["ended_warm", WARM, 2, 4, WARM, 4, 4, 2, "latest", True],
    ["ended_linear", LINEAR, 2, 4, LINEAR, 4, 4, 2, "epoch", True],
    ["ended_cycle", CYCLE, 2, 4, CYCLE, 4, 4, 2, "latest", True],
    [
        *("ended_two_step", {**COSINE, "name": "TwoStepCosine"}, 2, 4),
        *({**COSINE, "name": "TwoStepCosine"}, 4, 4, 2, "latest", True),
    ],
    [
        *("ended_polynomial", {**COSINE, "name": "DecayLearningRate"}, 2, 4),
        *({**COSINE, "name": "DecayLearningRate"}, 4, 4, 2, "latest", True),
    ],
    ["interrupted", COSINE, 4, 4, COSINE, 8, 4, 2, "latest", True],
    ["fewer_epochs", COSINE, 8, 4, COSINE, 4, 4, 2, "latest", True],
    ["another_rate", WARM, 4, 4, {**WARM, "learning_rate": 0.02}, 4, 4, 2, "latest", True],
    ["another_step_rate", STEP, 4, 4, {**STEP, "learning_rate": 0.02}, 4, 4, 2, "latest", True],
    ["more_steps", COSINE, 4, 4, COSINE, 4, 8, 1, "latest", True],
    ["more_steps_untold", COSINE, 4, 4, COSINE, 4, 8, 1, "latest", False],
    ["fewer_steps", PIECEWISE, 8, 4, PIECEWISE, 8, 2, 4, "latest", True],
    ["constant_to_cosine", {"learning_rate": 0.001}, 2, 4, COSINE, 4, 4, 2, "latest", True],
    ["cosine_to_constant", COSINE, 2, 4, {"learning_rate": 0.001}, 4, 4, 2, "latest", True],
    ["warm_up_added", COSINE, 2, 4, WARM, 4, 4, 2, "latest", True],
    ["warm_up_dropped", WARM, 2, 4, COSINE, 4, 4, 2, "latest", True],
    *[
        [f"unchanged_{name}", schedule, 4, 4, schedule, 4, 4, 2, "latest", told]
        for told in (True, False)
        for name, schedule in {
            f"cosine_{told}": COSINE,
            f"warm_{told}": WARM,
            f"linear_{told}": LINEAR,
            f"cycle_{told}": CYCLE,
            f"piecewise_{told}": PIECEWISE,
        }.items()
    ],
    ["unchanged_best", COSINE, 4, 4, COSINE, 4, 4, 2, "best", True],
    ["unchanged_best_untold", WARM, 4, 4, WARM, 4, 4, 2, "best", False],
]
UNCHANGED = [case[0] for case in CASES if case[0].startswith("unchanged")]
CHANGED = [case[0] for case in CASES if case[0] not in UNCHANGED]


@pytest.fixture(scope="module")
def paddleocr() -> PaddleOcr:
    """The PaddleOCR that is installed here."""
    return find_paddleocr("", probe(Path(sys.executable)))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, paddleocr: PaddleOcr) -> dict[str, dict[str, Any]]:
    """All cases, in one child: Paddle takes seconds to load."""
    driver = Path(__file__).parents[1] / "schedule_driver.py"
    argv = [sys.executable, str(driver), str(paddleocr.root), str(SCRIPT)]
    argv += [str(tmp_path_factory.mktemp("schedules")), json.dumps(CASES)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RATES ")]
    assert lines, done.stderr[-3000:]
    found: dict[str, dict[str, Any]] = json.loads(lines[0].removeprefix("RATES "))
    return found


@pytest.mark.parametrize("name", CHANGED)
def test_training_goes_on_with_the_rates_of_the_schedule_as_it_is_now(
    answers: dict[str, dict[str, Any]], name: str
) -> None:
    """At every step what a run of the new configuration has there, with the optimizer's moments as they were."""
    answer = answers[name]
    assert "problem" not in answer
    assert answer["resumed"] == pytest.approx(answer["expected"], rel=1e-6, abs=1e-12)
    assert max(answer["resumed"]) > 1e-5
    assert answer["same_moments"]


@pytest.mark.parametrize("name", UNCHANGED)
def test_an_unchanged_checkpoint_is_left_alone(answers: dict[str, dict[str, Any]], name: str) -> None:
    """Not a byte of it is written, and the rates are those of the run without an interruption."""
    answer = answers[name]
    assert answer["changed"] is False
    assert answer["same_bytes"]
    assert answer["resumed"] == pytest.approx(answer["expected"], rel=1e-6)


def test_twice_the_epochs_of_an_ended_cosine_are_the_second_half_of_the_longer_one(
    answers: dict[str, dict[str, Any]],
) -> None:
    """At half of its length a cosine has half of its rate."""
    assert answers["ended"]["old_rate"] == pytest.approx(0, abs=1e-12)
    assert answers["ended"]["resumed"][0] == pytest.approx(0.0005)
    assert answers["ended"]["at"] == 8
    assert answers["ended"]["total"] == 16


def test_with_other_steps_in_an_epoch_the_epoch_counts(answers: dict[str, dict[str, Any]]) -> None:
    """So that the schedule ends with the training."""
    assert answers["more_steps"]["at"] == answers["more_steps_untold"]["at"] == 8
    assert answers["fewer_steps"]["at"] == 8
    assert answers["fewer_steps"]["resumed"][0] == 0.01


@pytest.mark.parametrize(
    ("last", "old_steps", "kind", "expected"),
    [
        (6, 4, "best", 6),
        (6, 0, "best", 6),
        (8, 0, "latest", 8),
        (6, 0, "latest", 8),
        (6, 5, "best", 8),
        (3, 0, "best", 8),
        (9, 0, "best", 8),
        (None, 4, "latest", 8),
    ],
)
def test_where_a_checkpoint_of_the_second_epoch_stands(
    last: int | None, old_steps: int, kind: str, expected: int
) -> None:
    """With 4 steps in an epoch: its own step where epochs have not changed, else the end of its epoch."""
    assert place(last, 2, 4, old_steps, kind) == expected


def test_states_are_the_same_but_for_the_last_digit() -> None:
    """Two computers need not agree on a cosine to the last bit; another key is another schedule."""
    state = {"last_epoch": 4, "last_lr": 0.001, "LinearWarmup_LR": {"last_epoch": 3, "last_lr": 0.1}}
    assert same(state, {**state, "last_lr": 0.001 * (1 + 1e-12)})
    assert not same(state, {**state, "last_lr": 0.00101})
    assert not same(state, {"last_epoch": 4, "last_lr": 0.001})


def test_where_it_cannot_be_done_the_file_stays_and_the_run_says_so(tmp_path: Path) -> None:
    """A PaddleOCR without its optimizer code: training goes on as PaddleOCR does it."""
    prefix = write_checkpoint(tmp_path / "model")
    before = Path(f"{prefix}.pdopt").read_bytes()
    config = tmp_path / "config.yml"
    config.write_text("Global: {epoch_num: 3}\nOptimizer: {lr: {name: Cosine, learning_rate: 0.1}}\n")
    (tmp_path / "ppocr" / "optimizer").mkdir(parents=True)
    trainer = Trainer(python=Path(sys.executable), paddleocr=PaddleOcr(root=tmp_path, version=""), env={})
    standing = Standing(prefix=Path(prefix), kind="latest", epoch=1, steps=4)
    said = lay_anew(standing, trainer, config)
    assert "could not be compared with the checkpoint's (ImportError" in said
    assert Path(f"{prefix}.pdopt").read_bytes() == before


@pytest.mark.parametrize("weights_only", [False, True])
def test_a_run_says_and_tags_what_became_of_its_schedule(tmp_path: Path, weights_only: bool) -> None:
    """Where only the weights are taken there is no schedule to go on with."""
    tags: dict[str, object] = {}
    lines: list[str] = []
    trainer = Trainer(python=Path(sys.executable), paddleocr=PaddleOcr(root=tmp_path, version=""), env={})
    point = ResumePoint(
        prefix=tmp_path / "model", step=4, epoch=1, best=None, source="x", weights_only=weights_only
    )
    tracker: Any = SimpleNamespace(set_tags=tags.update)
    lay_schedule(point, trainer, tmp_path / "config.yml", 4, tracker, lines.append)
    assert list(tags.values()) == lines
    assert len(lines) == (0 if weights_only else 1)
    assert all("has no ppocr/optimizer" in line for line in lines)
