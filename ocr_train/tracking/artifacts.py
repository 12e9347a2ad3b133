"""Where a run keeps its artifacts: in MLflow, or, without a server, in the run's own folder."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any, Protocol

from ocr_train.atomic_files import whole_file
from ocr_train.disk import sha256_of
from ocr_train.errors import StorageError, TrackingError, TransientStorageError
from ocr_train.redaction.addresses import first_line, without_password
from ocr_train.tracking.refusals import RunRefused, check_run
from ocr_train.tracking.s3_artifacts import DIRECT_FROM_BYTES, DirectS3, direct_s3


class Artifacts(Protocol):
    """Artifacts, to read."""

    def list(self, folder: str) -> dict[str, int]:
        """Files in `folder` with sizes in bytes; folders end in "/"."""

    def download(self, path: str, folder: Path) -> Path:
        """Fetch one artifact into `folder`; the local path."""

    def read_back(self, path: str, target: Path | None = None) -> str:
        """The SHA-256 of one artifact's bytes as they come from the store; they go to the file `target` if one is given."""


class ArtifactSink(Artifacts, Protocol):
    """The same, to write."""

    def upload(self, local: Path, folder: str = "") -> None:
        """Store `local` under `folder`, with its own name."""

    def require_run(self) -> None:
        """Raise `RunRefused` where the server says that it takes nothing for the run."""


class RunArtifacts:
    """The artifacts of one MLflow run; `repository` is MLflow's, where it is known. Every method raises `TrackingError`."""

    def __init__(self, client: Any, run_id: str, *, repository: Any = None) -> None:
        self._client = client
        self.run_id = run_id
        self._repository = repository
        self._direct: DirectS3 | None = None

    def _artifacts(self) -> Any:
        """The run's own artifacts. MLflow's client looks into logged models, too, when it lists: servers before
        MLflow 3 have none, and answer that with a page of HTML."""
        if self._repository is None:
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            uri = self._client.get_run(self.run_id).info.artifact_uri
            tracking_uri = getattr(self._client, "tracking_uri", None)
            self._repository = get_artifact_repository(uri, tracking_uri=tracking_uri)
            self._direct = direct_s3(self._repository)
        return self._repository

    def list(self, folder: str) -> dict[str, int]:
        """Files in `folder` with their sizes in bytes; folders end in "/" and have size 0."""
        try:
            infos = self._artifacts().list_artifacts(folder or None)
        except Exception as exc:
            raise TrackingError(
                f"the artifacts of run {self.run_id} cannot be listed: {first_line(exc)}"
            ) from exc
        return {info.path + ("/" if info.is_dir else ""): int(info.file_size or 0) for info in infos}

    def download(self, path: str, folder: Path) -> Path:
        """Fetch the artifact `path` into `folder`; the local path."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return Path(self._artifacts().download_artifacts(path, str(folder)))
        except Exception as exc:
            raise TrackingError(
                f"the artifact {path} of run {self.run_id} cannot be read: {first_line(exc)}"
            ) from exc

    def read_back(self, path: str, target: Path | None = None) -> str:
        """The SHA-256 of the artifact `path` as it comes from the store; its bytes go to the file `target` if one is given."""
        try:
            self._artifacts()
            # Several files go at a time, and one that fails may take the direct way from all.
            direct = self._direct
            if direct is not None and (found := direct.read_back(path, target)):
                return found
        except TransientStorageError as exc:
            raise TrackingError(
                f"the artifact {path} of run {self.run_id} cannot be read: {exc.problem}"
            ) from exc
        except StorageError:
            # MLflow's own way says what is wrong, or works.
            self._direct = None
        except Exception as exc:
            raise TrackingError(
                f"the artifact {path} of run {self.run_id} cannot be read: {first_line(exc)}"
            ) from exc
        return _downloaded(self, path, target)

    def upload(self, local: Path, folder: str = "") -> None:
        """Store `local` as the artifact `folder`/<its name>."""
        try:
            if local.stat().st_size >= DIRECT_FROM_BYTES and self._stored_directly(local, folder):
                return
            self._client.log_artifact(self.run_id, str(local), folder or None)
        except Exception as exc:
            raise TrackingError(
                f"the artifact {folder}/{local.name} cannot be stored: {first_line(exc)}"
            ) from exc

    def _stored_directly(self, local: Path, folder: str) -> bool:
        """Whether `local` is in S3 by now; where that is not possible, MLflow's own way is left."""
        self._artifacts()
        direct = self._direct
        if direct is None:
            return False
        try:
            direct.store(local, folder)
        except TransientStorageError:
            raise
        except StorageError:
            self._direct = None
            return False
        return True

    def require_run(self) -> None:
        """Raise `RunRefused` where the server says that it takes nothing for the run.

        An artifact store takes files for any run: a server that has lost the run would otherwise seem to have them.
        A server that does not answer says nothing about the run.
        """
        try:
            check_run(self._client, self.run_id)
        except RunRefused:
            raise
        except Exception:  # noqa: BLE001 - what was stored is with the run when the server is back
            return

    def delete(self, path: str) -> None:
        """Remove the artifact or artifact folder `path`.

        MLflow's client cannot; its artifact repositories can (S3, local and those behind an MLflow server).
        """
        try:
            self._artifacts().delete_artifacts(path)
        except Exception as exc:
            raise TrackingError(
                f"the artifact {path} of run {self.run_id} cannot be deleted: {first_line(exc)}",
                hint="The artifact store must allow deleting.",
            ) from exc


def try_artifact_store(location: str, tracking_uri: str) -> None:
    """Store a small file below the artifact `location` of an experiment, read it back and remove it: no run is needed.

    Raises `TrackingError` with the step that failed.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    step = "opened"
    name = f"ocr-train-doctor-{uuid.uuid4().hex[:12]}"
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = get_artifact_repository(location, tracking_uri=tracking_uri)
            local = Path(folder) / f"{name}.txt"
            local.write_text(f"{name}: this may be deleted\n", encoding="utf-8")
            step = "written to"
            store.log_artifact(str(local), name)
            step = "read"
            _require_same(store, f"{name}/{local.name}", local)
            step = f"cleaned: {name} is left there, because its files cannot be deleted in it"
            store.delete_artifacts(name)
    except Exception as exc:
        raise TrackingError(
            f"the artifact store {without_password(location)} cannot be {step}: {first_line(exc)}",
            hint="Check the credentials that the store wants (AWS_*, or those of the MLflow server), and the server's log.",
        ) from exc


def _require_same(store: Any, path: str, local: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        back = Path(store.download_artifacts(path, folder))
        if back.read_bytes() != local.read_bytes():
            raise TrackingError("other bytes came back than were stored")


class FolderArtifacts:
    """Artifacts in a folder of this machine: what a run without a server has until `sync`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def list(self, folder: str) -> dict[str, int]:
        """Files of `folder` with sizes; folders end in "/"."""
        start = self.root / folder
        entries = sorted(start.iterdir()) if start.is_dir() else []
        lead = f"{folder}/" if folder else ""
        return {
            f"{lead}{entry.name}" + ("/" if entry.is_dir() else ""): entry.stat().st_size * entry.is_file()
            for entry in entries
        }

    def download(self, path: str, folder: Path) -> Path:
        """Copy the artifact `path` into `folder`; raises `TrackingError` where there is none."""
        source = (self.root / path).resolve()
        if not source.is_relative_to(self.root.resolve()) or not source.is_file():
            raise TrackingError(f"there is no artifact {path!r} in {self.root}.")
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(source, folder / source.name))

    def read_back(self, path: str, target: Path | None = None) -> str:
        """The SHA-256 of the artifact `path`; its bytes go to the file `target` if one is given. Raises `TrackingError`."""
        return _downloaded(self, path, target)

    def upload(self, local: Path, folder: str = "") -> None:
        """Copy `local` to `folder`/<its name>, whole or not at all; raises `OSError`."""
        target = self.root / folder / local.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as part:
            shutil.copyfile(local, part)

    def require_run(self) -> None:
        """There is no server that could refuse it."""

    def delete(self, path: str) -> None:
        """Remove a file or a folder with all that is in it; raises `OSError`."""
        target = self.root / path
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)


def _downloaded(artifacts: Artifacts, path: str, target: Path | None) -> str:
    """Fetch the artifact `path` as a file, sum it, and move it to `target` if one is given."""
    with tempfile.TemporaryDirectory(dir=target.parent if target else None) as folder:
        got = artifacts.download(path, Path(folder))
        found = sha256_of(got)
        if target is not None:
            got.replace(target)
    return found


def verify(artifacts: Artifacts, where: str, sha256: str) -> None:
    """Read the artifact `where` back; raises `TrackingError` where its bytes are not those that were sent."""
    if artifacts.read_back(where) != sha256:
        raise TrackingError(f"{where} came back from the artifact store with other bytes than were sent.")


def upload_verified(artifacts: ArtifactSink, local: Path, folder: str = "", *, sha256: str = "") -> None:
    """Store `local`, whose sum is `sha256` where that is known, and read it back; raises `TrackingError`, `OSError`.

    Its bytes go as they are: whoever writes a file that may hold credentials writes it without them.
    """
    sha256 = sha256 or sha256_of(local)
    artifacts.upload(local, folder)
    verify(artifacts, f"{folder}/{local.name}".lstrip("/"), sha256)
