"""One S3 bucket: listing and small requests with boto3, bodies with obstore, boto3 again where that fails.

boto3 costs 3 to 5 ms of CPU an object and its errors are exact; obstore is several times faster and its
errors are not. So a body is asked for with obstore first, and every further attempt goes through boto3, whose
answer says what is wrong. obstore also cannot name keys with control characters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from ocr_train.errors import StorageError, TransientStorageError
from ocr_train.storage.parallel import results_in_order
from ocr_train.storage.retry import ATTEMPTS, Sleep, given_up, retrying, wait_s
from ocr_train.storage.s3_client import CONNECT_TIMEOUT_S, s3_client
from ocr_train.storage.s3_errors import S3Request, shown_endpoint, translate

T = TypeVar("T")

RANGE_BYTES = 16 * 1024 * 1024
"""The most that one GET asks for: what a broken connection can cost, and what must arrive in BODY_TIMEOUT_S.
"""

PART_BYTES = 16 * 1024 * 1024
"""Objects larger than this are sent in parts of this size (larger ones beyond 10,000 parts, S3's limit)."""

PARTS_AT_A_TIME = 2
"""So many parts of one object are on their way at once: more take memory and, from a few on, bring nothing."""

PIECE_BYTES = 4 * 1024 * 1024
"""What one GET asks for where several pieces of one object are fetched at once: each is held in memory."""

LONGEST_COPY_BYTES = 5 * 1024**3
"""What one CopyObject may copy: Amazon S3 API Reference, "CopyObject"."""

BODY_TIMEOUT_S = 120
CREDENTIALS_LIVE = timedelta(minutes=10)

_FAST_FAILURES = 5
"""After so many failures of obstore without a success, only boto3 is used: a proxy or CA that obstore cannot
use.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteObject:
    """An object as a listing shows it; `etag` without its quotes."""

    key: str
    size: int
    etag: str


class S3Bucket:
    """A connection to one bucket, from the usual AWS variables and files. Its methods may be called from
    threads. `endpoint` is the store's address where it is not the one that these name.

    Raises StorageError for what will not pass (403, missing bucket, bad credentials) at once, and
    TransientStorageError for what might have, after ATTEMPTS tries. `sleep` waits between them, in seconds.
    """

    def __init__(
        self, name: str, *, workers: int = 16, sleep: Sleep = time.sleep, endpoint: str = ""
    ) -> None:
        self.name = name
        self._sleep = sleep
        self._fast_failures = 0
        nowhere = S3Request(action="list", bucket=name, key="", endpoint="S3")
        try:
            self._client, self._credentials = s3_client(workers, endpoint)
        except Exception as exc:
            raise translate(exc, nowhere) from exc
        self.endpoint = shown_endpoint(self._client.meta.endpoint_url)

    def objects(self, prefix: str) -> Iterator[RemoteObject]:
        """All objects whose key begins with `prefix`, 1000 a request."""
        arguments = {"Bucket": self.name, "Prefix": prefix}
        more: dict[str, str] = {}
        while True:
            page = self._ask("list", prefix, partial(self._client.list_objects_v2, **arguments, **more))
            for item in page.get("Contents", ()):
                yield RemoteObject(key=item["Key"], size=item["Size"], etag=item["ETag"].strip('"'))
            token = page.get("NextContinuationToken", "")
            if not page.get("IsTruncated"):
                return
            if not token or token == more.get("ContinuationToken"):
                raise StorageError(f"{self.endpoint} lists s3://{self.name}/{prefix} without an end.")
            more = {"ContinuationToken": token}

    def names_below(self, prefix: str) -> list[str]:
        """The first names directly below `prefix`, folders with a closing slash, to suggest one of them."""
        page = self._ask(
            "list",
            prefix,
            lambda: self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, Delimiter="/"),
        )
        folders = [item["Prefix"] for item in page.get("CommonPrefixes", ())]
        return [*folders, *(item["Key"] for item in page.get("Contents", ()))]

    def head(self, key: str) -> RemoteObject | None:
        """The object with exactly this key, None where there is none."""
        try:
            answer = self._ask("head", key, lambda: self._client.head_object(Bucket=self.name, Key=key))
        except StorageError as error:
            if _status(error.__cause__) == 404:
                return None
            raise
        return RemoteObject(key=key, size=answer["ContentLength"], etag=answer["ETag"].strip('"'))

    def etag_is_md5(self, key: str) -> bool:
        """Whether an ETag of 32 hexadecimal digits is the body's MD5: not with SSE-KMS or SSE-C."""
        answer = self._ask("head", key, lambda: self._client.head_object(Bucket=self.name, Key=key))
        encrypted = str(answer.get("ServerSideEncryption", "")).startswith("aws:kms")
        return not encrypted and not answer.get("SSECustomerAlgorithm")

    def body(self, wanted: RemoteObject, *, ahead: int = 0) -> Iterator[Any]:
        """The object's bytes as buffers, exactly `wanted.size` of them; a broken body is asked for from there
        on.

        With `ahead` so many pieces of a large object are fetched at once, before they are asked for.

        Raises StorageError where the object is another one than the listed (its ETag changed).
        """
        if not ahead or wanted.size <= PIECE_BYTES:
            yield from self._piece(wanted, 0, wanted.size)
            return
        starts = range(0, wanted.size, PIECE_BYTES)
        for buffers in results_in_order(starts, partial(self._whole_piece, wanted), ahead=ahead):
            yield from buffers

    def _whole_piece(self, wanted: RemoteObject, start: int) -> list[Any]:
        return list(self._piece(wanted, start, min(start + PIECE_BYTES, wanted.size)))

    def _piece(self, wanted: RemoteObject, offset: int, stop: int) -> Iterator[Any]:
        """The bytes from `offset` to `stop`, RANGE_BYTES a request."""
        failures = 0
        while offset < stop:
            end = min(offset + RANGE_BYTES, stop)
            start = offset
            try:
                for buffer in self._range(wanted, start, end, fast=failures == 0):
                    if offset + len(buffer) > end:
                        raise self._broken(wanted, "sent more bytes than asked for")
                    offset += len(buffer)
                    yield buffer
                if offset < end:
                    raise self._broken(wanted, f"ended at {offset} of {wanted.size} bytes")
                failures = 0
            except TransientStorageError as error:
                failures += 1
                if failures >= ATTEMPTS:
                    raise given_up(error, failures) from error
                self._sleep(wait_s(failures))

    def put(self, key: str, source: Path, *, part_bytes: int) -> str:
        """Store a file under `key`, in parts if it is longer than `part_bytes`; the ETag without quotes."""
        tries = iter(range(ATTEMPTS))

        def attempt() -> str:
            return self._put_once(key, source, part_bytes, fast=next(tries, 1) == 0)

        return retrying(attempt, sleep=self._sleep)

    def copy(self, source_bucket: str, source: RemoteObject, key: str) -> str:
        """Have the store itself copy `source`, from any of its buckets, to `key` if its ETag is still the given one; the
        copy's ETag without quotes.

        At most LONGEST_COPY_BYTES. Raises StorageError also where the source is gone, is another one by now, or the store
        does not copy.
        """
        call = partial(
            self._client.copy_object,
            Bucket=self.name,
            Key=key,
            CopySource={"Bucket": source_bucket, "Key": source.key},
            CopySourceIfMatch=f'"{source.etag}"',
        )
        return str(self._ask("put", key, call)["CopyObjectResult"]["ETag"]).strip('"')

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, one request each: some stores do not know the request for many."""
        for key in keys:
            self._ask("delete", key, partial(self._client.delete_object, Bucket=self.name, Key=key))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _broken(self, wanted: RemoteObject, text: str) -> TransientStorageError:
        return TransientStorageError(
            self._about(wanted.key, text), hint="Check the network between here and it."
        )

    def _about(self, key: str, text: str) -> str:
        return f"s3://{self.name}/{key} from {self.endpoint} {text}."

    def _request(self, action: str, key: str) -> S3Request:
        hidden: tuple[str, ...] = ()
        if self._credentials is not None:
            frozen = self._credentials.get_frozen_credentials()
            hidden = (frozen.secret_key or "", frozen.token or "", frozen.access_key or "")
        return S3Request(action=action, bucket=self.name, key=key, endpoint=self.endpoint, hidden=hidden)

    def _ask(self, action: str, key: str, call: Callable[[], T]) -> T:
        return retrying(lambda: self._once(action, key, call), sleep=self._sleep)

    def _once(self, action: str, key: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except Exception as exc:
            if not _is_botocore(exc):
                raise
            raise translate(exc, self._request(action, key)) from exc

    def _range(self, wanted: RemoteObject, start: int, end: int, *, fast: bool) -> Iterator[Any]:
        whole = (start, end) == (0, wanted.size)
        if fast and self._fast_failures < _FAST_FAILURES:
            yield from self._fast_range(wanted, None if whole else (start, end))
        else:
            yield from self._exact_range(wanted, "" if whole else f"bytes={start}-{end - 1}")

    def _fast_range(self, wanted: RemoteObject, part: tuple[int, int] | None) -> Iterator[Any]:
        import obstore

        try:
            answer = obstore.get(self._fast_store, wanted.key, options={"range": part} if part else None)
            self._check_etag(wanted, str(answer.meta["e_tag"] or ""))
            if (part[1] - part[0] if part else wanted.size) <= PIECE_BYTES:
                yield answer.bytes()
            else:
                yield from answer.stream(min_chunk_size=1024 * 1024)
        except StorageError:
            raise
        except Exception as exc:
            # Whatever it is, boto3 is asked next and says it better; its text may carry a whole answer.
            self._fast_failures += 1
            raise TransientStorageError(self._about(wanted.key, f"failed ({type(exc).__name__})")) from exc
        self._fast_failures = 0

    def _exact_range(self, wanted: RemoteObject, header: str) -> Iterator[Any]:
        arguments = {"Bucket": self.name, "Key": wanted.key, **({"Range": header} if header else {})}
        answer = self._once("get", wanted.key, lambda: self._client.get_object(**arguments))
        self._check_etag(wanted, answer["ETag"])
        with answer["Body"] as stream:
            while buffer := self._once("get", wanted.key, lambda: stream.read(1024 * 1024)):
                yield buffer

    def _check_etag(self, wanted: RemoteObject, etag: str) -> None:
        if etag.strip('"') != wanted.etag:
            raise StorageError(
                self._about(wanted.key, "changed while it was being fetched"),
                hint="Run the command again when no other program writes there; what was fetched is kept.",
            )

    def _put_once(self, key: str, source: Path, part_bytes: int, *, fast: bool) -> str:
        many = source.stat().st_size > part_bytes
        with source.open("rb") as file:
            content = file if many else file.read()
            if fast and self._fast_failures < _FAST_FAILURES:
                return self._fast_put(key, content, part_bytes)
            if many:
                return self._once("put", key, lambda: self._exact_parts(key, source, part_bytes))
            answer = self._once(
                "put", key, lambda: self._client.put_object(Bucket=self.name, Key=key, Body=content)
            )
            return str(answer["ETag"]).strip('"')

    def _fast_put(self, key: str, content: Any, part_bytes: int) -> str:
        import obstore

        many = not isinstance(content, bytes)
        try:
            answer = obstore.put(
                self._fast_store,
                key,
                content,
                use_multipart=many,
                chunk_size=part_bytes,
                max_concurrency=PARTS_AT_A_TIME,
            )
        except Exception as exc:
            self._fast_failures += 1
            raise TransientStorageError(self._about(key, f"was not stored ({type(exc).__name__})")) from exc
        self._fast_failures = 0
        return str(answer["e_tag"] or "").strip('"')

    def _exact_parts(self, key: str, source: Path, part_bytes: int) -> str:
        from boto3.exceptions import Boto3Error
        from boto3.s3.transfer import S3Transfer, TransferConfig

        # Any: the type stubs mean another Config.
        config: Any = TransferConfig(
            multipart_threshold=part_bytes, multipart_chunksize=part_bytes, use_threads=False
        )
        try:
            S3Transfer(self._client, config).upload_file(str(source), self.name, key)
        except Boto3Error as exc:
            # boto3 turns the answer into a sentence; the answer itself says what kind of failure it is.
            if isinstance(exc.__context__, Exception):
                raise exc.__context__ from exc
            raise
        return str(self._client.head_object(Bucket=self.name, Key=key)["ETag"]).strip('"')

    @cached_property
    def _fast_store(self) -> Any:
        from obstore.store import S3Store

        url = self._client.meta.endpoint_url
        path_style = self._client.meta.config.s3.get("addressing_style") == "path"
        region = self._client.meta.region_name
        return S3Store(
            self.name,
            config={
                "region": region if region and region != "aws-global" else "us-east-1",
                "virtual_hosted_style_request": not path_style,
                **({"endpoint": url} if path_style else {}),
            },
            client_options={
                "allow_http": url.startswith("http:"),
                "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
                "timeout": f"{BODY_TIMEOUT_S}s",
            },
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=BODY_TIMEOUT_S)},
            credential_provider=self._provide,
        )

    def _provide(self) -> dict[str, Any]:
        frozen = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(timezone.utc) + CREDENTIALS_LIVE,
        }


def _is_botocore(error: Exception) -> bool:
    """Whether an error comes from a request, not from our own code or disk."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    return isinstance(error, (BotoCoreError, ClientError, Boto3Error))


def _status(error: BaseException | None) -> int:
    response = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
