"""The database that a study is kept in: a file of its own, or any that several machines reach."""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ocr_train.errors import ConfigError, SetupError, StorageError
from ocr_train.redaction.addresses import first_line, redacted, secrets_in
from ocr_train.redaction.redactor import remember

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

STORAGE_VARIABLE = "OCR_TRAIN_SWEEP_STORAGE"
PATIENCE_S = 60.0
"""For so long a database that does not answer is asked again before the sweep ends."""
_RETRY_S = 2.0
_CREATED_MEANWHILE = re.compile(r"already exists|duplicate key|UNIQUE constraint|database is locked", re.I)
_MOST_TRIES = 8
_Answer = TypeVar("_Answer")


def storage_address(given: str, folder: Path) -> str:
    """The address of the database: `given`, else a file in `folder`, which is made. Its password is secret from now on.

    Raises `ConfigError` for what is no address, `SetupError` where this machine lacks what speaks to such a database.
    """
    if not given:
        folder.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{folder.absolute() / 'study.db'}"
    remember(filter(None, secrets_in(given)))
    scheme, colon, rest = given.partition("://")
    if not colon:
        raise ConfigError(
            f"storage: {redacted(given)!r} is not the address of a database.",
            hint="As in sqlite:///sweeps.db, or postgresql://USER:PASSWORD@HOST/DATABASE.",
        )
    if scheme in ("postgresql", "postgres"):
        # SQLAlchemy means psycopg2 by it, which is not what we bring along.
        if importlib.util.find_spec("psycopg"):
            return f"postgresql+psycopg://{rest}"
        if not importlib.util.find_spec("psycopg2"):
            raise SetupError(
                "storage: nothing that speaks to PostgreSQL is installed.",
                hint="python -m pip install 'psycopg[binary]'",
            )
        return f"postgresql://{rest}"
    return given


def open_storage(url: str) -> RDBStorage:
    """Optuna's storage at `url`, its tables made where there are none; raises `ConfigError`, `SetupError`,
    `StorageError`."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    is_file = url.startswith("sqlite:")
    options: dict[str, Any] = {"connect_args": {"timeout": 60}} if is_file else {"pool_pre_ping": True}
    if url.startswith("postgresql+psycopg:"):
        options["connect_args"] = {"connect_timeout": 10}
    for attempt in range(_MOST_TRIES):
        try:
            return RDBStorage(url, engine_kwargs=options)
        except ArgumentError as exc:
            raise ConfigError(
                f"storage: {redacted(url)!r} is not the address of a database: {first_line(exc)}",
                hint="As in sqlite:///sweeps.db, or postgresql://USER:PASSWORD@HOST/DATABASE.",
            ) from exc
        except ImportError as exc:
            raise SetupError(
                f"storage: what speaks to {url.partition(':')[0]} is not installed: {first_line(exc)}",
                hint="Install that package, or use sqlite or postgresql.",
            ) from exc
        except SQLAlchemyError as exc:
            # Two workers that begin at once make the same tables.
            if not _CREATED_MEANWHILE.search(str(exc)) or attempt == _MOST_TRIES - 1:
                raise _unusable(url, exc) from exc
        except Exception as exc:
            raise _unusable(url, exc) from exc
        time.sleep(0.2 * (attempt + 1))
    raise AssertionError("unreachable")


def patiently(ask: Callable[[], _Answer], url: str, *, patience_s: float = PATIENCE_S) -> _Answer:
    """The answer of the database, which is asked again while it does not answer; raises `StorageError` in the end."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    deadline = time.monotonic() + patience_s
    while True:
        try:
            return ask()
        except (StorageInternalError, SQLAlchemyError) as exc:
            if time.monotonic() >= deadline:
                raise _unusable(url, exc) from exc
        time.sleep(_RETRY_S)


def _unusable(url: str, exc: BaseException) -> StorageError:
    cause = exc.__cause__ or exc
    return StorageError(
        f"the study's database {redacted(url)} cannot be used: {first_line(cause)}",
        hint="Check that it is there, and its rights; the same command goes on with the sweep then.",
    )
