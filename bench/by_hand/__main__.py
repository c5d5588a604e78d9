"""`bench:services` HTTP services, traced without the component."""

import json

import pulumi
import pulumi_consul

TYPE = "type.googleapis.com"
HOST = "zipkin.observability.svc.cluster.local"
CLUSTER = "tracing_collector"

services = pulumi.Config("bench").require_int("services")

tracer = {
    "http": {
        "name": "envoy.tracers.zipkin",
        "typed_config": {
            "@type": f"{TYPE}/envoy.config.trace.v3.ZipkinConfig",
            "collector_cluster": CLUSTER,
            "collector_endpoint": "/api/v2/spans",
            "collector_endpoint_version": "HTTP_JSON",
            "collector_hostname": HOST,
            "shared_span_context": False,
            "trace_id_128bit": True,
        },
    }
}
address = {"socket_address": {"address": HOST, "port_value": 9411}}
cluster = {
    "name": CLUSTER,
    "type": "STRICT_DNS",
    "connect_timeout": "3.000s",
    "dns_lookup_family": "V4_PREFERRED",
    "load_assignment": {
        "cluster_name": CLUSTER,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
    },
}
listener = {
    "@type": f"{TYPE}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing",
    "client_sampling": {"value": 100},
    "random_sampling": {"value": 1},
    "overall_sampling": {"value": 100},
}

pulumi_consul.ConfigEntry(
    "proxy-defaults",
    kind="proxy-defaults",
    name="global",
    config_json=json.dumps(
        {
            "AccessLogs": {},
            "Config": {
                "envoy_tracing_json": json.dumps(tracer),
                "envoy_extra_static_clusters_json": json.dumps(cluster),
                "envoy_listener_tracing_json": json.dumps(listener),
            },
            "Expose": {},
            "MeshGateway": {},
            "TransparentProxy": {},
        }
    ),
)

for number in range(services):
    pulumi_consul.ConfigEntry(
        f"service-{number:04}",
        kind="service-defaults",
        name=f"service-{number:04}",
        config_json=json.dumps({"Protocol": "http", "Expose": {}, "MeshGateway": {}, "TransparentProxy": {}}),
    )
