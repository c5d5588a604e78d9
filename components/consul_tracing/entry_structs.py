"""Consul's config entries: their kinds, and the fields of those that this package writes as Consul's Go structs.

Source: `config_entry.go` of Consul 1.22's package `api`. A provider decodes an entry into these structs: it ignores the
case of names, drops unknown fields and rejects values of another type.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

KINDS = frozenset(
    {
        "api-gateway",
        "bound-api-gateway",
        "control-plane-request-limit",
        "exported-services",
        "file-system-certificate",
        "http-route",
        "ingress-gateway",
        "inline-certificate",
        "jwt-provider",
        "mesh",
        "proxy-defaults",
        "sameness-group",
        "service-defaults",
        "service-intentions",
        "service-resolver",
        "service-router",
        "service-splitter",
        "tcp-route",
        "terminating-gateway",
    }
)
"""The kinds of config entries."""

DURATION_TEXT = re.compile(r"-?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+")
"""A duration as Go writes it."""


class Scalar(Enum):
    """A Go scalar. The value is its name in messages."""

    TEXT = "text"
    INTEGER = "a whole number"
    FLAG = "true or false"
    DURATION = 'a duration such as "10s"'

    @property
    def zero(self) -> str | int | bool:
        """Go's zero value, which `omitempty` omits."""
        match self:
            case Scalar.TEXT:
                return ""
            case Scalar.FLAG:
                return False
            case _:
                return 0

    def accepts(self, value: object) -> bool:
        """Return whether Consul accepts a JSON value for this scalar."""
        is_whole = isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
        match self:
            case Scalar.TEXT:
                return isinstance(value, str)
            case Scalar.FLAG:
                return isinstance(value, bool)
            case Scalar.DURATION:
                return is_whole or (isinstance(value, str) and bool(DURATION_TEXT.fullmatch(value)))
            case Scalar.INTEGER:
                return is_whole


@dataclass(frozen=True)
class FreeForm:
    """A Go `interface{}`: any JSON value."""


@dataclass(frozen=True)
class ListOf:
    """A Go slice."""

    element: "Shape"


@dataclass(frozen=True)
class MapOf:
    """A Go map with string keys."""

    value: "Shape"


@dataclass(frozen=True)
class PointerTo:
    """A Go pointer: an absent value and an empty one differ."""

    target: "Shape"


@dataclass(frozen=True)
class Struct:
    """A Go struct."""

    fields: Mapping[str, "Shape"]
    omits_empty: bool = True
    """Whether zero scalars, empty collections and null pointers are omitted from the JSON (`omitempty`)."""
    never_omitted: tuple[str, ...] = ()
    """Fields without `omitempty` in a struct that otherwise omits empty fields."""


Shape = Scalar | FreeForm | ListOf | MapOf | PointerTo | Struct

TEXT, INTEGER, FLAG, DURATION = Scalar.TEXT, Scalar.INTEGER, Scalar.FLAG, Scalar.DURATION
OBJECT, OPTIONAL_INTEGER = MapOf(FreeForm()), PointerTo(INTEGER)


def struct(
    shared: Mapping[str, Shape] | None = None,
    /,
    *,
    omits_empty: bool = True,
    never_omitted: tuple[str, ...] = (),
    **fields: Shape,
) -> Struct:
    """Declare a struct with one keyword argument per field, in addition to shared fields."""
    return Struct({**(shared or {}), **fields}, omits_empty, never_omitted)


TRANSPARENT_PROXY = PointerTo(struct(OutboundListenerPort=INTEGER, DialedDirectly=FLAG))
MESH_GATEWAY = struct(Mode=TEXT)
EXPOSE_PATH = struct(
    ListenerPort=INTEGER,
    Path=TEXT,
    LocalPathPort=INTEGER,
    Protocol=TEXT,
    ParsedFromCheck=FLAG,
    never_omitted=("ParsedFromCheck",),
)
ENVOY_EXTENSION = struct(
    Name=TEXT, Required=FLAG, Arguments=OBJECT, ConsulVersion=TEXT, EnvoyVersion=TEXT, omits_empty=False
)
ACCESS_LOGS = struct(Enabled=FLAG, DisableListenerLogs=FLAG, Type=TEXT, Path=TEXT, JSONFormat=TEXT, TextFormat=TEXT)
UPSTREAM_LIMITS = struct(
    MaxConnections=OPTIONAL_INTEGER,
    MaxPendingRequests=OPTIONAL_INTEGER,
    MaxConcurrentRequests=OPTIONAL_INTEGER,
    omits_empty=False,
)
PASSIVE_HEALTH_CHECK = struct(
    Interval=DURATION,
    MaxFailures=INTEGER,
    EnforcingConsecutive5xx=OPTIONAL_INTEGER,
    MaxEjectionPercent=OPTIONAL_INTEGER,
    BaseEjectionTime=PointerTo(DURATION),
    never_omitted=("MaxFailures",),
)
UPSTREAM = PointerTo(
    struct(
        Name=TEXT,
        Partition=TEXT,
        Namespace=TEXT,
        Peer=TEXT,
        EnvoyListenerJSON=TEXT,
        EnvoyClusterJSON=TEXT,
        Protocol=TEXT,
        ConnectTimeoutMs=INTEGER,
        Limits=PointerTo(UPSTREAM_LIMITS),
        PassiveHealthCheck=PointerTo(PASSIVE_HEALTH_CHECK),
        MeshGateway=MESH_GATEWAY,
        BalanceOutboundConnections=TEXT,
    )
)
ROUTE_RATE_LIMITS = struct(
    PathExact=TEXT,
    PathPrefix=TEXT,
    PathRegex=TEXT,
    RequestsPerSecond=INTEGER,
    RequestsMaxBurst=INTEGER,
    omits_empty=False,
)
RATE_LIMITS = struct(
    RequestsPerSecond=INTEGER, RequestsMaxBurst=INTEGER, Routes=ListOf(ROUTE_RATE_LIMITS), omits_empty=False
)

SHARED_FIELDS: Mapping[str, Shape] = {
    "Mode": TEXT,
    "TransparentProxy": TRANSPARENT_PROXY,
    "MutualTLSMode": TEXT,
    "MeshGateway": MESH_GATEWAY,
    "Expose": struct(Checks=FLAG, Paths=ListOf(EXPOSE_PATH)),
    "EnvoyExtensions": ListOf(ENVOY_EXTENSION),
    "Meta": MapOf(TEXT),
}

SERVER_FILLED: Mapping[str, tuple[str, ...]] = {
    "proxy-defaults": ("AccessLogs", "Expose", "MeshGateway", "TransparentProxy"),
    "service-defaults": ("Expose", "MeshGateway", "TransparentProxy"),
}
"""Fields that Consul adds to an entry. An omitted one would be a change in every preview."""

GATEWAY_MODE = ("MeshGateway", "Mode")
INHERITED = ("UpstreamConfig", "Defaults", *GATEWAY_MODE)
"""A field that Consul adds to a `service-defaults` in the memory of a server, when a sidecar uses the entry.

The value is GATEWAY_MODE of the entry, or of `proxy-defaults`, at this time (run on Consul 1.22.7).
"""

# Without IDENTITY_FIELDS and READ_ONLY_FIELDS.
ENTRY_STRUCTS: Mapping[str, Struct] = {
    "proxy-defaults": struct(
        SHARED_FIELDS,
        Config=OBJECT,
        AccessLogs=PointerTo(ACCESS_LOGS),
        FailoverPolicy=PointerTo(struct(Mode=TEXT, Regions=ListOf(TEXT))),
        PrioritizeByLocality=PointerTo(struct(Mode=TEXT)),
    ),
    "service-defaults": struct(
        SHARED_FIELDS,
        Protocol=TEXT,
        ExternalSNI=TEXT,
        UpstreamConfig=PointerTo(struct(Overrides=ListOf(UPSTREAM), Defaults=UPSTREAM)),
        Destination=PointerTo(struct(Addresses=ListOf(TEXT), Port=INTEGER)),
        MaxInboundConnections=INTEGER,
        LocalConnectTimeoutMs=INTEGER,
        LocalRequestTimeoutMs=INTEGER,
        MaxRequestHeadersKB=OPTIONAL_INTEGER,
        BalanceInboundConnections=TEXT,
        RateLimits=PointerTo(struct(InstanceLevel=RATE_LIMITS)),
    ),
}
"""The fields of the entries that this package writes, by their kind."""

DROPPED_BY_PROVIDER: Mapping[str, tuple[str, ...]] = {"service-defaults": ("MaxRequestHeadersKB",)}
"""Fields that Pulumi's Consul provider 3.15 neither reads nor writes, by kind: its Consul client is older.

A look-up returns the entry without them, and each write removes them from the entry.
"""


def target_of(shape: Shape) -> Shape:
    """Return the shape of the value of a field, without its pointer."""
    return shape.target if isinstance(shape, PointerTo) else shape


def _struct_paths(struct: Struct, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, shape in struct.fields.items():
        if isinstance(inner := target_of(shape), Struct):
            yield (*above, name)
            yield from _struct_paths(inner, (*above, name))


STRUCTS = frozenset({("Config",), ("Meta",), *(path for one in ENTRY_STRUCTS.values() for path in _struct_paths(one))})
"""The fields whose members may have different owners. A list, such as `UpstreamConfig.Overrides`, has one owner."""


def _names(shape: Shape) -> Iterator[str]:
    match target_of(shape):
        case Struct(fields=fields):
            for name, inner in fields.items():
                yield name
                yield from _names(inner)
        case ListOf(element=element):
            yield from _names(element)


SCOPE = ("Namespace", "Partition")
"""The fields with the place of an entry in Consul Enterprise."""

IDENTITY_FIELDS = ("Kind", "Name", *SCOPE)
"""The fields that identify an entry, which every kind has."""

READ_ONLY_FIELDS = ("CreateIndex", "ModifyIndex", "Hash", "Status")
"""The fields that Consul returns and that cannot be written."""

FREE_FORM = frozenset({"Config", "Meta", "Arguments"})
"""Fields with keys of any name, which are not converted."""

GO_NAMES = {
    name.lower(): name
    for name in (
        *(name for one in ENTRY_STRUCTS.values() for name in _names(one)),
        *IDENTITY_FIELDS,
        *READ_ONLY_FIELDS,
    )
}
"""Go names by their letters in lower case."""

INITIALISMS = {part: part.upper() for part in ("dns", "http", "json", "sni", "tls", "kb", "id", "url", "jwt", "tcp")}
"""Parts of Go names in upper case."""


def go_name(name: str) -> str:
    """Return the Go name of a field in any case, which Consul accepts: `MeshGateway` for `mesh_gateway`."""
    if known := GO_NAMES.get(name.replace("_", "").lower()):
        return known
    return "".join(INITIALISMS.get(part, part[:1].upper() + part[1:]) for part in name.split("_"))
