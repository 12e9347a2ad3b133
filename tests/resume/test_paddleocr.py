"""PaddleOCR itself, interrupted and resumed: evaluations, layers, weights."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from tests.commands import (
    client,
    none_of,
    ocr_train_here,
    ocr_train_until,
    only_run,
    points,
    store,
    trainer_of,
)

pytestmark = pytest.mark.slow
OVERRIDES = (
    "Optimizer.lr.name=Cosine Global.print_batch_step=1 Global.save_epoch_step=10 Global.eval_batch_step=[0,3] "
    "Train.loader.num_workers=0 Eval.loader.num_workers=0"
)


def arguments(data: Path, *more: str) -> list[str]:
    """3 epochs of 4 steps, evaluated every 3 steps."""
    return [
        *(
            "train",
            "--model",
            "rec_mv3_none_bilstm_ctc",
            "--data",
            str(data),
            "--gpus",
            "cpu",
            "--epochs",
            "3",
        ),
        *("--batch-size", "4", "--overrides", OVERRIDES),
        *("--export", "false", "--evaluation-images", "0", "--sample-images", "0", *more),
    ]


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(store_folder: Path) -> None:
    """Evaluations at 3, 6, 9 and 12 although PaddleOCR counts from 0 again; then layers that do not fit are named,
    and taken over as far as they do."""
    data = store_folder / "words"
    make_demo(data, DemoSpec(task="rec", train=16, val=4))

    def first_epoch_saved() -> bool:
        return any("save model in" in log.read_text() for log in store_folder.glob("outputs/*/train.log"))

    done = ocr_train_until(
        first_epoch_saved, signal.SIGTERM, *arguments(data, "--resume", "auto"), cwd=store_folder
    )
    assert done.returncode == 143, done.stdout
    first = only_run(store(store_folder)).info.run_id
    done2 = ocr_train_here(*arguments(data, "--resume", "auto"), cwd=store_folder)
    assert done2.returncode == 0, done2.stdout + done2.stderr
    second = only_run(store(store_folder))
    assert second.data.tags["resumed_from"] == first
    assert "lr_schedule" not in second.data.tags  # nothing has changed: the schedule goes on
    offset = int(second.data.tags["resumed_from_step"])
    # The checkpoint may be one of the middle of an epoch: PaddleOCR goes on with the next one.
    last = offset + 4 * (3 - int(second.data.tags["resumed_from_epoch"]))
    evaluated = [step for step, _ in points(store(store_folder), second.info.run_id, "eval/acc")]
    assert evaluated == [step for step in (3, 6, 9, 12) if offset < step <= last]
    loss = [step for step, _ in points(store(store_folder), second.info.run_id, "train/loss")]
    assert loss == list(range(offset + 1, last + 1))

    characters = client(store(store_folder)).download_artifacts(
        first, "checkpoints/dict.txt", str(store_folder)
    )
    text = Path(characters).read_text(encoding="utf-8")
    (data / "dict.txt").write_text(f"{text.rstrip(chr(10))}\nก\n", encoding="utf-8")
    prefix = store_folder / "outputs" / second.info.run_id / "trainer" / "latest"
    refused = ocr_train_here(*arguments(data, "--resume", str(prefix), "--epochs", "4"), cwd=store_folder)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    count = len(text.splitlines()) + 2  # the space and CTC's blank
    assert (
        f"layer head.fc.weight: 192x{count} in the checkpoint, 192x{count + 1} in the model" in refused.stderr
    )

    tuned = ocr_train_here(
        *arguments(data, "--resume", str(prefix), "--weights-only", "true", "--epochs", "1"), cwd=store_folder
    )
    assert tuned.returncode == 0, tuned.stdout + tuned.stderr
    run = only_run(store(store_folder))
    assert "layer head.fc.weight" in run.data.tags["weights_left_out"]
    assert points(store(store_folder), run.info.run_id, "train/loss")[0][0] == 1
    log = client(store(store_folder)).download_artifacts(run.info.run_id, "logs/train.log", str(store_folder))
    assert "load pretrain successful from" in Path(log).read_text(encoding="utf-8")


def test_a_killed_trainer_goes_on_before_a_damaged_checkpoint(store_folder: Path) -> None:
    """PaddleOCR killed (SIGKILL) in its third epoch: the run is FAILED and says so, every saved set is whole; with a
    byte of the newest flipped in the store, the next run goes on from the one before it, and says that, too."""
    data = store_folder / "words"
    make_demo(data, DemoSpec(task="rec", train=16, val=4))

    def second_epoch_saved() -> bool:
        logs = [log.read_text() for log in store_folder.glob("outputs/*/train.log")]
        return any(log.count("save model in") > 1 for log in logs)

    done = ocr_train_until(
        second_epoch_saved, signal.SIGKILL, *arguments(data), cwd=store_folder, to=trainer_of
    )
    assert done.returncode == 6, done.stdout
    assert none_of(store_folder)
    first = only_run(store(store_folder))
    assert (first.info.status, first.data.tags["failure_reason"]) == ("FAILED", "trainer_killed")
    verified = ocr_train_here("checkpoints", first.info.run_id, "--verify", cwd=store_folder)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    home = Path(first.info.artifact_uri.removeprefix("file://")) / "checkpoints"
    newest = max(home.glob("step_*"))
    assert newest.name >= "step_00000008"
    weights = newest / "model.pdparams"
    content = weights.read_bytes()
    weights.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])

    resumed = ocr_train_here(*arguments(data, "--resume", first.info.run_id), cwd=store_folder)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    second = only_run(store(store_folder))
    assert newest.name in second.data.tags["resume_passed_over"]
    offset = int(second.data.tags["resumed_from_step"])
    assert offset < int(newest.name.removeprefix("step_"))
    last = offset + 4 * (3 - int(second.data.tags["resumed_from_epoch"]))
    loss = [step for step, _ in points(store(store_folder), second.info.run_id, "train/loss")]
    assert loss == list(range(offset + 1, last + 1))
