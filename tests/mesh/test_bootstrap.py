"""The bootstrap that Consul renders from the entry of the package, validated by the supported Envoy versions."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

import toolchain
from testbed.consul import Consul
from testbed.mesh import Instance, Service
from testbed.ports import LOOPBACK
from testbed.processes import ProgramFailedError, Programs
from tests.mesh.traced_mesh import rendered

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

ENVOYS = ["1.36.4", "1.37.0", "1.40.0"]
TRACERS: dict[str, dict[str, Any]] = {
    "zipkin": {"zipkin": {"hostname": "spans.example.com"}},
    "zipkin-protobuf": {"zipkin": {"encoding": "protobuf", "trace_id_128bit": False, "shared_span_context": True}},
    "zipkin-w3c": {"zipkin": {"propagation": "b3+w3c"}},
    "otlp-grpc": {"opentelemetry": {"service_name": "mesh", "resource_attributes": {"a": "b"}}},
    "zipkin-headers": {"zipkin": {"headers": {"x-scope-orgid": "shop"}}},
    "otlp-grpc-retries": {"opentelemetry": {"retry_seconds": 60, "max_cache_size": 64}},
    "otlp-http": {"opentelemetry": {"transport": "http"}},
    "datadog": {"datadog": {"service_name": "mesh"}},
}
TLS = ["plain", "tls", "mutual-tls"]

Render = Callable[[dict[str, Any]], str]


@pytest.fixture
def render(programs: Programs, consul: Consul) -> Iterator[Render]:
    """Return a function that writes a `Config` to Consul and returns the rendered bootstrap of a sidecar."""
    consul.register(Instance.allocate(Service("web")).registration)
    flags = ["-sidecar-for=web", "-bootstrap", f"-grpc-addr=http://{LOOPBACK}:{consul.grpc_port}"]
    command = [toolchain.program("consul"), "connect", "envoy", *flags, "-ignore-envoy-compatibility"]

    def bootstrap(config: dict[str, Any]) -> str:
        consul.write_config_entry({"Kind": "proxy-defaults", "Name": "global", "Config": config})
        output = programs.run("bootstrap", command, environment=consul.environment)
        # Consul merges the entry into the proxy configuration after it has responded to the write.
        assert json.loads(output)["tracing"] == json.loads(config["envoy_tracing_json"])
        return output

    yield bootstrap
    consul.put("/v1/agent/service/deregister/web")


@pytest.fixture(scope="module")
def tls_files(programs: Programs) -> dict[str, dict[str, str]]:
    """The input `tls` of each case. Envoy reads the files at startup."""
    directory = programs.make_directory("certificates")
    for arguments in (["ca", "create"], ["cert", "create", "-server"]):
        programs.run("consul tls", [toolchain.program("consul"), "tls", *arguments], directory=directory)
    tls = {"ca_file": str(directory / "consul-agent-ca.pem")}
    pair = directory / "dc1-server-consul-0.pem", directory / "dc1-server-consul-0-key.pem"
    return {"plain": {}, "tls": tls, "mutual-tls": {**tls, "certificate_file": str(pair[0]), "key_file": str(pair[1])}}


def config(**args: Any) -> dict[str, Any]:
    """Return the rendered `Config` of proxy-defaults."""
    body: dict[str, Any] = rendered({"envoy_version": "1.36", **args})[-1]["Config"]
    return body


def validate(programs: Programs, bootstrap: str, version: str) -> None:
    """Validate a bootstrap with Envoy. Raises ProgramFailedError with the last lines of Envoy's output."""
    file = programs.make_directory("bootstrap") / "bootstrap.json"
    file.write_text(bootstrap)
    programs.run(f"envoy {version}", [toolchain.program("envoy", version), "--mode", "validate", "-c", file])


@pytest.mark.parametrize("tls", TLS)
@pytest.mark.parametrize("tracer", TRACERS)
def test_supported_envoys_accept_the_bootstrap(
    programs: Programs, render: Render, tls_files: dict[str, dict[str, str]], tracer: str, tls: str
) -> None:
    collector: dict[str, Any] = {"host": "collector.example.com", **({"tls": tls_files[tls]} if tls_files[tls] else {})}
    if tracer != "datadog":
        collector["auth"] = {"file": '/missing/"token"'}
    clusters = [{"name": "statsd", "type": "STRICT_DNS", "connect_timeout": "1s"}]
    bootstrap = render(config(collector=collector, tracer=TRACERS[tracer], static_clusters=clusters))
    with ThreadPoolExecutor() as pool:
        list(pool.map(partial(validate, programs, bootstrap), ENVOYS))


def test_envoy_rejects_an_unknown_tracer(programs: Programs, render: Render) -> None:
    """The validation detects an invalid bootstrap."""
    invalid = {**config(collector={"host": "zipkin"}), "envoy_tracing_json": '{"http":{"name":"envoy.tracers.none"}}'}
    with pytest.raises(ProgramFailedError, match="Didn't find a registered implementation"):
        validate(programs, render(invalid), "1.37.0")
