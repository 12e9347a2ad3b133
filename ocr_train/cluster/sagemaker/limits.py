"""Whether Amazon SageMaker will take a request, by botocore's own description of the API, and no network.

botocore itself checks names, types, what is required, and least lengths. Largest lengths, patterns and lists of values
stand in its description too, but it leaves them to the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

_MAX_RUN_S = 28 * 24 * 3600
"""Amazon SageMaker API Reference, `StoppingCondition.MaxRuntimeInSeconds`."""
_SHOWN = 80


def check_request(request: Mapping[str, Any]) -> list[str]:
    """Every reason why CreateTrainingJob would refuse `request`; nothing where it would take it."""
    from botocore.validate import ParamValidator

    shape = _shape()
    report = ParamValidator().validate(request, shape).generate_report()
    return [*report.splitlines(), *_beyond(request, shape, ""), *_together(request)]


@cache
def _shape() -> Any:
    """What CreateTrainingJob takes; reading the description takes a third of a second."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("sagemaker")
    return model.operation_model("CreateTrainingJob").input_shape


def _beyond(value: Any, shape: Any, place: str) -> Iterator[str]:
    """What botocore does not check, at `value` and in it. What has the wrong type is reported by botocore."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name, one in value.items():
            if name in shape.members:
                yield from _beyond(one, shape.members[name], f"{place}.{name}" if place else name)
    elif shape.type_name == "map" and isinstance(value, Mapping):
        yield from _too_many(len(value), shape, place, "entries")
        for name, one in value.items():
            yield from _beyond(name, shape.key, f"name {_short(name)!r} in {place}")
            yield from _beyond(one, shape.value, f"{place}.{_short(name)}")
    elif shape.type_name == "list" and isinstance(value, list):
        yield from _too_many(len(value), shape, place, "entries")
        for number, one in enumerate(value):
            yield from _beyond(one, shape.member, f"{place}[{number}]")
    elif shape.type_name == "string" and isinstance(value, str):
        yield from _text(value, shape, place)
    elif isinstance(value, int | float) and value > shape.metadata.get("max", value):
        yield f"{place}: {value} is more than {shape.metadata['max']}"


def _text(value: str, shape: Any, place: str) -> Iterator[str]:
    yield from _too_many(len(value), shape, place, "characters")
    if shape.enum and value not in shape.enum:
        yield f"{place}: {value!r} is not one that this version of botocore knows"
    pattern = shape.metadata.get("pattern", "")
    if pattern and not _matches(pattern, value):
        yield f"{place}: {_short(value)!r} does not have the form {pattern}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _too_many(length: int, shape: Any, place: str, what: str) -> Iterator[str]:
    most = shape.metadata.get("max")
    if most is not None and length > most:
        yield f"{place}: {length} {what}, and {most} are allowed"


def _matches(pattern: str, value: str) -> bool:
    # The API's patterns are Java's. Python has no classes of characters by property.
    for java, python in ((r"\p{L}\p{Z}\p{N}", r"\w\s"), (r"\p{Alnum}", "a-zA-Z0-9")):
        pattern = pattern.replace(java, python)
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        # A form that cannot be read here is left to the service.
        return True


def _together(request: Mapping[str, Any]) -> Iterator[str]:
    """What one part of the request forbids another."""
    stopping, resources = request.get("StoppingCondition", {}), request.get("ResourceConfig", {})
    spot = request.get("EnableManagedSpotTraining", False)
    run, wait = stopping.get("MaxRuntimeInSeconds", 0), stopping.get("MaxWaitTimeInSeconds")
    if run > _MAX_RUN_S:
        yield f"StoppingCondition.MaxRuntimeInSeconds: {run} is more than {_MAX_RUN_S} (28 days)"
    if wait is not None and not spot:
        yield "StoppingCondition.MaxWaitTimeInSeconds: only a spot job may have it"
    if spot and (wait is None or wait < run):
        yield (
            f"StoppingCondition.MaxWaitTimeInSeconds: {wait} is less than the {run} s of training: waiting "
            "for a spot instance comes on top of it"
        )
    if spot and resources.get("KeepAlivePeriodInSeconds"):
        yield "ResourceConfig.KeepAlivePeriodInSeconds: spot instances cannot be kept in a warm pool"
    if resources.get("InstanceCount", 1) < 1:
        yield f"ResourceConfig.InstanceCount: {resources['InstanceCount']} machines cannot train"
    names = [channel.get("ChannelName") for channel in request.get("InputDataConfig", ())]
    for name in sorted({str(one) for one in names if names.count(one) > 1}):
        yield f"InputDataConfig: the channel {name!r} is given twice"
    keys = [tag.get("Key") for tag in request.get("Tags", ())]
    for key in sorted({str(one) for one in keys if keys.count(one) > 1}):
        yield f"Tags: {key!r} is given twice"
