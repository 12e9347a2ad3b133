"""The stages of a training run, in order: device -> data -> resume -> configuration -> trainer -> outcome.

    cli -> train(experiment, services) -> Summary

Whatever stage ends the run, its status in MLflow says so, with the reason as a tag.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from callbacks.nodes import HINT, NODE_LOST
from ocr_train.config.experiment import Experiment
from ocr_train.cost import spent, starving
from ocr_train.data.keep_set import require_keep_path
from ocr_train.disk import refused
from ocr_train.doctor.speed import faster
from ocr_train.errors import CheckpointLost, OcrTrainError, TrainingFailed
from ocr_train.events import RunFinished, RunStarted
from ocr_train.ocr_engine.networks import cpu_count
from ocr_train.redaction.redactor import redactor
from ocr_train.resume.start import StartedRun, begin
from ocr_train.run import Echo, Results
from ocr_train.tracking.experiments import experiment_name, name_primary_metric
from ocr_train.tracking.heartbeat import Heartbeat
from ocr_train.tracking.tracker import CHECKPOINT_BYTES_TAG, PENDING_TAG, Delivered, Tracker
from ocr_train.trainer.dispatch import Dispatcher
from ocr_train.trainer.follow import STACKS_FILE, LogWatch, follow
from ocr_train.trainer.oom_killer import OomKillMonitor
from ocr_train.trainer.outcome import FAILED, Outcome, decide_outcome, failure_reason_of, stopped
from ocr_train.trainer.process import Child
from ocr_train.trainer.ranks import first_failed, rank_logs
from ocr_train.trainer.stop_signals import StopRequested
from ocr_train.training.base import Base, measure_base
from ocr_train.training.callbacks import make_callbacks
from ocr_train.training.finish import Finishing, finish, not_done
from ocr_train.training.keep import Keep
from ocr_train.training.keep_before import find_keep, measure_keep
from ocr_train.training.nodes import gather
from ocr_train.training.record import (
    first_tags,
    say_default_experiment,
    say_exposed_params,
    say_rare_characters,
)
from ocr_train.training.run_name import run_name
from ocr_train.training.services import Services, TrainingSetup
from ocr_train.training.setup import look_at_data, resume_request, set_up

EARLY_END_S = 30.0
"""A run that ends before its trainer starts waits so long for its status to reach the server: on a machine that is busy
loading MLflow and the data, ten seconds were not enough, and the run looked as if it went on."""
NEWS_S = 5.0
"""For so long news of another machine may be on its way when this one's trainer has failed."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the last lines on the terminal are made of."""

    run_id: str
    folder: Path
    outcome: Outcome
    delivered: Delivered
    seconds: float
    last_lines: Sequence[str]
    log: Path
    experiment_id: str
    main_metric: str
    epochs: int
    results: Results
    finishing: Finishing = field(default_factory=Finishing)


def train(experiment: Experiment, output: Path, services: Services) -> Summary:
    """Run the whole way; raises `OcrTrainError` for what keeps the trainer from starting."""
    require_keep_path(experiment.keep)
    name, tags = _called(experiment, services)
    started = _begin(experiment, output, services, name=name, tags=tags)
    tracker = started.tracker
    try:
        services.stop.release()
        services.echo(
            f"{experiment.name}: {experiment.description}\nrun {tracker.run_id} in {tracker.folder}"
        )
        with Heartbeat(tracker.set_tags) as heartbeat:
            tracker.set_tags(tags)
            if not tracker.offline:
                name_primary_metric(services.client, tracker.experiment_id, f"best/{experiment.main_metric}")
            say_default_experiment(tracker, experiment.task, services.echo)
            say_exposed_params(tracker, services.echo)
            setup, base, keep = _before_training(experiment, output, started, services)
            with services.stop.deferred():
                outcome, last_lines, results = _run_trainer(experiment, setup, base, tracker, services)
                outcome = _with_lost_checkpoints(outcome, results)
                results = _with_findings(results, experiment, setup, base, tracker)
                finished = outcome.status == "FINISHED"
                finishing = (
                    finish(experiment, setup, results, tracker, services, keep) if finished else Finishing()
                )
                _log_costs(experiment, setup, results, tracker, services)
                log = tracker.folder / "train.log"
                _log_end(tracker, outcome, last_lines, log, results)
                # It writes to the journal, so it ends first.
                heartbeat.close()
                delivered = tracker.finish(outcome.status)
    except OcrTrainError as exc:
        _end_early(tracker, FAILED, failure_reason_of(exc), str(exc))
        raise
    except OSError as exc:
        error = refused(exc)
        _end_early(tracker, FAILED, failure_reason_of(error), str(error))
        raise error from exc
    except StopRequested as exc:
        outcome = stopped(exc.number)
        _end_early(tracker, outcome.status, outcome.reason, _paragraph(outcome))
        raise
    except BaseException as exc:
        _end_early(tracker, FAILED, "internal_error", f"{type(exc).__name__}: {exc}")
        raise
    return Summary(
        run_id=tracker.run_id,
        folder=tracker.folder,
        outcome=outcome,
        delivered=delivered,
        seconds=time.monotonic() - services.started,
        last_lines=last_lines,
        log=log,
        experiment_id=tracker.experiment_id,
        main_metric=experiment.main_metric,
        epochs=experiment.epochs,
        results=results,
        finishing=finishing,
    )


def _begin(
    experiment: Experiment, output: Path, services: Services, *, name: str, tags: Mapping[str, str]
) -> StartedRun:
    """The run. A stop that comes while it is made is held: the caller releases it where the run is told of it."""
    try:
        return begin(
            resume_request(experiment, services.echo),
            output,
            services.client,
            name=name,
            tags=tags,
            experiment=experiment_name(experiment.task),
            look_at_data=lambda work: look_at_data(experiment, work, output, services),
            hold_stops=services.stop.hold,
        )
    except BaseException:
        services.stop.let_go()
        raise


def _called(experiment: Experiment, services: Services) -> tuple[str, dict[str, str]]:
    """The name of the run and its first tags: who started it as one of many has a say."""
    name, tags = run_name(experiment), first_tags(experiment)
    if services.supervisor is None:
        return name, tags
    return services.supervisor.name or name, {**tags, **services.supervisor.tags}


def _before_training(
    experiment: Experiment, output: Path, started: StartedRun, services: Services
) -> tuple[TrainingSetup, Base | None, Keep | None]:
    """Everything before the trainer starts, the base and the other machines included."""
    if note := not_done(experiment.task):
        services.echo(note)
    found = find_keep(experiment, output, services)
    setup = set_up(experiment, output, started, services)
    say_rare_characters(experiment, setup.dataset, services.echo)
    if setup.settled.weights is not None or found is not None or services.leader:
        # They take long, and other machines cost money: not for data that nothing can be trained on.
        setup.samples.settle()
    base = measure_base(setup, services)
    if base:
        known = started.reopened.params if started.reopened else {}
        started.tracker.log_params({key: value for key, value in base.params.items() if key not in known})
    keep = measure_keep(experiment, setup, found, output, started, services)
    if services.leader:
        gather(services.leader, setup, started.tracker, services.echo)
    return setup, base, keep


def _with_findings(
    results: Results, experiment: Experiment, setup: TrainingSetup, base: Base | None, tracker: Tracker
) -> Results:
    """The results, and what they say of the training as a whole; the run is told of it."""
    note = starving(results.reader_share, setup.num_workers)
    if note:
        tracker.set_tags({"reader_starves": note})
    tracker.set_tags({"learning_rate_zero": results.rate_zero})
    not_better = base.verdict(results.best, setup.run.main_metric) if base else ""
    tracker.set_tags({"not_better_than_base": not_better})
    return replace(
        results,
        starving=note,
        faster=faster(experiment, setup.launch.device, cpus=cpu_count()),
        not_better=not_better,
        trained_out=(results.latest_step or 0) >= setup.run.total_steps,
    )


def _run_trainer(
    experiment: Experiment, setup: TrainingSetup, base: Base | None, tracker: Tracker, services: Services
) -> tuple[Outcome, Sequence[str], Results]:
    """Run the trainer to its end: what it came to, its last lines, what the callbacks have to say."""
    dispatcher = Dispatcher(make_callbacks(tracker, setup, experiment, services), report=services.echo)
    watch = LogWatch()
    error: OcrTrainError | None = None
    child: Child | None = None
    witness = OomKillMonitor()
    try:
        dispatcher.open(setup.run)
        for event in base.events() if base else ():
            dispatcher.send(event)
        log = tracker.folder / "train.log"
        tracker.begin_log(log)
        child = Child.start(setup.argv, env=setup.launch.env, cwd=tracker.folder, log=log)
        dispatcher.send(RunStarted(run_id=tracker.run_id, pid=child.pid))
        error = follow(
            child,
            dispatcher,
            watch,
            saves=tracker.folder / "trainer",
            folder=tracker.folder,
            stop=services.stop,
            echo=services.echo,
            doubt=setup.samples.problem,
        )
        _settle(setup, services)
        outcome = decide_outcome(
            child.exit,
            stopped_by=services.stop.number,
            failure=watch.verdict(),
            error=error,
            progressed=watch.progressed,
            kernel=witness.message(),
        )
        finished = RunFinished(status=outcome.status, reason=outcome.reason, time_ms=int(time.time() * 1000))
        # A callback that failed before; the outcome says so already.
        with contextlib.suppress(OcrTrainError):
            dispatcher.send(finished)
    finally:
        if child is not None:
            child.close()
        witness.close()
        closing = _close(dispatcher, services.echo)
    if dispatcher.disabled:
        tracker.set_tags({"degraded": ", ".join(dispatcher.disabled)})
    if closing is not None and outcome.status == "FINISHED":
        outcome = replace(
            outcome,
            status=FAILED,
            reason=failure_reason_of(closing),
            explanation=closing.problem,
            exit_code=closing.exit_code,
        )
    outcome = _with_processes(outcome, watch.last_lines, services)
    if services.leader:
        # The other machines cost money: they are not needed for what comes now.
        services.leader.close(outcome.status, outcome.explanation)
    return outcome, watch.last_lines, dispatcher.results()


def _settle(setup: TrainingSetup, services: Services) -> None:
    """Where nothing can be trained on the data, that is the cause, whatever the trainer has printed of it."""
    if services.stop.number is None:
        setup.samples.settle()


def _close(dispatcher: Dispatcher, echo: Echo) -> OcrTrainError | None:
    try:
        dispatcher.close()
    except OcrTrainError as exc:
        echo(exc.problem)
        return exc
    return None


def _with_processes(outcome: Outcome, last_lines: Sequence[str], services: Services) -> Outcome:
    """Of several processes: which one failed first, and the machine whose end made the others fail."""
    if outcome.status != FAILED:
        return outcome
    lost = services.leader.cause(wait_s=NEWS_S) if services.leader else ""
    if lost:
        return replace(
            outcome, reason=NODE_LOST, explanation=f"{lost}.", hint=HINT, exit_code=TrainingFailed.exit_code
        )
    first = first_failed(last_lines)
    return replace(outcome, explanation=f"{first}: {outcome.explanation}") if first else outcome


def _with_lost_checkpoints(outcome: Outcome, results: Results) -> Outcome:
    """A run that finished but for a checkpoint that is neither stored nor kept has not finished."""
    lost = results.lost
    if not lost or outcome.status != "FINISHED":
        return outcome
    return replace(
        outcome,
        status=FAILED,
        reason="checkpoint_lost",
        explanation=f"the trainer finished, but its checkpoint(s) {', '.join(lost)} could not be kept anywhere.",
        hint="Free space on the disk, or write elsewhere with --output; the other checkpoints are complete.",
        exit_code=CheckpointLost.exit_code,
    )


def _log_costs(
    experiment: Experiment,
    setup: TrainingSetup,
    results: Results,
    tracker: Tracker,
    services: Services,
) -> None:
    """The hours and the money of all of it: what came after the training costs, too."""
    seconds = time.monotonic() - services.started + 3600 * setup.run.hours_before
    step = max(int(results.latest_step or 0), setup.run.step_offset)
    tracker.log_metrics(spent(seconds, experiment.usd_an_hour), step=step, time_ms=int(time.time() * 1000))


def _log_end(
    tracker: Tracker, outcome: Outcome, last_lines: Sequence[str], log: Path, results: Results
) -> None:
    kept = ", ".join(str(path) for path in results.kept)
    why = redactor().log(_paragraph(outcome))
    ended = (
        {"stop_reason": outcome.stop_reason, "stop_explanation": why}
        if outcome.stop_reason
        else {"failure_reason": outcome.reason, "failure_explanation": why}
    )
    tracker.set_tags(
        {
            **ended,
            PENDING_TAG: kept,
            CHECKPOINT_BYTES_TAG: results.checkpoint_bytes or "",
            # A changed log format shows here.
            "log_lines_understood": results.log_lines,
        }
    )
    tail = tracker.folder / "last_lines.txt"
    # A full disk.
    with contextlib.suppress(OSError):
        tail.write_text("\n".join(last_lines) + "\n", encoding="utf-8")
    for path in (log, tail, tracker.folder / STACKS_FILE):
        if path.exists():
            tracker.log_output(path)
    for path in rank_logs(tracker.folder):
        node = path.parent.name if path.parent.name.startswith("node_") else ""
        tracker.log_output(path, node)


def _paragraph(outcome: Outcome) -> str:
    """What happened and what to do, for a tag."""
    return f"{outcome.explanation} {outcome.hint}".strip()


def _end_early(tracker: Tracker, status: str, reason: str, explanation: str) -> None:
    tracker.set_tags({"failure_reason": reason, "failure_explanation": explanation})
    tracker.finish(status, timeout_s=EARLY_END_S)
