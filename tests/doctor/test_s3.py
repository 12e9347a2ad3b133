"""Each right in S3 is tried, and each that is missing is named."""

from __future__ import annotations

import io
import socket
from typing import Any

import pytest

from ocr_train.doctor.rows import OK, PROBLEM, WARNING, exit_code
from ocr_train.doctor.s3 import clock_rows, rights_rows, s3_rows
from ocr_train.storage.rights import READING, WRITING, Right, Rights, try_rights
from tests.s3 import Prefix


class StandInClient:
    """A stand-in for boto3's client, for credentials that lack rights: `weed` has none to take away."""

    def __init__(self, denied: set[str], *, objects: int = 1) -> None:
        self.denied = denied
        self.keys = [f"data/{number}.jpg" for number in range(objects)]
        self.meta = type("Meta", (), {"endpoint_url": "https://user:secret@s3.example"})()

    def __getattr__(self, name: str) -> Any:
        from botocore.exceptions import ClientError

        def call(**arguments: Any) -> Any:
            if name in self.denied:
                answer = {
                    "Error": {"Code": "AccessDenied", "Message": "no"},
                    "ResponseMetadata": {"HTTPStatusCode": 403},
                }
                raise ClientError(answer, name)  # type: ignore[arg-type]
            if name == "list_objects_v2":
                return {"Contents": [{"Key": key, "Size": 9} for key in self.keys]}
            if name == "put_object":
                self.keys.append(arguments["Key"])
            if name == "delete_object":
                self.keys = [key for key in self.keys if key != arguments["Key"]]
            if name == "get_object" and arguments["Key"] not in self.keys:
                answer = {"Error": {"Code": "NoSuchKey"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
                raise ClientError(answer, name)  # type: ignore[arg-type]
            return {"UploadId": "1", "ETag": "e", "Body": io.BytesIO()}

        return call


def refused(client: StandInClient, actions: tuple[str, ...]) -> list[str]:
    """The permissions that turn out to be missing."""
    return [right.permission for right in try_rights(client, "b", "data", actions).tried if right.refused]


@pytest.mark.parametrize(
    ("denied", "permission"),
    [
        ("list_objects_v2", "s3:ListBucket"),
        ("get_object", "s3:GetObject"),
        ("put_object", "s3:PutObject"),
        ("upload_part", "s3:PutObject"),
        ("abort_multipart_upload", "s3:AbortMultipartUpload"),
        ("delete_object", "s3:DeleteObject"),
    ],
)
def test_each_missing_right_is_named(denied: str, permission: str) -> None:
    """By its IAM action, and no other one with it."""
    assert refused(StandInClient({denied}), WRITING) == [permission]


def test_several_missing_rights_are_named_at_once() -> None:
    """Nobody asks an administrator three times."""
    rights = try_rights(
        StandInClient({"put_object", "create_multipart_upload", "get_object"}), "b", "p", WRITING
    )
    rows = rights_rows("artifacts", "s3://b/p", rights, 0.0)
    assert [row.subject for row in rows] == ["artifacts: put", "artifacts: get", "artifacts: multipart"]
    assert {(row.status, row.code) for row in rows} == {(PROBLEM, 4)}
    assert rows[0].todo == "Allow s3:PutObject on arn:aws:s3:::b/p/*."
    assert "user" not in str(rows)


def test_what_cannot_be_removed_is_named() -> None:
    """The probe that was written is somebody's to delete."""
    rights = try_rights(StandInClient({"delete_object"}), "b", "data", WRITING)
    assert rights.left.startswith("s3://b/data/.ocr-train-doctor-")
    assert rights_rows("artifacts", "s3://b/data", rights, 0.0)[-1].status == WARNING


def test_data_are_only_read() -> None:
    """An empty prefix can be tried, too: that nothing is there is an answer. Nothing is written."""
    client = StandInClient({"put_object"}, objects=0)
    rights = try_rights(client, "b", "data", READING)
    assert [right.refused for right in rights.tried] == ["", ""]
    assert rights.empty
    assert client.keys == []
    assert refused(StandInClient({"get_object"}, objects=0), READING) == ["s3:GetObject"]


def test_reading_is_not_judged_where_listing_is_denied() -> None:
    """S3 then says of an object that is not there that it must not be read."""
    tried = try_rights(StandInClient({"list_objects_v2"}), "b", "data", READING).tried
    assert [(right.action, bool(right.refused), bool(right.untried)) for right in tried] == [
        ("list", True, False),
        ("get", False, True),
    ]


def test_a_real_store_allows_everything_and_keeps_nothing(prefix: Prefix) -> None:
    """With the right key."""
    rows = s3_rows("artifacts", prefix.uri, WRITING)
    assert [row.status for row in rows] == [OK], rows
    assert "list, put, get, multipart, abort, delete allowed" in rows[0].found
    assert prefix.all() == {}


def test_a_wrong_key_is_one_problem(prefix: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one for each right; the key itself is not shown."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    (row,) = s3_rows("data", prefix.uri, READING)
    assert (row.status, row.code) == (PROBLEM, 4)
    assert "does not accept the S3 credentials" in row.found
    assert "AWS_SECRET_ACCESS_KEY" in row.todo
    assert "not-the-secret" not in str(row)


@pytest.mark.usefixtures("prefix")
def test_a_bucket_that_is_not_there_is_said() -> None:
    """By its name."""
    (row,) = s3_rows("data", "s3://no-such-bucket/x", READING)
    assert "There is no bucket 'no-such-bucket'" in row.found


@pytest.mark.usefixtures("prefix")
def test_an_endpoint_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within seconds."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        (row,) = s3_rows("data", "s3://ocr-train/x", READING)
    assert (row.status, row.code) == (PROBLEM, 4)
    assert "did not answer properly" in row.found


def test_without_credentials_there_is_one_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variables that hold them."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    (row,) = s3_rows("data", "s3://bucket/x", READING)
    assert "No usable S3 credentials" in row.found
    assert exit_code([row]) == 4


def test_an_address_that_is_none_is_a_configuration_problem() -> None:
    """As the training would say."""
    (row,) = s3_rows("backup", "s3://", WRITING)
    assert row.code == 2


@pytest.mark.parametrize(("ahead_s", "said"), [(61.0, "61 s ahead of"), (-900.0, "900 s behind")])
def test_a_clock_that_is_off_is_a_warning(ahead_s: float, said: str) -> None:
    """Either way."""
    (row,) = clock_rows("S3", ahead_s)
    assert said in row.found
    assert row.status == WARNING
    right = Right(action="list", permission="s3:ListBucket", resource="r")
    rights = Rights(endpoint="S3", tried=(right,), server_s=1000.0 - ahead_s)
    assert rights_rows("data", "s3://b", rights, 1000.0)[-1] == row


def test_a_clock_that_is_right_is_not_talked_about() -> None:
    """A second is the header's own precision."""
    assert clock_rows("S3", 1.0) == []
