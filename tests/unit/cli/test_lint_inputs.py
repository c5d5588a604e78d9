"""Inputs as people write them, each with the verdict of the command line: mistakes and correct files."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import consul_tracing

TRACE = "type.googleapis.com/envoy.config.trace.v3."
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def tracer(kind: str = "Zipkin", **fields: Any) -> str:
    zipkin = {
        "collector_cluster": "zipkin",
        "collector_endpoint": "/api/v2/spans",
        "collector_endpoint_version": "HTTP_JSON",
        "trace_id_128bit": True,
    }
    config = {"@type": f"{TRACE}{kind}Config", **(zipkin if kind == "Zipkin" else {}), **fields}
    return json.dumps({"http": {"name": f"envoy.tracers.{kind.lower()}", "typed_config": config}})


def cluster(host: str = "zipkin.example", port: int = 9411, **fields: Any) -> str:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}
    assignment = {"cluster_name": "zipkin", "endpoints": [{"lb_endpoints": [endpoint]}]}
    return json.dumps({"name": "zipkin", "type": "STRICT_DNS", "load_assignment": assignment, **fields})


def listener(**rates: Any) -> str:
    given = {f"{name}_sampling": {"value": 100} for name in ("client", "random", "overall")}
    return json.dumps({"@type": f"{MANAGER}.Tracing", **given, **rates})


CONFIG = {
    "envoy_tracing_json": tracer(),
    "envoy_extra_static_clusters_json": cluster(),
    "envoy_listener_tracing_json": listener(),
}


def config(**keys: str) -> dict[str, str]:
    return {**CONFIG, **{f"envoy_{name}_json": value for name, value in keys.items()}}


def heredocs(keys: dict[str, str]) -> str:
    return "\n".join(f"{key} = <<EOF\n{text}\nEOF" for key, text in keys.items())


def block(**keys: str) -> str:
    return f'Kind = "proxy-defaults"\nName = "global"\nConfig {{\n{heredocs(config(**keys))}\n}}\n'


def entry(fields: dict[str, Any] | None = None, **keys: str) -> str:
    return json.dumps(
        {"Kind": "proxy-defaults", "Name": "global", "Config": config(**keys), **(fields or {})}, indent=2
    )


def manifest(name: str = "global", **keys: str) -> str:
    lines = [f"    {key}: |\n      {text}\n" for key, text in config(**keys).items()]
    head = f"apiVersion: consul.hashicorp.com/v1alpha1\nkind: ProxyDefaults\nmetadata: {{name: {name}}}\n"
    return f"{head}spec:\n  config:\n{''.join(lines)}"


def terraform(**keys: str) -> str:
    members = "\n".join(f"{key} = jsonencode({text})" for key, text in config(**keys).items())
    text = f"config_json = jsonencode({{\n Config = {{\n{members}\n}}\n}})"
    return f'resource "consul_config_entry" "mesh" {{\nkind = "proxy-defaults"\nname = "global"\n{text}\n}}\n'


def nomad(**keys: str) -> str:
    sidecar = f"connect {{\nsidecar_service {{\nproxy {{\nconfig {{\n{heredocs(config(**keys))}\n}}\n}}\n}}\n}}"
    return f'job "web" {{\ngroup "web" {{\nservice {{\nname = "web"\n{sidecar}\n}}\n}}\n}}\n'


def service(**keys: str) -> str:
    return f'service {{\nname = "web"\nproxy {{\nconfig {{\n{heredocs(config(**keys))}\n}}\n}}\n}}\n'


def server(**keys: str) -> str:
    return f"server = true\nconfig_entries {{\nbootstrap = [\n{{\n{block(**keys)}}}\n]\n}}\n"


def defaults(protocol: str, **fields: Any) -> str:
    return json.dumps({"Kind": "service-defaults", "Name": "web", "Protocol": protocol, **fields})


SAMPLERS = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3."
GRPC = {"envoy_grpc": {"cluster_name": "zipkin"}}
RATIO = {
    "name": "ratio",
    "typed_config": {
        "@type": f"{SAMPLERS}TraceIdRatioBasedSamplerConfig",
        "sampling_percentage": {"numerator": 5},
    },
}
SAMPLER = {
    "name": "parent",
    "typed_config": {
        "@type": f"{SAMPLERS}ParentBasedSamplerConfig",
        "wrapped_sampler": RATIO,
    },
}
OTLP = tracer("OpenTelemetry", grpc_service=GRPC, service_name="mesh", sampler=SAMPLER)
OTLP_HTTP = tracer(
    "OpenTelemetry",
    http_service={"http_uri": {"uri": "http://otel/v1/traces", "cluster": "zipkin", "timeout": "1s"}},
    service_name="mesh",
    sampler=SAMPLER,
)
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
TLS = {
    "name": "tls",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": "zipkin.example",
        "common_tls_context": {
            "validation_context": {
                "trusted_ca": {"filename": "/etc/ssl/ca.pem"},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "zipkin.example"}}],
            }
        },
    },
}
DATADOG = tracer("Datadog", collector_cluster="zipkin", service_name="mesh")
V2 = '{"http": {"name": "envoy.zipkin", "config": {"collector_cluster": "zipkin"}}}'
GATEWAY = 'Kind = "ingress-gateway"\nName = "edge"\nListeners = [{\nPort = 8080\nProtocol = "http"\n}]\n'

MISTAKES: list[tuple[str, dict[str, str], list[str]]] = [
    ("v1 path", {"mesh.hcl": block(tracing=tracer(collector_endpoint="/api/v1/spans"))}, ["CT314"]),
    ("64-bit ids", {"mesh.yaml": manifest(tracing=tracer(trace_id_128bit=False))}, ["CT315"]),
    ("unknown cluster", {"web.nomad": nomad(tracing=tracer(collector_cluster="zipkn"))}, ["CT310"]),
    ("loopback", {"web.hcl": service(extra_static_clusters=cluster("127.0.0.1"))}, ["CT317"]),
    ("host name in STATIC", {"server.hcl": server(extra_static_clusters=cluster(type="STATIC"))}, ["CT312"]),
    ("name", {"mesh.yml": manifest("web")}, ["CT324"]),
    ("no rates", {"mesh.json": entry(listener_tracing="")}, ["CT320"]),
    ("rate of 0", {"mesh.tf": terraform(listener_tracing=listener(random_sampling={"value": 0}))}, ["CT321"]),
    ("fraction", {"mesh.hcl": block(listener_tracing=listener(random_sampling={"numerator": 1}))}, ["CT318"]),
    ("HTTP/1.1", {"m.json": entry(tracing=OTLP, extra_static_clusters=cluster("otel.example", 4317))}, ["CT313"]),
    ("v2 API", {"mesh.yaml": manifest(tracing=V2)}, ["CT306", "CT307", "CT308", "CT308", "CT315"]),
    ("brackets", {"mesh.hcl": block(extra_static_clusters=f"[{cluster()}]")}, ["CT309"]),
    ("comma", {"mesh.json": entry(extra_static_clusters=f"{cluster()},")}, ["CT303"]),
    ("misspelt key", {"mesh.json": entry().replace("envoy_tracing_json", "envoy_tracing_jsn")}, ["CT325", "CT334"]),
    ("port", {"mesh.tofu": terraform(extra_static_clusters=cluster(port=4317))}, ["CT340"]),
    ("protocol", {"web.json": defaults("htpp")}, ["CT332"]),
    ("keys per service", {"web.json": defaults("http", Config=CONFIG)}, ["CT331"]),
    ("no end", {"mesh.HCL": block().replace('"global"', '"global')}, ["CT336"]),
    ("gateway", {"mesh.hcl": block(), "edge.hcl": GATEWAY}, ["CT329"]),
    ("two writers", {"a.hcl": block(), "b.json": entry(extra_static_clusters=cluster("b.example"))}, ["CT327"]),
    ("password", {"mesh.hcl": block(extra_static_clusters=cluster("http://user:word@zipkin"))}, ["CT312", "CT326"]),
]

CORRECT: dict[str, dict[str, str]] = {
    "HCL": {"mesh.hcl": block()},
    "JSON": {"mesh.json": entry()},
    "YAML": {"mesh.yaml": manifest()},
    "Terraform": {"mesh.tf": terraform()},
    "OpenTofu": {"mesh.tofu": terraform()},
    "Nomad": {"web.nomad": nomad()},
    "registration": {"web.hcl": service()},
    "server": {"server.hcl": server()},
    "registration that inherits": {"mesh.hcl": block(), "web.hcl": service()},
    "two forms of one entry": {"mesh.hcl": block(), "mesh.json": entry()},
    "two layouts of one entry": {
        "mesh.json": entry(),
        "m.json": entry(tracing=json.dumps(json.loads(tracer()), indent=8)),
    },
    "two cases of one protocol": {"web.json": defaults("http"), "w.json": defaults("HTTP")},
    "environments": {"dev/m.hcl": block(), "prod/m.hcl": block(extra_static_clusters=cluster("p.example"))},
    "base and overlay": {"base/web.json": defaults("http"), "overlays/prod/web.json": defaults("grpc")},
    "OTLP over gRPC": {
        "mesh.hcl": block(
            tracing=OTLP,
            extra_static_clusters=cluster("otel.example", 4317, typed_extension_protocol_options=HTTP2),
        )
    },
    "OTLP over HTTP": {"m.yaml": manifest(tracing=OTLP_HTTP, extra_static_clusters=cluster("otel.example", 4318))},
    "Datadog": {"mesh.json": entry(tracing=DATADOG, extra_static_clusters=cluster("dd.example", 8126))},
    "TLS": {"mesh.hcl": block(extra_static_clusters=cluster(port=443, transport_socket=TLS))},
    "IPv6": {"mesh.hcl": block(extra_static_clusters=cluster("fd00::1", type="STATIC"))},
    "camelCase": {"mesh.hcl": block(tracing=tracer().replace("typed_config", "typedConfig"))},
    "accepted": {
        "mesh.hcl": "# consul-tracing: ignore=CT317 beside every proxy\n" + block(extra_static_clusters=cluster("::1")),
    },
    "other programs": {
        "mesh.hcl": block(),
        "node_modules/a/mesh.json": entry(listener_tracing=""),
        ".terraform/modules/b/mesh.tf": terraform(listener_tracing=""),
    },
}


def write(directory: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return str(directory)


def test_there_are_at_least_20_of_each() -> None:
    assert min(len(MISTAKES), len(CORRECT)) >= 20


@pytest.mark.parametrize(("files", "expected"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_mistake_is_found(files: dict[str, str], expected: list[str], tmp_path: Path) -> None:
    shown = consul_tracing("lint", write(tmp_path, files), "--format", "json")
    assert (sorted(one["code"] for one in json.loads(shown.stdout)["findings"]), shown.exit_code) == (expected, 1)


@pytest.mark.parametrize("files", CORRECT.values(), ids=CORRECT)
def test_correct_files_pass(files: dict[str, str], tmp_path: Path) -> None:
    shown = consul_tracing("lint", write(tmp_path, files))
    assert (shown.stdout.partition("Checked")[0], shown.exit_code) in {
        ("No findings. ", 0),
        ("No findings, 1 ignored. ", 0),
    }
