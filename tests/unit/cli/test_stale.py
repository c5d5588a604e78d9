"""The comparison of bootstraps, without a mesh."""

import json
from dataclasses import replace
from typing import Any

import pytest
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.metrics.v3 import stats_pb2
from envoy.config.trace.v3 import datadog_pb2, opentelemetry_pb2, zipkin_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from consul_tracing.cli.command import OutputFormat
from consul_tracing.cli.message_comparison import ENUMS, MAPS, SET_ZEROS, differing_paths
from consul_tracing.cli.stale.bootstrap import BootstrapError, bootstrap_differences
from consul_tracing.cli.stale.listing import exit_code, output
from consul_tracing.cli.stale.proxies import Proxy, Report
from consul_tracing.entries.propagation import ZIPKIN, ZIPKIN_W3C
from consul_tracing.errors import CommandError
from tests.unit.cli.verify.dumps import dump
from tests.unit.http_server import serving
from tests.unit.test_cli import Run

CONSUL_TAGS = [
    {"tag_name": "consul.destination.service", "regex": "^x"},
    {"tag_name": "local_cluster", "fixed_value": "web"},
]
PLAIN: dict[str, Any] = {"stats_config": {"stats_tags": CONSUL_TAGS, "use_all_default_tags": True}}
"""The dump of a bootstrap from an empty `Config`."""


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"connect_timeout": "3.000s"}, {"connect_timeout": "3s"}),
        ({"connectTimeout": "0.25s"}, {"connect_timeout": "0.250s"}),
        ({"traceId128bit": True}, {"trace_id_128bit": True}),
        ({"port_value": "9411"}, {"port_value": 9411}),
        ({"type": "strict_dns"}, {"type": "STRICT_DNS"}),
        ({"type": 1}, {"type": "STRICT_DNS"}),
        ({"lb_policy": "ROUND_ROBIN", "dns_lookup_family": 0}, {}),
        ({"alt_stat_name": "", "respect_dns_ttl": False, "endpoints": [], "metadata": None}, {}),
        ({"value": 0.1}, {"value": 0.10000000149}),
        ({"reuse_connection": "Yes"}, {"reuse_connection": True}),
        ({"grpc_services": {"a": 1}}, {"grpc_services": [{"a": 1}]}),
        ({"@type": "envoy.X"}, {"@type": "type.googleapis.com/envoy.X"}),
        ({"private_key": {"inline_string": "secret"}}, {"private_key": {"inline_string": "[redacted]"}}),
    ],
)
def test_forms_of_the_same_message_are_equal(expected: object, actual: object) -> None:
    assert list(differing_paths(expected, actual)) == []


@pytest.mark.parametrize(
    ("expected", "actual", "path"),
    [
        ({"a": {"b": "x"}}, {"a": {"b": "y"}}, "a.b"),
        ({"path": "/API"}, {"path": "/api"}, "path"),
        ({"type": 2}, {"type": "STRICT_DNS"}, "type"),
        ({"timeout": "3s"}, {"timeout": "3.001s"}, "timeout"),
        ({"port_value": 9411}, {"port_value": 9412}, "port_value"),
        ({"shared_span_context": False}, {}, "shared_span_context"),
        ({}, {"shared_span_context": False}, "shared_span_context"),
        ({"http2_protocol_options": {}}, {}, "http2_protocol_options"),
        ({"endpoints": [{"a": 1}]}, {"endpoints": [{"a": 2}]}, "endpoints.0.a"),
        ({"endpoints": [1, 2]}, {"endpoints": [1]}, "endpoints"),
        ({"lb_policy": "RANDOM"}, {}, "lb_policy"),
    ],
)
def test_different_messages_have_the_path_of_the_field(expected: object, actual: object, path: str) -> None:
    assert [".".join(found) for found in differing_paths(expected, actual)] == [path]


def test_sampling_and_unknown_keys_need_no_restart() -> None:
    config = {"envoy_listener_tracing_json": "{}", "protocol": "http", "local_connect_timeout_ms": 1}
    assert bootstrap_differences({"Config": config}, PLAIN) == []


@pytest.mark.parametrize(
    ("config", "difference"),
    [
        ({"envoy_tracing_json": '{"http":{"name":"envoy.tracers.zipkin"}}'}, "tracer: added"),
        ({"ENVOY_EXTRA_STATIC_CLUSTERS_JSON": '{"name":"a"},{"name":"local_agent"}'}, "static cluster a: added"),
        ({"envoy_extra_static_listeners_json": '{"name":"b"}'}, "static listener b: added"),
        ({"envoy_prometheus_bind_addr": "0.0.0.0:9102"}, "Prometheus address: added"),
        ({"envoy_stats_bind_addr": "[::]:9103"}, "stats address: added"),
        ({"envoy_statsd_url": "udp://127.0.0.1:9125"}, "stats sinks: added"),
        ({"envoy_dogstatsd_url": "unix:///run/dogstatsd.sock"}, "stats sinks: added"),
        ({"envoy_stats_flush_interval": "7s"}, "stats flush interval: added"),
        ({"envoy_stats_tags": ["a=b"]}, "stats config: stats_tags"),
        ({"envoy_stats_config_json": '{"stats_matcher":{}}'}, "stats config: stats_matcher"),
        ({"envoy_telemetry_collector_bind_socket_dir": "/run"}, "telemetry collector: added"),
    ],
)
def test_each_bootstrap_key_is_compared(config: dict[str, Any], difference: str) -> None:
    assert difference in bootstrap_differences({"Config": config}, PLAIN)


def test_access_log_of_the_admin_interface_is_compared() -> None:
    logs = {"Enabled": True, "Type": "file", "Path": "/log", "TextFormat": "%METHOD%"}
    assert bootstrap_differences({"AccessLogs": logs}, PLAIN) == ["admin access log: added"]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"envoy_bootstrap_json_tpl": "{{.}}"}, "replaces the whole bootstrap"),
        ({"envoy_tracing_json": "{"}, "envoy_tracing_json in Consul must be JSON objects"),
        ({"envoy_extra_static_clusters_json": '[{"name":"a"}]'}, "must be JSON objects joined by commas"),
    ],
)
def test_incomparable_bootstrap_is_an_error(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(BootstrapError, match=reason):
        bootstrap_differences({"Config": config}, PLAIN)


CURRENT = Proxy("web-proxy", "web", "2026-01-02T03:04:05Z", [])
STALE = Proxy("api-proxy", "api", "2026-01-02T03:04:05Z", ["tracer: added", "static cluster a: removed"])


def test_text_has_one_line_per_difference() -> None:
    assert output(Report([CURRENT, STALE], {"127.0.0.1:1": "refused"}), OutputFormat.TEXT).splitlines() == [
        "PROXY      SERVICE  SINCE                 DIFFERENCES",
        "web-proxy  web      2026-01-02T03:04:05Z  none",
        "api-proxy  api      2026-01-02T03:04:05Z  tracer: added",
        "                                          static cluster a: removed",
        "127.0.0.1:1 cannot be read: refused",
    ]


def test_json_has_every_proxy() -> None:
    document = json.loads(output(Report([STALE], {"127.0.0.1:1": "refused"}), OutputFormat.JSON))
    assert document == {
        "version": 1,
        "proxies": [
            {
                "proxy": "api-proxy",
                "service": "api",
                "since": "2026-01-02T03:04:05Z",
                "stale": True,
                "tracer": None,
                "differences": ["tracer: added", "static cluster a: removed"],
            }
        ],
        "unreadable": [{"proxy": "127.0.0.1:1", "reason": "refused"}],
    }


def test_text_names_the_tracers_to_which_a_mesh_can_change() -> None:
    text = "All proxies have the tracer Zipkin (b3, traceparent). A change to one of these keeps traces complete: "
    both = replace(CURRENT, propagation=ZIPKIN_W3C)
    lines = output(Report([both, both]), OutputFormat.TEXT).splitlines()
    assert lines[-1] == f"{text}Zipkin (b3), OpenTelemetry (traceparent), Datadog (traceparent, x-datadog)"
    assert json.loads(output(Report([both]), OutputFormat.JSON))["proxies"][0]["tracer"] == "Zipkin (b3, traceparent)"


@pytest.mark.parametrize(
    "report",
    [
        Report([CURRENT]),
        Report([replace(CURRENT, propagation=ZIPKIN), replace(CURRENT, propagation=ZIPKIN_W3C)]),
        Report([replace(CURRENT, propagation=ZIPKIN), replace(STALE, propagation=ZIPKIN)]),
        Report([replace(CURRENT, propagation=ZIPKIN)], {"127.0.0.1:1": "refused"}),
    ],
    ids=["no-tracer", "two-tracers", "stale", "unreadable"],
)
def test_no_change_is_safe_unless_all_proxies_have_one_tracer(report: Report) -> None:
    assert report.common_propagation is None
    assert "keeps traces complete" not in output(report, OutputFormat.TEXT)


def test_exit_code_is_0_only_if_every_proxy_is_current() -> None:
    assert exit_code(Report([CURRENT])) == 0
    assert exit_code(Report([CURRENT, STALE], {"a": "refused"})) == 1
    with pytest.raises(CommandError, match="1 of 2 proxies cannot be read: a"):
        exit_code(Report([CURRENT], {"a": "refused"}))


MESSAGES = [
    bootstrap_pb2.Bootstrap,
    datadog_pb2.DatadogConfig,
    hcm_pb2.HttpConnectionManager,
    http_protocol_options_pb2.HttpProtocolOptions,
    opentelemetry_pb2.OpenTelemetryConfig,
    stats_pb2.DogStatsdSink,
    stats_pb2.StatsdSink,
    tls_pb2.UpstreamTlsContext,
    zipkin_pb2.ZipkinConfig,
]


def fields_of_messages() -> list[Any]:
    """Return the descriptors of all fields in `MESSAGES` and the messages inside them."""
    pending, found = [message.DESCRIPTOR for message in MESSAGES], {}
    while pending:
        descriptor = pending.pop()
        if descriptor.full_name not in found and not descriptor.full_name.startswith("google.protobuf."):
            found[descriptor.full_name] = descriptor
            pending += [field.message_type for field in descriptor.fields if field.message_type]
    return [field for descriptor in found.values() for field in descriptor.fields]


def test_enumerations_are_those_of_envoy() -> None:
    """An enumeration of another name has no entry, and a name has one meaning only."""
    values: dict[str, set[tuple[str, ...]]] = {}
    for field in fields_of_messages():
        if field.enum_type:
            numbered = sorted((value.number, value.name) for value in field.enum_type.values)
            values.setdefault(field.name, set()).add(tuple(name for _, name in numbered))
    unambiguous = {name: next(iter(found)) for name, found in values.items() if len(found) == 1}
    assert {name: unambiguous.get(name) for name in ENUMS} == dict(ENUMS)


def test_set_zeros_are_wrapped_fields_of_envoy() -> None:
    fields = [field for field in fields_of_messages() if field.name in SET_ZEROS]
    assert {field.name for field in fields} == SET_ZEROS
    assert [field.full_name for field in fields if not (field.message_type or field.has_presence)] == []


def test_maps_are_maps_of_envoy() -> None:
    fields = [field for field in fields_of_messages() if field.name in MAPS]
    assert {field.name for field in fields} == MAPS
    assert all(field.message_type.GetOptions().map_entry for field in fields)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "exactly one of --admin and --kubernetes is required"),
        (["--admin", "a:1", "--kubernetes"], "exactly one of --admin and --kubernetes is required"),
        (["--namespace", "shop", "--admin", "a:1"], "--namespace requires --kubernetes"),
        (["--admin", "user:secret@ proxy"], "an admin interface must have the form HOST:PORT"),
        (["--admin", "127.0.0.1:1"], "1 of 1 proxies cannot be read: 127.0.0.1:1"),
    ],
)
def test_command_that_cannot_run_has_exit_code_2_and_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    run = Run(capsys, "stale", *options)
    assert (run.code, run.err) == (2, f"consul-tracing: CT601: {message}\n")


def test_unreadable_consul_is_the_only_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "127.0.0.1:1")
    node = {"id": "web-proxy", "cluster": "web"}
    with serving(lambda *_: (200, {"configs": dump(node=node)})) as address:
        run = Run(capsys, "stale", "--admin", address, "--admin", "127.0.0.1:1")
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("consul-tracing: CT601: Consul at http://127.0.0.1:1 cannot be read: ")
    assert run.err.count("\n") == 1


def test_unreadable_proxy_has_its_name_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert Run(capsys, "stale", "--admin", "127.0.0.1:1").out == (
        "127.0.0.1:1 cannot be read: [Errno 111] Connection refused\n"
    )


def test_sink_with_an_address_from_the_environment_is_compared_without_it() -> None:
    sink = {"name": "envoy.stat_sinks.statsd", "typed_config": {"address": {"socket_address": {"port_value": 1}}}}
    config = {"envoy_statsd_url": "$STATSD_URL"}
    assert bootstrap_differences({"Config": config}, {**PLAIN, "stats_sinks": [sink]}) == []
    assert bootstrap_differences({"Config": config}, PLAIN) == ["stats sinks: added"]
