"""Every format: from a folder as its tool leaves it to a set that a training takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ocr_train.data.formats.kept_sets import keep_sets
from ocr_train.data.formats.table import FORMATS, detect_format
from ocr_train.data.formats.unknown import looks_like
from tests.cli_run import command
from tests.data.formats.folders import WIDTH, picture, put
from tests.data.formats.test_answers import block, box, row, vision, word
from tests.data.formats.test_coco import coco
from tests.data.formats.test_cvat import SIDES, TEXT, cvat
from tests.data.formats.test_icdar import CORNERS
from tests.data.formats.test_labelstudio import PLACE, shape, tasks, text
from tests.data.formats.test_texts import make_lmdb
from tests.data.formats.test_totaltext import RECORD
from tests.data.formats.test_via import POLYGON, images, region
from tests.data.formats.test_voc import BNDBOX, voc
from tests.data.formats.test_yolo import UPRIGHT

Capsys = pytest.CaptureFixture[str]
COUNT = 5
IMAGES = tuple(f"images/{number}.jpg" for number in range(COUNT))
NAMES = [Path(name).name for name in IMAGES]


def each(name: str, content: Any) -> dict[str, Any]:
    """A file for each image; in its name and content {} is the image's number."""

    def filled(value: Any, number: int) -> Any:
        plain = value if isinstance(value, str) else json.dumps(value)
        return plain.replace("{}", str(number))

    return {name.replace("{}", str(number)): filled(content, number) for number in range(COUNT)}


def many_coco() -> dict[str, Any]:
    """COCO of all images."""
    content = coco()
    content["images"] = [
        {"id": number, "file_name": name, "width": WIDTH, "height": 200} for number, name in enumerate(NAMES)
    ]
    content["annotations"] = [
        {"image_id": number, "bbox": [10, 20, 190, 40], "text": "a"} for number in range(COUNT)
    ]
    return content


LABELME = {
    "version": "5.4.1",
    "imagePath": "{}.jpg",
    "imageData": None,
    "imageWidth": WIDTH,
    "imageHeight": 200,
}
SHAPE = {"label": "a", "points": [[10, 20], [200, 60]], "shape_type": "rectangle"}
LINES = "".join(
    f"s/images/{number}.jpg\t"
    + json.dumps([{"transcription": "a", "points": [[10, 20], [90, 20], [90, 60], [10, 60]]}])
    + "\n"
    for number in range(COUNT)
)
FOLDERS: dict[str, dict[str, Any]] = {
    "labelme": each("images/{}.json", {**LABELME, "shapes": [SHAPE]}),
    "ppocrlabel": {"Label.txt": LINES, "fileState.txt": ""},
    "labelstudio": {
        "a.json": [one for name in NAMES for one in tasks(shape(PLACE), text(["a"]), image=name)]
    },
    "cvat": {
        "annotations.xml": "<annotations>"
        + "".join(
            cvat(f'<box label="t" {SIDES}>{TEXT}</box>', name=name)
            .partition("<version>1.1</version>")[2]
            .removesuffix("</annotations>")
            for name in NAMES
        )
        + "</annotations>"
    },
    "via": {
        "via.json": {
            key: value
            for name in NAMES
            for key, value in images(region(POLYGON, text="a"), name=name).items()
        }
    },
    "coco": {"_annotations.coco.json": many_coco()},
    "voc": each("xml/{}.xml", voc(f"<name>a</name>{BNDBOX}", name="{}.jpg")),
    "icdar": each("gt/gt_{}.txt", f"{CORNERS},a\n"),
    "totaltext": each("gt/poly_gt_{}.txt", RECORD),
    "yolo": {**each("labels/{}.txt", UPRIGHT), "data.yaml": "names: ['a']\n"},
    "groundtruth": {"output.manifest": "\n".join(row(box(1), ref=f"s3://b/{name}") for name in NAMES)},
    "textract": each("{}.json", {"Blocks": [block("WORD", "a")]}),
    "googlevision": each("{}.json", vision(word("a"))),
    "csv": {"labels.csv": "filename,words\n" + "".join(f"{name},a\n" for name in IMAGES)},
    "gt-txt": each("images/{}.gt.txt", "a\n"),
    "lmdb": {},
}


def folder_of(name: str, place: Path) -> Path:
    """A folder of the format with a few images."""
    if name != "lmdb":
        return put(place, FOLDERS[name], images=IMAGES)
    numbers = range(1, COUNT + 1)
    parts = {f"image-{one:09d}": picture(".jpg", one) for one in numbers} | {
        f"label-{one:09d}": b"a" for one in numbers
    }
    return make_lmdb(place, {"num-samples": str(COUNT).encode(), **parts})


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_of_each_tool_is_prepared_as_it_is(name: str, capsys: Capsys, tmp_path: Path) -> None:
    """Recognised, converted, checked, split: no problem, and nothing lost."""
    folder = folder_of(name, tmp_path / "s")
    assert detect_format(folder) == name
    task = "rec" if name in ("csv", "gt-txt", "lmdb") else "det"
    ran = command(
        capsys, "prepare", "--task", task, "--data", folder, "--out", tmp_path / "out", "--json", "-"
    )
    assert ran.code == 0, ran.err
    assert (ran.json["format"], ran.json["train"] + ran.json["val"]) == (name, COUNT)
    assert "source: " in ran.err


def test_convert_finds_the_tool(capsys: Capsys, tmp_path: Path) -> None:
    """And says which one; what it wrote can be validated as it says."""
    ran = command(capsys, "convert", "auto", folder_of("voc", tmp_path / "s"), tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "format: Pascal VOC" in ran.out
    assert f"next: python -m ocr_train validate --task det {tmp_path / 'out' / 'Label.txt'}" in ran.out
    assert command(capsys, "validate", "--task", "det", tmp_path / "out" / "Label.txt").code == 0


def test_convert_of_texts_goes_on_with_recognition(capsys: Capsys, tmp_path: Path) -> None:
    """Without a word of boxes."""
    ran = command(capsys, "convert", "csv", folder_of("csv", tmp_path / "s"), tmp_path / "out")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [
        f"5 crops with text: {tmp_path / 'out' / 'rec_gt.txt'}",
        f"next: python -m ocr_train validate --task rec {tmp_path / 'out' / 'rec_gt.txt'}",
    ]


def test_a_conversion_that_loses_boxes_ends_with_3(capsys: Capsys, tmp_path: Path) -> None:
    """All that can be used is written, and --skip-unknown makes it 0."""
    folder = folder_of("icdar", tmp_path / "s")
    (folder / "gt" / "gt_0.txt").write_text(f"{CORNERS},a\nbroken\n")
    arguments = ("convert", "icdar", folder, tmp_path / "out")
    ran = command(capsys, *arguments)
    assert ran.code == 3
    assert "5 images with 5 boxes" in ran.out
    assert "gt_0.txt:2: bad_line '1 of 2 boxes'" in ran.out
    assert "1 boxes or images" in ran.err
    assert "--skip-unknown" in ran.err
    assert command(capsys, *arguments, "--skip-unknown").code == 0


def test_an_option_is_for_those_formats_that_have_it(capsys: Capsys, tmp_path: Path) -> None:
    """All of them are named."""
    ran = command(
        capsys, "convert", "voc", folder_of("voc", tmp_path / "s"), tmp_path / "out", "--text-key", "x"
    )
    assert ran.code == 2
    assert "--text-key is for CVAT or VIA or COCO's folders" in ran.err


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"a.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\n0.jpg,1,1,a,1,1,1,1\n"},
            "a.csv looks like TensorFlow's or Roboflow's CSV of boxes",
        ),
        ({"a.mat": b"MATLAB 5.0"}, "a.mat looks like a .mat file of MATLAB"),
        ({"a.xml": '<PcGts xmlns="x"><Page/></PcGts>'}, "a.xml looks like PAGE XML"),
        ({"P1.txt": "imagesource:x\ngsd:1\n1 1 9 1 9 9 1 9 plane 0\n"}, "P1.txt looks like DOTA"),
        ({"a.json": {"gt_1": [{"transcription": "a", "points": [[1, 2]]}]}}, "a.json looks like LSVT or ArT"),
        ({"a.json": {"analyzeResult": {}}}, "a.json looks like an answer of Azure's"),
        ({"gt.txt": '{"filename": "0.jpg", "html": {}}\n'}, "gt.txt looks like PubTabNet's labels of tables"),
        (
            {"a.json": [{"image": "0.jpg", "annotations": [{"label": "a", "coordinates": {"x": 1}}]}]},
            "a.json looks like CreateML's",
        ),
        ({"a.json": [{"image": "0.jpg", "boxes": [{"x": 1, "y": 1, "width": 9, "height": 9}]}]}, ""),
        ({"notes.md": "x"}, ""),
    ],
)
def test_files_of_other_tools_are_named_as_what_they_look_like(
    capsys: Capsys, tmp_path: Path, files: dict[str, Any], said: str
) -> None:
    """Where nothing can be converted, the message says what is there."""
    folder = put(tmp_path / "s", files)
    assert said in looks_like(folder)
    ran = command(capsys, "prepare", "--task", "det", "--data", folder, "--out", tmp_path / "out")
    assert ran.code == 3
    assert said in ran.err
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    ran = command(capsys, "convert", "auto", folder, tmp_path / "out")
    assert ran.code == 3
    assert said in ran.err


def test_a_thousand_label_files_are_not_all_named(capsys: Capsys, tmp_path: Path) -> None:
    """The first ones and how many more."""
    folder = put(tmp_path / "s", {f"{number}.txt": "0.jpg\t[]\n" for number in range(40)})
    ran = command(capsys, "prepare", "--task", "det", "--data", folder, "--out", tmp_path / "out")
    assert ran.code == 3
    assert "0.txt, 1.txt, 10.txt, 11.txt, 12.txt and 35 more" in ran.err


@pytest.mark.parametrize(
    ("task", "folders"),
    [("det", ("train", "valid")), ("rec", ("train", "test")), ("det", ("training_set/a", "Test"))],
)
def test_the_split_of_a_tool_is_kept(
    capsys: Capsys, tmp_path: Path, task: str, folders: tuple[str, str]
) -> None:
    """Where the folders of all images say which set they are of; problems are told by the user's images."""
    xml = voc(f"<name>a</name>{BNDBOX}")
    labels = {
        f"{folder}/{number}.xml": xml.replace("0.jpg", f"{number}.jpg")
        for folder in folders
        for number in range(3)
    }
    images_of = tuple(f"{folder}/{number}.jpg" for folder in folders for number in range(3))
    put(tmp_path / "s", labels, images=images_of)
    ran = command(
        capsys, "prepare", "--task", task, "--data", tmp_path / "s", "--out", tmp_path / "out", "--json", "-"
    )
    assert ran.code == 0, ran.err
    assert (ran.json["train"], ran.json["val"]) == (3, 3)
    kept = [
        line.split("\t")[0]
        for line in (tmp_path / "out" / "val.txt").read_text(encoding="utf-8").splitlines()
    ]
    assert all(f"/{folders[1]}/" in f"/{name}" for name in kept)


@pytest.mark.parametrize("task", ["det", "rec"])
def test_a_leak_between_the_sets_of_a_tool_names_its_files(capsys: Capsys, tmp_path: Path, task: str) -> None:
    """The same picture in two folders: both places are those that the user knows, not our copies."""
    xml = voc(f"<name>a</name>{BNDBOX}")
    labels = {
        f"{folder}/{n}.xml": xml.replace("0.jpg", f"{n}.jpg") for folder in ("train", "valid") for n in (0, 1)
    }
    folder = put(tmp_path / "s", labels, images=("train/0.jpg", "train/1.jpg", "valid/0.jpg", "valid/1.jpg"))
    shutil.copyfile(folder / "train/1.jpg", folder / "valid/0.jpg")
    ran = command(capsys, "prepare", "--task", task, "--data", folder, "--out", tmp_path / "out")
    assert ran.code == 3
    assert "1 of 2 validation images is also a training image" in ran.err
    line = next(line for line in ran.err.splitlines() if ": leak " in line)
    places = (
        (f"{folder}/valid/0.jpg: ", f": {folder}/train/1.jpg, ")
        if task == "det"
        else (f"{folder}/0, box 0: ", f": {folder}/1, box 0, ")
    )
    assert line.startswith(places[0])
    assert places[1] in line


def test_images_of_no_set_are_split_with_all_others(tmp_path: Path) -> None:
    """One image whose folder says nothing: its set cannot be guessed."""
    labels = tmp_path / "Label.txt"
    labels.write_text("images/train/0.jpg\t[]\nimages/1.jpg\t[]\nimages/val/2.jpg\t[]\n", encoding="utf-8")
    assert keep_sets(labels) == (labels,)


def test_files_of_two_tools_are_said(capsys: Capsys, tmp_path: Path) -> None:
    """The labels were exported twice: once is enough, and --from takes the other."""
    folder = folder_of("voc", tmp_path / "s")
    put(folder, FOLDERS["yolo"], images=())
    arguments = ("prepare", "--task", "det", "--data", folder, "--out", tmp_path / "out")
    ran = command(capsys, *arguments)
    assert ran.code == 0, ran.err
    assert "source: Pascal VOC" in ran.out
    assert "other_tool 'files of YOLO': Pascal VOC's are taken" in ran.out
    assert "source: YOLO" in command(capsys, *arguments, "--from", "yolo", "--overwrite").out
