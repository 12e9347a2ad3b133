"""S3: which address, with whose credentials, and whether they are enough. No secret is shown, and none is in a cell."""

from __future__ import annotations

import getpass
import os

from ocr_train.config.data_sources import parse_sources
from ocr_train.doctor.rows import WARNING, CheckRow, fine
from ocr_train.doctor.s3 import s3_rows
from ocr_train.notebook.choices import ENDPOINT, Choices
from ocr_train.notebook.display import show_table
from ocr_train.notebook.gpu import show_rows
from ocr_train.redaction.addresses import without_password
from ocr_train.storage.rights import READING, WRITING


def check_store(choices: Choices) -> None:
    """Show where S3 is and try the rights that are needed; a sentence where neither data nor backup are there."""
    if choices.endpoint:
        os.environ[ENDPOINT] = choices.endpoint
    sources = parse_sources(choices.data, [])
    wanted = [("backup", choices.bucket, WRITING), *(("data", one.address, READING) for one in sources)]
    asked = [(subject, uri, actions) for subject, uri, actions in wanted if uri.startswith("s3://")]
    if not asked:
        show_table((), [("S3", "not used: BUCKET is empty, and DATA is not an s3:// address")])
        return
    endpoint = os.environ.get(ENDPOINT) or os.environ.get("AWS_ENDPOINT_URL") or ""
    rows = [fine("endpoint", without_password(endpoint) if endpoint else "AWS"), _credentials_row()]
    for subject, uri, actions in asked:
        rows += s3_rows(f"{subject}: {uri}", uri, actions)
    show_rows(rows)


def _credentials_row() -> CheckRow:
    """Where they come from, and nothing of them."""
    import botocore.session

    try:
        found = botocore.session.Session().get_credentials()
    except Exception as exc:  # noqa: BLE001 - a broken profile: the row says it, and the trial of the rights fails, too
        return CheckRow(subject="credentials", status=WARNING, found=type(exc).__name__)
    if found is None:
        return CheckRow(
            subject="credentials",
            status=WARNING,
            found="none: the role of the machine, a profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            todo="Start Jupyter with them, or run notebook.ask_for_credentials() in a cell of its own.",
        )
    return fine("credentials", f"from {found.method}")


def ask_for_credentials() -> None:
    """Ask for a key without showing it, and keep it in this kernel alone: neither a file nor the notebook has it."""
    os.environ["AWS_ACCESS_KEY_ID"] = input("AWS_ACCESS_KEY_ID: ").strip()
    os.environ["AWS_SECRET_ACCESS_KEY"] = getpass.getpass("AWS_SECRET_ACCESS_KEY: ").strip()
