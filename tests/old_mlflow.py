"""MLflow servers older than our client, each in an environment of its own."""

from __future__ import annotations

from pathlib import Path

from tests.made_environments import environment_with

_OF_ITS_TIME = ("setuptools<81", "sqlalchemy<2.1")
"""An MLflow of that age asks for what newer ones of these have no more, and does not say so."""
OLD_VERSION = "2.16.2"
"""Of before MLflow's SQL stores took the same points twice."""


def old_mlflow(version: str = OLD_VERSION) -> Path:
    """An interpreter that has `mlflow==version`: a minute for the first who asks. Raises `CalledProcessError` where no
    package index can be reached."""
    return environment_with(f"mlflow-{version}", f"mlflow=={version}", *_OF_ITS_TIME)
