"""The commands `sagemaker ...`: training jobs on Amazon SageMaker, and what they need."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli import sagemaker_entry, sagemaker_submit
from ocr_train.cli.options import whole_number
from ocr_train.cli.output import Commands, add_json, echo_for, give_json
from ocr_train.cli.parser import Parser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocr_train.cluster.sagemaker.service import Job
    from ocr_train.run import Echo


def add_commands(commands: Commands) -> None:
    """Add `sagemaker` with its own commands."""
    parser = commands.add_parser(
        "sagemaker",
        help="train in Amazon SageMaker jobs: submit, status, logs, stop, cost, policies, lifecycle",
        description="Train in Amazon SageMaker jobs. docs/sagemaker.md goes from nothing to a finished job.",
    )
    nested = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    sagemaker_submit.add_commands(nested)
    _add_watching(nested)
    _add_policies(nested)
    _add_lifecycle(nested)
    sagemaker_entry.add_commands(nested)


def _add_watching(commands: Commands) -> None:
    status = commands.add_parser(
        "status",
        command=_status,
        help="what SageMaker says of a job",
        description="Show what SageMaker says of a job: its state, why it failed, where its model is.",
    )
    logs = commands.add_parser(
        "logs",
        command=_logs,
        help="the log of a job; --follow: until it is over",
        description="Print the log of a job, of all its machines. With --follow the exit status is the job's: 0 "
        "completed, 6 failed, 7 stopped.",
    )
    stop = commands.add_parser(
        "stop",
        command=_stop,
        help="end a job: it gets SIGTERM and 120 seconds",
        description="End a job. It has 120 seconds to store its newest checkpoint.",
    )
    cost = commands.add_parser(
        "cost",
        command=_cost,
        help="what a job has cost",
        description="Show what a job has cost: billable seconds, times machines, times the price of one.",
    )
    for parser in (status, logs, stop, cost):
        parser.add_argument("job", metavar="JOB", help="the job's name")
        parser.add_argument("--region", default="", help="the AWS region (default: as AWS' variables say)")
    logs.add_switch("--follow", help="go on until the job is over; the exit status is then the job's")
    cost.add_argument(
        "--hourly-usd", type=_price, metavar="USD", help="what an hour of one machine costs in that region"
    )
    for parser in (status, cost):
        add_json(parser)


def _add_policies(commands: Commands) -> None:
    parser = commands.add_parser(
        "policies",
        command=_policies,
        help="write the least IAM policies for the job and for who submits it",
        description="Write the least IAM policies: the execution role's trust and rights, and the submitter's.",
    )
    parser.add_argument("--bucket", required=True, help="the bucket with the data and for the results")
    parser.add_argument("--prefix", default="", help="the prefix of the data in it (default: all of it)")
    parser.add_argument(
        "--more-data",
        action="append",
        default=[],
        metavar="s3://...",
        help="another source of the data, where they are mixed; may be repeated",
    )
    parser.add_argument(
        "--output-s3", default="", help="where results go (default: sagemaker/ in that bucket), as for submit"
    )
    parser.add_argument("--artifacts-s3", default="", help="where the MLflow server keeps artifacts on S3")
    parser.add_argument("--role", required=True, help="the ARN of the execution role")
    parser.add_argument("--image", required=True, help="the training image in Amazon ECR")
    parser.add_argument("--region", default="", help="the jobs' region (default: the image's)")
    parser.add_argument("--job-prefix", default="ocr-", help="what names of jobs begin with (default: ocr-)")
    parser.add_argument("--mlflow-arn", default="", help="the ARN of an MLflow server that SageMaker manages")
    parser.add_argument("--kms-key", default="", help="the ARN of the KMS key, where there is one")
    parser.add_switch("--vpc", help="jobs train in a VPC")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write files there (default: print JSON)")


def _add_lifecycle(commands: Commands) -> None:
    parser = commands.add_parser(
        "lifecycle",
        command=_lifecycle,
        help="write the scripts of a notebook instance: set-up, and stop when idle",
        description="Write OnCreate and OnStart scripts for a SageMaker notebook instance.",
    )
    parser.add_argument("--repository", required=True, help="the git address of this project")
    parser.add_argument(
        "--idle-minutes",
        type=whole_number(5),
        default=60,
        metavar="N",
        help="stop the instance after so long without work (default: 60)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="the folder to write them to")


def _price(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a price such as 1.408")
    return value


def _status(arguments: argparse.Namespace) -> int:
    from ocr_train.cluster.sagemaker.service import SageMaker

    echo = echo_for(arguments)
    job = SageMaker(arguments.region).describe(arguments.job)
    _end_run(job)
    for name, value in _shown(job).items():
        echo(f"{name:12} {value}")
    give_json(arguments, {"job": vars(job)})
    return 0


def _shown(job: Job) -> Mapping[str, str]:
    found = {
        "job": job.name,
        "status": f"{job.status} ({job.secondary})" if job.secondary else job.status,
        "reason": job.reason,
        "machines": f"{job.machines} x {job.instance}{' (spot)' if job.spot else ''}",
        "training": "" if job.training_s is None else f"{job.training_s} s",
        "billed": "" if job.billable_s is None else f"{job.billable_s} s on each machine",
        "MLflow run": job.run_id,
        "checkpoints": job.checkpoints,
        "model": job.model,
    }
    return {name: value for name, value in found.items() if value}


def _logs(arguments: argparse.Namespace) -> int:
    from ocr_train.cluster.sagemaker.service import SageMaker

    echo = echo_for(arguments)
    service = SageMaker(arguments.region)
    job = service.describe(arguments.job)
    for machine, line in service.log(job.name, follow=arguments.follow):
        echo(f"{machine}| {line}" if job.machines > 1 else line)
    if not arguments.follow:
        return 0
    job = service.describe(arguments.job)
    _end_run(job)
    echo(f"the job is {job.status}{f': {job.reason}' if job.reason else ''}")
    return {"Completed": 0, "Stopped": 7}.get(job.status, 6)


def _end_run(job: Job) -> None:
    """The run of a job that died before it could write, where an MLflow server is named."""
    import os

    if not job.over or not job.run_id or not os.environ.get("MLFLOW_TRACKING_URI"):
        return
    from ocr_train.cluster.sagemaker.submission import end_run_of
    from ocr_train.errors import TrackingError
    from ocr_train.tracking.mlflow_client import connect

    try:
        end_run_of(connect(), job)
    except TrackingError:
        # What was asked for is the job.
        return


def _stop(arguments: argparse.Namespace) -> int:
    from ocr_train.cluster.sagemaker.service import SageMaker

    echo = echo_for(arguments)
    service = SageMaker(arguments.region)
    job = service.describe(arguments.job)
    if job.over:
        echo(f"{job.name} is over: {job.status}")
        return 0
    service.stop(job.name)
    echo(f"{job.name} is being stopped: its newest checkpoint is kept, and it ends within two minutes or so")
    return 0


def _cost(arguments: argparse.Namespace) -> int:
    from ocr_train.cluster.sagemaker.bill import bill
    from ocr_train.cluster.sagemaker.service import SageMaker

    echo = echo_for(arguments)
    job = SageMaker(arguments.region).describe(arguments.job)
    found = bill(job, arguments.hourly_usd)
    if found is None:
        echo(f"{job.name} is {job.status}: SageMaker says what is billed when the job is over")
    else:
        _say_bill(echo, job, found.machine_hours, found.usd, found.saving)
    give_json(arguments, {"job": job.name, "status": job.status, "bill": vars(found) if found else None})
    return 0


def _say_bill(echo: Echo, job: Job, hours: float, usd: float | None, saving: float | None) -> None:
    echo(f"billed: {job.billable_s} s on each of {job.machines} x {job.instance}: {hours:.2f} machine hours")
    if job.retained_s:
        echo(f"of which the warm pool: {job.retained_s} s on each")
    if saving is not None:
        echo(f"spot instances saved {saving:.0%} of {job.training_s} s of training")
    echo(f"cost: {usd:.2f} USD" if usd is not None else "cost: give --hourly-usd, the price of one machine")
    if usd is not None:
        echo("not in it: S3, CloudWatch, the MLflow server and taxes")


def _policies(arguments: argparse.Namespace) -> int:
    import json

    from ocr_train.atomic_files import write_bytes
    from ocr_train.cli.output import print_json
    from ocr_train.cluster.sagemaker.policies import Access, policies

    bucket = f"s3://{arguments.bucket}"
    found = policies(
        Access(
            role=arguments.role,
            image=arguments.image,
            data=(f"{bucket}/{arguments.prefix.strip('/')}", *arguments.more_data),
            output=arguments.output_s3 or f"{bucket}/sagemaker",
            artifacts=arguments.artifacts_s3,
            region=arguments.region,
            job_prefix=arguments.job_prefix,
            mlflow_arn=arguments.mlflow_arn,
            kms_key=arguments.kms_key,
            vpc=arguments.vpc,
        )
    )
    if arguments.out is None:
        print_json(json.dumps(found, indent=1))
        return 0
    echo = echo_for(arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, document in found.items():
        write_bytes(arguments.out / name, f"{json.dumps(document, indent=2)}\n".encode())
        echo(f"wrote {arguments.out / name}")
    return 0


def _lifecycle(arguments: argparse.Namespace) -> int:
    from ocr_train.atomic_files import write_bytes
    from ocr_train.cluster.sagemaker.lifecycle import scripts

    echo = echo_for(arguments)
    found = scripts(repository=arguments.repository, idle_minutes=arguments.idle_minutes)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, text in found.items():
        write_bytes(arguments.out / name, text.encode())
        echo(f"wrote {arguments.out / name}")
    return 0
