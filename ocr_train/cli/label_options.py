"""The options about what labels must keep to, which `validate` and `prepare` have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ocr_train.cli.options import add_parameters, whole_number
from ocr_train.config import parameter_values as read
from ocr_train.config.requests import LabelChoices
from ocr_train.data.checks.problems import LABEL_TASKS
from ocr_train.errors import ConfigError

if TYPE_CHECKING:
    from ocr_train.data.checks.validate import Rules
    from ocr_train.data.dictionary import Dictionary


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Add the task and what its labels must keep to."""
    add = parser.add_argument
    add(
        "--task",
        required=True,
        choices=LABEL_TASKS,
        help="what the labels are for: det (detection), rec (recognition), cls (direction), table (structure of tables), "
        "kie (key information)",
    )
    add("--model", metavar="NAME", help="check against what this model can learn, as training will")
    add("--dict", type=Path, metavar="FILE", help="recognition: the dictionary, one character a line")
    add("--use-space-char", action="store_true", help="recognition: the model knows the space")
    add(
        "--max-text-length",
        type=whole_number(1),
        metavar="N",
        help="recognition: PaddleOCR drops texts longer than this (25 in most configurations)",
    )
    add(
        "--ctc-steps",
        type=whole_number(1),
        metavar="N",
        help="recognition: output steps of the model; a text needs one a character and one between two equal "
        "ones (25 for CRNN with 100 px)",
    )
    add("--label-list", metavar="0,180", help="direction: the classes that the model knows")
    add("--decode", action="store_true", help="decode every image in full, not only its header")


LABEL_CHOICES = tuple(each.name for each in fields(LabelChoices))
"""The parameters of a training that say how labels are read."""


def add_label_choices(parser: argparse.ArgumentParser, names: Sequence[str] = LABEL_CHOICES) -> None:
    """Add how labels are read, as `train` has it."""
    add_parameters(parser, names)


def label_choices(arguments: argparse.Namespace) -> LabelChoices:
    """What `add_label_choices` added, checked."""
    problems: list[str] = []
    given = {name: str(getattr(arguments, name, None) or "").strip() for name in LABEL_CHOICES}
    chosen = read.parse_label_choices(given, problems)
    if problems:
        raise ConfigError("\n".join(problems), hint="Correct the option: --help says what it takes.")
    return chosen


_OF_PADDLEOCR = ("table", "kie")
"""Tasks without an experiment here: their models are PaddleOCR's own configurations, with paths inside PaddleOCR."""


class LabelOptions(NamedTuple):
    """What was asked for, of the options and of the model that was named: the dictionary that was named, the one of
    the model, which counts where there is no other, the rules with the dictionary that was read, and how labels are
    read."""

    dictionary: Path | None
    model_dictionary: Path | None
    use_space_char: bool
    rules: Callable[[Dictionary | None], Rules]
    choices: LabelChoices


def label_options(arguments: argparse.Namespace) -> LabelOptions:
    """What `add_rules` added, checked. Raises `ConfigError` for options that mean nothing for the task: they
    were meant to check something."""
    _refuse_misplaced(arguments)
    use_space_char, named, model_dictionary, trainer = arguments.use_space_char, arguments.dict, None, None
    if arguments.model:
        from ocr_train.config.experiment import EXPERIMENTS, Launch, load_experiment
        from ocr_train.config.overrides import get_key

        experiment = load_experiment(Launch(model=arguments.model, data="."), EXPERIMENTS)
        if experiment.task != arguments.task:
            raise ConfigError(
                f"--model {arguments.model} is for {experiment.task!r} labels, and this is --task {arguments.task}.",
                hint="Correct one of the two.",
            )
        trainer = experiment.trainer
        if arguments.task in _OF_PADDLEOCR:
            from ocr_train.ocr_engine.paddleocr import find_ppocr
            from ocr_train.trainer.paddleocr import resolve_lists

            trainer = resolve_lists(trainer, experiment.source, find_ppocr("").parent)
        model_dictionary = Path(experiment.dictionary) if experiment.dictionary else None
        # What a plain PaddleOCR file names counts before the data's own, as in a training.
        named = named or (model_dictionary if experiment.dictionary_fixed else None)
        use_space_char = use_space_char or bool(get_key(trainer, "Global.use_space_char", False))
    use_space_char = use_space_char and arguments.task == "rec"
    choices = label_choices(arguments)
    rules = partial(_rules, arguments, trainer, use_space_char, choices)
    return LabelOptions(named, model_dictionary, use_space_char, rules, choices)


def _rules(
    arguments: argparse.Namespace,
    trainer: Mapping[str, Any] | None,
    use_space_char: bool,
    choices: LabelChoices,
    dictionary: Dictionary | None,
) -> Rules:
    """The rules with this dictionary. Without one a model reads 0-9a-z; without a model, too, characters are not
    checked."""
    from ocr_train.data.checks.rules import label_rules
    from ocr_train.data.checks.validate import Rules

    if trainer is not None:
        rules = label_rules(arguments.task, trainer, dictionary)
    else:
        rules = Rules(task=arguments.task, charset=dictionary.charset if dictionary else None)
    names = (name.strip() for name in (arguments.label_list or "").split(","))
    return replace(
        rules,
        use_space_char=use_space_char,
        max_text_length=arguments.max_text_length or rules.max_text_length,
        ctc_steps=arguments.ctc_steps or rules.ctc_steps,
        label_list=tuple(filter(None, names)) or rules.label_list,
        decode=arguments.decode,
        choices=choices,
    )


def _refuse_misplaced(arguments: argparse.Namespace) -> None:
    given = {
        "rec": {
            "--dict": arguments.dict,
            "--use-space-char": arguments.use_space_char,
            "--max-text-length": arguments.max_text_length,
            "--ctc-steps": arguments.ctc_steps,
        },
        "cls": {"--label-list": arguments.label_list},
    }
    for task, options in given.items():
        names = [name for name, value in options.items() if value]
        if names and arguments.task != task:
            raise ConfigError(
                f"{', '.join(names)}: only for --task {task}, and this is --task {arguments.task}.",
                hint="Leave it out, or correct the task.",
            )
