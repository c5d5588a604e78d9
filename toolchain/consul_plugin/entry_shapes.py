"""The fields of config entries, as Consul's Go package `api` declares them (api/config_entry.go, v1.34.3).

The official plugin decodes `config_json` into these Go structs and writes the structs out again, so they decide what is
kept, what is filled in, and what counts as a change. A table, because it is their content that matters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Scalar(Enum):
    """A single value; each has the zero value that Go gives it."""

    TEXT = "string"
    INTEGER = "int"
    FLAG = "bool"
    DURATION = "time.Duration"

    @property
    def zero(self) -> str | int | bool:
        """Return what Go holds in a field that was never set."""
        match self:
            case Scalar.TEXT:
                return ""
            case Scalar.FLAG:
                return False
            case _:
                return 0


@dataclass(frozen=True)
class Anything:
    """JSON that nobody looks into, such as proxy-defaults' `Config`."""


@dataclass(frozen=True)
class ListOf:
    """A Go slice."""

    element: "Shape"


@dataclass(frozen=True)
class MapOf:
    """A Go map with text keys."""

    value: "Shape"


@dataclass(frozen=True)
class PointerTo:
    """A field that may be absent, which is another thing than empty: `{}` and nothing differ."""

    target: "Shape"


@dataclass(frozen=True)
class Record:
    """A Go struct."""

    fields: Mapping[str, "Shape"]
    always_written: frozenset[str] = field(default_factory=frozenset)
    """Fields that are written even when they are zero: those without `omitempty`."""


Shape = Scalar | Anything | ListOf | MapOf | PointerTo | Record

TEXT, INTEGER, FLAG, DURATION = Scalar.TEXT, Scalar.INTEGER, Scalar.FLAG, Scalar.DURATION
FREE_FORM = MapOf(Anything())
MAYBE_INTEGER = PointerTo(INTEGER)

TRANSPARENT_PROXY = Record({"OutboundListenerPort": INTEGER, "DialedDirectly": FLAG})
MESH_GATEWAY = Record({"Mode": TEXT})
EXPOSE_PATH = Record(
    {"ListenerPort": INTEGER, "Path": TEXT, "LocalPathPort": INTEGER, "Protocol": TEXT, "ParsedFromCheck": FLAG},
    always_written=frozenset({"ParsedFromCheck"}),
)
EXPOSE = Record({"Checks": FLAG, "Paths": ListOf(EXPOSE_PATH)})
ACCESS_LOGS = Record(
    {
        "Enabled": FLAG,
        "DisableListenerLogs": FLAG,
        "Type": TEXT,
        "Path": TEXT,
        "JSONFormat": TEXT,
        "TextFormat": TEXT,
    }
)
ENVOY_EXTENSION_FIELDS: Mapping[str, Shape] = {
    "Name": TEXT,
    "Required": FLAG,
    "Arguments": FREE_FORM,
    "ConsulVersion": TEXT,
    "EnvoyVersion": TEXT,
}
ENVOY_EXTENSION = Record(ENVOY_EXTENSION_FIELDS, always_written=frozenset(ENVOY_EXTENSION_FIELDS))
FAILOVER_POLICY = Record({"Mode": TEXT, "Regions": ListOf(TEXT)})
LOCALITY_PRIORITY = Record({"Mode": TEXT})

UPSTREAM_LIMITS_FIELDS: Mapping[str, Shape] = {
    "MaxConnections": MAYBE_INTEGER,
    "MaxPendingRequests": MAYBE_INTEGER,
    "MaxConcurrentRequests": MAYBE_INTEGER,
}
UPSTREAM_LIMITS = Record(UPSTREAM_LIMITS_FIELDS, always_written=frozenset(UPSTREAM_LIMITS_FIELDS))
PASSIVE_HEALTH_CHECK = Record(
    {
        "Interval": DURATION,
        "MaxFailures": INTEGER,
        "EnforcingConsecutive5xx": MAYBE_INTEGER,
        "EnforcingConsecutiveGatewayFailure": MAYBE_INTEGER,
        "Consecutive5xx": MAYBE_INTEGER,
        "ConsecutiveGatewayFailure": MAYBE_INTEGER,
        "MaxEjectionPercent": MAYBE_INTEGER,
        "BaseEjectionTime": PointerTo(DURATION),
    },
    always_written=frozenset({"MaxFailures"}),
)
UPSTREAM = Record(
    {
        "Name": TEXT,
        "Partition": TEXT,
        "Namespace": TEXT,
        "Peer": TEXT,
        "EnvoyListenerJSON": TEXT,
        "EnvoyClusterJSON": TEXT,
        "Protocol": TEXT,
        "ConnectTimeoutMs": INTEGER,
        "Limits": PointerTo(UPSTREAM_LIMITS),
        "PassiveHealthCheck": PointerTo(PASSIVE_HEALTH_CHECK),
        "MeshGateway": MESH_GATEWAY,
        "BalanceOutboundConnections": TEXT,
    }
)
UPSTREAM_CONFIG = Record({"Overrides": ListOf(PointerTo(UPSTREAM)), "Defaults": PointerTo(UPSTREAM)})
DESTINATION = Record({"Addresses": ListOf(TEXT), "Port": INTEGER})
ROUTE_RATE_LIMIT_FIELDS: Mapping[str, Shape] = {
    "PathExact": TEXT,
    "PathPrefix": TEXT,
    "PathRegex": TEXT,
    "RequestsPerSecond": INTEGER,
    "RequestsMaxBurst": INTEGER,
}
INSTANCE_RATE_LIMIT_FIELDS: Mapping[str, Shape] = {
    "RequestsPerSecond": INTEGER,
    "RequestsMaxBurst": INTEGER,
    "Routes": ListOf(Record(ROUTE_RATE_LIMIT_FIELDS, always_written=frozenset(ROUTE_RATE_LIMIT_FIELDS))),
}
RATE_LIMITS = Record(
    {"InstanceLevel": Record(INSTANCE_RATE_LIMIT_FIELDS, always_written=frozenset(INSTANCE_RATE_LIMIT_FIELDS))}
)

# Kind, Name, Namespace, Partition and the indexes are left out: they are told beside `config_json`, never within it.
PROXY_DEFAULTS = Record(
    {
        "Mode": TEXT,
        "TransparentProxy": PointerTo(TRANSPARENT_PROXY),
        "MutualTLSMode": TEXT,
        "Config": FREE_FORM,
        "MeshGateway": MESH_GATEWAY,
        "Expose": EXPOSE,
        "AccessLogs": PointerTo(ACCESS_LOGS),
        "EnvoyExtensions": ListOf(ENVOY_EXTENSION),
        "FailoverPolicy": PointerTo(FAILOVER_POLICY),
        "PrioritizeByLocality": PointerTo(LOCALITY_PRIORITY),
        "Meta": MapOf(TEXT),
    }
)
SERVICE_DEFAULTS = Record(
    {
        "Protocol": TEXT,
        "Mode": TEXT,
        "TransparentProxy": PointerTo(TRANSPARENT_PROXY),
        "MutualTLSMode": TEXT,
        "MeshGateway": MESH_GATEWAY,
        "Expose": EXPOSE,
        "ExternalSNI": TEXT,
        "UpstreamConfig": PointerTo(UPSTREAM_CONFIG),
        "Destination": PointerTo(DESTINATION),
        "MaxInboundConnections": INTEGER,
        "LocalConnectTimeoutMs": INTEGER,
        "LocalRequestTimeoutMs": INTEGER,
        "BalanceInboundConnections": TEXT,
        "RateLimits": PointerTo(RATE_LIMITS),
        "EnvoyExtensions": ListOf(ENVOY_EXTENSION),
        "MaxRequestHeadersKB": MAYBE_INTEGER,
        "Meta": MapOf(TEXT),
    }
)

ENTRY_SHAPES: Mapping[str, Record] = {"proxy-defaults": PROXY_DEFAULTS, "service-defaults": SERVICE_DEFAULTS}
"""The kinds that this stand-in knows."""

KINDS_OF_THE_OFFICIAL_PLUGIN = frozenset(
    {
        *ENTRY_SHAPES,
        "api-gateway",
        "control-plane-request-limit",
        "exported-services",
        "http-route",
        "ingress-gateway",
        "inline-certificate",
        "jwt-provider",
        "mesh",
        "sameness-group",
        "service-intentions",
        "service-resolver",
        "service-router",
        "service-splitter",
        "tcp-route",
        "terminating-gateway",
    }
)
"""The kinds for which a refusal must say that it is ours, not Consul's."""
