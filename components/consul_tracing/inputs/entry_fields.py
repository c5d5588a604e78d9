"""Passthrough fields: further fields that the inputs add to the entries."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import AfterValidator

from consul_tracing.entry_structs import ENTRY_STRUCTS, FreeForm, ListOf, MapOf, Scalar, Struct, target_of
from consul_tracing.envoy_messages.json_values import json_objects
from consul_tracing.errors import Problem, format_value, mismatch, with_suggestion
from consul_tracing.names import (
    EXTERNAL_SOURCE_KEY,
    MANAGED_BY_KEY,
    OWNER_KEY,
    TRACING_KEYS,
    JsonObject,
)

from .static_clusters import static_cluster_problems
from .tracers import listener_problems, upstream_listeners
from .types import Json
from .validation import invalid_members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from consul_tracing.entry_structs import Shape

Value = TypeVar("Value")

RESERVED_PROXY_DEFAULTS_FIELDS: Mapping[str, str] = {
    "Config": "is managed by proxy_config",
    "Kind": "is managed by consul-tracing",
    "Name": "is managed by consul-tracing",
    "Namespace": "is not supported: proxy-defaults has no namespace",
    "Partition": "is managed by partition",
    "Protocol": "is managed by default_protocol",
}
"""The fields of proxy-defaults that other inputs set."""

RESERVED_SERVICE_DEFAULTS_FIELDS: Mapping[str, str] = {
    "Kind": "is managed by consul-tracing",
    "Name": "is managed by services.<key>.name",
    "Namespace": "is managed by services.<key>.namespace",
    "Partition": "is managed by services.<key>.partition",
    "Protocol": "is managed by services.<key>.protocol",
}
"""The fields of service-defaults that other inputs set."""

OWNERSHIP_KEYS = frozenset({MANAGED_BY_KEY, OWNER_KEY, EXTERNAL_SOURCE_KEY})
OWNERSHIP_KEY_PREFIX = "consul-tracing-"
"""The keys of `Meta` that hold ownership metadata."""


def entry_problems(fields: JsonObject, *, kind: str, reserved: Mapping[str, str]) -> Iterator[Problem]:
    """Return the problems of further fields of an entry."""
    allowed = {name: shape for name, shape in ENTRY_STRUCTS[kind].fields.items() if name not in reserved}
    yield from (Problem(name, reserved[name]) for name in fields if name in reserved)
    further = {name: value for name, value in fields.items() if name not in reserved}
    yield from field_problems(further, allowed, kind, ())
    for path, text in upstream_listeners(fields):
        yield from listener_problems(json_objects(text), ".".join(path))
    for key in fields["Meta"] if isinstance(fields.get("Meta"), dict) else ():
        if key in OWNERSHIP_KEYS or key.startswith(OWNERSHIP_KEY_PREFIX):
            yield Problem(f"Meta.{key}", "is managed by consul-tracing (ownership metadata). Use another key")


def field_problems(
    fields: JsonObject, shapes: Mapping[str, Shape], owner: str, above: tuple[str, ...]
) -> Iterator[Problem]:
    """Return the problems of the fields of a struct. Names must have Consul's case.

    Consul ignores the case and drops unknown fields. A name in another case could neither be changed nor removed later.
    """
    for name, value in fields.items():
        path = (*above, name)
        if name in shapes:
            yield from value_problems(value, shapes[name], path)
        else:
            yield Problem(".".join(path), with_suggestion(f"is not a field of {owner}", name, sorted(shapes)))


def value_problems(value: object, shape: Shape, path: tuple[str, ...]) -> Iterator[Problem]:
    """Return the problems of the value of a field. None is an unset field."""
    match target_of(shape), value:
        case (_, None) | (FreeForm(), _):
            return
        case Struct(fields=shapes), dict():
            yield from field_problems(value, shapes, ".".join(step for step in path if not step.isdecimal()), path)
        case MapOf(value=member), dict():
            for key, one in value.items():
                yield from value_problems(one, member, (*path, key))
        case ListOf(element=element), list():
            for index, one in enumerate(value):
                yield from value_problems(one, element, (*path, str(index)))
        case target, _:
            if not (isinstance(target, Scalar) and target.accepts(value)):
                expected = target.value if isinstance(target, Scalar) else EXPECTED[type(target)]
                yield Problem(".".join(path), mismatch(expected, value))


EXPECTED = {Struct: "a map", MapOf: "a map", ListOf: "a list"}
"""The values of fields that are not scalars, as messages name them."""


def proxy_config_problems(config: JsonObject) -> Iterator[Problem]:
    """Return the problems of further keys of `Config`. Consul ignores the case of its keys."""
    for key, value in config.items():
        lower = key.lower()
        if lower in TRACING_KEYS:
            yield Problem(key, f"is managed by {TRACING_KEYS[lower]}")
        elif lower == "protocol":
            yield Problem(key, "is managed by default_protocol")
        elif lower.startswith("envoy_") and lower.endswith("_json"):
            objects = json_objects(value)
            if objects is None:
                reason = f"must be text with one JSON object, or several separated by commas; got {_kind(value)}"
                yield Problem(key, reason)
            yield from listener_problems(objects, key)


def _kind(value: object) -> str:
    if not isinstance(value, str):
        return format_value(value)
    try:
        return "JSON that is escaped twice" if isinstance(json.loads(value), str) else "other JSON"
    except (ValueError, RecursionError):
        return "invalid JSON"


def without_problems(check: Callable[[Value], Iterable[Problem]]) -> AfterValidator:
    """Return a validator that rejects a value with problems."""

    def validate(value: Value) -> Value:
        if found := list(check(value)):
            raise invalid_members(found)
        return value

    return AfterValidator(validate)


ProxyConfig = Annotated[Json, without_problems(proxy_config_problems)]
ProxyDefaultsFields = Annotated[
    Json,
    without_problems(partial(entry_problems, kind="proxy-defaults", reserved=RESERVED_PROXY_DEFAULTS_FIELDS)),
]
ServiceDefaultsFields = Annotated[
    Json,
    without_problems(partial(entry_problems, kind="service-defaults", reserved=RESERVED_SERVICE_DEFAULTS_FIELDS)),
]
StaticClusters = Annotated[list[Json], without_problems(static_cluster_problems)]
