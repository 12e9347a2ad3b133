"""Reads the command line; what is mistyped is answered with the nearest word that is known."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NoReturn

from ocr_train.config.overrides import nearest
from ocr_train.config.parameter_values import TRUTHS

_INVALID_CHOICE = re.compile(r"argument (.+?): invalid choice: (.+?) \(choose from (.*)\)$", re.DOTALL)


class WrongUsage(SystemExit):
    """The command line could not be read; the reason has been printed."""

    def __init__(self, problem: str) -> None:
        super().__init__(2)
        self.problem = problem


class Parser(argparse.ArgumentParser):
    """Names the nearest command, option or choice for one that is not known; use it for sub-commands, too.

    An unknown option is refused before anything else is, so that "--task is required" never hides "--taks
    is unknown", and by the command it was given to, so that no other command's options are suggested.
    """

    def __init__(
        self, *args: Any, command: Callable[[argparse.Namespace], int] | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.set_defaults(command=command)
        self._switches: set[str] = set()

    def add_switch(self, name: str, *, help: str) -> None:
        """Add `--name`, which is true where it stands alone and takes true or false, as `mlflow run` gives them.

        What follows it and is neither is an argument of its own: `--onnx RUN`.
        """
        self.add_argument(name, type=_truth, default=False, metavar="true|false", help=help)
        self._switches.add(name)

    def parse_known_args(  # type: ignore[override]  # argparse's overloads say no more than this does
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse, but exit 2 at the first option that this command does not have."""
        words = _with_values(sys.argv[1:] if args is None else args, self._switches)
        if not any(isinstance(action, argparse._SubParsersAction) for action in self._actions):
            for option in _long_options(words):
                self._require_known(option)
        return super().parse_known_args(words, namespace)

    def _require_known(self, option: str) -> None:
        known = list(self._option_string_actions)
        if not any(name == option or name.startswith(option) for name in known):
            self.error(f"unknown option {option!r}{nearest(option, known)}")

    def error(self, message: str) -> NoReturn:
        """Exit 2 with the problem, the nearest known word where one was mistyped, and where to read on."""
        choice = _INVALID_CHOICE.match(message)
        if choice:
            message = _say_choice(choice[1], choice[2].strip("'\""), _words(choice[3]))
        command = message.startswith("the following arguments are required: COMMAND")
        if command:
            message = "no command was given"
        self._print_message(f"error: {message}\n`{self.prog} --help` lists what there is.\n", sys.stderr)
        raise WrongUsage(message)


def _with_values(words: Sequence[str], switches: Collection[str]) -> list[str]:
    """`words` with `--switch` as `--switch=true`, and `--switch false` as `--switch=false`."""
    found: list[str] = []
    for place, word in enumerate(words):
        if word == "--":
            return [*found, *words[place:]]
        before = words[place - 1] if place else ""
        if before in switches and word.lower() in TRUTHS:
            found[-1] = f"{before}={word}"
        else:
            found.append(f"{word}=true" if word in switches else word)
    return found


def _truth(text: str) -> bool:
    if text.lower() not in TRUTHS:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return TRUTHS[text.lower()]


def _long_options(arguments: Iterable[str]) -> Iterable[str]:
    """The words that can only be options: `--name` or `--name=value`, up to a lone `--`."""
    for word in arguments:
        if word == "--":
            return
        if word.startswith("--"):
            yield word.partition("=")[0]


def _say_choice(argument: str, given: str, known: list[str]) -> str:
    if argument == "COMMAND":
        return f"unknown command {given!r}{nearest(given, known)}"
    return f"{argument}: {given!r} is not one of {', '.join(known)}{nearest(given, known)}"


def _words(choices: str) -> list[str]:
    """The choices of argparse's message: quoted in Python 3.10 and 3.11, bare in later versions."""
    return [word.strip().strip("'\"") for word in choices.split(",")]
