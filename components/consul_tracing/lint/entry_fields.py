"""Kinds, API versions and fields that Consul or Kubernetes does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.entries.custom_resources import API_VERSION, GROUP, camel_case
from consul_tracing.entry_structs import (
    ENTRY_STRUCTS,
    IDENTITY_FIELDS,
    KINDS,
    READ_ONLY_FIELDS,
    FreeForm,
    ListOf,
    MapOf,
    Scalar,
    Struct,
    target_of,
)
from consul_tracing.errors import format_value, mismatch, with_suggestion
from consul_tracing.files.finder import MISSING
from consul_tracing.names import TRACING_KEYS

from .findings import Issue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from consul_tracing.entry_structs import Shape
    from consul_tracing.files.document import Document
    from consul_tracing.names import FieldPath, JsonObject

OBJECT_KEYS = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})

INITIALISMS = {"jwt-provider": "JWTProvider", "http-route": "HTTPRoute", "tcp-route": "TCPRoute"}

OTHER_FIELDS = {
    "api-gateway": "Listeners",
    "control-plane-request-limit": "ACL AutoConfig Catalog ConfigEntry ConnectCA Coordinate DNS DataPlane "
    "DiscoveryChain FederationState Health Intention Internal KV Mode PeerStream Peering PreparedQuery ReadRate "
    "Resource ServerDiscovery Session Subscribe Tenancy Txn WriteRate",
    "exported-services": "Services",
    "file-system-certificate": "Certificate PrivateKey",
    "http-route": "Hostnames Parents Rules",
    "ingress-gateway": "Defaults Listeners TLS",
    "inline-certificate": "Certificate PrivateKey",
    "jwt-provider": "Audiences CacheConfig ClockSkewSeconds Forwarding Issuer JSONWebKeySet Locations",
    "mesh": "AllowEnablingPermissiveMutualTLS HTTP Peering TLS TransparentProxy ValidateClusters",
    "sameness-group": "DefaultForFailover IncludeLocal Members",
    "service-intentions": "JWT Sources",
    "service-resolver": "ConnectTimeout DefaultSubset Failover LoadBalancer PrioritizeByLocality Redirect "
    "RequestTimeout Subsets",
    "service-router": "Routes",
    "service-splitter": "Splits",
    "tcp-route": "Parents Services",
    "terminating-gateway": "Services",
}
"""The fields of the other kinds of entries. Source: `config_entry*.go` of Consul 1.22's package `api`."""

CUSTOM_RESOURCE_KINDS = frozenset(
    {
        *(INITIALISMS.get(kind, kind.title().replace("-", "")) for kind in KINDS),
        "GatewayClassConfig",
        "GatewayPolicy",
        "RateLimit",
        "RouteExtProc",
        "RouteTLSSDSFilter",
        "TrafficPermissions",
        "MeshService",
        "PeeringAcceptor",
        "PeeringDialer",
        "Registration",
        "RouteAuthFilter",
        "RouteRetryFilter",
        "RouteTimeoutFilter",
    }
)
"""The kinds of consul-k8s' group. Source: the CRDs of consul-k8s' Helm chart, 2026."""


def entry_field_issues(document: Document, config_keys: Collection[str]) -> Iterator[Issue]:
    """Yield what Consul refuses or Kubernetes removes. `config_keys`: keys of `Config`, in lower case."""
    yield from _kind_issues(document)
    for key in document.outer_keys.keys() - OBJECT_KEYS:
        yield Issue("CT352", (key,), "must be in spec; Kubernetes removes it here")
    for path in document.repeated:
        yield Issue("CT352", path, "must be one block, got several; Consul refuses the entry")
    struct = ENTRY_STRUCTS.get(document.kind) or _other_struct(document)
    if struct:
        yield from _unknown_fields(document, document.fields, struct, (), config_keys)


def _other_struct(document: Document) -> Struct | None:
    """Return the fields of an entry that this package does not write. The fields inside of them are not known."""
    names = OTHER_FIELDS.get(document.kind)
    if names is None or document.is_custom_resource:
        return None
    return Struct(dict.fromkeys([*names.split(), "Meta"], FreeForm()))


def _kind_issues(document: Document) -> Iterator[Issue]:
    kind = document.written_kind
    if not kind:
        return
    if not document.is_custom_resource:
        if kind not in KINDS:
            if kind == MISSING:
                yield Issue("CT351", ("Kind",), 'is required, such as "proxy-defaults"')
                return
            close = document.kind if document.kind in KINDS else kind
            yield Issue(
                "CT351", ("Kind",), _suggested(f"must be a kind of Consul, got {format_value(kind)}", close, KINDS)
            )
        return
    if document.api_version.startswith(f"{GROUP}/") and kind not in CUSTOM_RESOURCE_KINDS:
        close = next((one for one in CUSTOM_RESOURCE_KINDS if _letters(one) == _letters(document.kind)), kind)
        reason = _suggested(f"must be a kind of consul-k8s, got {format_value(kind)}", close, CUSTOM_RESOURCE_KINDS)
        yield Issue("CT351", ("kind",), reason)
    elif document.kind != "api-gateway" and document.api_version != API_VERSION:
        reason = f'must be "{API_VERSION}", got {format_value(document.api_version)}'
        yield Issue("CT351", ("apiVersion",), reason)


def _suggested(reason: str, name: str, allowed: Collection[str]) -> str:
    return with_suggestion(reason, name, sorted(allowed)).partition(" Allowed: ")[0].removesuffix(".")


def _letters(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


TRACING_LETTERS = frozenset(map(_letters, TRACING_KEYS))


def _unknown_fields(
    document: Document, value: object, shape: Shape, path: FieldPath, config_keys: Collection[str]
) -> Iterator[Issue]:
    match target_of(shape), value:
        case Struct(fields=known), dict():
            yield from _struct_issues(document, value, known, path, config_keys)
        case ((Scalar() as scalar), dict()):
            yield Issue("CT352", path, mismatch(scalar.value, value))
        case ((Struct() | MapOf()), str() | int() | float()):
            yield Issue("CT352", path, mismatch("a map", value))
        case MapOf(value=member_shape), dict():
            for name, member in value.items():
                yield from _unknown_fields(document, member, member_shape, (*path, name), config_keys)
        case ListOf(element=element), list():
            for index, member in enumerate(value):
                yield from _unknown_fields(document, member, element, (*path, str(index)), config_keys)


def _struct_issues(
    document: Document, fields: JsonObject, known: Mapping[str, Shape], path: FieldPath, config_keys: Collection[str]
) -> Iterator[Issue]:
    # A Consul that is newer than this package has further fields.
    is_known_to_consul = document.form == "api" and not document.is_custom_resource
    for name, member in fields.items():
        key = document.keys.get((*path, name))
        if key is not None and _is_other_field(document, name, member, path):
            continue
        field = name if name in known else _in_any_case(name, known)
        if field and (key is None or not document.is_custom_resource or key == camel_case(name)):
            yield from _unknown_fields(document, member, known[field], (*path, name), config_keys)
        elif key is not None and document.kind == "service-defaults" and _letters(key) in TRACING_LETTERS:
            yield Issue("CT331", (*path, key), "is not supported in service-defaults, only in Config of proxy-defaults")
        elif key is not None and not is_known_to_consul:
            yield Issue("CT352", (*path, key), _reason(document, key, known, path, config_keys))


def _in_any_case(name: str, known: Collection[str]) -> str:
    return next((one for one in known if one.lower() == name.lower()), "")


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
        return f"must be in {place}, one level deeper; {effect}"
    names = [*map(camel_case, known)] if document.is_custom_resource else known
    where = ".".join([document.kind, *path])
    reason = _suggested(f"is not a field of {where}", key, names)
    return f"{reason} {effect}" if reason.endswith("?") else f"{reason}; {effect}"
