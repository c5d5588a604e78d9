"""The plugin for programs in other languages, over gRPC."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from pulumi.runtime import rpc

import consul_tracing
from consul_tracing.entries.bodies import proxy_defaults, service_defaults
from consul_tracing.entries.registrations import proxy_annotations
from consul_tracing.inputs.args import MeshTracingArgs
from consul_tracing.inputs.mesh_settings import MeshSettings
from tests.unit.plugin_process import OUTPUT, SECRET, Plugin, running_plugin
from tests.unit.zipkin_collectors import EVERYTHING as COLLECTOR

MESH: dict[str, Any] = {
    "target": "consul",
    "enabled": True,
    "collector": {
        "host": "collector.example.com",
        "port": 4317,
        "connect_timeout_ms": 1000,
        "auth": {"header": "x-api-key", "file": "/etc/consul-tracing/token"},
        "tls": {
            "ca_file": "/tls/ca.pem",
            "server_name": "c",
            "certificate_file": "/tls/c.pem",
            "key_file": "/tls/k.pem",
        },
    },
    "tracer": {
        "opentelemetry": {
            "transport": "grpc",
            "service_name": "mesh",
            "resource_attributes": {"deployment.environment.name": "prod", "service_name_x": "y"},
            "headers": {"x-scope-orgid": "shop"},
            "max_cache_size": 2048,
            "retry_seconds": 60,
        }
    },
    "sampling": {"client": 100, "random": 0.5, "overall": 100},
    "spans": {"max_path_tag_length": 100, "spawn_upstream_span": True, "verbose": True},
    "gateways": "join",
    "tags": {
        "fixed_tag": {"literal": "x"},
        "header": {"request_header": "x-tenant", "default": "none"},
        "variable": {"environment": "REGION"},
        "caller": {"caller": "service"},
    },
    "access_logs": {"trace_id": True},
    "services": {
        "web-front": {
            "protocol": "http",
            "service_defaults": {"LocalRequestTimeoutMs": 5000, "ExternalSNI": "a"},
            "tracing": {"enabled": True, "sampling": 5, "service_name": "front"},
        },
        "pay_ments": {"protocol": "grpc", "name": "payments", "namespace": "shop", "partition": "eu"},
    },
    "default_protocol": "http",
    "tcp_services": ["db"],
    "static_clusters": [{"name": "other", "type": "STRICT_DNS", "connectTimeout": "1s"}],
    "proxy_config": {
        "envoy_prometheus_bind_addr": "0.0.0.0:9102",
        "local_connect_timeout_ms": 7000,
        "tcpServices": 1.5,
    },
    "proxy_defaults": {"AccessLogs": {"Type": "stderr"}},
    "existing": "refuse",
    "accept_broken_traces": True,
    "owner": "platform",
    "renamed_from": "acme/mesh/old",
    "release": False,
    "namespace": "consul",
    "metadata": {"labels": {"team_name": "a"}, "annotations": {"x.y/z": "b"}},
    "sync_timeout_seconds": 60,
    "migrate_entries": False,
    "partition": "eu",
    "envoy_version": "1.36",
}
"""Every input of `MeshTracing`, with keys of free-form maps that look like inputs."""

FREE_FORM = {
    *("resource_attributes", "headers", "service_defaults", "static_clusters", "proxy_config", "proxy_defaults"),
    *("labels", "annotations", "environment", "node_selector", "tolerations", "affinity", "pod_labels"),
    "service_account_annotations",
}
NAMED = {"tags", "services", "environment_secrets"}
MINIMAL: dict[str, Any] = {"collector": {"host": "zipkin"}}


def camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def in_camel_case(value: Any, *, named: bool = False) -> Any:
    """Return the arguments as programs in other languages write them."""
    if isinstance(value, list):
        return [in_camel_case(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key if named else camel(key): one if key in FREE_FORM and not named else in_camel_case(one, named=key in NAMED)
        for key, one in value.items()
    }


@pytest.fixture(scope="module")
def plugin() -> Iterator[Plugin]:
    with running_plugin() as running:
        yield running


def rejection(plugin: Plugin, component: str, inputs: dict[str, Any], *, preview: bool = False) -> str:
    """Return the message of a rejection, after which nothing may be registered."""
    with pytest.raises(grpc.RpcError) as error:
        plugin.construct(component, inputs, preview=preview)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert plugin.monitor.registered.keys() <= {"mesh"}
    message: str = error.value.details()
    assert "Traceback" not in message
    assert "File " not in message
    assert message.startswith("consul-tracing: CT1")
    return message


def test_schema(plugin: Plugin, golden: Callable[[str, Any], None]) -> None:
    golden("schema", plugin.schema())


def test_schema_has_all_outputs_and_describes_everything_with_its_own_names(plugin: Plugin) -> None:
    schema = plugin.schema()
    components = {name.rpartition(":")[2]: one for name, one in schema["resources"].items()}
    groups = [one["properties"] for one in schema["types"].values()]
    groups += [one[kind] for one in components.values() for kind in ("inputProperties", "properties")]
    assert [name for group in groups for name, one in group.items() if not one.get("description")] == []
    outputs = {name: set(one["properties"]) for name, one in components.items()}
    assert {"bootstrapHash", "collectorUrl", "gatewayEnvoyArgs", "proxyAnnotations", "proxyEnvironment"} <= outputs[
        "MeshTracing"
    ]
    assert not re.search(r"\b(connect_timeout_ms|tcp_services|service_name)\b", json.dumps(schema))


@pytest.mark.parametrize("preview", [False, True])
def test_every_input_of_a_mesh_is_written_as_from_python(plugin: Plugin, *, preview: bool) -> None:
    assert MESH.keys() == MeshTracingArgs.__annotations__.keys() - {"zipkin_collector"}
    outputs = plugin.construct("MeshTracing", in_camel_case(MESH), preview=preview)
    settings = MeshSettings.of("mesh", MESH)  # type: ignore[arg-type]
    written = plugin.monitor.entry("mesh-proxy-defaults")
    assert {**proxy_defaults(settings).body, "Meta": written["Meta"]}.items() <= written.items()
    assert written["Meta"]["pulumi-stack"] == "platform"
    for key, entry in service_defaults(settings).items():
        assert plugin.monitor.entry(f"mesh-service-{key}")["Protocol"] == entry.body["Protocol"]
    timeout = plugin.monitor.registered["mesh-service-web-front"]["configJson"]
    assert '"LocalRequestTimeoutMs":5000,' in timeout
    if not preview:
        assert outputs["services"] == ["db", "payments", "web-front"]
        assert outputs["proxyEnvironment"]["payments"] == {"OTEL_RESOURCE_ATTRIBUTES": "service.name=payments"}
        assert outputs["proxyAnnotations"] == proxy_annotations(settings)
        assert len(outputs["bootstrapHash"]) >= 8


def test_every_input_of_a_collector_is_accepted(plugin: Plugin) -> None:
    inputs = in_camel_case({**COLLECTOR, "replicas": None})
    outputs = plugin.construct("ZipkinCollector", inputs)
    assert outputs["host"] == "traces.tracing.svc.prod.example.com"
    pod = plugin.monitor.registered["mesh-deployment"]["spec"]["template"]["spec"]
    assert pod["affinity"] == COLLECTOR["scheduling"]["affinity"]
    assert pod["nodeSelector"] == {"pool": "observability"}


def test_services_of_a_team_are_written(plugin: Plugin) -> None:
    outputs = plugin.construct("ServiceProtocols", {"services": {"web": {"protocol": "http"}}})
    assert outputs == {"services": ["web"], "warnings": []}
    assert plugin.monitor.entry("mesh-service-web")["Protocol"] == "http"


@pytest.mark.parametrize("unknown", [OUTPUT, rpc.UNKNOWN], ids=["output", "sentinel"])
def test_unknown_host_is_accepted_in_a_preview(plugin: Plugin, unknown: object) -> None:
    inputs = {"collector": {"host": unknown, "port": 9411.0}, "services": {"web": {"protocol": "http"}}}
    plugin.construct("MeshTracing", inputs, preview=True)
    assert plugin.monitor.registered["mesh-proxy-defaults"]["configJson"] == rpc.UNKNOWN
    assert plugin.monitor.entry("mesh-service-web")["Protocol"] == "http"


def test_output_as_host_is_written(plugin: Plugin) -> None:
    plugin.construct("MeshTracing", {"collector": {"host": {**OUTPUT, "value": "late.example.com"}}})
    config = plugin.monitor.entry("mesh-proxy-defaults")["Config"]
    assert "late.example.com" in config["envoy_extra_static_clusters_json"]


@pytest.mark.parametrize(
    "collector",
    [
        {"host": {**OUTPUT, "value": "hush", "secret": True}},
        {"host": {**SECRET, "value": "hush"}},
        {**SECRET, "value": {"host": "hush"}},
    ],
    ids=["output", "nested", "whole"],
)
def test_secret_host_is_rejected_without_being_shown(plugin: Plugin, collector: object) -> None:
    message = rejection(plugin, "MeshTracing", {"collector": collector})
    assert "must be a plain value, got a secret" in message
    assert "hush" not in message


def test_invalid_output_is_rejected(plugin: Plugin) -> None:
    message = rejection(plugin, "MeshTracing", {"collector": {"host": {**OUTPUT, "value": "http://zipkin:9411"}}})
    assert 'CT101: 1 input of "mesh" is invalid\n  collector.host: must be a host name or IP address' in message


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (
            {"collector": {"host": "zipkin", "connectTimeoutMs": 0.5}},
            "collector.connectTimeoutMs: must be a whole number",
        ),
        ({"collector": {"host": "zipkin", "connectTimeoutMS": 5}}, 'did you mean "connectTimeoutMs"?'),
        (
            {"collector": {"host": "zipkin", "connect_timeout_ms": 5}},
            "collector.connectTimeoutMs: must be written in camelCase",
        ),
        ({"collector": {"host": "zipkin", "serviceName": "x"}}, "collector.serviceName: is not an input of collector"),
        ({"collector": {"port": 9411}}, "collector.host: is required"),
        ({"collector": "zipkin"}, "collector: must be a map"),
        ({**MINIMAL, "sampling": OUTPUT}, "sampling: must be known in the preview"),
        ({**MINIMAL, "sampling": {"random": OUTPUT}}, "sampling.random: must be known in the preview"),
        ({**MINIMAL, "services": rpc.UNKNOWN}, "services: must be known in the preview"),
        ({**MINIMAL, "staticClusters": OUTPUT}, "staticClusters: must be known in the preview"),
        ({**MINIMAL, "staticClusters": [{"name": OUTPUT, "type": "STATIK"}]}, "staticClusters.0.type: "),
        (
            {**MINIMAL, "proxyConfig": {"x": {**SECRET, "value": "hush"}}},
            "proxyConfig: must be a plain value, got a sec",
        ),
        ({**MINIMAL, "services": {"web": {"protocol": "HTTP"}}}, "services.web.protocol: must be one of tcp, http"),
        ({**MINIMAL, "services": {"web": {}}}, "services.web.protocol: is required"),
        ({**MINIMAL, "services": {"web": "http"}}, "services.web: must be a map"),
        ({**MINIMAL, "target": 1, "enabled": "yes"}, "2 inputs"),
    ],
)
@pytest.mark.parametrize("preview", [False, True])
def test_invalid_input_is_rejected_with_the_names_of_the_schema(
    plugin: Plugin, inputs: dict[str, Any], reason: str, *, preview: bool
) -> None:
    message = rejection(plugin, "MeshTracing", inputs, preview=preview)
    assert reason in message
    assert "hush" not in message


def test_plugin_serves_after_a_rejection(plugin: Plugin) -> None:
    rejection(plugin, "MeshTracing", {})
    rejection(plugin, "ServiceProtocols", {})
    rejection(plugin, "ZipkinCollector", {"replicas": 2.0})
    plugin.construct("MeshTracing", MINIMAL)


def test_plugin_hosts_the_components_of_the_package(plugin: Plugin) -> None:
    hosted = {name.rpartition(":")[2] for name in plugin.schema()["resources"]}
    assert hosted == {name for name in consul_tracing.__all__ if f"{name}Args" in consul_tracing.__all__}
