"""What credentials may do below an S3 address, tried with a small object that is removed again.

Each request is one IAM action ("Actions, resources, and condition keys for Amazon S3", Service Authorization
Reference). Reading needs s3:ListBucket and s3:GetObject; a store of artifacts all of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from ocr_train.errors import StorageError
from ocr_train.storage.s3_errors import PERMISSIONS, S3Request, is_denied, shown_endpoint, translate

READING = ("list", "get")
WRITING = ("list", "put", "get", "multipart", "abort", "delete")
_BODY = b"ocr-train doctor: this may be deleted\n"
_RESOURCES = {"list": "arn:aws:s3:::{bucket}"}
_UNTRIED = "not tried: only s3:ListBucket tells an object that is not there from one that must not be read"


@dataclass(frozen=True, kw_only=True)
class Right:
    """One action and its IAM `permission` on `resource`: `refused` is empty where it is allowed, else the answer;
    `untried` says why it could not be tried."""

    action: str
    permission: str
    resource: str
    refused: str = ""
    untried: str = ""


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What was tried at `endpoint`, in order. `left` names the object that could not be removed; `server_s` is the
    server's clock (Unix seconds), None where it does not tell; `empty`: there is no object below the prefix."""

    endpoint: str
    tried: tuple[Right, ...]
    left: str = ""
    server_s: float | None = None
    empty: bool = False


def try_rights(client: Any, bucket: str, prefix: str, actions: Sequence[str], *, secret: str = "") -> Rights:
    """Try `actions` (of READING or WRITING) one by one; raises `StorageError` for what no right would change: a wrong key,
    no such bucket, no server. No message carries `secret`."""
    trial = _Trial(
        client=client,
        bucket=bucket,
        prefix=f"{prefix}/" if prefix else "",
        key=f"{prefix}/.ocr-train-doctor-{uuid.uuid4().hex[:12]}".lstrip("/"),
        endpoint=shown_endpoint(client.meta.endpoint_url),
        secret=secret,
    )
    try:
        tried = tuple(trial.attempt(action) for action in actions)
    finally:
        trial.clean_up()
    return Rights(
        endpoint=trial.endpoint,
        tried=tried,
        left=f"s3://{bucket}/{trial.key}" if trial.stored else "",
        server_s=trial.server_s,
        empty=trial.empty,
    )


@dataclass(kw_only=True)
class _Trial:
    client: Any
    bucket: str
    prefix: str
    key: str
    endpoint: str
    secret: str
    stored: bool = False
    listed: bool = False
    empty: bool = False
    first: str = ""
    server_s: float | None = None
    uploads: list[str] = field(default_factory=list)

    def attempt(self, action: str) -> Right:
        resource = _RESOURCES.get(action, "arn:aws:s3:::{bucket}/{prefix}*")
        right = Right(
            action=action,
            permission=PERMISSIONS[action],
            resource=resource.format(bucket=self.bucket, prefix=self.prefix),
        )
        if action == "get" and not self.listed and not self.stored:
            return Right(**{**vars(right), "untried": _UNTRIED})
        request: Callable[[], None] = getattr(self, f"_{action}")
        try:
            request()
        except Exception as exc:
            error = self._translated(exc, action)
            if is_denied(exc):
                return Right(**{**vars(right), "refused": error.problem})
            raise error from exc
        return right

    def clean_up(self) -> None:
        """Whatever could not be removed stays, and is named."""
        for upload in self.uploads:
            self._quietly(partial(self.client.abort_multipart_upload, **self._object(), UploadId=upload))
        if self.stored:
            self._quietly(self._delete)

    def _list(self) -> None:
        page = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix, MaxKeys=10)
        self.listed = True
        found = [item["Key"] for item in page.get("Contents", ()) if item["Size"]]
        self.first = found[0] if found else ""
        self.empty = not page.get("Contents")
        self.server_s = _date(page)

    def _get(self) -> None:
        """Of our own object, else of the first that is there, else of one that is not: its absence is an answer."""
        key = self.key if self.stored else self.first
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key or self.key)
        except Exception as exc:
            if not key and _code(exc) in ("NoSuchKey", "404"):
                return
            raise
        answer["Body"].close()

    def _put(self) -> None:
        self.client.put_object(**self._object(), Body=_BODY)
        self.stored = True

    def _multipart(self) -> None:
        upload = self._begin()
        part = self.client.upload_part(**self._object(), UploadId=upload, PartNumber=1, Body=_BODY)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        self.client.complete_multipart_upload(**self._object(), UploadId=upload, MultipartUpload=parts)
        self.uploads.remove(upload)
        self.stored = True

    def _abort(self) -> None:
        # Who may not begin an upload has none to abort: that is said by the action before.
        try:
            upload = self._begin()
        except Exception as exc:
            if is_denied(exc):
                return
            raise
        self.client.abort_multipart_upload(**self._object(), UploadId=upload)
        self.uploads.remove(upload)

    def _delete(self) -> None:
        self.client.delete_object(**self._object())
        self.stored = False

    def _begin(self) -> str:
        upload = str(self.client.create_multipart_upload(**self._object())["UploadId"])
        self.uploads.append(upload)
        return upload

    def _object(self) -> Mapping[str, str]:
        return {"Bucket": self.bucket, "Key": self.key}

    def _translated(self, exc: Exception, action: str) -> StorageError:
        key = self.prefix if action == "list" else self.key
        request = S3Request(
            action=action, bucket=self.bucket, key=key, endpoint=self.endpoint, hidden=(self.secret,)
        )
        return translate(exc, request)

    def _quietly(self, work: Callable[[], object]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            work()
        except (BotoCoreError, ClientError):
            return


def _code(exc: Exception) -> str:
    response = getattr(exc, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _date(answer: Mapping[str, Any]) -> float | None:
    """The Date header of an answer (RFC 9110, section 6.6.1) as Unix seconds."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None
