"""Settings from config entries: `consul-tracing import`."""

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consul_tracing.cli.importing.recovery import Recovered, recover
from consul_tracing.cli.render.rendering import as_json, as_yaml, entries_of_consul, entry_fields
from consul_tracing.entries.bodies import tracing_config
from consul_tracing.entries.registrations import proxy_config
from consul_tracing.errors import CommandError
from consul_tracing.files.documents import read_documents
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.inputs.proxies import proxies_of
from consul_tracing.lint.meaning import meaning_differences, mesh_meaning, service_meaning
from consul_tracing.lint.proxy_config import entry_objects
from consul_tracing.names import TRACER_KEY
from tests.unit.meshes import JSON, MESHES, settings

GOLDEN = Path(__file__).parents[2] / "golden"
TRACING = (
    *("collector", "tracer", "sampling", "spans", "gateways", "tags", "access_logs"),
    *("static_clusters", "proxy_config"),
)


def recovered(text: str, file: str = "-") -> Recovered:
    return recover(read_documents(dedent(text), file))


def from_settings(mesh: MeshSettings) -> Recovered:
    return recovered("\n".join(as_json(entry) for entry in entries_of_consul(mesh)))


def entry(
    tracer: dict[str, Any] | None = None,
    cluster: dict[str, Any] | None = None,
    listener: dict[str, Any] | None = None,
    **fields: Any,
) -> str:
    """Return proxy-defaults with the Zipkin tracer and the cluster `zipkin`, updated with fields."""
    message = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
        "collector_cluster": "zipkin",
        "collector_endpoint": "/api/v2/spans",
        "collector_endpoint_version": "HTTP_JSON",
        "collector_hostname": "zipkin.service.consul",
        "shared_span_context": False,
        "trace_id_128bit": True,
        **(tracer or {}),
    }
    address = {"socket_address": {"address": "zipkin.service.consul", "port_value": 9411}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    clusters = {
        "name": "zipkin",
        "type": "STRICT_DNS",
        "connect_timeout": "3s",
        "dns_lookup_family": "V4_ONLY",
        "load_assignment": {"cluster_name": "zipkin", "endpoints": endpoints},
        **(cluster or {}),
    }
    config = {
        "envoy_tracing_json": json.dumps({"http": {"name": "envoy.tracers.zipkin", "typed_config": message}}),
        "envoy_extra_static_clusters_json": json.dumps(clusters),
        **({} if listener is None else {"envoy_listener_tracing_json": json.dumps(listener)}),
        **fields.pop("Config", {}),
    }
    return json.dumps({"Kind": "proxy-defaults", "Name": "global", "Config": config, **fields})


def service(uri: str, headers: dict[str, str]) -> dict[str, Any]:
    """Return a `collector_service` of the Zipkin tracer."""
    added = [{"header": {"key": name, "value": value}} for name, value in headers.items()]
    return {"http_uri": {"uri": uri, "cluster": "zipkin", "timeout": "1s"}, "request_headers_to_add": added}


COLLECTOR = {"host": "zipkin.service.consul"}
BASE = {"collector": COLLECTOR, "sampling": {"random": 0}, "existing": "adopt"}

DOCUMENTATION = Path(__file__).with_name("consul_documentation.hcl").read_text()
"""The sample of Consul's documentation of distributed tracing."""


def test_sample_of_consuls_documentation_is_read_without_a_loss() -> None:
    assert recovered(DOCUMENTATION) == Recovered(
        {
            "collector": {"host": "zipkin.service.consul", "port": 9412},
            "tracer": {"zipkin": {"trace_id_128bit": False, "hostname": "collector_cluster_name"}},
            "sampling": {"random": 0},
            "existing": "adopt",
        },
        [],
    )


@given(MESHES)
@example({"collector": {"host": "zipkin"}, "sampling": {"client": 64.99999999999986, "random": 0.29}})
@example(
    {
        "collector": {"host": "h"},
        "tracer": {"opentelemetry": {"max_cache_size": 5}},
        "envoy_version": "1.40",
        "access_logs": {"trace_id": True},
    }
)
def test_rendered_entries_give_the_same_settings(args: dict[str, Any]) -> None:
    mesh = settings(**args)
    inputs, losses = from_settings(mesh)
    if not mesh.enabled:
        assert ["the entry has no tracer" in loss for loss in losses] == [True]
        return
    again = MeshSettings.of("mesh", inputs)  # type: ignore[arg-type]
    assert losses == []
    for name in TRACING:
        assert normal(getattr(again, name)) == normal(getattr(mesh, name)), name
    old, new = ({one.title: one.body for one in entries_of_consul(one)} for one in (mesh, again))
    assert old.keys() == new.keys()
    assert from_settings(again) == (inputs, losses)


def normal(value: Any) -> Any:
    """Return settings as plain data, without the default port and in the order of names."""
    if isinstance(value, list):
        return sorted(value, key=lambda cluster: str(cluster["name"]))
    if not hasattr(value, "model_dump"):
        return value
    plain = value.model_dump(exclude_none=True)
    if plain.get("port") in {9411, 4317, 4318, 8126}:
        del plain["port"]
    host = plain.get("host")
    if "tls" in plain and plain["tls"].get("server_name") in {host, str(host).rstrip(".")}:
        del plain["tls"]["server_name"]
    return plain


@pytest.mark.parametrize("file", ["consul-documentation", "dev", "prod", "staging"])
def test_golden_entries_are_read_without_a_loss(file: str) -> None:
    texts = []
    for title, fields in json.loads((GOLDEN / f"{file}.json").read_text()).items():
        kind, _, name = title.partition("/")
        kind, _, namespace = kind.partition(" ")
        if kind not in {"proxy-defaults", "service-defaults", "ProxyDefaults", "ServiceDefaults"}:
            continue
        for config in (fields.get("Config", {}), fields.get("config", {})):
            config |= {key: json.dumps(value)[1:-1] for key, value in config.items() if key.endswith("_json")}
        resource = {"kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": fields}
        plain = {"Kind": kind, "Name": name, **fields}
        texts.append(json.dumps({"apiVersion": "consul.hashicorp.com/v1alpha1", **resource} if namespace else plain))
    inputs, losses = recovered("\n".join(texts))
    assert losses == []
    assert MeshSettings.of("mesh", inputs).enabled  # type: ignore[arg-type]
    assert "Meta" not in inputs.get("proxy_defaults", {})


def test_manifests_are_read_back() -> None:
    args: dict[str, Any] = {
        "target": "kubernetes",
        "namespace": "mesh",
        "sampling": {"random": 5.5},
        "services": {"web": {"protocol": "http"}, "api": {"protocol": "grpc", "namespace": "shop"}},
        "proxy_defaults": {"AccessLogs": {"Enabled": True, "JSONFormat": "{}"}},
        "existing": "adopt",
    }
    assert recovered(as_yaml(settings(**args))) == ({"collector": {"host": "zipkin"}, **args}, [])


@pytest.mark.parametrize(
    ("tracer", "expected"),
    [
        ({}, {}),
        ({"shared_span_context": True}, {"shared_span_context": True}),
        ({"shared_span_context": None}, {"shared_span_context": True}),
        ({"trace_id_128bit": None, "traceId128bit": False}, {"trace_id_128bit": False}),
        ({"trace_id_128bit": None}, {"trace_id_128bit": False}),
        ({"collector_endpoint": "/v2"}, {"path": "/v2"}),
        ({"collector_endpoint_version": "HTTP_PROTO"}, {"encoding": "protobuf"}),
        ({"collector_hostname": None}, {"hostname": "zipkin"}),
        ({"collector_hostname": "a:1"}, {"hostname": "a:1"}),
        (
            {"collector_service": service("http://a:1/v2", {"X-A": "b"})},
            {"path": "/v2", "hostname": "a:1", "headers": {"x-a": "b"}},
        ),
        ({"collector_service": service("http://zipkin.service.consul/api/v2/spans", {})}, {}),
    ],
)
def test_fields_of_the_tracer_are_recovered(tracer: dict[str, Any], expected: dict[str, Any]) -> None:
    inputs, losses = recovered(entry(tracer))
    assert losses == []
    assert inputs.get("tracer", {"zipkin": {}}) == {"zipkin": expected}


@pytest.mark.parametrize(
    ("listener", "expected"),
    [
        (None, {"sampling": {"random": 0}}),
        ({}, {"sampling": {"random": 100}}),
        ({"random_sampling": {}}, {"sampling": {"random": 0}}),
        ({"randomSampling": {"value": 1.0}, "verbose": True}, {"spans": {"verbose": True}}),
        (
            {
                "randomSampling": {"value": 1},
                "customTags": [{"tag": "a", "requestHeader": {"name": "X-A", "defaultValue": ""}}],
            },
            {"tags": {"a": {"request_header": "x-a"}}},
        ),
    ],
)
def test_fields_of_the_listener_are_recovered(listener: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    assert recovered(entry(listener=listener)) == ({"collector": COLLECTOR, **expected, "existing": "adopt"}, [])


def test_other_keys_are_kept_and_ownership_metadata_is_left_out() -> None:
    text = entry(
        Config={"protocol": "HTTP", "envoy_prometheus_bind_addr": "0.0.0.0:9102"},
        MeshGateway={"Mode": "local"},
        Expose={},
        AccessLogs={},
        Meta={"team": "a", "pulumi-stack": "a/b/c", "managed-by": "pulumi", "consul-tracing-keys-2": "x"},
    )
    services = [
        {"Kind": "service-defaults", "Name": "db", "Protocol": "tcp", "MeshGateway": {}, "Expose": {}},
        {"Kind": "service-defaults", "Name": "web", "LocalRequestTimeoutMs": 5},
    ]
    assert recovered(text + "".join(map(json.dumps, services))) == (
        {
            **BASE,
            "services": {"web": {"protocol": "http", "service_defaults": {"LocalRequestTimeoutMs": 5}}},
            "default_protocol": "http",
            "tcp_services": ["db"],
            "proxy_config": {"envoy_prometheus_bind_addr": "0.0.0.0:9102"},
            "proxy_defaults": {"MeshGateway": {"Mode": "local"}, "Meta": {"team": "a"}},
        },
        [],
    )


def test_services_of_one_name_in_two_namespaces_are_kept() -> None:
    services = [
        {"Kind": "service-defaults", "Name": "web", "Namespace": namespace, "Partition": "p", "Protocol": "http"}
        for namespace in ("a", "b")
    ]
    inputs, losses = recovered(entry(Partition="p") + "".join(map(json.dumps, services)))
    assert losses == []
    assert inputs["partition"] == "p"
    assert inputs["services"] == {
        "web": {"protocol": "http", "namespace": "a"},
        "web-p-b": {"protocol": "http", "name": "web", "namespace": "b"},
    }


def test_entry_of_consul_k8s_has_the_target_kubernetes() -> None:
    meta = {"external-source": "kubernetes", "consul.hashicorp.com/source-datacenter": "dc1"}
    assert recovered(entry(Meta=meta)) == ({**BASE, "target": "kubernetes"}, [])
    # The namespace of an entry in Consul Enterprise is not that of its object.
    assert recovered(entry(Meta=meta, Namespace="default")) == ({**BASE, "target": "kubernetes"}, [])


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        (
            entry({"split_spans_for_request": True}),
            "Config.envoy_tracing_json.http.typed_config.split_spans_for_request: true becomes false",
        ),
        (
            entry(cluster={"dns_lookup_family": None}),
            'tracing_collector.dns_lookup_family: "AUTO" becomes "V4_PREFERRED"',
        ),
        (
            entry(cluster={"type": "LOGICAL_DNS"}),
            'tracing_collector.type: "LOGICAL_DNS" becomes "STRICT_DNS"',
        ),
        (
            entry(cluster={"circuit_breakers": {}}),
            "tracing_collector.circuit_breakers: no input expresses this map",
        ),
        (
            entry(listener={"random_sampling": {"value": 0.001}}),
            "Config.envoy_listener_tracing_json.random_sampling.value: 0.001 becomes 1",
        ),
        (
            entry(listener={"custom_tags": [{"tag": "a", "metadata": {"kind": {}}}]}),
            "Config.envoy_listener_tracing_json.custom_tags.a: no input expresses this map",
        ),
        (entry(Config={"envoy_stats_sinks_json": "{"}), 'Config.envoy_stats_sinks_json: no input expresses "{"'),
        (entry(Nonsense=1), "Nonsense: no input expresses 1"),
        (
            entry() + '{"Kind": "service-defaults", "Name": "web", "Protocol": "http", "Nonsense": 1}',
            "service-defaults/web: Nonsense: no input expresses 1",
        ),
        (
            entry() + '{"Kind": "service-defaults", "Name": "a/b", "Protocol": "http"}',
            "service-defaults/a/b: no input expresses this entry",
        ),
        (
            entry() + '{"service": {"name": "web", "proxy": {"config": {"envoy_tracing_json": "{}"}}}}',
            "registration/web: is not imported. Declare its tracing in services.web.tracing",
        ),
    ],
)
def test_field_that_no_input_expresses_is_reported(text: str, loss: str) -> None:
    inputs, losses = recovered(text, "mesh.json")
    assert len(losses) == 1, losses
    assert losses[0].startswith("consul-tracing: CT603: mesh.json:1: ")
    assert losses[0].endswith(loss)
    assert inputs["collector"] == COLLECTOR


RATES: list[dict[str, Any]] = [{}, {"enabled": False}, *({"sampling": rate} for rate in (0.1, 50, 100))]


@pytest.mark.parametrize(
    ("tracer", "tracing"),
    [
        *(({"zipkin": {}}, tracing) for tracing in RATES),
        *(
            (tracer, tracing)
            for tracer in (
                {"datadog": {"service_name": "mesh"}},
                {"opentelemetry": {}},
                {"opentelemetry": {"service_name": "mesh"}},
            )
            for tracing in (*RATES, {"service_name": "a"}, {"sampling": 2, "service_name": "a"})
        ),
    ],
)
def test_tracing_of_a_service_is_that_of_its_registration(tracer: dict[str, Any], tracing: dict[str, Any]) -> None:
    service = {"protocol": "http", **({"tracing": tracing} if tracing else {})}
    mesh = settings(tracer=tracer, services={"api": service, "web": {"protocol": "http"}})
    found = [json.dumps(entry_fields(one)) for one in entries_of_consul(mesh)]
    own = proxy_config(mesh, proxies_of(mesh)["api"])
    for keys in (own, {**tracing_config(mesh), **own}):
        registration = json.dumps({"service": {"name": "api", "proxy": {"config": keys}}})
        inputs, losses = recovered("\n".join([*found, registration]))
        assert losses == []
        assert inputs["services"]["api"] == service


def test_tracing_of_services_with_one_name_or_with_other_keys_is_a_loss() -> None:
    mesh = settings(services={"web": {"protocol": "http"}})
    found = [json.dumps(entry_fields(one)) for one in entries_of_consul(mesh)]
    for name, keys in (("web", {TRACER_KEY: '{"http": {"name": "a"}}'}), ("other", {TRACER_KEY: "{}"})):
        registration = json.dumps({"service": {"name": name, "proxy": {"config": keys}}})
        inputs, losses = recovered("\n".join([*found, registration]))
        (loss,) = losses
        assert loss.endswith(f"registration/{name}: is not imported. Declare its tracing in services.{name}.tracing")
        assert inputs["services"] == {"web": {"protocol": "http"}}


def test_second_registration_of_a_service_with_other_keys_is_a_loss() -> None:
    mesh = settings(services={"web": {"protocol": "http", "tracing": {"sampling": 5}}})
    found = [json.dumps(entry_fields(one)) for one in entries_of_consul(mesh)]
    own = proxy_config(mesh, proxies_of(mesh)["web"])
    untraced = {**own, TRACER_KEY: "{}"}
    texts = [json.dumps({"service": {"name": "web", "proxy": {"config": keys}}}) for keys in (own, untraced)]
    inputs, losses = recovered("\n".join([*found, *texts]))
    assert (inputs["services"]["web"]["tracing"], len(losses)) == ({"sampling": 5}, 1)


LEFT_OUT = "consul-tracing: CT603: -:1: proxy-defaults/global: collector.host is left out, because"
COMPLETE = "Complete the inputs and set it: a stack without it is rejected"


@pytest.mark.parametrize(
    ("config", "reasons"),
    [
        ({}, ["the entry has no tracer"]),
        ({"envoy_prometheus_bind_addr": "0.0.0.0:9102"}, ["the entry has no tracer"]),
        ({"envoy_tracing_json": "{"}, ["Config.envoy_tracing_json: must be valid JSON", "cannot be read"]),
        (
            {"envoy_tracing_json": '{"http": {"name": "a", "typed_config": {"@type": "a.SkyWalkingConfig"}}}'},
            ["the tracer SkyWalkingConfig is not supported"],
        ),
        ({"envoy_tracing_json": {"http": 1}}, ["Config.envoy_tracing_json: must be JSON as text", "cannot be read"]),
        (
            {
                "envoy_tracing_json": '{"http": []}',
                "envoy_extra_static_clusters_json": "1",
                "envoy_listener_tracing_json": "[]",
            },
            ["Config.envoy_listener_tracing_json: must be", "cannot be read"],
        ),
        (
            {"envoy_listener_tracing_json": '{"custom_tags": 1, "random_sampling": 1, "provider": 2}'},
            ["the entry has no tracer"],
        ),
    ],
)
def test_tracing_that_is_not_imported_is_left_to_the_user(config: dict[str, Any], reasons: list[str]) -> None:
    """A stack with `enabled: false` or a placeholder would remove the live tracing. One without a host is rejected."""
    inputs, losses = recovered(json.dumps({"Kind": "proxy-defaults", "Name": "global", "Config": config}))
    assert "enabled" not in inputs
    assert "collector" not in inputs
    assert len(losses) == len(reasons)
    for loss, reason in zip(losses, reasons, strict=True):
        assert reason in loss
    assert losses[-1].startswith(LEFT_OUT)
    assert losses[-1].endswith(COMPLETE)


def test_collector_without_an_address_is_left_to_the_user() -> None:
    inputs, losses = recovered(entry(cluster={"load_assignment": {}, "connect_timeout": "1s"}))
    assert inputs["collector"] == {"connect_timeout_ms": 1000}
    assert losses == [f"{LEFT_OUT} the entry has no address of a collector. {COMPLETE}"]


def test_unknown_part_of_the_tracing_leaves_out_the_collector() -> None:
    """The update would replace `var.path` by the default path."""
    inputs, losses = recovered(
        """
        resource "consul_config_entry" "mesh" {
          kind = "proxy-defaults"
          name = "global"
          config_json = jsonencode({
            Config = {
              envoy_extra_static_clusters_json = jsonencode({
                name = "zipkin"
                type = "STRICT_DNS"
                load_assignment = { endpoints = [{ lb_endpoints = [{ endpoint = { address = { socket_address = {
                  address = "zipkin", port_value = 9411 } } } }] }] }
              })
              envoy_tracing_json = jsonencode({
                http = { typed_config = {
                  "@type" = "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig"
                  collector_cluster = "zipkin"
                  collector_endpoint = var.path
                  collector_endpoint_version = "HTTP_JSON"
                } }
              })
            }
          })
        }
        """,
        "main.tf",
    )
    assert "collector" in inputs
    assert "host" not in inputs["collector"]
    assert 'collector_endpoint: is unknown, because it is an expression: "var.path"' in losses[0]
    assert [loss for loss in losses if "collector_endpoint:" in loss] == losses[:1]
    assert "tracing depends on a value that cannot be read" in losses[-1]


def test_lists_of_different_lengths_are_compared_by_member() -> None:
    endpoints = [_endpoint(host, 9411)["load_assignment"]["endpoints"][0] for host in ("a", "b")]
    inputs, losses = recovered(entry(cluster={"load_assignment": {"endpoints": endpoints}}))
    assert inputs["collector"] == {"host": "a"}
    assert len(losses) == 1
    assert losses[0].endswith("tracing_collector.load_assignment.endpoints.1: no input expresses this map")


def test_unknown_values_are_reported_with_their_line() -> None:
    text = """
        resource "consul_config_entry" "mesh" {
          kind = "proxy-defaults"
          name = "global"
          config_json = jsonencode({
            Config = {
              local_connect_timeout_ms = var.timeout
              envoy_tracing_json = jsonencode({
                http = { typed_config = {
                  "@type" = "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig"
                  collector_cluster = "zipkin"
                  collector_endpoint = var.path
                  collector_endpoint_version = "HTTP_JSON"
                } }
              })
            }
          })
        }
    """
    inputs, losses = recovered(text, "main.tf")
    assert inputs["tracer"]["zipkin"]["shared_span_context"] is True
    shown = [loss.removeprefix("consul-tracing: CT603: main.tf:") for loss in losses]
    assert (
        "7: proxy-defaults/global: Config.local_connect_timeout_ms: "
        'is unknown, because it is an expression: "var.timeout"'
    ) in shown
    assert (
        "12: proxy-defaults/global: Config.envoy_tracing_json.http.typed_config.collector_endpoint: "
        'is unknown, because it is an expression: "var.path"'
    ) in shown


def test_service_with_an_unknown_name_is_reported() -> None:
    text = """
        resource "consul_config_entry" "mesh" {
          kind = "proxy-defaults"
          name = "global"
          config_json = "{}"
        }
        resource "consul_config_entry" "services" {
          for_each = var.services
          kind = "service-defaults"
          name = each.key
          config_json = jsonencode({ Protocol = "http" })
        }
    """
    inputs, losses = recovered(text, "main.tf")
    assert "services" not in inputs
    assert losses[-1] == (
        "consul-tracing: CT603: main.tf:7: service-defaults/each.key: "
        "is not imported, because its name, namespace, partition or protocol is an expression"
    )


@pytest.mark.parametrize("fields", ['namespace = var.x\nProtocol = "http"', "Protocol = var.x"])
def test_service_with_an_unknown_scope_or_protocol_is_not_imported(fields: str) -> None:
    """The stack would write another entry, or the protocol tcp."""
    service = 'resource "consul_config_entry" "web" {\nkind = "service-defaults"\nname = "web"\n'
    scope, _, protocol = fields.rpartition("\n")
    service += f"{scope}\nconfig_json = jsonencode({{ {protocol} }})\n}}\n"
    inputs, losses = recover([*read_documents(entry(), "mesh.json"), *read_documents(dedent(service), "web.tf")])
    assert "services" not in inputs
    assert [loss.partition("/web: ")[2] for loss in losses] == [
        "is not imported, because its name, namespace, partition or protocol is an expression"
    ]


@pytest.mark.parametrize(
    ("tracer", "field"), [("opentelemetry", "initial_metadata"), ("zipkin", "request_headers_to_add")]
)
def test_header_with_a_credential_is_not_shown(tracer: str, field: str) -> None:
    mesh = settings(tracer={tracer: {"headers": {"x-tenant": "secret-1"}}}, envoy_version="1.36")
    text = as_json(entries_of_consul(mesh)[0]).replace("x-tenant", "authorization")
    inputs, losses = recovered(text)
    assert "headers" not in inputs.get("tracer", {}).get(tracer, {})
    assert len(losses) == 1
    assert field in losses[0]
    assert "secret-1" not in losses[0]


def test_timeout_over_grpc_has_no_meaning() -> None:
    """Envoy ignores it."""
    collector = {"host": "otlp", "connect_timeout_ms": 1000}
    mesh = settings(collector=collector, tracer={"opentelemetry": {"service_name": "mesh"}})
    inputs, losses = recovered(as_json(entries_of_consul(mesh)[0]).replace("3.000s", "0.500s"))
    assert "export_timeout_ms" not in inputs["collector"]
    assert losses == []


def test_other_retries_are_reported() -> None:
    mesh = settings(tracer={"opentelemetry": {"service_name": "mesh", "retry_seconds": 60}})
    text = as_json(entries_of_consul(mesh)[0])
    assert recovered(text).losses == []
    inputs, losses = recovered(text.replace("connect-failure,", ""))
    assert inputs["tracer"]["opentelemetry"]["retry_seconds"] == 60
    assert ["retry_on" in loss for loss in losses] == [True]


@pytest.mark.parametrize("text", ["", entry() + entry(), '{"Kind": "service-defaults", "Name": "web"}'])
def test_exactly_one_mesh_is_required(text: str) -> None:
    with pytest.raises(CommandError, match="exactly one proxy-defaults entry is required"):
        recovered(text)


def changed(value: Any, steps: list[int], replacement: Any) -> Any:
    """Return a value in which the member at these steps is replaced, also inside JSON text."""
    if isinstance(value, str) and (objects := entry_objects(value)):
        return json.dumps(changed(objects, steps, replacement))[1:-1]
    if not steps or not isinstance(value, dict | list) or not value:
        return replacement
    if isinstance(value, list):
        index = steps[0] % len(value)
        return [changed(one, steps[1:], replacement) if number == index else one for number, one in enumerate(value)]
    key = list(value)[steps[0] % len(value)]
    return {**value, key: changed(value[key], steps[1:], replacement)}


@given(MESHES, st.lists(st.integers(0, 20), min_size=1, max_size=12), JSON | st.dictionaries(st.just("name"), JSON))
def test_changed_entry_is_read_or_rejected(args: dict[str, Any], steps: list[int], replacement: Any) -> None:
    mesh = settings(**args)
    entries = [changed(entry_fields(one), steps, replacement) for one in entries_of_consul(mesh)]
    try:
        inputs, losses = recovered("\n".join(map(json.dumps, entries)))
    except CommandError:
        return
    if "host" not in inputs.get("collector", {}):
        assert losses
        return
    assert from_settings(MeshSettings.of("mesh", inputs)) == (inputs, []) or losses  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [{}, {"a": 1}, [], ["STATIC"], 5, True])
def test_cluster_with_an_address_and_a_type_of_any_value_is_read(kind: Any) -> None:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 9411}}}}
    assignment = {"cluster_name": "zipkin", "endpoints": [{"lb_endpoints": [endpoint]}]}
    inputs, losses = recovered(entry(cluster={"type": kind, "load_assignment": assignment}))
    assert inputs["collector"] == {"host": "10.0.0.1"}
    assert any("tracing_collector.type" in loss for loss in losses)


@pytest.mark.parametrize("value", [5, "x", {"tag": "a", "literal": {"value": "b"}}, [{"tag": 5}], None])
def test_tags_of_any_type_are_read(value: Any) -> None:
    inputs, _ = recovered(entry(listener={"custom_tags": value}))
    single = isinstance(value, dict)
    assert inputs.get("tags", {}) == ({"a": {"literal": "b"}} if single else {})


@pytest.mark.parametrize("value", [5, "x", [5], {"key": "a", "value": "b"}])
def test_headers_of_any_type_are_read(value: Any) -> None:
    message = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "grpc_service": {"envoy_grpc": {"cluster_name": "zipkin"}, "initial_metadata": value},
    }
    text = json.loads(entry())
    text["Config"]["envoy_tracing_json"] = json.dumps({"http": {"name": "x", "typed_config": message}})
    inputs, losses = recovered(json.dumps(text))
    headers = inputs["tracer"]["opentelemetry"].get("headers")
    assert headers == ({"a": "b"} if isinstance(value, dict) else None)
    assert losses


def test_clusters_are_in_the_order_in_which_they_are_rendered() -> None:
    text = json.loads(entry())
    for name in ("b", "a"):
        cluster = {"name": name, "type": "STRICT_DNS", "connect_timeout": "1s"}
        text["Config"]["envoy_extra_static_clusters_json"] += "," + json.dumps(cluster)
    inputs, _ = recovered(json.dumps(text))
    assert [one["name"] for one in inputs["static_clusters"]] == ["a", "b"]


def test_services_of_several_namespaces_have_unique_keys() -> None:
    a, b, c = ({"Namespace": name} for name in "abc")
    names: list[tuple[str, dict[str, str]]] = [("web", a), ("web", b), ("web-b", {}), ("web-b", c)]
    services = [
        json.dumps({"Kind": "service-defaults", "Name": name, "Protocol": "http"} | namespace)
        for name, namespace in names
    ]
    inputs, _ = recovered("\n".join([entry(), *services]))
    found = {key: service.get("name", key) for key, service in inputs["services"].items()}
    assert found == {"web": "web", "web-b-2": "web", "web-b": "web-b", "web-b-c": "web-b"}


def test_port_of_a_tracer_that_is_not_supported_is_kept() -> None:
    text = json.loads(entry(cluster=_endpoint("datadog", 8126)))
    message = {"@type": "type.googleapis.com/envoy.config.trace.v3.DatadogConfig", "collector_cluster": "zipkin"}
    text["Config"]["envoy_tracing_json"] = json.dumps({"http": {"name": "x", "typed_config": message}})
    inputs, losses = recovered(json.dumps(text))
    assert inputs["collector"] == {"host": "datadog", "port": 8126}
    assert losses


def _endpoint(host: str, port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": host, "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"load_assignment": {"cluster_name": "zipkin", "endpoints": endpoints}}


def test_service_that_occurs_twice_is_rejected() -> None:
    service = '\n{"Kind": "service-defaults", "Name": "web", "Protocol": "http"}'
    with pytest.raises(CommandError, match="CT601: -:3: service-defaults/web is already in -:2"):
        recovered(entry() + service + service)


def test_meaning_ignores_layout_and_defaults() -> None:
    one, other = (
        read_documents(text, "-")[0].fields
        for text in (entry(), entry(cluster={"lb_policy": "ROUND_ROBIN", "connect_timeout": "3.000s"}))
    )
    assert list(meaning_differences(mesh_meaning(one), mesh_meaning(other))) == []
    assert service_meaning({"Protocol": "HTTP", "Expose": {}}, None) == {"Protocol": "http"}


def test_many_fields_that_are_not_supported_are_removed_at_once() -> None:
    services = [
        {"Kind": "service-defaults", "Name": f"s{number}", "Protocol": "http", "Nonsense": 1, "Expose": {"a": 1}}
        for number in range(1200)
    ]
    clusters = [{"name": f"c{number}", "type": "NONE"} for number in range(12)]
    text = json.loads(entry())
    text["Config"]["envoy_extra_static_clusters_json"] += "".join(f",{json.dumps(one)}" for one in clusters)
    inputs, losses = recovered("\n".join(map(json.dumps, [text, *services])))
    assert set(map(str, inputs["services"].values())) == {"{'protocol': 'http'}"}
    assert "static_clusters" not in inputs
    assert len(losses) == 2 * len(services) + len(clusters)


def test_patch_of_an_entry_is_rejected() -> None:
    text = "- op: add\n  path: /spec/config/envoy_tracing_json\n  value: '{}'\n"
    with pytest.raises(CommandError, match=r"a\.yaml:1: proxy-defaults/global must be a whole entry, got a patch"):
        recovered(text, "a.yaml")
