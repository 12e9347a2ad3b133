"""The artifacts of a run that is compared, with as few requests as there can be: a server is asked for hundreds of small files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from ocr_train.errors import TrackingError
from ocr_train.redaction.addresses import first_line
from ocr_train.tracking.artifacts import RunArtifacts


class ReadArtifacts:
    """The artifacts of one MLflow run, to read: a folder is listed once, and its address is that which the run came with.

    Of an MLflow server a file is fetched at once. MLflow's own way asks before each file whether it is a folder.
    """

    def __init__(self, client: Any, run: Any) -> None:
        self._run_id = run.info.run_id
        self._server = _server_of(client, run.info.artifact_uri)
        self._artifacts = RunArtifacts(client, self._run_id, repository=self._server)
        self._listed: dict[str, dict[str, int]] = {}

    def list(self, folder: str) -> dict[str, int]:
        """Files in `folder` with sizes in bytes; folders end in "/"."""
        if folder not in self._listed:
            self._listed[folder] = self._artifacts.list(folder)
        return self._listed[folder]

    def download(self, path: str, folder: Path) -> Path:
        """Fetch one artifact into `folder`; the local path."""
        if self._server is None:
            return self._artifacts.download(path, folder)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / PurePosixPath(path).name
        try:
            self._server._download_file(path, str(target))
        except Exception as exc:
            raise TrackingError(
                f"the artifact {path} of run {self._run_id} cannot be read: {first_line(exc)}"
            ) from exc
        return target

    def read_back(self, path: str, target: Path | None = None) -> str:
        """The SHA-256 of one artifact; its bytes go to the file `target` if one is given."""
        return self._artifacts.read_back(path, target)


def _server_of(client: Any, uri: str) -> Any:
    """MLflow's repository for artifacts that an MLflow server hands out; None for those in any other place."""
    if not str(uri).startswith(("mlflow-artifacts:", "http:", "https:")):
        return None
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

    try:
        repository = get_artifact_repository(uri, tracking_uri=getattr(client, "tracking_uri", None))
    except Exception:  # noqa: BLE001 - `RunArtifacts` says what is wrong
        return None
    return repository if isinstance(repository, HttpArtifactRepository) else None
