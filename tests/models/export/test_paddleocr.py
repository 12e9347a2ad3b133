"""PaddleOCR itself on photographs of wire marks: a little training, then evaluate, export and predict agree."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml

from tests.commands import artifacts, client, environment, ocr_train_here, only_run, points, store
from tests.made_environments import environment_with
from tests.models.export.lively_ppocrv4 import make_checkpoint

pytestmark = pytest.mark.slow
RAPIDOCR = "3.10.0"
BESIDE = (
    *(f"{name}=={version(name)}" for name in ("onnxruntime", "numpy")),
    # As ours: OpenCV 5 cuts lines out of pages a little otherwise.
    f"opencv-python-headless=={version('opencv-python')}",
)
# For an interpreter that has nothing but rapidocr.
READ = """
import json, os, sys
det, rec, crop, *pages = sys.argv[1:]
params = {}
for folder, image in ((det, pages[0]), (rec, crop)):
    os.chdir(folder)
    code = open("README.md", encoding="utf-8").read().split("```python")[1].split("```")[0]
    scope = {}
    exec(code.replace("IMAGE.jpg", image), scope)
    for key, value in scope["params"].items():
        params[key] = os.path.join(folder, value) if key.endswith("model_path") else value
# The model has its characters with it.
del params["Rec.rec_keys_path"]
reader = scope["RapidOCR"](params=params)
for page in pages:
    found = reader(page)
    texts, boxes = (found.txts, found.boxes.tolist()) if found.txts else ([], [])
    print("LINES", json.dumps(list(zip(texts, boxes))))
"""
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
        *(
            "train",
            "--model",
            "rec_mv3_none_bilstm_ctc",
            "--data",
            data,
            "--gpus",
            "cpu",
            "--epochs",
            "1",
            "--batch-size",
            "4",
        ),
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
    evaluated = answer(work, "evaluate", rec_run, "--data", other, "--out", "analysis")
    run = only_run(store(work))
    assert evaluated["logged_to"] == [run.info.run_id] != [rec_run]
    assert evaluated["samples"] == 4
    assert run.info.status == "FINISHED"
    assert run.data.tags["evaluated_run"] == rec_run
    assert run.data.tags["evaluated_step"] == str(evaluated["step"])
    assert run.data.tags["dataset_digest"] == evaluated["dataset_digest"]
    assert run.data.metrics["evaluate/acc"] == evaluated["metrics"]["acc"]
    assert {"cer", "cer_clusters", "acc_spelled"} < set(evaluated["metrics"])
    assert run.data.metrics["evaluate/cer"] == evaluated["metrics"]["cer"]
    assert (work / "analysis" / "confusion.csv").is_file()
    assert points(store(work), rec_run, "evaluate/acc") == before
    (other / "Label.txt").write_text(f"{lines[0].split(chr(9))[0]}\tก9\n", encoding="utf-8")
    refused = ocr_train_here("evaluate", rec_run, "--data", other, cwd=work)
    assert refused.returncode == 3
    assert "'ก'" in refused.stderr


@pytest.fixture(scope="module")
def pages(work: Path, shared: Path) -> Sequence[Path]:
    """Three photographs of a labelled validation set."""
    return sorted((some_of(shared / "data" / "wires" / "det", work / "det", 1, 3) / "val").iterdir())


@pytest.fixture(scope="module")
def det(work: Path, pages: Sequence[Path]) -> Path:
    """A detector's exported folder."""
    checkpoint = make_checkpoint("det", work / "detector", pages)
    exported = answer(work, "export", checkpoint, "--onnx", "--data", pages[0].parent, "--out", "det_model")
    assert exported["checked"]["images"] == 3
    for backend in ("paddle", "onnx"):
        assert exported["checked"][backend]["answers"] > 3
        assert exported["checked"][backend]["max_corner_px"] <= 1
    return work / "det_model"


def test_a_detector_is_exported_with_its_boxes(work: Path, det: Path, pages: Sequence[Path]) -> None:
    """Boxes of the checkpoint, of paddle.inference and of onnxruntime, corner by corner, of a checkpoint without a
    run; PaddleOCR evaluates it, and its own predictor loads the model by the README's command."""
    evaluated = answer(work, "evaluate", work / "detector", "--data", work / "det", "--no-log")
    assert (evaluated["samples"], evaluated["logged_to"]) == (3, [])
    assert 0 <= evaluated["metrics"]["hmean"] <= 1
    text = (det / "README.md").read_text(encoding="utf-8")
    command = text.split("## PaddleOCR's own predictor")[1].split("```bash\n")[1].split("```")[0]
    done = subprocess.run(
        ["bash", "-c", command.replace("IMAGE.jpg", str(pages[0].parent))],
        cwd=det,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{pages[0].name}\t[[[" in done.stdout  # the name and its boxes


def test_rapidocr_reads_what_we_read(work: Path, det: Path, shared: Path, pages: Sequence[Path]) -> None:
    """In an environment that has rapidocr and nothing of ours: the READMEs' code runs as it stands in both folders, and
    with the parameters of both whole pages have the same boxes and texts."""
    try:
        python = environment_with(f"rapidocr-{RAPIDOCR}", f"rapidocr=={RAPIDOCR}", *BESIDE)
    except subprocess.CalledProcessError as exc:
        pytest.skip(f"no environment can be made for it: {str(exc.stderr)[-300:]}")
    crops = sorted((shared / "data" / "wires" / "rec" / "val").iterdir())[:4]
    make_checkpoint("rec", work / "recogniser", crops)
    rec = work / "rec_model"
    answer(work, "export", work / "recogniser", "--onnx", "--no-check", "--out", rec)
    for folder, name in ((det, "PP-OCRv4_mobile_det"), (rec, "PP-OCRv4_mobile_rec")):
        settings = (folder / "inference.yml").read_text(encoding="utf-8")
        assert yaml.safe_load(settings)["Global"] == {"model_name": name}
        assert "LabelEncode" not in settings
    done = ocr_train_here("predict", det, "--rec", rec, "--onnx", *pages, cwd=work)
    assert done.returncode == 0, done.stdout + done.stderr
    ours = [json.loads(line)["lines"] for line in done.stdout.splitlines() if line.startswith("{")]
    argv = [str(python), "-I", "-c", READ, str(det), str(rec), str(crops[0]), *map(str, pages)]
    done = subprocess.run(argv, cwd=work, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    theirs = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("LINES ")]
    expected = [[(line["text"], line["box"]) for line in lines if line["text"].strip()] for lines in ours]
    expected, theirs = (
        [comparable(page, lines) for page, lines in zip(pages, found, strict=True)]
        for found in (expected, theirs)
    )
    assert sum(map(len, expected)) > 3
    assert theirs == expected


def comparable(page: Path, lines: Sequence[Sequence[Any]]) -> list[tuple[str, list[list[float]]]]:
    """Texts and boxes but for those of which rapidocr has rules of its own (docs/export.md): it leaves out boxes of up
    to 3 pixels, draws those at the edge one pixel smaller, and does not squeeze what is wide."""
    height, width = cv2.imread(str(page)).shape[:2]
    kept = []
    for text, box in lines:
        sides = [math.dist(box[0], box[corner]) for corner in (1, 3)]
        inside = all(x < width - 1 and y < height - 1 for x, y in box)
        if inside and min(sides) >= 4 and max(sides) / min(sides) < 320 / 48:
            kept.append((text, box))
    return sorted(kept)
