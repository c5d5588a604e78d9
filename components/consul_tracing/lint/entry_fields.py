"""Kinds, API versions and fields that Consul or Kubernetes does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.entries.custom_resources import API_VERSION, GROUP, camel_case
from consul_tracing.entry_structs import (
    ENTRY_STRUCTS,
    IDENTITY_FIELDS,
    KINDS,
    READ_ONLY_FIELDS,
    ListOf,
    Struct,
    target_of,
)
from consul_tracing.errors import format_value, with_suggestion
from consul_tracing.names import TRACING_KEYS

from .findings import Issue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from consul_tracing.entry_structs import Shape
    from consul_tracing.files.document import Document
    from consul_tracing.names import FieldPath

OBJECT_KEYS = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})

INITIALISMS = {"jwt-provider": "JWTProvider", "http-route": "HTTPRoute", "tcp-route": "TCPRoute"}

CUSTOM_RESOURCE_KINDS = frozenset(
    {
        *(INITIALISMS.get(kind, kind.title().replace("-", "")) for kind in KINDS),
        "GatewayClassConfig",
        "GatewayPolicy",
        "MeshService",
        "PeeringAcceptor",
        "PeeringDialer",
        "Registration",
        "RouteAuthFilter",
        "RouteRetryFilter",
        "RouteTimeoutFilter",
    }
)
"""The kinds of consul-k8s' group. Source: `api/v1alpha1` of consul-k8s 1.8."""


def entry_field_issues(document: Document, config_keys: Collection[str]) -> Iterator[Issue]:
    """Yield what Consul refuses or Kubernetes removes. `config_keys`: keys of `Config`, in lower case."""
    yield from _kind_issues(document)
    for key in document.outer_keys.keys() - OBJECT_KEYS:
        yield Issue("CT352", (key,), f"must be in spec, got {format_value(key)} beside it; Kubernetes removes it")
    struct = ENTRY_STRUCTS.get(document.kind)
    if struct:
        yield from _unknown_fields(document, document.fields, struct, (), config_keys)


def _kind_issues(document: Document) -> Iterator[Issue]:
    kind = document.written_kind
    if not kind:
        return
    if not document.is_custom_resource:
        if kind not in KINDS:
            close = document.kind if document.kind in KINDS else kind
            yield Issue("CT351", ("Kind",), _suggested(f"{format_value(kind)} is not a kind of Consul", close, KINDS))
        return
    if document.api_version.startswith(f"{GROUP}/") and kind not in CUSTOM_RESOURCE_KINDS:
        close = next((one for one in CUSTOM_RESOURCE_KINDS if _letters(one) == _letters(document.kind)), kind)
        reason = _suggested(f"{format_value(kind)} is not a kind of consul-k8s", close, CUSTOM_RESOURCE_KINDS)
        yield Issue("CT351", ("kind",), reason)
    elif document.kind != "api-gateway" and document.api_version != API_VERSION:
        reason = f'must be "{API_VERSION}", got {format_value(document.api_version)}'
        yield Issue("CT351", ("apiVersion",), reason)


def _suggested(reason: str, name: str, allowed: Collection[str]) -> str:
    return with_suggestion(reason, name, sorted(allowed)).partition(" Allowed: ")[0].removesuffix(".")


def _letters(kind: str) -> str:
    return kind.replace("-", "").lower()


def _unknown_fields(
    document: Document, value: object, shape: Shape, path: FieldPath, config_keys: Collection[str]
) -> Iterator[Issue]:
    match target_of(shape), value:
        case Struct(fields=known), dict():
            for name, member in value.items():
                key = document.keys.get((*path, name))
                if key is not None and _is_other_field(document, name, member, path):
                    continue
                if name in known and (key is None or not document.is_custom_resource or key == camel_case(name)):
                    yield from _unknown_fields(document, member, known[name], (*path, name), config_keys)
                elif key is not None:
                    yield Issue("CT352", (*path, key), _reason(document, key, known, path, config_keys))
        case ListOf(element=element), list():
            for index, member in enumerate(value):
                yield from _unknown_fields(document, member, element, (*path, str(index)), config_keys)


def _is_other_field(document: Document, name: str, value: object, path: FieldPath) -> bool:
    """Return whether a field identifies the entry, or has a finding of its own: service-defaults has no `Config`."""
    if path:
        return False
    config = [key.lower() for key in value] if name == "Config" and isinstance(value, dict) else []
    # The reader sets the namespace and the ownership metadata of a custom resource.
    own = {"Namespace", "Meta"} if document.is_custom_resource else {*IDENTITY_FIELDS, *READ_ONLY_FIELDS}
    return name in own or not TRACING_KEYS.keys().isdisjoint(config)


def _reason(document: Document, key: str, known: Collection[str], path: FieldPath, config_keys: Collection[str]) -> str:
    effect = "Kubernetes removes it" if document.is_custom_resource else "Consul refuses the entry"
    place = "spec.config" if document.is_custom_resource else "Config"
    if document.kind == "proxy-defaults" and not path and key.lower() in config_keys:
        return f"must be in {place}, got {format_value(key)} one level too high; {effect}"
    names = [*map(camel_case, known)] if document.is_custom_resource else known
    where = ".".join([document.kind, *path])
    return _suggested(f"{format_value(key)} is not a field of {where}", key, names) + f"; {effect}"
