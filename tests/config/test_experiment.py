"""What a run is asked to do: precedence, near matches, every problem at once, and the shipped experiments."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_train.config.experiment import (
    EXPERIMENT_KEYS,
    PARAMETERS,
    Demo,
    Experiment,
    Launch,
    available_models,
    load_experiment,
)
from ocr_train.config.overrides import get_key
from ocr_train.errors import ConfigError
from ocr_train.weights.catalog import named

REPO = Path(__file__).resolve().parents[2]
EXPERIMENTS = REPO / "experiments"
MODELS = available_models(EXPERIMENTS)

DET = {
    "Global.epoch_num": 1200,
    "Global.save_epoch_step": 1200,
    "Global.eval_batch_step": [0, 2000],
    "Global.cal_metric_during_train": False,
    "Global.print_batch_step": 10,
    "Architecture.algorithm": "DB",
    "Architecture.Backbone.name": "MobileNetV3",
    "Architecture.Backbone.scale": 0.5,
    "Architecture.Backbone.model_name": "large",
    "Architecture.Neck.name": "DBFPN",
    "Architecture.Neck.out_channels": 256,
    "Architecture.Head.name": "DBHead",
    "Architecture.Head.k": 50,
    "Loss.name": "DBLoss",
    "Loss.main_loss_type": "DiceLoss",
    "Loss.alpha": 5,
    "Loss.beta": 10,
    "Loss.ohem_ratio": 3,
    "Optimizer.name": "Adam",
    "Optimizer.beta1": 0.9,
    "Optimizer.beta2": 0.999,
    "Optimizer.lr.learning_rate": 0.001,
    "Optimizer.regularizer.factor": 0,
    "PostProcess.thresh": 0.3,
    "PostProcess.box_thresh": 0.6,
    "PostProcess.max_candidates": 1000,
    "PostProcess.unclip_ratio": 1.5,
    "Metric.main_indicator": "hmean",
    "Train.dataset.transforms.EastRandomCropData.size": [640, 640],
    "Train.dataset.transforms.MakeShrinkMap.shrink_ratio": 0.4,
    "Train.dataset.transforms.MakeShrinkMap.min_text_size": 8,
    "Train.dataset.transforms.MakeBorderMap.thresh_max": 0.7,
    "Train.loader.batch_size_per_card": 16,
    "Eval.dataset.transforms.DetResizeForTest.image_shape": [736, 1280],
    "Eval.loader.batch_size_per_card": 1,
}
REC = {
    "Global.epoch_num": 72,
    "Global.save_epoch_step": 3,
    "Global.eval_batch_step": [0, 2000],
    "Global.max_text_length": 25,
    "Architecture.algorithm": "CRNN",
    "Architecture.Backbone.name": "MobileNetV3",
    "Architecture.Backbone.scale": 0.5,
    "Architecture.Neck.encoder_type": "rnn",
    "Architecture.Neck.hidden_size": 96,
    "Architecture.Head.name": "CTCHead",
    "Architecture.Head.fc_decay": 0,
    "Loss.name": "CTCLoss",
    "Optimizer.name": "Adam",
    "Optimizer.lr.learning_rate": 0.0005,
    "PostProcess.name": "CTCLabelDecode",
    "Metric.main_indicator": "acc",
    "Train.dataset.transforms.RecResizeImg.image_shape": [3, 32, 100],
    "Train.loader.batch_size_per_card": 256,
    "Train.loader.drop_last": True,
    "Eval.dataset.transforms.RecResizeImg.image_shape": [3, 32, 100],
    "Eval.loader.batch_size_per_card": 256,
}
CLS = {
    "Global.epoch_num": 100,
    "Global.save_epoch_step": 3,
    "Global.eval_batch_step": [0, 1000],
    "Global.label_list": ["0", "180"],
    "Architecture.algorithm": "CLS",
    "Architecture.Backbone.scale": 0.35,
    "Architecture.Backbone.model_name": "small",
    "Architecture.Head.class_dim": 2,
    "Loss.name": "ClsLoss",
    "Optimizer.name": "Adam",
    "Optimizer.lr.name": "Cosine",
    "Optimizer.lr.learning_rate": 0.001,
    "Metric.main_indicator": "acc",
    "Train.dataset.transforms.ClsResizeImg.image_shape": [3, 48, 192],
    "Train.loader.batch_size_per_card": 512,
    "Eval.loader.batch_size_per_card": 512,
}
DOCUMENTED = [
    pytest.param(model, key, value, id=f"{model}-{key}")
    for model, values in (("det_mv3_db", DET), ("rec_mv3_none_bilstm_ctc", REC), ("cls", CLS))
    for key, value in values.items()
]


def load(**parameters: str) -> Experiment:
    """A shipped experiment with these parameters, and data so that no demo block counts."""
    return load_experiment(Launch(**{"data": "somewhere", **parameters}), EXPERIMENTS)


def problems_of(folder: Path = EXPERIMENTS, **parameters: str) -> str:
    """The text of the `ConfigError` that these parameters bring about."""
    with pytest.raises(ConfigError) as caught:
        load_experiment(Launch(**parameters), folder)
    return caught.value.problem


@pytest.fixture
def experiment_file(tmp_path: Path) -> Any:
    """Writes an experiment: `det` with top-level keys replaced; None removes one."""
    document = yaml.safe_load((EXPERIMENTS / "det.yaml").read_text(encoding="utf-8"))

    def write(**keys: Any) -> Path:
        changed = {key: value for key, value in {**document, **keys}.items() if value is not None}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
        return tmp_path

    return write


def test_det_rec_and_cls_are_shipped() -> None:
    """The three models that the documentation promises are there."""
    assert {"det", "rec", "rec_th", "cls"} <= set(MODELS)


@pytest.mark.parametrize("data", ["", "somewhere"])
@pytest.mark.parametrize("model", MODELS)
def test_every_shipped_experiment_loads(model: str, data: str) -> None:
    """With data and with the demo set, without a problem."""
    experiment = load_experiment(Launch(model=model, data=data), EXPERIMENTS)
    assert experiment.name == model
    assert (experiment.demo is None) == bool(data)
    assert experiment.description
    assert experiment.main_metric == ("hmean" if experiment.task == "det" else "acc")


@pytest.mark.parametrize("model", MODELS)
def test_every_experiment_begins_with_its_launch_command(model: str) -> None:
    """Whoever opens the file sees how to start it, before anything else."""
    first = (EXPERIMENTS / f"{model}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(f"# mlflow run . -P model={model}")


@pytest.mark.parametrize("model", MODELS)
def test_the_demo_set_is_small(model: str) -> None:
    """Without data a run is a try: a few epochs in small batches, not the documented hundreds."""
    experiment = load_experiment(Launch(model=model), EXPERIMENTS)
    assert experiment.demo is not None
    assert experiment.epochs <= 10
    assert experiment.batch_size * 2 <= experiment.demo.train <= 1000


@pytest.mark.parametrize(("model", "key", "value"), DOCUMENTED)
def test_a_documented_value_of_paddleocr_is_kept(model: str, key: str, value: object) -> None:
    """The experiments carry what PaddleOCR documents for det_mv3_db, rec_mv3_none_bilstm_ctc and cls_mv3."""
    assert get_key(load(model=model).trainer, key) == value


@pytest.mark.parametrize("model", [name for name in MODELS if name.startswith("rec")])
def test_a_recogniser_names_its_dictionary(model: str) -> None:
    """An empty dictionary would mean 0-9a-z and silently drop everything else."""
    dictionary = Path(load(model=model).dictionary)
    assert dictionary.is_absolute()
    assert dictionary.is_file()


def test_the_thai_recogniser_is_the_english_one_with_another_dictionary() -> None:
    """One model, two dictionaries: a change to one file that misses the other shows here."""
    english, thai = dict(load(model="rec").trainer), dict(load(model="rec_th").trainer)
    own = ("character_dict_path", "max_text_length")
    for trainer in (english, thai):
        trainer["Global"] = {key: value for key, value in trainer["Global"].items() if key not in own}
        # The English one keeps its backbone as it is (freeze), the Thai one lets its statistics follow the images.
        trainer["Architecture"]["Neck"].pop("use_guide")
    assert english == thai
    assert load(model="rec").dictionary != load(model="rec_th").dictionary


def test_the_loss_of_the_english_recogniser_reaches_the_backbone() -> None:
    """Where `freeze` leaves the backbone to train it is trained: without a second head, `use_guide` would cut it off."""
    neck = load(model="rec").trainer["Architecture"]["Neck"]
    assert neck["use_guide"] is False


def test_the_experiment_counts_over_the_defaults() -> None:
    """Without parameters and with data, the experiment's own numbers hold."""
    experiment = load(model="det")
    assert (experiment.epochs, experiment.batch_size) == (100, 8)


def test_the_demo_block_counts_over_the_experiment() -> None:
    """When `data` is empty, the demo block's numbers and overrides are laid over the rest."""
    experiment = load_experiment(Launch(model="det"), EXPERIMENTS)
    assert (experiment.epochs, experiment.batch_size) == (6, 4)
    assert get_key(experiment.trainer, "Train.dataset.transforms.EastRandomCropData.size") == [320, 320]
    assert experiment.demo == Demo(language="en", train=40, val=8)


@pytest.mark.parametrize("data", ["", "somewhere"])
def test_parameters_count_over_experiment_and_demo_block(data: str) -> None:
    """What is given on the command line wins over both."""
    experiment = load(data=data, epochs="7", batch_size="2", learning_rate="0.25")
    assert (experiment.epochs, experiment.batch_size) == (7, 2)
    assert get_key(experiment.trainer, "Optimizer.lr.learning_rate") == 0.25


def test_overrides_count_over_everything() -> None:
    """The most exact wish wins, over a parameter for the same number too."""
    experiment = load(epochs="7", overrides="Global.epoch_num=9 Global.print_batch_step=5")
    assert experiment.epochs == 9
    assert get_key(experiment.trainer, "Global.print_batch_step") == 5


def test_an_empty_parameter_changes_nothing() -> None:
    """`mlflow run` passes every parameter, the empty ones as well."""
    assert load(epochs="", batch_size="", learning_rate="", overrides="", seed="", gpus="").epochs == 100


def test_loading_twice_gives_equal_experiments() -> None:
    """Nothing of one experiment leaks into the next."""
    first = load(epochs="7", overrides="Global.print_batch_step=5")
    assert load().trainer != first.trainer
    assert load(epochs="7", overrides="Global.print_batch_step=5") == first


def test_the_seed_reaches_the_trainer() -> None:
    """One seed for the split, the demo set and PaddleOCR."""
    experiment = load(seed="17")
    assert experiment.seed == 17
    assert get_key(experiment.trainer, "Global.seed") == 17


@pytest.mark.parametrize(
    ("text", "gpus"),
    [("auto", "auto"), ("", "auto"), ("cpu", "cpu"), ("0", (0,)), ("0,1", (0, 1)), ("2, 3", (2, 3))],
)
def test_gpus_are_auto_cpu_or_numbers(text: str, gpus: object) -> None:
    """Every way to write them that the documentation names."""
    assert load(gpus=text).gpus == gpus


@pytest.mark.parametrize(
    "text", ["gpu", "0,0", "00,0", "\N{SUPERSCRIPT TWO}", "-1", "0;1", "0,", "1.5", "all"]
)
def test_other_gpus_are_refused(text: str) -> None:
    """The message quotes what was given and says what would do."""
    assert f"gpus: {text!r} is not one of auto, cpu, or device numbers" in problems_of(data="x", gpus=text)


@pytest.mark.parametrize(
    ("parameter", "text", "problem"),
    [
        ("epochs", "many", "epochs: 'many' is not a whole number"),
        ("epochs", "0", "epochs: '0' is too small"),
        ("epochs", "2.5", "epochs: '2.5' is not a whole number"),
        ("batch_size", "-4", "batch_size: '-4' is too small"),
        ("learning_rate", "fast", "learning_rate: 'fast' is not a number"),
        ("learning_rate", "0", "learning_rate: '0' is too small: give more than 0"),
        ("learning_rate", "nan", "learning_rate: 'nan'"),
        ("learning_rate", "inf", "learning_rate: 'inf'"),
        ("seed", "-1", "seed: '-1' is too small"),
        ("seed", "x", "seed: 'x' is not a whole number"),
        ("val", "0", "val: '0' is not a fraction"),
        ("val", "1", "val: '1' is not a fraction"),
        ("val", "nan", "val: 'nan' is not a fraction"),
        ("on_bad_sample", "quarantin", "Did you mean 'quarantine'?"),
        ("overrides", "Global.epoch_nums=5", "Did you mean 'Global.epoch_num'?"),
        ("overrides", "Global.epoch_num=many", "Global.epoch_num is 'many': give a whole number"),
        ("overrides", "Global.epoch_num=true", "Global.epoch_num is True: give a whole number"),
        ("overrides", "Train.loader.batch_size_per_card=0", "Train.loader.batch_size_per_card is 0"),
        ("overrides", "Eval.dataset=", "has no 'Eval.dataset'"),
        ("overrides", "Global.use_gpu=true", "use the parameter `gpus`"),
        ("overrides", "epochs", "'epochs' is not KEY=VALUE"),
        ("overrides", "Eval.dataset=5", "Eval.dataset is 5: it must be a mapping"),
        (
            "overrides",
            "Global.eval_batch_step=often",
            "Global.eval_batch_step is 'often': give [start, every]",
        ),
        ("overrides", "Global.eval_batch_step=[500]", "Global.eval_batch_step is [500]: give [start, every]"),
    ],
)
def test_a_bad_value_is_named(parameter: str, text: str, problem: str) -> None:
    """The problem names the parameter and quotes the value."""
    assert problem in problems_of(EXPERIMENTS, **{"data": "x", parameter: text})


def test_every_problem_is_reported_at_once() -> None:
    """Five mistakes need one try, not five."""
    text = problems_of(
        data="x",
        epochs="many",
        gpus="all",
        val="2",
        on_bad_sample="ignore",
        overrides="Global.epoch_nums=5 Global.use_gpu=true",
    )
    assert text.startswith("6 problem(s) in the configuration:\n")
    assert text.count("\n  - ") == 6


def test_nothing_was_started_says_the_hint() -> None:
    """The user learns that no money was spent, and where the parameters are listed."""
    with pytest.raises(ConfigError) as caught:
        load(epochs="many")
    assert "Nothing was downloaded or started" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("model", "nearest"), [("dett", "det"), ("Rec", "rec"), ("rec-th", "rec_th")])
def test_an_unknown_model_names_the_nearest(model: str, nearest: str) -> None:
    """And the hint lists them all."""
    with pytest.raises(ConfigError, match=f"unknown model '{model}'. Did you mean '{nearest}'") as caught:
        load(model=model)
    assert all(name in caught.value.hint for name in MODELS)


def test_an_empty_model_is_unknown() -> None:
    """`-P model=` is a mistake, not the folder of experiments."""
    assert problems_of(model="") == "unknown model ''"


def test_a_model_file_that_is_not_there_says_where_it_looked(tmp_path: Path) -> None:
    """A path is taken as a path: the message names the folder."""
    missing = tmp_path / "mine.yml"
    assert f"there is no such file (looked in {tmp_path})" in problems_of(model=str(missing))


@pytest.mark.parametrize("key", ["descriptoin", "Dictionary", "paddle_ocr", "tasks"])
def test_an_unknown_key_of_an_experiment_names_the_nearest(key: str, experiment_file: Any) -> None:
    """A typing error in an experiment is not ignored in silence."""
    folder = experiment_file(**{key: "x"})
    text = problems_of(folder, model="mine", data="x")
    assert f"mine.yaml: unknown key {key!r}. Did you mean" in text
    assert text.split("Did you mean '")[1].split("'")[0] in EXPERIMENT_KEYS


def test_an_unknown_key_of_the_demo_block_names_the_nearest(experiment_file: Any) -> None:
    """The demo block is held to the same."""
    folder = experiment_file(demo={"epoch": 3})
    assert "unknown key 'demo.epoch'. Did you mean 'epochs'?" in problems_of(folder, model="mine")


def test_a_mistyped_override_of_the_demo_block_names_the_place(experiment_file: Any) -> None:
    """The user learns that the mistake is in the file, not in the command."""
    folder = experiment_file(demo={"overrides": {"Global.epoch_nums": 3}})
    text = problems_of(folder, model="mine")
    assert (
        "mine.yaml: demo.overrides: unknown key 'Global.epoch_nums'. Did you mean 'Global.epoch_num'?" in text
    )


def test_an_unknown_task_names_the_nearest(experiment_file: Any) -> None:
    """Three tasks are known."""
    folder = experiment_file(task="dett")
    text = problems_of(folder, model="mine", data="x")
    assert "task: 'dett' is not one of det, rec, cls. Did you mean 'det'?" in text


def test_a_file_without_a_paddleocr_block_is_refused(experiment_file: Any) -> None:
    """It is neither an experiment nor a configuration of PaddleOCR."""
    folder = experiment_file(paddleocr=None)
    assert "has no `paddleocr:` block" in problems_of(folder, model="mine")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: [1, 2", "is not YAML"),
        (b"- a\n- b\n", "is not a mapping"),
        (b"", "is not a mapping"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"a: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    """The message names the file; no YAML tag runs code."""
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    text = problems_of(model=str(path))
    assert problem in text
    assert str(path) in text


def test_what_a_configuration_lacks_is_listed(experiment_file: Any) -> None:
    """A run would be impossible: every missing block is named."""
    folder = experiment_file(paddleocr={"Global": {"epoch_num": 1}, "Architecture": {"algorithm": "DB"}})
    text = problems_of(folder, model="mine", data="x")
    for key in ("Train.dataset", "Eval.dataset", "Eval.loader", "PostProcess", "Metric", "Optimizer", "Loss"):
        assert f"has no '{key}'" in text


def test_a_plain_paddleocr_configuration_is_a_model(tmp_path: Path) -> None:
    """A file that PaddleOCR itself would train from works as it is, and its values stay."""
    document = yaml.safe_load((EXPERIMENTS / "rec.yaml").read_text(encoding="utf-8"))["paddleocr"]
    document["Global"]["character_dict_path"] = "ppocr/utils/en_dict.txt"
    path = tmp_path / "rec_mine.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    experiment = load_experiment(Launch(model=str(path), data="x", epochs="5"), EXPERIMENTS)
    assert (experiment.name, experiment.task, experiment.source) == ("rec_mine", "rec", path)
    assert experiment.dictionary == "ppocr/utils/en_dict.txt"
    assert experiment.dictionary_fixed
    document["Global"] |= {"epoch_num": 5, "seed": 0}
    assert experiment.trainer == document


def test_a_plain_configuration_of_another_task_needs_data(tmp_path: Path) -> None:
    """There is no demo set for a table or KIE model."""
    document = yaml.safe_load((EXPERIMENTS / "det.yaml").read_text(encoding="utf-8"))["paddleocr"]
    document["Architecture"]["model_type"] = "table"
    path = tmp_path / "table.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert "there is no demo set for 'table' models" in problems_of(model=str(path))


@pytest.mark.parametrize(
    ("overrides", "fixed"),
    [("", False), ("Global.character_dict_path=/x/dict.txt", True), ("Global.epoch_num=2", False)],
)
def test_an_override_fixes_the_dictionary(overrides: str, fixed: bool) -> None:
    """A dict.txt beside the data does not take the place of one that was asked for."""
    assert load(model="rec", overrides=overrides).dictionary_fixed is fixed


def test_the_launch_command_leaves_defaults_out() -> None:
    """What is shown to people is what they would type."""
    assert Launch().command() == "mlflow run . -P model=det"
    assert Launch(model="rec", epochs="5", gpus="auto").command() == "mlflow run . -P model=rec -P epochs=5"


@pytest.mark.parametrize(
    "launch",
    [
        Launch(),
        Launch(model="rec", data="s3://bucket/prefix", epochs="5", seed="3", gpus="0,1"),
        Launch(overrides="Global.print_batch_step=5 Train.loader.num_workers=2"),
        Launch(overrides='Global.character_dict_path="two words.txt" Global.x=$HOME'),
        Launch(data="/data/it's; rm *", seed="0"),
        Launch(data='/data/"quoted"'),
        Launch(data="/data/my pages", resume="latest", trainer_python="/opt/py/bin/python"),
    ],
)
def test_the_launch_command_repeats_the_launch(launch: Launch) -> None:
    """Split as a shell splits it, the command has the parameters that it was made from."""
    words = shlex.split(launch.command())
    assert words[:3] == ["mlflow", "run", "."]
    assert words[3::2] == ["-P"] * len(words[4::2])
    given = dict(word.split("=", 1) for word in words[4::2])
    assert set(given) <= set(PARAMETERS)
    assert Launch(**given) == launch


def test_models_are_listed_in_order(tmp_path: Path) -> None:
    """Only YAML files count, by name."""
    for name in ("b.yaml", "a.yml", "notes.txt"):
        (tmp_path / name).write_text("")
    assert available_models(tmp_path) == ["a", "b"]


@pytest.mark.parametrize(
    ("demo", "problem"),
    [
        ({"train": "many"}, "demo.train: 'many' is not a whole number"),
        ({"train": 0}, "demo.train: '0' is too small"),
        ({"val": -1}, "demo.val: '-1' is too small"),
        ({"size": 320}, "demo.size is 320: give [width, height]"),
        ({"size": [320]}, "demo.size is [320]: give [width, height]"),
        ({"size": ["a", 320]}, "demo.size: 'a' is not a whole number"),
        ({"language": "de"}, "demo.language: 'de' is not one of en, th"),
        ({"epochs": "few"}, "epochs: 'few' is not a whole number"),
        ({"overrides": ["a=b"]}, "`demo.overrides` is not a mapping"),
        (["train"], "`demo` is not a mapping"),
    ],
)
def test_a_bad_demo_block_is_named(demo: object, problem: str, experiment_file: Any) -> None:
    """In words, with the file: an experiment is written by people."""
    assert problem in problems_of(experiment_file(demo=demo), model="mine")


def test_the_seed_is_that_of_the_experiment_where_none_is_given(experiment_file: Any) -> None:
    """Nothing, experiment, PaddleOCR's own block, parameter, override: each counts over the one before."""
    document = yaml.safe_load((EXPERIMENTS / "det.yaml").read_text(encoding="utf-8"))["paddleocr"]
    folder = experiment_file()

    def seed(**parameters: str) -> int:
        experiment = load_experiment(Launch(**{"model": "mine", "data": "x", **parameters}), folder)
        assert get_key(experiment.trainer, "Global.seed") == experiment.seed
        return experiment.seed

    assert seed() == 0
    experiment_file(seed=7)
    assert seed() == 7
    document["Global"]["seed"] = 1024
    experiment_file(seed=7, paddleocr=document)
    assert seed() == 1024
    assert seed(seed="5") == 5
    assert seed(seed="0") == 0
    assert seed(seed="5", overrides="Global.seed=0") == 0


def test_a_run_asks_a_server_unless_told_otherwise() -> None:
    """offline and keep_last, as text in any case."""
    assert (load().offline, load().keep_last) == (False, None)
    asked = load(offline="True", keep_last="3")
    assert (asked.offline, asked.keep_last) == (True, 3)


@pytest.mark.parametrize(
    ("name", "value"), [("offline", "perhaps"), ("keep_last", "0"), ("keep_last", "all"), ("keep_last", "-1")]
)
def test_offline_and_keep_last_are_checked(name: str, value: str) -> None:
    """With the name and the value."""
    assert f"{name}: {value!r}" in problems_of(EXPERIMENTS, **{name: value})


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "yes", "1"])
def test_yes_is_said_in_any_usual_way(text: str) -> None:
    """The same words for every parameter that is true or false."""
    experiment = load_experiment(
        Launch(model="rec", weights_only=text, offline=text, export=text), EXPERIMENTS
    )
    assert (experiment.weights_only, experiment.offline, experiment.export) == (True, True, True)


@pytest.mark.parametrize("name", ["weights_only", "offline", "export"])
def test_what_is_neither_true_nor_false_is_refused(name: str) -> None:
    """By its name."""
    with pytest.raises(ConfigError, match=f"{name}: 'maybe' is neither true nor false"):
        load_experiment(replace(Launch(model="rec"), **{name: "maybe"}), EXPERIMENTS)


def test_an_s3_address_may_be_written_in_capitals() -> None:
    """It is no folder called S3:."""
    launch = Launch(model="rec", data="S3://bucket/words", backup="S3://bucket/backup")
    experiment = load_experiment(launch, EXPERIMENTS)
    assert (experiment.data, experiment.backup) == ("s3://bucket/words", "s3://bucket/backup")


@pytest.mark.parametrize("model", ["det", "rec", "rec_th", "cls", "det_v5", "rec_v5", "rec_th_v5"])
def test_a_fine_tune_starts_from_weights_that_have_a_name(model: str) -> None:
    """Of the task that it is for; those without a network come first."""
    experiment = load(model=model)
    entry = named(get_key(experiment.trainer, "Global.pretrained_model"))
    assert entry is not None
    assert entry.task == experiment.task
    assert bool(entry.address) == model.endswith("_v5")


def test_an_experiment_of_before_says_what_it_is_called_now() -> None:
    """rec_aug is what rec does by itself."""
    assert "now called rec" in problems_of(model="rec_aug")


def test_a_training_from_nothing_keeps_nothing() -> None:
    """The experiment's `freeze` is for its own weights: a random backbone that stays as it is would learn nothing."""
    assert [str(rule) for rule in load(model="rec").freeze or ()] == ["backbone"]
    assert load(model="rec", pretrained="none").freeze is None
    assert load(model="rec", freeze="none").freeze == ()


def test_an_hour_of_several_machines_costs_several_times_as_much() -> None:
    """Runs are compared by what all of it costs."""
    assert load(model="rec", hourly_usd="1.5", nodes="10.0.0.1,10.0.0.2").usd_an_hour == 3.0
    assert load(model="rec").usd_an_hour is None
