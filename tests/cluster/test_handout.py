"""What the first machine hands to the others."""

from __future__ import annotations

from pathlib import Path

from ocr_train.cluster.handout import hand_out, take_in


def test_files_travel_and_paths_are_those_of_the_other_machine(tmp_path: Path) -> None:
    """Labels, dictionary and a checkpoint's files; the images are there already."""
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "resume").mkdir(parents=True)
    for name in ("train.txt", "dict.txt", "resume/latest.pdparams", "resume/latest.pdopt"):
        (here / name).write_text(name)
    config = {
        "Global": {
            "save_model_dir": str(here / "trainer"),
            "checkpoints": str(here / "resume" / "latest"),
            "character_dict_path": str(here / "dict.txt"),
            "epoch_num": 3,
        },
        "Train": {"dataset": {"data_dir": "/images", "label_file_list": [str(here / "train.txt")]}},
    }
    out = hand_out(config, Path("/images"))
    for name, path in out.files.items():
        target = there / "sent" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    found = take_in(out.config, Path("/data/images"), there / "sent", there / "trainer")
    assert found["Global"]["save_model_dir"] == str(there / "trainer")
    assert found["Train"]["dataset"]["data_dir"] == "/data/images"
    assert found["Global"]["epoch_num"] == 3
    assert Path(found["Global"]["character_dict_path"]).read_text() == "dict.txt"
    assert Path(found["Global"]["checkpoints"] + ".pdopt").read_text() == "resume/latest.pdopt"
    assert Path(found["Train"]["dataset"]["label_file_list"][0]).read_text() == "train.txt"
    assert str(here) not in str(found)
