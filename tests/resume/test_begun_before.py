"""A container that is started again with the run that it was given: the trainer is a stand-in (tests/scripted_paddleocr)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import client, ocr_train_here, points, store, train_arguments


@pytest.mark.slow
def test_a_run_that_was_begun_before_has_no_step_twice(store_folder: Path, data: Path) -> None:
    """Killed before its first checkpoint, it starts from the beginning in the same run: its curve does not fold back."""
    run_id = client(store(store_folder)).create_run("0").info.run_id
    env = {"MLFLOW_RUN_ID": run_id}
    first = ocr_train_here(*train_arguments(data), cwd=store_folder, env={**env, "SCRIPTED_FAULT": "kill"})
    assert first.returncode == 6, first.stderr
    before = [step for step, _ in points(store(store_folder), run_id, "train/loss")]
    assert before
    again = ocr_train_here(*train_arguments(data), cwd=store_folder, env=env)
    assert again.returncode == 0, again.stdout + again.stderr
    steps = [step for step, _ in points(store(store_folder), run_id, "train/loss")]
    assert steps == sorted(set(steps))
    assert (steps[: len(before)], steps[-1]) == (before, 16)
    run = client(store(store_folder)).get_run(run_id)
    assert run.info.status == "FINISHED"
    assert "failure_reason" not in run.data.tags
