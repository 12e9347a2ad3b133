"""A look at a few objects of a bucket: names, and the beginning of a file. Nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ocr_train.storage.keys import parse_s3_uri
from ocr_train.storage.s3_client import s3_client
from ocr_train.storage.s3_errors import S3Request, shown_endpoint, translate

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """The first bytes of an object, and how many it has in all."""

    content: bytes
    size: int


class S3Peek:
    """Looks below the address `uri`; names are relative to it. Every method raises `StorageError`."""

    def __init__(self, uri: str) -> None:
        self.bucket, self.prefix = parse_s3_uri(uri)
        nowhere = S3Request(action="list", bucket=self.bucket, key=self.prefix, endpoint="S3")
        try:
            self._client, credentials = s3_client(1)
            self._secret = credentials.get_frozen_credentials().secret_key or ""
        except Exception as exc:
            raise translate(exc, nowhere) from exc

    def names(self, folder: str = "") -> tuple[list[str], bool]:
        """The first names directly in `folder` ("" or "a/b/"), folders with a closing slash; whether there are more."""
        start = f"{self.prefix}/" if self.prefix else ""
        page: Any = self._ask(
            "list",
            folder,
            lambda: self._client.list_objects_v2(
                Bucket=self.bucket, Prefix=f"{start}{folder}", Delimiter="/"
            ),
        )
        keys = [item["Prefix"] for item in page.get("CommonPrefixes", ())]
        keys += [item["Key"] for item in page.get("Contents", ())]
        return [key[len(start) :] for key in keys if key != f"{start}{folder}"], bool(page.get("IsTruncated"))

    def read(self, name: str, limit: int) -> Beginning | None:
        """The first `limit` bytes of an object, None where there is none; `..` in `name` leads above the prefix."""
        key = _joined(self.prefix, name)

        def get() -> Beginning:
            answer = self._client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes=0-{limit - 1}")
            with answer["Body"] as body:
                content = body.read()
            span = str(answer.get("ContentRange", ""))
            total = span.rpartition("/")[2]
            return Beginning(content=content, size=int(total) if total.isdecimal() else len(content))

        try:
            return self._ask("get", key, get)
        except Exception as exc:
            status = getattr(exc.__cause__, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode")
            # 416: an object without a byte has no first one.
            if status in (404, 416):
                return None if status == 404 else Beginning(content=b"", size=0)
            raise

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, action: str, key: str, call: Callable[[], T]) -> T:
        request = S3Request(
            action=action,
            bucket=self.bucket,
            key=key,
            endpoint=shown_endpoint(self._client.meta.endpoint_url),
            hidden=(self._secret,),
        )
        try:
            return call()
        except Exception as exc:
            raise translate(exc, request) from exc


def _joined(prefix: str, name: str) -> str:
    parts = prefix.split("/") if prefix else []
    for part in name.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
