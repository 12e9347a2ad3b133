"""What the tracking server or the artifact store missed, brought to it from the run's own folder.

    lock -> run on the server -> journal -> files, dataset, checkpoints -> final status

Every step may be repeated: the same points arrive once, with their own timestamps, a run without a server is made
there once, and checkpoints are compared byte by byte.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ocr_train.checkpoints.manifest import BEST, LATEST, ROOT
from ocr_train.checkpoints.reader import alias_values, all_manifests
from ocr_train.checkpoints.snapshots import Snapshot, open_snapshot, take_snapshot
from ocr_train.checkpoints.store import CheckpointStore
from ocr_train.disk import sha256_of
from ocr_train.errors import OcrTrainError, TrackingError
from ocr_train.ocr_engine.documents import read_yaml
from ocr_train.redaction.redactor import redactor
from ocr_train.run import Echo, Retention
from ocr_train.runs.lost_run import make_anew
from ocr_train.runs.offline import run_on_server
from ocr_train.runs.retention import apply_retention
from ocr_train.runs.uncopied import finished_sets
from ocr_train.runs.unnoted import unnoted_points
from ocr_train.tracking.artifact_delivery import log_input, send_file
from ocr_train.tracking.artifacts import RunArtifacts, upload_verified, verify
from ocr_train.tracking.journal import Journal, last_tags
from ocr_train.tracking.journal_delivery import Delivery
from ocr_train.tracking.mlflow_client import check_writable, end_run, send_batch
from ocr_train.tracking.outbox import Checkpoint, DatasetInput, File, Item, Outbox, Tree
from ocr_train.tracking.refusals import RunUnknown, check_run, refusal_reason
from ocr_train.tracking.run_folder import (
    CLEAN_CONFIG,
    JOURNAL,
    PENDING,
    RunFacts,
    RunLock,
    read_facts,
    run_folders,
    write_facts,
)
from ocr_train.tracking.sent import Sent
from ocr_train.tracking.tracker import PENDING_TAG
from ocr_train.trainer.failures import TRACKER_LOST, TRACKER_LOST_EXPLANATION
from ocr_train.trainer.paddleocr import write_config

_FINAL = ("FINISHED", "FAILED", "KILLED")
Connect = Callable[[str], Any]


@dataclass(frozen=True, kw_only=True)
class Synced:
    """What became of one run: `pending_bytes` of its journal and `pending_items` are still only here.

    `running`: the run continues in another process, which delivers by itself. `not_brought`: what the server has lost
    and this machine has not, of a run that was made anew.
    """

    folder: Path
    run_id: str
    server_run_id: str = ""
    status: str = ""
    pending_bytes: int = 0
    pending_items: int = 0
    status_set: bool = False
    refused: int = 0
    running: bool = False
    error: str = ""
    not_brought: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """Whether the server has everything."""
        return self.status_set and not self.pending_bytes and not self.pending_items and not self.error


def runs_to_sync(output: Path) -> list[Path]:
    """The run folders below `output` with something pending, the oldest first."""
    found = []
    for folder in run_folders(output):
        with contextlib.suppress(OcrTrainError, OSError):
            facts = read_facts(folder)
            if facts is not None and not _report(folder, facts).complete:
                found.append(folder)
    return found


def sync_run(folder: Path, connect: Connect, echo: Echo, *, new_run: bool = False) -> Synced:
    """Bring the server everything of the run in `folder` that it lacks; `connect` takes an address.

    `new_run`: a run that the server does not know is made there anew.

    Never raises for a server that is away: the answer says what is pending and why. Raises `DataError` for a
    folder whose run.json cannot be read, `TrackingError` where it has none.
    """
    folder = folder.absolute()
    facts = read_facts(folder)
    if facts is None:
        raise TrackingError(
            f"{folder} is not a run's folder: it has no run.json.", hint="Name a folder below outputs/."
        )
    lock = RunLock(folder)
    if not lock.take():
        return replace(_report(folder, facts), running=True)
    try:
        facts = read_facts(folder) or facts
        if _report(folder, facts).complete and not new_run:
            return _report(folder, facts)
        return _deliver(folder, facts, connect, echo, new_run=new_run)
    finally:
        lock.release()


def _report(folder: Path, facts: RunFacts, *, error: str = "", refused: int = 0) -> Synced:
    journal = folder / JOURNAL
    return Synced(
        folder=folder,
        run_id=facts.run_id,
        server_run_id=facts.server_run_id,
        status=facts.status,
        pending_bytes=Sent(journal).pending_bytes if journal.is_file() else 0,
        pending_items=len(Outbox(folder / PENDING).pending()),
        status_set=facts.status_set,
        refused=refused,
        error=error,
    )


def _deliver(folder: Path, facts: RunFacts, connect: Connect, echo: Echo, *, new_run: bool) -> Synced:
    errors: list[str] = []
    refused = 0
    lost: Sequence[str] = ()
    client = None
    try:
        client = connect(facts.tracking_uri)
        facts, lost = _find_run(folder, client, facts, echo, new_run=new_run)
        if _report(folder, facts).complete:
            return _report(folder, facts)
        # The tracker was killed: it may have read more than it noted.
        if not facts.status:
            _note_what_was_printed(folder, facts)
        refused = _replay(folder, client, facts.server_run_id, errors)
        _send_items(folder, client, facts.server_run_id, errors, echo)
        # The trainer may have finished more than was copied.
        if not facts.status:
            _list_uncopied(folder, RunArtifacts(client, facts.server_run_id))
            _send_items(folder, client, facts.server_run_id, errors, echo)
        facts = _set_status(folder, client, facts)
    except OSError as exc:
        errors.append(str(exc))
    except Exception as exc:  # noqa: BLE001 - MLflow and what is below it raise anything
        errors.append(refusal_reason(client, facts.server_run_id, exc))
    return replace(_report(folder, facts, error="; ".join(errors), refused=refused), not_brought=lost)


def _find_run(
    folder: Path, client: Any, facts: RunFacts, echo: Echo, *, new_run: bool
) -> tuple[RunFacts, Sequence[str]]:
    """The run on the server, made there where there is none yet, or, with `new_run`, none any more; and what of it
    cannot be brought. Raises `RunRefused` where the server takes nothing for it, `TrackingError`, `OSError`."""
    if facts.server_run_id:
        try:
            check_run(client, facts.server_run_id)
        except RunUnknown:
            if not new_run:
                raise
        else:
            return facts, ()
        before = facts.server_run_id
        facts, lost = make_anew(folder, client, facts)
        echo(f"  the server does not know the run {before}: it is the run {facts.server_run_id} from now on")
        return facts, lost
    facts = replace(facts, server_run_id=run_on_server(client, facts))
    write_facts(folder, facts)
    return facts, ()


def _note_what_was_printed(folder: Path, facts: RunFacts) -> None:
    journal = Journal(folder / JOURNAL)
    journal.end_line()
    journal.append(unnoted_points(folder, facts))
    journal.close()


def _replay(folder: Path, client: Any, run_id: str, errors: list[str]) -> int:
    """Send the journal's rest; how many records the server refused for good. What it cannot take is an error."""
    journal = Journal(folder / JOURNAL)
    journal.end_line()
    journal.close()
    delivery = Delivery(
        journal.path,
        lambda batch: send_batch(client, run_id, batch),
        check_writable=lambda: check_writable(client, run_id),
    )
    delivery.deliver_now()
    if delivery.pending_bytes:
        errors.append(f"the server does not accept some records: {delivery.last_error}")
    return delivery.refused


def _send_items(folder: Path, client: Any, run_id: str, errors: list[str], echo: Echo) -> None:
    outbox = Outbox(folder / PENDING)
    artifacts = RunArtifacts(client, run_id)
    checkpoints = _Checkpoints(folder, artifacts)
    keep_last = 0
    for key, item in outbox.pending().items():
        try:
            _send_item(item, folder, client, artifacts, checkpoints)
        except (OcrTrainError, OSError) as exc:
            errors.append(exc.problem if isinstance(exc, OcrTrainError) else str(exc))
            continue
        outbox.done(key)
        checkpoints.discard(item)
        keep_last = max(keep_last, item.keep_last if isinstance(item, Checkpoint) else 0)
        echo(f"  stored {_words(item)}")
    # As the run itself does after each checkpoint that it stores.
    if keep_last:
        apply_retention(artifacts, Retention(keep_last), client, run_id)
    if not any(isinstance(item, Checkpoint) for item in outbox.pending().values()):
        # The tag was never set.
        with contextlib.suppress(Exception):
            client.delete_tag(run_id, PENDING_TAG)


def _list_uncopied(folder: Path, artifacts: RunArtifacts) -> None:
    """Note the finished sets that are newer than what is stored; raises `TrackingError` where that is not known."""
    stored = max((manifest.step for manifest in all_manifests(artifacts)), default=-1)
    best = dict(alias_values(artifacts, BEST).get("metrics") or {})
    tags = last_tags(folder / JOURNAL)
    outbox = Outbox(folder / PENDING)
    listed = {item.path for item in outbox.pending().values() if isinstance(item, Checkpoint)}
    for item in finished_sets(folder, tags, best):
        if item.step > stored and item.path not in listed:
            outbox.add(item)


def _send_item(
    item: Item, folder: Path, client: Any, artifacts: RunArtifacts, checkpoints: _Checkpoints
) -> None:
    if isinstance(item, DatasetInput):
        log_input(client, artifacts.run_id, item)
    elif isinstance(item, File):
        send_file(item, artifacts, folder)
    elif isinstance(item, Checkpoint):
        checkpoints.store(item)
    else:
        _send_tree(folder / item.path, artifacts)


def _words(item: Item) -> str:
    if isinstance(item, Checkpoint):
        return f"the checkpoint at step {item.step}"
    if isinstance(item, DatasetInput):
        return "the dataset's name and digest"
    return item.path if isinstance(item, Tree) else f"{item.folder}/{Path(item.path).name}"


class _Checkpoints:
    """Checkpoints that were kept in the run's folder, stored as the run itself would have."""

    def __init__(self, folder: Path, artifacts: RunArtifacts) -> None:
        self._folder = folder
        self._artifacts = artifacts
        self._store: CheckpointStore | None = None
        self._snapshots: dict[str, Snapshot] = {}

    def store(self, item: Checkpoint) -> None:
        """Store it and move the aliases, never backwards. Raises `OcrTrainError`, `OSError`."""
        if self._store is None:
            self._store = self._make_store()
        snapshot = self._snapshots[item.path] = self._snapshot(item)
        try:
            manifest = self._store.put(snapshot, step=item.step, epoch=item.epoch)
        except BaseException:
            # It was only linked, for this try.
            if not (self._folder / item.path).is_dir():
                self.discard(item)
            raise
        for alias, wanted in ((BEST, item.best), (LATEST, item.kind != BEST)):
            if wanted and item.step >= int(alias_values(self._artifacts, alias).get("step", 0)):
                self._store.point(alias, manifest)

    def discard(self, item: Item) -> None:
        """Remove our copy of what is stored; the trainer's own files stay."""
        if isinstance(item, Checkpoint) and item.path in self._snapshots:
            self._snapshots.pop(item.path).discard()

    def _snapshot(self, item: Checkpoint) -> Snapshot:
        path = self._folder / item.path
        if path.is_dir():
            return open_snapshot(path, item.kind, item.name)
        return take_snapshot(path, item.kind, self._folder / "snapshots", link=True)

    def _make_store(self) -> CheckpointStore:
        tags = last_tags(self._folder / JOURNAL)
        common = [path for path in (_clean_config(self._folder), self._folder / "dict.txt") if path.is_file()]
        return CheckpointStore(
            self._artifacts,
            model=tags.get("model", ""),
            dataset_digest=tags.get("dataset_digest", ""),
            versions={
                key.removeprefix("version."): value
                for key, value in tags.items()
                if key.startswith("version.")
            },
            common=common,
        )


def _clean_config(folder: Path) -> Path:
    """The trainer's configuration without credentials; made here where an older version left only its own.

    Raises `OSError`, `DocumentError`.
    """
    clean, own = folder / CLEAN_CONFIG, folder / "config.yml"
    if not clean.is_file() and own.is_file():
        document = read_yaml(own)
        write_config(redactor().mapping(document if isinstance(document, dict) else {}), clean)
    return clean


def _send_tree(root: Path, artifacts: RunArtifacts) -> None:
    """Store every file below `root`: manifests after what they name, aliases last."""

    def turn(path: Path) -> tuple[bool, bool, Path]:
        relative = path.relative_to(root)
        alias = relative.parent == Path(ROOT) and relative.suffix == ".json"
        return alias, relative.name == "manifest.json", relative

    for path in sorted((path for path in root.rglob("*") if path.is_file()), key=turn):
        folder = path.relative_to(root).parent.as_posix().removeprefix(".")
        if not _is_there(path, folder, artifacts):
            upload_verified(artifacts, path, folder)


def _is_there(path: Path, folder: str, artifacts: RunArtifacts) -> bool:
    """Whether an interrupted `sync` has stored this very file before."""
    where = f"{folder}/{path.name}".lstrip("/")
    if artifacts.list(folder).get(where) != path.stat().st_size:
        return False
    try:
        verify(artifacts, where, sha256_of(path))
    except TrackingError:
        return False
    return True


def _set_status(folder: Path, client: Any, facts: RunFacts) -> RunFacts:
    """Set the run's final status where the server lacks it; KILLED where the process had no time to record it."""
    if facts.status_set:
        return facts
    run_id = facts.server_run_id
    status, ended_ms = facts.status, facts.ended_ms
    if not status:
        there = str(client.get_run(run_id).info.status)
        status = there if there in _FINAL else "KILLED"
        ended_ms = int((folder / JOURNAL).stat().st_mtime * 1000)
        if there not in _FINAL:
            client.set_tag(run_id, "failure_reason", TRACKER_LOST)
            client.set_tag(run_id, "failure_explanation", TRACKER_LOST_EXPLANATION)
            end_run(client, run_id, status, ended_ms)
    else:
        end_run(client, run_id, status, ended_ms)
    facts = replace(facts, status=status, ended_ms=ended_ms, status_set=True)
    write_facts(folder, facts)
    return facts
