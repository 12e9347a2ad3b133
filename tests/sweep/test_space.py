"""The space file is checked as an experiment is: every problem at once, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_train.errors import ConfigError
from ocr_train.sweep.plan import make_plan
from ocr_train.sweep.space import SPACES, find_space, read_space


def problems_of(folder: Path, text: str, **options: str) -> list[str]:
    """What is said of a space file with this text; nothing where it is good."""
    path = folder / "space.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        make_plan(read_space(path), options)
    except ConfigError as exc:
        return [line.removeprefix("  - ") for line in exc.problem.splitlines()[1:]] or [exc.problem]
    return []


@pytest.mark.parametrize("path", sorted(SPACES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_spaces_that_come_with_the_project_are_good(path: Path) -> None:
    """Each is of the model of its name, and varies something."""
    plan = make_plan(read_space(path), {})
    assert plan.fixed.model == path.stem
    assert len(plan.dimensions) >= 3
    assert plan.metric in ("acc", "hmean")
    assert (plan.fixed.export, plan.fixed.sample_images) == ("false", "0")
    assert "Global.eval_batch_epoch=1" in plan.fixed.overrides


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """With the nearest name, the bounds, and what to do."""
    found = problems_of(
        tmp_path,
        """
model: rec
tran: {epochs: 3}
train: {epoch: 3, resume: latest}
space:
  learning_rat: [1, 2]
  batch_size: {low: 8, high: 4}
  seed: {low: 3, high: 3}
  epochs: []
  freeze: [none]
  data: [a, b]
  Optimizer.regularizer.factor: {low: 0, high: 1, log: true}
  Optimizer.lr.warmup_epoch: {low: 0, high: 5, step: 2, logg: true}
  Global.print_batch_step: 5
sampler: tpee
pruner: {name: median, startup: -1}
""",
    )
    expected = [
        "unknown key 'tran'. Did you mean 'train'?",
        "space.learning_rat: neither a parameter nor a PaddleOCR setting such as Optimizer.regularizer.factor. "
        "Did you mean 'learning_rate'?",
        "space.batch_size: low 8 is greater than high 4: exchange them",
        "space.seed: low and high are both 3: one value belongs under `train`",
        "space.epochs: 0 choice(s): give two or more, or put the one value under `train`",
        "space.freeze: 1 choice(s): give two or more, or put the one value under `train`",
        "space.Optimizer.regularizer.factor: log: true needs low > 0, and it is 0: there is no logarithm of it",
        "space.Optimizer.lr.warmup_epoch: unknown key 'logg'. Did you mean 'log'?",
        "sampler: 'tpee' is not one of tpe, random, grid. Did you mean 'tpe'?",
        "pruner.startup: -1 is not a whole number of at least 1",
        "train: unknown key 'epoch'. Did you mean 'epochs'?",
    ]
    assert [line for line in expected if line not in found] == []
    starts = (
        "space.data: it cannot be varied",
        "space.Global.print_batch_step: 5 is neither",
        "train.resume: ",
    )
    assert [start for start in starts if not any(line.startswith(start) for line in found)] == []


def test_a_range_whose_end_is_never_reached_is_told(tmp_path: Path) -> None:
    """Optuna would quietly lower it."""
    text = "model: rec\nspace: {batch_size: {low: 4, high: 15, step: 4}}"
    assert problems_of(tmp_path, text) == [
        "space.batch_size: high 15 is not reached in steps of 4: the last is 12"
    ]


def test_what_is_measured_is_not_varied(tmp_path: Path) -> None:
    """A number and `auto` side by side would be one thing under two names."""
    text = "model: rec\nspace: {batch_size: [8, auto]}"
    assert problems_of(tmp_path, text) == [
        "space.batch_size: auto is measured and not varied: put it under `train`"
    ]


def test_a_value_that_no_training_accepts_is_found_at_the_corners(tmp_path: Path) -> None:
    """And named with its dimension; one that is wrong in all of them is said once."""
    text = """
model: rec
train: {on_bad_sample: maybe}
space:
  learning_rate: {low: -0.1, high: 0.1}
  freeze: [backbone, "a b"]
  Optimizer.regularizer.facto: [1, 2]
"""
    found = problems_of(tmp_path, text)
    assert len([line for line in found if "on_bad_sample" in line]) == 1
    assert any(line.startswith("learning_rate: '-0.1' is too small") for line in found)
    assert any(line.startswith("space.freeze=a b: freeze: 'a b' is no rule") for line in found)
    assert any("unknown key 'Optimizer.regularizer.facto'" in line for line in found)


def test_a_metric_that_is_not_measured_is_refused(tmp_path: Path) -> None:
    """The names that there are come with it."""
    text = "model: rec\nmetric: hmean\nspace: {seed: [1, 2]}"
    (problem,) = problems_of(tmp_path, text)
    assert problem.startswith("metric: 'hmean' is not one of acc, norm_edit_dis")
    assert problems_of(tmp_path, text.replace("hmean", "norm_edit_dis")) == []


def test_a_grid_needs_values_that_can_be_counted(tmp_path: Path) -> None:
    """A logarithmic range has none."""
    text = (
        "model: rec\nsampler: grid\nspace: {learning_rate: {low: 0.001, high: 0.1, log: true}, seed: [1, 2]}"
    )
    (problem,) = problems_of(tmp_path, text)
    assert problem.startswith("space.learning_rate: a grid needs")


def test_an_option_comes_before_the_file_and_cannot_be_what_is_varied(tmp_path: Path) -> None:
    """Else it would hold for no trial."""
    text = "model: rec\ntrain: {epochs: 9}\nspace: {batch_size: [4, 8]}"
    path = tmp_path / "space.yaml"
    path.write_text(text, encoding="utf-8")
    assert make_plan(read_space(path), {"epochs": "2"}).epochs == 2
    assert problems_of(tmp_path, text, batch_size="4") == [
        "batch_size: the sweep varies it: it cannot be given as an option, too"
    ]


def test_the_launch_of_a_trial_has_its_values(tmp_path: Path) -> None:
    """Parameters as parameters, settings of PaddleOCR as overrides beside those of the file; numbers are short."""
    path = tmp_path / "space.yaml"
    path.write_text(
        """
model: det
train: {overrides: {Global.print_batch_step: 5, Global.eval_batch_step: [0, 10]}, export: true}
space:
  learning_rate: {low: 1e-4, high: 1e-2, log: true}
  PostProcess.unclip_ratio: {low: 1.4, high: 2.0, step: 0.1}
  Train.dataset.transforms.EastRandomCropData.size: [[320, 320], [640, 640]]
""",
        encoding="utf-8",
    )
    plan = make_plan(read_space(path), {})
    launch = plan.launch(
        {
            "learning_rate": 0.00123456,
            "PostProcess.unclip_ratio": 1.7000000000000002,
            "Train.dataset.transforms.EastRandomCropData.size": "[640, 640]",
        }
    )
    assert launch.learning_rate == "0.001235"
    assert launch.export == "true"
    assert launch.overrides == (
        "Global.print_batch_step=5 'Global.eval_batch_step=[0, 10]' PostProcess.unclip_ratio=1.7 "
        "'Train.dataset.transforms.EastRandomCropData.size=[640, 640]'"
    )


def test_a_space_is_found_by_its_name_or_by_the_model() -> None:
    """What is not found is told with what there is."""
    assert find_space("", "det") == find_space("det", "rec") == SPACES / "det.yaml"
    with pytest.raises(ConfigError, match=r"space 'dett' is not known\. Did you mean 'det'"):
        find_space("dett", "")
    with pytest.raises(ConfigError, match="no space file for the model 'cls'"):
        find_space("", "cls")
    with pytest.raises(ConfigError, match="Neither --model nor --space"):
        find_space("", "")
    with pytest.raises(ConfigError, match="no such file"):
        find_space("nowhere/x.yaml", "")


def test_what_is_described_holds_no_secret_and_nothing_of_the_machine(tmp_path: Path) -> None:
    """It decides whether a study is still the same, and stands in MLflow."""
    path = tmp_path / "space.yaml"
    path.write_text("model: rec\nspace: {seed: [1, 2]}", encoding="utf-8")
    options = {"gpus": "cpu", "output": "/somewhere", "data": "s3://KEY:SECRETSECRET@bucket/x"}
    described = make_plan(read_space(path), options).described()
    assert "SECRETSECRET" not in str(described)
    assert not {"train.gpus", "train.output"} & set(described)
    assert described["space.seed"] == "1, 2"
