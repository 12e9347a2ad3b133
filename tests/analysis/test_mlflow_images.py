"""Pictures by step and tables, against what MLflow's own client writes and reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ocr_train.analysis import mlflow_images, tables
from tests.builders import MLFLOW_WARNING, mlflow_store

pytestmark = pytest.mark.filterwarnings(MLFLOW_WARNING)
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client on a store of this file."""
    import mlflow

    folder = tmp_path_factory.mktemp("store")
    uri = mlflow_store(folder, tmp_path_factory.getbasetemp() / "mlflow-template.db")
    mlflow.set_tracking_uri(uri)  # `load_table` asks the module, not the client
    yield mlflow.MlflowClient(uri)
    mlflow.set_tracking_uri(None)


@pytest.fixture
def run(client: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """A new run with its artifacts in tmp_path."""
    name = request.node.name
    experiment = client.create_experiment(name, artifact_location=str(tmp_path / "artifacts"))
    return client.create_run(experiment)


def blank_uuid(name: str) -> str:
    """The name with its uuid, which is random in MLflow's, made a word."""
    return re.sub(UUID, "UUID", name)


@pytest.mark.parametrize("size", [(640, 300), (31, 100), (50, 50)])
def test_names_and_tag_are_those_of_log_image(
    client: Any, run: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    """The same two files with the same sizes of picture, and the same tag."""
    picture = Image.new("RGB", size)
    key = mlflow_images.image_key(7, "val/a b+ก.jpg")
    client.log_image(run.info.run_id, picture, key=key, step=20, timestamp=1700, synchronous=True)
    theirs = sorted((tmp_path / "artifacts" / run.info.run_id / "artifacts" / "images").iterdir())
    ours = sorted(mlflow_images.artifact_names(key, 20, 1700))
    assert [blank_uuid(path.name) for path in theirs] == [blank_uuid(name) for name in ours]
    small = next(path for path in theirs if path.suffix == ".webp")
    with Image.open(small) as stored:
        assert mlflow_images.thumbnail(picture).size == stored.size
    tags = client.get_run(run.info.run_id).data.tags
    assert mlflow_images.TAG.items() <= tags.items()


def test_a_picture_that_is_sent_twice_has_one_name() -> None:
    """The name follows from key, step and time; another step has another."""
    names = mlflow_images.artifact_names("sample/000_a", 20, 1700)
    assert names == mlflow_images.artifact_names("sample/000_a", 20, 1700)
    assert names[0] != mlflow_images.artifact_names("sample/000_a", 21, 1700)[0]
    assert re.fullmatch(rf"sample~000_a\+step\+20\+timestamp\+1700\+{UUID}\.png", names[0])


def test_a_key_has_only_characters_that_mlflow_allows() -> None:
    """Thai, blanks and slashes in image names, and very long ones; the number keeps them apart."""
    keys = [mlflow_images.image_key(number, "หน้า/ภาพ ๑.jpg") for number in (0, 1)]
    assert len(set(keys)) == 2
    assert all(re.fullmatch(r"val_sample/\d{3}_[a-zA-Z0-9_.-]+", key) for key in keys)
    assert len(mlflow_images.image_key(0, "x" * 500)) < 80


@pytest.mark.parametrize("size", [(5000, 2), (2, 5000)])
def test_a_thumbnail_of_a_very_long_crop_has_pixels(size: tuple[int, int]) -> None:
    """MLflow's own arithmetic would give it none."""
    assert min(mlflow_images.thumbnail(Image.new("RGB", size)).size) == 1


def test_mlflow_loads_our_table(client: Any, run: Any, tmp_path: Path) -> None:
    """By the tag, with Thai, quotes and an empty cell as they were."""
    rows = [
        [20, tables.image_cell("images/a.png", "images/a.webp"), "a.jpg", 'ลำดับ "1"', "", 7, 0.5, ""],
        [40, tables.image_cell("images/b.png", "images/b.webp"), "a.jpg", "ก", "ก", 0, None, ""],
    ]
    path = tables.write_table(tmp_path / "samples.json", tables.COLUMNS["rec"], rows)
    client.log_artifact(run.info.run_id, str(path))
    for key, value in tables.table_tag(["samples.json"]).items():
        client.set_tag(run.info.run_id, key, value)
    loaded = client.load_table(run.info.experiment_id, "samples.json", run_ids=[run.info.run_id])
    assert tuple(loaded.columns) == tables.COLUMNS["rec"]
    assert loaded["truth"].tolist() == ['ลำดับ "1"', "ก"]
    assert loaded["step"].tolist() == [20, 40]
    assert loaded["image"][0]["filepath"] == "images/a.png"
    assert tables.read_table(path, tables.COLUMNS["rec"]) == rows


def test_the_table_has_the_form_that_log_table_gives_it(client: Any, run: Any, tmp_path: Path) -> None:
    """Its tag, its outline and its picture cells, so that the same page shows both."""
    import pandas as pd

    client.log_table(
        run.info.run_id,
        pd.DataFrame({"step": [1], "image": [Image.new("RGB", (9, 9))]}),
        artifact_file="samples.json",
    )
    path = tmp_path / "artifacts" / run.info.run_id / "artifacts" / "samples.json"
    (theirs,) = tables.read_table(path, ("step", "image"))
    assert set(theirs[1]) == set(tables.image_cell("", ""))
    tags = client.get_run(run.info.run_id).data.tags
    assert tags[tables.TAG] == tables.table_tag(["samples.json"])[tables.TAG]


@pytest.mark.parametrize("text", ["", "[]", '{"columns": ["a"], "data": [[1]]}', '{"columns": null}'])
def test_what_is_no_table_of_ours_has_no_rows(tmp_path: Path, text: str) -> None:
    """A run that goes on begins a new one then."""
    (tmp_path / "samples.json").write_text(text, encoding="utf-8")
    assert tables.read_table(tmp_path / "samples.json", tables.COLUMNS["det"]) == []
    assert tables.read_table(tmp_path / "absent.json", tables.COLUMNS["det"]) == []


def test_a_lone_surrogate_does_not_stop_a_table(tmp_path: Path) -> None:
    """It comes from a damaged label and is written as its escape."""
    tables.write_csv(tmp_path / "a.csv", ("a", "b"), [("\udc80", 0.5)])
    tables.write_table(tmp_path / "a.json", ("a",), [("\udc80",)])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").split() == ["a,b", "\\udc80,0.5000"]
    assert tables.read_table(tmp_path / "a.json", ("a",)) == [["\udc80"]]
