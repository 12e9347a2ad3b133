"""botocore's client for S3, as all that talks to S3 wants it: one try, path-style URLs where it is not AWS."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from ocr_train.storage.s3_errors import shown_endpoint

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60


def s3_client(workers: int, endpoint: str = "") -> tuple[Any, Any]:
    """A client that tries once (we retry), and its credentials; other stores than AWS get path-style URLs.

    `endpoint` is the store's address where it is not the one that the usual variables and files name.

    It is botocore's, what boto3's is underneath: importing boto3 itself takes as long as listing 2,000 objects.
    """
    from botocore.config import Config
    from botocore.exceptions import NoCredentialsError
    from botocore.session import get_session

    session = get_session()
    # botocore's own way through dateutil is half of the cost of a listing.
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=_timestamp)
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    region = session.get_config_variable("region") or "us-east-1"

    def client(style: Literal["path", "virtual"]) -> Any:
        config = Config(
            max_pool_connections=max(10, workers),
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            s3={"addressing_style": style},
        )
        return session.create_client("s3", config=config, region_name=region, endpoint_url=endpoint or None)

    made = client("path")
    host = shown_endpoint(made.meta.endpoint_url).rpartition("//")[2]
    return (
        client("virtual") if host.endswith((".amazonaws.com", ".amazonaws.com.cn")) else made
    ), credentials


def _timestamp(value: Any) -> datetime:
    """A timestamp as listings write it; every other form goes the slow way."""
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        from botocore.utils import parse_timestamp

        slow: datetime = parse_timestamp(value)
        return slow
