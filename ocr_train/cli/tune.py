"""The command `tune`: what batch size, loader workers and learning rate suit this machine, these data and this model."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ocr_train.cli.options import add_parameters, client, launch_of, output_folder, whole_number
from ocr_train.cli.output import Commands, add_json, echo_for, give_json, table
from ocr_train.cli.parser import Parser
from ocr_train.cli.train import open_tracking, remember_secrets
from ocr_train.config.epoch_steps import batch_key
from ocr_train.config.experiment import EXPERIMENTS, load_experiment
from ocr_train.config.overrides import without_keys
from ocr_train.config.started import this_start
from ocr_train.config.trainer_settings import RATE as RATE_KEY
from ocr_train.config.trainer_settings import WORKERS as WORKERS_KEY
from ocr_train.errors import ConfigError
from ocr_train.trainer.interpreter import interpreter, probe
from ocr_train.trainer.stop_signals import StopFlag

if TYPE_CHECKING:
    from ocr_train.config.experiment import Experiment
    from ocr_train.config.parameters import Launch
    from ocr_train.run import Echo
    from ocr_train.training.services import Services, TrainingSetup
    from ocr_train.tuning.advice import Advice
    from ocr_train.tuning.decide import TuningResult
    from ocr_train.tuning.rate_range import RateRange
    from ocr_train.tuning.trial import Bench

BATCH, WORKERS, RATE = "batch", "workers", "rate"
SUBJECTS = (BATCH, WORKERS, RATE)
RATE_SHARE = 0.4
"""Of the time: what the search for batch and workers leaves for the learning rate."""


def add_commands(commands: Commands) -> None:
    """Add `tune`: it takes what `train` takes."""
    parser: Parser = commands.add_parser(
        "tune",
        command=_tune,
        help="find batch size, loader workers and learning rate with short trainings",
        description="Run short trainings of PaddleOCR with a training's own configuration and data: seconds a step for batch "
        "sizes and numbers of loader workers, and a learning-rate range test. Say what to set, and why. Put it in the place "
        "of `train`: it takes the same options. No checkpoint and no run is made.",
    )
    parser.add_argument(
        "--measure",
        type=_subjects,
        default=SUBJECTS,
        metavar="LIST",
        help="what to look for: batch, workers, rate, with commas between (default: all three)",
    )
    parser.add_argument(
        "--batch-sizes",
        type=_numbers(1),
        default=(),
        metavar="LIST",
        help="try these batch sizes, such as 4,8,16,32; empty: doubled and halved from the experiment's own",
    )
    parser.add_argument(
        "--workers",
        type=_numbers(0),
        default=(),
        metavar="LIST",
        help="try these numbers of loader workers, such as 0,1,2; empty: 0, 1, 2, 4 ... up to the cores",
    )
    parser.add_argument(
        "--max-minutes", type=_minutes, default=10.0, metavar="N", help="so long at most (default: 10)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("tune"),
        metavar="DIR",
        help="folder for tune.json and the pictures (default: ./tune)",
    )
    parser.add_switch("--log", help="true: log figures and pictures to a run in MLflow")
    add_json(parser)
    add_parameters(parser)


def _tune(arguments: argparse.Namespace) -> int:
    launch = launch_of(arguments)
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        os.environ["MLFLOW_TRACKING_URI"] = this_start().tracking_uri(uri)
    echo = echo_for(arguments)
    stop = StopFlag()
    with stop.installed():
        remember_secrets(vars(launch))
        experiment = _experiment(launch)
        remember_secrets(experiment.trainer)
        output = this_start().output(launch.output or os.environ.get("OCR_TRAIN_OUTPUT", ""))
        services = _services(experiment, launch, stop, echo)
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".tune-", dir=output) as scratch:
            from ocr_train.training.bench import set_up_bench

            bench, setup = set_up_bench(experiment, output, Path(scratch), services)
            decision, found = _search(arguments, bench, setup, echo)
        return _report(arguments, launch, experiment, bench, setup, decision, found, echo)


def _experiment(launch: Launch) -> Experiment:
    """What would be trained; raises `ConfigError` for what cannot be measured beforehand."""
    if launch.nodes:
        raise ConfigError(
            "nodes: short trainings run on one machine.",
            hint="Leave nodes out; a batch size is that of each machine's processes in any case.",
        )
    # What is to be found need not be given.
    plain = {name: "" for name in ("batch_size", "num_workers") if getattr(launch, name).lower() == "auto"}
    experiment = load_experiment(replace(launch, **plain), EXPERIMENTS)
    if experiment.resume and not experiment.weights_only:
        raise ConfigError(
            f"resume={experiment.resume}: a training that goes on keeps its batch size and its learning rate.",
            hint="Leave resume out, or start from its weights: pretrained=RUN.",
        )
    return experiment


def _services(experiment: Experiment, launch: Launch, stop: StopFlag, echo: Echo) -> Services:
    from ocr_train.cli.transfer import fetch_for_training
    from ocr_train.data.backup import Backup
    from ocr_train.data.for_training import Dataset
    from ocr_train.runs.offline import OfflineClient
    from ocr_train.training.services import Services

    def no_backup(_dataset: Dataset, _target: str) -> Backup:
        raise ConfigError("backup: nothing is kept of a short training.")

    probing = ThreadPoolExecutor(1, thread_name_prefix="probe").submit(
        probe, interpreter(experiment.trainer_python)
    )
    return Services(
        # Weights of a run are the only thing that a server is asked for.
        client=open_tracking(launch) if experiment.resume else OfflineClient(),
        probe=probing.result,
        fetch=fetch_for_training,
        backup=no_backup,
        echo=echo,
        stop=stop,
        started=time.monotonic(),
    )


def _search(
    arguments: argparse.Namespace, bench: Bench, setup: TrainingSetup, echo: Echo
) -> tuple[TuningResult, RateRange | None]:
    """Measure what is wished for; the table is printed as it grows."""
    from ocr_train.training.bench import script_job_at
    from ocr_train.tuning.advice import HEADER, row_of
    from ocr_train.tuning.decide import Wish, decide
    from ocr_train.tuning.measurement import Measurement
    from ocr_train.tuning.range_run import START_S, find_rate
    from ocr_train.tuning.remembered import busy

    wanted: Sequence[str] = arguments.measure
    names = {BATCH: "batch_size", WORKERS: "num_workers"}
    seconds = 60 * arguments.max_minutes
    began = time.monotonic()
    widths = [max(12, len(name)) for name in HEADER]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))

    def show(one: Measurement) -> None:
        echo(line(row_of(one)))

    if said := busy():
        echo(f"WARNING: {said}")
    echo(f"\nshort trainings, for {arguments.max_minutes:g} minutes at most:\n{line(HEADER)}")
    speed_s = seconds * (1 - RATE_SHARE if RATE in wanted else 1)
    decision = decide(
        bench,
        _epoch_samples(bench, setup),
        Wish(
            names=tuple(name for subject, name in names.items() if subject in wanted),
            batch_sizes=arguments.batch_sizes,
            worker_counts=arguments.workers,
        ),
        deadline=began + speed_s,
        on_measured=show,
    )
    for note in decision.notes:
        echo(f"  {note}")
    if RATE not in wanted:
        return decision, None
    echo(f"learning rate: one training with rising rates at {decision.chosen} ...")
    seen = decision.of(decision.chosen)
    found = find_rate(
        bench,
        script_job_at(setup.script_job),
        decision.chosen,
        step_s=seen.step_s if seen else 1.0,
        start_s=max(0.0, seen.took_s - seen.steps * seen.step_s) if seen else START_S,
        deadline=began + seconds,
    )
    return decision, found


def _epoch_samples(bench: Bench, setup: TrainingSetup) -> int:
    """The samples that an epoch takes: of each label file its share."""
    from ocr_train.config.epoch_steps import samples_per_epoch

    return samples_per_epoch(bench.config, [part.samples for part in setup.dataset.train_parts])


def _report(
    arguments: argparse.Namespace,
    launch: Launch,
    experiment: Experiment,
    bench: Bench,
    setup: TrainingSetup,
    decision: TuningResult,
    found: RateRange | None,
    echo: Echo,
) -> int:
    """Say what to set, write the files, log them where that is wished for."""
    from ocr_train.doctor.trial import spell_duration
    from ocr_train.tuning.advice import advise, epoch_seconds, tuning_json

    advice = advise(experiment, bench, decision, found)
    samples = _epoch_samples(bench, setup)
    cells = [(one.name, one.now, one.better, one.why) for one in advice]
    echo("")
    for text in table([("parameter", "now", "better", "why"), *cells]):
        echo(text)
    times = [epoch_seconds(decision, one, samples) for one in (decision.before, decision.chosen)]
    if times[0] and times[1] and decision.before != decision.chosen:
        said = " -> ".join(spell_duration(seconds or 0) for seconds in times)
        echo(f"an epoch of {samples} samples: {said} (evaluation not included)")
    values = {one.name: one.value for one in advice if one.value}
    # What was left to a measurement now has a value.
    given = {one.name: one.better for one in advice if getattr(launch, one.name).lower() == "auto"}
    keys = {"num_workers": WORKERS_KEY, "batch_size": batch_key(bench.config), "learning_rate": RATE_KEY}
    rest = without_keys(launch.overrides, {keys[name] for name in values})
    command = this_start().train(replace(launch, **{**given, **values, "overrides": rest}))
    echo(f"\n{'Train with it' if values else 'Nothing to change'}: {command}")
    answer = {
        "model": experiment.name,
        "data": experiment.data,
        "device": setup.launch.device.name,
        "samples": samples,
        **tuning_json(decision, found, advice),
        "epoch_s": {"before": times[0], "chosen": times[1]},
        "command": command,
    }
    files = _write(arguments.out, bench, answer, decision, found)
    echo(f"files: {', '.join(str(path) for path in files)}")
    if arguments.log:
        echo(f"logged to the run {_log(experiment, setup, advice, decision, found, files)}")
    give_json(arguments, answer)
    return 0


def _write(
    out: Path,
    bench: Bench,
    answer: dict[str, object],
    decision: TuningResult,
    found: RateRange | None,
) -> list[Path]:
    """tune.json, and the pictures of what there is to show."""
    import json

    from ocr_train.atomic_files import write_text
    from ocr_train.redaction.redactor import redactor
    from ocr_train.tuning.advice import rate_in
    from ocr_train.tuning.pictures import plot_rates, plot_speeds

    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(redactor().mapping(answer), ensure_ascii=False, indent=1, default=str)
    write_text(out / "tune.json", text + "\n")
    files = [out / "tune.json"]
    if any(not one.failure for one in decision.measurements):
        files.append(plot_speeds(decision.measurements, out / "speed.png"))
    if found is not None and found.points:
        files.append(plot_rates(found, out / "learning_rate.png", now=rate_in(bench.config)))
    return files


def _log(
    experiment: Experiment,
    setup: TrainingSetup,
    advice: Sequence[Advice],
    decision: TuningResult,
    found: RateRange | None,
    files: Sequence[Path],
) -> str:
    """A run with the figures as metrics (by batch size, and by step of the range test) and the files; its id."""
    from ocr_train.tracking.tracker import Tracker

    tracker = Tracker.start(
        client(), output_folder(), name=f"tune-{experiment.name}-{time.strftime('%m%d-%H%M%S')}"
    )
    tracker.set_tags(
        {
            "model": experiment.name,
            "task": experiment.task,
            "device": setup.launch.device.name,
            "dataset_digest": setup.dataset.manifest.digest,
        }
        | {f"tune/{one.name}": one.better for one in advice if one.better}
    )
    now = int(time.time() * 1000)
    for one in decision.measurements:
        if not one.failure:
            name = f"tune/samples_per_s_{one.setting.workers}_workers"
            tracker.log_metrics({name: one.samples_per_s}, step=one.setting.batch, time_ms=now)
    for step, point in enumerate(found.points if found else ()):
        tracker.log_metrics(
            {"tune/loss": point.average, "tune/learning_rate": point.rate}, step=step, time_ms=now
        )
    for path in files:
        copy = tracker.folder / path.name
        copy.write_bytes(path.read_bytes())
        tracker.log_file(copy, "tune")
    tracker.finish("FINISHED")
    return tracker.run_id


def _subjects(text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        if word not in SUBJECTS:
            raise argparse.ArgumentTypeError(f"{word!r} is not one of {', '.join(SUBJECTS)}")
    return words or SUBJECTS


def _numbers(least: int) -> Callable[[str], tuple[int, ...]]:
    read = whole_number(least)

    def several(text: str) -> tuple[int, ...]:
        return tuple(read(word.strip()) for word in text.split(",") if word.strip())

    return several


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes, such as 10")
    return value
