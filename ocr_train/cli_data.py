"""Commands about data: validate, demo-data, parse-log, fetch, push."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_train.errors import DataError
from ocr_train.transfer_progress import TransferProgress, human_bytes

if TYPE_CHECKING:
    from ocr_train.storage.result import SyncResult

    Commands = argparse._SubParsersAction[Any]

Say = Callable[[str], None]


def add_commands(commands: Commands) -> None:
    """Add every command of this module."""
    _add_validate(commands)
    _add_parse_log(commands)
    _add_demo_data(commands)
    _add_transfer(commands)


def fetch_for_training(uri: str, folder: Path, say: Say) -> Path:
    """Bring `uri` into `folder`, incrementally and verified; what `train` is given to fetch with."""
    from ocr_train.storage.sync import fetch

    say(f"data: fetching {uri} ...")
    shown = TransferProgress("data", sys.stdout)
    try:
        result = fetch(uri, folder, on_progress=shown)
    finally:
        shown.done()
    say(
        f"data: {result.fetched} files fetched ({human_bytes(result.bytes)}), {result.skipped} unchanged here"
    )
    return folder


def _add_validate(commands: Commands) -> None:
    parser = commands.add_parser(
        "validate", help="check label files and images", description="Exit 0: clean. Exit 3: problems."
    )
    parser.add_argument("labels", nargs="+", type=Path, metavar="LABELS", help="PaddleOCR label files")
    parser.add_argument("--task", required=True, choices=("det", "rec", "cls"))
    parser.add_argument(
        "--images", type=Path, help="the folder that image paths are relative to (default: that of LABELS)"
    )
    parser.add_argument(
        "--dict", type=Path, help="recognition: one character a line (default: 0-9a-z, as PaddleOCR)"
    )
    parser.add_argument(
        "--use-space-char", action="store_true", help="recognition: the model knows the space"
    )
    parser.add_argument("--max-text-length", type=int, help="recognition: PaddleOCR drops longer texts")
    parser.add_argument(
        "--decode", action="store_true", help="decode every image in full, not only its header"
    )
    parser.add_argument("--json", type=Path, help="write the problems to this file ('-': to stdout)")
    parser.set_defaults(command=_validate)


def _validate(arguments: argparse.Namespace) -> int:
    from ocr_train.data.dictionary import DEFAULT_CHARSET, read_dictionary
    from ocr_train.data.validate import Rules, validate

    read = (
        read_dictionary(arguments.dict, use_space_char=arguments.use_space_char) if arguments.dict else None
    )
    charset = None
    if arguments.task == "rec":
        charset = read.charset if read else DEFAULT_CHARSET
    rules = Rules(
        task=arguments.task,
        charset=charset,
        use_space_char=arguments.use_space_char,
        max_text_length=arguments.max_text_length,
        lower=read is None,
        decode=arguments.decode,
    )
    images = arguments.images or arguments.labels[0].absolute().parent
    report = validate(arguments.labels, images, rules, known=read.problems if read else ())
    text = json.dumps(report.to_json(), ensure_ascii=False, indent=1)
    if arguments.json is not None and str(arguments.json) == "-":
        print(text)
    else:
        if arguments.json is not None:
            arguments.json.write_text(text + "\n", encoding="utf-8")
        print(report.summary(50))
    return DataError.exit_code if report.errors else 0


def _add_parse_log(commands: Commands) -> None:
    parser = commands.add_parser("parse-log", help="a trainer's log as one JSON event a line")
    parser.add_argument("file", metavar="FILE", help="the log ('-': from stdin)")
    parser.set_defaults(command=_parse_log)


def _parse_log(arguments: argparse.Namespace) -> int:
    from ocr_train.logparse import parse_lines, to_json

    with contextlib.ExitStack() as files:
        if arguments.file == "-":
            stream = sys.stdin
        else:
            try:
                path = Path(arguments.file)
                stream = files.enter_context(path.open(encoding="utf-8", errors="replace", newline="\n"))
            except OSError as exc:
                raise DataError(f"the log {arguments.file!r} cannot be read: {exc.strerror}") from exc
        for event in parse_lines(line.rstrip("\n") for line in stream):
            print(to_json(event))
    return 0


def _add_demo_data(commands: Commands) -> None:
    parser = commands.add_parser("demo-data", help="draw a small labelled data set")
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--task", default="det", choices=("det", "rec", "cls"))
    parser.add_argument("--language", default="en", choices=("en", "th"))
    parser.add_argument("--count", type=int, default=60, help="images in all; a fifth of them to validate on")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(command=_demo_data)


def _demo_data(arguments: argparse.Namespace) -> int:
    from ocr_train.data.demo import DemoSpec, make_demo

    val = max(1, arguments.count // 5)
    spec = DemoSpec(
        task=arguments.task,
        language=arguments.language,
        train=arguments.count - val,
        val=val,
        seed=arguments.seed,
    )
    arguments.folder.parent.mkdir(parents=True, exist_ok=True)
    make_demo(arguments.folder, spec)
    print(f"drew {spec.train} training and {spec.val} validation images in {arguments.folder}")
    return 0


def _add_transfer(commands: Commands) -> None:
    fetch = commands.add_parser("fetch", help="s3://bucket/prefix to a folder, incrementally and verified")
    fetch.add_argument("uri", metavar="s3://BUCKET/PREFIX")
    fetch.add_argument("folder", metavar="DIR", type=Path)
    fetch.set_defaults(command=_fetch)
    push = commands.add_parser("push", help="a folder to s3://bucket/prefix, incrementally and verified")
    push.add_argument("folder", metavar="DIR", type=Path)
    push.add_argument("uri", metavar="s3://BUCKET/PREFIX")
    push.set_defaults(command=_push)
    for parser in (fetch, push):
        parser.add_argument(
            "--rehash", action="store_true", help="trust nothing noted before: compare the bytes"
        )
        parser.add_argument(
            "--delete",
            action="store_true",
            help="remove files that we brought and that are gone at the source",
        )


def _fetch(arguments: argparse.Namespace) -> int:
    from ocr_train.storage.sync import fetch

    shown = TransferProgress("fetch", sys.stdout)
    try:
        done = fetch(
            arguments.uri,
            arguments.folder,
            rehash=arguments.rehash,
            delete=arguments.delete,
            on_progress=shown,
        )
    finally:
        shown.done()
    _say_transfer(done, "fetched", str(arguments.folder))
    return 0


def _push(arguments: argparse.Namespace) -> int:
    from ocr_train.storage.sync import push

    shown = TransferProgress("push", sys.stdout)
    try:
        done = push(
            arguments.folder,
            arguments.uri,
            rehash=arguments.rehash,
            delete=arguments.delete,
            on_progress=shown,
        )
    finally:
        shown.done()
    _say_transfer(done, "sent", arguments.uri)
    return 0


def _say_transfer(done: SyncResult, verb: str, where: str) -> None:
    print(
        f"{done.fetched} files {verb} ({human_bytes(done.bytes)}), {done.skipped} unchanged, "
        f"{done.deleted} deleted: {done.files} files in {where}"
    )
