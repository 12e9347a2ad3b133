"""A run that its server has lost, made anew on the server from its own folder: `sync --new-run`.

The journal is sent again from its beginning, and every file, dataset and checkpoint that is still on this machine
is noted to go out. Every step may be repeated; the new run is found by the tag that runs of offline=true have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocr_train.runs.offline import run_on_server
from ocr_train.runs.uncopied import finished_sets
from ocr_train.tracking.journal import last_tags
from ocr_train.tracking.outbox import Checkpoint, File, Item, Outbox, Tree
from ocr_train.tracking.run_folder import JOURNAL, PENDING, RunFacts, write_facts
from ocr_train.tracking.sent import Sent


def make_anew(folder: Path, client: Any, facts: RunFacts) -> tuple[RunFacts, Sequence[str]]:
    """Make the run on the server and note that it lacks everything; what it is now, and what cannot be brought.

    Raises `TrackingError`, `OSError`.
    """
    outbox = Outbox(folder / PENDING)
    ever = outbox.ever()
    pending = set(outbox.pending().values())
    here = [item for item in ever if not isinstance(item, Checkpoint) and _is_here(item, folder)]
    sets = _sets_here(folder, pending)
    for item in [*here, *sets]:
        if item not in pending:
            outbox.add(item)
    Sent(folder / JOURNAL).forget()
    run_id = run_on_server(client, facts)
    facts = replace(facts, server_run_id=run_id, status_set=False)
    write_facts(folder, facts)
    return facts, _only_there(folder, ever, set(outbox.pending().values()))


def _is_here(item: Item, folder: Path) -> bool:
    return not isinstance(item, File | Tree) or (folder / item.path).exists()


def _sets_here(folder: Path, pending: set[Item]) -> Sequence[Checkpoint]:
    """The trainer's own sets but for those whose copy waits to go out."""
    waiting = {(item.kind, item.step) for item in pending if isinstance(item, Checkpoint)}
    found = finished_sets(folder, last_tags(folder / JOURNAL), {})
    return [one for one in found if (one.kind, one.step) not in waiting]


def _only_there(folder: Path, ever: Sequence[Item], going: set[Item]) -> Sequence[str]:
    """In words, what the server had and this machine has not."""
    steps = {item.step for item in ever if isinstance(item, Checkpoint)}
    steps -= {item.step for item in going if isinstance(item, Checkpoint)}
    words = [f"the checkpoint at step {step}" for step in sorted(steps)]
    words += [
        f"the file {item.folder}/{Path(item.path).name}"
        for item in ever
        if isinstance(item, File) and not _is_here(item, folder)
    ]
    return words
