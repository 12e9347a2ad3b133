"""One run of MLflow as values: facts, metric histories, checkpoints, the newest validation images."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from operator import itemgetter
from typing import Any

from ocr_train.checkpoints.manifest import BEST, LATEST
from ocr_train.checkpoints.reader import alias_values, all_manifests
from ocr_train.compare.artifacts import ReadArtifacts
from ocr_train.compare.histories import Histories, HistoryPoint, read_histories
from ocr_train.compare.samples import read_run_samples
from ocr_train.compare.values import Checkpoints, RunData, Series, labelled
from ocr_train.errors import OcrTrainError
from ocr_train.redaction.redactor import redactor
from ocr_train.run import Echo
from ocr_train.runs.listing import MAIN_METRICS
from ocr_train.tracking import heartbeat
from ocr_train.tracking.artifacts import Artifacts
from ocr_train.tracking.metric_names import plain_name

MEASURED = ("data/", "base/", "keep/")
"""Params that are figures of the data and of the weights to start from, also on what these could read; runs of before have them as metrics."""
READ_PREFIXES = ("train/", "eval/", "best/", "time/", "cost/", "sample/")
"""Metrics with a curve worth reading; system metrics count samples of a clock, not steps."""
MAX_KEYS = 60
_WORKERS = 8


def read_runs(
    client: Any, runs: Sequence[Any], experiments: Mapping[str, str], *, pictures: int, echo: Echo
) -> list[RunData]:
    """What MLflow has of each run; `pictures` are read of each at most. Raises `TrackingError`.

    What is missing or damaged in one run is named in its place, and the others are read all the same.
    """
    uri = str(getattr(client, "tracking_uri", ""))
    # A server answers several questions at once; a SQLite file does not, and is quick without.
    workers = _WORKERS if uri.startswith(("http://", "https://")) else 1
    wanted: dict[str, list[str]] = {}
    for run in runs:
        for keys in _histories_of(run).values():
            for key in keys:
                wanted.setdefault(key, []).append(run.info.run_id)
    histories = read_histories(client, wanted, workers=workers)
    done = 0

    def one(run: Any) -> RunData:
        nonlocal done
        found = _read_run(client, run, experiments, pictures, histories)
        done += 1
        echo(f"read {found.name} ({done} of {len(runs)})")
        return found

    with ThreadPoolExecutor(workers, thread_name_prefix="compare") as pool:
        return labelled(list(pool.map(one, runs)))


def _histories_of(run: Any) -> dict[str, list[str]]:
    """The metrics whose curves are read, each with the names that the run has it under."""
    keys: dict[str, list[str]] = {}
    for key in run.data.metrics:
        keys.setdefault(plain_name(key), []).append(key)
    return {name: keys[name] for name in _keys(keys)}


def _read_run(
    client: Any, run: Any, experiments: Mapping[str, str], pictures: int, histories: Histories
) -> RunData:
    redact = redactor()
    tags = {key: redact.value(key, value) for key, value in run.data.tags.items()}
    params = {key: redact.value(key, plain_param(value)) for key, value in run.data.params.items()}
    measured = {key: params.pop(key) for key in list(params) if key.startswith(MEASURED)}
    keys: dict[str, list[str]] = {}
    for key in run.data.metrics:
        keys.setdefault(plain_name(key), []).append(key)
    last = {name: float(run.data.metrics[min(each, key=name.__eq__)]) for name, each in keys.items()}
    last |= {key: float(value) for key, value in measured.items() if _is_number(value)}
    run_id = str(run.info.run_id)
    curves = _histories_of(run)
    series = {
        name: _series([point for key in curves.get(name, ()) for point in histories[run_id, key]])
        for name in _keys(last)
    }
    artifacts = ReadArtifacts(client, run)
    samples = read_run_samples(artifacts, most=pictures)
    started = (run.info.start_time or 0) / 1000
    return RunData(
        run_id=run.info.run_id,
        name=redact.text(run.info.run_name or run.info.run_id[:8]),
        experiment=redact.text(experiments.get(run.info.experiment_id, run.info.experiment_id)),
        status=run.info.status,
        started=started,
        ended=_ended(run, series, started),
        model=tags.get("model", params.get("model", "")),
        task=tags.get("task", ""),
        main_metric=_main_metric(tags, params, last),
        hourly_usd=_price(tags, params),
        params=params,
        tags=tags,
        last=last,
        series=series,
        datasets=tuple(map(redact.text, _datasets(run))),
        checkpoints=_checkpoints(artifacts, run.info.run_id),
        samples=replace(samples, problem=redact.text(samples.problem)),
    )


def plain_param(value: str) -> str:
    """A launch param without the quotes that `mlflow run` puts around it."""
    if len(value) > 1 and value[0] == value[-1] == "'":
        try:
            words = shlex.split(value)
        except ValueError:
            return value
        return " ".join(words)
    return value


def _keys(names: Iterable[str]) -> list[str]:
    keys = [key for key in sorted(names) if key.startswith(READ_PREFIXES)]
    first = [key for key in keys if key.startswith(("eval/", "best/", "cost/", "time/")) or key in _ALWAYS]
    return [*first, *(key for key in keys if key not in first)][:MAX_KEYS]


_ALWAYS = ("train/loss", "train/lr", "train/epoch")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _series(points: Sequence[HistoryPoint]) -> Series:
    """The history of a metric, one value a step: the one logged last. A run of before that is continued has it under
    two names."""
    newest: dict[int, tuple[float, float]] = {}
    for step, time_ms, value in sorted(points, key=itemgetter(0, 1)):
        newest[step] = (time_ms / 1000, value)
    return Series(
        steps=tuple(newest),
        times=tuple(moment for moment, _ in newest.values()),
        values=tuple(value for _, value in newest.values()),
    )


def _ended(run: Any, series: Mapping[str, Series], started: float) -> float:
    if run.info.end_time and run.info.status not in ("RUNNING", "SCHEDULED"):
        return float(run.info.end_time) / 1000
    signs = [heartbeat.parse_time(run.data.tags.get(heartbeat.HEARTBEAT_TAG, ""))]
    signs += [max(one.times) for one in series.values() if one.times]
    return max([started, *(sign for sign in signs if sign is not None)])


def _main_metric(tags: Mapping[str, str], params: Mapping[str, str], last: Mapping[str, float]) -> str:
    tagged = tags.get("primary_metric", "").rpartition("/")[2] or params.get("cfg/Metric.main_indicator", "")
    names = [name for name in (tagged, *MAIN_METRICS) if name]
    return next((name for name in names if f"eval/{name}" in last or f"best/{name}" in last), tagged)


def _price(tags: Mapping[str, str], params: Mapping[str, str]) -> float | None:
    for text in (tags.get("hourly_usd", ""), params.get("hourly_usd", "")):
        try:
            price = float(text)
        except ValueError:
            continue
        if 0 < price < 1e6:
            return price
    return None


def _datasets(run: Any) -> tuple[str, ...]:
    inputs = getattr(getattr(run, "inputs", None), "dataset_inputs", None) or ()
    return tuple(dict.fromkeys(str(one.dataset.name) for one in inputs))


def _checkpoints(artifacts: Artifacts, run_id: str) -> Checkpoints:
    try:
        manifests = all_manifests(artifacts)
        named = {alias: alias_values(artifacts, alias) for alias in (BEST, LATEST)}
    except OcrTrainError as exc:
        return Checkpoints(problem=redactor().text(exc.problem))
    owner = str(named[BEST].get("run_id") or run_id)
    aliases = {
        alias: str(values["path"])
        for alias, values in named.items()
        if values.get("path") and (alias != BEST or owner == run_id)
    }
    return Checkpoints(
        manifests=tuple(manifests), aliases=aliases, best_elsewhere="" if owner == run_id else owner
    )
