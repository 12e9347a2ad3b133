"""The command `sagemaker submit`: all parameters of `train`, and those of the job."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ocr_train.cli.options import add_parameters, launch_of
from ocr_train.cli.output import Commands, print_json
from ocr_train.cluster.sagemaker.options import OPTIONS, JobOptions
from ocr_train.redaction.redactor import redactor

if TYPE_CHECKING:
    from ocr_train.cluster.sagemaker.request import JobRequest
    from ocr_train.cost import Estimate


def add_commands(commands: Commands) -> None:
    """Add `submit`."""
    parser = commands.add_parser(
        "submit",
        command=_submit,
        help="submit a training job; --dry-run: only print what would be asked of AWS",
        description="Submit a training job to Amazon SageMaker. Everything is checked before AWS is asked.",
    )
    job = parser.add_argument_group("the job")
    for option in fields(JobOptions):
        name = f"--{option.name.replace('_', '-')}"
        text = option.metadata["help"]
        if isinstance(option.default, bool):
            parser.add_switch(name, help=text)
        elif isinstance(option.default, tuple):
            job.add_argument(name, action="append", default=[], metavar=option.metadata["metavar"], help=text)
        else:
            job.add_argument(name, default=option.default, help=text)
    parser.add_switch("--dry-run", help="print the request as JSON and submit nothing; needs no credentials")
    training = parser.add_argument_group("the training, as for `train`")
    add_parameters(training)


def _submit(arguments: argparse.Namespace) -> int:
    from ocr_train.cluster.sagemaker.service import SageMaker
    from ocr_train.cluster.sagemaker.submission import checked

    launch = launch_of(arguments)
    options = JobOptions(**{name: _given(arguments, name) for name in OPTIONS})
    job, estimate = checked(launch, options, os.environ, datetime.now(timezone.utc))
    for line in (*(f"note: {note}" for note in job.notes), *_estimate_lines(job, estimate, options)):
        _say(line)
    if arguments.dry_run:
        print_json(json.dumps(job.request, indent=1, ensure_ascii=False))
        return 0
    arn = SageMaker(job.region).submit(job)
    region = f" --region {job.region}" if job.region else ""
    print(redactor().text(f"submitted {arn}"))
    print(f"  watch  python -m ocr_train sagemaker logs {job.name} --follow{region}")
    print(f"  state  python -m ocr_train sagemaker status {job.name}{region}")
    print(f"  end    python -m ocr_train sagemaker stop {job.name}{region}", flush=True)
    return 0


def _given(arguments: argparse.Namespace, name: str) -> Any:
    value = getattr(arguments, name)
    if isinstance(value, str):
        return value.strip()
    return tuple(value) if isinstance(value, list) else value


def _estimate_lines(job: JobRequest, estimate: Estimate | None, options: JobOptions) -> list[str]:
    if estimate is None:
        return []
    hours = estimate.total_s / 3600
    lines = [
        f"estimate: {hours:.2f} hours on {job.machines} x {options.instance} "
        f"({estimate.epoch_s:.0f} s an epoch), without start, download and evaluations"
    ]
    if job.machines > 1:
        lines.append(
            "estimate: the machines are taken to share the work without a loss, which is the best case"
        )
    if estimate.usd is not None:
        what = ", as without spot: spot costs less" if options.spot else ""
        lines.append(f"estimate: {estimate.usd:.2f} USD for all machines{what}")
    limit = job.request["StoppingCondition"]["MaxRuntimeInSeconds"]
    if estimate.total_s > limit:
        lines.append(
            f"warning: that is longer than --max-run-hours {limit / 3600:g}: the job would be ended before it is finished"
        )
    return lines


def _say(text: str) -> None:
    print(redactor().text(text), file=sys.stderr, flush=True)
