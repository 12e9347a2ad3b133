"""PaddleOCR's side of a run: device, configuration, command line and environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_train.config.epoch_steps import steps_per_epoch
from ocr_train.config.experiment import Launch, available_models, load_experiment
from ocr_train.config.overrides import get_key
from ocr_train.errors import ConfigError, SetupError
from ocr_train.trainer.device import Device, Rendezvous, trainer_env
from ocr_train.trainer.interpreter import Facts
from ocr_train.trainer.paddleocr import (
    PaddleOcr,
    TrainingData,
    describe_batch,
    evaluate_at_least_once,
    evaluate_by_steps,
    find_paddleocr,
    render_config,
    resolve_paths,
    trainer_argv,
    without_sync_bn,
    write_config,
)

REPO = Path(__file__).resolve().parents[2]
EXPERIMENTS = REPO / "experiments"

# In a process of its own: Paddle takes over signals when it is imported.
SAMPLER = """
import json
from paddle.io import DistributedBatchSampler
counted = []
for samples in (1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 96, 97):
    for devices in (1, 2, 3):
        for drop_last in (False, True):
            sampler = DistributedBatchSampler(
                range(samples), batch_size=16, num_replicas=devices, rank=0, drop_last=drop_last
            )
            assert len(sampler) == len(list(sampler))
            counted.append([samples, devices, drop_last, len(sampler)])
print(json.dumps(counted))
"""

CPU = Device(gpus=(), note="")
ONE_GPU = Device(gpus=(1,), note="")
GPUS = Device(gpus=(0, 1), note="")
DATA = TrainingData(
    images=Path("/data/images"),
    train_labels=(Path("/data/train.txt"),),
    val_labels=(Path("/data/val.txt"),),
    train_counts=(100,),
)


def config_of(*, batch: int = 16, drop_last: bool = False, **train_dataset: Any) -> dict[str, Any]:
    """A small PaddleOCR configuration."""
    return {
        "Global": {"epoch_num": 3, "eval_batch_step": [0, 2000]},
        "Train": {
            "dataset": {"name": "SimpleDataSet", **train_dataset},
            "loader": {"batch_size_per_card": batch, "drop_last": drop_last},
        },
        "Eval": {"dataset": {"name": "SimpleDataSet"}, "loader": {"batch_size_per_card": 1}},
    }


def render(
    config: dict[str, Any], data: TrainingData = DATA, device: Device = CPU, **keys: Any
) -> dict[str, Any]:
    """`config` filled in for a run in /run, without a resume unless one is given."""
    return render_config(config, data, device, **{"save_dir": Path("/run"), "checkpoint": None, **keys})


def checkout(folder: Path) -> Path:
    """A folder that looks like a checkout of PaddleOCR."""
    (folder / "tools").mkdir(parents=True)
    (folder / "tools" / "train.py").write_text("")
    return folder


def git(folder: Path, *words: str) -> None:
    """Run git in a folder, as somebody."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("samples", "batch", "drop_last", "devices", "steps"),
    [
        (100, 16, False, 0, 7),
        (100, 16, True, 0, 6),
        (96, 16, False, 1, 6),
        (96, 16, True, 1, 6),
        (101, 16, True, 2, 3),
        (101, 16, False, 2, 4),
        (97, 16, True, 3, 2),
        (1, 16, False, 4, 1),
        (15, 16, True, 1, 0),
    ],
)
def test_steps_are_counted_as_paddleocr_counts_them(
    samples: int, batch: int, drop_last: bool, devices: int, steps: int
) -> None:
    """Samples are shared out among devices first, rounded up; `drop_last` then rounds down."""
    assert steps_per_epoch(config_of(batch=batch, drop_last=drop_last), (samples,), devices) == steps


@pytest.mark.slow
def test_steps_are_those_of_paddles_own_sampler() -> None:
    """`DistributedBatchSampler` itself has as many batches as are expected, around every corner."""
    done = subprocess.run([sys.executable, "-c", SAMPLER], check=True, capture_output=True, text=True)
    counted = json.loads(done.stdout.splitlines()[-1])
    assert len(counted) == 2 * 3 * 12
    for samples, devices, drop_last, steps in counted:
        config = config_of(batch=16, drop_last=drop_last)
        assert steps_per_epoch(config, (samples,), devices) == steps, (samples, devices, drop_last)


def test_drop_last_is_off_where_it_is_not_named() -> None:
    """As in Paddle."""
    config = config_of()
    del config["Train"]["loader"]["drop_last"]
    assert steps_per_epoch(config, (17,), 1) == 2


def test_rendering_fills_in_data_output_and_device() -> None:
    """What PaddleOCR needs of the run is all there."""
    config = render(config_of())
    assert config["Global"]["save_model_dir"] == "/run"
    assert config["Global"]["checkpoints"] is None
    assert config["Global"]["use_gpu"] is False
    assert config["Global"]["distributed"] is False
    assert config["Train"]["dataset"]["data_dir"] == "/data/images"
    assert config["Train"]["dataset"]["label_file_list"] == ["/data/train.txt"]
    assert config["Eval"]["dataset"]["data_dir"] == "/data/images"
    assert config["Eval"]["dataset"]["label_file_list"] == ["/data/val.txt"]


def test_rendering_leaves_its_input_unchanged() -> None:
    """The experiment is a value: a second run from it starts from the same."""
    config = config_of(ratio_list=[1.0, 1.0])
    before = deepcopy(config)
    render(config, checkpoint=Path("/resume/latest"))
    assert config == before


@pytest.mark.parametrize("model", available_models(EXPERIMENTS))
def test_every_shipped_experiment_can_be_rendered(model: str) -> None:
    """And comes back from YAML as it was written."""
    experiment = load_experiment(Launch(model=model), EXPERIMENTS)
    assert experiment.demo is not None
    data = TrainingData(
        images=Path("/d"),
        train_labels=(Path("/d/t.txt"),),
        val_labels=(Path("/d/v.txt"),),
        train_counts=(experiment.demo.train,),
    )
    config = render(dict(experiment.trainer), data)
    assert yaml.safe_load(yaml.safe_dump(config)) == config
    assert steps_per_epoch(config, data.train_counts, 0) > 1


def test_a_resume_names_the_prefix() -> None:
    """PaddleOCR adds .pdparams, .pdopt and .states itself."""
    assert render(config_of(), checkpoint=Path("/resume/latest"))["Global"]["checkpoints"] == "/resume/latest"


@pytest.mark.parametrize(("device", "use_gpu", "distributed"), [(ONE_GPU, True, False), (GPUS, True, True)])
def test_several_gpus_are_distributed(device: Device, use_gpu: bool, distributed: bool) -> None:
    """One GPU is not."""
    config = render(config_of(), device=device)
    assert config["Global"]["use_gpu"] is use_gpu
    assert config["Global"]["distributed"] is distributed


def test_memory_is_not_printed_on_the_cpu() -> None:
    """A GPU build without a driver crashes on its first progress line otherwise."""
    assert render(config_of())["Global"]["print_mem_info"] is False
    assert "print_mem_info" not in render(config_of(), device=ONE_GPU)["Global"]


def test_a_database_reader_is_replaced() -> None:
    """Our data are label files, whatever the configuration was written for."""
    assert render(config_of(name="LMDBDataSet"))["Train"]["dataset"]["name"] == "SimpleDataSet"


def test_another_reader_is_kept() -> None:
    """Only the database reader cannot read label files."""
    assert render(config_of(name="PubTabDataSet"))["Train"]["dataset"]["name"] == "PubTabDataSet"


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [([1.0], [1.0, 1.0]), ([0.5] * 3, [0.5, 0.5]), ([0.5, 0.25], [0.5, 0.25]), (0.5, 0.5)],
)
def test_ratios_fit_the_label_files(ratios: object, expected: object) -> None:
    """PaddleOCR stops where there are not as many ratios as label files."""
    data = TrainingData(
        images=Path("/d"),
        train_labels=(Path("/d/a.txt"), Path("/d/b.txt")),
        val_labels=(Path("/d/v.txt"),),
        train_counts=(50, 50),
    )
    dataset = render(config_of(ratio_list=ratios), data)["Train"]["dataset"]
    assert dataset["label_file_list"] == ["/d/a.txt", "/d/b.txt"]
    assert dataset["ratio_list"] == expected


@pytest.mark.parametrize(
    ("device", "samples", "problem", "hint"),
    [
        (CPU, 10, "10 training samples do not fill one batch of 16: nothing", "batch_size=10 or less"),
        (GPUS, 21, "do not fill one batch of 16 on each of 2 GPUs", "batch_size=10 or less"),
        (CPU, 0, "0 training samples do not fill", "batch_size=1 or less"),
    ],
)
def test_an_epoch_without_a_step_is_a_config_error(
    device: Device, samples: int, problem: str, hint: str
) -> None:
    """PaddleOCR would end such a run with exit code 0, having trained nothing."""
    data = TrainingData(images=Path("/d"), train_labels=(Path("t"),), val_labels=(), train_counts=(samples,))
    with pytest.raises(ConfigError) as caught:
        render(config_of(batch=16, drop_last=True), data, device)
    assert problem in caught.value.problem
    assert hint in caught.value.hint
    assert "drop_last=false" in caught.value.hint


def test_batch_normalisation_is_not_synchronised_on_the_cpu() -> None:
    """There is no such layer for it; on GPUs it stays as it is."""
    asked = config_of()
    asked["Global"]["use_sync_bn"] = True
    config = render(asked)
    assert config["Global"]["use_sync_bn"] is False
    assert "use_sync_bn is off" in without_sync_bn(asked, config)
    assert render(asked, device=GPUS)["Global"]["use_sync_bn"] is True
    assert without_sync_bn(asked, render(asked, device=GPUS)) == ""
    assert "use_sync_bn" not in render(config_of())["Global"]


def test_ratios_for_other_files_are_refused() -> None:
    """They were meant for something."""
    with pytest.raises(ConfigError, match=r"Train\.dataset\.ratio_list has 2 shares, \[0\.1, 1\.0\]"):
        render(config_of(ratio_list=[0.1, 1.0]))


def test_an_interval_in_epochs_becomes_steps() -> None:
    """PaddleOCR before 2.8 passes over `eval_batch_epoch`."""
    config = config_of()
    config["Global"]["eval_batch_epoch"] = 2
    evaluate_by_steps(config, 7)
    assert config["Global"] == {"epoch_num": 3, "eval_batch_step": [0, 14], "eval_batch_epoch": None}


def test_where_steps_are_a_guess_paddleocr_counts_them() -> None:
    """A sampler of unknown make: the evaluation of each epoch is asked for in epochs."""
    config = config_of()
    config["Train"]["sampler"] = {"name": "RatioSampler"}
    assert "evaluating every epoch" in evaluate_at_least_once(config, 10, 3)
    evaluate_by_steps(config, 10)
    assert config["Global"]["eval_batch_epoch"] == 1


@pytest.mark.parametrize(("interval", "steps"), [([0, 2000], 10), (2000, 10), ([25, 10], 10), ([0, 31], 10)])
def test_an_evaluation_that_would_never_come_is_moved(interval: object, steps: int) -> None:
    """Without one a run has neither a score nor a best checkpoint."""
    config: dict[str, Any] = {"Global": {"eval_batch_step": interval}}
    note = evaluate_at_least_once(config, steps, 3)
    assert "evaluating every epoch (10 steps)" in note
    assert "would not come in 30 steps" in note
    assert config["Global"]["eval_batch_step"] == [0, 10]


@pytest.mark.parametrize("interval", [[0, 30], [20, 10], 30, [0, 1]])
def test_an_evaluation_that_comes_is_left_alone(interval: object) -> None:
    """The configured interval holds, up to the very last step."""
    config: dict[str, Any] = {"Global": {"eval_batch_step": interval}}
    assert evaluate_at_least_once(config, 10, 3) == ""
    assert config == {"Global": {"eval_batch_step": interval}}


@pytest.mark.parametrize("settings", [{}, {"eval_batch_epoch": 1, "eval_batch_step": [0, 2000]}])
def test_an_evaluation_by_epoch_is_left_alone(settings: dict[str, Any]) -> None:
    """`eval_batch_epoch` outweighs the steps in PaddleOCR."""
    config: dict[str, Any] = {"Global": dict(settings)}
    assert evaluate_at_least_once(config, 10, 3) == ""
    assert config == {"Global": settings}


def test_a_resume_counts_the_epochs_to_go() -> None:
    """The trainer's steps restart at 0: an interval that one epoch cannot reach never comes."""
    config: dict[str, Any] = {"Global": {"eval_batch_step": [0, 20]}}
    assert evaluate_at_least_once(config, 10, 1) != ""


def test_one_device_is_a_plain_command(tmp_path: Path) -> None:
    """The trainer is the child itself: a signal reaches it, and so does its exit code."""
    ocr = PaddleOcr(root=Path("/ocr"), version="")
    for device in (CPU, ONE_GPU):
        argv = trainer_argv(Path("/py"), ocr, Path("/run/config.yml"), device, log_dir=tmp_path)
        assert argv == ["/py", "/ocr/tools/train.py", "-c", "/run/config.yml"]


def test_several_gpus_go_through_paddles_launcher() -> None:
    """With a folder for each rank's log; which GPUs, the environment says."""
    ocr = PaddleOcr(root=Path("/ocr"), version="")
    argv = trainer_argv(Path("/py"), ocr, Path("/c.yml"), GPUS, log_dir=Path("/logs"))
    assert argv == [
        *("/py", "-m", "paddle.distributed.launch", "--log_dir", "/logs"),
        *("/ocr/tools/train.py", "-c", "/c.yml"),
    ]


def test_a_checkout_is_found(tmp_path: Path) -> None:
    """A folder with tools/train.py is a PaddleOCR; without git its version is unknown."""
    root = checkout(tmp_path / "PaddleOCR")
    assert find_paddleocr(str(root), Facts()) == PaddleOcr(root=root, version="")


def test_a_checkout_tells_its_version(tmp_path: Path) -> None:
    """Its tag, and whether somebody changed something."""
    root = checkout(tmp_path / "PaddleOCR")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "a")
    git(root, "tag", "v2.10.0")
    assert find_paddleocr(str(root), Facts()).version == "v2.10.0"
    (root / "tools" / "train.py").write_text("changed")
    assert find_paddleocr(str(root), Facts()).version == "v2.10.0-dirty"


def test_a_folder_that_is_no_checkout_is_a_setup_error(tmp_path: Path) -> None:
    """Even where the interpreter has a package: what was asked for is not replaced in silence."""
    checkout(tmp_path / "package")
    with pytest.raises(SetupError, match=r"has no tools/train\.py"):
        find_paddleocr(str(tmp_path), Facts(roots={"paddleocr": str(tmp_path / "package")}))


def test_the_package_with_training_code_is_found(tmp_path: Path) -> None:
    """The official package comes first and has no training code: the other one is taken, with its version."""
    (tmp_path / "paddleocr").mkdir()
    root = checkout(tmp_path / "unstructured_paddleocr")
    facts = Facts(
        roots={"paddleocr": str(tmp_path / "paddleocr"), "unstructured_paddleocr": str(root)},
        versions={"paddleocr": "3.2.0", "unstructured-paddleocr": "2.10.0"},
    )
    assert find_paddleocr("", facts) == PaddleOcr(root=root, version="2.10.0")


@pytest.mark.parametrize(
    ("roots", "found"),
    [({}, "no PaddleOCR package"), ({"paddleocr": "/none"}, "the interpreter has paddleocr")],
)
def test_no_training_code_is_a_setup_error(roots: dict[str, str], found: str) -> None:
    """The message says what is there, the hint what to install."""
    with pytest.raises(SetupError) as caught:
        find_paddleocr("", Facts(roots=roots))
    assert found in caught.value.problem
    assert "unstructured-paddleocr" in caught.value.hint


@pytest.mark.parametrize("place", ["here", "beside", "inside"])
def test_a_relative_path_is_looked_for_in_three_places(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current folder, the configuration's own, and PaddleOCR's: the paths in its files start there."""
    for folder in ("here", "beside", "inside"):
        (tmp_path / folder).mkdir()
    (tmp_path / place / "dict.txt").write_text("a\n")
    monkeypatch.chdir(tmp_path / "here")
    config = resolve_paths(
        {"Global": {"character_dict_path": "./dict.txt"}},
        tmp_path / "beside" / "mine.yml",
        PaddleOcr(root=tmp_path / "inside", version=""),
    )
    assert config["Global"]["character_dict_path"] == str(tmp_path / place / "dict.txt")


@pytest.mark.parametrize("name", ["best_accuracy", "best_accuracy.pdparams"])
def test_pretrained_weights_may_be_named_without_their_suffix(name: str, tmp_path: Path) -> None:
    """PaddleOCR takes both; the value stays as it was given."""
    (tmp_path / "best_accuracy.pdparams").write_bytes(b"")
    config = resolve_paths(
        {"Global": {"pretrained_model": name}}, tmp_path / "mine.yml", PaddleOcr(root=tmp_path, version="")
    )
    assert config["Global"]["pretrained_model"] == str(tmp_path / name)


@pytest.mark.parametrize("value", [None, "", "https://example.com/en_train.tar"])
def test_empty_paths_and_addresses_are_left_alone(value: str | None, tmp_path: Path) -> None:
    """Neither names a file of this machine."""
    given = {"Global": {"pretrained_model": value}}
    assert resolve_paths(given, tmp_path / "m.yml", PaddleOcr(root=tmp_path, version="")) == given


def test_every_path_that_leads_nowhere_is_reported(tmp_path: Path) -> None:
    """Both at once, each with the places that were looked in."""
    given = {"Global": {"character_dict_path": "no.txt", "pretrained_model": "none"}}
    with pytest.raises(ConfigError) as caught:
        resolve_paths(given, tmp_path / "m.yml", PaddleOcr(root=Path("/ocr"), version=""))
    lines = caught.value.problem.splitlines()
    assert len(lines) == 2
    assert "Global.character_dict_path names 'no.txt'" in lines[0]
    assert "Global.pretrained_model names 'none'" in lines[1]
    assert all(str(place) in lines[0] for place in (Path.cwd(), tmp_path, "/ocr"))


@pytest.mark.parametrize("value", ["s3://bucket/w.pdparams", "runs:/4f1c/checkpoints", "FTP://host/w"])
def test_an_address_that_paddleocr_cannot_fetch_is_refused_with_the_way_that_works(
    value: str, tmp_path: Path
) -> None:
    """It would look for a file of that name, minutes later; a network of a distillation is looked at, too."""
    for given in (
        {"Global": {"pretrained_model": value}},
        {"Architecture": {"Models": {"Teacher": {"pretrained": value}}}},
    ):
        with pytest.raises(ConfigError, match="weights_only=true"):
            resolve_paths(given, tmp_path / "m.yml", PaddleOcr(root=tmp_path, version=""))


def test_weights_are_a_pdparams_file(tmp_path: Path) -> None:
    """PaddleOCR adds the ending to any other name, and then finds nothing."""
    (tmp_path / "w.pdopt").write_bytes(b"")
    with pytest.raises(ConfigError, match="no such file"):
        resolve_paths(
            {"Global": {"pretrained_model": "w.pdopt"}},
            tmp_path / "m.yml",
            PaddleOcr(root=tmp_path, version=""),
        )


def test_resolving_leaves_its_input_unchanged(tmp_path: Path) -> None:
    """The experiment is a value."""
    (tmp_path / "dict.txt").write_text("a\n")
    given = {"Global": {"character_dict_path": "dict.txt"}}
    resolve_paths(given, tmp_path / "m.yml", PaddleOcr(root=tmp_path, version=""))
    assert given == {"Global": {"character_dict_path": "dict.txt"}}


def test_a_configuration_is_written_whole(tmp_path: Path) -> None:
    """It comes back equal and in its order, Thai too, and no half-written file stays beside it."""
    config = {"Global": {"z": 1, "a": "ไทย", "none": None}, "Architecture": {"list": [1, 2.5, "x"]}}
    path = tmp_path / "new" / "config.yml"
    write_config(config, path)
    text = path.read_text(encoding="utf-8")
    assert yaml.safe_load(text) == config
    assert text.startswith("Global:\n  z: 1\n  a: ไทย\n")
    assert list(path.parent.iterdir()) == [path]


def test_a_small_learning_rate_survives_the_writing(tmp_path: Path) -> None:
    """1e-05 without a point would come back as text: YAML 1.1 is like that."""
    path = tmp_path / "config.yml"
    write_config({"Optimizer": {"lr": {"learning_rate": 0.00001}}}, path)
    value = get_key(yaml.safe_load(path.read_text(encoding="utf-8")), "Optimizer.lr.learning_rate")
    assert value == 0.00001
    assert isinstance(value, float)


def test_processes_on_the_cpu_share_the_batch() -> None:
    """A step sees as many samples as with one process, so that the learning rate means the same."""
    device = Device(gpus=(), cpus=2, note="")
    config = render(config_of(batch=16), device=device)
    assert get_key(config, "Train.loader.batch_size_per_card") == 8
    assert get_key(config, "Global.distributed") is True
    assert steps_per_epoch(config, (96,), device.processes) == 6
    assert (
        describe_batch(config, device)
        == "effective batch: 16 samples a step, 8 on each of 2 processes on the CPU"
    )


def test_a_batch_is_each_gpus_own() -> None:
    """As PaddleOCR has it: two GPUs see twice as many samples in a step, which is said."""
    config = render(config_of(batch=16), device=GPUS)
    assert get_key(config, "Train.loader.batch_size_per_card") == 16
    assert describe_batch(config, GPUS) == "effective batch: 32 samples a step, 16 on each of 2 GPUs"


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    """With the next one that can."""
    with pytest.raises(
        ConfigError, match="a batch of 16 samples cannot be shared evenly by 3 processes"
    ) as caught:
        render(config_of(batch=16), device=Device(gpus=(), cpus=3, note=""))
    assert "batch_size=15" in caught.value.hint


def test_machines_find_each_other_by_address() -> None:
    """The launcher is told where the first one is, how many there are, and who this one is."""
    device = Device(gpus=(), cpus=2, nodes=2, note="")
    meeting = Rendezvous(master="10.0.0.1:36171", host="10.0.0.2", rank=1)
    ocr = PaddleOcr(root=Path("/ocr"), version="")
    argv = trainer_argv(Path("/py"), ocr, Path("/c.yml"), device, log_dir=Path("/l"), rendezvous=meeting)
    assert argv == [
        *("/py", "-m", "paddle.distributed.launch", "--log_dir", "/l", "--nproc_per_node", "2"),
        *("--master", "10.0.0.1:36171", "--nnodes", "2", "--rank", "1", "--host", "10.0.0.2"),
        *("/ocr/tools/train.py", "-c", "/c.yml"),
    ]


@pytest.mark.slow
def test_the_launcher_takes_the_gpus_that_were_chosen() -> None:
    """Paddle's own reading of the command and environment, where somebody has set CUDA_VISIBLE_DEVICES."""
    env = trainer_env({**os.environ, "CUDA_VISIBLE_DEVICES": "4,6,7"}, Device(gpus=(0, 2), note=""))
    ocr = PaddleOcr(root=Path("/ocr"), version="")
    argv = trainer_argv(Path("/py"), ocr, Path("/c.yml"), Device(gpus=(0, 2), note=""), log_dir=Path("/l"))
    script = (
        "import sys\nfrom paddle.distributed.launch.context import Context\n"
        "context = Context()\ndevice = context.node.device\n"
        "print(device.labels, device.get_selected_devices(context.args.devices))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *argv[3:]], env=env, check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "['4', '7'] ['0', '1']"


def test_a_share_of_the_samples_makes_a_share_of_the_steps() -> None:
    """PaddleOCR draws `ratio_list` of the label file's lines for each epoch."""
    assert steps_per_epoch(config_of(batch=16, ratio_list=[0.1]), (1600,), 1) == 10
    assert steps_per_epoch(config_of(batch=16, ratio_list=0.1), (1600,), 1) == 10


def test_an_evaluation_after_more_epochs_than_there_are_is_moved() -> None:
    """`eval_batch_epoch` outweighs the steps in PaddleOCR, and may never come either."""
    config: dict[str, Any] = {"Global": {"eval_batch_epoch": 10, "eval_batch_step": [0, 2000]}}
    assert "evaluating every epoch" in evaluate_at_least_once(config, 10, 3)
    assert config["Global"] == {"eval_batch_epoch": None, "eval_batch_step": [0, 10]}
