"""Config dumps in the format of Envoy 1.37."""

from typing import Any

TRACER = {
    "name": "envoy.tracers.zipkin",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
        "collector_cluster": "tracing_collector",
        "collector_endpoint": "/api/v2/spans",
        "collector_endpoint_version": "HTTP_JSON",
    },
}
ADDRESS = {"endpoint": {"address": {"socket_address": {"address": "zipkin", "port_value": 9411}}}}
COLLECTOR = {"name": "tracing_collector", "load_assignment": {"endpoints": [{"lb_endpoints": [ADDRESS]}]}}
NETWORK = "type.googleapis.com/envoy.extensions.filters.network"
MANAGER = f"{NETWORK}.http_connection_manager.v3.HttpConnectionManager"
TCP = {"@type": f"{NETWORK}.tcp_proxy.v3.TcpProxy"}
SAMPLE_ALL = {"random_sampling": {"value": 100}}


def listener(name: str, port: int, *filters: Any, direction: str = "INBOUND") -> dict[str, Any]:
    chain = {"filters": [{"name": "a filter", "typed_config": one} for one in filters]}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    content = {"name": name, "address": address, "filter_chains": [chain], "traffic_direction": direction}
    return {"name": name, "active_state": {"listener": content}}


def http(tracing: Any) -> dict[str, Any]:
    return {"@type": MANAGER, "tracing": tracing}


def dump(*listeners: Any, service: str = "web", tracer: Any = TRACER, clusters: int = 0, **boot: Any) -> Any:
    """Return the sections of a dump. `clusters`: number of clusters from Consul."""
    bootstrap = {
        "node": {"cluster": service},
        "static_resources": {"clusters": [{"name": "local_agent"}, COLLECTOR]},
        **({"tracing": {"http": tracer}} if tracer else {}),
        **boot,
    }
    admin = "type.googleapis.com/envoy.admin.v3."
    dynamic = [{"cluster": {"name": f"service-{number}"}} for number in range(clusters)]
    return [
        {"@type": f"{admin}BootstrapConfigDump", "bootstrap": bootstrap, "last_updated": "2026-01-01T00:00:00.123Z"},
        {"@type": f"{admin}ClustersConfigDump", "dynamic_active_clusters": dynamic},
        {"@type": f"{admin}ListenersConfigDump", "dynamic_listeners": list(listeners)},
    ]
