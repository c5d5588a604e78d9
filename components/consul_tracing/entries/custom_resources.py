"""Entries as custom resources of consul-k8s: names, and conversion in both directions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from consul_tracing.entry_structs import ENTRY_STRUCTS, FREE_FORM, STRUCTS, go_name
from consul_tracing.names import ANNOTATIONS_PREFIX

from .dependants import RELYING_KINDS
from .entry import Entry
from .metadata import is_ownership_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.names import FieldPath, JsonObject

GROUP = "consul.hashicorp.com"
API_VERSION = f"{GROUP}/v1alpha1"

KINDS = {kind: kind.title().replace("-", "") for kind in (*ENTRY_STRUCTS, *RELYING_KINDS)}
"""The kinds of the custom resources that this package reads or writes, by the kind of the entry."""

PLURALS = {kind: name.lower().removesuffix("s") + "s" for kind, name in KINDS.items()}
"""The kinds in URLs of the Kubernetes API, by the kind of the entry."""

METADATA_PREFIX = "consul-tracing-"
"""Prefix of keys of ownership metadata, which annotations have as ANNOTATIONS_PREFIX."""


def title(entry: Entry) -> str:
    """Return the name of an object in messages: `ProxyDefaults consul/global`."""
    return f"{KINDS[entry.kind]} {entry.namespace}/{entry.name}"


def annotation(key: str) -> str:
    """Return the annotation that holds a key of ownership metadata."""
    return f"{ANNOTATIONS_PREFIX}{key.removeprefix(METADATA_PREFIX)}"


def annotations_of(live: JsonObject) -> dict[str, str]:
    """Return the annotations of a live object."""
    return live.get("metadata", {}).get("annotations") or {}


def _ownership_metadata(live: JsonObject) -> Iterator[tuple[str, str]]:
    for name, value in annotations_of(live).items():
        if name.startswith(ANNOTATIONS_PREFIX):
            mark = name.removeprefix(ANNOTATIONS_PREFIX)
            keys = [key for key in (mark, f"{METADATA_PREFIX}{mark}") if is_ownership_metadata(("Meta", key))]
            yield from ((key, value) for key in keys)


def camel_case(name: str) -> str:
    """Convert a Go name to the custom resource's name: `MeshGateway` to `meshGateway`, `JSONFormat` to `jsonFormat`."""
    return re.sub(r"^[A-Z]+(?=[A-Z][a-z])|^[A-Z]+", lambda start: start[0].lower(), name)


def spec_fields(body: JsonObject) -> JsonObject:
    """Return the fields of a body as a `spec` has them: in camelCase, except the keys of free-form fields."""
    return {camel_case(name): _camel_cased(value, name) for name, value in body.items()}


def _camel_cased(value: Any, field: str) -> Any:  # noqa: ANN401 - JSON
    match value:
        case dict() if field not in FREE_FORM:
            return spec_fields(value)
        case list() if field not in FREE_FORM:
            return [_camel_cased(member, "") for member in value]
        case _:
            return value


def body(live: JsonObject) -> JsonObject:
    """Return the entry of a live object: Go names, and the ownership metadata as `Meta`."""
    return {**_go_named(live.get("spec") or {}, ()), "Meta": dict(_ownership_metadata(live))}


def _go_named(fields: JsonObject, above: FieldPath) -> JsonObject:
    named = {}
    for name, value in fields.items():
        path = (*above, go_name(name))
        inner = path in STRUCTS and path != ("Config",) and isinstance(value, dict)
        named[path[-1]] = _go_named(value, path) if inner else value
    return named


def in_kubernetes(entry: JsonObject, schema: JsonObject) -> JsonObject:
    """Return the body that the object of an entry in Consul would have. `schema`: the schema of the object's `spec`."""
    return body({"spec": _known(spec_fields(entry), schema), "metadata": {}})


def _known(value: Any, schema: JsonObject) -> Any:  # noqa: ANN401 - JSON
    match value:
        case dict() if "x-kubernetes-preserve-unknown-fields" not in schema:
            fields = schema.get("properties", {})
            known = {name: one for name, one in value.items() if name in fields and one is not None}
            return {name: _known(one, fields[name]) for name, one in known.items()}
        case list():
            return [_known(one, schema.get("items", {})) for one in value]
        case int() if schema.get("type") == "string":
            # A duration, which Pulumi's Consul provider returns in nanoseconds.
            return f"{value}ns"
        case _:
            return value


def in_consul(kind: str, live: JsonObject) -> Entry:
    """Return the entry that consul-k8s writes for an object of any kind."""
    body: JsonObject = _all_go_named(live.get("spec") or {})
    # The name of an object with intentions is free.
    return Entry(kind, (body.get("Destination") or {}).get("Name") or live["metadata"]["name"], body)


def _all_go_named(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Convert all names in a value of `spec` to Go names, also keys of any name, which may contain underscores."""
    match value:
        case dict():
            return {name if "_" in name else go_name(name): _all_go_named(one) for name, one in value.items()}
        case list():
            return [_all_go_named(member) for member in value]
        case _:
            return value
