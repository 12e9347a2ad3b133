"""The command line's own words: help on everything, and the nearest word for one that is mistyped."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from ocr_train.cli import convert, data, prepare, transfer, validate
from ocr_train.cli.parser import Parser

Capsys = pytest.CaptureFixture[str]


def make_parser() -> Parser:
    """The commands about data."""
    parser = Parser(prog="python -m ocr_train")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for part in (prepare, validate, convert, transfer, data):
        part.add_commands(commands)
    return parser


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The sub-commands by name."""
    return {
        name: sub
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, sub in action.choices.items()
    }


def refused(capsys: Capsys, *arguments: str) -> str:
    """What stderr says where these arguments end with status 2."""
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_an_unknown_command_names_the_nearest(capsys: Capsys) -> None:
    """And where to read what there is."""
    error = refused(capsys, "validat", "x")
    assert "error: unknown command 'validat'. Did you mean 'validate'?" in error
    assert "`python -m ocr_train --help`" in error


def test_no_command_is_said_in_words(capsys: Capsys) -> None:
    """Not "COMMAND is required"."""
    assert refused(capsys).startswith("error: no command was given\n")


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (("validate", "--imgs", "x"), "--images"),
        (("validate", "--task", "det", "l.txt", "--jsn=x"), "--json"),
        (("split", "--group_by", "x"), "--group-by"),
        (("prepare", "--on_bad_sample=stop"), "--on-bad-sample"),
        (("fetch", "--rehsh", "s3://b", "d"), "--rehash"),
    ],
)
def test_an_unknown_option_names_the_nearest(
    capsys: Capsys, arguments: tuple[str, ...], nearest: str
) -> None:
    """Before anything that is missing is asked for, and by the command's own name."""
    error = refused(capsys, *arguments)
    assert f"Did you mean '{nearest}'?" in error
    assert f"`python -m ocr_train {arguments[0]} --help`" in error


def test_another_commands_option_is_not_suggested(capsys: Capsys) -> None:
    """`--rehash` is fetch's; validate knows nothing like it."""
    error = refused(capsys, "validate", "--rehash", "l.txt")
    assert "unknown option '--rehash'" in error
    assert "Did you mean '--rehash'" not in error


def test_an_unknown_choice_names_the_nearest(capsys: Capsys) -> None:
    """Of an option and of a positional argument."""
    assert "'dett' is not one of det, rec, cls, table, kie. Did you mean 'det'?" in refused(
        capsys, "validate", "--task", "dett"
    )
    error = refused(capsys, "convert", "labelm", "a", "b")
    assert "'labelm' is not one of auto, labelme, ppocrlabel," in error
    assert "Did you mean 'labelme'?" in error


def test_numbers_are_checked_as_they_are_read(capsys: Capsys) -> None:
    """With the option's name and the value."""
    assert "--workers: '0' is too small: give at least 1" in refused(
        capsys, "crop", "--workers", "0", "a", "b"
    )
    assert "--seed: invalid int value: 'x'" in refused(capsys, "split", "--seed", "x", "a", "b")


def test_what_comes_after_two_dashes_is_no_option() -> None:
    """A file may be called --odd."""
    arguments = make_parser().parse_args(["crop", "--", "--odd", "out"])
    assert str(arguments.labels) == "--odd"


def test_an_unambiguous_beginning_of_an_option_is_enough() -> None:
    """As argparse has it: --overw is --overwrite."""
    assert make_parser().parse_args(["crop", "a", "b", "--overw"]).overwrite


def helped() -> Iterator[tuple[str, argparse.Action]]:
    """Every argument of every command about data."""
    for name, sub in commands(make_parser()).items():
        for action in sub._actions:
            yield name, action


def test_every_command_and_argument_has_a_sentence_of_help() -> None:
    """In --help nothing stands without a word."""
    bare = [f"{name} {action.dest}" for name, action in helped() if not action.help]
    assert bare == []
    assert [name for name, sub in commands(make_parser()).items() if not sub.description] == []


@pytest.mark.parametrize("name", list(commands(make_parser())))
def test_help_can_be_printed(capsys: Capsys, name: str) -> None:
    """A stray % in a help text breaks argparse only here."""
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m ocr_train {name}")


def test_the_documented_commands_are_there() -> None:
    """DESIGN.md's list of what is about data."""
    documented = {
        "prepare",
        "validate",
        "convert",
        "crop",
        "split",
        "fetch",
        "push",
        "parse-log",
        "demo-data",
    }
    assert set(commands(make_parser())) == documented


@pytest.mark.parametrize("name", ["prepare", "validate", "convert", "crop", "split", "fetch", "push"])
def test_answers_can_be_had_as_json(name: str) -> None:
    """Where a machine may read the answer."""
    assert "--json" in commands(make_parser())[name]._option_string_actions


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--onnx", "RUN"], (True, "RUN")),
        (["RUN", "--onnx"], (True, "RUN")),
        (["--onnx", "true", "RUN"], (True, "RUN")),
        (["--onnx", "False", "RUN"], (False, "RUN")),
        (["--onnx=no", "RUN"], (False, "RUN")),
        (["RUN"], (False, "RUN")),
        (["--onnx", "--", "--RUN"], (True, "--RUN")),
    ],
)
def test_a_switch_stands_alone_or_takes_true_or_false(words: list[str], expected: tuple[bool, str]) -> None:
    """What follows it is not swallowed."""
    parser = Parser(prog="x")
    parser.add_switch("--onnx", help="a model.onnx, too")
    parser.add_argument("run")
    read = parser.parse_args(words)
    assert (read.onnx, read.run) == expected


def test_a_switch_takes_no_other_value(capsys: Capsys) -> None:
    """`--onnx=maybe` is a mistake."""
    parser = Parser(prog="x")
    parser.add_switch("--onnx", help="a model.onnx, too")
    with pytest.raises(SystemExit):
        parser.parse_args(["--onnx=maybe"])
    assert "'maybe' is neither true nor false" in capsys.readouterr().err
