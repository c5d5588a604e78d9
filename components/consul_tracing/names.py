"""Constants and types that every layer shares: the names of Consul's and this package's keys."""

from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]
"""A JSON object as Python data."""

FieldPath = tuple[str, ...]
"""The path of a field in an entry: `("MeshGateway", "Mode")`, `("Config", CLUSTERS_KEY, "statsd")`."""

COLLECTOR_CLUSTER = "tracing_collector"
"""The Envoy cluster of the collector. It never changes: running proxies reject a new name until they restart."""


class Unresolved(str):
    """The type of UNRESOLVED, which inputs of every type accept."""

    __slots__ = ()


UNRESOLVED = Unresolved("unresolved.invalid")
"""Value of an input in a preview that does not know it yet. A host of RFC 2606. It is never written."""

HTTP_PROTOCOLS = frozenset({"http", "http2", "grpc"})
"""The protocols whose requests Envoy parses and traces."""

RESOURCE_ATTRIBUTE_SEPARATORS = frozenset(",=")
"""Characters that a value in OTEL_RESOURCE_ATTRIBUTES cannot contain: Envoy does not decode escapes."""

EnvoyRelease = tuple[int, int]
"""Major and minor version of Envoy."""


def release_text(release: tuple[int, ...]) -> str:
    """Return a version as users write it."""
    return ".".join(map(str, release))


SAMPLER_ENVOY: EnvoyRelease = (1, 35)
"""The first Envoy whose OpenTelemetry tracer has samplers. Older ones do not start with a sampler."""

LISTENER_DECISION_ENVOY: EnvoyRelease = (1, 39)
"""The first Envoy whose OpenTelemetry tracer samples a request only if the listener samples it too, also if the caller
has sampled it (envoyproxy/envoy#45830). A rate in the listener then breaks traces."""

SPAN_ID_ENVOY: EnvoyRelease = (1, 38)
"""The first Envoy with `%SPAN_ID%` in access logs. Older ones do not start with it."""

TEMPLATE = "*"
"""The name under which outputs have the template for services of other stacks."""

SAMPLING_RATES = ("client", "random", "overall")
"""The sampling rates of `sampling`. Envoy appends `_sampling` to each name."""

TRACER_KEY = "envoy_tracing_json"
LISTENER_KEY = "envoy_listener_tracing_json"
CLUSTERS_KEY = "envoy_extra_static_clusters_json"

TRACING_KEYS: Mapping[str, str] = {
    TRACER_KEY: "tracer",
    LISTENER_KEY: "sampling, spans and tags",
    CLUSTERS_KEY: "collector and static_clusters",
}
"""The keys of proxy-defaults' `Config` that this package writes, each with the inputs that set it."""

MANAGED_BY_KEY = "managed-by"
OWNER_KEY = "pulumi-stack"
FIELDS_KEY = "consul-tracing-keys"
RESOURCE_KEY = "consul-tracing-resource"
EXTERNAL_SOURCE_KEY = "external-source"
"""The keys of `Meta` that name the owner of an entry. consul-k8s writes the last one."""

ANNOTATIONS_PREFIX = "consul-tracing/"
"""Prefix of the annotations that hold ownership metadata. On Kubernetes `Meta` belongs to consul-k8s."""

PROXY_CONFIG_MAP = "consul.hashicorp.com/proxy-config-map"
"""Annotation of a pod with the keys that consul-k8s writes to the registration of its proxy, as a JSON object."""

MIGRATE_ANNOTATION = "consul.hashicorp.com/migrate-entry"
"""Annotation with which consul-k8s migrates an identical entry that was written through Consul's HTTP API."""

MANAGED_ANNOTATIONS = (
    ANNOTATIONS_PREFIX,
    "pulumi.com/",
    MIGRATE_ANNOTATION,
    "kubectl.kubernetes.io/last-applied-configuration",
)
"""Prefixes of the annotations that inputs cannot set and that are never preserved: those of this package, Pulumi and
consul-k8s, and the copy of the object that kubectl keeps."""

STANDARD_INPUT = "-"
"""The name of the standard input as a file."""
