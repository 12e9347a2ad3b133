"""Which runs are compared: by id, the beginning of an id, name, or a filter; in some experiments or in all."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ocr_train.config.overrides import nearest
from ocr_train.errors import ConfigError, TrackingError
from ocr_train.redaction.addresses import first_line
from ocr_train.tracking.mlflow_client import every_page, runs_found

KIND_TAG, KIND = "ocr_train.kind", "compare"
"""The mark of a run that holds a comparison (or a sweep): it is not a training run and is never compared itself."""
MAX_RUNS = 20
_PAGE = 500
_COUNT_LIMIT = 200
"""How many runs that a filter finds are counted: each comes with all its params and tags, and a server takes milliseconds for one."""
_ID = re.compile(r"(?:runs:/)?(?P<id>[0-9a-f]{6,32})/?")
_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The MLflow runs, in the order in which they were asked for, the names of all experiments by id, and notes
    on what was left out."""

    runs: Sequence[Any]
    experiments: Mapping[str, str]
    notes: Sequence[str] = field(default_factory=tuple)


def select_runs(
    client: Any,
    wanted: Sequence[str],
    *,
    filter_string: str = "",
    experiments: Sequence[str] = (),
    limit: int = MAX_RUNS,
    without: str = "",
) -> Selection:
    """The runs that `wanted` names and those that `filter_string` finds, at most `limit` of them.

    `experiments` are names or ids, none means all; the run `without` is never found. Raises `ConfigError` with
    every problem at once, `TrackingError` where the server fails.
    """
    known = _experiments(client)
    ids = _chosen_experiments(known, experiments)
    if not any(text.strip() for text in wanted) and not filter_string.strip():
        raise ConfigError(
            "there is nothing to compare: name runs, or give --filter.",
            hint='For example: compare 1a2b3c4d my-run-name --filter "metrics.`best/hmean` > 0.5".',
        )
    search = _Search(client, ids, without)
    found: dict[str, Any] = {}
    problems: list[str] = []
    for text in _texts(search, wanted):
        run, problem = _one(search, text, known)
        if run is not None:
            found.setdefault(run.info.run_id, run)
        problems += [problem] if problem else []
    if problems:
        raise ConfigError("\n".join(problems), hint=_WHERE)
    return _with_filter(search, found, filter_string.strip(), limit, known)


_WHERE = (
    "A run is named by its id, the first 6 or more characters of it, or its name: `python -m ocr_train runs` lists "
    "them. MLFLOW_TRACKING_URI says which server is asked."
)


def _with_filter(
    search: _Search, found: dict[str, Any], filter_string: str, limit: int, known: Mapping[str, str]
) -> Selection:
    notes = []
    named = len(found)
    total = 0
    if filter_string:
        for run in search.runs(
            filter_string, most=max(_COUNT_LIMIT, limit), shown=f"--filter {filter_string!r}"
        ):
            total += 1
            if len(found) < max(limit, named):
                found.setdefault(run.info.run_id, run)
        if not total and not named:
            raise ConfigError(
                f"no run matches --filter {filter_string!r} in {len(search.experiments)} experiment(s).",
                hint="Put a metric's name with a slash between backticks: metrics.`best/hmean` > 0.5.",
            )
        if not total:
            notes.append(f"No run matches the filter {filter_string}: only the named runs are shown.")
    runs = list(found.values())[:limit]
    if len(runs) < max(total, named):
        count = f"{_COUNT_LIMIT} or more" if total >= _COUNT_LIMIT else str(max(total, named))
        kind = "newest" if total > named else "first"
        notes.append(f"{count} runs were found; the {kind} {len(runs)} are compared. Narrow the filter.")
    return Selection(runs=runs, experiments=known, notes=tuple(notes))


class _Search:
    """Runs of some experiments, without those that hold a comparison."""

    def __init__(self, client: Any, experiments: Sequence[str], without: str) -> None:
        self.client = client
        self.experiments = experiments
        self._without = without

    def runs(self, filter_string: str, *, most: int, shown: str = "") -> Iterator[Any]:
        """At most `most` runs, the newest first. Raises `ConfigError` for a filter that MLflow does not take."""
        try:
            every = runs_found(self.client, self.experiments, filter_string, page_size=min(_PAGE, most))
            yield from islice(filter(self._counts, every), most)
        except TrackingError as exc:
            cause = exc.__cause__ or exc
            if getattr(cause, "error_code", "") in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
                raise ConfigError(
                    f"{shown or filter_string} is not a filter that MLflow accepts: {first_line(cause)}",
                    hint="As in: metrics.`best/hmean` > 0.5 AND tags.model = 'det'. Put texts in quotes, "
                    "names with a slash in backticks.",
                ) from exc
            raise

    def _counts(self, run: Any) -> bool:
        return not run.data.tags.get(KIND_TAG) and run.info.run_id != self._without

    def named(self, name: str) -> list[Any]:
        """The runs of that name, a few at most."""
        quote = '"' if "'" in name else "'"
        if quote in name:
            return []
        return list(self.runs(f"attributes.run_name = {quote}{name}{quote}", most=_SHOWN + 1))

    def starting_with(self, prefix: str) -> list[Any]:
        """The runs whose id begins so, a few at most."""
        return list(self.runs(f"attributes.run_id LIKE '{prefix}%'", most=_SHOWN + 1))


def _texts(search: _Search, wanted: Sequence[str]) -> Iterator[str]:
    """One text a run: an argument with spaces or commas holds several, unless a run is called so."""
    for text in (text.strip() for text in wanted):
        if text and re.search(r"[\s,]", text) and not search.named(text):
            try:
                words = shlex.split(text.replace(",", " "))
            except ValueError:
                words = text.split()
            yield from words
        elif text:
            yield text


def _one(search: _Search, text: str, known: Mapping[str, str]) -> tuple[Any, str]:
    """The run that `text` names, or what is wrong with it."""
    match = _ID.fullmatch(text)
    if match and len(match["id"]) == 32:
        return _by_id(search, match["id"])
    found = {run.info.run_id: run for run in search.named(text)}
    if match:
        found |= {run.info.run_id: run for run in search.starting_with(match["id"])}
    if len(found) == 1:
        return next(iter(found.values())), ""
    if found:
        listed = [_described(run, known) for run in list(found.values())[:_SHOWN]]
        more = ["..."] * (len(found) > _SHOWN)
        return None, f"{text!r} can mean several runs: {'; '.join([*listed, *more])}."
    return None, f"there is no run {text!r}{_perhaps(search, text)}"


def _by_id(search: _Search, run_id: str) -> tuple[Any, str]:
    from mlflow.exceptions import MlflowException

    try:
        run = search.client.get_run(run_id)
    except MlflowException as exc:
        if exc.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None, f"there is no run {run_id!r} in this MLflow."
        raise TrackingError(f"run {run_id} cannot be read: {first_line(exc)}") from exc
    if kind := run.data.tags.get(KIND_TAG):
        held = "a comparison" if kind == KIND else f"a {kind}"
        return None, f"run {run_id!r} holds {held}; it is not a training run."
    return run, ""


def _described(run: Any, known: Mapping[str, str]) -> str:
    experiment = known.get(run.info.experiment_id, run.info.experiment_id)
    return f"{run.info.run_id} ({run.info.run_name}, {run.info.status}, experiment {experiment!r})"


def _perhaps(search: _Search, text: str) -> str:
    if re.fullmatch(r"[0-9a-f]{1,5}", text):
        return ": of an id give at least 6 characters."
    names = [run.info.run_name for run in search.runs("", most=200) if run.info.run_name]
    return nearest(text, names) or "."


def _experiments(client: Any) -> dict[str, str]:
    """The names of all experiments by id."""
    try:
        pages = every_page(lambda token: client.search_experiments(max_results=_PAGE, page_token=token))
        return {experiment.experiment_id: experiment.name for experiment in pages}
    except Exception as exc:
        raise TrackingError(f"the experiments cannot be listed: {first_line(exc)}") from exc


def _chosen_experiments(known: Mapping[str, str], wanted: Sequence[str]) -> list[str]:
    names = [text.strip() for text in wanted if text.strip()]
    if not names:
        return list(known)
    by_name = {name: experiment_id for experiment_id, name in known.items()}
    problems = [
        f"there is no experiment {name!r}{nearest(name, list(by_name))}"
        for name in names
        if name not in by_name and name not in known
    ]
    if problems:
        raise ConfigError(
            "\n".join(problems), hint=f"There are: {', '.join(repr(name) for name in list(by_name)[:30])}."
        )
    return list(dict.fromkeys(by_name.get(name, name) for name in names))
