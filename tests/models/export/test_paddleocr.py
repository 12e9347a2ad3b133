"""PaddleOCR itself on photographs of wire marks: a little training, then evaluate, export and predict agree."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import artifacts, client, environment, ocr_train_here, only_run, points, store
from tests.lively_kit import Kit

pytestmark = pytest.mark.slow
QUICK = "Global.print_batch_step=10 Global.save_epoch_step=10 Train.loader.num_workers=0 Eval.loader.num_workers=0"


def installed() -> str:
    """What is installed beside this process, packages and versions."""
    script = "import importlib.metadata as m; print(sorted((d.name, d.version) for d in m.distributions()))"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def some_of(source: Path, target: Path, train: int, val: int) -> Path:
    """The first samples of a data set, with their images."""
    for name, count in (("train.txt", train), ("val.txt", val)):
        lines = (source / name).read_text(encoding="utf-8").splitlines()[:count]
        for line in lines:
            image = line.split("\t")[0]
            (target / image).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / image, target / image)
        (target / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tracking store of its own, where the trainings and the commands run."""
    return tmp_path_factory.mktemp("wires")


@pytest.fixture(scope="module")
def rec_run(work: Path, shared: Path) -> str:
    """The run of a recogniser that has seen 32 crops."""
    data = some_of(shared / "data" / "wires" / "rec", work / "rec", 32, 8)
    done = ocr_train_here(
        *("train", "--model", "rec", "--data", data, "--gpus", "cpu", "--epochs", "1", "--batch-size", "4"),
        *("--overrides", QUICK, "--export", "false", "--evaluation-images", "0", "--sample-images", "0"),
        cwd=work,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(only_run(store(work)).info.run_id)


def answer(folder: Path, *arguments: str | Path) -> Any:
    """What a command answers with --json."""
    file = folder / "answer.json"
    file.unlink(missing_ok=True)
    done = ocr_train_here(*arguments, "--json", file, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text(encoding="utf-8"))


def edits(one: str, other: str) -> int:
    """The Levenshtein distance."""
    row = list(range(len(other) + 1))
    for index, letter in enumerate(one, 1):
        before, row[0] = row[0], index
        for column, wanted in enumerate(other, 1):
            before, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, before + (letter != wanted)),
            )
    return row[-1]


def norm_edit_dis(truths: list[str], texts: list[str]) -> float:
    """PaddleOCR's metric, by the formula of ppocr/metrics/rec_metric.py: spaces do not count."""
    pairs = [(one.replace(" ", ""), other.replace(" ", "")) for one, other in zip(truths, texts, strict=True)]
    return 1 - sum(edits(one, other) / max(len(one), len(other), 1) for one, other in pairs) / len(pairs)


def test_training_evaluate_export_and_predict_agree(work: Path, rec_run: str) -> None:
    """One number by four ways: the trainer's own, eval.py's, and those of the texts that the exported models read."""
    evaluated = answer(work, "evaluate", rec_run)
    assert evaluated["own_data"]
    assert evaluated["logged_to"] == [rec_run]
    step = evaluated["step"]
    before = installed()
    exported = answer(work, "export", rec_run, "--onnx", "--log", "--out", "model")
    assert installed() == before, "converting installed packages into the interpreter that trains"
    assert exported["checked"]["images"] == 8
    assert exported["backends"] == ["paddle", "onnx"]
    assert exported["checked"]["onnx"]["max_score_difference"] < 1e-4
    lines = (work / "rec" / "val.txt").read_text(encoding="utf-8").splitlines()
    images = [f"rec/{line.split(chr(9))[0]}" for line in lines]
    truths = [line.split("\t")[1] for line in lines]
    done = ocr_train_here("predict", "model", *images, cwd=work)
    assert done.returncode == 0, done.stdout + done.stderr
    texts = [json.loads(line)["text"] for line in done.stdout.splitlines() if line.startswith("{")]
    assert norm_edit_dis(truths, texts) == pytest.approx(evaluated["metrics"]["norm_edit_dis"], abs=1e-4)
    trained = dict(points(store(work), rec_run, "eval/norm_edit_dis"))
    assert trained[step] == pytest.approx(evaluated["metrics"]["norm_edit_dis"], abs=1e-6)
    assert dict(points(store(work), rec_run, "evaluate/norm_edit_dis")) == pytest.approx(
        {step: trained[step]}
    )
    assert client(store(work)).get_run(rec_run).data.tags["exported"] == "agrees"
    stored = artifacts(store(work), rec_run, "export")
    assert {"export/model.json", "export/model.onnx", "export/README.md", "export/dict.txt"} <= set(stored)


def test_other_data_are_evaluated_in_a_run_that_names_the_first(work: Path, rec_run: str) -> None:
    """Its digest is that of the other data, and the evaluated run gets no point of them."""
    other = work / "other"
    lines = (work / "rec" / "val.txt").read_text(encoding="utf-8").splitlines()[:4]
    for line in lines:
        (other / line.split("\t")[0]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work / "rec" / line.split("\t")[0], other / line.split("\t")[0])
    (other / "Label.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    before = points(store(work), rec_run, "evaluate/acc")
    evaluated = answer(work, "evaluate", rec_run, "--data", other)
    run = only_run(store(work))
    assert evaluated["logged_to"] == [run.info.run_id] != [rec_run]
    assert evaluated["samples"] == 4
    assert run.info.status == "FINISHED"
    assert run.data.tags["evaluated_run"] == rec_run
    assert run.data.tags["evaluated_step"] == str(evaluated["step"])
    assert run.data.tags["dataset_digest"] == evaluated["dataset_digest"]
    assert run.data.metrics["evaluate/acc"] == evaluated["metrics"]["acc"]
    assert points(store(work), rec_run, "evaluate/acc") == before
    (other / "Label.txt").write_text(f"{lines[0].split(chr(9))[0]}\tก9\n", encoding="utf-8")
    refused = ocr_train_here("evaluate", rec_run, "--data", other, cwd=work)
    assert refused.returncode == 3
    assert "'ก'" in refused.stderr


def test_a_detector_is_exported_with_its_boxes(work: Path, shared: Path, kit: Kit) -> None:
    """Boxes of the checkpoint, of paddle.inference and of onnxruntime, corner by corner, of a checkpoint without a
    run; PaddleOCR evaluates it, and its own predictor loads the model by the README's command."""
    data = some_of(shared / "data" / "wires" / "det", work / "det", 1, 3)
    images = sorted((data / "val").iterdir())
    shutil.copytree(kit.folder / "det", work / "detector", ignore=shutil.ignore_patterns("exported"))
    exported = answer(
        work, "export", work / "detector", "--onnx", "--data", data / "val", "--out", "det_model"
    )
    assert exported["checked"]["images"] == 3
    for backend in ("paddle", "onnx"):
        assert exported["checked"][backend]["answers"] > 3
        assert exported["checked"][backend]["max_corner_px"] <= 1
    evaluated = answer(work, "evaluate", work / "detector", "--data", data, "--no-log")
    assert (evaluated["samples"], evaluated["logged_to"]) == (3, [])
    assert 0 <= evaluated["metrics"]["hmean"] <= 1
    text = (work / "det_model" / "README.md").read_text(encoding="utf-8")
    command = text.split("```bash\n")[2].split("```")[0].replace("IMAGE.jpg", str(data / "val"))
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=work / "det_model",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{images[0].name}\t[[[" in done.stdout  # the name and its boxes
