"""The comparison of bootstraps, without a mesh."""

import json
from dataclasses import replace
from typing import Any

import pytest

from consul_tracing.cli.command import OutputFormat
from consul_tracing.cli.stale import listing
from consul_tracing.cli.stale.bootstrap import BootstrapError, bootstrap_differences
from consul_tracing.cli.stale.listing import exit_code, output, wait_until_current
from consul_tracing.cli.stale.proxies import Proxy, mistakes_in
from consul_tracing.cli.stale.report import Report
from consul_tracing.cli.stale.restarts import restart_of
from consul_tracing.entries.propagation import ZIPKIN, ZIPKIN_W3C
from consul_tracing.envoy_messages.comparison import differing_paths
from consul_tracing.envoy_messages.messages import ANY, CLUSTER, SOCKET_ADDRESS
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


ZIPKIN_CONFIG = "envoy.config.trace.v3.ZipkinConfig"
PERCENT = "envoy.type.v3.Percent"
CERTIFICATE = "envoy.extensions.transport_sockets.tls.v3.TlsCertificate"
HEALTH = "envoy.config.core.v3.HealthCheck"


@pytest.mark.parametrize(
    ("name", "expected", "actual"),
    [
        (CLUSTER, {"connect_timeout": "3.000s"}, {"connect_timeout": "3s"}),
        (CLUSTER, {"connectTimeout": "0.25s"}, {"connect_timeout": "0.250s"}),
        (ZIPKIN_CONFIG, {"traceId128bit": True}, {"trace_id_128bit": True}),
        (SOCKET_ADDRESS, {"port_value": "9411"}, {"port_value": 9411}),
        (CLUSTER, {"type": "strict_dns"}, {"type": "STRICT_DNS"}),
        (CLUSTER, {"type": 1}, {"type": "STRICT_DNS"}),
        (CLUSTER, {"lb_policy": "ROUND_ROBIN", "dns_lookup_family": 0}, {}),
        (CLUSTER, {"alt_stat_name": "", "respect_dns_ttl": False, "health_checks": [], "metadata": None}, {}),
        (PERCENT, {"value": "12.50"}, {"value": 12.5}),
        (HEALTH, {"reuse_connection": "Yes"}, {"reuse_connection": True}),
        (CLUSTER, {"health_checks": {"alt_port": 1}}, {"health_checks": [{"alt_port": "1"}]}),
        (ANY, {"@type": "envoy.X"}, {"@type": "type.googleapis.com/envoy.X"}),
        (CERTIFICATE, {"private_key": {"inline_string": "x"}}, {"private_key": {"inline_string": "[redacted]"}}),
        (CLUSTER, {}, {"field_of_a_newer_envoy": 1}),
        (CLUSTER, {"fieldOfANewerEnvoy": {"a": 1}}, {"field_of_a_newer_envoy": {"a": 1}}),
    ],
)
def test_forms_of_the_same_message_are_equal(name: str, expected: object, actual: object) -> None:
    assert list(differing_paths(expected, actual, name)) == []


@pytest.mark.parametrize(
    ("name", "expected", "actual", "path"),
    [
        (CLUSTER, {"metadata": {"filter_metadata": {"a": {"B": "x"}}}}, {}, "metadata"),
        (CLUSTER, {"upstream_config": {"name": "x"}}, {"upstream_config": {"name": "y"}}, "upstream_config.name"),
        (ZIPKIN_CONFIG, {"collector_endpoint": "/API"}, {"collector_endpoint": "/api"}, "collector_endpoint"),
        (CLUSTER, {"type": 2}, {"type": "STRICT_DNS"}, "type"),
        (HEALTH, {"timeout": "3s"}, {"timeout": "3.001s"}, "timeout"),
        (SOCKET_ADDRESS, {"port_value": 9411}, {"port_value": 9412}, "port_value"),
        (ZIPKIN_CONFIG, {"shared_span_context": False}, {}, "shared_span_context"),
        (ZIPKIN_CONFIG, {}, {"shared_span_context": False}, "shared_span_context"),
        (CLUSTER, {"http2_protocol_options": {}}, {}, "http2_protocol_options"),
        (
            CLUSTER,
            {"health_checks": [{"alt_port": 1}]},
            {"health_checks": [{"alt_port": 2}]},
            "health_checks.0.alt_port",
        ),
        (CLUSTER, {"health_checks": [{}, {}]}, {"health_checks": [{}]}, "health_checks"),
        (CLUSTER, {"lb_policy": "RANDOM"}, {}, "lb_policy"),
        (CLUSTER, {"field_of_a_newer_envoy": 1}, {}, "field_of_a_newer_envoy"),
        (CLUSTER, {"field_of_a_newer_envoy": 1}, {"field_of_a_newer_envoy": 2}, "field_of_a_newer_envoy"),
    ],
)
def test_different_messages_have_the_path_of_the_field(name: str, expected: object, actual: object, path: str) -> None:
    assert [".".join(found) for found in differing_paths(expected, actual, name)] == [path]


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


CURRENT = Proxy("web-proxy", "web", "2026-01-02T03:04:05Z", [], address="127.0.0.1:19000")
STALE = Proxy(
    "api-proxy",
    "api",
    "2026-01-02T03:04:05Z",
    ["tracer: added", "static cluster a: removed"],
    restart="systemctl restart api.service",
    address="127.0.0.1:19001",
)


def test_text_has_one_line_per_difference() -> None:
    assert output(Report([CURRENT, STALE], {"127.0.0.1:1": "refused"}), OutputFormat.TEXT).splitlines() == [
        "PROXY      SERVICE  ADDRESS          SINCE                 DIFFERENCES",
        "web-proxy  web      127.0.0.1:19000  2026-01-02T03:04:05Z  none",
        "api-proxy  api      127.0.0.1:19001  2026-01-02T03:04:05Z  tracer: added",
        "                                                           static cluster a: removed",
        "127.0.0.1:1 cannot be read: refused",
        "To restart what is stale:",
        "  systemctl restart api.service",
    ]


def test_json_has_every_proxy() -> None:
    document = json.loads(output(Report([STALE], {"127.0.0.1:1": "refused"}), OutputFormat.JSON))
    assert document == {
        "version": 1,
        "proxies": [
            {
                "proxy": "api-proxy",
                "service": "api",
                "address": "127.0.0.1:19001",
                "since": "2026-01-02T03:04:05Z",
                "stale": True,
                "tracer": None,
                "differences": ["tracer: added", "static cluster a: removed"],
                "restart": "systemctl restart api.service",
                "mistakes": [],
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--admin, --agent or --kubernetes is required"),
        (["--namespace", "shop", "--admin", "a:1"], "--namespace requires --kubernetes"),
        (["--selector", "app=web", "--agent"], "--selector requires --kubernetes"),
        (["--admin", "user:secret@ proxy"], "--admin must have the form HOST:PORT, without credentials"),
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


ALLOCATION = "6a1f0c8e-1a2b-3c4d-5e6f-0123456789ab"


@pytest.mark.parametrize(
    ("name", "service", "restart"),
    [
        (
            f"_nomad-task-{ALLOCATION}-group-shop-web-8080-sidecar-proxy",
            f"_nomad-task-{ALLOCATION}-group-shop-web-8080",
            f"nomad alloc restart {ALLOCATION} connect-proxy-web",
        ),
        (f"_nomad-task-{ALLOCATION}-group-in-web-8080", None, f"nomad alloc restart {ALLOCATION}"),
        ("web-proxy", "web", "restart the program that runs: consul connect envoy -sidecar-for web"),
        ("in", None, "restart the program that runs: consul connect envoy -proxy-id in"),
    ],
)
def test_restart_of_a_proxy_outside_kubernetes(name: str, service: str | None, restart: str) -> None:
    assert restart_of({"id": name, "cluster": "web"}, {"DestinationServiceID": service}) == restart


class Clock:
    """A clock whose time passes only while a program sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(listing, "time", fake)
    return fake


def test_wait_ends_when_all_proxies_are_current(clock: Clock) -> None:
    reports = iter(
        [Report([STALE, CURRENT]), Report([STALE, CURRENT]), Report([CURRENT], {"a:1": "refused"}), Report([CURRENT])]
    )
    lines: list[str] = []
    assert wait_until_current(lambda: next(reports), 60, lines.append) == Report([CURRENT])
    assert lines == ["1 of 2 proxies must restart: api-proxy", "1 cannot be read: a:1"]
    assert clock.now == 6


def test_wait_ends_at_the_deadline_with_what_remains(clock: Clock) -> None:
    report = wait_until_current(lambda: Report([STALE]), 5, lambda _: None)
    assert (exit_code(report), clock.now) == (1, 5)
    assert wait_until_current(lambda: report, 0, lambda _: None) is report


def test_wait_continues_after_an_error_and_not_after_the_first(clock: Clock) -> None:
    failures = [CommandError("Consul cannot be read"), None]
    first = [Report([STALE])]

    def read() -> Report:
        if first:
            return first.pop()
        if error := failures.pop(0):
            raise error
        return Report([CURRENT])

    lines: list[str] = []
    assert wait_until_current(read, 60, lines.append).is_current
    assert lines[-1] == "Consul cannot be read"
    failures = [CommandError("Consul cannot be read")]
    with pytest.raises(CommandError):
        wait_until_current(read, 60, lines.append)
    assert clock.now == 4


def config(*, kind: str = ZIPKIN_CONFIG, **options: str) -> str:
    collector = {"collector_endpoint": "/api/v2/spans", "collector_endpoint_version": "HTTP_JSON"}
    message = {"@type": f"type.googleapis.com/{kind}", **collector, **options}
    tracer = {"http": {"name": "envoy.tracers.zipkin", "typed_config": message}}
    address = {"socket_address": {"address": "192.0.2.1", "port_value": 9411}}
    assignment = {"cluster_name": "a", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
    clusters = json.dumps({"name": "a", "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment})
    return json.dumps({"envoy_tracing_json": json.dumps(tracer), "envoy_extra_static_clusters_json": clusters})


def test_configuration_with_a_mistake_is_corrected_before_a_restart() -> None:
    """A proxy that restarts with an invalid tracer does not start."""
    (mistake,) = mistakes_in(config(colector_cluster="a", collector_cluster="a"))
    path = "Config.envoy_tracing_json.http.typed_config.colector_cluster"
    assert mistake.startswith(f"CT308: {path} is not a field of this Envoy message")
    lines = output(Report([replace(STALE, mistakes=(mistake,))]), OutputFormat.TEXT).splitlines()
    assert lines[-3:] == [
        listing.STOPPING_HEAD,
        f"  {mistake}",
        "  CT308: https://consul-tracing.github.io/consul-tracing/latest/reference/lint/#ct308",
    ]


def test_all_mistakes_of_a_configuration_are_listed_by_their_effect() -> None:
    misspelt = json.loads(config(collector_cluster="a")) | {"envoy_listener_tracing_jsn": "{}"}
    broken = json.loads(config(kind="envoy.config.trace.v2.ZipkinConfig", collector_cluster="b"))
    mistakes = mistakes_in(json.dumps(misspelt | broken))
    assert sorted(mistake[:5] for mistake in mistakes) == ["CT306", "CT310", "CT325"]
    lines = output(Report([replace(STALE, mistakes=mistakes)]), OutputFormat.TEXT).splitlines()
    stopping, useless = (lines.index(next(one for one in lines if text in one)) for text in ("not start", "intended"))
    assert [one[2:7] for one in lines[stopping + 1 : useless]] == ["CT306", "CT310"] * 2
    assert [one[2:7] for one in lines[useless + 1 :]] == ["CT325"] * 2


def test_mistake_that_stops_no_proxy_leaves_the_commands() -> None:
    misspelt = json.loads(config(collector_cluster="a")) | {"envoy_listener_tracing_jsn": "{}"}
    lines = output(Report([replace(STALE, mistakes=mistakes_in(json.dumps(misspelt)))]), OutputFormat.TEXT).splitlines()
    assert not any("not start" in one for one in lines)
    assert lines[-5] == listing.USELESS_HEAD
    assert lines[-4].startswith("  CT325: Config.envoy_listener_tracing_jsn is not a key of Consul; ")
    assert lines[-2:] == ["To restart what is stale:", "  systemctl restart api.service"]


def test_proxy_whose_tracer_is_removed_ends_tracing() -> None:
    removed = replace(STALE, differences=["tracer: removed"])
    text = "Consul has no tracer for api-proxy: a restart ends their tracing"
    assert text in output(Report([removed]), OutputFormat.TEXT).splitlines()
