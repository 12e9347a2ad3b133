"""MLflow: the only module that starts runs and writes params, metrics, tags and artifacts.

Metrics, params and tags go through the `journal`, files through the outbox, and neither ever waits for
the server; what does not reach it is brought there by `sync`. Checkpoints are uploaded by their own worker.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocr_train.errors import TrackingError
from ocr_train.redaction.addresses import first_line, from_anywhere
from ocr_train.redaction.redactor import redactor
from ocr_train.tracking import heartbeat
from ocr_train.tracking.artifact_delivery import ArtifactDelivery, log_input, send_file
from ocr_train.tracking.artifacts import FolderArtifacts, RunArtifacts
from ocr_train.tracking.experiments import experiment_of, mark_as_training
from ocr_train.tracking.heartbeat import HEARTBEAT_TAG
from ocr_train.tracking.holder import HOLDER_TAG, this_process
from ocr_train.tracking.journal import Batch, Journal, Metric, Param, Tag, batches_of
from ocr_train.tracking.journal_delivery import Delivery
from ocr_train.tracking.launched_run import ended_by_failure, take_over
from ocr_train.tracking.metric_names import PARAM_LIMIT, TAG_LIMIT, MetricNames, cut, legal_name, shown_name
from ocr_train.tracking.mlflow_client import (
    check_writable,
    end_run,
    runs_of_model,
    send_batch,
)
from ocr_train.tracking.outbox import DatasetInput, File, Item, Outbox, Tree
from ocr_train.tracking.refusals import refusal_reason
from ocr_train.tracking.run_folder import (
    ARTIFACTS,
    JOURNAL,
    PENDING,
    RunFacts,
    RunLock,
    require_writable,
    write_facts,
)

START_TAG_LIMIT = 5000
"""Older servers take no longer ones, and a run that is made with one too long is not made at all."""
PATIENCE_S = 60.0
"""How long the end of a run waits for a server or store that does not answer; OCR_TRAIN_PATIENCE_S changes it."""
PENDING_TAG = "checkpoints_pending"
"""Names the checkpoints of a run that are not in its artifacts; gone when `sync` has stored them."""
CHECKPOINT_BYTES_TAG = "checkpoint_bytes"
"""The size of a checkpoint, for the next run of the model to know."""


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What became of a run: `pending_bytes` of the journal and `pending_items` (files, checkpoints) have not
    reached the server."""

    pending_bytes: int = 0
    pending_items: int = 0
    refused: int = 0
    last_error: str = ""
    status_set: bool = True

    @property
    def complete(self) -> bool:
        """Whether the server has everything."""
        return self.status_set and not self.pending_bytes and not self.pending_items


class Tracker:
    """One run: records through the journal, files through the outbox, the final status last.

    Nothing here waits for the server but `artifacts` and `download`, which raise where it is away.
    """

    def __init__(
        self, client: Any, run_id: str, experiment_id: str, folder: Path, *, facts: RunFacts | None = None
    ) -> None:
        self.client = client
        self.run_id = run_id
        self.experiment_id = experiment_id
        self.folder = folder
        self._redact = redactor()
        self._facts = facts or RunFacts(run_id=run_id, server_run_id=run_id, experiment_id=experiment_id)
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = RunLock(folder)
        self._lock.require()
        try:
            write_facts(folder, self._facts)
        except OSError:
            self._lock.release()
            raise
        self.artifacts: RunArtifacts | FolderArtifacts = (
            FolderArtifacts(folder / ARTIFACTS) if self.offline else RunArtifacts(client, run_id)
        )
        self._journal = Journal(folder / JOURNAL)
        self._metric_names, self._param_names, self._tag_names = MetricNames(), MetricNames(), MetricNames()
        self._nonfinite: set[str] = set()
        self._long_params: dict[str, str] = {}
        self._delivery = Delivery(
            self._journal.path, self._send_batch, check_writable=lambda: check_writable(self.client, run_id)
        )
        self._files = ArtifactDelivery(Outbox(folder / PENDING), self._send_item)
        if not self.offline:
            self._delivery.start()
            self._files.start()

    @classmethod
    def start(
        cls,
        client: Any,
        output: Path,
        *,
        name: str,
        experiment: str = "",
        offline: bool = False,
        tags: Mapping[str, object] | None = None,
    ) -> Tracker:
        """The run that `mlflow run` made (MLFLOW_RUN_ID), or a new one called `name`; where no experiment is named, in
        the one called `experiment`.

        Its files go to `output`/<run id>, which is tried before there is a run. The run has `tags`, a heartbeat
        and the name of this process from the first moment: whatever ends us, `runs --reap` finds it.
        `offline`: no server is asked; the run gets an id of our own. Raises `StorageError`, `TrackingError`.
        """
        given = os.environ.get("MLFLOW_RUN_ID", "")
        require_writable(output, given)
        if offline:
            return cls._start_offline(client, output, name, experiment)
        from mlflow.exceptions import MlflowException

        first_tags = {**(tags or {}), HEARTBEAT_TAG: heartbeat.now()}
        first_tags[HOLDER_TAG] = this_process(output, now=time.time()).to_tag()
        try:
            if given:
                run = take_over(client, given, name, _tags_at_start(first_tags))
            else:
                home = experiment_of(client, experiment)
                run = client.create_run(home, run_name=name, tags=_tags_at_start(first_tags))
        except MlflowException as exc:
            raise TrackingError(
                f"the run cannot be started in MLflow: {first_line(exc)}",
                hint="Check MLFLOW_EXPERIMENT_NAME, MLFLOW_RUN_ID and the server's log.",
            ) from exc
        with ended_by_failure(client, run.info.run_id):
            facts = RunFacts(
                run_id=run.info.run_id,
                run_name=name,
                tracking_uri=from_anywhere(client.tracking_uri),
                experiment_id=run.info.experiment_id,
                experiment_name=mark_as_training(client, run.info.experiment_id),
                server_run_id=run.info.run_id,
                started_ms=run.info.start_time or _now_ms(),
            )
            return cls(client, facts.run_id, facts.experiment_id, output / facts.run_id, facts=facts)

    @classmethod
    def _start_offline(cls, client: Any, output: Path, name: str, experiment: str) -> Tracker:
        given = os.environ.get("MLFLOW_RUN_ID", "")
        facts = RunFacts(
            run_id=given or uuid.uuid4().hex,
            run_name=name,
            tracking_uri=from_anywhere(os.environ.get("MLFLOW_TRACKING_URI", "")),
            experiment_id=(home := os.environ.get("MLFLOW_EXPERIMENT_ID", "")),
            experiment_name=os.environ.get("MLFLOW_EXPERIMENT_NAME", "") or ("" if home else experiment),
            offline=True,
            server_run_id=given,
            started_ms=_now_ms(),
        )
        tracker = cls(client, facts.run_id, facts.experiment_id, output / facts.run_id, facts=facts)
        tracker.outbox.add(Tree(path=ARTIFACTS))
        return tracker

    @property
    def offline(self) -> bool:
        """Whether this run asks no server."""
        return self._facts.offline

    @property
    def outbox(self) -> Outbox:
        """What has to go to the server besides records."""
        return self._files.outbox

    def log_metrics(self, metrics: Mapping[str, float], *, step: int, time_ms: int) -> None:
        """Note `metrics` at `step`, as MLflow's page shows them; returns at once. The first NaN or infinity of a metric becomes a tag, too:
        curves leave the one out, and MLflow's SQL stores turn the other into the largest float."""
        records = [
            Metric(
                key=self._legal(self._metric_names, shown_name(key)),
                value=float(value),
                step=step,
                time_ms=time_ms,
            )
            for key, value in metrics.items()
        ]
        self._journal.append(records)
        for record in records:
            if not math.isfinite(record.value) and record.key not in self._nonfinite:
                self._nonfinite.add(record.key)
                self.set_tags({f"nonfinite.{record.key}": f"{record.value} at step {step}"})

    def log_params(self, params: Mapping[str, object]) -> None:
        """Note `params`; values over MLflow's limit are cut, and whole in the artifact config/long_params.json."""
        texts = {
            self._legal(self._param_names, key): _text(self._redact.value(key, value))
            for key, value in params.items()
        }
        self._journal.append(Param(key=key, value=cut(value, PARAM_LIMIT)) for key, value in texts.items())
        long = {key: value for key, value in texts.items() if len(value) > PARAM_LIMIT}
        if long:
            self._long_params.update(long)
            path = self.folder / "long_params.json"
            path.write_text(json.dumps(self._long_params, ensure_ascii=False, indent=1), encoding="utf-8")
            self.log_file(path, "config")

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Note `tags`; empty values are left out."""
        self._journal.append(
            Tag(key=self._tag_names.legal(key), value=cut(self._redact.text(str(value)), TAG_LIMIT))
            for key, value in tags.items()
            if str(value)
        )

    def _legal(self, names: MetricNames, name: str) -> str:
        """The legal name; one that had to give way to another is named in a tag, once."""
        known = name in names
        legal = names.legal(name)
        if not known and names.renamed(name):
            self.set_tags({f"renamed.{legal}": name})
        return legal

    def log_dataset(self, *, name: str, digest: str, source: str, profile: str) -> None:
        """Tie the run to its dataset, so that runs on different data show it; returns at once."""
        source = self._redact.text(source)
        self._files.add(DatasetInput(name=name, digest=digest, source=source, profile=profile))

    def log_file(self, local: Path, folder: str = "") -> None:
        """Have `local` stored as the artifact `folder`/<its name>; returns at once and never raises.

        The file must stay as it is: it goes when the server takes it, with `sync` at the latest. It must hold no
        credential: it is not looked into, because a label or a prediction may look like one.
        """
        inside = local.is_relative_to(self.folder)
        self._files.add(File(path=str(local.relative_to(self.folder) if inside else local), folder=folder))

    def log_output(self, local: Path, folder: str = "") -> None:
        """Have the log `local` stored in logs/, or in a `folder` of it, after credentials were taken out of the file itself; never raises.

        One that cannot be rewritten, because the disk is full, stays on this machine.
        """
        with contextlib.suppress(OSError):
            self._redact.clean_file(local)
            self.log_file(local, f"logs/{folder}".rstrip("/"))

    def download(self, path: str, folder: Path) -> Path:
        """Fetch one of this run's artifacts; see `RunArtifacts.download`."""
        return self.artifacts.download(path, folder)

    def begin_log(self, log: Path) -> None:
        """Note that a trainer's lines are appended to `log` from now on."""
        self._note(replace(self._facts, log_start=log.stat().st_size if log.is_file() else 0))

    @property
    def patience_s(self) -> float:
        """How long the end of the run waits for a server that does not answer."""
        with contextlib.suppress(ValueError):
            return float(os.environ.get("OCR_TRAIN_PATIENCE_S", ""))
        return PATIENCE_S

    def finish(self, status: str, *, timeout_s: float | None = None) -> Delivered:
        """Deliver what is pending, for `patience_s` unless `timeout_s` is given, then set the run's final status;
        never raises.

        The status waits for the records, so that whoever sees it sees them, but not for files.
        """
        self._note(replace(self._facts, status=status, ended_ms=_now_ms()))
        status_set = False
        if not self.offline:
            timeout_s = self.patience_s if timeout_s is None else timeout_s
            deadline = time.monotonic() + timeout_s
            delivered = self._delivery.flush(timeout_s) and self._send_unwritten()
            self._files.flush(max(0.0, deadline - time.monotonic()) if delivered else 0.0)
            status_set = delivered and self._set_status(status)
        self._delivery.close()
        self._files.close()
        self._journal.close()
        if status_set:
            self._note(replace(self._facts, status_set=True))
        self._lock.release()
        return Delivered(
            pending_bytes=self._delivery.pending_bytes,
            pending_items=len(self.outbox.pending()),
            refused=self._delivery.refused,
            last_error=self._redact.text(self._delivery.last_error or self._files.last_error),
            status_set=status_set,
        )

    def _note(self, facts: RunFacts) -> None:
        self._facts = facts
        # A full disk: the server gets the status anyway.
        with contextlib.suppress(OSError):
            write_facts(self.folder, facts)

    def _send_unwritten(self) -> bool:
        """Send what the journal could not take because the disk is full."""
        try:
            for batch in batches_of(self._journal.unwritten):
                self._send_batch(batch)
        except Exception as exc:  # noqa: BLE001 - reported, not raised: the training itself is over
            self._delivery.last_error = refusal_reason(self.client, self.run_id, exc)
            return False
        return True

    def _set_status(self, status: str) -> bool:
        try:
            end_run(self.client, self.run_id, status, self._facts.ended_ms)
        except Exception as exc:  # noqa: BLE001 - reported, not raised: the training itself is over
            self._delivery.last_error = refusal_reason(self.client, self.run_id, exc)
            return False
        return True

    def _send_batch(self, batch: Batch) -> None:
        send_batch(self.client, self.run_id, batch)

    def _send_item(self, item: Item) -> None:
        if isinstance(item, DatasetInput):
            log_input(self.client, self.run_id, item)
        elif isinstance(item, File):
            send_file(item, self.artifacts, self.folder)


def _tags_at_start(tags: Mapping[str, object]) -> dict[str, str]:
    """`tags` as every server takes them, without secrets; the journal brings longer ones whole."""
    redact = redactor()
    return {
        legal_name(key): cut(redact.text(str(value)), START_TAG_LIMIT)
        for key, value in tags.items()
        if str(value)
    }


def _now_ms() -> int:
    return int(time.time() * 1000)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def checkpoint_bytes_of(client: Any, model: str) -> int:
    """The size of a checkpoint of `model` in its newest run that says it; 0 where that is not known, as offline."""
    with contextlib.suppress(TrackingError):
        for run in runs_of_model(client, model, limit=5):
            size = run.data.tags.get(CHECKPOINT_BYTES_TAG, "")
            if size.isdecimal():
                return int(size)
    return 0
