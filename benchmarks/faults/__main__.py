"""`python -m benchmarks.faults`: every fault, for real, and one table of what was lost. Exit status 1 where anything was."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from benchmarks.faults.cases import Case
from benchmarks.faults.kills import kills
from benchmarks.faults.losses import LOSSES
from benchmarks.faults.report import draw, echo
from benchmarks.faults.scene import Result, Scene
from benchmarks.faults.servers import SERVERS
from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from tests.builders import mlflow_store
from tests.faults import Servers

_FOREIGN = ("AWS_", "MLFLOW_", "OCR_TRAIN_", "SCRIPTED_")


def main() -> int:
    """Play the cases that are asked for, print the table."""
    options = _options()
    chosen = _chosen([*kills(options.seed, options.kills), *SERVERS, *LOSSES], options)
    if options.list:
        print("\n".join(f"{case.fault} | {case.when} | {case.trainer} | {case.number}" for case in chosen))
        return 0
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        del os.environ[name]  # no setting of the machine's reaches the runs
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
    signal.signal(signal.SIGTERM, _end)  # the servers are not to outlive us
    done = _known(options.results)
    known = {_key(result) for result in done}
    todo = [case for case in chosen if case.key not in known]
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        done += _play(todo, Path(options.keep or scratch) / time.strftime("%H%M%S"), options)
    shown = [result for result in done if _key(result) in {case.key for case in chosen}]
    print("\n".join(draw(shown)))
    left = len(chosen) - len(shown)
    if left:
        print(f"{left} case(s) are still to come: the same command goes on with them")
    return 0 if all(result.good for result in shown) else 1


def _end(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few of them, in some three minutes")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="the faults whose name holds NAME; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other random moments")
    parser.add_argument(
        "--kills", type=int, default=30, metavar="N", help="how many SIGKILLs of PaddleOCR runs (default: 30)"
    )
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="keep results there, and go on with what is not in it"
    )
    parser.add_argument(
        "--at-most-s", type=float, metavar="S", help="begin no new case after that many seconds"
    )
    parser.add_argument("--keep", metavar="DIR", help="leave all folders and logs there")
    parser.add_argument("--list", action="store_true", help="name the cases, and play none")
    return parser.parse_args()


def _chosen(every: Sequence[Case], options: argparse.Namespace) -> Sequence[Case]:
    def wanted(case: Case) -> bool:
        title = f"{case.fault} {case.when}"
        named = not options.only or any(name in title for name in options.only)
        return named and (case.quick or not options.quick)

    return [case for case in every if wanted(case)]


def _known(results: Path | None) -> list[Result]:
    if results is None or not results.is_file():
        return []
    return [Result.from_json(line) for line in results.read_text(encoding="utf-8").splitlines()]


def _key(result: Result) -> tuple[str, str, int]:
    return result.fault, result.when, result.number


def _play(todo: Sequence[Case], folder: Path, options: argparse.Namespace) -> list[Result]:
    """Play them one after the other on one pair of servers, which every case leaves running."""
    if not todo:
        return []
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "words"
    make_demo(data, DemoSpec(task="rec", train=16, val=4))
    mlflow_store(folder, folder / "template.db")
    servers = Servers(folder / "servers", folder / "template.db", s3=True)
    done: list[Result] = []
    try:
        for case in todo:
            if options.at_most_s and time.monotonic() - began > options.at_most_s:
                break
            for name, start in (("s3", servers.start_s3), ("mlflow", servers.start_mlflow)):
                if not servers.runs(name):
                    start()
            result = _play_one(case, folder / f"case-{len(done)}-{time.time_ns()}", servers, data)
            done.append(result)
            echo(result)
            if options.results:
                with options.results.open("a", encoding="utf-8") as stream:
                    stream.write(result.to_json() + "\n")
    finally:
        servers.stop()
    return done


def _play_one(case: Case, folder: Path, servers: Servers, data: Path) -> Result:
    began = time.monotonic()
    try:
        scene = Scene(
            folder=folder, servers=servers, data=data, experiment=folder.name, scripted=case.scripted
        )
        result = case.play(scene)
    except Exception as exc:  # noqa: BLE001 - the other faults are still to be tried
        result = Result(problems=(f"{type(exc).__name__}: {exc}",))
    return replace(
        result,
        fault=case.fault,
        when=case.when,
        trainer=case.trainer,
        number=case.number,
        seconds=time.monotonic() - began,
    )


if __name__ == "__main__":
    sys.exit(main())
