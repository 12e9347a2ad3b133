"""The model registry: a name with versions, and aliases such as @challenger and @champion that move.

`promotion` decides whether an alias moves to a better version.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import Any

from ocr_train.config.registry_names import parse_target
from ocr_train.errors import ConfigError, TrackingError
from ocr_train.models.model_card import name_card, version_card
from ocr_train.redaction.addresses import first_line
from ocr_train.redaction.redactor import redactor

_LOGGED = re.compile(r"models:/(?P<id>m-[0-9a-f]{32})")
_RUN_TAGS = ("run_id", "det.run_id", "rec.run_id")
_VERSIONS_TAG = "mlflow.modelVersions"


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A version of a registered model; `new` is false where the model was registered there already."""

    name: str
    version: str
    alias: str
    model_id: str
    new: bool

    @property
    def uri(self) -> str:
        """The address that `mlflow models serve -m` takes."""
        return f"models:/{self.name}@{self.alias}" if self.alias else f"models:/{self.name}/{self.version}"


def register(client: Any, model_uri: str, target: str) -> Registered:
    """Make the logged model `model_uri` ("models:/m-...") a version of NAME, and move ALIAS to it.

    The version has the tags of the model (what `model_parts.tags_of` says). A model that NAME has already is not
    registered twice. Raises `ConfigError` for a name or model that cannot be, `TrackingError`.
    """
    wanted = parse_target(target)
    model = logged_model(client, model_uri)
    try:
        found = _version_of(client, wanted.name, model)
        version = found or _create(client, wanted.name, model)
        if wanted.alias:
            client.set_registered_model_alias(wanted.name, wanted.alias, version)
    except Exception as exc:
        raise TrackingError(
            f"{model_uri} cannot be registered as {wanted}: {first_line(exc)}",
            hint="Check the registry's permissions and MLFLOW_REGISTRY_URI; register it again with "
            f"`python -m ocr_train register {model.source_run_id or model_uri} --name {wanted}`.",
        ) from exc
    return Registered(
        name=wanted.name,
        version=version,
        alias=wanted.alias,
        model_id=model.model_id,
        new=not found,
    )


def logged_model(client: Any, model_uri: str) -> Any:
    """The logged model at "models:/m-..."; raises `ConfigError` where there is none, or one that is not whole."""
    from mlflow.exceptions import MlflowException

    match = _LOGGED.fullmatch(model_uri)
    if match is None:
        raise ConfigError(
            f"{model_uri!r} is not a logged model.",
            hint="Give models:/ and its id, as its MLflow page shows it.",
        )
    try:
        model = client.get_logged_model(match["id"])
    except MlflowException as exc:
        raise ConfigError(
            f"there is no logged model {model_uri}: {first_line(exc)}",
            hint="Copy the id from the MLflow page, and check that MLFLOW_TRACKING_URI names the same server.",
        ) from exc
    if str(getattr(model.status, "value", model.status)) != "READY":
        raise ConfigError(
            f"{model_uri} is not complete: its upload was not finished.",
            hint="Export and log the run's model again.",
        )
    return model


def _version_of(client: Any, name: str, model: Any) -> str:
    """The version of `name` that is this model; "" where there is none. Makes the name where it is new."""
    from mlflow.exceptions import MlflowException

    card = name_card(name, model.tags.get("task", ""))
    try:
        client.create_registered_model(name, description=card)
    except MlflowException as exc:
        if exc.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        _describe(client, name, card)
    found = [
        str(version.version)
        for version in client.search_model_versions(f"name = '{name}'")
        if version.source == f"models:/{model.model_id}"
    ]
    return max(found, key=int, default="")


def _describe(client: Any, name: str, card: str) -> None:
    """Describe a model that nobody has described."""
    # A nicety: some are not allowed to.
    with contextlib.suppress(Exception):
        if not client.get_registered_model(name).description:
            client.update_registered_model(name, card)


def _create(client: Any, name: str, model: Any) -> str:
    tags = {key: value for key, value in model.tags.items() if not key.startswith("mlflow.")}
    version = client.create_model_version(
        name,
        f"models:/{model.model_id}",
        run_id=model.source_run_id or None,
        tags=tags,
        model_id=model.model_id,
    )
    card = version_card(
        name, str(version.version), tags, experiment_id=str(getattr(model, "experiment_id", "") or "")
    )
    # It is registered all the same.
    with contextlib.suppress(Exception):
        client.update_model_version(name, version.version, redactor().text(card))
    # What mlflow.register_model notes, too: the model's page lists its versions from it.
    known = json.loads(model.tags.get(_VERSIONS_TAG, "[]"))
    client.set_logged_model_tags(
        model.model_id, {_VERSIONS_TAG: json.dumps([*known, {"name": name, "version": version.version}])}
    )
    return str(version.version)


def versions_of_run(client: Any, run_id: str, *, name: str = "") -> list[Any]:
    """The registered versions that rest on a run, also as one part of a pair; the newest last.

    Raises whatever MLflow raises.
    """
    found: dict[tuple[str, str], Any] = {}
    only = f"name = '{name}' and " if name else ""
    for asked in ("run_id", *(f"tags.`{tag}`" for tag in _RUN_TAGS)):
        for version in client.search_model_versions(f"{only}{asked} = '{run_id}'"):
            found[version.name, str(version.version)] = version
    return sorted(found.values(), key=lambda one: (one.creation_timestamp or 0, int(one.version)))


def find_version(client: Any, text: str, *, name: str = "") -> Any:
    """The version that a run id, models:/NAME/VERSION or models:/NAME@ALIAS stands for.

    Of a run it is the newest one. Raises `ConfigError` where there is none, or several names and no `name`.
    """
    if text.startswith("models:/"):
        return _addressed(client, text, name)
    run_id = text.removeprefix("runs:/").partition("/")[0]
    if not re.fullmatch(r"[0-9a-f]{32}", run_id):
        raise ConfigError(
            f"{text!r} is not a run id and not a version of a model.",
            hint="Give the id of a run, models:/NAME/VERSION or models:/NAME@ALIAS.",
        )
    if name:
        parse_target(name)
    try:
        found = versions_of_run(client, run_id, name=name)
    except Exception as exc:
        raise TrackingError(f"the registered models cannot be searched: {first_line(exc)}") from exc
    names = sorted({version.name for version in found})
    if not found:
        where = f" of {name!r}" if name else ""
        raise ConfigError(
            f"no version{where} is registered from run {run_id}.",
            hint=f"Register it first: python -m ocr_train register {run_id} --name {name or 'NAME'}@challenger",
        )
    if len(names) > 1:
        raise ConfigError(
            f"run {run_id} is registered under several names: {', '.join(names)}.",
            hint="Say which: --name NAME.",
        )
    return found[-1]


def _addressed(client: Any, text: str, name: str) -> Any:
    from mlflow.exceptions import MlflowException

    match = re.fullmatch(r"models:/([^@/]+)(?:@([^@/]+)|/(\d+))", text)
    if match is None or (name and match[1] != name):
        raise ConfigError(
            f"{text!r} does not name a version of {name or 'a registered model'}.",
            hint="Give models:/NAME/VERSION or models:/NAME@ALIAS.",
        )
    with contextlib.suppress(MlflowException):
        if match[2]:
            return client.get_model_version_by_alias(match[1], match[2])
        return client.get_model_version(match[1], match[3])
    raise ConfigError(f"there is no {text}.", hint="Look at the Models page of MLflow.")
