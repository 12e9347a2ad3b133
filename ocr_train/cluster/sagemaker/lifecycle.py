"""The two scripts of a notebook instance: the environment is made once, and an idle instance is stopped."""

from __future__ import annotations

import re
from pathlib import Path

from ocr_train.errors import ConfigError

MAX_CHARACTERS = 16_384
"""Of one script, as base64 has it: Amazon SageMaker API Reference, `NotebookInstanceLifecycleHook`."""
_REPOSITORY = re.compile(r"(https|ssh)://[\w.\-@:/~]+|[\w.\-]+@[\w.\-]+:[\w.\-/~]+", re.ASCII)


def scripts(*, repository: str, idle_minutes: int) -> dict[str, str]:
    """The scripts by the name of their file. `repository` is a git address; raises `ConfigError` where it is none, or one
    with a password in it."""
    if not _REPOSITORY.fullmatch(repository) or re.match(r"https://[^/]*@", repository):
        raise ConfigError(
            f"{repository!r} is not a git address such as https://host/team/ocr-train.git, without a password.",
            hint="Give --repository. Credentials for git belong into AWS Secrets Manager, not into a script.",
        )
    folder = Path(__file__).with_name("notebook")
    values = {"@REPOSITORY@": repository, "@IDLE_MINUTES@": str(idle_minutes)}
    found = {}
    for name in ("on_create.sh", "on_start.sh"):
        text = (folder / name).read_text(encoding="utf-8")
        for mark, value in values.items():
            text = text.replace(mark, value)
        found[name] = text
    return found
