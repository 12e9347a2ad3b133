"""The parameters of a training as they were given: what `mlflow run . -P ...` and `train --...` have in common."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any


def _parameter(default: str, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class Launch:
    """The table of parameters, and their values as they were given: all text; empty means what the experiment says.

    Options of `train` are made from it; MLproject, the Makefile and the documentation are tested against it.
    """

    model: str = _parameter(
        "det",
        "one of {models}, or the path of an experiment or of a PaddleOCR configuration (`.yml`, `.yaml`)",
    )
    data: str = _parameter(
        "",
        "a folder, an archive or `s3://bucket/prefix` with label files and images; several with the ratio of each: "
        "`s3://own 1.0, s3://general 0.2`; empty: the demo set",
    )
    resume: str = _parameter(
        "",
        "a run id (its newest checkpoint; `ID:best` its best, `'ID:step N'`), `latest`, `best`, `auto` "
        "(an interrupted run of the same training, else from the beginning), `runs:/...`, `models:/...`, "
        "`s3://...`, or a path",
    )
    pretrained: str = _parameter(
        "",
        "weights to start from: a name (`PP-OCRv4_mobile_rec`), a `.pdparams` file, an inference folder, an address, "
        "a run or `models:/...`; `none`: from nothing",
    )
    freeze: str = _parameter(
        "",
        "layers that stay as they are: `backbone`, or `all-but-head:200` (for 200 steps); empty: what the experiment "
        "says, else all but new layers for a short while; `none`: no layer",
    )
    freeze_bn: str = _parameter(
        "", "`true`: batch normalisation keeps the statistics of the weights; empty: as the experiment says"
    )
    weights_only: str = _parameter(
        "", "`true`: take only the weights of `resume`, and count steps and epochs from 0 (fine-tuning)"
    )
    resume_mode: str = _parameter(
        "new",
        "`new`: a run of its own that names the one before; `same`: that run itself continues",
    )
    epochs: str = _parameter("", "epochs in all, counted from the very beginning, not from a resume")
    batch_size: str = _parameter(
        "",
        "training samples in one step on one GPU, or on all processes of `cpus` together; with a `Train.sampler` in its "
        "first scale; `auto`: measured at the start",
    )
    num_workers: str = _parameter(
        "",
        "processes that load the training images; `auto`: measured at the start; empty: as the experiment says",
    )
    learning_rate: str = _parameter(
        "", "the learning rate; taken as it is, whatever the batch size; with OneCycle its peak"
    )
    overrides: str = _parameter(
        "", 'any other PaddleOCR settings: `"Global.print_batch_step=5 Global.save_epoch_step=10"`'
    )
    gpus: str = _parameter(
        "auto", "`auto` (all that Paddle sees, else the CPU), `cpu`, or device numbers such as `0,1`"
    )
    cpus: str = _parameter(
        "", "train on the CPU in this many processes, which share each batch; empty: one process"
    )
    nodes: str = _parameter(
        "",
        "the machines that train together, such as `10.0.0.1,10.0.0.2`: the same command on each, the first one leads; "
        "empty: this machine alone",
    )
    node_rank: str = _parameter(
        "", "which of `nodes` this machine is, counted from 0; empty: the one that has its address"
    )
    peers_timeout_s: str = _parameter(
        "600", "how many seconds the machines of `nodes` wait for each other at the start"
    )
    seed: str = _parameter(
        "", "seed of the split, the demo set and the trainer; empty: the experiment's, else 0"
    )
    trainer_python: str = _parameter("", "the Python interpreter that trains; empty: this one")
    paddleocr: str = _parameter("", "a PaddleOCR checkout; empty: the installed package")
    val: str = _parameter("0.2", "share of the samples to validate on, where no label file is for that")
    on_bad_sample: str = _parameter("stop", "`stop`, or `quarantine`: train on the rest and log the list")
    text_from: str = _parameter(
        "auto",
        "where the boxes of a labelling tool have their text: `label`, `description`; `auto`: where texts are and not "
        "names of classes",
    )
    difficult: str = _parameter(
        "auto",
        "boxes that a tool calls difficult: `keep` their text, or `ignore` them (`###`); `auto`: as that tool means it",
    )
    normalize: str = _parameter(
        "none",
        "how recognition texts are spelled in the copy that is trained on: `thai`: in its one spelling; `nfc`: letters "
        "composed with their marks, as in Vietnamese; `none`: as they are",
    )
    placeholders: str = _parameter(
        "drop",
        "recognition texts that a tool wrote in place of one (`###`, `待识别`, `TEMPORARY`): `drop`: left out and counted; "
        "`stop`: they are errors; `keep`: they are trained on",
    )
    leaks: str = _parameter(
        "stop",
        "images of the validation set that are training images, too: `stop`: they are errors; `drop`: left out of "
        "training; `keep`: the run says how many",
    )
    empty_pages: str = _parameter(
        "false",
        "`true`: images without a box are trained on, as pages where nothing is to be found (detection)",
    )
    images: str = _parameter(
        "",
        "the folder that image paths in labels are relative to, such as `photos` in the data; empty: that of the label "
        "file, or the one above it",
    )
    strip: str = _parameter(
        "",
        "what image paths begin with that is left out, such as `C:/photos/`; empty: the longest end of a foreign path "
        "that is a file",
    )
    backup: str = _parameter(
        "",
        "`s3://bucket/prefix`: copy the exact dataset there before training, once for its digest",
    )
    stall_timeout_s: str = _parameter(
        "1800",
        "end a training that shows no progress for this many seconds (three times as many "
        "before its first step); `0`: never",
    )
    nan_windows: str = _parameter(
        "5",
        "end a training after this many progress lines in a row whose loss is NaN or infinite; `0`: never",
    )
    offline: str = _parameter("false", "`true`: no MLflow server is used; `sync` sends the run to one later")
    keep_last: str = _parameter(
        "",
        "keep this many of the newest checkpoints, the best, and what a registered model names; empty: all",
    )
    sample_images: str = _parameter(
        "8",
        "how many validation images are read in each evaluation and shown in MLflow by step; `0`: none",
    )
    evaluation_images: str = _parameter(
        "1000",
        "how many validation images are read at most at the end (pages without a GPU: 200), for tables and plots; "
        "`0`: none",
    )
    keep: str = _parameter(
        "",
        "labels of what the model could read before: a folder, an archive or `s3://bucket/prefix`, read before training and "
        "after it; empty: a small drawn set, where weights are fine-tuned; `none`: not looked at",
    )
    export: str = _parameter(
        "true",
        "`true`: at the end the best checkpoint is exported, checked against itself and logged as a model",
    )
    register: str = _parameter(
        "", "`NAME` or `NAME@ALIAS`: that model goes into MLflow's registry, such as `ocr-det@challenger`"
    )
    hourly_usd: str = _parameter(
        "", "what an hour of this machine costs: `usage/usd` then compares runs by money"
    )
    patience: str = _parameter(
        "", "end after this many evaluations in a row that are not better than the best; empty: never"
    )
    min_delta: str = _parameter(
        "", "by how much an evaluation has to be better for `patience`, such as `0.001`; empty: by anything"
    )
    max_hours: str = _parameter(
        "", "end after so many hours of the run, such as `0.5`, with the best checkpoint kept; empty: never"
    )
    max_usd: str = _parameter("", "end when so many dollars are spent, by `hourly_usd`; empty: never")
    output: str = _parameter("", "the folder for files of runs; empty: `$OCR_TRAIN_OUTPUT`, else `outputs`")

    def without_secrets(self, hide: Callable[[str, str], str]) -> Launch:
        """The same with the values that `hide` makes of each parameter's name and value: what may be shown."""
        return Launch(**{name: hide(name, value) for name, value in vars(self).items()})

    def command(self, start: str = "mlflow run .", *, options: bool = False) -> str:
        """The command that repeats this launch, quoted for a shell; defaults are left out.

        `start` is what it begins with; `options`: `--name value` follows, as our own command line takes it, not
        `-P name=value`.
        """
        plain = Launch()
        words = [start]
        for name in PARAMETERS:
            value = getattr(self, name)
            if name == "model" or value != getattr(plain, name):
                words.append(_option(name, value) if options else f"-P {name}={shlex.quote(value)}")
        return " ".join(words)

    def arguments(self, literal: Callable[[str], str] = str) -> list[str]:
        """The options of `train` that repeat this launch, as an argument vector; `literal` writes each value."""
        plain = Launch()
        return [
            f"{option_name(name)}={literal(getattr(self, name))}"
            for name in PARAMETERS
            if getattr(self, name) != getattr(plain, name)
        ]


def option_name(name: str) -> str:
    """The option of a command line for a parameter: `--batch-size` for `batch_size`."""
    return f"--{name.replace('_', '-')}"


def start_of(command: str) -> tuple[str, bool]:
    """What the tag `launch_command` of a run begins with, before its parameters, and whether they are `options`: the
    arguments of `Launch.command` for another command like it."""
    ours = " -m ocr_train train"
    if not command.startswith("mlflow run ") and ours in command:
        return command.partition(ours)[0] + ours, True
    start = command.partition(" -P ")[0]
    return (start if start.startswith("mlflow run ") else "mlflow run ."), False


def _option(name: str, value: str) -> str:
    # What begins with a dash would be taken for an option of its own.
    sign = "=" if value.startswith("-") else " "
    return f"{option_name(name)}{sign}{shlex.quote(value)}"


PARAMETERS = tuple(each.name for each in fields(Launch))
"""Their names, in the order of the table."""

HELP = {each.name: str(each.metadata["help"]) for each in fields(Launch)}
"""One sentence about each; `{models}` stands for the names of the experiments."""
