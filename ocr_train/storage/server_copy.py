"""Copies of objects that the store makes itself: no byte comes here."""

from __future__ import annotations

from functools import partial

from ocr_train.storage.s3 import RemoteObject, S3Bucket

LONGEST_COPY_BYTES = 5 * 1024**3
"""What one CopyObject may copy: Amazon S3 API Reference, "CopyObject"."""


class CopyingBucket(S3Bucket):
    """A bucket that objects can be copied into from any bucket of the same store."""

    def copy(self, source_bucket: str, source: RemoteObject, key: str) -> str:
        """Store `source` under `key` if its ETag is still the given one; the copy's ETag without quotes.

        At most LONGEST_COPY_BYTES. Raises StorageError, also where the source is gone, is another one by now,
        or the store does not copy; TransientStorageError as all requests do.
        """
        call = partial(
            self._client.copy_object,
            Bucket=self.name,
            Key=key,
            CopySource={"Bucket": source_bucket, "Key": source.key},
            CopySourceIfMatch=f'"{source.etag}"',
        )
        answer = self._ask("put", key, call)
        return str(answer["CopyObjectResult"]["ETag"]).strip('"')
