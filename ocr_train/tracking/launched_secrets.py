"""What `mlflow run` logs of a launch before we are started, and that may hold credentials.

It tags its run with the project's address as it was given, such as https://TOKEN@host/team/project, and with that of
the project's git remote; and it logs every `-P` value as a param.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ocr_train.redaction.redactor import redactor


def hide_in_tags(client: Any, run_id: str) -> None:
    """Overwrite those tags of the run that hold credentials; a server that refuses is asked no more."""
    redact = redactor()
    # Whoever needs the run next says what is wrong with it.
    with contextlib.suppress(Exception):
        for key, value in client.get_run(run_id).data.tags.items():
            if (clean := redact.text(value)) != value:
                client.set_tag(run_id, key, clean)


def say_exposed(params: Mapping[str, str]) -> str:
    """A sentence on the params that hold credentials, for MLflow never changes a param; nothing where none does."""
    redact = redactor()
    exposed = [key for key, value in params.items() if redact.value(key, value) != value]
    if not exposed:
        return ""
    return (
        f"warning: `mlflow run` has logged a credential in the param(s) {', '.join(sorted(exposed))}, and params cannot "
        "be changed. Delete this run and change that credential; give it in the environment, or launch with "
        "`python -m ocr_train train`, which logs it as ***."
    )
