"""S3: whether the address can be reached with these credentials, and each right that a training needs there."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ocr_train.doctor.rows import CheckRow, fine, problem, warning
from ocr_train.errors import ConfigError, StorageError
from ocr_train.storage.keys import parse_s3_uri
from ocr_train.storage.rights import Rights, try_rights
from ocr_train.storage.s3_client import s3_client
from ocr_train.storage.s3_errors import S3Request, translate

SKEW_S = 60.0
"""More than this between two clocks is worth a word: S3 refuses requests from 15 minutes on."""


def s3_rows(subject: str, uri: str, actions: Sequence[str]) -> list[CheckRow]:
    """The rights `actions` below the S3 address `uri`, which is what `subject` says."""
    try:
        bucket, prefix = parse_s3_uri(uri)
        rights = _ask(bucket, prefix, actions)
    except (ConfigError, StorageError) as exc:
        return [problem(subject, exc)]
    return rights_rows(subject, uri, rights, time.time())


def _ask(bucket: str, prefix: str, actions: Sequence[str]) -> Rights:
    try:
        client, credentials = s3_client(1)
    except Exception as exc:
        raise translate(exc, S3Request(action="list", bucket=bucket, key=prefix, endpoint="S3")) from exc
    try:
        return try_rights(
            client, bucket, prefix, actions, secret=credentials.get_frozen_credentials().secret_key or ""
        )
    finally:
        client.close()


def rights_rows(subject: str, uri: str, rights: Rights, now_s: float) -> list[CheckRow]:
    """A row for each right that is missing, or one for all; a row for a clock that is off, and for what was left."""
    missing = [right for right in rights.tried if right.refused]
    rows = [
        problem(
            f"{subject}: {right.action}",
            StorageError(
                f"{right.permission} is missing. {right.refused}",
                hint=f"Allow {right.permission} on {right.resource}.",
            ),
        )
        for right in missing
    ]
    rows += [
        warning(f"{subject}: {right.action}", right.untried, f"Allow {right.permission} on {right.resource}.")
        for right in rights.tried
        if right.untried
    ]
    if not missing:
        allowed = ", ".join(right.action for right in rights.tried if not right.untried)
        rows.insert(0, fine(subject, f"{uri} at {rights.endpoint}: {allowed} allowed"))
    if rights.left:
        rows.append(
            warning(
                f"{subject}: left over",
                f"{rights.left} was written to try the rights, and cannot be removed",
                "Remove it, and allow s3:DeleteObject.",
            )
        )
    if rights.server_s is not None:
        rows += clock_rows(rights.endpoint, now_s - rights.server_s)
    return rows


def clock_rows(server: str, ahead_s: float) -> list[CheckRow]:
    """A warning where this machine's clock is `ahead_s` seconds (less than 0: behind) from that of `server`."""
    if abs(ahead_s) <= SKEW_S:
        return []
    side = "ahead of" if ahead_s > 0 else "behind"
    return [
        warning(
            "clock",
            f"this machine is {abs(ahead_s):.0f} s {side} {server}",
            "Set the clock (NTP): curves in MLflow get wrong times, and S3 refuses requests from 15 minutes on.",
        )
    ]
