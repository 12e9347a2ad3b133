"""Runs without a server: what stands in for MLflow's client, and how such a run comes to the server later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ocr_train.errors import TrackingError
from ocr_train.redaction.addresses import first_line
from ocr_train.tracking.run_folder import RunFacts

OFFLINE_ID = "ocr_train.offline_id"
"""The tag that ties a run on the server to the folder it came from: a second `sync` finds it."""


class OfflineClient:
    """In place of MLflow's client: whatever would ask a server says that there is none."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def refuse(*_args: object, **_kwargs: object) -> Any:
            raise TrackingError(
                "offline=true: no MLflow server is asked.",
                hint="Without a server, resume=PATH takes a checkpoint on this machine; leave offline out for others.",
            )

        return refuse


def run_on_server(client: Any, facts: RunFacts) -> str:
    """The id of the run on the server that `facts` speaks of, made there if need be; raises `TrackingError`.

    It is looked for first: a `sync` that was interrupted after making it must not make a second one.
    """
    try:
        experiment_id = _experiment_id(client, facts)
        found = client.search_runs(
            [experiment_id], filter_string=f"tags.`{OFFLINE_ID}` = '{facts.run_id}'", max_results=1
        )
        if found:
            return str(found[0].info.run_id)
        run = client.create_run(
            experiment_id,
            start_time=facts.started_ms,
            run_name=facts.run_name,
            tags={OFFLINE_ID: facts.run_id},
        )
    except Exception as exc:
        raise TrackingError(
            f"the run {facts.run_name!r} cannot be made in MLflow: {first_line(exc)}"
        ) from exc
    return str(run.info.run_id)


def _experiment_id(client: Any, facts: RunFacts) -> str:
    """By name where that is known: on a server that has lost its runs an id may be another experiment's."""
    if not facts.experiment_name:
        return facts.experiment_id or "0"
    found = client.get_experiment_by_name(facts.experiment_name)
    return str(found.experiment_id if found else client.create_experiment(facts.experiment_name))
