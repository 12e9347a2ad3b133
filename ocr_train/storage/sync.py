"""Folders and S3 prefixes made alike: `fetch` from S3, `push` to it. Incremental, verified, safe to
interrupt.

A file is skipped only where the object's size and ETag and the file's size and mtime are all as the manifest
in `FOLDER/.ocr-train/` recorded them. Everything else is compared by content or transferred again.
"""

from __future__ import annotations

from ocr_train.storage.fetch import fetch, is_current
from ocr_train.storage.keys import is_s3_uri, parse_s3_uri
from ocr_train.storage.progress import OnProgress, Progress
from ocr_train.storage.push import push
from ocr_train.storage.result import SyncResult

__all__ = ["OnProgress", "Progress", "SyncResult", "fetch", "is_current", "is_s3_uri", "parse_s3_uri", "push"]
