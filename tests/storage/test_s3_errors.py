"""What each kind of S3 failure is told as."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from ocr_train.errors import StorageError, TransientStorageError
from ocr_train.storage.s3_errors import S3Request, shown_endpoint, translate

REQUEST = S3Request(
    action="get", bucket="b", key="k/ภาพ", endpoint="http://s3.example:9000", hidden=("sEcReT", "AKID", "")
)


def answer(code: str, status: int, message: str = "") -> ClientError:
    """What boto3 raises for an error document."""
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "GetObject")


@pytest.mark.parametrize(
    "error",
    [
        answer("SlowDown", 503),
        answer("InternalError", 500),
        answer("RequestTimeout", 400),
        answer("Throttling", 400),
        answer("", 429),
        answer("", 502),
        ConnectTimeoutError(endpoint_url="x"),
        ReadTimeoutError(endpoint_url="x"),
        EndpointConnectionError(endpoint_url="x"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
)
def test_what_may_pass_is_transient(error: Exception) -> None:
    """Throttling, time-outs, broken connections and 5xx may be tried again."""
    assert isinstance(translate(error, REQUEST), TransientStorageError)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (answer("AccessDenied", 403), "s3:GetObject on arn:aws:s3:::b/k/ภาพ"),
        (answer("403", 403), "s3:GetObject"),
        (answer("NoSuchBucket", 404), "no bucket 'b' at http://s3.example:9000"),
        (answer("NoSuchKey", 404), "s3://b/k/ภาพ is not there"),
        (answer("SignatureDoesNotMatch", 403), "does not accept the S3 credentials"),
        (answer("InvalidAccessKeyId", 403), "does not accept the S3 credentials"),
        (answer("ExpiredToken", 400), "AWS_SESSION_TOKEN"),
        (answer("RequestTimeTooSkewed", 403), "clock"),
        (answer("PermanentRedirect", 301), "AWS_DEFAULT_REGION"),
        (answer("AuthorizationHeaderMalformed", 400), "AWS_DEFAULT_REGION"),
        (NoCredentialsError(), "AWS_ACCESS_KEY_ID"),
        (SSLError(endpoint_url="x", error=ValueError("y")), "AWS_CA_BUNDLE"),
        (ValueError("Invalid endpoint: htp:/x"), "AWS_ENDPOINT_URL_S3"),
        (answer("InvalidRequest", 400, "no such feature"), "no such feature"),
    ],
)
def test_what_will_not_pass_says_what_is_wrong(error: Exception, words: str) -> None:
    """Names, permissions, credentials, regions and certificates are not tried again."""
    told = translate(error, REQUEST)
    assert not isinstance(told, TransientStorageError)
    assert words in str(told)


def test_no_credential_is_in_a_message() -> None:
    """Not even where the server's answer repeats one."""
    told = translate(answer("AccessDenied", 403, "user AKID with sEcReT may not"), REQUEST)
    assert "user *** with *** may not" in str(told)


def test_an_error_of_ours_stays_what_it_is() -> None:
    """Translating twice changes nothing."""
    error = StorageError("x")
    assert translate(error, REQUEST) is error


def test_an_endpoint_is_shown_without_its_password() -> None:
    """User name, password, path and query of a URL are left out."""
    assert shown_endpoint("https://user:hush@s3.example:9000/x?y=z") == "https://s3.example:9000"
