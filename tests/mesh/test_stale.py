"""`consul-tracing stale` with real proxies."""

import json
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from consul_tracing.cli.stale.report import report_of
from consul_tracing.envoy_messages.reader import read
from consul_tracing.sources.consul import consul_client, registered_proxy
from consul_tracing.sources.envoy import admin_client, read_proxy
from consul_tracing.sources.proxies import Target, Targets
from testbed.consul import Consul
from testbed.envoy import Envoy
from testbed.mesh import Instance, Service
from testbed.ports import LOOPBACK, free_port
from testbed.processes import ProgramFailedError, Programs
from tests.mesh.consul_entries import clear
from tests.mesh.test_bootstrap import ENVOYS, TLS, TRACERS, tls_files
from tests.mesh.traced_mesh import rendered

pytestmark = pytest.mark.mesh

__all__ = ["tls_files"]

SIDECAR = "web-sidecar-proxy"
TCP_PROXY = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "stat_prefix": "extra",
    "cluster": "other",
}
LISTENER = {
    "name": "extra",
    "address": {"socket_address": {"address": LOOPBACK, "port_value": str(free_port())}},
    "filter_chains": {"filters": {"name": "envoy.filters.network.tcp_proxy", "typedConfig": TCP_PROXY}},
}
SINK = {
    "name": "envoy.stat_sinks.metrics_service",
    "typedConfig": {
        "@type": "type.googleapis.com/envoy.config.metrics.v3.MetricsServiceConfig",
        "grpcService": {"envoyGrpc": {"clusterName": "other"}},
        "transport_api_version": 2,
    },
}
STATISTICS: dict[str, Any] = {
    "envoy_dogstatsd_url": "udp://127.0.0.1:9126",
    "envoy_extra_static_listeners_json": json.dumps(LISTENER),
    "envoy_extra_stats_sinks_json": json.dumps(SINK),
    "envoy_prometheus_bind_addr": f"{LOOPBACK}:{free_port()}",
    "envoy_stats_bind_addr": f"{LOOPBACK}:{free_port()}",
    "envoy_stats_flush_interval": "7.000s",
    "envoy_stats_tags": ["a=b", "c=d"],
    "envoy_statsd_url": "udp://127.0.0.1:9125",
}
STATSD = {
    "name": "statsd",
    "type": "strict_dns",
    "connectTimeout": "1.50s",
    "lb_policy": 1,
    "loadAssignment": {
        "clusterName": "statsd",
        "endpoints": [
            {"lbEndpoints": {"endpoint": {"address": {"socketAddress": {"address": "statsd.test", "portValue": "80"}}}}}
        ],
    },
}
OTHER = {"name": "other", "type": "STATIC", "load_assignment": {"cluster_name": "other"}}
BASE: dict[str, Any] = {
    "envoy_version": "1.36",
    "collector": {"host": "collector.test"},
    "static_clusters": [STATSD, OTHER],
    "proxy_config": STATISTICS,
}
"""Arguments that set every kind of bootstrap key, in forms that Envoy prints differently."""

LOGS = {"Enabled": True, "Type": "stderr", "TextFormat": "%REQ(:METHOD)%"}


def entry(**args: Any) -> dict[str, Any]:
    """Return the rendered proxy-defaults for `BASE` updated with `args`."""
    return rendered({**BASE, **args})[-1]


def statistics(**keys: Any) -> dict[str, Any]:
    """Return `proxy_config` with other statistics. None removes a key."""
    return {"proxy_config": {key: value for key, value in {**STATISTICS, **keys}.items() if value is not None}}


def write(programs: Programs, consul: Consul, written: dict[str, Any], proxy: str = SIDECAR) -> None:
    """Write proxy-defaults, and wait until the agent has merged it into the registration of the proxy."""
    revision = secrets.token_hex(4)
    consul.write_config_entry({**written, "Config": {**written.get("Config", {}), "revision": revision}})

    def is_merged() -> bool:
        config = consul.get(f"/v1/agent/service/{proxy}")["Proxy"].get("Config") or {}
        return bool(config.get("revision") == revision)

    programs.wait_until(is_merged, f"the agent to merge proxy-defaults into {proxy}")


def differences(consul: Consul, envoy: Envoy) -> list[str]:
    target = Target(admin_client(f"{LOOPBACK}:{envoy.admin_port}"))
    report = report_of(Targets([target]), consul_client(consul.environment))
    assert report.unreadable == {}
    return report.proxies[0].differences


@contextmanager
def running(programs: Programs, consul: Consul, *arguments: str) -> Iterator[Envoy]:
    """Start a proxy with its current configuration in Consul, and stop it."""
    envoy = Envoy(programs, consul, "stale", arguments or ["-sidecar-for=web"])
    try:
        programs.wait_until(lambda: envoy.is_ready, "a ready proxy", program=envoy.program)
        yield envoy
    finally:
        envoy.stop()


@pytest.fixture(scope="module")
def mesh(agent: Consul) -> Iterator[Consul]:
    """A Consul with the service `web`."""
    agent.register(Instance.allocate(Service("web")).registration)
    yield agent
    agent.put("/v1/agent/service/deregister/web")
    clear(agent)


@pytest.fixture(scope="module")
def sidecar(programs: Programs, mesh: Consul) -> Iterator[Envoy]:
    """A sidecar that started with `BASE`."""
    write(programs, mesh, entry())
    with running(programs, mesh) as envoy:
        yield envoy


ENDPOINT = "load_assignment.endpoints.0.lb_endpoints.0.endpoint"
CHANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": ({}, []),
    "sampling": ({"sampling": {"random": 50}}, []),
    "tags": ({"tags": {"team": {"literal": "shop"}}}, []),
    "disabled": ({"enabled": False}, ["tracer: removed", "static cluster tracing_collector: removed"]),
    "collector": (
        {"collector": {"host": "other.test"}},
        [
            "tracer: http.typed_config.collector_hostname",
            f"static cluster tracing_collector: {ENDPOINT}.address.socket_address.address",
        ],
    ),
    "tracer": ({"tracer": {"zipkin": {"trace_id_128bit": False}}}, ["tracer: http.typed_config.trace_id_128bit"]),
    "cluster-changed": (
        {"static_clusters": [{**STATSD, "lb_policy": "MAGLEV"}, OTHER]},
        ["static cluster statsd: lb_policy"],
    ),
    "cluster-reformatted": ({"static_clusters": [{**STATSD, "connectTimeout": "1.5s", "type": 1}, OTHER]}, []),
    "clusters": (
        {"static_clusters": [{**STATSD, "name": "new"}, OTHER]},
        ["static cluster new: added", "static cluster statsd: removed"],
    ),
    "listener": (
        statistics(envoy_extra_static_listeners_json=json.dumps({**LISTENER, "traffic_direction": "OUTBOUND"})),
        ["static listener extra: traffic_direction"],
    ),
    "prometheus": (
        statistics(envoy_prometheus_bind_addr="127.0.0.1:1"),
        ["Prometheus address: port_value"],
    ),
    "stats-address": (statistics(envoy_stats_bind_addr=None), ["stats address: removed"]),
    "sinks": (statistics(envoy_extra_stats_sinks_json=None), ["stats sinks: changed"]),
    "statsd": (
        statistics(envoy_statsd_url="udp://127.0.0.1:1"),
        ["stats sinks: 0.typed_config.address.socket_address.port_value"],
    ),
    "interval": (statistics(envoy_stats_flush_interval="8s"), ["stats flush interval: changed"]),
    "tag": (statistics(envoy_stats_tags=["a=b", "c=e"]), ["stats config: stats_tags.1.fixed_value"]),
    "stats-config": (
        statistics(envoy_stats_config_json='{"use_all_default_tags":false}'),
        ["stats config: stats_tags", "stats config: use_all_default_tags"],
    ),
    "access-log": ({"proxy_defaults": {"AccessLogs": LOGS}}, ["admin access log: added"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_running_proxy_is_stale_only_after_a_change_that_needs_a_restart(
    programs: Programs, mesh: Consul, sidecar: Envoy, change: str
) -> None:
    args, expected = CHANGES[change]
    write(programs, mesh, entry(**args))
    assert differences(mesh, sidecar) == expected


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_proxy_started_after_the_change_is_current(programs: Programs, mesh: Consul, change: str) -> None:
    write(programs, mesh, entry(**CHANGES[change][0]))
    with running(programs, mesh) as envoy:
        assert differences(mesh, envoy) == []


@pytest.mark.slow
@pytest.mark.parametrize("tls", TLS)
@pytest.mark.parametrize("tracer", TRACERS)
def test_proxy_with_each_tracer_is_current(
    programs: Programs, mesh: Consul, tls_files: dict[str, dict[str, str]], tracer: str, tls: str
) -> None:
    collector = {"host": "collector.test", **({"tls": tls_files[tls]} if tls_files[tls] else {})}
    write(programs, mesh, entry(collector=collector, tracer=TRACERS[tracer]))
    with running(programs, mesh) as envoy:
        assert differences(mesh, envoy) == []


@pytest.mark.slow
@pytest.mark.parametrize("version", [*ENVOYS, "1.38.3"])
def test_proxy_of_each_supported_envoy_is_current(programs: Programs, mesh: Consul, version: str) -> None:
    write(programs, mesh, entry(proxy_defaults={"AccessLogs": LOGS}))
    with running(programs, mesh) as envoy:
        envoy.stop()
        envoy.version = version
        envoy.start()
        programs.wait_until(lambda: envoy.is_ready, "a ready proxy", program=envoy.program)
        assert envoy.running_version == version
        assert differences(mesh, envoy) == []
        bootstrap = read_proxy(admin_client(f"{LOOPBACK}:{envoy.admin_port}")).bootstrap
        assert read(bootstrap, "envoy.config.bootstrap.v3.Bootstrap").mistakes == []


OTHERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "json-log": {"AccessLogs": {"Enabled": True, "JSONFormat": '{"method":"%REQ(:METHOD)%","n":{"a":"%PROTOCOL%"}}'}},
    "default-log": {"AccessLogs": {"Enabled": True}},
    "file-log": {
        "AccessLogs": {"Enabled": True, "Type": "file", "Path": "/dev/null", "TextFormat": "%REQ(:METHOD)%\n"}
    },
    "telemetry": {"Config": {"envoy_telemetry_collector_bind_socket_dir": "/tmp"}},  # noqa: S108
    "stats-config": {"Config": {"envoy_stats_config_json": '{"stats_matcher":{"reject_all":false}}'}},
    "tag": {"Config": {"envoy_stats_tags": ["a=b=c"]}},
    "socket": {"Config": {"envoy_dogstatsd_url": "unix:///tmp/dogstatsd.sock"}},
}


@pytest.mark.slow
@pytest.mark.parametrize("other", OTHERS)
def test_proxy_with_other_bootstrap_keys_is_current(programs: Programs, mesh: Consul, other: str) -> None:
    write(programs, mesh, {"Kind": "proxy-defaults", "Name": "global", **OTHERS[other]})
    with running(programs, mesh) as envoy:
        assert differences(mesh, envoy) == []
        if other != "nothing":
            write(programs, mesh, {"Kind": "proxy-defaults", "Name": "global"})
            assert differences(mesh, envoy) != []


@pytest.mark.parametrize("kind", ["ingress", "mesh"])
def test_gateway_is_stale_after_a_change_of_the_collector(programs: Programs, mesh: Consul, kind: str) -> None:
    name = f"{kind}-gateway"
    address = f"-address={LOOPBACK}:{free_port()}"
    write(programs, mesh, entry(proxy_config={}))
    with running(programs, mesh, f"-gateway={kind}", "-register", f"-service={name}", address) as envoy:
        write(programs, mesh, entry(proxy_config={}), name)
        assert differences(mesh, envoy) == []
        write(programs, mesh, entry(proxy_config={}, static_clusters=[OTHER]), name)
        assert differences(mesh, envoy) == ["static cluster statsd: removed"]
        mesh.put(f"/v1/agent/service/deregister/{name}")


def registered(name: str, config: dict[str, Any]) -> dict[str, Any]:
    registration = Instance.allocate(Service(name)).registration
    registration["Connect"]["SidecarService"]["Proxy"]["Config"] = config
    return registration


def test_registration_has_precedence_over_proxy_defaults(programs: Programs, mesh: Consul) -> None:
    def tracer(path: str) -> dict[str, Any]:
        config: dict[str, Any] = entry(tracer={"zipkin": {"path": path}})["Config"]
        return {"envoy_tracing_json": config["envoy_tracing_json"]}

    write(programs, mesh, entry(proxy_config={}))
    mesh.register(registered("clerk", tracer("/a")))
    with running(programs, mesh, "-sidecar-for=clerk") as envoy:
        write(programs, mesh, entry(proxy_config={}, tracer={"zipkin": {"path": "/c"}}), "clerk-sidecar-proxy")
        assert differences(mesh, envoy) == []
        mesh.register(registered("clerk", tracer("/b")))
        programs.wait_until(
            lambda: differences(mesh, envoy) == ["tracer: http.typed_config.collector_endpoint"],
            "the change of the registration",
        )
    mesh.put("/v1/agent/service/deregister/clerk")


def test_proxy_unknown_to_the_agent_is_read_from_the_catalog(programs: Programs, mesh: Consul) -> None:
    write(programs, mesh, {**entry(), "AccessLogs": LOGS})
    proxy = {"DestinationServiceName": "web", "Config": {"envoy_statsd_url": "udp://127.0.0.1:1"}}
    for kind, name in (("connect-proxy", "far-proxy"), ("ingress-gateway", "far-gateway")):
        service = {"Kind": kind, "Service": name, "ID": name, "Port": 1, **({"Proxy": proxy} if kind[0] == "c" else {})}
        mesh.put("/v1/catalog/register", {"Node": "far", "Address": LOOPBACK, "Service": service})
    client = consul_client(mesh.environment)
    found = registered_proxy(client, {"id": "far-proxy", "cluster": "web", "metadata": {"node_name": "far"}})
    assert found is not None
    assert found["Config"] == {**mesh.config_entry("proxy-defaults", "global")["Config"], **proxy["Config"]}  # type: ignore[index, dict-item]
    assert found["AccessLogs"] == LOGS
    gateway = registered_proxy(client, {"id": "far-gateway", "cluster": "far-gateway"})
    assert gateway is not None
    assert "envoy_tracing_json" in gateway["Config"]
    assert registered_proxy(client, {"id": "far-proxy", "cluster": "web", "metadata": {"node_name": "near"}}) is None
    mesh.put("/v1/catalog/deregister", {"Node": "far"})


Stale = Callable[..., tuple[int, str]]


@pytest.fixture
def stale(programs: Programs, mesh: Consul) -> Stale:
    """Return a function that runs the command for admin ports and returns its exit code and output."""

    def run(*ports: int, form: str = "json") -> tuple[int, str]:
        options = [f"--admin={LOOPBACK}:{port}" for port in ports]
        command = [sys.executable, "-m", "consul_tracing.cli", "stale", f"--format={form}", *options]
        try:
            return 0, programs.run("consul-tracing stale", command, environment=mesh.environment)
        except ProgramFailedError as error:
            return error.exit_code, error.output

    return run


def test_exit_code_and_output(programs: Programs, mesh: Consul, sidecar: Envoy, stale: Stale) -> None:
    closed = free_port()
    write(programs, mesh, entry())
    code, text = stale(sidecar.admin_port)
    (proxy,) = json.loads(text)["proxies"]
    assert (code, proxy["proxy"], proxy["service"], proxy["stale"]) == (0, SIDECAR, "web", False)
    assert stale(sidecar.admin_port, closed)[0] == 2
    write(programs, mesh, entry(enabled=False))
    code, text = stale(sidecar.admin_port, closed, form="text")
    assert (code, "tracer: removed" in text, f"{LOOPBACK}:{closed} cannot be read" in text) == (1, True, True)
