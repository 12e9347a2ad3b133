"""What every test may use: an environment without cloud settings, the real servers, the command line."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ocr_train.data.demo.demo_set import DemoSpec, make_demo
from ocr_train.redaction import redactor
from ocr_train.server.serve import LocalServers, ServerAddress
from tests.commands import REPO, copy_store
from tests.lively_kit import kit
from tests.s3 import fake, prefix, s3_server
from tests.workers import group_of, longest_first, scheduler

__all__ = ["fake", "kit", "prefix", "s3_server"]

SHARED = REPO.parent / "shared"
_GPU_BUILD = any(metadata.distributions(name="paddlepaddle-gpu"))
_OURS = ("AWS_", "MLFLOW_", "OCR_TRAIN_", "SCRIPTED_")


def pytest_configure() -> None:
    """What tests start may keep what it has compiled, whatever the shell says: they start hundreds of processes, some
    in fresh environments, where each would compile MLflow and Paddle."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # And so may the tests themselves: rewriting their asserts takes as long as everything else before the first test.
    sys.dont_write_bytecode = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Any:
    """Who runs what where there are several workers."""
    return scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first."""
    slow = {item.nodeid for item in items if item.get_closest_marker("slow")}
    places = longest_first([item.nodeid for item in items], slow)
    items.sort(key=lambda item: places[group_of(item.nodeid)])


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Ctrl-C reaches what tests start: a shell has its background jobs, and all they start, ignore it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _service_models_read_once() -> Iterator[None]:
    """botocore reads its description of S3 anew for each session, which takes longer than most requests to a server
    on loopback: here once."""
    import botocore.loaders

    with mock.patch.object(
        botocore.loaders, "create_loader", functools.cache(botocore.loaders.create_loader)
    ):
        yield


@pytest.fixture(scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In place of the user's cache."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, _own_cache: Path) -> None:
    """No test sees the credentials, servers or settings of the machine it runs on, or another test's redactor."""
    redactor.forget()
    for name in list(os.environ):
        if name.startswith(_OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OCR_TRAIN_CACHE", str(_own_cache))
    if not _GPU_BUILD:
        # Else no training would start on a developer's machine that has a GPU: it would be paid for and not used.
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real images, labels and logs; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("../shared is absent: it holds the real data that this test reads")
    return SHARED


@pytest.fixture(scope="session")
def _store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: making one takes seconds, copying it none.

    Opening one, MLflow imports its 67 migrations anew to know which is the newest: here once.
    """
    import mlflow
    import mlflow.store.db.utils as databases

    databases._get_latest_schema_revision = functools.cache(databases._get_latest_schema_revision)
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments(max_results=1)
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small recognition set for runs of the scripted trainer: 4 steps an epoch at batch size 4."""
    folder = tmp_path_factory.mktemp("data") / "words"
    make_demo(folder, DemoSpec(task="rec", train=16, val=4))
    return folder


@pytest.fixture
def store_folder(tmp_path: Path, _store_template: Path) -> Path:
    """A folder with an empty MLflow database, for a run of the command line."""
    copy_store(_store_template, tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerAddress]:
    """A real S3 server and a real MLflow server with that S3 as its artifact store."""
    running = LocalServers(tmp_path_factory.mktemp("servers"))
    try:
        yield running.start()
    finally:
        running.stop()
