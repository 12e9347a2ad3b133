"""What an S3 failure means to a user: which name, permission or credential is wrong, and whether to try
again.

Codes: Amazon S3 API Reference, "Error responses". Texts name bucket, key and endpoint, never a credential.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ocr_train.errors import StorageError, TransientStorageError

PERMISSIONS = {
    "list": "s3:ListBucket",
    "get": "s3:GetObject",
    "head": "s3:GetObject",
    "put": "s3:PutObject",
    "multipart": "s3:PutObject",
    "abort": "s3:AbortMultipartUpload",
    "delete": "s3:DeleteObject",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BAD_CREDENTIALS = _words(
    "InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken InvalidToken TokenRefreshRequired "
    "AuthFailure InvalidClientTokenId"
)
_TRANSIENT = _words(
    "SlowDown Throttling ThrottlingException RequestLimitExceeded RequestThrottled TooManyRequests "
    "RequestTimeout InternalError ServiceUnavailable OperationAborted BadDigest IncompleteBody"
)
_WRONG_REGION = _words("PermanentRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException")
_CREDENTIAL_ERRORS = _words(
    "NoCredentialsError PartialCredentialsError CredentialRetrievalError ProfileNotFound "
    "UnauthorizedSSOTokenError SSOTokenLoadError TokenRetrievalError"
)
_LASTING_ERRORS = _words("SSLError ProxyConnectionError ParamValidationError InvalidRegionError")


@dataclass(frozen=True, kw_only=True)
class S3Request:
    """What was asked: `action` is a key of PERMISSIONS; `hidden` are texts that no message may carry."""

    action: str
    bucket: str
    key: str
    endpoint: str
    hidden: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The bucket or object, for a message."""
        return f"s3://{self.bucket}/{self.key}"


def shown_endpoint(url: str) -> str:
    """An endpoint without the user name and password that a URL may carry."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def is_denied(error: Exception) -> bool:
    """Whether the credentials are good, and do not have the right to this one request."""
    response = getattr(error, "response", None) or {}
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(response.get("Error", {}).get("Code", ""))
    return (
        status == 403
        and code not in _BAD_CREDENTIALS
        and code not in _WRONG_REGION
        and code != "RequestTimeTooSkewed"
    )


def translate(error: Exception, request: S3Request) -> StorageError:
    """Our error for one of botocore's: TransientStorageError where trying again may help."""
    from botocore.exceptions import ClientError

    if isinstance(error, StorageError):
        return error
    if isinstance(error, ClientError):
        return _of_answer(error.response, request)
    name = type(error).__name__
    if name in _CREDENTIAL_ERRORS:
        return StorageError(
            f"No usable S3 credentials for {request.target} at {request.endpoint} ({name}).",
            hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
        )
    if name in _LASTING_ERRORS or isinstance(error, ValueError):
        return StorageError(
            f"{request.endpoint} cannot be used for {request.target} ({name}).",
            hint="Check AWS_ENDPOINT_URL_S3, the proxy settings and the certificate (AWS_CA_BUNDLE).",
        )
    return TransientStorageError(
        f"{request.endpoint} did not answer properly for {request.target} ({name}).",
        hint="Check the network and AWS_ENDPOINT_URL_S3; what was transferred so far is kept.",
    )


def _of_answer(response: Any, request: S3Request) -> StorageError:
    error = response.get("Error", {})
    code = str(error.get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    answer = f"{code or status} from {request.endpoint}"
    if message := _hide(str(error.get("Message", "")), request.hidden).strip():
        answer += f": {message[:300]}"
    if code in _TRANSIENT or status >= 500 or status == 429:
        return TransientStorageError(f"{request.target}: {answer}.", hint="The store is busy or in trouble.")
    return _lasting(code, status, answer, request)


def _lasting(code: str, status: int, answer: str, request: S3Request) -> StorageError:
    """The errors that no further try fixes."""
    problem, hint = f"{request.target}: {answer}.", ""
    if code == "NoSuchBucket":
        problem = f"There is no bucket {request.bucket!r} at {request.endpoint}."
        hint = "Check the bucket's name, AWS_ENDPOINT_URL_S3 and which account the credentials belong to."
    elif code in _BAD_CREDENTIALS:
        problem = f"{request.endpoint} does not accept the S3 credentials for {request.target} ({code})."
        hint = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN."
    elif code == "RequestTimeTooSkewed":
        hint = "Set this machine's clock."
    elif code in _WRONG_REGION or status in (301, 307):
        problem = f"{request.target} is in another region ({answer})."
        hint = "Set AWS_DEFAULT_REGION to the bucket's."
    elif status == 403:
        resource = request.bucket if request.action == "list" else f"{request.bucket}/{request.key}"
        problem = f"Access to {request.target} is denied ({answer})."
        hint = f"These credentials need {PERMISSIONS[request.action]} on arn:aws:s3:::{resource}."
    elif status == 404:
        problem = f"{request.target} is not there ({answer})."
        hint = "It may have been removed: list the prefix again."
    return StorageError(problem, hint=hint)


def _hide(text: str, hidden: tuple[str, ...]) -> str:
    for secret in hidden:
        if secret:
            text = text.replace(secret, "***")
    return text
