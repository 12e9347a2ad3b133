"""The command `sweep`: many trainings with other settings each, and which one is best."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from ocr_train.cli.output import Commands, add_json, echo_for, give_json, stream_for, table
from ocr_train.cli.train import remember_secrets
from ocr_train.config.parameter_values import parse_number
from ocr_train.config.parameters import HELP, Launch, option_name
from ocr_train.config.registry_names import parse_target
from ocr_train.config.started import this_start
from ocr_train.errors import ConfigError, OcrTrainError
from ocr_train.live_line import LiveLine
from ocr_train.redaction.addresses import redacted, secrets_in
from ocr_train.redaction.redactor import redactor
from ocr_train.sweep.rows import Budget, TrialRow, best_first, counts, tried_rows
from ocr_train.sweep.space import HANDED_ON, find_space, read_space
from ocr_train.tracking.launched_run import mlflow_run_ended_by_failure
from ocr_train.trainer.stop_signals import StopFlag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ocr_train.run import Echo
    from ocr_train.sweep.parent import ParentRun
    from ocr_train.sweep.plan import SweepPlan
    from ocr_train.sweep.study import SweepStudy
    from ocr_train.sweep.work import SweepEnd, SweepJob

OWN_OPTIONS = {
    "model": "the model, as in `train`; empty: the one that the space file names",
    "space": "what is varied: a name in experiments/sweeps or a path to a file; empty: the one of the model",
    "trials": "how many trials in all, over every start and every worker",
    "hours": "how many hours of training in all; the trial that runs then is ended, and kept",
    "usd": "how much money in all, with --hourly-usd",
    "study": "the name of the study; empty: that of the space file",
    "storage": "the database of the study, as in postgresql://USER:PASSWORD@HOST/DATABASE; empty: "
    "$OCR_TRAIN_SWEEP_STORAGE, or a file in outputs/sweeps",
    "register": "NAME or NAME@ALIAS: register the model of the best trial in the end",
}
"""What the sweep itself is told; everything else is handed on to the trainings."""


def add_commands(commands: Commands) -> None:
    """Add `sweep`."""
    parser = commands.add_parser(
        "sweep",
        command=_sweep,
        help="many trainings with other settings each: which one is best",
        description="Train again and again with other values of what the space file varies, end trials that are hopeless, "
        "and say which was best. The same command again goes on where it was interrupted; started twice, or on several "
        "machines with --storage, its trials are shared. Options of `train` hold for all trials.",
    )
    for name, text in OWN_OPTIONS.items():
        parser.add_argument(option_name(name), default="", help=text)
    for name in HANDED_ON:
        parser.add_argument(option_name(name), default="", help=HELP[name])
    add_json(parser)


def _sweep(arguments: argparse.Namespace) -> int:
    given = {name: str(getattr(arguments, name)).strip() for name in (*OWN_OPTIONS, *HANDED_ON)}
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        os.environ["MLFLOW_TRACKING_URI"] = this_start().tracking_uri(uri)
    stop = StopFlag()
    with stop.installed(), mlflow_run_ended_by_failure(_connect):
        remember_secrets(given)
        space = read_space(find_space(given["space"], given["model"]))
        from ocr_train.sweep.plan import make_plan

        remember_secrets(space.train)
        options = {name: given[name] for name in (*HANDED_ON, "model")}
        plan = make_plan(space, options)
        budget = _budget(given, plan)
        job = _prepare(arguments, given, plan, budget, stop)
        try:
            return _run(arguments, given, job)
        finally:
            job.study.close()


def _connect() -> Any:
    from ocr_train.tracking.mlflow_client import connect

    return connect()


def _budget(given: Mapping[str, str], plan: SweepPlan) -> Budget:
    """What may be used; raises `ConfigError` where that is nothing, or no number."""
    problems: list[str] = []
    values = {
        name: parse_number(given[name], name, kind, problems, least=least) if given[name] else None
        for name, kind, least in (("trials", int, 1), ("hours", float, 0), ("usd", float, 0))
    }
    if given["register"]:
        try:
            parse_target(given["register"])
        except ConfigError as exc:
            problems.append(f"register: {exc.problem.removesuffix('.')}: {exc.hint}")
    if not any(given[name] for name in ("trials", "hours", "usd")) and plan.grid_size is None:
        problems.append("how long is it to last? Give --trials 20, --hours 8 or --usd 10")
    if given["usd"] and plan.hourly_usd is None:
        problems.append("usd: what does an hour cost? Give --hourly-usd, too")
    if problems:
        raise ConfigError("\n".join(problems), hint="Nothing was started.")
    if plan.grid_size is not None:
        values["trials"] = min(values["trials"] or plan.grid_size, plan.grid_size)
    return Budget(**values, hourly_usd=plan.hourly_usd)


def _prepare(
    arguments: argparse.Namespace,
    given: Mapping[str, str],
    plan: SweepPlan,
    budget: Budget,
    stop: StopFlag,
) -> SweepJob:
    """Open the study and its parent run, and say what is going to happen."""
    from ocr_train.sweep.database import STORAGE_VARIABLE, storage_address
    from ocr_train.sweep.study import open_study
    from ocr_train.sweep.work import SweepJob

    echo, stream = echo_for(arguments), stream_for(arguments)
    name = given["study"] or plan.name
    output = this_start().output(plan.fixed.output or os.environ.get("OCR_TRAIN_OUTPUT", "")).absolute()
    folder = output / "sweeps" / _folder_name(name)
    url = storage_address(given["storage"] or os.environ.get(STORAGE_VARIABLE, ""), folder)
    client = _connect()
    study = open_study(url, name, plan)
    parent = _parent_of(study, client, folder, again(given), echo)
    folder.mkdir(parents=True, exist_ok=True)
    line = LiveLine(stream, interval_s=60.0, wait_s=60.0)

    def say(text: str) -> None:
        line.clear()
        echo(text)

    def live(text: str) -> None:
        line.show(redactor().text(text)) if text else line.clear()

    parent.echo = say
    text = _what(plan, budget)
    _greet(study, parent.run_id, text, say)
    return SweepJob(
        plan=plan,
        study=study,
        parent=parent,
        budget=budget,
        client=client,
        folder=folder,
        output=output,
        text=text,
        echo=say,
        live=live,
        stop=stop,
    )


def _parent_of(study: SweepStudy, client: Any, folder: Path, command: str, echo: Echo) -> ParentRun:
    """The run above the trials: that of the study, or a new one, which `command` has started."""
    from ocr_train.sweep.parent import make_parent, note_worker, open_parent
    from ocr_train.sweep.study import PARENT
    from ocr_train.tracking.launched_run import exposed_params
    from ocr_train.tracking.mlflow_client import get_run
    from ocr_train.training.record import source_tags

    launched_as = os.environ.get("MLFLOW_RUN_ID", "")
    if launched_as and (warning := exposed_params(get_run(client, launched_as).data.params)):
        echo(warning)
    known = str(study.noted(PARENT) or "")
    if known:
        parent = open_parent(client, get_run(client, known), folder, echo)
        if launched_as and launched_as != known:
            note_worker(client, launched_as, known)
    else:
        parent = make_parent(
            client,
            study.plan,
            folder,
            name=study.name,
            command=command,
            given=launched_as,
            echo=echo,
            source=source_tags(),
        )
        study.note(**{PARENT: parent.run_id})
    return parent


def _folder_name(name: str) -> str:
    """The name of a study as that of a folder inside another."""
    if not name.strip(".") or not all(one.isalnum() or one in "._- " for one in name):
        raise ConfigError(
            f"study {name!r}: its name is that of a folder, too.",
            hint="Use letters, digits, '.', '_' and '-'.",
        )
    return name


def _what(plan: SweepPlan, budget: Budget) -> str:
    data = redactor().text(plan.fixed.data) or "the demo set"
    varied = "; ".join(f"{one.name}: {one}" for one in plan.dimensions)
    return (
        f"{plan.fixed.model} on {data}, the best {plan.metric} of {budget}. Varied: {varied}. "
        f"Sampler: {plan.sampler}. Pruner: {plan.pruner}."
    )


def _greet(study: SweepStudy, run_id: str, text: str, echo: Echo) -> None:
    before = counts(study.rows())
    echo(f"sweep {study.name!r}: {text}")
    echo(f"  study        {study.address}")
    echo(f"  parent run   {run_id}")
    if before:
        echo(f"  so far       {_counted(before)}")


def _counted(found: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(found.items()))


def _run(arguments: argparse.Namespace, given: Mapping[str, str], job: SweepJob) -> int:
    from ocr_train.sweep.work import work

    job.parent.begin()
    try:
        with job.stop.deferred():
            end = work(job)
    except BaseException as exc:
        reason = "storage_error" if isinstance(exc, OcrTrainError) else "internal_error"
        job.parent.end("FAILED", reason=reason, why=str(exc))
        raise
    rows = job.study.rows()
    job.parent.show(rows, job.plan, job.budget, job.study.study, text=job.text)
    job.parent.end("" if end.others else end.status, reason=end.reason, why=end.why)
    best = best_first(rows)[0] if best_first(rows) else None
    registered = ""
    if given["register"] and best is not None and end.status == "FINISHED" and not end.others:
        registered = _register(best.run_id, given, job)
    _print_end(end, rows, given, job)
    give_json(arguments, _answer(end, rows, job, registered))
    return end.code


def _register(run_id: str, given: Mapping[str, str], job: SweepJob) -> str:
    """Register the model of the best trial; the sweep has ended well whatever comes of it."""
    from ocr_train.cli.models import register_models

    fixed = job.plan.fixed
    wanted = argparse.Namespace(
        models=[run_id],
        name=given["register"],
        example=None,
        data=[],
        trainer_python=fixed.trainer_python,
        paddleocr=fixed.paddleocr,
        json=None,
    )
    job.echo(f"registering the best trial as {given['register']} ...")
    try:
        return register_models(wanted, job.echo)[0].uri
    except OcrTrainError as exc:
        job.echo(f"not registered: {exc}")
        return ""


def _print_end(end: SweepEnd, rows: Sequence[TrialRow], given: Mapping[str, str], job: SweepJob) -> None:
    from ocr_train.sweep.table import BEST_SHOWN, cells, in_order, trial_columns
    from ocr_train.training.summary import run_page

    started, echo = this_start(), job.echo
    used = job.budget.used(rows)
    money = f", {used['cost/usd']:.2f} USD" if "cost/usd" in used else ""
    echo(f"\n{end.why}; {_counted(counts(rows)) or 'no trial'}; {used['time/hours']:.2f} hours{money}")
    if end.others:
        numbers = ", ".join(map(str, end.others))
        echo(f"another worker is still training trial {numbers}: it ends the sweep")
    first = in_order(rows)[:BEST_SHOWN]
    for text in table([trial_columns(job.plan), *(cells(row, job.plan) for row in first)]) if first else []:
        echo(f"  {text}")
    best = best_first(rows)[0] if best_first(rows) else None
    if end.status != "FINISHED":
        echo(f"  go on with   {again(given)}")
    if best is not None:
        launch = best_launch(job.plan, best).without_secrets(redactor().value)
        echo(f"  train it     {started.train(launch)}")
        name = f"ocr-{job.plan.task}@challenger"
        echo(f"  register it  {started.python} -m ocr_train register {best.run_id} --name {name}")
    echo(f"  open         {run_page(job.parent.run_id, job.parent.experiment_id)}")


def best_launch(plan: SweepPlan, best: TrialRow) -> Launch:
    """The training with the values of the best trial as a training of its own: with what trials do without."""
    from dataclasses import replace

    from ocr_train.sweep.plan import FOR_TRIALS

    launch, plain = plan.launch(best.values), Launch()
    left_out = {
        name: getattr(plain, name) for name, value in FOR_TRIALS.items() if getattr(launch, name) == value
    }
    return replace(launch, **left_out)


def again(given: Mapping[str, str]) -> str:
    """The command that goes on with the sweep; an address with a password is not repeated."""
    import shlex

    started = this_start()
    options = {name: value for name, value in given.items() if value}
    storage = options.get("storage", "")
    hidden = any(filter(None, secrets_in(storage)))
    if hidden:
        options["storage"] = redacted(storage)
    shown_values = {name: str(redactor().value(name, value)) for name, value in options.items()}
    if started.mlflow_run:
        words = [*started.words, "-e", "sweep"]
        words += [word for name, value in shown_values.items() for word in ("-P", f"{name}={value}")]
    else:
        words = [*started.words, "sweep"]
        words += [word for name, value in shown_values.items() for word in (option_name(name), value)]
    return shlex.join(words)


def _answer(end: SweepEnd, rows: Sequence[TrialRow], job: SweepJob, registered: str) -> dict[str, Any]:
    best = best_first(rows)[0] if best_first(rows) else None
    used = job.budget.used(rows)
    command = (
        this_start().train(best_launch(job.plan, best).without_secrets(redactor().value)) if best else ""
    )
    return {
        "study": job.study.name,
        "storage": job.study.address,
        "parent_run": job.parent.run_id,
        "status": end.status,
        "why": end.why,
        "metric": job.plan.metric,
        "trials": [vars(row) for row in tried_rows(rows)],
        "counts": counts(rows),
        "hours": used["time/hours"],
        "usd": used.get("cost/usd"),
        "best": None if best is None else vars(best),
        "best_command": command,
        "registered": registered,
        "others": list(end.others),
    }
