"""Every source of the data is looked at by itself: can it be reached, and are its first samples good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ocr_train.config.data_sources import source_names
from ocr_train.config.requests import DataRequest, DataSource
from ocr_train.doctor.data_sample import SUBJECT, DataFound, look_at_folder
from ocr_train.doctor.rows import PROBLEM, CheckRow, fine
from ocr_train.doctor.s3 import s3_rows
from ocr_train.doctor.s3_sample import look_at_s3
from ocr_train.storage.rights import READING


def look_at_source(
    request: DataRequest, source: DataSource, work: Path, say: Callable[[str], None]
) -> tuple[Sequence[CheckRow], DataFound | None]:
    """The rows of one source, and what was found there; None where it cannot be reached."""
    work.mkdir(parents=True, exist_ok=True)
    request = replace(request, sources=(source,))
    if not source.is_s3:
        say(f"data in {source.address}")
        found = look_at_folder(request, Path(source.address).expanduser().absolute(), work)
        return found.rows, found
    say(f"S3: {source.address}")
    rows = s3_rows("data in S3", source.address, READING)
    if any(row.status == PROBLEM for row in rows):
        return rows, None
    found = look_at_s3(request, source.address, work)
    return (*rows, *found.rows), found


def join_found(sources: Sequence[DataSource], found: Sequence[DataFound]) -> DataFound:
    """What several sources have together: validation samples are those of the first, and so are the samples of a trial.
    Its row says what an epoch takes, where that is known of all."""
    if len(found) == 1:
        return found[0]
    own, *others = found
    # What a training would split off of the others is trained on.
    counts = [own.train, *(one.train + (0 if one.has_val else one.val) for one in others)]
    rows: tuple[CheckRow, ...] = ()
    if all(counts):
        taken = " and ".join(
            f"{round(count * source.ratio)} of {count} from {name}"
            for count, source, name in zip(counts, sources, source_names(sources), strict=True)
        )
        rows = (fine(SUBJECT, f"an epoch takes {'about ' * any(one.about for one in found)}{taken}"),)
    return replace(
        own,
        rows=rows,
        train=sum(counts) if all(counts) else 0,
        about=any(one.about for one in found),
        parts=tuple(counts) if all(counts) else (),
    )
